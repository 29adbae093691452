"""The surface model on a grid: for each pixel the first tile that knows its elevation."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from lscube.cube.composite import NONE
from lscube.cube.reading import ELEVATION, Access, Source, overlaps, read_scene
from lscube.errors import SourceError
from lscube.grid import bounds_of

logger = logging.getLogger("lscube.cube")


@dataclass(frozen=True)
class Surface:
    """Tiles of a surface model."""

    tiles: tuple[tuple[int, Source], ...]
    """Place in the cube's list of items (attribute `dsm_items`), and the file."""

    def near(self, grid: GeoBox, distance: float = 0.0) -> Surface:
        """The tiles at most so many metres from a grid."""
        west, south, east, north = bounds_of(grid)
        wide = (west - distance, south - distance, east + distance, north + distance)
        return Surface(tuple(tile for tile in self.tiles if overlaps(tile[1].extent, wide)))

    def read(
        self, grid: GeoBox, access: Access
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
        """Elevation in metres (y, x), NaN where unknown, and the index of what cannot be read."""
        elevation = np.full(grid.shape, np.nan, np.float32)
        unreadable = np.full(grid.shape, NONE, np.int16)
        for index, source in self.near(grid).tiles:
            gaps = np.isnan(elevation)
            if not gaps.any():
                break
            try:
                own = read_scene([source], ELEVATION, grid, access)[0]
            except SourceError as error:
                logger.warning("%s", error)
                unreadable[gaps] = index
            else:
                np.copyto(elevation, own, where=gaps)
        unreadable[~np.isnan(elevation)] = NONE
        return elevation, unreadable

    def reader(self, access: Access) -> Callable[[GeoBox], npt.NDArray[np.float32]]:
        """Reads elevation alone."""
        return lambda grid: self.read(grid, access)[0]
