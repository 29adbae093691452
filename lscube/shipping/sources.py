"""Where the patches come from: blocks of chips, pairs into which landslides are set, and simulated twins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from lscube import jobs
from lscube.cube.masks import inside_area
from lscube.errors import InventoryError
from lscube.grid import resolution_of
from lscube.learn import make_labels
from lscube.learn.pretraining.blocks import Block
from lscube.learn.pretraining.cutting import scene_of, stock_of_block
from lscube.learn.pretraining.pairs import cut_landslides, stock_of_pairs
from lscube.learn.pretraining.stock import Stock, join, lend_terrain, stock_of_cube
from lscube.scores import IGNORE
from lscube.settings import Job, StockSettings, make_job
from lscube.shipping.materials import Materials, read_blocks, read_sceneries, read_surfaces
from lscube.simulate.twins import TWINS, job_content, make_twin

Part = Literal["training", "validation", "test"]


def make_stock(said: StockSettings, materials: Materials, part: Part) -> Stock:
    """Patches of one part: of its blocks, pairs and twins.

    Raises
    ------
    InventoryError
        A block or a pair that is named is not there.
    """
    names, twins = {
        "training": (said.blocks, said.training),
        "validation": (said.validation_blocks, said.validation),
        "test": (said.test_blocks, said.test),
    }[part]
    seed = said.seed + ("training", "validation", "test").index(part)
    blocks = read_blocks(materials)
    missing = [name for name in (*said.blocks, *names) if name not in blocks]
    if missing:
        raise InventoryError(
            f"Expected chips of block {missing[0]}, found those of {', '.join(sorted(blocks))}; check "
            f"{materials.places} and [stock]."
        )
    shapes = np.concatenate([blocks[name].masks for name in said.blocks])
    own = [blocks[name] for name in names]
    stocks = [stock_of_block(block, said.window, seed, shapes) for block in own]
    if materials.pairs is not None and part != "test":
        stocks += _pairs(said, materials, own, part, seed)
    stocks += [cut for name in twins for cut in stocks_of_twin(name, materials, said)]
    return lend_terrain(join(stocks), 10.0, seed)


def _pairs(
    said: StockSettings, materials: Materials, blocks: Sequence[Block], part: Part, seed: int
) -> list[Stock]:
    """Pairs of a part, with landslides of its own blocks."""
    assert materials.pairs is not None
    there = read_sceneries(materials.pairs)
    missing = [name for name in said.validation_pairs if name not in there]
    if missing:
        raise InventoryError(
            f"Expected a pair {missing[0]}.npz in {materials.pairs}, found none; check "
            "stock.validation_pairs."
        )
    learning = part == "training"
    chosen = [one for name, one in there.items() if (name in said.validation_pairs) != learning]
    if materials.surfaces is None:
        raise InventoryError(
            "Expected surface models to lend to the pairs, got no folder; give --surfaces and "
            "stock.surfaces."
        )
    names = said.surfaces if learning else said.validation_surfaces
    surfaces = read_surfaces(materials.surfaces, names)
    slides = [
        one for block in blocks for one in cut_landslides(scene_of(block.image), block.labels)
    ]
    rounds = said.rounds if learning else 1
    return [
        stock_of_pairs(chosen, surfaces, slides, said.window, 100 * seed + number)
        for number in range(rounds if chosen else 0)
    ]


def stocks_of_twin(name: str, materials: Materials, said: StockSettings) -> list[Stock]:
    """Patches of a twin, one stock for each of its pairs of images; "A-1" is another place like A."""
    letter, _, number = name.partition("-")
    made = make_twin(letter, said.twins, Path(materials.twins), int(number or 0))
    twin = TWINS[letter]
    contents = (job_content(twin, made, collections) for collections in twin.pairs)
    origin = f"the twin {letter}"
    return [_cut(make_job(one, made.items.parent, origin), said.window) for one in contents]


def _cut(job: Job, window: int) -> Stock:
    """Whole windows side by side; what is outside the area is not labelled."""
    assert job.labels is not None
    scenes = jobs.scenes_of(job)
    grid = jobs.grid_of(job, scenes)
    cube = jobs.cube_of(job, scenes).compute()
    labels = make_labels(job.labels, grid)
    inside = inside_area(cube["area"].to_numpy())
    labels = labels.copy(data=np.where(inside, labels.to_numpy(), np.uint8(IGNORE)))
    return stock_of_cube(cube, labels, window, window, resolution_of(grid))
