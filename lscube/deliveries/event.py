"""From an event, or from files of one's own, to a folder that a person opens: what `lscube map` calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from shapely import to_geojson

from lscube import jobs
from lscube.catalog import freeze
from lscube.catalog.rasters import IMAGES, SURFACE, OwnFiles, scenes_of_files
from lscube.cube import PairQuality
from lscube.deliveries.inventory import cards_of, context_of, default_rules
from lscube.deliveries.publishing import publish
from lscube.deliveries.reporting import Given, pair_of, report
from lscube.errors import InputError, OtherRunError
from lscube.events import make_event
from lscube.files import appearing, read_text, write_json
from lscube.learn import load_model
from lscube.manifest import differences, short
from lscube.mapping import crop_to_area, open_map
from lscube.paths import StrPath
from lscube.products.inventory import write_inventory, write_summary
from lscube.products.rasters import PLAIN, write_cog
from lscube.products.report.assets import check
from lscube.products.report.reading import read_summary
from lscube.products.stac import Publication
from lscube.settings import Job, load_job, make_job

SCENES, AREA, JOB, MAP = "scenes.json", "area.geojson", "job.toml", "map.zarr"
"""What a folder is made from, and the map."""
PROBABILITY, LANDSLIDES, SUMMARY = "probability.tif", "landslides.gpkg", "landslides.json"
REPORT, PUBLISHED, SCORES, PICTURE = "report.html", "published", "scores.json", "quicklook.png"
"""What a person opens."""

NOMINAL = "2000-01-02"
"""Day of an event whose time was not told: own files need none."""

_EDGE = 800
"""Pixels along the edge of the images that the pair is compared in."""


@dataclass(frozen=True)
class MapOfEvent:
    """A finished folder."""

    folder: Path
    """Where it all lies."""
    job: Job
    """What was decided; `job.toml` holds it."""
    map: xr.Dataset
    """The map, cropped to its area, lazily."""
    inventory: dict[str, Any]
    """How many landslides, and their area: the content of `landslides.json`."""
    pair: PairQuality
    """How well the images compare."""
    scores: dict[str, Any] | None
    """Where the job has labels."""
    notes: tuple[str, ...]
    """What was taken for granted, and what could not be made."""

    def summary(self) -> list[str]:
        """What was seen and found, in words."""
        found = self.inventory
        inside, observed = (found[name] / 1e6 for name in ("inside_m2", "observed_m2"))
        count, area = found["landslides"], found["area_m2"] / 1e6
        lines = [
            f"Seen before and after: {observed:,.1f} of {inside:,.1f} km2 "
            f"({self.pair.pre_clear:.0f} % clear before, {self.pair.post_clear:.0f} % after)",
            f"Landslides: {count:,} of {area:,.2f} km2 in what was seen"
            if count
            else "Landslides: none was found in what was seen",
            *(f"The pair: {warning}" for warning in self.pair.warnings),
        ]
        if self.scores is not None:
            scores = self.scores
            lines.append(
                f"Against the {scores['reference_is']}: MCC {scores['mcc']:.2f}, a threshold on brightness "
                f"change {scores['baseline']['mcc']:.2f}"
                + (" in hindsight" if scores["baseline"]["in_hindsight"] else "")
            )
        opened = REPORT if (self.folder / REPORT).exists() else LANDSLIDES
        return [*lines, *self.notes, f"Look at {self.folder / opened}"]


def job_of_files(
    files: OwnFiles, folder: StrPath, content: dict[str, Any], base: StrPath = "."
) -> tuple[Job, tuple[str, ...]]:
    """The job of own files; their items, and the area where none is given, are written to the folder.

    Parameters
    ----------
    files
        Images and surface model.
    folder
        Of the map to be.
    content
        What else of a job is given, by section.
    base
        Folder that relative paths in it start from.

    Returns
    -------
    Job, notes
        What was taken for granted, in words.

    Raises
    ------
    InputError
        As `lscube.catalog.rasters.scenes_of_files`, or the settings are wrong, or the folder holds the map of
        other files.
    """
    folder = Path(folder)
    event = {"time": NOMINAL, **content.get("event", {})}
    found = scenes_of_files(files, make_event(event.get("id", "event"), event["time"]))
    source = {
        **content.get("source", {}),
        "catalogs": str((folder / SCENES).resolve()),
        "collections": [IMAGES],
        "dsm_collections": [SURFACE],
        # Each of the files was given to be used.
        "max_scenes": max(len(found.items), 1),
    }
    predict = content.get("predict", {})
    if not files.dsm:
        source["optional"] = sorted({*source.get("optional", ()), "dsm"})
        predict = {**predict, "without": sorted({*predict.get("without", ()), "topography"})}
    area = {"aoi": str((folder / AREA).resolve()), **content.get("area", {})}
    job = make_job(
        {**content, "event": event, "source": source, "area": area, "predict": predict},
        Path(base).resolve(),
    )
    features = [item.to_dict(transform_hrefs=False) for item in found.items]
    if (folder / JOB).exists():
        if _files(json.loads(read_text(folder / SCENES))["features"]) != _files(features):
            raise OtherRunError(
                f"Expected a folder of these files at {folder}, but its map was made of others; choose "
                "another --out."
            )
        return job, found.notes
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / SCENES, {"type": "FeatureCollection", "features": features})
    if "aoi" not in content.get("area", {}):
        write_json(folder / AREA, json.loads(to_geojson(found.area)))
    return job, found.notes


def _files(features: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    """Items' names, which tell the side, and their files."""
    return {(one["id"], asset["href"]) for one in features for asset in one["assets"].values()}


