"""One version of an event's map: begun, mapped, its products made, shown as the latest.

Each part can be interrupted anywhere and done again: what is complete stands under its name.
"""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import shapely

from lscube import __version__, jobs
from lscube.catalog import Scenes, freeze
from lscube.cube import unreadable_items
from lscube.deliveries import publish
from lscube.deliveries.inventory import context_of, default_rules
from lscube.deliveries.reporting import Given, report
from lscube.files import write_json
from lscube.mapping import Progress, Running, map_region, open_map
from lscube.mapping.design import arithmetic_of
from lscube.mapping.identity import mask_digests
from lscube.mapping.places import place_of, reached
from lscube.products.inventory import write_inventory, write_summary
from lscube.products.report import ReportSettings
from lscube.products.report.reading import read_summary
from lscube.products.run import run_id
from lscube.products.stac import Publication
from lscube.scan.alerts.message import map_alert
from lscube.scan.hazard import Hazard
from lscube.scan.looking import area_in, digest_of, event_of, frozen_source, when_of
from lscube.scan.record import EventRecord, Version
from lscube.scan.world import World
from lscube.settings import Job

SCENES, AREA, COUNTS = "scenes.json", "area.geojson", "regions.json"
SUMMARY, REPORT, PUBLISHED = "summary.json", "report.html", "published"


def settings_digest(world: World, hazard: Hazard) -> str:
    """A short name of all but scenes and area that determines a map, on this machine."""
    settings, event = world.settings, event_of(hazard)
    content = {
        "lscube": __version__,
        "event": [event.start.isoformat(), event.end.isoformat()],
        "arithmetic": arithmetic_of(settings.predict),
        "models": [model.card.sha256 for model in world.models],
        "resolution": settings.map.resolution,
        "masks": mask_digests(settings.cube),
        "cube": settings.cube.model_dump(mode="json"),
        "predict": settings.predict.model_dump(mode="json"),
    }
    return digest_of(json.dumps(content, sort_keys=True))


def begin(world: World, record: EventRecord, scenes: Scenes, clear: float) -> EventRecord:
    """Freeze what a version is made of, then say that it is in the making."""
    number = len(record.versions) + 1
    version = Version(
        number=number,
        created=world.clock().replace(microsecond=0),
        scenes=tuple(item.id for item in scenes.post),
        clear=clear,
        area=digest_of(str(record.area)),
        settings=settings_digest(world, record.hazard),
    )
    folder = world.home.folder(record.id, version.name)
    freeze(scenes, folder / SCENES)
    write_json(folder / AREA, _feature(record))
    world.home.keep(record.id, version.name, SCENES, AREA)
    return replace(record, making=version, waits_for=f"version {number} to be mapped")


def _feature(record: EventRecord) -> dict[str, Any]:
    geometry = shapely.geometry.mapping(area_in(record))
    return {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {"event": record.id}, "geometry": geometry}],
    }


def is_stale(world: World, record: EventRecord, version: Version) -> bool:
    """Whether a version in the making is of another area, time or settings than are wanted now."""
    return (version.area, version.settings) != (
        digest_of(str(record.area)),
        settings_digest(world, record.hazard),
    )


def go_on(world: World, record: EventRecord, version: Version) -> EventRecord:
    """Do the next part of the version that is in the making."""
    if not version.run:
        return replace(record, making=map_version(world, record, version))
    if version.summary is None:
        return replace(record, making=make_products(world, record, version))
    return finish(world, record, version)


def map_version(world: World, record: EventRecord, version: Version) -> Version:
    """Map; regions in which nothing new is seen are taken over from the version before."""
    job = job_of(world, record, version)
    counts = world.home.folder(record.id, version.name) / COUNTS

    def watch(progress: Progress) -> None:
        if not counts.exists():
            write_json(counts, {"regions": progress.regions, "taken": progress.done})
        world.at(f"region {record.id} {version.name}")
        world.log(logging.INFO, record.id, "version %s: %s", version.name, progress)

    scenes = jobs.scenes_of(job, world.outside)
    reading = jobs.reading_of(job, scenes, world.outside)
    # Only now: a cluster that was there between maps would be paid for, or end, with nothing to do.
    with world.connect() as client:
        mapped = map_region(
            scenes,
            jobs.grid_of(job, scenes),
            world.models,
            world.home.map(record.id, version.name),
            job.cube,
            job.predict,
            reading,
            Running(client, watch=watch, lease=world.lease),
            _previous(world, record),
        )
    lost = unreadable_items(mapped)
    computed, regions = _counted(counts)
    return replace(
        version,
        run=run_id(mapped),
        computed=computed,
        regions=regions,
        lost=tuple(sorted({name for names in lost.values() for name in names})),
    )


