"""What the numbers say, in sentences made from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Literal

from lscube.evaluate.figures.common import metres
from lscube.evaluate.figures.jackknife import Difference, jackknife_differences
from lscube.evaluate.figures.lookup import (
    areas_of,
    combined_model,
    main_combined,
    progressive_model,
    resolutions_of,
    score_of,
)
from lscube.evaluate.figures.reliability import combined_scores
from lscube.evaluate.page.wording import counted, listed, number, share, signed, size_class
from lscube.evaluate.results import AreaFacts, ExperimentResults, MapScores

UNSEEN = "areas never trained on"
ROLES: dict[Literal["train", "test"], str] = {"train": "test regions", "test": UNSEEN}


def findings(results: ExperimentResults) -> tuple[str, ...]:
    """Say what the numbers say: a sentence or two for each question, none where nothing was asked.

    Scores are compared as they are shown, with three digits: what looks equal is called equal.
    """
    return (
        *_not_made(results),
        *(best_model(results, area) for area in results.areas),
        *(
            combined_against_conventional(results, resolution)
            for resolution in resolutions_of(results)
        ),
        *(
            sentence
            for resolution in resolutions_of(results)
            for sentence in progressive_against_combined(results, resolution)
        ),
        *(bias(results, role) for role in ROLES if areas_of(results, role)),
        *jackknife(results),
        *_calibration(results),
        *_objects(results),
    )


def _not_made(results: ExperimentResults) -> Iterator[str]:
    missing = [f"{model.name} ({model.status})" for model in results.models
               if model.status != "done"]  # fmt: skip
    if missing:
        yield f"Not made: {len(missing)} of {counted(len(results.models), 'model')}, {listed(missing)}."


def best_model(results: ExperimentResults, area: AreaFacts) -> str:
    """Name the model with the highest MCC on an area, and the next one."""
    where = f"Area {area.letter} ({'test region' if area.role == 'train' else 'never trained on'})"
    found = [score_of(results, model.name, area) for model in results.models]
    scores = sorted((s for s in found if s is not None), key=lambda s: -round(s.mcc, 3))
    if not scores:
        return f"{where}: no model was scored."
    best, *others = scores
    if round(best.mcc, 3) <= 0:
        return f"{where}: no model does better than chance; the highest MCC is {number(best.mcc)}."
    if not others:
        return f"{where}: only {best.model} was scored, with an MCC of {number(best.mcc)}."
    top = [score.model for score in scores if round(score.mcc, 3) == round(best.mcc, 3)]
    among = f"of {counted(len(scores), 'model')}"
    if len(top) > 1:
        return f"{where}: {listed(top)} share the highest MCC, {number(best.mcc)}, {among}."
    return (
        f"{where}: {best.model} has the highest MCC, {number(best.mcc)}, {among}; {others[0].model} "
        f"follows with {number(others[0].mcc)}{_overlap(best, others[0])}."
    )


def _overlap(best: MapScores, other: MapScores) -> str:
    high, low = best.intervals.get("mcc"), other.intervals.get("mcc")
    if high is None or low is None:
        return ""
    return f" (their 95 % intervals {'overlap' if high[0] <= low[1] else 'do not overlap'})"


def combined_against_conventional(results: ExperimentResults, resolution: float) -> str:
    """Compare the combined model with the conventional ones where neither was trained."""
    pairs = _pairs(results, resolution)
    if not pairs:
        return (
            f"At {metres(resolution)} the combined model cannot be compared with conventional ones on "
            f"{UNSEEN}: no area has scores of both."
        )
    combined = round(fmean(mcc for mcc, _ in pairs), 3)
    conventional = round(fmean(fmean(others) for _, others in pairs), 3)
    best = [(round(mcc, 3), round(max(others), 3)) for mcc, others in pairs]
    won, drawn = sum(a > b for a, b in best), sum(a == b for a, b in best)
    return (
        f"At {metres(resolution)}, on average over {counted(len(pairs), 'area')} never trained on, the "
        f"combined model has an MCC of {number(combined)} and the conventional ones "
        f"{number(conventional)}: {_ahead('combined', combined, 'conventional', conventional)}. It is "
        f"above the best conventional model of the area on {won} of {len(pairs)}"
        f"{f' (equal on {drawn})' if drawn else ''}; in practice nobody knows beforehand which that is."
    )


def _pairs(results: ExperimentResults, resolution: float) -> list[tuple[float, list[float]]]:
    """MCC of the combined model and of the conventional ones, for each unseen area with both."""
    combined = combined_model(results, resolution)
    alone = [m for m in results.models if (m.part, m.resolution) == ("conventional", resolution)]
    pairs = []
    for area in areas_of(results, "test"):
        score = score_of(results, combined.name, area) if combined else None
        others = [score_of(results, model.name, area) for model in alone]
        known = [other.mcc for other in others if other is not None]
        if score is not None and known:
            pairs.append((score.mcc, known))
    return pairs


def _ahead(first: str, mcc: float, second: str, other: float) -> str:
    """Say which of two kinds of learning has the higher MCC; both are rounded."""
    if mcc == other:
        return "no difference"
    return f"{first if mcc > other else second} learning is ahead by {number(abs(mcc - other))}"


def progressive_against_combined(results: ExperimentResults, resolution: float) -> Iterator[str]:
    """Compare adding areas one by one with training on all at once, where neither was trained."""
    models = progressive_model(results, resolution), combined_model(results, resolution)
    scores = [
        [score_of(results, model.name, area) if model else None for model in models]
        for area in areas_of(results, "test")
    ]
    pairs = [(a.mcc, b.mcc) for a, b in scores if a is not None and b is not None]
    if pairs:
        added, combined = (round(fmean(column), 3) for column in zip(*pairs, strict=True))
        yield (
            f"At {metres(resolution)}, on average over {counted(len(pairs), 'area')} never trained on, "
            f"adding areas one by one gives an MCC of {number(added)} and training on all at once "
            f"{number(combined)}: {_ahead('progressive', added, 'combined', combined)}."
        )


def bias(results: ExperimentResults, role: Literal["train", "test"]) -> str:
    """Say whether the combined model's precision or its recall is higher."""
    model, areas = main_combined(results), areas_of(results, role)
    gaps = {
        area.letter: round(score.precision - score.recall, 3)
        for area, score in combined_scores(results, areas)
        if score.precision is not None and score.recall is not None
    }
    if model is None or not gaps:
        return (
            f"On {ROLES[role]} nothing can be said about a combined model's precision and recall."
        )
    mean = round(fmean(gaps.values()), 3)
    lean = {1: "biased towards precision", 0: "balanced", -1: "biased towards recall"}
    conservative = sum(gap > 0 for gap in gaps.values())
    without = [area.letter for area in areas if area.letter not in gaps]
    rest = f"; no such number for {listed(without)}" if without else ""
    each = listed(f"{letter} {signed(gap)}" for letter, gap in gaps.items())
    return (
        f"On {ROLES[role]}, {model.name} has a precision minus recall of {signed(mean)} on average "
        f"({each}{rest}): it is {lean[(mean > 0) - (mean < 0)]}. It leaves out more than it adds on "
        f"{conservative} of {len(gaps)}."
    )


