"""The layout of a map's store: Zarr v3, sharded; first a template, then regions in any order."""

from __future__ import annotations

from typing import Any

import dask
import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import Delayed
from odc.geo.xr import xr_coords
from zarr.abc.store import Store

from lscube.attributes import attribute
from lscube.cube import SIDES, CubePlan
from lscube.cube.masks import AreaFlag, Reason, area_attributes, observed_attributes
from lscube.cube.store import storable
from lscube.manifest import Manifest
from lscube.mapping.layout import Layout, Region
from lscube.settings import PredictSettings

MANIFEST = "lscube_manifest"
"""Attribute that holds what determines a map's pixels, as the text of its JSON."""

NOT_MAPPED = 255
"""Byte of a probability that is not known."""

STEP = 0.004
"""Probability per byte step: 0..250 stand for 0..1."""

NO_DATE = np.int16(-32768)

FILLS: dict[str, Any] = {
    "probability": np.float32(np.nan),
    "spread": np.float32(np.nan),
    "observed": np.uint16(Reason.NO_DATA | Reason.NO_DATA << 8),
    "area": np.uint8(AreaFlag.OUTSIDE_AREA),
    "post_date": NO_DATE,
    "unreadable": np.int16(-1),
}
"""What is said of a pixel of which nothing is known: outside the area, or not written yet."""

_NAMES: dict[str, dict[str, object]] = {
    "probability": {"long_name": "landslide probability", "units": "1"},
    "spread": {
        "long_name": "standard deviation of the models' probabilities",
        "units": "1",
    },
    "observed": observed_attributes(),
    "area": area_attributes(),
    "post_date": {
        "long_name": "day of the post-event pixel",
        "units": "days since 1970-01-01",
    },
    "unreadable": {
        "long_name": "item that could not be read, by its place in the list of items; -1: none"
    },
}


def variables(models: int) -> list[str]:
    """Names of a map's variables; with several models there is a spread."""
    return [name for name in FILLS if name != "spread" or models > 1]


def pixel_bytes(models: int) -> int:
    """Bytes of all of a pixel's variables, before they are packed and compressed."""
    sides = {"unreadable": len(SIDES)}
    return sum(FILLS[name].dtype.itemsize * sides.get(name, 1) for name in variables(models))


def make_template(
    plan: CubePlan, layout: Layout, manifest: Manifest, settings: PredictSettings
) -> tuple[xr.Dataset, dict[str, dict[str, Any]]]:
    """The whole map with nothing in it, lazily, and how it is encoded."""
    found, encoding = {}, {}
    for name in variables(len(manifest["model"]["sha256"])):
        fill = FILLS[name]
        front = (len(SIDES),) if name == "unreadable" else ()
        dims = ("side", "y", "x") if front else ("y", "x")
        empty = da.full(
            (*front, *layout.cores.shape),
            fill,
            dtype=fill.dtype,
            chunks=(*front, layout.shard, layout.shard),
        )
        found[name] = (dims, empty, {**_NAMES[name], "grid_mapping": "spatial_ref"})
        encoding[name] = {
            "chunks": (*front, layout.chunk, layout.chunk),
            "shards": (*front, layout.shard, layout.shard),
            **_fill(name, settings),
        }
    template = xr.Dataset(
        found,
        coords={"side": list(SIDES), **xr_coords(layout.cores)},
        attrs={**plan.attributes(), MANIFEST: attribute(manifest)},
    )
    return storable(template), encoding


def _fill(name: str, settings: PredictSettings) -> dict[str, Any]:
    """Fill values twice: xarray's `_FillValue`, and Zarr's own, which unwritten chunks read as."""
    fill = FILLS[name]
    if name in ("probability", "spread"):
        if settings.dtype == "float32":
            return {"dtype": "float32", "_FillValue": fill, "fill_value": fill}
        return {
            "dtype": "uint8",
            "scale_factor": STEP,
            "_FillValue": NOT_MAPPED,
            "fill_value": NOT_MAPPED,
        }
    if name == "post_date":
        return {"_FillValue": fill, "fill_value": fill}
    return {"fill_value": fill}


def write_region(dataset: xr.Dataset, store: Store, region: Region) -> Delayed:
    """Lazily write one region's variables into the template; its chunks are whole shards."""
    place = {"y": region.rows, "x": region.columns}
    bare = dataset.drop_vars(list(dataset.coords))
    # Fused, a task would lose what it was said to need (a GPU).
    with dask.config.set({"optimization.fuse.active": False}):
        delayed: Delayed = bare.to_zarr(
            store, region=place, zarr_format=3, consolidated=False, compute=False
        )
    return delayed
