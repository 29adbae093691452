"""The tables of the results page."""

from __future__ import annotations

from lscube.evaluate.figures.common import metres
from lscube.evaluate.figures.jackknife import jackknife_differences
from lscube.evaluate.figures.lookup import areas_of, main_combined, score_of
from lscube.evaluate.figures.reliability import combined_scores
from lscube.evaluate.page.document import Table
from lscube.evaluate.page.wording import (
    NONE,
    duration,
    number,
    share,
    signed,
    size_class,
    with_interval,
)
from lscube.evaluate.results import AreaFacts, ExperimentResults, MapScores, ModelFacts

METRICS = {"mcc": "MCC", "f1": "F1", "precision": "precision", "recall": "recall"}


def run_table(results: ExperimentResults) -> Table:
    """What was run, when and on what."""
    width = "the paper's" if results.width == 1 else "1 is the paper's"
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    rows = (
        ("experiment", results.name),
        ("finished", results.created),
        ("hardware", results.hardware),
        ("time", f"{duration(results.seconds)}, interruptions left out"),
        ("width of the network", f"{results.width:g} ({width})"),
        ("libraries", versions or NONE),
    )
    return Table("The run", ("what", "value"), rows, text_columns=2)


def area_table(results: ExperimentResults) -> Table:
    """The areas and their inventories."""
    header = ("area", "event", "trigger", "role", "km²", "landslides", "smallest m²", "largest m²")
    roles = {"train": "trained on, but for its test region", "test": "never trained on"}
    rows = tuple(
        (
            area.letter,
            area.name,
            area.trigger or NONE,
            roles[area.role],
            f"{area.square_kilometres:,.0f}",
            f"{len(area.sizes):,}",
            f"{area.sizes[0]:,.0f}" if area.sizes else NONE,
            f"{area.sizes[-1]:,.0f}" if area.sizes else NONE,
        )
        for area in results.areas
    )
    return Table("Areas and their inventories", header, rows, text_columns=4)


def model_table(results: ExperimentResults) -> Table:
    """The models, and why some are missing."""
    header = ("model", "kind", "trained on", "status", "calibration", "pixel", "epochs", "time",
              "best threshold")  # fmt: skip
    rows = tuple(
        (
            model.name,
            model.part,
            ", ".join(model.trained_on),
            f"{model.status}: {model.note}" if model.note else model.status,
            model.calibration or NONE,
            metres(model.resolution),
            NONE if model.epochs is None else f"{model.epochs}",
            duration(model.seconds),
            number(model.threshold),
        )
        for model in results.models
    )
    return Table("Models, in the order in which they were made", header, rows, text_columns=5)


def _score_table(
    caption: str, pairs: list[tuple[AreaFacts, ModelFacts, MapScores]]
) -> Table | None:
    header = ("area", "model", "kind", "scored on", *METRICS.values(), "threshold")
    rows = tuple(
        (
            area.letter,
            model.name,
            model.part,
            score.region,
            *(with_interval(score, metric) for metric in METRICS),
            number(score.threshold),
        )
        for area, model, score in pairs
    )
    return Table(caption, header, rows, text_columns=4) if rows else None


def score_tables(results: ExperimentResults) -> dict[str, Table | None]:
    """Scores of (I) conventional and (II) other models on areas trained on, and (III) on unseen ones.

    What is unseen is so for the model: a jackknife model has not seen the area left out.
    """
    pairs = [
        (area, model, score)
        for area in results.areas
        for model in results.models
        for score in results.scores
        if (score.area, score.model) == (area.letter, model.name)
    ]
    seen = [pair for pair in pairs if pair[0].letter in pair[1].trained_on]
    alone = [pair for pair in seen if pair[1].part == "conventional"]
    several = [pair for pair in seen if pair[1].part != "conventional"]
    unseen = [pair for pair in pairs if pair[0].letter not in pair[1].trained_on]
    captions = {
        "I": "(I) Conventional models on the test region of the area they were trained on",
        "II": "(II) Models trained on several areas, on the test regions of those",
        "III": "(III) All models on areas they were not trained on",
    }
    groups = zip(captions.items(), (alone, several, unseen), strict=True)
    return {key: _score_table(caption, group) for (key, caption), group in groups}


def jackknife_table(results: ExperimentResults) -> Table | None:
    """What leaving each training area out changes in MCC."""
    differences = jackknife_differences(results)
    letters = [area.letter for area in areas_of(results, "test")]
    changes = {(each.model, each.area): each.mcc for each in differences}
    models = {each.model: each for each in differences}
    rows = tuple(
        (
            each.left_out,
            name,
            metres(each.resolution),
            *(signed(changes[name, letter]) for letter in letters),
        )
        for name, each in models.items()
    )
    header = ("left out", "model", "pixel", *letters)
    caption = "MCC minus that of the combined model, on areas never trained on"
    return Table(caption, header, rows, text_columns=3) if rows else None


def object_table(results: ExperimentResults) -> Table | None:
    """Landslides found and patches right, by size, for the combined model with the finest pixels."""
    header = ("area", "size", "landslides", "found", "share found", "patches", "right",
              "share right")  # fmt: skip
    rows = tuple(
        (
            area.letter,
            size_class(sizes),
            f"{sizes.landslides:,}",
            f"{sizes.found:,}",
            share(sizes.found, sizes.landslides),
            f"{sizes.mapped:,}",
            f"{sizes.right:,}",
            share(sizes.right, sizes.mapped),
        )
        for area, score in combined_scores(results, results.areas)
        for sizes in score.sizes
    )
    model = main_combined(results)
    if model is None or not rows:
        return None
    caption = f"{model.name}: landslides found, and mapped patches that are right, by size"
    return Table(caption, header, rows, text_columns=2)


def calibration_table(results: ExperimentResults) -> Table | None:
    """Expected calibration errors of the combined models."""
    rows = tuple(
        (
            model.name,
            area.letter,
            number(score.reliability.error, 4),
            number(score.calibrated.error, 4) if score.calibrated else NONE,
        )
        for model in results.models
        if model.part == "combined"
        for area in results.areas
        if (score := score_of(results, model.name, area))
    )
    header = ("model", "area", "as given", "calibrated")
    caption = "Expected calibration error (ECE) of the combined models"
    return Table(caption, header, rows, text_columns=2) if rows else None