def jackknife(results: ExperimentResults) -> Iterator[str]:
    """Say which areas' removal helps where."""
    differences = [each for each in jackknife_differences(results) if each.mcc is not None]
    models = dict.fromkeys(each.model for each in differences)
    helpful = []
    for model in models:
        changes = [each for each in differences if each.model == model]
        yield f"Training without {changes[0].left_out} ({model}) {_changes(changes)}."
        if all(round(each.mcc or 0, 3) > 0 for each in changes):
            helpful.append(changes[0].left_out)
    if helpful:
        yield f"Without {listed(helpful)} the MCC is higher on each scored area never trained on."
    elif models:
        yield f"There is no training area without which the MCC is higher on all {UNSEEN}."


def _changes(changes: Sequence[Difference]) -> str:
    groups: dict[str, list[str]] = {"raises": [], "lowers": [], "does not change": []}
    for each in changes:
        change = round(each.mcc or 0, 3)
        verb = "raises" if change > 0 else "lowers" if change < 0 else "does not change"
        groups[verb].append(f"{each.area} ({signed(change)})" if change else each.area)
    said = [f"{verb} the MCC on {listed(areas)}" for verb, areas in groups.items() if areas]
    return listed(said)


def _calibration(results: ExperimentResults) -> Iterator[str]:
    found = combined_scores(results, areas_of(results, "test"))
    errors = [(score.reliability.error, score.calibrated.error) for _, score in found
              if score.calibrated is not None]  # fmt: skip
    if errors:
        before, after = (fmean(column) for column in zip(*errors, strict=True))
        lower = sum(round(b, 4) < round(a, 4) for a, b in errors)
        yield (
            f"Calibration takes the expected calibration error of {found[0][1].model} on {UNSEEN} from "
            f"{number(before, 4)} to {number(after, 4)} on average; it is lower on {lower} of {len(errors)}."
        )


def _objects(results: ExperimentResults) -> Iterator[str]:
    found = combined_scores(results, areas_of(results, "test"))
    counts: dict[str, tuple[int, int]] = {}
    for _, score in found:
        for sizes in score.sizes:
            hit, whole = counts.get(size_class(sizes), (0, 0))
            counts[size_class(sizes)] = hit + sizes.found, whole + sizes.landslides
    parts = [f"{share(hit, whole)} of those {name} ({hit:,} of {whole:,})"
             for name, (hit, whole) in counts.items() if whole]  # fmt: skip
    if parts:
        yield f"Of the landslides on {UNSEEN}, {found[0][1].model} finds {listed(parts)}."
