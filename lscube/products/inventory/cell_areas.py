"""How much of each cell of a grid polygons cover: exact, without cutting a polygon."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from lscube.grid import bounds_of, resolution_of
from lscube.products.inventory.outlines import Outlines
from lscube.products.inventory.table import Integers

Metres = NDArray[np.float64]

EDGES = 2**20
"""So many need some 200 MB."""

ROUNDING = 1e-6
"""Square metres below which an area is what rounding left; of outlines along pixels nothing is left."""


def cell_areas(outlines: Outlines, cells: GeoBox, edges: int = EDGES) -> Metres:
    """Square metres of polygons in each cell; where polygons overlap, each counts.

    Every edge adds what lies to the east of it within its rows of cells, and takes it away where the
    polygon lies to its west; so the work grows with the outlines' length and the number of cells, not with
    their product (Green's theorem; renderers of fonts count coverage like this).

    Parameters
    ----------
    outlines
        Polygons and MultiPolygons in the cells' CRS, within the cells.
    cells
        North up, in metres.
    edges
        Edges of outlines that are worked on at once.

    Returns
    -------
    (y, x)
    """
    size = resolution_of(cells)
    west, _, _, north = bounds_of(cells)
    rows, columns = cells.shape
    # Right of the last column lies what ends there, and what that passes on.
    east_of = np.zeros((rows, columns + 2))
    starts, ends = _edges(outlines)
    for first in range(0, len(starts), edges):
        part = slice(first, first + edges)
        corners = np.stack([starts[part], ends[part]], axis=1)
        _add(east_of, corners[..., 0] - west, north - corners[..., 1], size)
    areas: Metres = np.cumsum(east_of, axis=1)[:, :columns]
    areas[areas < ROUNDING] = 0
    return areas


def _edges(outlines: Outlines) -> tuple[Metres, Metres]:
    """Corners from which and to which edges lead, (n, 2): land on the left."""
    rings = shapely.get_rings(shapely.get_parts(shapely.orient_polygons(outlines)))
    corners, ring = shapely.get_coordinates(rings, return_index=True)
    joined = ring[1:] == ring[:-1]
    return corners[:-1][joined], corners[1:][joined]


def _add(east_of: Metres, x: Metres, y: Metres, size: float) -> None:
    """Add edges, (n, 2), metres to the east and to the south of the cells' corner."""
    down = np.sign(y[:, 1] - y[:, 0])
    steep = down != 0  # along a row an edge has nothing to its east within the row
    down, order = down[steep], np.argsort(y[steep], axis=1)
    x, y = (np.take_along_axis(axis[steep], order, axis=1) for axis in (x, y))
    # Edges cut at the borders of rows ...
    edge, row, top, bottom = _cut(y[:, 0], y[:, 1], size)
    slant = ((x[:, 1] - x[:, 0]) / (y[:, 1] - y[:, 0]))[edge]
    sides = [x[edge, 0] + (level - y[edge, 0]) * slant for level in (top, bottom)]
    left, right = np.minimum(*sides), np.maximum(*sides)
    height = down[edge] * (bottom - top)
    # ... and at those of columns.
    piece, column, near, far = _cut(left, right, size)
    width = (right - left)[piece]
    share = np.divide(far - near, width, out=np.ones(len(piece)), where=width > 0)
    height, middle = height[piece] * share, (near + far) / 2 - column * size
    np.add.at(east_of, (row[piece], column), height * (size - middle))
    np.add.at(east_of, (row[piece], column + 1), height * middle)


def _cut(low: Metres, high: Metres, size: float) -> tuple[Integers, Integers, Metres, Metres]:
    """Cut stretches at multiples of `size`: which stretch, in which cell, from where, to where."""
    first = np.floor(low / size).astype(np.int64)
    # What ends on a cell's border does not reach the next one.
    last = np.maximum(np.ceil(high / size).astype(np.int64) - 1, first)
    count = last - first + 1
    stretch = np.repeat(np.arange(len(low)), count)
    cell = first[stretch] + np.arange(len(stretch)) - np.repeat(np.cumsum(count) - count, count)
    near, far = np.maximum(low[stretch], cell * size), np.minimum(high[stretch], (cell + 1) * size)
    return stretch, cell, near, far
