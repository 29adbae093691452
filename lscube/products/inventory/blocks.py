"""A map block by block: probabilities, and what else is asked of mapped pixels."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import dask
import numpy as np
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from lscube.cube.masks import inside_area
from lscube.errors import AreaError
from lscube.grid import resolution_of
from lscube.probabilities import Calibration
from lscube.products.inventory.area import pixel_areas
from lscube.products.inventory.table import AREA, NO_DAY, PROBABILITY, SLOPE, Integers, Table
from lscube.terrain import slope

BLOCK = 2048
"""Pixels along a block's edge: a shard of most maps; what is found does not depend on it."""


@dataclass(frozen=True)
class Block:
    """A rectangle of a map, read."""

    top: int
    """Its first row of the map."""
    left: int
    """Its first column of the map."""
    probability: NDArray[np.floating]
    """(y, x), NaN where not observed or outside the area."""
    inside: NDArray[np.bool_]
    """(y, x), whether the pixel lies in the area of interest."""

    @property
    def unobserved(self) -> NDArray[np.bool_]:
        """(y, x), whether the pixel lies in the area, but nothing is known of it."""
        unknown: NDArray[np.bool_] = self.inside & np.isnan(self.probability)
        return unknown

    @property
    def place(self) -> tuple[slice, slice]:
        """Its rows and columns of the map."""
        rows, columns = self.probability.shape
        return slice(self.top, self.top + rows), slice(self.left, self.left + columns)


@dataclass(frozen=True)
class MapContext:
    """What a map's store does not hold, but an inventory can say; each on the map's grid, lazily."""

    elevation: xr.DataArray | None = None
    """(y, x), metres, NaN where not known: for elevations and slopes."""
    pre_date: xr.DataArray | None = None
    """(y, x), datetime64, the day of the image before, per pixel."""
    calibration: Calibration | None = None
    """Of the map's model; None: probabilities are the network's own."""


def read_blocks(mapped: xr.Dataset, size: int = BLOCK) -> Iterator[Block]:
    """Read a map from its north-west corner, row of blocks by row of blocks."""
    height, width = mapped["probability"].shape
    places = [(top, left) for top in range(0, height, size) for left in range(0, width, size)]
    # The next one is read while one is worked on.
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(_read, mapped, size, *places[0])
        for place in [*places[1:], None]:
            block = coming.result()
            if place is not None:
                coming = pool.submit(_read, mapped, size, *place)
            yield block


def _read(mapped: xr.Dataset, size: int, top: int, left: int) -> Block:
    """Read a block."""
    part = {"y": slice(top, top + size), "x": slice(left, left + size)}
    values, area = dask.compute(
        mapped["probability"].isel(part).data, mapped["area"].isel(part).data
    )
    return Block(top, left, np.asarray(values), inside_area(np.asarray(area)))


class Measure:
    """Tells what is known of mapped pixels, in the columns of a `Table`."""

    def __init__(self, mapped: xr.Dataset, context: MapContext = MapContext()) -> None:
        self._mapped, self._context = mapped, context
        self._grid: GeoBox = mapped.odc.geobox
        self._areas = np.rint(pixel_areas(self._grid) * AREA).astype(np.int64)
        for name in ("elevation", "pre_date"):
            _check_grid(name, getattr(context, name), self._grid)

    def __call__(self, block: Block, rows: Integers, columns: Integers) -> Table:
        """Columns of some pixels of a block, given by row and column within it; a row per pixel."""
        own = block.probability[rows, columns]
        calibration = self._context.calibration
        said = own if calibration is None else calibration.apply(own)
        found: Table = {
            "first": first_pixels(block, rows, columns, self._grid.shape[1]),
            "pixels": np.ones(len(rows), np.int64),
            "area": self._areas[block.left + columns],
            "probability": np.rint(said * PROBABILITY).astype(np.int64),
            "most_probable": own.astype(np.float64),
        }
        for name, dates, unknown in (
            ("before", self._context.pre_date, NO_DAY[0]),
            ("after", self._mapped.get("post_date"), NO_DAY[1]),
        ):
            if dates is not None and rows.size:
                found[name] = _days(dates, block, rows, columns, unknown)
        if self._context.elevation is not None and rows.size:
            found |= self._terrain(self._context.elevation, block, rows, columns)
        return found

    def areas(self, block: Block, rows: Integers, columns: Integers) -> Table:
        """The columns alone that decide what is a landslide, and how large."""
        return {
            "first": first_pixels(block, rows, columns, self._grid.shape[1]),
            "area": self._areas[block.left + columns],
            "most_probable": block.probability[rows, columns].astype(np.float64),
        }

    def _terrain(
        self, elevation: xr.DataArray, block: Block, rows: Integers, columns: Integers
    ) -> Table:
        """Elevation and slope; read with a pixel around what is asked for, as far as the map goes."""
        height, width = self._grid.shape
        top, left = block.top + int(rows.min()), block.left + int(columns.min())
        bottom, right = block.top + int(rows.max()) + 1, block.left + int(columns.max()) + 1
        north, west = max(top - 1, 0), max(left - 1, 0)
        part = {
            "y": slice(north, min(bottom + 1, height)),
            "x": slice(west, min(right + 1, width)),
        }
        surface = np.asarray(elevation.isel(part).data).astype(np.float64)
        at = (block.top + rows - north, block.left + columns - west)
        steep, high = slope(surface, resolution_of(self._grid))[at], surface[at]
        known = np.isfinite(steep)
        return {
            "sloped": known.astype(np.int64),
            "slope": np.rint(np.where(known, steep, 0) * SLOPE).astype(np.int64),
            "lowest": np.where(np.isfinite(high), high, np.inf),
            "highest": np.where(np.isfinite(high), high, -np.inf),
        }


def first_pixels(block: Block, rows: Integers, columns: Integers, width: int) -> Integers:
    """Where pixels of a block are in the map: row by row, from 0."""
    return (block.top + rows) * np.int64(width) + (block.left + columns)


def _days(
    dates: xr.DataArray, block: Block, rows: Integers, columns: Integers, unknown: int
) -> Integers:
    """Days since 1970-01-01 of some pixels."""
    down, across = block.place
    part = np.asarray(dates.isel(y=down, x=across).data)[rows, columns]
    days = part.astype("datetime64[D]").astype(np.int64)
    return np.where(np.isnat(part), unknown, days)


def _check_grid(name: str, array: xr.DataArray | None, grid: GeoBox) -> None:
    """Refuse what does not lie on the map's grid."""
    if array is None:
        return
    theirs: Any = array.odc.geobox
    if theirs != grid:
        raise AreaError(
            f"Expected {name} on the map's grid ({grid.crs}, {grid.shape[0]} x {grid.shape[1]} pixels), got "
            f"{_describe(theirs)}; open it on the map's grid."
        )


def _describe(grid: GeoBox | None) -> str:
    if grid is None:
        return "an array without coordinates"
    return f"{grid.crs}, {grid.shape[0]} x {grid.shape[1]} pixels from {tuple(grid.affine)[2:6:3]}"
