"""Why a pixel is unusable: the bits of `observed` and how the scene classification sets them."""

from __future__ import annotations

from enum import IntFlag

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


def reason_table(classes: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Reason of each SCL value: shape (256,), 0 for the classes that are usable."""
    table = np.zeros(256, np.uint8)
    for value in classes:
        table[value] = SCL_REASONS.get(value, Reason.MASKED_BY_USER)
    return table


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
        "long_name": "outside the area of interest, or without elevation",
        "flag_masks": [int(flag) for flag in AreaFlag],
        "flag_meanings": " ".join(flag.name.lower() for flag in AreaFlag if flag.name),
    }
