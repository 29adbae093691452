"""Which scenes show an event by now, and how much of its area is clear in them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely

from lscube.catalog import Scenes, choose_before, find_scenes, read_items
from lscube.cube import open_cube, prepare_reading, unreadable_items
from lscube.cube.masks import inside_area, usable
from lscube.events import Event, make_event
from lscube.grid import make_grid
from lscube.scan.hazard import Hazard
from lscube.scan.record import EventRecord
from lscube.scan.world import World
from lscube.settings import SourceSettings

MANY = 10_000
"""Scenes after the event are never too many: the first that show a pixel clear count."""

_TIME = "%Y-%m-%dT%H:%M:%SZ"


def when_of(hazard: Hazard) -> str:
    """A hazard's moment or period, as a job has it."""
    when = f"{hazard.time:{_TIME}}"
    if hazard.end is not None and hazard.end > hazard.time:
        when += f"/{hazard.end:{_TIME}}"
    return when


def event_of(hazard: Hazard) -> Event:
    """The same as an event."""
    return make_event(hazard.id, when_of(hazard))


def search_settings(world: World) -> SourceSettings:
    """How scenes are searched: both sides may still be missing, and all after the event are wanted."""
    source = world.settings.source
    wanted = {
        "optional": tuple(dict.fromkeys((*source.optional, "pre", "post"))),
        "max_scenes": MANY,
        "days_after": math.ceil(world.settings.watch.days),
    }
    return source.model_copy(update=wanted)


def search(world: World, record: EventRecord) -> Scenes:
    """The scenes that there are by now.

    Scenes before the event and the surface model stay those of the first version of the same area, so
    that versions differ in what came after it alone.

    Raises
    ------
    SceneError, AreaError
        There is none yet.
    SourceError
        No catalogue can be asked, or what came from it is not allowed.
    """
    found = find_scenes(
        area_in(record), event_of(record.hazard), search_settings(world), world.outside.ask
    )
    pre = tuple(choose_before(found.pre, found.event, world.settings.source))
    last = record.versions[-1] if record.versions else None
    if last is None or last.area != digest_of(str(record.area)):
        return replace(found, pre=pre)
    frozen = frozen_scenes(world, record, last.name)
    return replace(found, pre=frozen.pre, dsm=frozen.dsm)


def frozen_scenes(world: World, record: EventRecord, version: str) -> Scenes:
    """The scenes of a version."""
    path = world.home.fetch(record.id, version, "scenes.json")
    source = frozen_source(world, path)
    return find_scenes(area_in(record), event_of(record.hazard), source, world.outside.ask)


def frozen_source(world: World, path: Path) -> SourceSettings:
    """How scenes are found again in the file that they were frozen to: all of them."""
    source = search_settings(world)
    items = read_items(path)
    named = tuple(sorted({item.collection_id for item in items if item.collection_id}))
    wanted = {
        "catalogs": (path,),
        "max_cloud": 100.0,
        "collections": named or None,
        "dsm_collections": named or None,
    }
    return source.model_copy(update=wanted)


@dataclass(frozen=True)
class Clear:
    """How much of an area is clear."""

    share: float
    """Before and after the event, as far as the models look at both."""
    certain: bool
    """Whether all scenes could be read."""


def measure_clear(world: World, scenes: Scenes) -> Clear:
    """Measure on a coarse grid how much of the area can be mapped.

    Clouds and their shadows come from the scene classification, widened as for the map as far as the
    coarse grid has such small pixels; terrain shadow is left out.
    """
    if not scenes.pre or not scenes.post:
        return Clear(0.0, True)
    resolution = world.settings.map.resolution
    edge = max(make_grid(scenes.area, resolution).shape)
    coarse = make_grid(scenes.area, resolution * math.ceil(edge / world.settings.watch.pixels))
    settings = world.settings.cube.model_copy(
        update={"terrain_shadow": False, "coregister": False, "chunk": 1024}
    )
    reading = prepare_reading(scenes, coarse, settings, world.outside.access)
    opened = open_cube(scenes, coarse, settings, reading=reading)
    seen = opened[["observed", "area", "unreadable"]].compute(scheduler="threads")
    area = seen["area"].to_numpy()
    inside = np.count_nonzero(inside_area(area))
    branches = world.models[0].card.branches
    clear = np.count_nonzero(usable(seen["observed"].to_numpy(), area, branches))
    return Clear(clear / inside if inside else 0.0, not unreadable_items(seen))


def area_in(record: EventRecord) -> shapely.geometry.base.BaseGeometry:
    """The area that is mapped, EPSG:4326."""
    return shapely.from_wkt(record.area)


def digest_of(*parts: str) -> str:
    """A short name of texts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def digest_scenes(record: EventRecord, scenes: Scenes) -> str:
    """A short name of an area and its scenes."""
    names = (item.id for item in (*scenes.pre, *scenes.post))
    return digest_of(str(record.area), *names)
