"""The store of a map: Zarr v3, written beside its place and moved there when complete."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from lscube import __version__
from lscube.catalog import Scenes, unsigned
from lscube.cube.store import storable
from lscube.errors import StoreError
from lscube.files import appearing
from lscube.grid import epsg_of
from lscube.learn import Card, TrainedEvent
from lscube.manifest import Manifest, differences, short
from lscube.settings import CubeSettings, PredictSettings

_MANIFEST = "lscube_manifest"

NOT_MAPPED = 255
"""Byte of a probability that is not known."""

STEP = 0.004
"""Probability per byte step: 0..250 stand for 0..1."""


def make_manifest(
    scenes: Scenes,
    grid: GeoBox,
    model: Card,
    cube: CubeSettings,
    settings: PredictSettings,
) -> Manifest:
    """Collect what determines a map's pixels, for the store's attributes; hrefs without signatures."""
    items = [*scenes.pre, *scenes.post, *scenes.dsm]
    manifest = {
        "lscube": __version__,
        "model": {
            "sha256": model.sha256,
            "trained_on": [event.model_dump(mode="json") for event in model.events],
        },
        "cube": cube.model_dump(mode="json", exclude={"chunk"}),
        "predict": settings.model_dump(mode="json", exclude={"chunk_cores"}),
        "event": scenes.event.id,
        "event_time": f"{scenes.event.start:%Y-%m-%dT%H:%M:%SZ}",
        "area": scenes.area.wkt,
        "grid": {
            "epsg": epsg_of(grid),
            "shape": list(grid.shape),
            "transform": list(grid.affine)[:6],
        },
        "items": {
            item.id: sorted(unsigned(asset.href) for asset in item.assets.values())
            for item in items
        },
    }
    # As it will be read back: tuples become lists.
    plain: Manifest = json.loads(json.dumps(manifest))
    return plain


def trained_on(dataset: xr.Dataset) -> tuple[TrainedEvent, ...]:
    """Events that a map's model was trained on."""
    events = dataset.attrs[_MANIFEST]["model"]["trained_on"]
    return tuple(TrainedEvent.model_validate(event) for event in events)


def is_finished(store: Path, manifest: Manifest) -> bool:
    """Whether the same map stands at `store` already; False where nothing does.

    Raises
    ------
    StoreError
        Something else stands there.
    """
    if not store.exists():
        return False
    theirs = open_store(store).attrs[_MANIFEST]
    for name, ours, other in differences(manifest, theirs):
        raise StoreError(
            f"Expected a map of this run at {store}, but it belongs to another one: {name} there is "
            f"{short(other)}, here {short(ours)}; choose another name or remove it."
        )
    return True


def write_store(dataset: xr.Dataset, store: Path, manifest: Manifest) -> None:
    """Compute a lazy map into a store: template first, then the pixels, then its final name.

    Raises
    ------
    StoreError
        The store cannot be written.
    """
    template = storable(dataset).assign_attrs({_MANIFEST: manifest})
    with appearing(store) as partial:
        if partial.exists():
            shutil.rmtree(partial)
        delayed = template.to_zarr(
            partial, zarr_format=3, consolidated=False, compute=False, encoding=_encoding(template)
        )
        delayed.compute()


def _encoding(dataset: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Fill values twice: xarray's `_FillValue`, and Zarr's own, which unwritten chunks read as."""
    chunks = {"chunks": tuple(sizes[0] for sizes in dataset["probability"].chunks or ())}
    # Attributes and encoding must not both say it.
    date_fill = dataset["post_date"].attrs.pop("_FillValue")
    return {
        "probability": {
            "dtype": "uint8",
            "scale_factor": STEP,
            "_FillValue": NOT_MAPPED,
            "fill_value": NOT_MAPPED,
            **chunks,
        },
        "observed": {"fill_value": np.uint16(1 | 1 << 8), **chunks},
        "area": {"fill_value": np.uint8(1), **chunks},
        "post_date": {"_FillValue": date_fill, "fill_value": date_fill, **chunks},
        "unreadable": {"fill_value": np.int16(-1), "chunks": (3, *chunks["chunks"])},
    }


def open_store(store: Path) -> xr.Dataset:
    """Open a finished map, lazily; probabilities and dates are decoded.

    Raises
    ------
    StoreError
        There is no finished map at `store`.
    """
    advice = "make one with `lscube predict`"
    partial = store.with_name(store.name + ".partial")
    if not store.exists() and partial.exists():
        raise StoreError(f"Expected a finished map at {store}, found an unfinished one; {advice}.")
    if not store.exists():
        raise StoreError(f"Expected a map at {store}, found nothing; {advice}.")
    try:
        dataset: xr.Dataset = xr.open_zarr(store, consolidated=False, decode_coords="all")
    except (FileNotFoundError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"Expected a map at {store}, but it cannot be opened ({reason}); {advice}."
        ) from None
    if _MANIFEST not in dataset.attrs:
        raise StoreError(
            f"Expected a map at {store}, found a store that lscube did not write; {advice}."
        )
    return dataset
