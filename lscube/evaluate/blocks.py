"""How far scores move with the choice of places: the bootstrap over blocks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from lscube.evaluate.results import Interval
from lscube.scores import Confusion, score

NAMES = ("mcc", "f1", "precision", "recall")
"""Scores that get an interval."""
FEWEST = 8
"""Blocks with labelled pixels below which there are no intervals."""

Counts = npt.NDArray[np.int64]


def block_counts(
    probability: npt.NDArray[np.floating],
    labels: npt.NDArray[np.uint8],
    threshold: float,
    block: int,
) -> Counts:
    """Count right and wrong pixels in each square of a map.

    Parameters
    ----------
    probability
        (y, x), 0..1; NaN where not known.
    labels
        0, 1 or `IGNORE`, (y, x).
    threshold
        A pixel counts as landslide from this value on.
    block
        Edge of a square in pixels; squares at the lower and right edge can be smaller.

    Returns
    -------
    shape (n, 4)
        tp, fp, fn, tn of the squares that have usable pixels, row by row.

    Raises
    ------
    ValueError
        Probabilities and labels differ in shape.
    """
    if probability.shape != labels.shape:
        raise ValueError(f"values {probability.shape} and labels {labels.shape} differ in shape")
    height, width = labels.shape
    squares = [
        (slice(top, top + block), slice(left, left + block))
        for top in range(0, height, block)
        for left in range(0, width, block)
    ]
    counts = as_counts([score(probability[s], labels[s], threshold) for s in squares])
    return counts[counts.any(axis=1)]


def as_confusion(counts: Iterable[int]) -> Confusion:
    """Counts in the order of a block's row, as a confusion."""
    return Confusion(*(int(count) for count in counts))


def as_counts(scores: list[Confusion]) -> Counts:
    """One row of tp, fp, fn, tn for each."""
    rows = [(one.tp, one.fp, one.fn, one.tn) for one in scores]
    return np.array(rows, np.int64).reshape(-1, 4)


def intervals_of(counts: Counts, resamples: int = 2000, seed: int = 0) -> dict[str, Interval]:
    """Bootstrap intervals of the scores over blocks.

    Parameters
    ----------
    counts
        (n, 4): tp, fp, fn, tn of each block.
    resamples, seed
        As in `resampled`.

    Returns
    -------
    dict
        As of `resampled`; empty where fewer than 8 blocks have pixels: so few say little about others.
    """
    if np.count_nonzero(counts.any(axis=1)) < FEWEST:
        return {}
    return resampled(counts, resamples, seed)


def resampled(counts: Counts, resamples: int, seed: int) -> dict[str, Interval]:
    """Percentile intervals of the scores over samples of blocks.

    Whole blocks are drawn with replacement: pixels of one block are not independent of each other
    (Efron, B., Tibshirani, R. J. (1993): An introduction to the bootstrap; percentile interval).

    Parameters
    ----------
    counts
        (n, 4): tp, fp, fn, tn of each block.
    resamples
        Samples of n blocks.
    seed
        Of the draws.

    Returns
    -------
    dict
        2.5th and 97.5th percentile of "mcc", "f1", "precision" and "recall", to four decimals, over
        the samples that have the score; a score that none has is left out.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), resamples) @ counts
    again = [as_confusion(row) for row in drawn]
    intervals = {}
    for name in NAMES:
        values = np.array([getattr(one, name) for one in again])
        known = values[np.isfinite(values)]
        if known.size:
            low, high = np.percentile(known, (2.5, 97.5))
            intervals[name] = (round(float(low), 4), round(float(high), 4))
    return intervals
