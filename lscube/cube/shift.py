"""How far one image lies from another, to a fraction of a pixel, by phase correlation.

Kuglin, C. D., and Hines, D. C., 1975, The phase correlation image alignment method, Proc. IEEE Int.
Conf. Cybernetics and Society; the peak is refined as in Guizar-Sicairos, M., Thurman, S. T., and
Fienup, J. R., 2008, doi:10.1364/OL.33.000156 (scikit-image's `phase_cross_correlation`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float64]

TEXTURE = 5e-4
"""Standard deviation of the local contrast (reflectance) below which a chip shows nothing."""

FINE = 4.0
"""Pixels: contrast at scales well above this is left out, it changes with the sun."""

FREQUENCY = 0.2
"""Width (cycles per pixel) of the Gauss curve that weights frequencies: the highest ones are noise, and
the traces of resampling, which lie still."""

STEPS = 100
"""Parts of a pixel to which a shift is refined."""

FEWEST = 3
"""Chips that must agree."""

SHARE = 0.25
"""Share of the chips that must agree."""

NEAR = 1.0
"""Pixels within which chips agree."""


@dataclass(frozen=True)
class Shift:
    """Displacement of an image against another one."""

    rows: float
    """Pixels downwards."""
    columns: float
    """Pixels to the right."""
    spread: float
    """Median distance of the chips' shifts from this one, in pixels."""
    chips: int
    """Chips that agree."""


def chip_shift(before: FloatArray, after: FloatArray) -> tuple[float, float] | None:
    """Displacement of one small image against another.

    Parameters
    ----------
    before, after
        Reflectance, shape (n, n), NaN where unusable.

    Returns
    -------
    (rows, columns) or None
        How far the content of `after` lies below and right of that of `before`, in pixels; None
        where one of them has hardly any contrast.
    """
    from skimage import registration

    correlate: Any = registration.phase_cross_correlation
    usable = np.isfinite(before) & np.isfinite(after)
    spectra = [_phases(image, usable) for image in (before, after)]
    if any(spectrum is None for spectrum in spectra):
        return None
    # The phases are taken already, so that the weights of the frequencies are ours.
    back, _, _ = correlate(*spectra, space="fourier", upsample_factor=STEPS, normalization=None)
    return -float(back[0]), -float(back[1])


def _phases(image: FloatArray, usable: npt.NDArray[np.bool_]) -> npt.NDArray[np.complex128] | None:
    """Phases of a chip's local contrast, weighted by frequency; None without contrast."""
    filled = np.where(usable, image, 0.0)
    near = ndimage.gaussian_filter(usable.astype(np.float64), FINE)
    mean = ndimage.gaussian_filter(filled, FINE) / np.maximum(near, 1e-6)
    weight = _weight(usable)
    contrast = np.where(usable, image - mean, 0.0)
    deviation = np.sqrt((contrast**2 * weight).sum() / max(float(weight.sum()), 1.0))
    if deviation < TEXTURE:
        return None
    # A landslide, a cloud's rim or a roof must not outweigh all else.
    limited = np.clip(contrast, -3 * deviation, 3 * deviation) * weight
    spectrum = np.fft.fft2(limited)
    strength = np.abs(spectrum)
    frequency = np.fft.fftfreq(len(image))
    distance = np.hypot(frequency[:, None], frequency[None, :])
    band = np.exp(-0.5 * (distance / FREQUENCY) ** 2)
    phases: npt.NDArray[np.complex128] = (
        spectrum / np.maximum(strength, 1e-9 * strength.max()) * band
    )
    return phases


def _weight(usable: npt.NDArray[np.bool_]) -> FloatArray:
    """1 inside, falling smoothly to 0 at gaps and at the chip's edge, so that neither is seen."""
    inner = ndimage.binary_erosion(usable, iterations=4, border_value=1)
    smooth = ndimage.gaussian_filter(inner.astype(np.float64), 2.0) * usable
    n = len(usable)
    across = (np.arange(n) + 0.5) / n
    edge = np.sin(0.5 * np.pi * np.minimum(1.0, np.minimum(across, 1 - across) / 0.15)) ** 2
    weight: FloatArray = smooth * edge[:, None] * edge[None, :]
    return weight


def combine_shifts(shifts: Iterable[tuple[float, float]]) -> Shift | None:
    """The displacement on which the most chips agree.

    Chips over water, clouds or a landslide give any number; those that see stable ground agree.

    Parameters
    ----------
    shifts
        Rows and columns, per chip.

    Returns
    -------
    Shift or None
        The median of the largest group of chips that lie within a pixel of one of them; None where
        it has fewer than three members or less than a quarter of the chips.
    """
    found = np.array(list(shifts), np.float64).reshape(-1, 2)
    if len(found) < FEWEST:
        return None
    distance = np.hypot(*(found[:, None] - found[None, :]).transpose(2, 0, 1))
    group = found[distance[np.argmax((distance <= NEAR).sum(axis=1))] <= NEAR]
    if len(group) < max(FEWEST, SHARE * len(found)):
        return None
    rows, columns = np.median(group, axis=0)
    spread = float(np.median(np.hypot(group[:, 0] - rows, group[:, 1] - columns)))
    return Shift(float(rows), float(columns), spread, len(group))
