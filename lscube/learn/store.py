"""The training Zarr of an event: its pixels, written once, laid out for cutting patches.

Float32, channel last, not compressed: patches are then copies of memory. It holds what the
network looks at, and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import odc.geo.xr  # noqa: F401  (gives a Dataset its `.odc`)
import xarray as xr
from odc.geo.geobox import GeoBox

from lscube.cube.masks import usable
from lscube.errors import InventoryError
from lscube.files import appearing_folder
from lscube.grid import bounds_of, epsg_of
from lscube.learn.splits import Rect, bounding_box, make_sides, slices, within_area
from lscube.scores import IGNORE
from lscube.settings import Bounds, SplitSettings, TrainSettings

CHUNK = 256
"""Edge of a chunk in pixels: 3 MB of three bands."""


def write_training_store(
    path: Path,
    cube: xr.Dataset,
    labels: xr.DataArray,
    settings: TrainSettings,
    split: SplitSettings,
    area: Bounds | None = None,
) -> None:
    """Compute the part of a cube that is labelled into a new store.

    Parameters
    ----------
    path
        New Zarr store; it appears complete.
    cube
        With `pre`, `post` (band, y, x), `elevation`, `observed` and `area` (y, x); lazy or not.
    labels
        0, 1 or `IGNORE`, (y, x) on the cube's grid.
    settings
        `branches`, bands, `window` and `min_labelled` are used.
    split
        How training, validation and test are divided.
    area
        Training part: west, south, east, north in the grid's CRS, metres.

    Raises
    ------
    InventoryError
        The labels are on another grid, or none is known where the cube is observed.
    StoreError
        The store cannot be written.
    """
    _check_grid(cube, labels)
    grid = cube.odc.geobox
    given = np.where(within_area(grid, area), labels.values, IGNORE)
    place = _with_context(bounding_box(given != IGNORE), settings.window, given.shape)
    rows, columns = slices(place)
    part = cube.isel(y=rows, x=columns)
    with appearing_folder(path) as partial:
        pixels = _channel_last(part, settings)
        encoding = {name: {"compressors": None} for name in pixels.data_vars}
        pixels.to_zarr(partial.absolute(), zarr_format=3, consolidated=False, encoding=encoding)
        planes = open_training_store(partial)
        seen = usable(planes["observed"].values, planes["area"].values, settings.branches)
        known = np.where(seen, given[rows, columns], IGNORE).astype(np.uint8)
        cut: GeoBox = grid[rows, columns]
        narrowest = settings.min_labelled * settings.window
        sides = make_sides(known, cut, split, area, narrowest)
        added = xr.Dataset({"labels": (("y", "x"), known), "side": (("y", "x"), sides)})
        added.attrs = {"bounds": list(bounds_of(cut)), "epsg": epsg_of(cut)}
        added.to_zarr(partial, mode="a", consolidated=False)


def _check_grid(cube: xr.Dataset, labels: xr.DataArray) -> None:
    observed = cube["observed"]
    same = labels.shape == observed.shape and all(
        np.allclose(labels[dim].values, observed[dim].values, rtol=0, atol=1e-3)
        for dim in ("y", "x")
    )
    if not same:
        raise InventoryError(
            f"Expected labels on the cube's grid, {observed.shape} pixels (y, x), got "
            f"{labels.shape} or other coordinates; make them with make_labels on that grid."
        )


def _with_context(inner: Rect, window: int, shape: tuple[int, ...]) -> Rect:
    """A rectangle with a window around it, as far as there are pixels."""
    return Rect(
        max(inner.top - window, 0),
        max(inner.left - window, 0),
        min(inner.bottom + window, shape[0]),
        min(inner.right + window, shape[1]),
    )


def _channel_last(cube: xr.Dataset, settings: TrainSettings) -> xr.Dataset:
    """What the network looks at, (y, x, channel), float32; and `observed` and `area`, (y, x)."""
    planes: dict[str, Any] = {name: (("y", "x"), cube[name].data) for name in ("observed", "area")}
    for branch, bands in (("pre", settings.pre_bands), ("post", settings.post_bands)):
        if branch in settings.branches:
            image = cube[branch].sel(band=list(bands or cube["band"].values))
            image = image.transpose("y", "x", "band").astype(np.float32)
            planes[branch] = (("y", "x", f"{branch}_band"), image.data)
    if "topography" in settings.branches:
        elevation = cube["elevation"].astype(np.float32).expand_dims("metres", axis=-1)
        planes["elevation"] = (("y", "x", "metres"), elevation.data)
    return xr.Dataset(planes).chunk(CHUNK)


def open_training_store(path: Path) -> xr.Dataset:
    """Open a training Zarr; its pixels are read when they are indexed, without Dask."""
    store: xr.Dataset = xr.open_zarr(path, consolidated=False, chunks=None, mask_and_scale=False)
    return store