def map_event(
    job: Job,
    models: Sequence[StrPath],
    folder: StrPath,
    client: Any = None,
    public: bool = False,
    notes: Sequence[str] = (),
    say: Callable[[str], object] = lambda line: None,
) -> MapOfEvent:
    """Map an event, draw its landslides and make its page, in a folder; called again, it goes on.

    Parameters
    ----------
    job
        What happened, where, and where the scenes come from; with [labels] the map is scored.
    models
        Folders or names of models; several give their mean.
    folder
        Folder to make or to go on with.
    client
        A `distributed.Client` that maps; None: threads of this process.
    public
        Whether a STAC collection is made, too.
    notes
        What was taken for granted before, for the summary.
    say
        Told what is being done.

    Raises
    ------
    OtherRunError
        The folder holds the map of another job.
    InputError, IncompleteError
        As in `lscube.jobs.predict`.
    """
    folder = Path(folder)
    loaded = [load_model(model) for model in models]
    job = _frozen(job, folder, say)
    store = folder / MAP
    say("Mapping")
    jobs.predict(job, loaded, store, client)
    mapped = open_map(store)
    cropped = crop_to_area(mapped)
    making = _Making(folder, say)
    making.one(PROBABILITY, lambda path: write_cog(path, cropped, "probability", PLAIN))
    inventory = _inventory(making, job, mapped, models)
    scores = _scores(making, job, models)
    if public:
        what = Publication(inventory=folder / LANDSLIDES, summary=inventory)
        making.one(PUBLISHED, lambda path: publish(store, path, what, models, job))
    told = list(notes)
    _, quality = pair_of(job, mapped, _EDGE)
    try:
        check()
        given = Given(
            store,
            folder / LANDSLIDES,
            None if scores is None else folder / SCORES,
            models,
            summary=folder / SUMMARY,
        )
        making.one(REPORT, lambda path: report(given, path, job))
    except InputError as error:
        if (folder / REPORT).exists():
            raise
        told.append(f"No page was made: {error}")
    return MapOfEvent(folder, job, cropped, inventory, quality, scores, tuple(told))


@dataclass(frozen=True)
class _Making:
    """Makes what is not there yet."""

    folder: Path
    say: Callable[[str], object]

    def one(self, name: str, make: Callable[[Path], object]) -> None:
        """Make a product, if it is not there."""
        path = self.folder / name
        if not path.exists():
            self.say(f"Making {name}")
            make(path)