def _previous(world: World, record: EventRecord) -> Path | str | None:
    """The map of the version before; None where there is none (any more)."""
    if not record.versions:
        return None
    where = world.home.map(record.id, record.versions[-1].name)
    place = place_of(where)
    with reached(place):
        there = place.finished() is not None
    if not there:
        lost = "there is no map of version %d any more; all regions are computed"
        world.log(logging.WARNING, record.id, lost, record.versions[-1].number)
    return where if there else None


def _counted(path: Path) -> tuple[int, int]:
    """Regions that were computed, whichever process did it, and all; 0 if that is not known any more."""
    if not path.exists():
        return 0, 0
    said = json.loads(path.read_text(encoding="utf-8"))
    return said["regions"] - said["taken"], said["regions"]


def job_of(world: World, record: EventRecord, version: Version) -> Job:
    """The job that maps a version: of its frozen scenes and area."""
    settings = world.settings
    fetch = world.home.fetch
    return Job(
        event={"id": record.id, "time": when_of(record.hazard)},
        area={
            "aoi": fetch(record.id, version.name, AREA),
            "resolution": settings.map.resolution,
        },
        source=frozen_source(world, fetch(record.id, version.name, SCENES)),
        cube=settings.cube,
        predict=settings.predict,
    )


def make_products(world: World, record: EventRecord, version: Version) -> Version:
    """Make inventory, report and STAC collection, each unless it is complete."""
    folder = world.home.folder(record.id, version.name)
    _tidy(folder)
    job, wanted = job_of(world, record, version), world.settings.products
    inventory = folder / f"landslides.{wanted.inventory}"
    made = [inventory.name, SUMMARY]
    if not (folder / SUMMARY).exists():
        _draw(world, record, version, job, inventory)
    world.at(f"drew {record.id} {version.name}")
    if wanted.report:
        made.append(REPORT)
        if not (folder / REPORT).exists():
            _report(world, record, version, job, inventory)
        world.at(f"reported {record.id} {version.name}")
    if wanted.publish:
        made.append(PUBLISHED)
        if not (folder / PUBLISHED).exists():
            _publish(world, record, version, job, inventory)
        world.at(f"published {record.id} {version.name}")
    world.home.keep(record.id, version.name, *made)
    return replace(version, summary=read_summary(folder / SUMMARY))


def _tidy(folder: Path) -> None:
    """Remove what a scan that was killed left unfinished among the products."""
    for path in folder.iterdir():
        if path.is_dir() and path.name.startswith("."):
            shutil.rmtree(path)
        elif path.is_file() and ".partial" in path.name:
            path.unlink()


def _draw(world: World, record: EventRecord, version: Version, job: Job, inventory: Path) -> None:
    cards = [model.card for model in world.models]
    settings = world.settings.inventory or default_rules(cards)
    mapped = open_map(world.home.map(record.id, version.name))
    context = context_of(mapped, job, cards, world.outside)
    found = write_inventory(mapped, inventory, settings, context)
    write_summary(inventory.with_name(SUMMARY), found)


def _report(world: World, record: EventRecord, version: Version, job: Job, inventory: Path) -> None:
    given = Given(
        world.home.map(record.id, version.name),
        inventory,
        models=tuple(model.folder for model in world.models),
        summary=inventory.with_name(SUMMARY),
    )
    settings = ReportSettings(title=f"{record.hazard.title}, version {version.number}")
    out = inventory.with_name(REPORT)
    report(given, out, job, settings, "lscube scan", world.outside)


def _publish(
    world: World, record: EventRecord, version: Version, job: Job, inventory: Path
) -> None:
    wanted = world.settings.products
    what = Publication(
        inventory=inventory,
        summary=read_summary(inventory.with_name(SUMMARY)),
        store="link",
        license=wanted.license,
        facility=wanted.facility,
        now=version.created,
    )
    store = world.home.map(record.id, version.name)
    models = tuple(model.folder for model in world.models)
    publish(store, inventory.with_name(PUBLISHED), what, models, job, world.outside, world.etag)


def finish(world: World, record: EventRecord, version: Version) -> EventRecord:
    """Show the version as the latest, and have it told."""
    alert = map_alert(record, version, world.settings)
    world.home.point(record.id, version.name, alert.body)
    world.at(f"pointed {record.id} {version.name}")
    return replace(
        record,
        making=None,
        versions=(*record.versions, version),
        alerts=(*record.alerts, alert),
        waits_for="later scenes",
    )
