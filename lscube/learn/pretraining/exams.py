"""What a network is asked while it is trained: held-out patches, with all it could see and with less."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lscube.learn.chips import reflectance_of
from lscube.learn.pretraining.stock import CHIP, NO_TERRAIN, PAIR, STEP, TWIN, Stock, turn
from lscube.scores import Tally

Floats = NDArray[np.float32]
Predict = Callable[[dict[str, Floats]], Floats]
"""The network's inputs (n, y, x, channel) to probabilities (n, y, x, 1); n is always the same."""


@dataclass(frozen=True)
class Exam:
    """Patches, and what of them is shown."""

    name: str
    """What is asked, in words."""
    patches: tuple[int, ...]
    """Numbers of patches of the stock."""
    pre: bool = True
    """Whether the image before is shown (a chip's: with its spots)."""
    topography: bool = True
    """Whether its own terrain is shown, or else one that is lent."""
    counts: bool = False
    """Whether the choice of weights goes by it."""


def standard_exams(stock: Stock) -> tuple[Exam, ...]:
    """Chips after alone, with the filled image before, with lent terrain; made pairs and twins likewise."""
    chips, twins, pairs = (
        tuple(map(int, np.flatnonzero(stock.kind == kind))) for kind in (CHIP, TWIN, PAIR)
    )
    exams = (
        Exam("chips, after alone", chips, pre=False, topography=False, counts=True),
        Exam("chips, before filled", chips, topography=False, counts=True),
        Exam("chips, before filled, terrain lent", chips),
        Exam("made pairs", pairs, counts=True),
        Exam("made pairs, without terrain", pairs, topography=False),
        Exam("made pairs, after alone", pairs, pre=False, topography=False),
        Exam("twins", twins, counts=True),
        Exam("twins, without before", twins, pre=False),
        Exam("twins, without terrain", twins, topography=False),
        Exam("twins, after alone", twins, pre=False, topography=False),
    )
    return tuple(exam for exam in exams if exam.patches)


def sit(exam: Exam, stock: Stock, predict: Predict, batch_size: int) -> Tally:
    """Count an exam's pixels by probability."""
    tally = Tally()
    for chosen, found in answers(exam, stock, predict, batch_size):
        tally.add(found, stock.labels[chosen])
    return tally


def answers(
    exam: Exam, stock: Stock, predict: Predict, batch_size: int
) -> Iterator[tuple[NDArray[np.intp], Floats]]:
    """Numbers of patches, and their probabilities (n, y, x), NaN where nothing was seen after, by batches."""
    for first in range(0, len(exam.patches), batch_size):
        chosen = np.array(exam.patches[first : first + batch_size])
        found = predict(shown(stock, np.resize(chosen, batch_size), exam))[: len(chosen), ..., 0]
        yield chosen, np.where(stock.post[chosen].all(axis=-1), found, np.float32(np.nan))


def shown(stock: Stock, patches: NDArray[np.intp], exam: Exam) -> dict[str, Floats]:
    """The network's inputs, (n, y, x, channel)."""
    pre = _reflectance(stock.pre_spots[patches])
    own, loan = stock.own[patches], stock.loans[patches, 0]
    number = np.where(own >= 0, own, np.where(loan >= 0, loan // 8, -1))
    nothing = np.full(stock.post[patches].shape[:3], np.nan, np.float32)
    elevation = nothing.copy()
    for place, (ground, how) in enumerate(
        zip(number, np.where(own >= 0, 0, loan % 8), strict=True)
    ):
        if exam.topography and ground >= 0:
            steps = turn(stock.terrain[ground : ground + 1], int(how))[0]
            elevation[place] = np.where(steps == NO_TERRAIN, np.nan, steps * np.float32(STEP))
    return {
        "pre": pre if exam.pre else np.full_like(pre, np.nan),
        "post": _reflectance(stock.post[patches]),
        "elevation": elevation[..., np.newaxis],
    }


def _reflectance(values: NDArray[np.uint8]) -> Floats:
    return np.where(values == 0, np.float32(np.nan), reflectance_of(values))


def marks(tallies: Mapping[str, Tally], exams: Sequence[Exam]) -> dict[str, Any]:
    """MCC and F1 of each exam at its best threshold, and `score`: the mean MCC of those that count."""
    found: dict[str, Any] = {}
    for exam in exams:
        tally = tallies[exam.name]
        best = tally.best()
        at = tally.at(best)
        found[exam.name] = {"mcc": round(at.mcc, 4), "f1": round(at.f1, 4), "threshold": best}
    found["score"] = round(float(np.mean([found[e.name]["mcc"] for e in exams if e.counts])), 4)
    return found
