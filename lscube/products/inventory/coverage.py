"""How much of the area was observed: in all, and in the cells of a density grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from lscube.grid import bounds_of, epsg_of, resolution_of, snapped_grid
from lscube.products.inventory.area import pixel_areas
from lscube.products.inventory.blocks import Block
from lscube.products.inventory.table import Integers


class Coverage:
    """Counts pixels of the area of interest, and those of them that were observed."""

    def __init__(self, grid: GeoBox, cell: float) -> None:
        self.grid = grid
        """The map's."""
        self.cells = snapped_grid(bounds_of(grid), cell, epsg_of(grid))
        """The density grid; its edges are multiples of a cell's in the UTM zone."""
        self.inside = np.zeros(self.cells.shape, np.int64)
        """Pixels of the area of interest in each cell."""
        self.observed = np.zeros(self.cells.shape, np.int64)
        """Observed ones among them."""
        self._columns = np.zeros((2, grid.shape[1]), np.int64)
        self._rows_of, self._columns_of = _cells_of(grid, self.cells)

    def watch(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Count blocks that pass."""
        for block in blocks:
            down, across = block.place
            observed = block.inside & ~np.isnan(block.probability)
            rows, columns = self._rows_of[down], self._columns_of[across]
            for total, mask in ((self.inside, block.inside), (self.observed, observed)):
                _add(total, mask, rows, columns)
            self._columns[0, across] += block.inside.sum(axis=0)
            self._columns[1, across] += observed.sum(axis=0)
            yield block

    @property
    def square_metres(self) -> tuple[float, float]:
        """Area of interest, and what was observed of it."""
        inside, observed = self._columns @ pixel_areas(self.grid)
        return float(inside), float(observed)


def _cells_of(grid: GeoBox, cells: GeoBox) -> tuple[Integers, Integers]:
    """Row and column among the cells of each row and column of pixels, by the pixels' centres."""
    found = []
    for axis, start, ours in ((0, "f", "e"), (1, "c", "a")):
        centres = getattr(grid.affine, start) + (np.arange(grid.shape[axis]) + 0.5) * getattr(
            grid.affine, ours
        )
        off = np.abs(centres - getattr(cells.affine, start))
        found.append(np.floor(off / resolution_of(cells)).astype(np.int64))
    return found[0], found[1]


def _add(total: Integers, mask: NDArray[np.bool_], rows: Integers, columns: Integers) -> None:
    """Add a block's pixels to the cells in which they lie."""
    down, across = (np.flatnonzero(np.diff(places, prepend=-1)) for places in (rows, columns))
    sums = np.add.reduceat(mask, down, axis=0, dtype=np.int64)
    total[np.ix_(rows[down], columns[across])] += np.add.reduceat(sums, across, axis=1)
