"""Which pixels: area of interest, grid in one UTM zone, and the lattice of prediction windows."""

from lscube.grid.area import OUTSIDE_UTM, Bounds, arrange_area, read_area
from lscube.grid.lattice import Lattice
from lscube.grid.longitudes import arrange_footprint, unwrap
from lscube.grid.zone import (
    FARTHEST,
    MOST_PIXELS,
    bounds_of,
    epsg_of,
    make_grid,
    project,
    resolution_of,
    snapped_grid,
    utm_epsg,
)

__all__ = [
    "FARTHEST",
    "MOST_PIXELS",
    "OUTSIDE_UTM",
    "Bounds",
    "Lattice",
    "arrange_area",
    "arrange_footprint",
    "bounds_of",
    "epsg_of",
    "make_grid",
    "project",
    "read_area",
    "resolution_of",
    "snapped_grid",
    "unwrap",
    "utm_epsg",
]
