"""Making a published map again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pystac
import shapely
from affine import Affine
from odc.geo import CRS
from odc.geo.geobox import GeoBox

from lscube.catalog import Scenes, find_scenes, item_time
from lscube.cube import prepare_reading
from lscube.deliveries.inputs import current_inputs
from lscube.errors import ModelError, SceneError, SettingsError, SourceError, StoreError
from lscube.events import Event
from lscube.grid import make_grid, resolution_of
from lscube.learn import LoadedModel, load_model
from lscube.mapping import Running, map_region
from lscube.mapping.places import place_of, reached
from lscube.paths import StrPath, split_layer
from lscube.products.reproduce import (
    Run,
    Verdict,
    missing_inputs,
    model_folders,
    moved_inputs,
    read_run,
    verdict_on,
)
from lscube.products.run import name_run
from lscube.progress import map_progress, progress
from lscube.settings import CubeSettings, PredictSettings, SourceSettings


@dataclass(frozen=True)
class AtHand:
    """What is at hand to make a run again, beside what was published."""

    sources: tuple[StrPath, ...] = ()
    """Catalogues that have the input items, where these lie in files or have moved; none: the frozen items
    themselves."""
    models: tuple[StrPath, ...] = ()
    """Folders of the models; none: those that were published with the run."""
    data: StrPath | None = None
    """Folder with the user's own masks, which the item knows by name alone."""
    load: Callable[[Path], LoadedModel] = load_model
    """How a model is opened; tests hand in their own."""


def reproduce(
    published: StrPath, out: StrPath, at_hand: AtHand = AtHand(), client: Any = None
) -> Verdict:
    """Make a published map again, and compare.

    Parameters
    ----------
    published
        The run's item or collection, by path or address.
    out
        Store to make.
    at_hand
        Catalogues, models and masks.
    client
        A `distributed.Client`; None: threads of this process.

    Raises
    ------
    SourceError, SceneError, ModelError, SettingsError
        It cannot be run: what was published, an input item, a model or a mask is missing.
    StoreError
        A map stands there already: it would be compared, and nothing be run.
    """
    with reached(place := place_of(out)):
        if place.finished() is not None:
            raise StoreError(
                f"Expected no map at {out}, to make it again there, found one; choose another name."
            )
    run = read_run(published)
    if not run.item.properties.get("lscube:finished", True):
        raise SourceError(
            f"Expected a finished run, {run.item.id} was published unfinished; finish and publish it again."
        )
    loaded = _models_of(run, at_hand)
    others = [one.card.sha256 for one in loaded]
    wanted = run.manifest["model"]["sha256"]
    if sorted(others) != sorted(wanted):
        told = f"model: was {', '.join(wanted)}, is {', '.join(others)}"
        return Verdict((told,), ("not run: another model gives another map",))
    scenes = _scenes_of(run, at_hand.sources)
    current = current_inputs(scenes, run.manifest["cube"]["bands"])
    moved = tuple(moved_inputs(run, current))
    if missing_inputs(run, current):
        raise SceneError(
            "Expected all input items of the run, but it cannot be made again ("
            f"{'; '.join(moved)}); give catalogues that have them with --source."
        )
    cube = _cube_of(run, at_hand.data)
    grid = _grid_of(run, scenes)
    with progress("measuring the scenes"):
        reading = prepare_reading(scenes, grid, cube)
    with map_progress() as watch:
        running = Running(client, watch=watch, begun=name_run)
        settings = _predict_of(run)
        mapped = map_region(scenes, grid, loaded, out, cube, settings, reading, running)
    return verdict_on(run, mapped, moved)


def _models_of(run: Run, at_hand: AtHand) -> list[LoadedModel]:
    """The models, in the order of the manifest."""
    wanted = run.manifest["model"]["sha256"]
    places = [Path(one) for one in at_hand.models] or model_folders(run)
    if len(places) != len(wanted):
        raise ModelError(
            f"Expected {len(wanted)} model(s) of sha256 {', '.join(one[:12] for one in wanted)}, found "
            f"{len(places)}; give their folders with --model."
        )
    loaded = [at_hand.load(folder) for folder in places]
    order = {sha256: place for place, sha256 in enumerate(wanted)}
    return sorted(loaded, key=lambda one: order.get(one.card.sha256, len(order)))


