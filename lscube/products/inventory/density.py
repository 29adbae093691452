"""The density grid: how many landslides, and how much of the ground, per cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from lscube.files import appearing
from lscube.grid import bounds_of, resolution_of
from lscube.products.inventory.area import pixel_areas
from lscube.products.inventory.cell_areas import cell_areas
from lscube.products.inventory.coverage import Coverage
from lscube.products.inventory.outlines import Outlines

BANDS = {
    "landslides_per_km2": "landslides per square kilometre of observed area, by a point within each",
    "landslide_share": "share of the observed area that is landslide",
    "observed_share": "share of the area of interest that was observed",
}
"""Bands of the grid's file, and what they are; NaN where there is nothing to divide by."""


def density_grid(outlines: Outlines, coverage: Coverage) -> NDArray[np.float32]:
    """Bands (3, y, x) of `BANDS` on the coverage's cells.

    Parameters
    ----------
    outlines
        Landslides in the CRS of the map.
    coverage
        What was observed of the map.
    """
    cells = coverage.cells
    # On the ellipsoid: in the grid, areas are too large or small by the scale of the projection.
    ground = pixel_areas(cells) / resolution_of(cells) ** 2
    pixel = ground * resolution_of(coverage.grid) ** 2
    counts, areas = np.zeros(cells.shape), np.zeros(cells.shape)
    if len(outlines):
        inner = shapely.point_on_surface(outlines)
        west, _, _, north = bounds_of(cells)
        size = resolution_of(cells)
        rows = ((north - shapely.get_y(inner)) // size).astype(np.intp)
        columns = ((shapely.get_x(inner) - west) // size).astype(np.intp)
        np.add.at(counts, (rows, columns), 1)
        areas = cell_areas(outlines, cells) * ground
    observed, inside = coverage.observed * pixel, coverage.inside * pixel
    with np.errstate(divide="ignore", invalid="ignore"):
        bands = np.stack([counts / (observed / 1e6), areas / observed, observed / inside])
    return np.where(np.isfinite(bands), bands, np.nan).astype(np.float32)


def write_density(path: Path, outlines: Outlines, coverage: Coverage) -> None:
    """Write the density grid as a cloud-optimised GeoTIFF.

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    bands = density_grid(outlines, coverage)
    profile = {
        "driver": "COG",
        "dtype": "float32",
        "count": len(bands),
        "height": bands.shape[1],
        "width": bands.shape[2],
        "crs": str(coverage.cells.crs),
        "transform": coverage.cells.affine,
        "nodata": np.nan,
        "compress": "deflate",
    }
    # It is small; on a disk, GDAL would make it when it is closed, where a failure is not told.
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(bands)
            for number, (name, what) in enumerate(BANDS.items(), 1):
                file.set_band_description(number, name)
                file.update_tags(number, description=what)
        with appearing(path) as partial:
            partial.write_bytes(memory.read())
