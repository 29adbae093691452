"""A scene across the border of two UTM zones, as two tiles, each in its own zone."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import rasterio.warp
from affine import Affine
from numpy.typing import NDArray
from odc.geo import CRS
from odc.geo.geobox import GeoBox

from lscube.grid import bounds_of, epsg_of
from lscube.simulate.scene import Scene

Pixel = TypeVar("Pixel", bound=np.generic)

_OVERLAP = 32
"""Columns that both tiles show."""


def split_zones(scene: Scene, grid: GeoBox) -> list[tuple[Scene, GeoBox]]:
    """Cut a scene in two: its west as it is, its east in the next zone.

    Parameters
    ----------
    scene
        Shape (4, y, x), with its classification at half the resolution.
    grid
        Of the scene, in the western zone.

    Returns
    -------
    list
        West and east with their grids; what a tile does not show is 0, no data.
    """
    middle = grid.shape[1] // 4 * 2
    last = middle + _OVERLAP
    west = Scene(scene.dn[..., :last], scene.scl[:, : last // 2])
    return [(west, grid[:, :last]), _east(scene, grid, middle)]


def _east(scene: Scene, grid: GeoBox, first: int) -> tuple[Scene, GeoBox]:
    """The part from a column on, in the next zone."""
    part = grid[:, first:]
    zone = epsg_of(grid) % 100 % 60 + 1
    crs = f"EPSG:{epsg_of(grid) // 100 * 100 + zone}"
    pixel = abs(grid.affine.a)
    bounds = rasterio.warp.transform_bounds(str(grid.crs), crs, *bounds_of(part), densify_pts=51)
    # Whole pixels of the classification, as Sentinel-2's tiles begin.
    step = 2 * pixel
    left, bottom = (np.floor(value / step) * step for value in bounds[:2])
    right, top = (np.ceil(value / step) * step for value in bounds[2:])
    shape = (round((top - bottom) / pixel), round((right - left) / pixel))
    there = GeoBox(shape, Affine(pixel, 0, left, 0, -pixel, top), CRS(crs))
    dn = np.stack([_move(band[:, first:], part, there, "cubic") for band in scene.dn])
    coarse, coarse_there = part.zoom_out(2), there.zoom_out(2)
    scl = _move(scene.scl[:, first // 2 :], coarse, coarse_there, "nearest")
    return Scene(np.where((dn > 0).all(axis=0), dn, 0).astype(np.uint16), scl), there


def _move(pixels: NDArray[Pixel], grid: GeoBox, there: GeoBox, how: str) -> NDArray[Pixel]:
    """Resample to another grid; 0 is no data."""
    moved = np.zeros(there.shape, pixels.dtype)
    rasterio.warp.reproject(
        pixels,
        moved,
        src_transform=grid.affine,
        src_crs=str(grid.crs),
        src_nodata=0,
        dst_transform=there.affine,
        dst_crs=str(there.crs),
        dst_nodata=0,
        resampling=rasterio.warp.Resampling[how],
    )
    return moved
