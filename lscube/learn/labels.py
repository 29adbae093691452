"""Labels on a cube's grid: from polygons, or from a raster with a threshold."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

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

from lscube.cube.decoding import read_stated
from lscube.errors import InventoryError
from lscube.grid import bounds_of
from lscube.paths import StrPath
from lscube.scores import IGNORE
from lscube.settings import Bounds, LabelSettings
from lscube.vectors import EXTENT, INVENTORY, Use, polygons_in, read_features

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
        Dims (y, x), uint8: 1 landslide, 0 none, `IGNORE` (255) not known. Labels from an inventory
        count in their attributes its `polygons` on the grid, how many were `repaired` because
        rings crossed themselves, and how many features were `dropped` because they are no polygon.

    Raises
    ------
    InventoryError
        The reference is missing, unreadable, empty, or does not overlap the grid.
    """
    counts: dict[str, int] = {}
    if settings.inventory is not None:
        polygons = read_polygons(settings.inventory)
        here = _on_grid(polygons.frame, grid)
        values = label_polygons(polygons.frame, grid, settings.inventory)
        if settings.boundary:
            values[_near_outline(here, grid, settings.boundary)] = IGNORE
        counts = {
            "polygons": len(here),
            "repaired": polygons.repaired,
            "dropped": polygons.dropped,
        }
    elif settings.raster is not None:
        values = label_raster(settings.raster, settings.threshold, grid)
    if settings.mapped_extent is not None:
        values[~mapped(settings.mapped_extent, grid)] = IGNORE
    if (values == IGNORE).all():
        raise InventoryError(
            f"Expected labels on the grid ({describe_extent(in_degrees(grid))}), but no pixel is inside the "
            f"mapped extent {settings.mapped_extent}; check it."
        )
    labels: xr.DataArray = wrap_xr(values, grid, nodata=IGNORE).rename("labels")
    return labels.assign_attrs(counts)


class Polygons(NamedTuple):
    """Polygons of a vector file."""

    frame: geopandas.GeoDataFrame
    """Valid polygons in the file's CRS."""
    repaired: int
    """Features whose rings were open or not valid and were repaired."""
    dropped: int
    """Features that enclose nothing: empty ones, points, lines."""


def read_polygons(path: StrPath, use: Use = INVENTORY) -> Polygons:
    """Read the polygons of a vector file of any CRS; see `lscube.vectors.read_features`.

    Raises
    ------
    InventoryError
        The file is missing, unreadable or empty, has several layers of which none is named, or its
        CRS is missing or does not fit its coordinates.
    """
    frame, dropped = read_features(path, use)
    repaired = int((frame["repaired"] | ~frame.is_valid).sum())
    _check_degrees(frame, path)
    polygons = _polygons_only(frame)
    if polygons.empty:
        raise InventoryError(f"Expected polygons in {path}, found none with an area; {use.draw}.")
    return Polygons(polygons, repaired, dropped + len(frame) - polygons.index.nunique())


def _check_degrees(frame: geopandas.GeoDataFrame, path: StrPath) -> None:
    """Refuse metres under a CRS of degrees: they would be somewhere else, or nowhere."""
    west, south, east, north = frame.total_bounds
    if frame.crs.is_geographic and (max(-west, east) > 360 or max(-south, north) > 90):
        raise InventoryError(
            f"Expected degrees in {path}, as its CRS ({frame.crs.to_string()}) says, but its coordinates "
            f"reach from ({west:.0f}, {south:.0f}) to ({east:.0f}, {north:.0f}); assign the CRS that they "
            "are in."
        )


def _polygons_only(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """Repair rings that cross, take features apart; their parts keep their index."""
    parts, owner = polygons_in(shapely.make_valid(frame.geometry.to_numpy()))
    return geopandas.GeoDataFrame(geometry=parts, index=frame.index[owner], crs=frame.crs)


def label_polygons(frame: geopandas.GeoDataFrame, grid: GeoBox, origin: Path) -> NDArray[np.uint8]:
    """1 where a pixel's centre is in a polygon, else 0; shape (y, x)."""
    here = _on_grid(frame, grid)
    if here.empty:
        raise _apart(origin, describe_extent(_extent(frame)), grid)
    return _burn(here.geometry, grid)


def _near_outline(
    frame: geopandas.GeoDataFrame, grid: GeoBox, distance: float
) -> NDArray[np.bool_]:
    """Pixels, (y, x), whose centre is within `distance` metres of an outline."""
    rims = frame.geometry.boundary.buffer(distance)
    return _burn(rims, grid).astype(bool)


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
    """Label by a raster's first band: the nearest pixel says it, with the file's scale, offset and mask.

    Returns
    -------
    shape (y, x), uint8
        1 at or above the threshold, 0 below, `IGNORE` outside and where the raster has no data.
    """
    try:
        with rasterio.open(path) as source:
            values = read_stated(source, 1, f"the raster {path}")
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
        found = rasterio.warp.transform_bounds(crs, "EPSG:4326", *bounds)
        raise _apart(path, describe_extent(found), grid)
    return np.where(np.isnan(there), IGNORE, there >= threshold).astype(np.uint8)


def mapped(extent: Path | Bounds, grid: GeoBox) -> NDArray[np.bool_]:
    """Pixels, (y, x), whose centre is inside a vector file's polygons, or bounds in degrees."""
    if isinstance(extent, Path):
        frame = read_polygons(extent, EXTENT).frame
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
        f"Expected {path} to overlap the grid ({describe_extent(in_degrees(grid))}), but it covers {found}; "
        "choose another reference or area."
    )


def in_degrees(grid: GeoBox) -> tuple[float, ...]:
    """West, south, east, north of a grid; west > east across the antimeridian."""
    bounds: tuple[float, ...] = rasterio.warp.transform_bounds(
        str(grid.crs), "EPSG:4326", *bounds_of(grid)
    )
    return bounds


def extent_of(where: Path | Bounds) -> tuple[float, ...]:
    """West, south, east, north, in degrees, of a vector file or of bounds."""
    return _extent(read_polygons(where, EXTENT).frame) if isinstance(where, Path) else where


def _extent(frame: geopandas.GeoDataFrame) -> tuple[float, ...]:
    return tuple(frame.to_crs(4326).total_bounds)


def describe_extent(bounds: tuple[float, ...]) -> str:
    """Bounds in degrees, in words; where they cross the antimeridian, that is said."""
    west, south, east, north = bounds
    if not np.isfinite(bounds).all():
        return "no place on Earth; check its CRS"
    across = ", across the antimeridian" if west > east else ""
    return f"{west:.4f} to {east:.4f} east{across}, {south:.4f} to {north:.4f} north"
