"""Where the patches come from: files of chips, and simulated twins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lscube import jobs
from lscube.cube.masks import inside_area
from lscube.learn import Chips, make_labels
from lscube.learn.pretraining.stock import (
    Stock,
    join,
    lend_terrain,
    stock_of_chips,
    stock_of_cube,
)
from lscube.scores import IGNORE
from lscube.settings import Job, make_job
from lscube.simulate.twins import TWINS, Size, job_content, make_twin


@dataclass(frozen=True)
class Twins:
    """Simulated twins that patches are cut from."""

    names: tuple[str, ...]
    """Letters; "A-1" is A's settings with another seed: another place of the same kind."""
    cache: Path
    """Folder of all twins."""
    size: Size = "small"
    """How large they are."""


def make_stock(
    chips: Chips | None,
    twins: Twins,
    seed: int,
    lenders: Chips | None = None,
    window: int = 128,
) -> Stock:
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
    window
        Edge of the twins' patches in pixels, where there are no chips.
    """
    window = window if chips is None else int(chips.masks.shape[1])
    parts = [] if chips is None else [stock_of_chips(chips, seed, (lenders or chips).masks)]
    parts += [part for name in twins.names for part in _stocks_of(name, twins, window)]
    return lend_terrain(join(parts), 10.0, seed)


def _stocks_of(name: str, twins: Twins, window: int) -> list[Stock]:
    """A stock for each pair of images of a twin."""
    letter, _, number = name.partition("-")
    made = make_twin(letter, twins.size, twins.cache, int(number or 0))
    twin = TWINS[letter]
    contents = (job_content(twin, made, collections) for collections in twin.pairs)
    origin = f"the twin {letter}"
    return [_cut(make_job(one, made.items.parent, origin), window) for one in contents]


def _cut(job: Job, window: int) -> Stock:
    """Whole windows side by side; what is outside the area is not labelled."""
    assert job.labels is not None
    scenes = jobs.scenes_of(job)
    cube = jobs.cube_of(job, scenes).compute()
    labels = make_labels(job.labels, jobs.grid_of(job, scenes))
    inside = inside_area(cube["area"].to_numpy())
    labels = labels.copy(data=np.where(inside, labels.to_numpy(), np.uint8(IGNORE)))
    return stock_of_cube(cube, labels, window, window)
