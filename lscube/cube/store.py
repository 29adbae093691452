"""A cube on disk, as Zarr."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from lscube.attributes import with_attributes
from lscube.errors import StoreError
from lscube.files import appearing_folder
from lscube.paths import StrPath


def write_cube(cube: xr.Dataset, path: StrPath) -> None:
    """Compute a cube into a new Zarr store.

    It is written beside its place and moved there when complete, so that nothing half-written
    stands under the final name.

    Raises
    ------
    StoreError
        Something stands at `path` already, or it cannot be written.
    """
    path = Path(path)
    if path.exists():
        raise StoreError(
            f"Expected no file at {path}, found one; remove it or choose another name."
        )
    with appearing_folder(path) as partial:
        storable(cube).to_zarr(partial.absolute(), zarr_format=3, consolidated=False)


def read_cube(path: StrPath) -> xr.Dataset:
    """Open a cube that `write_cube` wrote, lazily; masks and dates stay as they were written.

    Raises
    ------
    StoreError
        There is no cube at `path`.
    """
    path = Path(path)
    try:
        cube: xr.Dataset = xr.open_zarr(
            path, consolidated=False, mask_and_scale=False, decode_times=False
        ).set_coords("spatial_ref")
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise StoreError(
            f"Expected a cube at {path}, but it cannot be opened ({error}); write one with `lscube cube`."
        ) from None
    return with_attributes(cube)


def storable(dataset: xr.Dataset) -> xr.Dataset:
    """With names as Zarr v3 can keep them: it has no specification of fixed-length strings."""
    texts = {name: c.astype(object) for name, c in dataset.coords.items() if c.dtype.kind == "U"}
    return dataset.assign_coords(texts)
