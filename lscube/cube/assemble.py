"""From scenes to a cube: one lazy Dataset on one grid."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pystac
import shapely
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from shapely.geometry.base import BaseGeometry

from lscube.catalog import Scenes, find_asset, item_time
from lscube.cube.composite import NO_DATE, Composite, compose, first_finite
from lscube.cube.masks import AreaFlag, area_attributes, observed_attributes, reason_table
from lscube.cube.radiometry import Radiometry, decide_radiometry
from lscube.cube.reading import CLASSES, ELEVATION, REFLECTANCE, Chunks, reaches, stack_assets
from lscube.errors import AreaError, SceneError
from lscube.grid import epsg_of, project
from lscube.settings import CubeSettings


def open_cube(
    scenes: Scenes,
    grid: GeoBox,
    settings: CubeSettings = CubeSettings(),
    chunks: Chunks | None = None,
) -> xr.Dataset:
    """Open scenes as a lazy cube; nothing is read before something is computed.

    Parameters
    ----------
    scenes
        What to open, from `lscube.catalog.find_scenes`.
    grid
        The pixels, from `lscube.grid.make_grid`.
    settings
        Bands and masks.
    chunks
        Chunks along y and x; by default `settings.chunk`.

    Returns
    -------
    xr.Dataset
        `pre`, `post` (band, y, x): reflectance, float32, NaN where unusable. `elevation` (y, x):
        metres. `observed` (y, x): uint16 flags, 0 = usable before and after. `area` (y, x): uint8
        flags. `pre_date`, `post_date` (y, x): int16 days since 1970-01-01. Attributes name the
        event, the items and each item's radiometry.

    Raises
    ------
    SceneError
        An item lacks an asset or a band; no scene reaches the grid.
    SourceError
        On computing: a file cannot be read.
    """
    chunks = chunks or _even_chunks(grid, settings.chunk)
    pre, pre_notes = _side(scenes.pre, scenes, grid, settings, chunks)
    post, post_notes = _side(scenes.post, scenes, grid, settings, chunks)
    elevation = _elevation(scenes, grid, chunks)
    outside = _outside(project(scenes.area, epsg_of(grid)), grid, chunks)
    observed = pre.reason.astype(np.uint16) | (post.reason.astype(np.uint16) << 8)
    area = outside | da.where(da.isnan(elevation), AreaFlag.NO_ELEVATION, 0).astype(np.uint8)
    date = {"units": "days since 1970-01-01", "_FillValue": np.int16(NO_DATE)}
    image, plane = ("band", "y", "x"), ("y", "x")
    cube = xr.Dataset(
        {
            "pre": (image, pre.reflectance, {"long_name": "reflectance before the event"}),
            "post": (image, post.reflectance, {"long_name": "reflectance after the event"}),
            "elevation": (plane, elevation, {"long_name": "surface elevation", "units": "m"}),
            "observed": (plane, observed, observed_attributes()),
            "area": (plane, area, area_attributes()),
            "pre_date": (plane, pre.date, {"long_name": "day of the pre-event pixel", **date}),
            "post_date": (plane, post.date, {"long_name": "day of the post-event pixel", **date}),
        },
        coords={"band": list(settings.bands), **xr_coords(grid)},
        attrs={
            "event_id": scenes.event.id,
            "event_time": f"{scenes.event.start:%Y-%m-%dT%H:%M:%SZ}",
            "pre_items": pre_notes,
            "post_items": post_notes,
            "dsm_items": [item.id for item in scenes.dsm],
        },
    )
    for variable in cube.data_vars.values():
        variable.attrs["grid_mapping"] = "spatial_ref"
    return cube


def _even_chunks(grid: GeoBox, size: int) -> Chunks:
    rows, columns = da.core.normalize_chunks(size, grid.shape)
    return rows, columns


def _side(
    items: tuple[pystac.Item, ...],
    scenes: Scenes,
    grid: GeoBox,
    settings: CubeSettings,
    chunks: Chunks,
) -> tuple[Composite, list[str]]:
    """One side of the event, and a note on each item that went into it."""
    found = [(item, [find_asset(item, band) for band in settings.bands]) for item in items]
    used = [(item, keys) for item, keys in found if reaches(item, keys[0], grid)]
    if not used:
        raise AreaError(
            f"Expected scenes over the grid {tuple(grid.boundingbox)}, none of "
            f"{', '.join(item.id for item in items)} reaches it; choose another area or source."
        )
    chosen, keys = [item for item, _ in used], [own for _, own in used]
    numbers = stack_assets(chosen, keys, settings.bands, REFLECTANCE, grid, chunks)
    radiometry = tuple(decide_radiometry(item, settings.bands[0]) for item in chosen)
    composite = compose(
        numbers,
        _classification(chosen, scenes.scl_asset, grid, chunks),
        radiometry,
        tuple(_day(item) for item in chosen),
        reason_table(settings.mask_classes),
    )
    notes = [
        _note(item, own, scenes.scl_asset) for item, own in zip(chosen, radiometry, strict=True)
    ]
    return composite, notes


def _note(item: pystac.Item, radiometry: Radiometry, scl: str) -> str:
    note = f"{item.id}: reflectance offset {radiometry.offset:g} ({radiometry.reason})"
    if _scl_key(item, scl) is None:
        note += f"; no scene classification (asset '{scl}'), all taken as clear"
    return note


def _day(item: pystac.Item) -> int:
    return int(np.datetime64(item_time(item).replace(tzinfo=None), "D").astype(int))


CLEAR = 7
"""SCL's "unclassified", which is usable: stands in where an item has no classification."""


