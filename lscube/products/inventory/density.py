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
        for row, column, area in _shares(outlines, coverage):
            np.add.at(areas, (row, column), area)
    observed, inside = coverage.observed * pixel, coverage.inside * pixel
    areas *= ground
    with np.errstate(divide="ignore", invalid="ignore"):
        bands = np.stack([counts / (observed / 1e6), areas / observed, observed / inside])
    return np.where(np.isfinite(bands), bands, np.nan).astype(np.float32)


def _shares(
    outlines: Outlines, coverage: Coverage
) -> list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]]:
    """Rows and columns of cells, and areas of landslides in them; a landslide may have several."""
    west, _, _, north = bounds_of(coverage.cells)
    size = resolution_of(coverage.cells)
    left, bottom, right, top = shapely.bounds(outlines).T
    first = ((north - top) // size, (left - west) // size)
    # What ends on a cell's edge does not reach the next one.
    last = (np.ceil((north - bottom) / size) - 1, np.ceil((right - west) / size) - 1)
    rows, columns = (place.astype(np.intp) for place in first)
    last_rows, last_columns = (place.astype(np.intp) for place in last)
    whole = (rows == last_rows) & (columns == last_columns)
    found = [(rows[whole], columns[whole], shapely.area(outlines[whole]))]
    for index in np.flatnonzero(~whole).tolist():
        own = np.mgrid[
            rows[index] : last_rows[index] + 1, columns[index] : last_columns[index] + 1
        ].reshape(2, -1)
        x, y = west + own[1] * size, north - own[0] * size
        parts = shapely.intersection(outlines[index], shapely.box(x, y - size, x + size, y))
        found.append((own[0], own[1], shapely.area(parts)))
    return found


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
