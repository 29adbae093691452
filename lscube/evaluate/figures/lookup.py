"""Which models and scores of an experiment belong to which figure and table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeVar

from lscube.evaluate.results import AreaFacts, ExperimentResults, MapScores, ModelFacts

T = TypeVar("T")


def areas_of(results: ExperimentResults, role: Literal["train", "test"]) -> tuple[AreaFacts, ...]:
    """Areas of one role, in the configuration's order."""
    return tuple(area for area in results.areas if area.role == role)


def resolutions_of(results: ExperimentResults) -> tuple[float, ...]:
    """Pixel sizes of conventional and combined models in metres, rising."""
    parts = ("conventional", "combined")
    return tuple(sorted({model.resolution for model in results.models if model.part in parts}))


def conventional_model(
    results: ExperimentResults, letter: str, resolution: float
) -> ModelFacts | None:
    """The model trained on one area alone, made or not."""
    return _first(
        model
        for model in results.models
        if model.part == "conventional"
        and model.trained_on == (letter,)
        and model.resolution == resolution
    )


def combined_model(results: ExperimentResults, resolution: float) -> ModelFacts | None:
    """The model trained on all training areas, made or not."""
    return _first(
        model
        for model in results.models
        if model.part == "combined" and model.resolution == resolution
    )


def progressive_model(results: ExperimentResults, resolution: float) -> ModelFacts | None:
    """The model to whose training the areas were added one by one, made or not."""
    return _first(
        model
        for model in results.models
        if model.part == "progressive" and model.resolution == resolution
    )


def main_combined(results: ExperimentResults) -> ModelFacts | None:
    """The combined model that is looked at closely: the one with the finest pixels that was made.

    Not the one with the best scores: that choice would use the areas it is to be judged on.
    """
    made = [model for model in results.models if model.part == "combined"]
    made = [model for model in made if model.status == "done"]
    return min(made, key=lambda model: model.resolution, default=None)


def score_of(results: ExperimentResults, model: str, area: AreaFacts) -> MapScores | None:
    """A model's scores on an area: on the test region of a training area, on all of another.

    What a jackknife model has on all of the training area that it left out is not among them: it
    cannot be compared with scores on the test region.
    """
    wanted = (model, area.letter, "test region" if area.role == "train" else "whole area")
    return _first(s for s in results.scores if (s.model, s.area, s.region) == wanted)


def left_out(results: ExperimentResults, model: ModelFacts) -> tuple[str, ...]:
    """Letters of the areas that a jackknife model lacks and the combined model of its resolution has.

    None where the area left out is too small for both.
    """
    combined = combined_model(results, model.resolution)
    letters = (
        combined.trained_on if combined else [area.letter for area in areas_of(results, "train")]
    )
    return tuple(letter for letter in letters if letter not in model.trained_on)


def _first(found: Iterable[T]) -> T | None:
    return next(iter(found), None)
