"""Pixels through GDAL's warper, block by block of a lattice that is anchored at the zone's origin."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform
from rasterio.windows import Window

from lscube.cube.recipes import Place, Recipe

Pixels = npt.NDArray[Any]
Read = Callable[[Window], Pixels]
"""Reads values of a window of the file, in the recipe's type."""

WARP_BLOCK = 512
"""Rows and columns that are warped at once; fewer of files that are finer than `FINE`."""

FINE = 4.0
"""Pixels of a file in one of the grid, from which on blocks are smaller: each is read as a whole."""

TOLERANCE = 0.01
"""Pixels by which places may be off; GDAL's own 0.125 moves textured images visibly, and is no faster."""


def warped(source: rasterio.DatasetReader, read: Read, place: Place, recipe: Recipe) -> Pixels:
    """Through GDAL's warper, block by block of a fixed lattice."""
    out = np.full(place.shape, recipe.fill, recipe.dtype)
    for block, part, cut in _blocks(place, _edge(source, place)):
        window = _source_window(source, block, recipe)
        if window is None:
            continue
        values = read(window)
        out[part] = _warp(values, source.crs, source.window_transform(window), block, recipe)[cut]
    return out


def _warp(values: Pixels, crs: CRS, placed: Affine, block: Place, recipe: Recipe) -> Pixels:
    """Values of a part of a file on one block.

    By way of a file in memory: `rasterio.warp.reproject` changes the process's warning filters, which
    threads share.
    """
    rows, columns = values.shape
    profile = {
        "driver": "GTiff",
        "dtype": recipe.dtype,
        "count": 1,
        "height": rows,
        "width": columns,
        "crs": crs,
        "transform": placed,
        "nodata": recipe.fill,
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(values, 1)
        with (
            memory.open() as file,
            WarpedVRT(
                file,
                crs=f"EPSG:{block.epsg}",
                transform=block.transform,
                height=block.shape[0],
                width=block.shape[1],
                resampling=recipe.resampling,
                tolerance=TOLERANCE,
            ) as view,
        ):
            warped: Pixels = view.read(1)
    return warped


Slices = tuple[slice, slice]


def _blocks(place: Place, edge: int) -> Iterator[tuple[Place, Slices, Slices]]:
    """Blocks of the lattice that reach a place, each with its part of the place and of the block."""
    step = place.transform.a
    # Whole pixels: a grid that was moved by a fraction has a lattice of its own.
    column = math.floor(round(place.transform.c / step, 6))
    row = math.floor(round(-place.transform.f / step, 6))
    # From whole numbers alone, so that every window has the same block to the last bit.
    east = round(place.transform.c - column * step, 6)
    north = round(place.transform.f + row * step, 6)
    for y in _starts(row, place.shape[0], edge):
        for x in _starts(column, place.shape[1], edge):
            down, across = (
                slice(max(start, 0), min(start + size, length))
                for start, size, length in zip(
                    (y - row, x - column), (edge, edge), place.shape, strict=True
                )
            )
            cut = (
                slice(down.start - (y - row), down.stop - (y - row)),
                slice(across.start - (x - column), across.stop - (x - column)),
            )
            corner = Affine(step, 0, x * step + east, 0, -step, north - y * step)
            block = Place(place.epsg, corner, (edge, edge))
            yield block, (down, across), cut


def _edge(source: rasterio.DatasetReader, place: Place) -> int:
    """Edge of the blocks of one file: the same for all windows of a grid."""
    pixel = math.sqrt(abs(source.transform.determinant))
    metres = pixel * (111_320.0 if source.crs.is_geographic else source.crs.linear_units_factor[1])
    finer = place.transform.a / metres / FINE
    return max(32, WARP_BLOCK >> max(0, math.ceil(math.log2(finer)))) if finer > 1 else WARP_BLOCK


def _starts(first: int, count: int, size: int) -> range:
    """Where the blocks begin that reach `count` pixels from the `first` on."""
    return range(first // size * size, first + count, size)


def _source_window(source: rasterio.DatasetReader, block: Place, recipe: Recipe) -> Window | None:
    """The file's pixels that a block is made of, with the kernel's reach; None if there are none."""
    rows, columns = block.shape
    down, across = np.meshgrid(np.linspace(0, rows, 9), np.linspace(0, columns, 17))
    x, y = _at(block.transform, across.ravel(), down.ravel())
    xs, ys = transform(f"EPSG:{block.epsg}", source.crs, x, y)
    right, below = _at(~source.transform, np.asarray(xs), np.asarray(ys))
    known = np.isfinite(right) & np.isfinite(below)
    if not known.any():
        return None
    spans = []
    for found, count, length in ((right, columns, source.width), (below, rows, source.height)):
        low, high = float(found[known].min()), float(found[known].max())
        # GDAL's kernels widen where pixels become coarser.
        reach = 4 + math.ceil(4 * max(1.0, (high - low) / count))
        first, last = max(0, math.floor(low) - reach), min(length, math.ceil(high) + reach)
        if first >= last:
            return None
        spans.append((first, last))
    (left, end), (top, bottom) = spans
    return Window(left, top, end - left, bottom - top)


def _at(
    placed: Affine, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Many points through a transform."""
    return placed.a * x + placed.b * y + placed.c, placed.d * x + placed.e * y + placed.f
