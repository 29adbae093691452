"""Labels on a cube's grid: from polygons, or from a raster with a threshold."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import rasterio
import rasterio.features
import rasterio.warp
import shapely
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from rasterio.errors import RasterioIOError

from lscube.errors import InventoryError
from lscube.grid import bounds_of
from lscube.learn import IGNORE
from lscube.settings import Bounds, LabelSettings

_DENSE = 0.01
"""A box's edges get a vertex every so many degrees, so that they keep their course in UTM."""


def make_labels(settings: LabelSettings, grid: GeoBox) -> xr.DataArray:
    """Make labels from an inventory or a raster.

    Parameters
    ----------
    settings
        The reference, and where it is complete.
    grid
        Grid of the cube, in metres.

    Returns
    -------
    xarray.DataArray
        Dims (y, x), uint8: 1 landslide, 0 none, `IGNORE` (255) not known.

    Raises
    ------
    InventoryError
        The reference is missing, unreadable, empty, or does not overlap the grid.
    """
    if settings.inventory is not None:
        values = label_polygons(read_polygons(settings.inventory), grid, settings.inventory)
    elif settings.raster is not None:
        values = label_raster(settings.raster, settings.threshold, grid)
    if settings.mapped_extent is not None:
        values[~mapped(settings.mapped_extent, grid)] = IGNORE
    if (values == IGNORE).all():
        raise InventoryError(
            f"Expected labels on the grid ({_describe(_degrees(grid))}), but no pixel is inside the "
            f"mapped extent {settings.mapped_extent}; check it."
        )
    labels: xr.DataArray = wrap_xr(values, grid, nodata=IGNORE).rename("labels")
    return labels


def read_polygons(path: Path) -> geopandas.GeoDataFrame:
    """Read a vector file of any format and CRS; what is not a polygon is left out."""
    if not path.exists():
        raise InventoryError(f"Expected polygons at {path}, found no file; check the path.")
    try:
        frame = geopandas.read_file(path)
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InventoryError(
            f"Expected a vector file with polygons in {path}, but it cannot be read ({reason}); "
            "save it as GeoPackage or GeoJSON."
        ) from None
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise InventoryError(f"Expected polygons in {path}, found a table without geometry.")
    frame = _polygons_only(frame)
    if frame.empty:
        raise InventoryError(f"Expected polygons in {path}, found none; check the file.")
    if frame.crs is None:
        raise InventoryError(f"Expected a CRS in {path}, found none; assign one to the file.")
    return frame


def _polygons_only(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """Repair rings, take collections apart, drop lines, points and empty geometries."""
    frame = (
        frame[["geometry"]] if frame.geometry.name == "geometry" else frame[[frame.geometry.name]]
    )
    frame = frame[~(frame.geometry.isna() | frame.geometry.is_empty)]
    try:
        frame = frame.set_geometry(shapely.make_valid(frame.geometry.values)).explode()
    except shapely.errors.ShapelyError as error:
        raise InventoryError(
            f"Expected polygons with finite coordinates, but {error}; mend the file."
        ) from None
    return frame[frame.geom_type == "Polygon"]


def label_polygons(frame: geopandas.GeoDataFrame, grid: GeoBox, origin: Path) -> NDArray[np.uint8]:
    """1 where a pixel's centre is in a polygon, else 0; shape (y, x)."""
    here = _on_grid(frame, grid)
    if here.empty:
        found = _describe(tuple(frame.to_crs(4326).total_bounds))
        raise _apart(origin, found, grid)
    return _burn(here.geometry, grid)


def _on_grid(frame: geopandas.GeoDataFrame, grid: GeoBox) -> geopandas.GeoDataFrame:
    """Bring polygons to the grid's CRS and keep those that touch it."""
    there = frame.to_crs(str(grid.crs))
    there = there[np.isfinite(there.bounds).all(axis=1)]  # beyond what the projection can show
    there = _polygons_only(there)
    return there[there.intersects(shapely.box(*bounds_of(grid)))]


def _burn(geometries: geopandas.GeoSeries, grid: GeoBox) -> NDArray[np.uint8]:
    """1 where a pixel's centre is inside, else 0."""
    burnt: NDArray[np.uint8] = rasterio.features.rasterize(
        geometries, out_shape=grid.shape, transform=grid.affine, fill=0, dtype="uint8"
    )
    return burnt


def label_raster(path: Path, threshold: float, grid: GeoBox) -> NDArray[np.uint8]:
    """Label by a raster's first band: the nearest pixel says it, as it stands in the file.

    Returns
    -------
    shape (y, x), uint8
        1 at or above the threshold, 0 below, `IGNORE` outside and where the raster has no data.
    """
    try:
        with rasterio.open(path) as source:
            values = source.read(1, masked=True).astype("float64").filled(np.nan)
            transform, crs, bounds = source.transform, source.crs, tuple(source.bounds)
    except RasterioIOError as error:
        raise InventoryError(
            f"Expected a raster at {path}, but it cannot be read ({str(error).rstrip('.')}); "
            "check the path."
        ) from None
    if crs is None:
        raise InventoryError(f"Expected a CRS in {path}, found none; assign one to the file.")
    there = np.full(grid.shape, np.nan)
    rasterio.warp.reproject(
        values,
        there,
        src_transform=transform,
        src_crs=crs,
        src_nodata=np.nan,
        dst_transform=grid.affine,
        dst_crs=str(grid.crs),
        dst_nodata=np.nan,
        resampling=rasterio.warp.Resampling.nearest,
    )
    if np.isnan(there).all():
        found = _describe(rasterio.warp.transform_bounds(crs, "EPSG:4326", *bounds))
        raise _apart(path, found, grid)
    return np.where(np.isnan(there), IGNORE, there >= threshold).astype(np.uint8)


def mapped(extent: Path | Bounds, grid: GeoBox) -> NDArray[np.bool_]:
    """Pixels, (y, x), whose centre is inside a vector file's polygons, or bounds in degrees."""
    if isinstance(extent, Path):
        frame = read_polygons(extent)
    else:
        outline = shapely.segmentize(shapely.box(*extent), _DENSE)
        frame = geopandas.GeoDataFrame(geometry=[outline], crs=4326)
    here = _on_grid(frame, grid)
    if here.empty:
        return np.zeros(grid.shape, dtype=bool)
    return _burn(here.geometry, grid).astype(bool)


def _apart(path: Path, found: str, grid: GeoBox) -> InventoryError:
    """Say that a reference lies somewhere else."""
    return InventoryError(
        f"Expected {path} to overlap the grid ({_describe(_degrees(grid))}), but it covers {found}; "
        "choose another reference or area."
    )


def _degrees(grid: GeoBox) -> tuple[float, ...]:
    bounds: tuple[float, ...] = rasterio.warp.transform_bounds(
        str(grid.crs), "EPSG:4326", *bounds_of(grid)
    )
    return bounds


def _describe(bounds: tuple[float, ...]) -> str:
    west, south, east, north = bounds
    return f"{west:.4f} to {east:.4f} east, {south:.4f} to {north:.4f} north"
