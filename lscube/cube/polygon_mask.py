"""Masks of the user's own that are polygons: pixels whose centre lies inside."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from odc.geo.geobox import GeoBox

from lscube.vectors import MASK, Geometries, polygons_in, read_features

Masked = npt.NDArray[np.bool_]
Edges = npt.NDArray[np.float64]


@lru_cache(maxsize=8)
def polygon_edges(path: Path, epsg: int, changed: int) -> Edges:
    """Edges x0, y0, x1, y1, shape (4, n), of a file's polygons in a UTM zone.

    Outer rings turn one way, holes the other. A file is read anew where `changed` is another time.

    Raises
    ------
    SettingsError
        The file cannot be read, has no CRS, or has features but no polygon.
    """
    frame = read_features(path, MASK).frame
    polygons, _ = polygons_in(shapely.make_valid(frame.geometry.to_numpy()))
    return _edges(_to_zone(polygons, frame.crs, epsg))


def _to_zone(polygons: Geometries, crs: pyproj.CRS | None, epsg: int) -> Geometries:
    """Bring polygons to a UTM zone; long edges are divided first, what is far away is cut off."""
    if crs is None or crs.to_epsg() == epsg:  # without a CRS there are none
        return polygons
    divided = shapely.segmentize(polygons, 0.01 if crs.is_geographic else 1000.0)
    degrees = geopandas.GeoSeries(divided, crs=crs).to_crs(4326).to_numpy()
    middle = 6 * (epsg % 100) - 183
    # Longitudes may count from either side of the antimeridian.
    near = [
        shapely.clip_by_rect(degrees, west - 12, -89, west + 12, 89)
        for west in (middle - 360, middle, middle + 360)
    ]
    kept, _ = polygons_in(shapely.make_valid(np.concatenate(near)))
    divided = shapely.segmentize(kept, 0.01)
    zone: Geometries = geopandas.GeoSeries(divided, crs=4326).to_crs(epsg).to_numpy()
    return zone


def _edges(polygons: Geometries) -> Edges:
    """See `polygon_edges`."""
    rings = shapely.get_rings(shapely.normalize(polygons))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    joined = ring[1:] == ring[:-1]
    return np.concatenate([points[:-1][joined].T, points[1:][joined].T])


def inside(edges: Edges, grid: GeoBox) -> Masked:
    """Pixels whose centre lies inside a polygon: those around which the edges wind.

    Along each row of centres, every edge that it crosses adds or takes a turn (Sunday, D., 2001,
    Inclusion of a point in a polygon: the winding number). Unlike with a test per pixel the work
    grows with the outlines' length, not with the area; GDAL's rasteriser would do as well, but is
    not to be shared between threads.
    """
    # Northings grow upwards, rows downwards: count both from the top.
    y = -(grid.affine.f + (np.arange(grid.shape[0]) + 0.5) * grid.affine.e)
    x = grid.affine.c + (np.arange(grid.shape[1]) + 0.5) * grid.affine.a
    low, high = -np.maximum(edges[1], edges[3]), -np.minimum(edges[1], edges[3])
    near = (high > y[0]) & (low <= y[-1]) & (np.minimum(edges[0], edges[2]) <= x[-1])
    if not near.any():
        return np.zeros((y.size, x.size), np.bool_)
    x0, y0, x1, y1 = edges[:, near]
    start, stop = np.searchsorted(y, low[near]), np.searchsorted(y, high[near])
    count = stop - start
    edge = np.repeat(np.arange(count.size), count)
    row = np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count) + start[edge]
    along = (-y[row] - y0[edge]) / (y1[edge] - y0[edge])
    column = np.searchsorted(x, x0[edge] + along * (x1[edge] - x0[edge]))
    turns = np.zeros((y.size, x.size + 1), np.int32)
    np.add.at(turns, (row, column), np.sign(y1 - y0).astype(np.int32)[edge])
    within: Masked = np.cumsum(turns[:, :-1], axis=1, dtype=np.int32) != 0
    return within
