"""Whether what was decided of numbers looks like reflectance, like ground, and like the other side.

The bounds are wide: they are to catch numbers that were read wrongly, by a factor or an offset, not
scenes that are unusual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lscube.cube.encoding import Encoding
from lscube.cube.radiometry import ADDED, NEGATIVE, SCALE, Radiometry
from lscube.errors import SceneError

DARKEST = NEGATIVE
"""Reflectance that the darkest hundredth of a scene does not fall below: atmospheric correction takes
off up to a few hundredths too much over water and in shadow."""

BRIGHTEST = 1.5
"""Reflectance that half of a scene does not exceed: fresh snow and clouds reach 1.0, on slopes that face
the sun 1.3."""

GLARING = 3.0
"""Reflectance that the brightest hundredth of a scene begins below: clouds and glint reach 2."""

FAINTEST = 0.003
"""Reflectance that the brightest hundredth of a scene reaches: clear deep water has 0.005 in red."""

STEEPEST = 50.0
"""Degrees that half of a surface model does not exceed over `COARSE` metres: of 17 real ones of mountains
at 5 to 31 m the steepest has 24 at the median."""

COARSE = 10.0
"""Metres over which slopes are looked at: trees and houses are steep in finer surface models."""

JUMP = ADDED * SCALE
"""Reflectance by which a forgotten offset moves a whole scene."""

JUMP_LIKE = 0.015
"""How near to `JUMP` all percentiles of all bands must lie."""

TEXTURE = 0.01
"""Reflectance between the 1st and 75th percentile below which an image has no distribution to compare."""


@dataclass(frozen=True)
class Sample:
    """A scene's sampled reflectance."""

    item: str
    """Id of the item."""
    tile: str
    """Scenes of one tile show one place."""
    decided: bool
    """Whether a setting decides about its offset."""
    percentiles: tuple[tuple[float, ...], ...]
    """For each band, the reflectance at the 1st, 25th, 50th, 75th and 99th percentile."""


def reflectance_at(numbers: Sequence[float], radiometry: Radiometry) -> tuple[float, ...]:
    """Numbers (DN) as reflectance."""
    return tuple(number * radiometry.scale + radiometry.offset for number in numbers)


def check_reflectance(name: str, numbers: Sequence[float], radiometry: Radiometry) -> None:
    """Refuse what does not look like the reflectance of a scene.

    Parameters
    ----------
    name
        Of the band's asset and item.
    numbers
        1st, 25th, 50th, 75th and 99th percentile of its valid numbers (DN).
    radiometry
        What was decided.

    Raises
    ------
    SceneError
        Says what was seen, what was decided and why, and the settings that decide otherwise.
    """
    dark, _, middle, _, bright = reflectance_at(numbers, radiometry)
    if dark < DARKEST:
        seen = f"{dark:.3f} for the darkest hundredth (at least {DARKEST:g} expected)"
    elif middle > BRIGHTEST:
        seen = f"{middle:.4g} at the median (at most {BRIGHTEST:g} expected)"
    elif bright < FAINTEST:
        seen = f"{bright:.2g} for the brightest hundredth (at least {FAINTEST:g} expected)"
    elif bright > GLARING:
        seen = f"{bright:.4g} for the brightest hundredth (at most {GLARING:g} expected)"
    else:
        return
    raise SceneError(
        f"Expected numbers that become reflectance in {name}, but {numbers[0]:g} to {numbers[4]:g} become "
        f"{seen} with scale {radiometry.scale:g} and offset {radiometry.offset:g} ({radiometry.reason}); set "
        "cube.scale, cube.offset or cube.nodata, as a number or by item id."
    )


def check_jumps(samples: Sequence[Sample]) -> None:
    """Refuse scenes of one place of which one is brighter by a forgotten offset, everywhere alike.

    Raises
    ------
    SceneError
        All percentiles of all bands of two scenes lie 0.1 apart.
    """
    for number, one in enumerate(samples):
        for other in samples[number + 1 :]:
            if one.tile != other.tile or one.decided or other.decided:
                continue
            apart = _apart(one, other)
            if apart is not None:
                dark, bright = (one, other) if apart > 0 else (other, one)
                raise SceneError(
                    f"Expected scenes that differ by what happened, but {bright.item} is {abs(apart):.3f} "
                    f"brighter than {dark.item} in all bands, from the darkest pixels to the bright ones: "
                    f"an offset of {-JUMP:g} that one of them lacks; set cube.offset for both by item id."
                )


def _apart(one: Sample, other: Sample) -> float | None:
    """By how much another scene is brighter, where that is so everywhere by nearly `JUMP`."""
    # Clouds take part of the brightest hundredth.
    first, second = (np.array([band[:4] for band in s.percentiles]) for s in (one, other))
    if first.shape != second.shape or not first.size:
        return None
    if min(np.ptp(first, axis=1).min(), np.ptp(second, axis=1).min()) < TEXTURE:
        return None
    apart = second - first
    alike = (np.abs(np.abs(apart) - JUMP) < JUMP_LIKE).all() and abs(
        np.sign(apart).sum()
    ) == apart.size
    return float(np.median(apart)) if alike else None


def slopes_of(
    ground: npt.NDArray[np.float32], cells: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Slopes in degrees over at least `COARSE` metres, where they are known.

    Parameters
    ----------
    ground
        Elevation in metres (y, x), NaN where unknown.
    cells
        Height and width of a pixel in metres.
    """
    rows, columns = (max(1, round(COARSE / size)) for size in cells)
    height, width = (size // step for size, step in zip(ground.shape, (rows, columns), strict=True))
    if min(height, width) < 2:
        return np.empty(0)
    cut = ground[: height * rows, : width * columns].astype(np.float64)
    coarse = cut.reshape(height, rows, width, columns).mean(axis=(1, 3))
    down, across = np.gradient(coarse, cells[0] * rows, cells[1] * columns)
    slopes = np.degrees(np.arctan(np.hypot(down, across)))
    known: npt.NDArray[np.float64] = slopes[np.isfinite(slopes)]
    return known


def check_slopes(slopes: npt.NDArray[np.float64], encoding: Encoding) -> None:
    """Refuse a surface model whose slopes no hills have.

    Raises
    ------
    SceneError
        Half of the slopes are steeper than `STEEPEST`.
    """
    if slopes.size and (middle := float(np.median(slopes))) > STEEPEST:
        raise SceneError(
            f"Expected ground in {encoding.name}, found slopes of {middle:.0f} degrees at the median (at "
            f"most {STEEPEST:g} expected) with {encoding.scale:g} m per number ({encoding.reason}); set "
            "cube.elevation_scale to the metres per number."
        )
