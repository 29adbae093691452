"""Scores over the threshold: how much depends on where the probability is cut."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from lscube.errors import SettingsError
from lscube.evaluate.results import Curve
from lscube.scores import BINS, Tally, or_none

THRESHOLDS = tuple(step / 20 for step in range(1, 20))
"""0.05 to 0.95."""


def curve_of(tally: Tally, thresholds: Sequence[float] = THRESHOLDS) -> Curve:
    """Score a map at several thresholds.

    Parameters
    ----------
    tally
        Its labelled pixels by probability.
    thresholds
        Rising, 0..1; rounded to the tally's steps of 0.001.

    Raises
    ------
    SettingsError
        The thresholds do not rise by a step at least, or leave 0..1.
    """
    steps = [round(threshold * BINS) for threshold in thresholds]
    rising = all(low < high for low, high in itertools.pairwise(steps))
    if not (rising and all(0 <= step <= BINS for step in steps)):
        raise SettingsError(
            f"Expected thresholds that rise from 0 to 1 by {1 / BINS:g} at least, got "
            f"{', '.join(f'{t:g}' for t in thresholds)}; sort them, and give each once."
        )
    found = [tally.at(step / BINS) for step in steps]
    return Curve(
        thresholds=tuple(step / BINS for step in steps),
        mcc=tuple(one.mcc for one in found),
        f1=tuple(or_none(one.f1) for one in found),
        precision=tuple(or_none(one.precision) for one in found),
        recall=tuple(or_none(one.recall) for one in found),
    )