def _frozen(job: Job, folder: Path, say: Callable[[str], object]) -> Job:
    """The job with the scenes that were found when the folder was begun, as `job.toml` holds it."""
    written = folder / JOB
    if written.exists():
        begun = load_job(written)
        ours = _decided(job, folder)
        for entry, mine, other in differences(ours, _decided(begun, folder)):
            raise OtherRunError(
                f"Expected a folder of this job at {folder}, but {entry} there is {short(other)}, here "
                f"{short(mine)}; choose another --out, or go on with --job {written}."
            )
        return begun
    folder.mkdir(parents=True, exist_ok=True)
    say("Looking for scenes")
    scenes = jobs.scenes_of(job)
    freeze(scenes, folder / SCENES)
    if job.event.time is None or job.area.aoi is None:
        # The registry's: the folder can be gone on with where another one is installed.
        write_json(folder / AREA, json.loads(to_geojson(scenes.area)))
        event = job.event.model_copy(update={"time": f"{scenes.event.start:%Y-%m-%dT%H:%M:%SZ}"})
        area = job.area.model_copy(update={"aoi": job.area.aoi or (folder / AREA).resolve()})
        job = job.model_copy(update={"event": event, "area": area})
    source = job.source.model_copy(update={"catalogs": ((folder / SCENES).resolve(),)})
    job = job.model_copy(update={"source": source})
    with appearing(written) as partial:
        partial.write_text(_as_toml(job, folder), encoding="utf-8")
    return load_job(written)


def _decided(job: Job, folder: Path) -> dict[str, Any]:
    """What makes a map, but for where the scenes were looked for; without what the registry filled in."""
    content = job.model_dump(
        mode="json", exclude={"cluster", "train", "split", "labels", "evaluate"}
    )
    content["source"].pop("catalogs")
    for section, name in (("event", "time"), ("area", "aoi")):
        if content["event"]["id"] != "event":
            content[section].pop(name)
    return content


def _inventory(
    making: _Making, job: Job, mapped: xr.Dataset, models: Sequence[StrPath]
) -> dict[str, Any]:
    """Landslides and their summary, made together."""
    cards = cards_of(mapped, [Path(model) for model in models])
    context = context_of(mapped, job, cards)

    def make(path: Path) -> None:
        write_summary(
            making.folder / SUMMARY,
            write_inventory(mapped, path, default_rules(cards), context),
        )

    if not (making.folder / SUMMARY).exists():
        (making.folder / LANDSLIDES).unlink(missing_ok=True)
    making.one(LANDSLIDES, make)
    return read_summary(making.folder / SUMMARY)


def _scores(making: _Making, job: Job, models: Sequence[StrPath]) -> dict[str, Any] | None:
    if job.labels is None:
        return None
    folder = making.folder

    def make(path: Path) -> None:
        jobs.evaluate(job, folder / MAP, path, folder / PICTURE, models)

    making.one(SCORES, make)
    found: dict[str, Any] = json.loads(read_text(folder / SCORES))
    return found


def _as_toml(job: Job, folder: Path) -> str:
    """A job's settings that are not defaults, section by section; paths within the folder are relative."""
    lines = ["# What was decided: `lscube map --job` with this file makes the same map.", ""]
    content = job.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    content["event"] = {"id": job.event.id, **content.get("event", {})}
    for section, settings in content.items():
        lines.append(f"[{section}]")
        lines += [f"{name} = {_toml(value, folder.resolve())}" for name, value in settings.items()]
        lines.append("")
    return "\n".join(lines)


def _toml(value: Any, folder: Path) -> str:
    """A value as TOML writes it: as JSON does, but for tables."""
    if isinstance(value, dict):
        inner = (f"{json.dumps(name)} = {_toml(part, folder)}" for name, part in value.items())
        return "{ " + ", ".join(inner) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(part, folder) for part in value) + "]"
    if isinstance(value, str) and Path(value).is_relative_to(folder):
        value = Path(value).relative_to(folder).as_posix()
    return json.dumps(value)
