"""The ground: an eroded fractal surface with a flood plain, one surface for all resolutions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lscube.simulate.drainage import (
    DoubleArray,
    accumulate,
    border,
    fill,
    incise,
    steepest,
)
from lscube.simulate.noise import BoolArray, FloatArray, Shape, fractal, smoothstep

_LEVELS = ((8, 50), (4, 30), (2, 22))
"""Cell size (in fine pixels) and time steps of each round of erosion, coarse to fine."""
_STEEPNESS = 15.0
"""Channel steepness index in metres**0.9: slope = steepness * area**-0.45."""
_CONCAVITY = 0.45
"""Exponent of the contributing area in the stream power law."""
_HILLSLOPE = 12000.0
"""Contributing area in square metres from which water cuts channels."""
_FAILURE = float(np.tan(np.radians(32.0)))
"""Gradient at which hillslopes fail where uplift is 1."""
_TIME_STEP = 3.0
"""Time step in units in which the erodibility is 1."""


@dataclass(frozen=True)
class Relief:
    """The ground at the resolution of the optical images; all arrays (y, x)."""

    elevation: FloatArray
    """Metres above the sea."""
    floor: BoolArray
    """Flood plains of the trunk river and its two main tributaries."""
    river: FloatArray
    """Metres to the centreline of the trunk river or of a tributary in its flood plain."""
    trunk: BoolArray
    """Where the nearest river is the trunk river."""
    upstream: FloatArray
    """Contributing area in square metres."""

    def crop(self, rim: int, shape: Shape) -> Relief:
        """Cut out `shape` pixels that begin `rim` pixels from the upper-left corner."""
        part = (slice(rim, rim + shape[0]), slice(rim, rim + shape[1]))
        return Relief(
            elevation=self.elevation[part],
            floor=self.floor[part],
            river=self.river[part],
            trunk=self.trunk[part],
            upstream=self.upstream[part],
        )


@dataclass(frozen=True)
class _Valley:
    """A flood plain and its river, as rows or columns of an axis that crosses the grid."""

    floor: BoolArray
    bed: DoubleArray
    river: FloatArray


def _wave(rng: np.random.Generator, along: DoubleArray, periods: tuple[float, ...]) -> DoubleArray:
    """Add a few sine waves of random phase along a normalised coordinate."""
    phase = rng.uniform(0.0, 2.0 * np.pi, len(periods))
    waves = [
        np.sin(2.0 * np.pi * p * along + f) / (i + 1)
        for i, (p, f) in enumerate(zip(periods, phase, strict=True))
    ]
    return np.asarray(np.sum(waves, axis=0))


def _valley(
    rng: np.random.Generator, shape: Shape, spacing: float, centre: float, half_width: float
) -> tuple[_Valley, DoubleArray]:
    """Lay a valley from left to right; returns it and its axis (row of each column)."""
    rows, cols = shape
    along = np.arange(cols) / cols
    span = cols * spacing
    bends = (max(span / 6000.0, 0.6), max(span / 2600.0, 1.3))
    axis = rows * (centre + 0.05 * _wave(rng, along, bends))
    width = half_width * (1.0 + 0.3 * _wave(rng, along, (span / 3300.0, span / 1500.0)))
    meander = 0.45 * width * _wave(rng, along, (span / 1300.0, span / 800.0)) / spacing
    away = np.abs(np.arange(rows)[:, None] - axis) * spacing
    away = away - 0.16 * half_width * fractal(rng, shape, 3.0, longest=60)
    line = np.zeros(shape, dtype=bool)
    course = np.linspace(0, cols - 1, 8 * cols)
    row = np.interp(course, np.arange(cols), axis + meander)
    inside = (row >= 0) & (row < rows - 0.5)
    line[np.rint(row[inside]).astype(int), np.rint(course[inside]).astype(int)] = True
    river, nearest = ndimage.distance_transform_edt(~line, return_indices=True)
    river = river * spacing
    bed = nearest[1] * spacing
    return _Valley(away < width, bed.astype(float), river.astype(np.float32)), axis


def _valleys(
    rng: np.random.Generator, shape: Shape, spacing: float
) -> tuple[BoolArray, DoubleArray, FloatArray, BoolArray]:
    """Lay a trunk valley from east to west and two side valleys that join it."""
    extent = min(shape) * spacing
    trunk, axis = _valley(rng, shape, spacing, 0.42, min(720.0, 0.1 * extent))
    level = 30.0 + 0.004 * trunk.bed + 0.006 * trunk.river
    floor, river, is_trunk = trunk.floor, trunk.river, np.ones(shape, dtype=bool)
    rows = np.arange(shape[0])[:, None]
    for centre, side in ((0.27, -1), (0.72, 1)):
        turned, _ = _valley(rng, shape[::-1], spacing, centre, min(240.0, 0.04 * extent))
        junction = axis[int(centre * shape[1])]
        beyond = (rows - axis[None, :]) * side > 0
        climb = np.maximum((turned.bed.T / spacing - junction) * side * spacing, 0.0)
        bed = 30.0 + 0.004 * centre * shape[1] * spacing + 0.012 * climb + 0.008 * turned.river.T
        here = turned.floor.T & beyond & ~floor
        level = np.where(here, bed, level)
        nearer = beyond & (river > turned.river.T) & (here | ~floor)
        river = np.where(nearer, turned.river.T, river)
        is_trunk = is_trunk & ~nearer
        floor = floor | here
    return floor, ndimage.gaussian_filter(level, 4.0), river, is_trunk


def _refine(coarse: DoubleArray, shape: Shape) -> DoubleArray:
    """Interpolate a field linearly to a finer grid of the same extent."""
    axes = [(np.arange(n) + 0.5) * m / n - 0.5 for n, m in zip(shape, coarse.shape, strict=True)]
    grid = np.meshgrid(*axes, indexing="ij")
    return np.asarray(ndimage.map_coordinates(coarse, grid, order=1, mode="nearest"))


def _mean(fine: DoubleArray | FloatArray, factor: int) -> DoubleArray:
    """Average blocks of ``factor`` x ``factor`` pixels; the shape must divide."""
    rows, cols = (n // factor for n in fine.shape)
    blocks = np.asarray(fine, dtype=float).reshape(rows, factor, cols, factor)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _erode(
    rng: np.random.Generator,
    shape: Shape,
    resolution: float,
    steepness: float,
    valley: tuple[BoolArray, DoubleArray],
) -> tuple[DoubleArray, DoubleArray]:
    """Erode an uplifted fractal surface that drains to the valleys and the grid's border.

    Returns the surface (m) and the contributing area (m2) on the finest of the coarse grids.
    """
    floor, level = valley
    resistance = fractal(rng, shape, 2.5, longest=120)
    uplift = np.exp(0.55 * fractal(rng, shape, 3.2, longest=300))
    surface = 60.0 + 12.0 * fractal(rng, shape, 2.4).astype(float)
    area = np.zeros(0)
    elevation: DoubleArray | None = None
    for factor, steps in _LEVELS:
        size = (shape[0] // factor, shape[1] // factor)
        spacing = resolution * factor
        base = _mean(floor.astype(float), factor) > 0.5
        ring = border(size)
        start = _mean(surface, factor) if elevation is None else _refine(elevation, size)
        start = start + rng.normal(0.0, 0.02 * spacing, size)
        height = np.where(base, _mean(level, factor), start)
        height = fill(height, base | ring)
        rise = _STEEPNESS * steepness * _TIME_STEP * np.clip(_mean(uplift, factor), 0.2, 2.2)
        rise = np.where(base, 0.0, np.where(ring, 0.0, rise))
        ease = np.exp(0.25 * _mean(resistance, factor)).ravel()
        failure = _FAILURE * np.clip(_mean(uplift, factor), 0.2, 1.2).ravel() ** 0.6
        failure = failure * steepness**0.4
        for _ in range(steps):
            flow = steepest(height, base, spacing)
            area = accumulate(flow) * spacing**2
            rate = (
                _TIME_STEP * ease * (area / (1.0 + _HILLSLOPE / area)) ** _CONCAVITY / flow.distance
            )
            height = incise(height + rise, flow, rate, failure)
        elevation = height
    assert elevation is not None
    return elevation, area.reshape(elevation.shape)


def make_relief(
    rng: np.random.Generator, shape: Shape, resolution: float, steepness: float = 1.0
) -> Relief:
    """Make the ground.

    Parameters
    ----------
    rng
        Source of randomness.
    shape
        Rows and columns, multiples of 8.
    resolution
        Pixel size in metres.
    steepness
        Of channels and slopes, relative to hills with slopes of up to some 35 degrees.
    """
    floor, level, river, trunk = _valleys(rng, shape, resolution)
    coarse, area = _erode(rng, shape, resolution, steepness, (floor, level))
    elevation = ndimage.gaussian_filter(_refine(coarse, shape), 1.3)
    blend = ndimage.gaussian_filter(floor.astype(np.float32), 2.0)
    roughness = 0.5 * fractal(rng, shape, 2.4, longest=24) + 2.5 * fractal(rng, shape, 3.4, 60)
    elevation = elevation + (1.0 - blend) * roughness
    elevation = np.where(floor, blend * level + (1.0 - blend) * elevation, elevation)
    width = np.where(trunk, 22.0, 9.0).astype(np.float32)
    elevation = elevation - np.where(floor, 2.5 * (1.0 - smoothstep(river / width, 0.8, 1.6)), 0.0)
    upstream = np.kron(area, np.ones((_LEVELS[-1][0],) * 2))
    return Relief(elevation.astype(np.float32), floor, river, trunk, upstream.astype(np.float32))
