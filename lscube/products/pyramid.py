"""Coarser levels of a map in Zarr, so that a viewer of a whole region stays quick.

The group follows the conventions `multiscales`, `proj` and `spatial`
(https://github.com/zarr-conventions): a child group for each level, half as fine as the one before.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from zarr.errors import ZarrUserWarning

from lscube.cube.store import storable
from lscube.grid import bounds_of, epsg_of
from lscube.paths import StrPath
from lscube.products.rasters import Coding, blocks_of, coding_of

CHUNK = 512
"""Edge of a chunk of a coarser level in pixels."""

SMALLEST = 256
"""The last level is the first whose longer edge has at most so many pixels."""

AT_ONCE = 2 * CHUNK
"""Edge of the part of a level that is computed at once; whole chunks."""

NAMES = ("probability", "observed")
"""Variables that coarser levels have."""

_BASE = "https://raw.githubusercontent.com/zarr-conventions"
_PAGE = "https://github.com/zarr-conventions"
CONVENTIONS = [
    {
        "uuid": uuid,
        "schema_url": f"{_BASE}/{name}/refs/tags/v0.1/schema.json",
        "spec_url": f"{_PAGE}/{name}/blob/v0.1/README.md",
        "name": name,
        "description": description,
    }
    for name, uuid, description in (
        (
            "multiscales",
            "d35379db-88df-4056-af3a-620245f8e347",
            "Multiscale layout of zarr datasets",
        ),
        (
            "proj",
            "f17cb550-5864-4468-aeb7-f3180cfb622f",
            "Coordinate reference system information for geospatial data",
        ),
        ("spatial", "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information"),
    )
]


def write_pyramid(folder: StrPath, mapped: xr.Dataset, first: int = 0) -> None:
    """Write a map's coarser levels into a folder, and what says how they belong together.

    The probability of a coarser pixel is the mean of the finer ones that have one; it is observed where
    one of them is, else it has the reasons of all.

    Parameters
    ----------
    folder
        The group. With `first` 0 the map itself lies in its child `0` already.
    mapped
        From `lscube.mapping.open_map`.
    first
        0, or 1 where the map lies elsewhere: then the group begins with the level of half its fineness.
    """
    folder = Path(folder)
    grids = levels(mapped.odc.geobox)[first:]
    group = zarr.open_group(folder, mode="a", zarr_format=3)
    group.attrs.update(_attributes(grids, first))
    finer = mapped[list(NAMES)]
    for number, grid in enumerate(grids, first):
        if number == 0:
            zarr.open_group(folder / "0", mode="r+").attrs.update(_placed(grid))
            continue
        finer = _write_level(folder / str(number), finer, grid, mapped)
    with warnings.catch_warnings():
        # The convention wants it; Zarr says that its own specification has no word on it yet.
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(folder)


def levels(grid: GeoBox) -> list[GeoBox]:
    """Grids of a pyramid, the finest first; each begins at the same corner, and covers the one before."""
    found = [grid]
    while max(found[-1].shape) > SMALLEST:
        rows, columns = found[-1].shape
        step, _, west, _, down, north = list(found[-1].affine)[:6]
        affine = Affine(2 * step, 0, west, 0, 2 * down, north)
        found.append(GeoBox((-(-rows // 2), -(-columns // 2)), affine, grid.crs))
    return found


def _attributes(grids: list[GeoBox], first: int) -> dict[str, Any]:
    """Of the group: how its levels follow from each other, and where they lie."""
    layout: list[dict[str, Any]] = []
    for number, grid in enumerate(grids, first):
        entry: dict[str, Any] = {"asset": str(number)}
        if layout:
            entry["derived_from"] = str(number - 1)
        factor = 2.0 if layout else 1.0
        entry["transform"] = {"scale": [factor, factor], "translation": [0.0, 0.0]}
        layout.append({**entry, **_place(grid)})
    return {
        "zarr_conventions": CONVENTIONS,
        "multiscales": {"layout": layout, "resampling_method": "average"},
        "proj:code": f"EPSG:{epsg_of(grids[0])}",
        "spatial:dimensions": ["y", "x"],
        "spatial:bbox": list(bounds_of(grids[0])),
    }


def _place(grid: GeoBox) -> dict[str, Any]:
    return {"spatial:shape": list(grid.shape), "spatial:transform": list(grid.affine)[:6]}


def _placed(grid: GeoBox) -> dict[str, Any]:
    """Attributes of a level's own group: what the group above says is not inherited."""
    return {
        "zarr_conventions": CONVENTIONS[1:],
        "proj:code": f"EPSG:{epsg_of(grid)}",
        "spatial:dimensions": ["y", "x"],
        "spatial:bbox": list(bounds_of(grid)),
        **_place(grid),
    }