def _scenes_of(run: Run, sources: tuple[StrPath, ...]) -> Scenes:
    """The run's input items, as the sources have them now."""
    said, manifest = run.item.properties, run.manifest
    event = Event(
        manifest["event"],
        datetime.fromisoformat(manifest["event_time"]),
        datetime.fromisoformat(said["lscube:event_end"]),
    )
    area = shapely.from_wkt(manifest["area"])
    if sources:
        found = find_scenes(area, event, _source(run, event, sources))
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "inputs.json"
            path.write_text(_frozen(run), encoding="utf-8")
            found = find_scenes(area, event, _source(run, event, (path,)))
    pre, post, dsm = (
        tuple(item for item in items if item.id in said[f"lscube:{side}_items"])
        for side, items in (("pre", found.pre), ("post", found.post), ("dsm", found.dsm))
    )
    return replace(found, pre=pre, post=post, dsm=dsm)


def _frozen(run: Run) -> str:
    """The frozen items, where their files have addresses."""
    if not run.inputs:
        raise SceneError(
            "Expected the run's input items in what was published, found none; give catalogues that have "
            f"{', '.join(run.manifest['items'])} with --source."
        )
    for name, item in run.inputs.items():
        for asset in item["assets"].values():
            if "://" not in asset["href"]:
                raise SceneError(
                    f"Expected input items with addresses, but {name} was read from files of the machine "
                    "that made the map; give a catalogue of copies with --source."
                )
    return json.dumps({"type": "FeatureCollection", "features": list(run.inputs.values())})


def _source(run: Run, event: Event, catalogs: tuple[StrPath, ...]) -> SourceSettings:
    """Settings by which just the run's items, and perhaps others, are found."""
    scenes = [
        (side, pystac.Item.from_dict(run.inputs[name]))
        for side in ("pre", "post", "dsm")
        for name in run.item.properties[f"lscube:{side}_items"]
        if name in run.inputs
    ]
    before = [(event.start - item_time(item)).days + 1 for side, item in scenes if side == "pre"]
    after = [(item_time(item) - event.end).days + 1 for side, item in scenes if side == "post"]
    optical = {item.collection_id for side, item in scenes if side != "dsm" and item.collection_id}
    tiles = {item.collection_id for side, item in scenes if side == "dsm" and item.collection_id}
    return SourceSettings(
        catalogs=tuple(one if isinstance(one, str) else Path(one) for one in catalogs),
        collections=tuple(sorted(optical)) or None,
        dsm_collections=tuple(sorted(tiles)) or None,
        days_before=max(before, default=3650),
        days_after=max(after, default=3650),
        max_cloud=100.0,
        max_scenes=1000,
        optional=("pre", "post", "dsm"),
        scl_asset=run.assets.get("scl_asset"),
        dsm_asset=run.assets.get("dsm_asset"),
    )


def _cube_of(run: Run, data: StrPath | None) -> CubeSettings:
    """The cube's settings; masks are looked for in the given folder."""
    said = dict(run.manifest["cube"])
    for name in ("mask", "pre_mask", "post_mask"):
        if said[name] is None:
            continue
        path = Path(data or "") / said[name]
        if not split_layer(path)[0].exists():
            raise SettingsError(
                f"Expected the mask {said[name]} that the map was made with, found none at {path}; give the "
                "folder that it lies in with --data."
            )
        said[name] = path.resolve()
    return CubeSettings.model_validate(said)


def _predict_of(run: Run) -> PredictSettings:
    """Windows, arithmetic and layout as they were, whatever this machine would choose."""
    said, layout = run.manifest["predict"], run.manifest["layout"]
    names = {name: said[name] for name in ("views", "dtype", "engine", "core", "margin")}
    precision = "float32" if said["policy"] == "float32" else "bfloat16"
    return PredictSettings(
        **names,
        precision=precision,
        without=tuple(said.get("without", ())),
        chunk_cores=layout["chunk"] // said["core"],
        shard_chunks=layout["shard"] // layout["chunk"],
        region_shards=layout["region"] // layout["shard"],
    )


def _grid_of(run: Run, scenes: Scenes) -> GeoBox:
    """The area's grid, before it is covered with whole windows."""
    said = run.manifest["grid"]
    whole = GeoBox(said["shape"], Affine(*said["transform"]), CRS(f"EPSG:{said['epsg']}"))
    return make_grid(scenes.area, resolution_of(whole), said["epsg"])
