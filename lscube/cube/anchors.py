"""One radiometry for all scenes: each band between two anchors, wherever and by whatever it was taken.

Haze adds to a band, the air and the sun scale it, and 8-bit composites of other sensors do both. So what
10 % of an image's pixels stay below is laid on the value that it has in a reference, and what 67 % stay below
is brought near to its own; all else follows linearly. Both lie among what did not change: up to a third of
the pixels can be landslides, clouds or snow. Near only: dry or autumnal ground differs from the reference by
itself, and bare soil must stay bright on it, so the scale changes no more than air and light do (`SCALES`).
It is a relative radiometric normalisation by pseudo-invariant quantiles, as `docs/model.md` compares them
(Canty, M. J., Nielsen, A. A., 2008, doi:10.1016/j.rse.2007.07.013, choose the invariant pixels themselves;
here no second image is needed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

QUANTILES = (10.0, 67.0)
"""Percentiles that the anchors are."""
BRIGHT = 8.0
"""Pixels so many times further above the median than it lies above the lower anchor are cloud or snow."""
SLOPE = 5.0
"""Degrees below which ground is left out where slopes are known: water, fields, towns, snow on plains."""
FEWEST = 400
"""Pixels below which nothing is measured."""
SCALES = (0.7, 1.4)
"""Least and most that a band is multiplied by. Without limits a network that was trained on wooded mountains
had an MCC of 0.08 on Iburi's autumn, with them 0.61 (`docs/model.md`)."""
NARROWEST = 0.002
"""Reflectance between the anchors below which a band shows nothing: all water, all snow, one value."""


@dataclass(frozen=True)
class Anchors:
    """Two values of each band."""

    bands: tuple[str, ...]
    """Common names."""
    low: tuple[float, ...]
    """Reflectance that 10 % of the pixels stay below."""
    high: tuple[float, ...]
    """Reflectance that 67 % of the pixels stay below."""

    def of(self, bands: Sequence[str]) -> Anchors:
        """Those of some bands."""
        places = [self.bands.index(band) for band in bands]
        return Anchors(
            tuple(bands),
            tuple(self.low[place] for place in places),
            tuple(self.high[place] for place in places),
        )


REFERENCE = Anchors(("red", "green", "blue"), (0.02, 0.02, 0.02), (0.037, 0.044, 0.036))
"""Wooded mountains in summer; what the models that come with lscube have learnt from."""


def measure_anchors(
    image: npt.NDArray[np.float32],
    bands: Sequence[str],
    slope: npt.NDArray[np.float32] | None = None,
) -> tuple[Anchors | None, str]:
    """Measure an image's anchors.

    Parameters
    ----------
    image
        Reflectance (band, y, x), NaN where unobserved.
    bands
        Their names.
    slope
        Degrees (y, x), NaN where unknown; what is flat does not count, unless nearly all is.

    Returns
    -------
    Anchors or None, and a word on how they came about
        None where too few pixels are seen, or a band shows nothing.
    """
    seen = np.isfinite(image).all(axis=0)
    where = "all ground"
    if slope is not None:
        steep = seen & (slope >= SLOPE)
        if steep.sum() >= FEWEST:
            seen, where = steep, f"slopes of at least {SLOPE:g} degrees"
    values = image[:, seen].astype(np.float64)
    for _ in range(3):
        if values.shape[1] < FEWEST:
            return None, f"only {values.shape[1]} pixels are seen, {FEWEST} are needed"
        low, middle = np.percentile(values, (QUANTILES[0], 50.0), axis=1)
        reach = middle + BRIGHT * np.maximum(middle - low, NARROWEST)
        values = values[:, ~(values > reach[:, np.newaxis]).all(axis=0)]
    low, high = np.percentile(values, QUANTILES, axis=1)
    flat = [band for band, span in zip(bands, high - low, strict=True) if span < NARROWEST]
    if flat:
        return None, f"{', '.join(flat)} shows nothing: its pixels are nearly all alike"
    rounded = (tuple(round(float(value), 6) for value in anchor) for anchor in (low, high))
    return Anchors(tuple(bands), *rounded), f"{values.shape[1]} pixels of {where}"


@dataclass(frozen=True)
class Line:
    """What brings an image to a reference: for each band slope * reflectance + intercept."""

    slopes: tuple[float, ...] = ()
    """None: the image is left as it is."""
    intercepts: tuple[float, ...] = ()
    """Reflectance."""
    reason: str = ""
    """What was measured, or why nothing was."""

    def applied(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Bring reflectance (band, y, x) to the reference; NaN and inf stay, nothing else lies below 0."""
        if not self.slopes:
            return image
        slopes, intercepts = (
            np.array(numbers, np.float32)[:, np.newaxis, np.newaxis]
            for numbers in (self.slopes, self.intercepts)
        )
        brought: npt.NDArray[np.float32] = np.maximum(image * slopes + intercepts, np.float32(0))
        return brought


def line_between(anchors: Anchors, reference: Anchors, reason: str = "") -> Line:
    """The line that lays lower anchors on a reference's, which has all their bands, and upper ones near."""
    there = reference.of(anchors.bands)
    ends = list(zip(anchors.low, anchors.high, there.low, there.high, strict=True))
    wanted = [(to_high - to_low) / (high - low) for low, high, to_low, to_high in ends]
    slopes = [min(max(slope, SCALES[0]), SCALES[1]) for slope in wanted]
    starts = [to - slope * low for slope, (low, _, to, _) in zip(slopes, ends, strict=True)]
    return Line(tuple(round(x, 7) for x in slopes), tuple(round(x, 7) for x in starts), reason)


def brought(
    image: npt.NDArray[np.float32], anchors: Anchors | None, reference: Anchors
) -> npt.NDArray[np.float32]:
    """Bring an image (band, y, x) with its anchors to a reference; without anchors it stays as it is."""
    return image if anchors is None else line_between(anchors, reference).applied(image)


_ATTRIBUTES = ("reference_bands", "reference_low", "reference_high")


def as_attributes(reference: Anchors) -> dict[str, Any]:
    """Attributes of a cube whose images were brought to a reference."""
    values = (reference.bands, reference.low, reference.high)
    return {name: list(value) for name, value in zip(_ATTRIBUTES, values, strict=True)}


def reference_of(attributes: Mapping[str, Any]) -> Anchors | None:
    """What a cube's images were brought to; None where they have their reflectance."""
    if _ATTRIBUTES[0] not in attributes:
        return None
    bands, low, high = (np.atleast_1d(attributes[name]) for name in _ATTRIBUTES)
    return Anchors(tuple(map(str, bands)), tuple(map(float, low)), tuple(map(float, high)))
