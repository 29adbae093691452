"""The figures of an experiment: those that follow from its results alone, and the confusion map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lscube.evaluate.figures.confusion import draw_confusion as draw_confusion
from lscube.evaluate.figures.frequency import draw_frequency as draw_frequency
from lscube.evaluate.figures.jackknife import draw_jackknife as draw_jackknife
from lscube.evaluate.figures.jackknife import jackknife_differences
from lscube.evaluate.figures.lookup import areas_of, resolutions_of, score_of
from lscube.evaluate.figures.reliability import combined_scores
from lscube.evaluate.figures.reliability import draw_reliability as draw_reliability
from lscube.evaluate.figures.reliability import draw_thresholds as draw_thresholds
from lscube.evaluate.figures.spider import draw_spiders_trained as draw_spiders_trained
from lscube.evaluate.figures.spider import draw_spiders_unseen as draw_spiders_unseen
from lscube.evaluate.results import ExperimentResults
from lscube.paths import StrPath

__all__ = [
    "FIGURES",
    "StandardFigure",
    "draw_confusion",
    "draw_figures",
    "draw_frequency",
    "draw_jackknife",
    "draw_reliability",
    "draw_spiders_trained",
    "draw_spiders_unseen",
    "draw_thresholds",
]


@dataclass(frozen=True)
class StandardFigure:
    """A figure that follows from the results alone."""

    name: str
    """Of its file, without folder."""
    draw: Callable[[Path, ExperimentResults], None]
    """Draws it."""
    has_content: Callable[[ExperimentResults], bool]
    """Whether the results hold anything for it to show."""


def _scored(results: ExperimentResults, role: Literal["train", "test"]) -> bool:
    """Whether there are spiders to draw of areas of a role."""
    scores = [score_of(results, each.model, area) for each in results.scores
              for area in areas_of(results, role)]  # fmt: skip
    return bool(resolutions_of(results)) and any(scores)


FIGURES = (
    StandardFigure(
        "spiders_trained.png",
        draw_spiders_trained,
        lambda results: _scored(results, "train"),
    ),
    StandardFigure(
        "spiders_unseen.png",
        draw_spiders_unseen,
        lambda results: _scored(results, "test"),
    ),
    StandardFigure(
        "jackknife.png",
        draw_jackknife,
        lambda results: any(each.mcc is not None for each in jackknife_differences(results)),
    ),
    StandardFigure(
        "reliability.png",
        draw_reliability,
        lambda results: bool(combined_scores(results, areas_of(results, "test"))),
    ),
    StandardFigure(
        "thresholds.png",
        draw_thresholds,
        lambda results: bool(combined_scores(results, results.areas)),
    ),
    StandardFigure(
        "frequency.png",
        draw_frequency,
        lambda results: any(area.sizes for area in results.areas),
    ),
)
"""In the order of the results page."""


def draw_figures(folder: StrPath, results: ExperimentResults) -> tuple[str, ...]:
    """Draw all figures that follow from the results alone.

    Parameters
    ----------
    folder
        Of the figures; made if need be.
    results
        What the experiment found.

    Returns
    -------
    tuple of str
        Names of the files; a figure without anything to show is left out, and an older file of its
        name removed.

    Raises
    ------
    StoreError
        A file cannot be written.
    """
    folder = Path(folder)
    drawn = []
    for figure in FIGURES:
        if figure.has_content(results):
            figure.draw(folder / figure.name, results)
            drawn.append(figure.name)
        else:
            (folder / figure.name).unlink(missing_ok=True)
    return tuple(drawn)