def _write_level(folder: Path, finer: xr.Dataset, grid: GeoBox, mapped: xr.Dataset) -> xr.Dataset:
    """Write a level, part by part; returns it, lazily."""
    codings = {name: coding_of(mapped, name) for name in NAMES}
    empty = {
        name: (
            ("y", "x"),
            da.zeros(tuple(grid.shape), dtype=finer[name].dtype, chunks=(AT_ONCE, AT_ONCE)),
            {**mapped[name].attrs, "grid_mapping": "spatial_ref"},
        )
        for name in NAMES
    }
    template = xr.Dataset(empty, coords=xr_coords(grid), attrs=_placed(grid))
    storable(template).to_zarr(
        folder,
        mode="w",
        zarr_format=3,
        consolidated=False,
        compute=False,
        encoding={name: _encoding(coding, grid) for name, coding in codings.items()},
    )
    group: Any = zarr.open_group(folder, mode="r+")
    for rows, columns in blocks_of(tuple(grid.shape), AT_ONCE):
        part = halve(finer.isel(y=_twice(rows), x=_twice(columns)))
        for name, coding in codings.items():
            group[name][rows, columns] = coding.encode(part[name])
    made: xr.Dataset = xr.open_zarr(folder, consolidated=False, decode_coords="all")
    return made


def _encoding(coding: Coding, grid: GeoBox) -> dict[str, Any]:
    chunks = tuple(min(CHUNK, edge) for edge in grid.shape)
    fill: dict[str, Any] = {}
    if coding.nodata is not None:
        fill = {"_FillValue": coding.nodata, "fill_value": coding.nodata}
    if coding.scale is not None:
        fill["scale_factor"] = coding.scale
    return {"chunks": chunks, "dtype": coding.dtype, **fill}


def _twice(part: slice) -> slice:
    return slice(2 * part.start, 2 * part.stop)


def halve(finer: xr.Dataset) -> Mapping[str, NDArray[Any]]:
    """Probability and `observed` on pixels twice as large; an odd last row or column stands alone.

    Parameters
    ----------
    finer
        `probability` (NaN where not known) and `observed` (0 where usable), (y, x).
    """
    probability = _quarters(
        finer["probability"].to_numpy(), mode="constant", constant_values=np.nan
    )
    observed = _quarters(finer["observed"].to_numpy(), mode="edge")
    known = np.isfinite(probability)
    count = known.sum(axis=0)
    total = np.where(known, probability, 0).sum(axis=0, dtype=np.float32)
    mean = np.where(count, total / np.maximum(count, 1), np.nan).astype(np.float32)
    some = (observed == 0).any(axis=0)
    reasons = np.bitwise_or.reduce(observed, axis=0)
    return {"probability": mean, "observed": np.where(some, 0, reasons).astype(np.uint16)}


def _quarters(plane: NDArray[Any], **beyond: Any) -> NDArray[Any]:
    """The four pixels of each coarser one, (4, y, x); `beyond` says what follows an odd edge."""
    rows, columns = plane.shape
    even = np.pad(plane, ((0, rows % 2), (0, columns % 2)), **beyond)
    return np.stack([even[i::2, j::2] for i in (0, 1) for j in (0, 1)])
