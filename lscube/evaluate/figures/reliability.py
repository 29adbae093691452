"""Can the probabilities be believed, and which threshold suits: reliability and threshold curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lscube.drawing import new_figure
from lscube.evaluate.figures.common import COLOURS, DASHES, model_label, plain
from lscube.evaluate.figures.lookup import areas_of, main_combined, score_of
from lscube.evaluate.results import AreaFacts, ExperimentResults, MapScores, Reliability
from lscube.paths import StrPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
TICKS = (0, 0.01, 0.1, 0.25, 0.5, 0.75, 1)
RAW = {"color": COLOURS[3], "marker": "o", "linestyle": "--"}
CALIBRATED = {"color": COLOURS[1], "marker": "s", "linestyle": "-"}


def combined_scores(
    results: ExperimentResults, areas: Sequence[AreaFacts]
) -> tuple[tuple[AreaFacts, MapScores], ...]:
    """Scores of the combined model with the finest pixels, for the areas where it has them."""
    model = main_combined(results)
    if model is None:
        return ()
    found = [(area, score_of(results, model.name, area)) for area in areas]
    return tuple((area, score) for area, score in found if score is not None)


def draw_reliability(path: StrPath, results: ExperimentResults) -> None:
    """Draw the combined model's reliability on each area never trained on, as PNG.

    Landslides are rare, so both axes are square-root axes: low probabilities have room, and 0 and 1 are
    on them. Below each diagram stand the pixels of each bin.
    """
    path = Path(path)
    found = combined_scores(results, areas_of(results, "test"))
    columns = min(COLUMNS, len(found))
    rows = math.ceil(len(found) / columns)
    with new_figure(path, 0.6 + 3.6 * columns, 5.0 * rows) as figure:
        outer = figure.add_gridspec(rows, columns)
        for index, (area, score) in enumerate(found):
            _draw_diagram(figure, outer[index // columns, index % columns], area, score)
        figure.suptitle(f"Combined model {model_label(found[0][1].model)}", fontsize=11)


def _draw_diagram(figure: Figure, place: Any, area: AreaFacts, score: MapScores) -> None:
    inner = place.subgridspec(2, 1, height_ratios=(3, 1))
    above = figure.add_subplot(inner[0])
    below = figure.add_subplot(inner[1], sharex=above)
    above.plot((0, 1), (0, 1), color="0.75", linewidth=1)
    _draw_bins(above, below, score.reliability, RAW, "as given")
    if score.calibrated is not None:
        _draw_bins(above, below, score.calibrated, CALIBRATED, "calibrated")
    above.set(title=plain(f"Area {area.letter}"), ylabel="observed share", ylim=(-0.03, 1.03))
    above.set_yticks(np.sqrt(TICKS), [f"{tick:g}" for tick in TICKS])
    above.tick_params(labelbottom=False)
    above.legend(loc="best", fontsize=8, framealpha=0.8)
    below.set(yscale="log", ylabel="pixels", xlabel="predicted probability", xlim=(-0.03, 1.03))
    below.set_xticks(np.sqrt(TICKS), [f"{tick:g}" for tick in TICKS])
    for axes in (above, below):
        axes.grid(color="0.92")
        axes.tick_params(labelsize=8)


def _draw_bins(
    above: Axes, below: Axes, bins: Reliability, style: dict[str, Any], name: str
) -> None:
    predicted = np.sqrt(bins.predicted)
    label = f"{name}, ECE {bins.error:.4f}"
    above.plot(predicted, np.sqrt(bins.observed), markersize=4, label=label, **style)
    below.plot(predicted, bins.pixels, markersize=3, linewidth=1, **style)


def draw_thresholds(path: StrPath, results: ExperimentResults) -> None:
    """Draw the combined model's MCC over the threshold for each area, as PNG.

    Solid lines are areas never trained on, broken ones test regions of areas trained on. The dot is
    the threshold that was used.
    """
    path = Path(path)
    found = combined_scores(results, results.areas)
    with new_figure(path, 7.5, 4.4) as figure:
        axes = figure.add_subplot()
        for index, (area, score) in enumerate(found):
            _draw_curve(axes, area, score, index)
        lowest = min(0.0, *(value for _, score in found for value in score.curve.mcc))
        axes.set(
            xlim=(0, 1), ylim=(1.05 * lowest, 1), xlabel="threshold of probability", ylabel="MCC"
        )
        axes.set_title(f"Combined model {model_label(found[0][1].model)}", fontsize=11)
        axes.grid(color="0.92")
        figure.legend(loc="outside right upper", fontsize=9, frameon=False)


def _draw_curve(axes: Axes, area: AreaFacts, score: MapScores, index: int) -> None:
    unseen = area.role == "test"
    colour = COLOURS[index % len(COLOURS)]
    axes.plot(
        score.curve.thresholds, score.curve.mcc, color=colour, linewidth=1.8,
        linestyle="-" if unseen else DASHES[index % len(DASHES)],
        label=plain(f"{area.letter} ({'never trained on' if unseen else 'test region'})"),
    )  # fmt: skip
    axes.plot(score.threshold, score.mcc, "o", color=colour, markersize=6)
