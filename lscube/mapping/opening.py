"""Beginning a map, going on with it, and opening it when it is finished."""

from __future__ import annotations

from typing import Any

import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import shapely
import xarray as xr
from zarr.abc.store import Store
from zarr.storage import LocalStore

from lscube.attributes import content, with_attributes
from lscube.cube.assemble import outside_area
from lscube.cube.masks import inside_area
from lscube.errors import OtherRunError, StoreError
from lscube.files import PARTIAL
from lscube.grid import epsg_of, project
from lscube.learn import TrainedEvent
from lscube.learn.splits import bounding_box, slices
from lscube.manifest import Manifest, differences, short
from lscube.mapping.layout import Layout
from lscube.mapping.ledger import Ledger
from lscube.mapping.places import Folder, Place, Target, place_of, reached
from lscube.mapping.store import MANIFEST
from lscube.paths import StrPath


def prepare(
    place: Place,
    target: Target,
    layout: Layout,
    template: tuple[xr.Dataset, dict[str, dict[str, Any]]],
) -> None:
    """Write the template, or make sure that it was this run that began the store.

    Raises
    ------
    StoreError
        The store belongs to another run.
    """
    dataset, encoding = template
    ledger = Ledger.open(target.store)
    if ledger is not None:
        check_same(str(place), manifest_of(dataset), manifest_in(target.store, str(place)))
        return
    # Without a ledger nothing was done yet: at most a template that was cut short.
    place.clear()
    dataset.to_zarr(
        target.store, mode="a", zarr_format=3, consolidated=False, compute=False, encoding=encoding
    )
    Ledger.create(target.store, layout)
    target.keep()


def check_same(name: str, ours: Manifest, theirs: Manifest) -> None:
    """Refuse a store of another run.

    Raises
    ------
    OtherRunError
        Names the entry that differs, and both values.
    """
    for entry, mine, other in differences(ours, theirs):
        raise OtherRunError(
            f"Expected a map of this run at {name}, but it belongs to another one: {entry} there is "
            f"{short(other)}, here {short(mine)}; choose another name or remove it."
        )


def manifest_of(dataset: xr.Dataset) -> Manifest:
    """What determines a map's pixels."""
    manifest: Manifest = content(dataset.attrs[MANIFEST])
    return manifest


def area_of(dataset: xr.Dataset) -> shapely.Geometry:
    """A map's area of interest, in the map's CRS."""
    return project(shapely.from_wkt(manifest_of(dataset)["area"]), epsg_of(dataset.odc.geobox))


def crop_to_area(dataset: xr.Dataset) -> xr.Dataset:
    """The part of a map that holds its area of interest: stores hold whole windows beyond it.

    Parameters
    ----------
    dataset
        With the variable `area` (y, x), which is read; any part of a map, or every nth pixel of one.
    """
    inside = inside_area(dataset["area"].to_numpy())
    if not inside.any():
        return dataset
    rows, columns = slices(bounding_box(inside))
    return dataset.isel(y=rows, x=columns)


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
    check_same(str(place), manifest, manifest_in(store, str(place)))
    return True


_ADVICE = "make one with `lscube predict`"

_UNFINISHED = "lscube_unfinished"
"""Attribute of what was opened of a map in the making; never in a store."""


def manifest_in(store: Store, name: str) -> Manifest:
    """The manifest of a store; `name` is for messages."""
    return manifest_of(_open(store, name))


def open_map(store: StrPath, unfinished: bool = False) -> xr.Dataset:
    """Open a finished map, lazily; probabilities and dates are decoded.

    Parameters
    ----------
    store
        Its path or address.
    unfinished
        Whether what there is of an unfinished one will do: see `open_unfinished`.

    Raises
    ------
    StoreError
        There is no finished map.
    """
    if unfinished:
        return open_unfinished(store)
    return _open(finished_store(store), str(store))


def open_unfinished(store: StrPath) -> xr.Dataset:
    """Open what is there of a map that a run began and did not end; a finished one is opened as it is.

    Pixels that were not written yet are inside the area, as far as the area reaches, and not observed.

    Raises
    ------
    StoreError
        There is no map, or a run is writing it.
    """
    place = _place(store)
    with reached(place):
        if place.finished() is not None or not place.unfinished():
            return open_map(store)
        with place.locked() as target:
            dataset = _open(target.store, str(store))
    grid = dataset.odc.geobox
    outside = outside_area(area_of(dataset), grid, dataset["probability"].data.chunks)
    there = dataset.assign(area=dataset["area"].copy(data=outside))
    return there.assign_attrs({_UNFINISHED: 1})


def is_unfinished(dataset: xr.Dataset) -> bool:
    """Whether it is what there is of a map whose run has not come to its end."""
    return _UNFINISHED in dataset.attrs


def _place(store: StrPath) -> Place:
    """Where a map lies; the name of an unfinished one's folder is taken for the map's."""
    place = place_of(store)
    if isinstance(place, Folder) and place.path.name.endswith(PARTIAL):
        return Folder(place.path.with_name(place.path.name.removesuffix(PARTIAL)))
    return place


def finished_store(store: StrPath) -> Store:
    """The store of a finished map.

    Raises
    ------
    StoreError
        There is none.
    """
    place = _place(store)
    with reached(place):
        found = place.finished()
        unfinished = found is None and place.unfinished()
    if found is None and unfinished:
        raise StoreError(
            f"Expected a finished map at {store}, found an unfinished one; run the command that makes it "
            "again, or take what there is with --unfinished where a command has it."
        )
    if found is None:
        raise StoreError(f"Expected a finished map at {store}, found nothing; {_ADVICE}.")
    return found


def store_there(store: StrPath) -> Store:
    """The store of a finished map, or of what there is of one.

    Raises
    ------
    StoreError
        There is neither.
    """
    place = _place(store)
    if isinstance(place, Folder) and not place.path.exists() and place.partial.exists():
        return LocalStore(place.partial, read_only=True)
    return finished_store(store)


def _open(store: Store, name: str) -> xr.Dataset:
    try:
        dataset: xr.Dataset = xr.open_zarr(store, consolidated=False, decode_coords="all")
    except (FileNotFoundError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"Expected a map at {name}, but it cannot be opened ({reason}); {_ADVICE}."
        ) from None
    if MANIFEST not in dataset.attrs:
        raise StoreError(
            f"Expected a map at {name}, found a store that lscube did not write; {_ADVICE}."
        )
    return with_attributes(dataset)
