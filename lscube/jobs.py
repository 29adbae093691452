"""The steps of a job, each from settings to files: what commands and pipelines call."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr
from odc.geo.geobox import GeoBox

from lscube.catalog import Scenes, find_scenes
from lscube.cube import (
    PairQuality,
    Reading,
    measure_dark,
    measure_pair,
    omni_cloud_mask,
    open_cube,
    read_cube,
    unreadable_items,
    write_cube,
)
from lscube.errors import SceneError, SettingsError
from lscube.evaluate import draw_quicklook, evaluate_map, within
from lscube.events import Event, find_event, make_event
from lscube.files import appearing
from lscube.grid import make_grid, read_area
from lscube.learn import check_room, fit, make_labels
from lscube.mapping import map_region, open_map, trained_on
from lscube.progress import progress
from lscube.settings import Job, LabelSettings

if TYPE_CHECKING:
    from lscube.learn import LoadedModel


Lost = dict[str, list[str]]
"""Ids of items that could not be read, by side ("pre", "post", "dsm")."""


def scenes_of(job: Job) -> Scenes:
    """Search the job's scenes; time and area come from the registry where the job has none."""
    aoi = job.area.aoi if job.area.aoi is not None else find_event(job.event.id).aoi
    return find_scenes(read_area(aoi), _event_of(job), job.source)


def _event_of(job: Job) -> Event:
    if job.event.time is None:
        return find_event(job.event.id).event
    return make_event(job.event.id, job.event.time)


def grid_of(job: Job, scenes: Scenes) -> GeoBox:
    """The job's grid."""
    return make_grid(scenes.area, job.area.resolution, job.area.epsg)


def reading_of(job: Job, scenes: Scenes) -> Reading:
    """What has to be measured before a cube is opened: dark pixels, and the shift if it is to be undone."""
    dark = measure_dark([*scenes.pre, *scenes.post], job.cube.bands)
    own = job.cube.cloud_mask != "classification"
    reading = Reading(cloud_mask=omni_cloud_mask() if own else None, dark=dark)
    if not job.cube.coregister:
        return reading
    with progress("measuring the shift"):
        quality = measure_pair(open_cube(scenes, grid_of(job, scenes), job.cube, reading=reading))
    if quality.shift_east is None or quality.shift_north is None:
        raise SceneError(
            "Expected images whose shift can be measured, for cube.coregister, but "
            f"{'; '.join(quality.warnings)}; choose other scenes, or leave cube.coregister off."
        )
    return replace(reading, shift=(quality.shift_east, quality.shift_north))


def cube_of(job: Job, scenes: Scenes | None = None) -> xr.Dataset:
    """Open the job's cube; its dark pixels are looked at, all else is lazy."""
    found = scenes or scenes_of(job)
    return open_cube(found, grid_of(job, found), job.cube, reading=reading_of(job, found))


def make_cube(job: Job, store: Path) -> tuple[xr.Dataset, PairQuality, Lost]:
    """Write the job's cube to a new store; also how well its images compare, and what was unreadable."""
    lazy = cube_of(job)
    with progress("reading"):
        write_cube(lazy, store)
    cube = read_cube(store)
    return cube, measure_pair(cube), unreadable_items(cube)


def train(job: Job, folder: Path) -> LoadedModel:
    """Train a model on the job's area and labels, and save it to a new folder."""
    check_room(folder)
    settings = _labels_of(job)
    lazy = cube_of(job)
    labels = make_labels(settings, lazy.odc.geobox)
    with progress("reading"):
        cube = lazy.compute()
    reference = str((settings.inventory or settings.raster or Path()).name)
    provenance = {"event": job.event.id, "labels": reference}
    return fit(cube, labels, folder, job.train, provenance=provenance)


def predict(job: Job, model: LoadedModel, store: Path) -> xr.Dataset:
    """Map the job's area with a model into a new store."""
    scenes = scenes_of(job)
    reading = reading_of(job, scenes)
    with progress("mapping"):
        return map_region(
            scenes, grid_of(job, scenes), model, store, job.cube, job.predict, reading
        )


def evaluate(job: Job, store: Path, scores: Path, picture: Path) -> dict[str, Any]:
    """Score a map against the job's labels; write the scores and a picture."""
    settings = _labels_of(job)
    mapped = open_map(store)
    grid = mapped.odc.geobox
    labels = make_labels(settings, grid)
    scenes = scenes_of(job)
    lazy = open_cube(scenes, grid, job.cube, reading=reading_of(job, scenes))
    with progress("reading"):
        cube = lazy[["pre", "post"]].compute()
    probability = mapped["probability"].compute()
    event, area = trained_on(mapped)
    seen = None
    if event is not None:
        bounds = (area[0], area[1], area[2], area[3]) if area else None
        seen = within(grid, bounds) & (event == job.event.id)
    result = evaluate_map(probability, cube, labels, job.train.area, job.evaluate, seen)
    title = (
        f"{job.event.id}: MCC {result['mcc']:.2f} on the evaluated part "
        f"(brightness threshold {result['baseline']['mcc']:.2f}; reference: {result['reference_is']})"
    )
    draw_quicklook(
        picture, cube, probability, labels, job.evaluate.threshold, title, job.evaluate.area
    )
    write_json(scores, result)
    return result


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON so that a half-written file never stands under its name."""
    with appearing(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _labels_of(job: Job) -> LabelSettings:
    if job.labels is None:
        raise SettingsError(
            "Expected labels (an inventory or a raster) in the job, found none; add a section [labels] "
            "or give --inventory."
        )
    return job.labels
