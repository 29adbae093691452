"""Slope and hillshade: the formulas once, over NumPy or `keras.ops` alike.

Horn's 3x3 method as in `gdaldem` (Horn, B. K. P., 1981, Hill shading and the reflectance map,
Proc. IEEE 69(1), doi:10.1109/PROC.1981.11918). Only slices and sums: a convolution would be
subject to automatic low precision, and a bfloat16 elevation is off by metres at 2500 m.
"""

from __future__ import annotations

import math
from typing import Any

import numpy


def _extend(array: Any, axis: int, xp: Any) -> Any:
    """Lengthen `axis` by one on both sides, continuing the surface linearly (`-compute_edges`)."""

    def part(start: int, stop: int) -> Any:
        index = [slice(None)] * len(array.shape)
        index[axis] = slice(start, stop)
        return array[tuple(index)]

    n = array.shape[axis]
    if n is not None and n < 2:
        return xp.concatenate([array, array, array], axis=axis)
    first, second = part(0, 1), part(1, 2)
    last, before = part(-1, None), part(-2, -1)  # type: ignore[arg-type]
    return xp.concatenate([2 * first - second, array, 2 * last - before], axis=axis)


def gradient(elevation: Any, resolution: float, xp: Any = numpy) -> tuple[Any, Any]:
    """Rise of the surface per metre, by Horn's weights.

    Parameters
    ----------
    elevation
        Metres, shape (..., y, x); rows run from north to south.
    resolution
        Pixel size in metres.
    xp
        Array module: `numpy` or `keras.ops`.

    Returns
    -------
    east, north
        Dimensionless, shape (..., y, x), edges included.
    """
    z = _extend(_extend(elevation, len(elevation.shape) - 2, xp), len(elevation.shape) - 1, xp)
    # across: west to east differences of whole columns, smoothed over rows; down: the other way.
    across = z[..., :, 2:] - z[..., :, :-2]
    down = z[..., 2:, :] - z[..., :-2, :]
    east = (across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]) / (8 * resolution)
    south = (down[..., :, :-2] + 2 * down[..., :, 1:-1] + down[..., :, 2:]) / (8 * resolution)
    return east, -south


def slope(elevation: Any, resolution: float, xp: Any = numpy) -> Any:
    """Slope in degrees, 0 (flat) to 90; shapes as in `gradient`."""
    east, north = gradient(elevation, resolution, xp)
    return xp.arctan(xp.sqrt(east * east + north * north)) * (180.0 / math.pi)


def hillshade(
    elevation: Any,
    resolution: float,
    xp: Any = numpy,
    azimuth: float = 315.0,
    altitude: float = 45.0,
) -> Any:
    """Hillshade, 1 (unlit) to 255: 1 + 254 * max(cos(incidence), 0).

    Parameters
    ----------
    elevation, resolution, xp
        As in `gradient`.
    azimuth, altitude
        Of the light, in degrees: clockwise from north, and above the horizon.
    """
    east, north = gradient(elevation, resolution, xp)
    a, h = math.radians(azimuth), math.radians(altitude)
    facing = north * math.cos(a) + east * math.sin(a)
    cosine = (math.sin(h) - math.cos(h) * facing) / xp.sqrt(1 + east * east + north * north)
    return 1 + 254 * xp.maximum(cosine, 0.0)
