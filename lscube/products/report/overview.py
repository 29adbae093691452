"""A map in as many pixels as a screen shows, and its counts; the map is read tile by tile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from lscube.cube.masks import AreaFlag, inside_area
from lscube.evaluate.cube_picture import COLOURS
from lscube.grid import bounds_of
from lscube.mapping.opening import area_of
from lscube.products.inventory.area import pixel_areas
from lscube.products.rasters import blocks_of

REASONS = tuple(COLOURS)
"""Why a pixel is not observed; of several reasons the first counts."""

TILE = 2048
"""Pixels along the edge of what is read at once."""

BINS = 20
"""Classes of probability that are counted."""

UNKNOWN = 255
"""Stands for a probability that is not known."""


Days = tuple[np.datetime64, np.datetime64]
"""First and last."""


@dataclass
class Counts:
    """Pixels of the area of interest, counted one by one."""

    pixels: int = 0
    """In the area."""
    mapped: int = 0
    """With a probability."""
    both: int = 0
    """Usable before and after."""
    inside_m2: float = 0.0
    """The area on the ellipsoid, as inventories have it."""
    mapped_m2: float = 0.0
    """What has a probability of it."""
    before: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(len(REASONS) + 1, np.int64)
    )
    """Usable before, then by first reason (`REASONS`) why not."""
    after: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(len(REASONS) + 1, np.int64)
    )
    """The same after."""
    no_elevation: int = 0
    """Without elevation."""
    probability: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    """In each of `BINS` classes of probability."""
    days: Days | None = None
    """Of the image after."""

    @property
    def hidden_m2(self) -> float:
        """The area of which nothing is known."""
        return self.inside_m2 - self.mapped_m2


@dataclass(frozen=True)
class Overview:
    """A map in blocks of `step` x `step` pixels, from the north-west of its area."""

    grid: GeoBox
    """The blocks."""
    step: int
    """Edge of a block in the map's pixels."""
    probability: npt.NDArray[np.uint8]
    """Highest probability of each block in percent; `UNKNOWN` where none is known."""
    before: npt.NDArray[np.uint8]
    """Of each block's middle pixel: 0 usable before, else 1 + place of the first reason in `REASONS`."""
    after: npt.NDArray[np.uint8]
    """The same after."""
    counts: Counts
    """Of all pixels."""


def crop(mapped: xr.Dataset) -> xr.Dataset:
    """The part of a map around its area of interest: stores hold whole windows beyond it."""
    grid = mapped.odc.geobox
    west, south, east, north = area_of(mapped).bounds
    columns, rows = zip(
        *(~grid.affine @ corner for corner in ((west, north), (east, south))), strict=True
    )
    part: dict[Any, slice] = {
        name: slice(max(int(np.floor(first)), 0), min(int(np.ceil(last)), size))
        for name, (first, last), size in (("y", rows, grid.shape[0]), ("x", columns, grid.shape[1]))
    }
    return mapped.isel(part)


