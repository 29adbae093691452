"""From scenes to a cube: one lazy Dataset on one grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, Literal

import dask.array as da
import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from shapely.geometry.base import BaseGeometry

from lscube.attributes import content, with_attributes
from lscube.catalog import Scenes
from lscube.cube.composite import DATE, NO_DATE, NONE, REASON, UNREADABLE, Packed
from lscube.cube.masks import AreaFlag, area_attributes, observed_attributes, reason_table
from lscube.cube.plan import Reading
from lscube.cube.planned import CubePlan, plan_cube, widened
from lscube.cube.reading import Access, Chunks, overlaps
from lscube.cube.shadow import REACH
from lscube.cube.side import Block, SidePlan, read_block
from lscube.cube.surface import Surface
from lscube.cube.user_mask import UserMask, open_user_mask
from lscube.grid import bounds_of
from lscube.settings import CubeSettings

SIDES = ("pre", "post", "dsm")
"""Coordinate `side` of `unreadable`."""


def open_cube(
    scenes: Scenes,
    grid: GeoBox,
    settings: CubeSettings = CubeSettings(),
    chunks: Chunks | None = None,
    reading: Reading = Reading(),
) -> xr.Dataset:
    """Open scenes as a lazy cube; no pixel is read before something is computed.

    Parameters
    ----------
    scenes
        What to open, from `lscube.catalog.find_scenes`.
    grid
        The pixels, from `lscube.grid.make_grid`.
    settings
        Bands, masks, composites.
    chunks
        Chunks along y and x; by default `settings.chunk`.
    reading
        How files are opened, and what was measured before (`lscube.cube.prepare_reading`).

    Returns
    -------
    xr.Dataset
        `pre`, `post` (band, y, x): reflectance, float32, NaN where unusable. `elevation` (y, x):
        metres. `observed` (y, x): uint16 flags, 0 = usable before and after. `area` (y, x): uint8
        flags. `pre_date`, `post_date` (y, x): int16 days since 1970-01-01. `unreadable` (side, y,
        x): int16, -1 or the place in `pre_items`, `post_items` or `dsm_items` of an item that could
        not be read there. Attributes name the event, the items and each item's radiometry.

    Raises
    ------
    SceneError
        An item lacks an asset or a band, or its radiometry cannot be decided.
    AreaError
        No scene reaches the grid.
    """
    return open_part(plan_cube(scenes, grid, settings, reading), grid, chunks)


def open_part(plan: CubePlan, grid: GeoBox, chunks: Chunks | None = None) -> xr.Dataset:
    """Open any part of a planned cube, lazily: as `open_cube`, on pixels of the plan's lattice.

    Parameters
    ----------
    plan
        From `plan_cube`.
    grid
        The part's pixels; scenes need not reach it.
    chunks
        As in `open_cube`.
    """
    chunks = chunks or _even_chunks(grid, plan.settings.chunk)
    surface = _elevation(plan.surface, grid, chunks, plan.reading.access)
    before = _image("pre", plan, grid, chunks)
    after = _image("post", plan, grid, chunks)
    elevation, missing = surface[0], surface[1]
    unreadable = da.stack([before.unreadable, after.unreadable, missing]).astype(np.int16)
    observed = pixelwise(_observed, np.uint16, before.reason, after.reason)
    outside = outside_area(plan.area, grid, chunks)
    area = pixelwise(_area, np.uint8, outside, elevation, missing)
    date = {"units": "days since 1970-01-01", "_FillValue": np.int16(NO_DATE)}
    image, plane = ("band", "y", "x"), ("y", "x")
    lost = {"long_name": "item that could not be read, by its place in the list of items; -1: none"}
    cube = xr.Dataset(
        {
            "pre": (image, before.reflectance, {"long_name": "reflectance before the event"}),
            "post": (image, after.reflectance, {"long_name": "reflectance after the event"}),
            "elevation": (plane, elevation, {"long_name": "surface elevation", "units": "m"}),
            "observed": (plane, observed, observed_attributes()),
            "area": (plane, area, area_attributes()),
            "pre_date": (
                plane,
                before.date.astype(np.int16),
                {"long_name": "day of the pre-event pixel", **date},
            ),
            "post_date": (
                plane,
                after.date.astype(np.int16),
                {"long_name": "day of the post-event pixel", **date},
            ),
            "unreadable": (("side", *plane), unreadable.rechunk({0: 3}), lost),
        },
        coords={"band": list(plan.settings.bands), "side": list(SIDES), **xr_coords(grid)},
        attrs=plan.attributes(),
    )
    for variable in cube.data_vars.values():
        variable.attrs["grid_mapping"] = "spatial_ref"
    return with_attributes(cube)


def pixelwise(function: Any, dtype: npt.DTypeLike, *arrays: da.Array) -> da.Array:
    """Call a function chunk by chunk: one layer of the graph, whatever it computes.

    Parameters
    ----------
    function
        Takes the arrays' chunks.
    dtype
        Of what it gives, in the first array's shape.
    arrays
        (y, x) or (plane, y, x), in the same chunks.
    """
    indexed = [(array, "pyx"[-array.ndim :]) for array in arrays]
    meta = np.empty((0,) * arrays[0].ndim, dtype)
    return da.blockwise(
        function, indexed[0][1], *chain.from_iterable(indexed), dtype=dtype, meta=meta
    )


def _observed(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    return before.astype(np.uint16) | (after.astype(np.uint16) << np.uint16(8))


def _area(
    outside: npt.NDArray[np.uint8], elevation: npt.NDArray[Any], missing: npt.NDArray[Any]
) -> npt.NDArray[np.uint8]:
    unknown = np.where(np.isnan(elevation), AreaFlag.NO_ELEVATION, 0)
    unreadable = np.where(missing != NONE, AreaFlag.UNREADABLE_ELEVATION, 0)
    return (outside | unknown | unreadable).astype(np.uint8)


def _even_chunks(grid: GeoBox, size: int) -> Chunks:
    rows, columns = da.core.normalize_chunks(size, grid.shape)
    return rows, columns


@dataclass(frozen=True)
class _Image:
    """One side of the event, lazily: reflectance, and the planes of `lscube.cube.composite`, all float32."""

    reflectance: da.Array
    reason: da.Array
    date: da.Array
    unreadable: da.Array


def _image(side: Literal["pre", "post"], plan: CubePlan, grid: GeoBox, chunks: Chunks) -> _Image:
    """One task per chunk, which gives reflectance, then reason, date and unreadable item."""
    settings, reading = plan.settings, plan.reading
    found = plan.pre if side == "pre" else plan.post
    bands = len(settings.bands)
    common = SidePlan(
        method=settings.pre if side == "pre" else settings.post,
        bands=bands,
        reasons=reason_table(settings.mask_classes),
        dilation=settings.dilation,
        cloud_mask=reading.cloud_mask,
        user_masks=_user_masks(side, settings, plan.epsg),
        shift=reading.shift if side == "post" else (0.0, 0.0),
        access=reading.access,
    )

    def block(cell: GeoBox) -> Block:
        near = widened(bounds_of(cell), plan.context)
        scenes = tuple(s for s in found.scenes if overlaps(s.bands[0].extent, near))
        lit = settings.terrain_shadow and any(scene.sun is not None for scene in scenes)
        return Block(cell, scenes, plan.surface.near(cell, REACH) if lit else None)

    packed = _per_chunk(_read_packed, _cells(grid, chunks, block), chunks, bands + 3, plan=common)
    return _Image(packed[:bands], *(packed[plane] for plane in (REASON, DATE, UNREADABLE)))


def _read_packed(blocks: npt.NDArray[Any], plan: SidePlan) -> Packed:
    return read_block(blocks[0, 0], plan)


def _elevation(tiles: Surface, grid: GeoBox, chunks: Chunks, access: Access) -> da.Array:
    """Elevation, and the index of a tile that cannot be read."""
    cells = _cells(grid, chunks, lambda cell: (cell, tiles.near(cell)))
    return _per_chunk(_read_elevation, cells, chunks, 2, access=access)


def _read_elevation(blocks: npt.NDArray[Any], access: Access) -> npt.NDArray[np.float32]:
    cell, surface = blocks[0, 0]
    elevation, unreadable = surface.read(cell, access)
    return np.stack([elevation, unreadable.astype(np.float32)])


def _cells(grid: GeoBox, chunks: Chunks, make: Any) -> npt.NDArray[Any]:
    """One object per chunk, made from the chunk's grid."""
    edges = [np.concatenate([[0], np.cumsum(sizes)]).tolist() for sizes in chunks]
    cells = np.empty((len(chunks[0]), len(chunks[1])), object)
    for row, column in np.ndindex(*cells.shape):
        rows = slice(edges[0][row], edges[0][row + 1])
        columns = slice(edges[1][column], edges[1][column + 1])
        cells[row, column] = make(grid[rows, columns])
    return cells


