"""The store of a map: Zarr v3, sharded; first a template, then regions in any order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import Delayed
from odc.geo.xr import xr_coords
from zarr.abc.store import Store

from lscube.cube import SIDES, CubePlan
from lscube.cube.masks import AreaFlag, Reason, area_attributes, observed_attributes
from lscube.cube.store import storable
from lscube.errors import StoreError
from lscube.learn import TrainedEvent
from lscube.manifest import Manifest, differences, short
from lscube.mapping.layout import Layout, Region
from lscube.mapping.ledger import Ledger
from lscube.mapping.place import Folder, Place
from lscube.settings import PredictSettings

_MANIFEST = "lscube_manifest"

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
        attrs={**plan.attributes(), _MANIFEST: manifest},
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


def prepare(
    place: Place,
    store: Store,
    layout: Layout,
    template: tuple[xr.Dataset, dict[str, dict[str, Any]]],
) -> Ledger:
    """The ledger of the run that the template belongs to, begun or gone on with.

    Raises
    ------
    StoreError
        The store belongs to another run.
    """
    dataset, encoding = template
    ledger = Ledger.open(store)
    if ledger is not None:
        check_same(str(place), dataset.attrs[_MANIFEST], _attributes(store, str(place)))
        return ledger
    # Without a ledger nothing was done yet: at most a template that was cut short.
    place.clear()
    dataset.to_zarr(
        store, mode="a", zarr_format=3, consolidated=False, compute=False, encoding=encoding
    )
    return Ledger.create(store, layout)


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


def check_same(name: str, ours: Manifest, theirs: Manifest) -> None:
    """Refuse a store of another run.

    Raises
    ------
    StoreError
        Names the entry that differs, and both values.
    """
    for entry, mine, other in differences(ours, theirs):
        raise StoreError(
            f"Expected a map of this run at {name}, but it belongs to another one: {entry} there is "
            f"{short(other)}, here {short(mine)}; choose another name or remove it."
        )


def manifest_of(dataset: xr.Dataset) -> Manifest:
    """What determines a map's pixels."""
    manifest: Manifest = dataset.attrs[_MANIFEST]
    return manifest


def trained_on(dataset: xr.Dataset) -> tuple[TrainedEvent, ...]:
    """Events that a map's models were trained on."""
    events = manifest_of(dataset)["model"]["trained_on"]
    return tuple(TrainedEvent.model_validate(event) for event in events)


def is_finished(place: Place, manifest: Manifest) -> bool:
    """Whether the same map stands there already; False where nothing does.

    Raises
    ------
    StoreError
        Something else stands there.
    """
    store = place.finished()
    if store is None:
        return False
    check_same(str(place), manifest, _attributes(store, str(place)))
    return True


_ADVICE = "make one with `lscube predict`"


def _attributes(store: Store, name: str) -> Manifest:
    """The manifest of a store."""
    return manifest_of(_open(store, name))


def open_map(store: Path | str) -> xr.Dataset:
    """Open a finished map, lazily; probabilities and dates are decoded.

    Raises
    ------
    StoreError
        There is no finished map.
    """
    place = place_of(store)
    found = place.finished()
    if found is None:
        what = "an unfinished one" if place.unfinished() else "nothing"
        raise StoreError(f"Expected a finished map at {store}, found {what}; {_ADVICE}.")
    return _open(found, str(place))


def _open(store: Store, name: str) -> xr.Dataset:
    try:
        dataset: xr.Dataset = xr.open_zarr(store, consolidated=False, decode_coords="all")
    except (FileNotFoundError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"Expected a map at {name}, but it cannot be opened ({reason}); {_ADVICE}."
        ) from None
    if _MANIFEST not in dataset.attrs:
        raise StoreError(
            f"Expected a map at {name}, found a store that lscube did not write; {_ADVICE}."
        )
    return dataset


def place_of(store: Path | str) -> Place:
    """A folder by its path."""
    return Folder(Path(store))
