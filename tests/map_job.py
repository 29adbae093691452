"""A map to be made in a process of its own, with a stand-in for the network."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lscube.catalog import find_scenes
from lscube.events import make_event
from lscube.grid import make_grid, read_area
from lscube.learn import Card, LoadedModel
from lscube.mapping import Progress, Running, Timing, map_region
from lscube.settings import PredictSettings, SourceSettings
from tests.scenes import EVENT_TIME, inner_area

SETTINGS = PredictSettings(
    core=32,
    margin=16,
    chunk_cores=1,
    shard_chunks=1,
    region_shards=1,
    engine="keras",
    precision="float32",
)

CARD = Card(
    branches=("pre", "post", "topography"),
    pre_bands=("red", "green", "blue"),
    post_bands=("red", "green", "blue"),
    resolution=10.0,
    full_scale=0.3,
    window=64,
    width=1.0,
    sha256="stand-in",
)


@dataclass(frozen=True)
class StandIn(LoadedModel):
    """Depends on the pixel, its place in the window and the outermost margin pixels; no network."""

    pause: float = 0.0
    """Seconds that a window takes."""
    broken: float | None = None
    """Windows whose first pixel lies below so many metres fail."""

    def missing(self):
        return None

    def predict(self, windows):
        time.sleep(self.pause * len(windows))
        known = np.nan_to_num(windows)
        if self.broken is not None and (known[:, 6, 0, 0] < self.broken).any():
            raise RuntimeError("a window that always fails")
        rows, columns = windows.shape[2:]
        place = np.arange(rows)[:, None] * 0.013 + np.arange(columns) * 0.0017
        corners = known[:, 6, 0, 0] + 2 * known[:, 0, -1, -1] + 3 * known[:, 1, 0, -1]
        value = known[:, :6].sum(1) * 0.3 + place + 0.0005 * corners[:, None, None]
        return (value % 1).astype(np.float32)


RIM = 300.0
"""Of `run`: a rim in metres that leaves a dozen regions of the area."""


def job(folder: Path, rim: float = 200.0):
    """Scenes and grid of `tests.scenes.simple_event`."""
    source = SourceSettings(catalogs=(folder / "items.json",))
    scenes = find_scenes(read_area(inner_area(rim=rim)), make_event("e", EVENT_TIME), source)
    return scenes, make_grid(scenes.area, 10.0)


QUICK = Timing(beat=0.2, stale=1.5)


def run(folder: Path, store: Path | str, log: Path | None = None, pause: float = 0.0) -> None:
    """Map, and note each finished region in a file."""
    scenes, grid = job(folder, RIM)

    def watch(progress: Progress) -> None:
        if log is not None:
            with log.open("a") as file:
                file.write(f"{progress.done}\n")

    model = StandIn(CARD, folder, pause=pause)
    running = Running(watch=watch, lease=QUICK)
    map_region(scenes, grid, model, store, settings=SETTINGS, running=running)