def overview_grid(mapped: xr.Dataset, edge: int = 2048) -> GeoBox:
    """The blocks of pixels in which a report shows a map: what images for it are to be read on."""
    grid = crop(mapped).odc.geobox
    step = step_of(grid.shape, edge)
    shape = tuple(-(-size // step) for size in grid.shape)
    return GeoBox(shape, grid.affine @ Affine.scale(step), grid.crs)


def step_of(shape: Iterable[int], edge: int) -> int:
    """Edge of the blocks in which an image, (y, x), has no more pixels along its longest edge."""
    return max(1, -(-max(shape) // edge))


def summarise(mapped: xr.Dataset, edge: int = 2048, tile: int = TILE) -> Overview:
    """Read a map once, tile by tile.

    Parameters
    ----------
    mapped
        From `lscube.mapping.open_map`.
    edge
        Longest edge of the overview in blocks.
    tile
        Pixels along the edge of what is read at once, rounded to whole blocks.
    """
    part = crop(mapped)
    step, grid = step_of(part.odc.geobox.shape, edge), overview_grid(mapped, edge)
    planes = [np.full(grid.shape, fill, np.uint8) for fill in (UNKNOWN, 0, 0)]
    counts = Counts()
    columns = np.zeros((2, part.sizes["x"]), np.int64)
    for cut in _tiles(part.odc.geobox.shape, step, tile):
        loaded = part[["probability", "observed", "area", "post_date"]].isel(cut).load()
        read = _Tile(loaded)
        read.count(counts)
        columns[:, cut["x"]] += read.columns
        place = tuple(slice(piece.start // step, -(-piece.stop // step)) for piece in cut.values())
        for plane, values in zip(planes, read.blocks(step), strict=True):
            plane[place] = values
    counts.inside_m2, counts.mapped_m2 = (columns @ _column_areas(mapped, part)).tolist()
    probability, before, after = planes
    return Overview(grid, step, probability, before, after, counts)


def _column_areas(mapped: xr.Dataset, part: xr.Dataset) -> npt.NDArray[np.float64]:
    """Square metres of a pixel of each column of a part: by the whole map's grid, as for its inventory."""
    every = pixel_areas(mapped.odc.geobox)
    first = np.searchsorted(mapped["x"].to_numpy(), part["x"].to_numpy()[0])
    return every[first : first + part.sizes["x"]]


def _tiles(shape: tuple[int, int], step: int, tile: int) -> Iterator[dict[Any, slice]]:
    """Rows and columns of tiles of whole blocks."""
    for rows, columns in blocks_of(shape, step * max(1, tile // step)):
        yield {"y": rows, "x": columns}


def _ranks() -> npt.NDArray[np.uint8]:
    """For each byte of `observed`: 0 where no bit is set, else 1 + place of its first reason."""
    ranks = np.zeros(256, np.uint8)
    values = np.arange(256)
    for place, reason in reversed(list(enumerate(REASONS, 1))):
        ranks[(values & int(reason)) != 0] = place
    return ranks


class _Tile:
    """A part of a map in memory."""

    def __init__(self, loaded: xr.Dataset) -> None:
        self.probability = loaded["probability"].to_numpy()
        area, self.observed = loaded["area"].to_numpy(), loaded["observed"].to_numpy()
        self.inside = inside_area(area)
        self.no_elevation = (area & ~np.uint8(AreaFlag.OUTSIDE_AREA)) != 0
        ranks = _ranks()
        self.sides = [
            np.where(self.inside, ranks[(self.observed >> shift) & 0xFF], 0).astype(np.uint8)
            for shift in (0, 8)
        ]
        self.known = self.inside & np.isfinite(self.probability)
        self.columns = np.stack([mask.sum(axis=0) for mask in (self.inside, self.known)])
        self.days = loaded["post_date"].to_numpy()[self.inside]

    def count(self, counts: Counts) -> None:
        """Add this part's pixels."""
        inside = self.inside
        counts.pixels += int(inside.sum())
        known = self.probability[self.known]
        counts.mapped += known.size
        counts.both += int((self.observed[inside] == 0).sum())
        counts.no_elevation += int((self.no_elevation & inside).sum())
        counts.probability += np.histogram(known, BINS, (0, 1))[0]
        for side, total in zip(self.sides, (counts.before, counts.after), strict=True):
            total += np.bincount(side[inside], minlength=total.size)
        days = self.days[~np.isnat(self.days)]
        if days.size:
            earlier = counts.days or (days[0], days[0])
            counts.days = min(earlier[0], days.min()), max(earlier[1], days.max())

    def blocks(self, step: int) -> Iterator[npt.NDArray[np.uint8]]:
        """Probability, reasons before and reasons after of its blocks."""
        known = np.isfinite(self.probability)
        value = np.where(known, np.nan_to_num(self.probability), -1.0)
        rows, columns = (-size % step for size in value.shape)
        padded = np.pad(value, ((0, rows), (0, columns)), constant_values=-1.0)
        high, wide = (size // step for size in padded.shape)
        highest = padded.reshape(high, step, wide, step).max((1, 3))
        percent = np.rint(100 * np.clip(highest, 0, 1))
        yield np.where(highest < 0, UNKNOWN, percent).astype(np.uint8)
        # The last block may be cut short before its middle.
        picked = [
            np.minimum(np.arange(count) * step + step // 2, size - 1)
            for count, size in zip((high, wide), value.shape, strict=True)
        ]
        for side in self.sides:
            yield side[np.ix_(*picked)]


def bounds_within(grid: GeoBox, frame: GeoBox) -> tuple[float, float, float, float]:
    """Bounds of a grid in metres from the north-west corner of another: left, bottom, right, top."""
    west, _, _, north = bounds_of(frame)
    left, bottom, right, top = bounds_of(grid)
    return left - west, bottom - north, right - west, top - north
