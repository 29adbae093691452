"""Every area is read once, and what is read is checked, before anything is trained."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import shapely

from lscube import catalog, jobs
from lscube.cube import read_cube, unreadable_items, write_cube
from lscube.errors import SourceError
from lscube.experiments.making import Making
from lscube.experiments.sides import check_seen, check_sides, validation_region
from lscube.files import write_json
from lscube.learn.fitting import Say
from lscube.progress import progress


def prepare(making: Making, resolutions: Sequence[float], say: Say) -> None:
    """Read every area at each resolution, and check that it can be trained on or tested with.

    Raises
    ------
    SourceError
        A scene cannot be read.
    InventoryError
        A region has no landslides, or nothing that is observed.
    """
    for resolution in resolutions:
        for name in making.areas:
            pairs = making.pairs(name)
            for pair in range(pairs):
                _read(making, name, resolution, pair, say)
            _check(making, name, resolution)


def _read(making: Making, area: str, resolution: float, pair: int, say: Say) -> None:
    """Write a cube; its scenes are frozen, so that models made later map the same ones."""
    store = making.folder.cube(area, resolution, pair)
    if store.exists():
        return
    say(f"Reading {area} at {resolution:g} m" + (f", pair {pair + 1}" if pair else ""))
    frozen = making.folder.scenes(area, resolution, pair)
    frozen.unlink(missing_ok=True)  # of a run that could not read them all
    job = making.job(area, resolution, pair)
    scenes = jobs.scenes_of(job)
    unchecked = store.with_name(store.name + ".unchecked")
    shutil.rmtree(unchecked, ignore_errors=True)
    lazy = jobs.cube_of(job, scenes)
    with progress("reading"):
        write_cube(lazy, unchecked)
    lost = [item for items in unreadable_items(read_cube(unchecked)).values() for item in items]
    if lost:
        shutil.rmtree(unchecked)
        raise SourceError(
            f"Expected all scenes of {job.event.id}, but {', '.join(lost)} cannot be read; run the same "
            "command again when they can, or leave them out of the job."
        )
    catalog.freeze(scenes, frozen)
    unchecked.rename(store)


def _check(making: Making, area: str, resolution: float) -> None:
    """Fix the validation region, and look for landslides in each region."""
    cube, job = read_cube(making.folder.cube(area, resolution)), making.job(area, resolution)
    if making.areas[area].role == "test":
        check_seen(cube, job)
        return
    if making.too_small(area, resolution):
        return
    train = making.experiment.train
    region, path = validation_region(cube, job, train), making.folder.validation(area, resolution)
    if region is not None and not path.exists():
        feature = {
            "type": "Feature",
            "properties": {},
            "geometry": shapely.geometry.mapping(region),
        }
        write_json(path, {"type": "FeatureCollection", "features": [feature]})
    for pair in range(making.pairs(area)):
        store = making.folder.cube(area, resolution, pair)
        check_sides(read_cube(store), making.job(area, resolution, pair), train)
