"""What a model is worth: threshold and calibration from validation, scores from what chose nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lscube.evaluate.blocks import as_confusion, as_counts, intervals_of
from lscube.learn import Card, LoadedModel
from lscube.learn.card import Evaluation
from lscube.learn.pretraining.exams import Exam, answers, sit
from lscube.learn.pretraining.stock import Stock
from lscube.probabilities import Calibration, fit_calibration, group
from lscube.scores import BINS, Tally, score

Floats = npt.NDArray[np.float32]

BATCH = 16
"""Patches that are given to the network at once."""


def settle_card(card: Card, tallies: Mapping[str, Tally]) -> Card:
    """Choose the threshold, the best for the mean MCC of validation exams, and fit a calibration on them."""
    thresholds = np.arange(1, BINS) / BINS
    means = [np.mean([tally.at(t).mcc for tally in tallies.values()]) for t in thresholds]
    best = float(thresholds[int(np.argmax(means))])
    scores = {
        f"{name}: {kind}": round(getattr(tally.at(best), kind), 4)
        for name, tally in tallies.items()
        for kind in ("mcc", "f1")
    }
    return card.model_copy(
        update={"threshold": best, "calibration": fit_calibration(tallies), "scores": scores}
    )


def validate(model: LoadedModel, stock: Stock, exams: Sequence[Exam]) -> dict[str, Tally]:
    """Pixels of exams by probability."""
    return {exam.name: sit(exam, stock, _predict(model), BATCH) for exam in exams}


def _predict(model: LoadedModel) -> Any:
    def predict(inputs: dict[str, Floats]) -> Floats:
        channels = [inputs[name] for name in model.card.inputs]
        windows = np.moveaxis(np.concatenate(channels, axis=-1), -1, 1)
        return model.predict(windows)[..., np.newaxis]

    return predict


def appraise(model: LoadedModel, stock: Stock, exam: Exam) -> Evaluation:
    """Score one exam at the card's threshold, with intervals over its patches."""
    tally, counts = Tally(), []
    for chosen, found in answers(exam, stock, _predict(model), BATCH):
        tally.add(found, stock.labels[chosen])
        counts += [
            score(one, labels, model.card.threshold)
            for one, labels in zip(found, stock.labels[chosen], strict=True)
        ]
    table = as_counts(counts)
    total = as_confusion(table.sum(axis=0))
    scores = {name: round(getattr(total, name), 4) for name in ("mcc", "f1", "precision", "recall")}
    scores["calibration_error"] = round(_error(tally, model.card.calibration), 4)
    return Evaluation(scores=scores, intervals=intervals_of(table), pixels=int(table.sum()))


def _error(tally: Tally, calibration: Calibration | None) -> float:
    """Expected calibration error, after calibration where there is one."""
    return float(group(tally, calibration=calibration).error)
