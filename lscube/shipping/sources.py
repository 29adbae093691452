"""Where the patches come from: files of chips, and simulated twins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lscube import jobs
from lscube.learn import Chips, make_labels
from lscube.learn.pretraining.stock import (
    Stock,
    join,
    lend_terrain,
    stock_of_chips,
    stock_of_cube,
)
from lscube.settings import Job, make_job
from lscube.simulate.event import SimulatedEvent, event_in, simulate_event
from lscube.simulate.twins import TWINS, Size, Twin, make_twin


@dataclass(frozen=True)
class Twins:
    """Simulated twins that patches are cut from."""

    names: tuple[str, ...]
    """Letters; "A-1" is A's settings with another seed: another place of the same kind."""
    cache: Path
    """Folder of all twins."""
    size: Size = "small"
    """How large they are."""


def make_stock(chips: Chips | None, twins: Twins, seed: int, lenders: Chips | None = None) -> Stock:
    """Patches of chips, whose image before is made, and of twins of the chips' size, which lend them terrain.

    Parameters
    ----------
    chips
        May be left out.
    twins
        At least one.
    seed
        Of filling and lending.
    lenders
        Chips whose masks lend the spots their shapes; default: `chips`.
    """
    window = 128 if chips is None else int(chips.masks.shape[1])
    parts = [] if chips is None else [stock_of_chips(chips, seed, (lenders or chips).masks)]
    parts += [part for name in twins.names for part in _stocks_of(name, twins, window)]
    return lend_terrain(join(parts), 10.0, seed)


def _stocks_of(name: str, twins: Twins, window: int) -> list[Stock]:
    """A stock for each pair of images of a twin."""
    letter, _, number = name.partition("-")
    twin = TWINS[letter]
    made = _simulated(twin, int(number or 0), twins)
    pairs = [twin.collections]
    if twin.sentinel_pair:
        pairs.append(("sentinel-2-l2a",))
    return [_cut(_job(twin, made, collections), window) for collections in pairs]


def _simulated(twin: Twin, number: int, twins: Twins) -> SimulatedEvent:
    if not number:
        return make_twin(twin.letter, twins.size, twins.cache)
    settings = twin.sized(twins.size)
    settings = replace(settings, seed=settings.seed + 1000 * number)
    folder = twins.cache / f"{twin.letter}-{twins.size}-seed-{settings.seed}"
    return event_in(folder, settings) if folder.is_dir() else simulate_event(folder, settings)


def _job(twin: Twin, made: SimulatedEvent, collections: tuple[str, ...]) -> Job:
    content = {
        "event": {
            "id": f"{twin.event_id}-twin",
            "time": f"{twin.settings.event_time:%Y-%m-%dT%H:%M:%SZ}",
        },
        "area": {"aoi": str(made.area), "epsg": twin.settings.epsg},
        "source": {"catalogs": str(made.catalog), "collections": list(collections)},
        "labels": {"inventory": str(made.inventory)},
    }
    return make_job(content, made.items.parent, f"the twin {twin.letter}")


def _cut(job: Job, window: int) -> Stock:
    """Whole windows side by side; what is outside the area is not labelled."""
    assert job.labels is not None
    cube = jobs.cube_of(job).compute()
    labels = make_labels(job.labels, jobs.grid_of(job, jobs.scenes_of(job)))
    outside = cube["area"].to_numpy() & 1 > 0
    labels = labels.copy(data=np.where(outside, np.uint8(255), labels.to_numpy()))
    return stock_of_cube(cube, labels, window, window)
