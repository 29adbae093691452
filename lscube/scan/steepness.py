"""How steep the cells of a coarse grid are, from a surface model that is read when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from lscube import terrain
from lscube.errors import SourceError
from lscube.grid import bounds_of, epsg_of, resolution_of, snapped_grid

if TYPE_CHECKING:
    import xarray as xr

    from lscube.jobs import Outside
    from lscube.settings import CubeSettings, SourceSettings

Elevation = Callable[[GeoBox], Any]
"""Gives elevation in metres on a grid, (y, x), NaN where it is unknown: a DataArray or an array."""

MOST_PIXELS = 16_000_000
"""Elevations that are looked at for one event; beyond that their spacing is widened."""

BLOCK = 1024
"""Edge in pixels of what is read of a surface model at once."""


@dataclass(frozen=True)
class Steepness:
    """Of each cell, shape (y, x)."""

    share: NDArray[np.float64]
    """Share of the cell that is steep, 0..1."""
    tangent: NDArray[np.float64]
    """Mean tangent of its slope, 0 where no elevation is known."""


def steepness(cells: GeoBox, resolution: float, steep: float, elevation: Elevation) -> Steepness:
    """Tell how steep cells are.

    Parameters
    ----------
    cells
        A coarse UTM grid.
    resolution
        Metres between elevations; they become coarser where there are many.
    steep
        Degrees from which ground is steep.
    elevation
        The surface model.

    Raises
    ------
    SourceError
        What the surface model gives is not on the grid that was asked for.
    """
    edge = resolution_of(cells)
    rows, columns = cells.shape
    most = max(int((MOST_PIXELS / (rows * columns)) ** 0.5), 1)
    times = min(max(round(edge / resolution), 1), most)
    fine = snapped_grid(bounds_of(cells), edge, epsg_of(cells), times)
    heights = np.asarray(elevation(fine), dtype=np.float32)
    if heights.shape != fine.shape:
        raise SourceError(
            f"Expected elevation of shape {fine.shape}, got {heights.shape}; give it on the grid."
        )
    degrees = terrain.slope(heights, resolution_of(fine))
    blocks = degrees.reshape(rows, times, columns, times)
    known = np.isfinite(blocks)
    share = (known & (np.nan_to_num(blocks) >= steep)).mean(axis=(1, 3))
    tangent = np.tan(np.radians(np.nan_to_num(blocks))).sum(axis=(1, 3))
    return Steepness(share, tangent / np.maximum(known.sum(axis=(1, 3)), 1))


def elevation_of(surface: xr.DataArray) -> Elevation:
    """Give elevations of an array with coordinates and a CRS, in any projection; lazy ones are read then."""

    def give(grid: GeoBox) -> NDArray[np.float32]:
        from odc.geo.xr import xr_reproject

        flat = surface.squeeze(drop=True).astype(np.float32)
        nodata = surface.rio.nodata if hasattr(surface, "rio") else None
        if nodata is not None:
            flat = flat.where(surface.squeeze(drop=True) != nodata)
        found = xr_reproject(flat, grid, resampling="bilinear", dst_nodata=np.nan)
        return np.asarray(found, dtype=np.float32)

    return give


def elevation_from(
    source: SourceSettings, outside: Outside, cube: CubeSettings | None = None
) -> Elevation:
    """Give elevations of the surface model that a job's catalogues have; searched and read when needed.

    Parameters
    ----------
    source
        [source] of the job.
    outside
        How catalogues and files are reached.
    cube
        [cube] of the job: what decides about the surface model's numbers; None: the defaults.
    """

    def give(grid: GeoBox) -> NDArray[np.float32]:
        from lscube.catalog import Scenes, find_surface
        from lscube.cube.plan import describe_surface
        from lscube.events import Event
        from lscube.settings import CubeSettings

        area = _degrees(grid)
        items = find_surface(area, source, outside.ask)
        never = Event("surface", *[datetime(1970, 1, 1, tzinfo=UTC)] * 2)
        scenes = Scenes(never, area, (), (), items, dsm_asset=source.dsm_asset)
        surface = describe_surface(scenes, grid, cube or CubeSettings())
        heights = np.full(grid.shape, np.nan, np.float32)
        rows, columns = grid.shape
        for top, left in np.ndindex(-(-rows // BLOCK), -(-columns // BLOCK)):
            part = (
                slice(top * BLOCK, min((top + 1) * BLOCK, rows)),
                slice(left * BLOCK, min((left + 1) * BLOCK, columns)),
            )
            heights[part] = surface.read(grid[part], outside.access)[0]
        return heights

    return give


def _degrees(grid: GeoBox) -> BaseGeometry:
    """The extent of a grid as an area in EPSG:4326."""
    import geopandas
    import shapely

    from lscube.grid import arrange_area

    extent = shapely.segmentize(shapely.box(*bounds_of(grid)), 10_000)
    degrees = geopandas.GeoSeries([extent], crs=epsg_of(grid)).to_crs(4326)
    return arrange_area(degrees, "the surface model's grid")
