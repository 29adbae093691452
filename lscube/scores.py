"""Counts of right and wrong pixels, and the paper's scores from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

IGNORE = 255
"""Label of a pixel that is not known: it is neither learnt from nor scored."""


@dataclass(frozen=True)
class Confusion:
    """Counts of pixels that are both labelled and mapped.

    Scores that divide by nothing (no landslide, or none found) are NaN, except MCC, which is 0
    then by convention.
    """

    tp: int
    """Landslide in both."""
    fp: int
    """Mapped, but not in the reference."""
    fn: int
    """In the reference, but not mapped."""
    tn: int
    """In neither."""

    @property
    def precision(self) -> float:
        """TP / (TP + FP)."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """TP / (TP + FN)."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def mcc(self) -> float:
        """Matthews correlation coefficient, -1 to 1.

        The standard definition, with sums in the denominator; the paper's Table 1 misprints them
        as products.
        """
        margins = (self.tp + self.fp, self.tp + self.fn, self.tn + self.fp, self.tn + self.fn)
        if 0 in margins:
            return 0.0
        root = math.prod(math.sqrt(margin) for margin in margins)
        return (self.tp * self.tn - self.fp * self.fn) / root

    def as_dict(self) -> dict[str, Any]:
        """Scores and counts, for `scores.json`; a score that is NaN becomes None."""
        scores = {name: getattr(self, name) for name in ("mcc", "f1", "precision", "recall")}
        counts = {name: getattr(self, name) for name in ("tp", "fp", "fn", "tn")}
        plain = {
            name: None if math.isnan(value) else round(value, 4) for name, value in scores.items()
        }
        return {**plain, **counts}


def or_none(value: float) -> float | None:
    """None instead of NaN, which JSON does not have."""
    return None if math.isnan(value) else value


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def score(
    values: npt.ArrayLike, labels: npt.ArrayLike, threshold: float = 0.5, ignore: int = IGNORE
) -> Confusion:
    """Compare a map with labels.

    Parameters
    ----------
    values
        Probabilities or another measure, any shape; NaN where not known.
    labels
        0, 1 or `ignore`, of the same shape.
    threshold
        A pixel counts as landslide from this value on.
    ignore
        Label of pixels that do not count.
    """
    value, label = np.asarray(values), np.asarray(labels)
    if value.shape != label.shape:
        raise ValueError(f"values {value.shape} and labels {label.shape} differ in shape")
    usable = (label != ignore) & np.isfinite(value)
    found, true = value[usable] >= threshold, label[usable] == 1
    tp = int(np.count_nonzero(found & true))
    fp, fn = int(np.count_nonzero(found)) - tp, int(np.count_nonzero(true)) - tp
    return Confusion(tp, fp, fn, int(found.size) - tp - fp - fn)


BINS = 1000
"""Steps of probability in which a `Tally` counts."""
ODDS_STEP = 0.02
"""Steps of log-odds in which it counts a second time."""
_ODDS = 1500
"""Those steps below and above even odds: to 1e-13 and 1 - 1e-13."""


class Points(NamedTuple):
    """Pixels by probability, rising; values of probability without pixels are left out."""

    probability: npt.NDArray[np.float64]
    """0..1, shape (n,)."""
    landslide: npt.NDArray[np.float64]
    """Landslide pixels with it."""
    other: npt.NDArray[np.float64]
    """Other pixels with it."""


class Tally:
    """Pixels counted by probability, batch after batch: any threshold can be scored afterwards."""

    def __init__(self) -> None:
        self.landslide = np.zeros(BINS + 1, np.int64)
        self.other = np.zeros(BINS + 1, np.int64)
        # Most pixels are below 0.001, where steps of 0.001 tell 1e-4 from 1e-8 no more.
        self.odds = np.zeros((2, 2 * _ODDS + 1), np.int64)
        """Other and landslide pixels by log-odds."""

    def add(self, probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.uint8]) -> None:
        """Count pixels; `IGNORE` and NaN are left out."""
        usable = (labels != IGNORE) & np.isfinite(probabilities)
        known, true = probabilities[usable], labels[usable] == 1
        bins = np.floor(known * BINS + 1e-6).astype(np.intp)
        self.landslide += np.bincount(bins[true], minlength=BINS + 1)
        self.other += np.bincount(bins[~true], minlength=BINS + 1)
        odds = _odds_step(known)
        for kind, counts in zip((~true, true), self.odds, strict=True):
            counts += np.bincount(odds[kind], minlength=counts.size)

    def points(self) -> Points:
        """Pixels by probability, in steps of log-odds: fine where probabilities are near 0 or 1.

        In a tally whose `landslide` and `other` were set from elsewhere: in steps of 0.001.
        """
        if self.odds.sum() == self.landslide.sum() + self.other.sum():
            odds = ODDS_STEP * np.arange(-_ODDS, _ODDS + 1)
            probability, (other, landslide) = 1 / (1 + np.exp(-odds)), self.odds
        else:
            probability = np.minimum((np.arange(BINS + 1) + 0.5) / BINS, 1.0)
            landslide, other = self.landslide, self.other
        used = landslide + other > 0
        return Points(
            probability[used],
            landslide[used].astype(np.float64),
            other[used].astype(np.float64),
        )

    def at(self, threshold: float) -> Confusion:
        """Counts where a pixel is taken for a landslide from `threshold` (in steps of 1/BINS) on."""
        first = round(threshold * BINS)
        tp, fp = int(self.landslide[first:].sum()), int(self.other[first:].sum())
        return Confusion(tp, fp, int(self.landslide.sum()) - tp, int(self.other.sum()) - fp)

    def best(self) -> float:
        """The threshold with the highest MCC; the middle of them if several have it."""
        thresholds = [step / BINS for step in range(1, BINS)]
        found = [self.at(threshold).mcc for threshold in thresholds]
        top = [t for t, mcc in zip(thresholds, found, strict=True) if mcc == max(found)]
        return top[len(top) // 2]


def _odds_step(probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.intp]:
    """Nearest step of log-odds, counted from the lowest."""
    inside = np.clip(probabilities, 0, 1)
    with np.errstate(divide="ignore"):  # 0 and 1 go to the outer steps
        odds = np.log(inside) - np.log1p(-inside)
    steps: npt.NDArray[np.intp] = np.rint(np.clip(odds / ODDS_STEP, -_ODDS, _ODDS)).astype(np.intp)
    return steps + _ODDS
