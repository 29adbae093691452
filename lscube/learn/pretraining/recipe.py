"""What batches are made of: which patches, which of their branches, how much they are changed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lscube.learn.pretraining.stock import CHIP, PAIR, TWIN, Stock
from lscube.settings import Recipe

Draws = dict[str, NDArray[Any]]


def epoch_steps(stock: Stock, batch_size: int, recipe: Recipe) -> int:
    """Batches in which each patch of the kind that fills them up comes once: chips, where there are any."""
    kind, count = next((k, n) for k, n in _shares(stock, batch_size, recipe).items() if n)
    return max(1, int((stock.kind == kind).sum()) // count)


def _shares(stock: Stock, batch_size: int, recipe: Recipe) -> dict[int, int]:
    """Patches of each kind in a batch; the first kind that is there fills it up."""
    there = [kind for kind in (CHIP, PAIR, TWIN) if (stock.kind == kind).any()]
    wanted = {TWIN: recipe.twin_share, PAIR: recipe.pair_share}
    counts, left = {}, batch_size
    for kind in there[1:]:
        counts[kind] = min(left, round(batch_size * wanted[kind]))
        left -= counts[kind]
    return {there[0]: left, **counts}


def draw(stock: Stock, recipe: Recipe, batch_size: int, seed: int, epoch: int) -> list[Draws]:
    """All batches of an epoch, the same for the same seed and epoch.

    Returns
    -------
    list of dict
        For each patch of a batch, (n,): `before` and `after`, 1 where its spots are filled, `index`;
        `terrain` and `turn`, -1 without; `edge` (n, 3): where the image before ends (a line's normal, and its
        distance from the middle in halves of the edge); `strength` (n, 2): season, appearance.
    """
    rng = np.random.default_rng((seed, epoch))
    steps = epoch_steps(stock, batch_size, recipe)
    parts = [
        _endless(np.flatnonzero(stock.kind == kind), steps * count, rng).reshape(steps, -1)
        for kind, count in _shares(stock, batch_size, recipe).items()
    ]
    index = np.concatenate(parts, axis=1)
    return [_drawn(stock, recipe, row, rng) for row in index]


def _endless(numbers: NDArray[np.intp], count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Numbers in random order, each once before any comes again."""
    if not count:
        return np.empty(0, np.intp)
    rounds = math.ceil(count / len(numbers))
    return np.concatenate([rng.permutation(numbers) for _ in range(rounds)])[:count]


def _drawn(
    stock: Stock, recipe: Recipe, index: NDArray[np.intp], rng: np.random.Generator
) -> Draws:
    count = len(index)

    def chance(share: float) -> NDArray[np.bool_]:
        return np.asarray(rng.random(count) < share)

    own, chip = stock.own[index], stock.kind[index] == CHIP
    loan = stock.loans[index, rng.integers(0, stock.loans.shape[1], count)]
    lent = chip & (loan >= 0) & chance(recipe.lend)
    number = np.where(chip, np.where(lent, loan // 8, -1), own)
    number = np.where(chance(recipe.drop_topography), -1, number)
    angle = rng.uniform(0, 2 * np.pi, count)
    distance = np.where(chance(recipe.part_pre), rng.uniform(-0.9, 0.9, count), 9.0)
    distance = np.where(chance(recipe.drop_pre), -9.0, distance)
    much = np.where(chance(recipe.mild), 0.25, rng.uniform(0.5, 1.0, count))
    # A pair that was really taken has a season of its own; a little more does no harm.
    season = np.where(stock.kind[index] == PAIR, recipe.season / 3, recipe.season)
    strength = much[:, np.newaxis] * np.stack([season, np.full(count, recipe.radiometric)], axis=1)
    return {
        "index": index.astype(np.int32),
        "before": (chance(recipe.spots) & chip).astype(np.int32),
        "after": (chance(recipe.spots / 2) & chip).astype(np.int32),
        "terrain": number.astype(np.int32),
        "turn": np.where(lent, loan % 8, 0).astype(np.int32),
        "edge": np.stack([np.cos(angle), np.sin(angle), distance], axis=1).astype(np.float32),
        "strength": strength.astype(np.float32),
    }
