"""Areas on the Earth of the pixels of a UTM grid."""

from __future__ import annotations

import numpy as np
import pyproj
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from lscube.grid import epsg_of, resolution_of


def pixel_areas(grid: GeoBox) -> NDArray[np.float64]:
    """Area in square metres that a pixel of each column covers on the ellipsoid; shape (x,).

    UTM makes areas larger by its scale squared, k^2 = 0.9996^2 (1 + x^2 / R^2 + ...), which changes with
    the easting; how it changes with the northing, through the Earth's curvature, is neglected:
    taken at the map's middle row it is below 2e-6 for a map 500 km high within its zone.
    """
    height, width = grid.shape
    easting = grid.affine.c + (np.arange(width) + 0.5) * grid.affine.a
    northing = np.full(width, grid.affine.f + height / 2 * grid.affine.e)
    projection = pyproj.Proj(f"EPSG:{epsg_of(grid)}")
    longitude, latitude = projection(easting, northing, inverse=True)
    scale = projection.get_factors(longitude, latitude).areal_scale
    areas: NDArray[np.float64] = resolution_of(grid) ** 2 / np.asarray(scale)
    return areas