def _classification(items: list[pystac.Item], name: str, grid: GeoBox, chunks: Chunks) -> da.Array:
    """Scene classification (item, y, x); scenes without one are taken as clear."""
    planes = []
    for item in items:
        key = _scl_key(item, name)
        if key is None:
            planes.append(da.full((1, *grid.shape), CLEAR, np.uint8, chunks=((1,), *chunks)))
        else:
            planes.append(stack_assets([item], [[key]], ["scl"], CLASSES, grid, chunks)[:, 0])
    return da.concatenate(planes)


def _scl_key(item: pystac.Item, name: str) -> str | None:
    return next((key for key in (name, name.upper(), name.lower()) if key in item.assets), None)


def _elevation(scenes: Scenes, grid: GeoBox, chunks: Chunks) -> da.Array:
    key = scenes.dsm_asset
    for item in scenes.dsm:
        if key not in item.assets:
            raise SceneError(
                f"Expected elevation in asset '{key}' of item {item.id}, found "
                f"{', '.join(sorted(item.assets))}; set source.dsm_asset."
            )
    tiles = [item for item in scenes.dsm if reaches(item, key, grid)]
    if not tiles:
        raise SceneError(
            f"Expected a surface model over the grid {tuple(grid.boundingbox)}, none of "
            f"{', '.join(item.id for item in scenes.dsm)} reaches it; add its items to the source."
        )
    keys = [[key]] * len(tiles)
    return first_finite(stack_assets(tiles, keys, [key], ELEVATION, grid, chunks)[:, 0])


def _outside(area: BaseGeometry, grid: GeoBox, chunks: Chunks) -> da.Array:
    """`AreaFlag.OUTSIDE_AREA` outside the area (in the grid's CRS), rasterised chunk by chunk."""
    return da.map_blocks(
        _outside_block,
        chunks=chunks,
        dtype=np.uint8,
        meta=np.empty((0, 0), np.uint8),
        area=area,
        transform=grid.affine,
    )


def _outside_block(
    area: BaseGeometry, transform: Affine, block_info: Any = None
) -> npt.NDArray[np.uint8]:
    """Whether each pixel's centre is outside; GDAL's rasteriser warns when threads share it."""
    (top, bottom), (left, right) = block_info[None]["array-location"]
    west, north = transform @ (left, top)
    east, south = transform @ (right, bottom)
    extent = shapely.box(west, south, east, north)
    if area.contains(extent):
        return np.zeros((bottom - top, right - left), np.uint8)
    x = transform.c + (np.arange(left, right) + 0.5) * transform.a
    y = transform.f + (np.arange(top, bottom) + 0.5) * transform.e
    near = area.intersection(extent)
    shapely.prepare(near)
    inside = shapely.contains_xy(near, *np.meshgrid(x, y))
    return np.where(inside, 0, AreaFlag.OUTSIDE_AREA).astype(np.uint8)