def _per_chunk(
    function: Any, cells: npt.NDArray[Any], chunks: Chunks, planes: int, **common: Any
) -> da.Array:
    """Call a function once per chunk; each task carries no more than its own chunk's object."""
    return da.map_blocks(
        partial(function, **common),  # Dask would look through arguments for its own collections
        da.from_array(cells, chunks=1),
        new_axis=0,
        chunks=((planes,), *chunks),
        dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
    )


def _user_masks(side: str, settings: CubeSettings, epsg: int) -> tuple[UserMask, ...]:
    own = settings.pre_mask if side == "pre" else settings.post_mask
    return tuple(open_user_mask(path, epsg) for path in (settings.mask, own) if path is not None)


def outside_area(area: BaseGeometry, grid: GeoBox, chunks: Chunks) -> da.Array:
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


def unreadable_items(dataset: xr.Dataset) -> dict[str, list[str]]:
    """Ids of the items that could not be read, by side ("pre", "post", "dsm"); computes `unreadable`."""
    named = {}
    for side in dataset["side"].values.tolist():
        indices = np.unique(dataset["unreadable"].sel(side=side).values)
        items = content(dataset.attrs[f"{side}_items"])
        if ids := [items[index] for index in indices.tolist() if index >= 0]:
            named[str(side)] = ids
    return named
