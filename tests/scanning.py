"""A small world for scans: scenes that arrive one after the other, a stand-in for the network, fakes for
feeds and clocks."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from lscube.errors import SourceError
from lscube.grid import read_area
from lscube.scan.area import Area
from lscube.scan.hazard import Hazard
from lscube.scan.home import FolderHome
from lscube.scan.record import EventRecord
from lscube.scan.rules import Decision
from lscube.scan.state import SqliteState
from lscube.scan.world import World
from lscube.settings.scan import ScanSettings, make_scan
from tests.map_job import SETTINGS
from tests.publishing import load_stand_in, save_stand_in
from tests.scenes import Scene, bands, inner_area, surface, write_items

SHAPE = (120, 150)
EVENT = datetime(2018, 9, 5, 18, 7, tzinfo=UTC)
DAY = timedelta(days=1)

logging.getLogger("lscube.scan").setLevel(logging.INFO)


def pixels(value: int, cloud: slice | None = None) -> dict[str, np.ndarray]:
    """A scene that differs from pixel to pixel, cloudy in some columns."""
    draw = np.random.default_rng(value)
    classes = np.full(SHAPE, 4, np.uint8)
    if cloud is not None:
        classes[:, cloud] = 9
    return {**bands(value + draw.integers(0, 500, SHAPE), SHAPE), "scl": classes}


def write_event(folder: Path) -> Path:
    """Scenes of one event, and a model; after it some are cloudy in the east, one all over, one is clear."""
    write_items(
        folder,
        [
            Scene("before", "2018-08-01T01:30:00Z", pixels(1000)),
            Scene("after-1", "2018-09-10T01:30:00Z", pixels(2300, slice(116, None))),
            Scene("part", "2018-09-12T01:30:00Z", pixels(2700, slice(126, None))),
            Scene("cloudy", "2018-09-15T01:30:00Z", pixels(3500, slice(0, None))),
            Scene("after-2", "2018-09-20T01:30:00Z", pixels(3000)),
            Scene("surface", "2016-01-01T00:00:00Z", surface((60, 70)), "alos-dem", 30.0,
                  offset=(-300.0, 300.0)),
        ],
    )  # fmt: skip
    save_stand_in(folder / "model")
    return folder


@dataclass
class Catalogue:
    """A file of items beside the scenes' files, to which scenes come one after the other."""

    folder: Path
    name: str = "catalogue"
    there: list[str] = field(default_factory=lambda: ["before", "surface"])

    def __post_init__(self) -> None:
        self.arrive()

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.json"

    def arrive(self, *ids: str) -> None:
        self.there += ids
        content = json.loads((self.folder / "items.json").read_text())
        content["features"] = [one for one in content["features"] if one["id"] in self.there]
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(content))
        partial.replace(self.path)


def hazard(**changes: Any) -> Hazard:
    """An earthquake where the scenes are."""
    told = Hazard(
        id="usgs-us1",
        source="usgs",
        kind="earthquake",
        time=EVENT,
        end=None,
        updated=EVENT + timedelta(hours=1),
        deleted=False,
        title="M 6.6 - Test Island",
        longitude=141.93,
        latitude=42.69,
        magnitude=6.6,
        alert="orange",
        landslide_hazard="orange",
        landslide_population="yellow",
        pager="yellow",
        mmi=8.0,
        bounds=(141.5, 42.0, 142.5, 43.0),
        contours=(),
        url="https://earthquake.example/us1",
    )
    return replace(told, **changes)


@dataclass
class Feed:
    """A trigger that tells what it is told to."""

    hazards: list[Hazard] = field(default_factory=lambda: [hazard()])
    broken: bool = False
    asked: list[tuple[datetime, datetime]] = field(default_factory=list)

    def poll(self, since: datetime, now: datetime) -> Iterable[Hazard]:
        self.asked.append((since, now))
        yield from self.hazards
        if self.broken:
            raise SourceError("Expected a feed, but it is broken; wait.")


@dataclass
class Clock:
    """Stands still unless it is moved."""

    now: datetime = EVENT + 30 * DAY

    def __call__(self) -> datetime:
        return self.now


def area(bounds: tuple[float, ...] | None = None) -> Area:
    geometry = read_area(bounds or inner_area(SHAPE))
    return Area(geometry, 1.0, ("A rectangle for the test.",), False, (shapely.Polygon(),))


def settings_of(folder: Path, scan: Path, catalogue: Path, **sections: Any) -> ScanSettings:
    content: dict[str, Any] = {
        "folder": str(scan),
        "map": {"models": [str(folder / "model")]},
        "source": {"catalogs": str(catalogue)},
        "cube": {"dilation": 0.0},
        "predict": {**SETTINGS.model_dump(), "shard_chunks": 2},
        "products": {"report": False, "publish": False, "inventory": "geojson"},
    }
    for name, section in sections.items():
        content[name] = {**content.get(name, {}), **section}
    return make_scan(content, scan)


def world_of(
    folder: Path, scan: Path, catalogue: Catalogue, feed: Feed, clock: Clock, **given: Any
) -> World:
    """A scan's world on a folder of `write_event`; sections of settings and fields of `World` by name."""
    names = ScanSettings.model_fields
    sections = {name: given.pop(name) for name in list(given) if name in names}
    state = given.pop("state", None) or SqliteState(scan)
    return World(
        settings=settings_of(folder, scan, catalogue.path, **sections),
        **{
            "state": state,
            "home": FolderHome(scan),
            "triggers": {"usgs": feed},
            "models": (load_stand_in(folder / "model"),),
            "wanted": lambda told: Decision(not told.deleted, "any", "Any event is wanted."),
            "area_of": lambda told: area(),
            "clock": clock,
            **given,
        },
    )


@dataclass
class Steps:
    """What happened: the names of steps, and regions as they are computed."""

    names: list[str] = field(default_factory=list)
    do: Callable[[str], object] = lambda step: None

    def __call__(self, step: str) -> None:
        self.names.append(step)
        self.do(step)


def record_of(world: World, event: str = "usgs-us1") -> EventRecord:
    found = world.state.read(event).record
    assert found is not None
    return found
