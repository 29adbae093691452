"""Why a pixel is unusable: the bits of `observed`, who sets them, and how clouds are widened."""

from __future__ import annotations

import math
from collections.abc import Collection
from enum import IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt


class Reason(IntFlag):
    """Why one image does not show a pixel."""

    NO_DATA = 1
    SATURATED = 2
    CLOUD = 4
    CLOUD_SHADOW = 8
    TERRAIN_SHADOW = 16
    SNOW = 32
    MASKED_BY_USER = 64
    UNREADABLE_SOURCE = 128


class AreaFlag(IntFlag):
    """Why a pixel of the grid is not mapped at all, or not fully."""

    OUTSIDE_AREA = 1
    NO_ELEVATION = 2
    UNREADABLE_ELEVATION = 4


SCL_REASONS = {
    0: Reason.NO_DATA,
    1: Reason.SATURATED,
    2: Reason.TERRAIN_SHADOW,
    3: Reason.CLOUD_SHADOW,
    8: Reason.CLOUD,
    9: Reason.CLOUD,
    10: Reason.CLOUD,
    11: Reason.SNOW,
}
"""Classes of Sentinel-2's scene classification (SCL) that can make a pixel unusable."""


def inside_area(area: Any) -> Any:
    """Pixels within the area of interest, from a cube's or a map's `area`; NumPy or Dask."""
    return area & np.uint8(AreaFlag.OUTSIDE_AREA) == 0


def usable(observed: Any, area: Any, branches: Collection[str]) -> Any:
    """Pixels within the area that the images of some branches show.

    Parameters
    ----------
    observed, area
        Of a cube, any shape; NumPy or Dask.
    branches
        Any of "pre", "post" and "topography"; what a model without "pre" maps can be missing there.

    Returns
    -------
    bool, of the same shape
    """
    bits = (0xFF if "pre" in branches else 0) | (0xFF00 if "post" in branches else 0)
    return (observed & np.uint16(bits) == 0) & inside_area(area)


def reason_table(classes: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Reason of each SCL value: shape (256,), 0 for the classes that are usable."""
    table = np.zeros(256, np.uint8)
    for value in classes:
        table[value] = SCL_REASONS.get(value, Reason.MASKED_BY_USER)
    return table


def halo_of(distance: float, resolution: float) -> int:
    """Pixels around a block that `dilate` needs, for `distance` and `resolution` in metres."""
    return math.floor(distance / resolution + _ROUNDING)


def dilate(reason: npt.NDArray[np.uint8], bits: int, radius: float) -> npt.NDArray[np.uint8]:
    """Widen what sets certain bits by a disc, each bit on its own.

    A disc is a stack of rows of different lengths, so one pass lengthens the marked rows step by
    step and lays them above and below: bitwise "or" alone, for all bits at once (some 40 times as
    fast as a distance transform for each of two bits, with discs of 6 pixels).

    Parameters
    ----------
    reason
        Bits of `Reason`, shape (y, x).
    bits
        Those to widen; the others stay as they are.
    radius
        In pixels, between centres; a pixel at just this distance still gets the bit.

    Returns
    -------
    uint8 array, shape (y, x)
        What lies within `halo_of` of an edge lacks what is marked beyond it.
    """
    marked = reason & np.uint8(bits)
    result = reason.copy()
    if not marked.any():
        return result
    row = marked.copy()
    reach = 0
    radius += _ROUNDING
    for distance in range(math.floor(radius), -1, -1):
        half_row = math.isqrt(math.floor(radius**2 - distance**2))
        for step in range(reach + 1, half_row + 1):
            row[:, step:] |= marked[:, :-step]
            row[:, :-step] |= marked[:, step:]
        reach = half_row
        rest = max(len(row) - distance, 0)
        result[distance:] |= row[:rest]
        result[:rest] |= row[distance:]
    return result


_ROUNDING = 1e-6
"""60 m at 0.3 m are 200 pixels, not 199.99999999999997."""


def observed_attributes() -> dict[str, object]:
    """CF attributes of `observed`: low byte before, high byte after the event."""
    names = [reason.name.lower() for reason in Reason if reason.name]
    masks = [int(reason) for reason in Reason]
    return {
        "long_name": "why a pixel is unusable, 0 = usable before and after",
        "flag_masks": masks + [mask << 8 for mask in masks],
        "flag_meanings": " ".join([f"pre_{n}" for n in names] + [f"post_{n}" for n in names]),
    }


def area_attributes() -> dict[str, object]:
    """CF attributes of `area`."""
    return {
        "long_name": "outside the area of interest, or without a surface model that can be read",
        "flag_masks": [int(flag) for flag in AreaFlag],
        "flag_meanings": " ".join(flag.name.lower() for flag in AreaFlag if flag.name),
    }
