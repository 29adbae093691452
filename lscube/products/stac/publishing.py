"""A run as a STAC collection in a folder of its own."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pystac
import xarray as xr

from lscube.errors import InputError, InventoryError, ModelError, SettingsError, StoreError
from lscube.files import appearing_folder
from lscube.mapping.opening import manifest_of, open_map
from lscube.paths import StrPath
from lscube.products.run import run_id
from lscube.products.stac.assets import add_files, add_rasters, add_store
from lscube.products.stac.facts import Facts, measure
from lscube.products.stac.inventory import check_inventory
from lscube.products.stac.model_item import write_model
from lscube.products.stac.publication import Publication
from lscube.products.stac.run_item import event_times, make_run_item


def publish_map(
    store: StrPath, out: StrPath, what: Publication = Publication()
) -> pystac.Collection:
    """Write a map as a self-contained STAC collection.

    The folder holds `collection.json`, the run's item with its files (probability and `observed` as
    cloud-optimised GeoTIFFs, the map in Zarr with coarser levels, inventory, thumbnail, manifest, input
    items) and an item for each model. It appears complete or not at all, may be moved and served from
    anywhere, and names no signed address and no path of this machine.

    Parameters
    ----------
    store
        A finished map, by path or address.
    out
        Folder to make.
    what
        What else goes in, and how.

    Raises
    ------
    StoreError
        The map is not finished, or the folder exists or cannot be written.
    ModelError
        A model is not one of those that made the map.
    InventoryError
        The inventory or its summary is of another map, or in another CRS.
    InputError
        A picture is no PNG file, or the licence no identifier.
    """
    out = Path(out)
    mapped = open_map(store, what.unfinished)
    _check(mapped, what)
    now = (what.now or datetime.now(UTC)).replace(microsecond=0)
    with appearing_folder(out) as part:
        facts = measure(mapped)
        item = make_run_item(mapped, facts, what.inputs, now, what.facility)
        folder = part / item.id
        folder.mkdir()
        add_rasters(item, folder, mapped, facts)
        add_store(item, folder, mapped, store, out, what)
        add_files(item, folder, mapped, what)
        collection = _collect(item, mapped, facts, what)
        for model in what.models:
            made = write_model(part / model.name, model, now)
            collection.add_item(made)
            href = f"../{made.id}/{made.id}.json"
            item.add_link(pystac.Link("derived_from", href, "application/geo+json", title=made.id))
        # Absolute and with a slash: pystac takes a last name with a dot for a file.
        collection.normalize_hrefs(f"{part.resolve()}/")
        collection.save(pystac.CatalogType.SELF_CONTAINED)
    return pystac.Collection.from_file(str(out / "collection.json"))


def _check(mapped: xr.Dataset, what: Publication) -> None:
    wanted = manifest_of(mapped)["model"]["sha256"]
    for model in what.models:
        if model.sha256 not in wanted:
            raise ModelError(
                f"Expected the model that made the map (sha256 {', '.join(w[:12] for w in wanted)}), got "
                f"{model.sha256[:12]} in {model.folder}; give that one."
            )
    if what.inventory is not None:
        check_inventory(what.inventory, mapped)
    if what.summary is not None and what.summary.get("run_id") != run_id(mapped):
        raise InventoryError(
            f"Expected the summary of an inventory of run {run_id(mapped)}, got one of run "
            f"{what.summary.get('run_id')}; write it with `lscube inventory --summary`."
        )
    for picture in what.pictures:
        _check_picture(Path(picture))
    if not re.fullmatch(r"[A-Za-z0-9][\w.+() -]*", what.license):
        raise SettingsError(
            f"Expected a licence by its SPDX identifier, or 'other', got {what.license!r}; correct it."
        )


def _check_picture(path: Path) -> None:
    if not path.is_file():
        raise StoreError(f"Expected a picture at {path}, found none; check the path.")
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            raise InputError(f"Expected a PNG file at {path}, found another; convert it.")


def _collect(
    item: pystac.Item, mapped: xr.Dataset, facts: Facts, what: Publication
) -> pystac.Collection:
    """The collection, with the run's item."""
    start, end = event_times(mapped, facts)
    assert item.bbox is not None
    collection = pystac.Collection(
        f"landslides-{item.id}",
        f"{item.properties['description']} One run of lscube: its map, what it was made from, and its model.",
        pystac.Extent(pystac.SpatialExtent([item.bbox]), pystac.TemporalExtent([[start, end]])),
        title=item.properties["title"],
        license=what.license,
        keywords=["landslides", "Sentinel-2", "probability"],
        catalog_type=pystac.CatalogType.SELF_CONTAINED,
    )
    collection.add_item(item)
    return collection
