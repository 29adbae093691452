"""Spider plots of the four scores, after Figures 2 and 4 of Prakash, Manconi and Loew (2021)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lscube.drawing import new_figure
from lscube.evaluate.figures.common import COLOURS, DASHES, metres, plain, say_in
from lscube.evaluate.figures.lookup import (
    areas_of,
    combined_model,
    conventional_model,
    progressive_model,
    resolutions_of,
    score_of,
)
from lscube.evaluate.results import AreaFacts, ExperimentResults, MapScores, ModelFacts
from lscube.paths import StrPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

CONVENTIONAL = {"color": "#E0218A", "linestyle": "--", "linewidth": 1.8}
COMBINED = {"color": "black", "linestyle": "-", "linewidth": 2.2}
PROGRESSIVE = {"color": "0.5", "linestyle": (0, (4, 1)), "linewidth": 1.6}
GUIDE = {
    "good": (0.85, 0.85, 0.85, 0.85),
    "low precision": (0.5, 0.48, 0.35, 0.85),
    "low recall": (0.5, 0.48, 0.85, 0.35),
}
"""MCC, F1, precision and recall of a good model and of two weak ones."""

GUIDE_STYLES = {
    "good": {"color": "black", "linestyle": "-", "linewidth": 1.5},
    "low precision": {"color": COLOURS[3], "linestyle": "--", "linewidth": 1.5},
    "low recall": {"color": COLOURS[1], "linestyle": ":", "linewidth": 1.5},
}

Style = dict[str, Any]
Line = tuple[ModelFacts | None, Style]


def corners(
    mcc: float, f1: float | None, precision: float | None, recall: float | None
) -> npt.NDArray[np.float64]:
    """Corners (4, 2) of a model's envelope: MCC up, recall right, F1 down, precision left.

    A score that divides by nothing, and an MCC below 0, lies in the middle.
    """
    up, down, left, right = (max(value or 0.0, 0.0) for value in (mcc, f1, precision, recall))
    return np.array([(0.0, up), (right, 0.0), (0.0, -down), (-left, 0.0)])


def corners_of(score: MapScores) -> npt.NDArray[np.float64]:
    """Corners (4, 2) of the envelope of a scored map."""
    return corners(score.mcc, score.f1, score.precision, score.recall)


def draw_spiders_trained(path: StrPath, results: ExperimentResults) -> None:
    """Draw the conventional and the combined model on each area's test region, as PNG.

    One plot per area (rows) and resolution (columns), as in the paper's Figure 2.
    """
    path = Path(path)

    def lines(area: AreaFacts, resolution: float) -> list[Line]:
        alone = conventional_model(results, area.letter, resolution)
        return [*_several(results, resolution), (alone, CONVENTIONAL)]

    legend = {"conventional (this area alone)": CONVENTIONAL, **_several_legend(results)}
    _draw(path, results, areas_of(results, "train"), lines, legend)


def draw_spiders_unseen(path: StrPath, results: ExperimentResults) -> None:
    """Draw every conventional and the combined model on areas never trained on, as PNG.

    One plot per area (rows) and resolution (columns), as in the paper's Figure 4.
    """
    path = Path(path)
    styles = unseen_styles(results)

    def lines(area: AreaFacts, resolution: float) -> list[Line]:
        alone = [
            (conventional_model(results, letter, resolution), style)
            for letter, style in styles.items()
        ]
        return [*_several(results, resolution), *alone]

    legend = {f"trained on {letter}": style for letter, style in styles.items()}
    _draw(path, results, areas_of(results, "test"), lines, {**legend, **_several_legend(results)})


def _several(results: ExperimentResults, resolution: float) -> list[Line]:
    """The models of all areas; the progressive one only where it was asked for."""
    lines: list[Line] = [(combined_model(results, resolution), COMBINED)]
    added = progressive_model(results, resolution)
    return [*lines, (added, PROGRESSIVE)] if added else lines


def _several_legend(results: ExperimentResults) -> dict[str, Style]:
    legend: dict[str, Style] = {"combined (all areas)": COMBINED}
    if any(model.part == "progressive" for model in results.models):
        legend["progressive (one by one)"] = PROGRESSIVE
    return legend


def unseen_styles(results: ExperimentResults) -> dict[str, Style]:
    """A colour and a dash for each training area's conventional model."""
    letters = [area.letter for area in areas_of(results, "train")]
    return {
        letter: {
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": DASHES[index % len(DASHES)],
            "linewidth": 1.6,
        }
        for index, letter in enumerate(letters)
    }


def _draw(
    path: Path,
    results: ExperimentResults,
    areas: Sequence[AreaFacts],
    lines: Any,
    legend: dict[str, Style],
) -> None:
    """Draw a plot per area and resolution; guide and legend stand in a column at the right."""
    resolutions = resolutions_of(results)
    rows, columns = max(len(areas), 2), len(resolutions) + 1
    with new_figure(path, 2.7 * columns, 2.75 * rows) as figure:
        grid = figure.add_gridspec(rows, columns)
        for row, area in enumerate(areas):
            for column, resolution in enumerate(resolutions):
                axes = _empty_spider(figure, grid[row, column])
                axes.set_title(plain(f"Area {area.letter}, {metres(resolution)}"), fontsize=10)
                _draw_models(axes, results, area, lines(area, resolution))
        _draw_guide(figure, grid[0, -1])
        _draw_legend(figure, grid[1, -1], legend)


def _empty_spider(figure: Figure, place: Any) -> Axes:
    axes = figure.add_subplot(place, aspect="equal")
    axes.set(xlim=(-1.3, 1.3), ylim=(-1.25, 1.25))
    axes.set_axis_off()
    for ring in (0.25, 0.5, 0.75, 1.0):
        axes.fill(*corners(ring, ring, ring, ring).T, fill=False, edgecolor="0.82", linewidth=0.7)
    for end in corners(1, 1, 1, 1):
        axes.plot((0, end[0]), (0, end[1]), color="0.7", linewidth=0.7)
    axes.text(0, 1.03, "MCC", ha="center", va="bottom", fontsize=8)
    axes.text(0, -1.03, "F1", ha="center", va="top", fontsize=8)
    axes.text(1.03, 0, "recall", ha="left", va="center", fontsize=8, rotation=90)
    axes.text(-1.03, 0, "precision", ha="right", va="center", fontsize=8, rotation=90)
    halo = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.7}
    for ring in (0.5, 1.0):
        axes.text(
            ring / 2, ring / 2, f"{ring:g}", ha="center", va="center", fontsize=6.5, color="0.4",
            bbox=halo, zorder=3,
        )  # fmt: skip
    return axes


def _draw_models(
    axes: Axes, results: ExperimentResults, area: AreaFacts, lines: Sequence[Line]
) -> None:
    """Draw the envelopes of one plot, and say which are missing."""
    missing: dict[str, list[str]] = {}
    for model, style in lines:
        score = score_of(results, model.name, area) if model else None
        if model is None or score is None or score.precision is None:
            missing.setdefault(why_missing(model, score), []).append(_short_name(model))
        if score is not None:
            _draw_envelope(axes, corners_of(score), style)
    reasons = [f"{reason}:\n{', '.join(names)}" for reason, names in missing.items()]
    if sum(map(len, missing.values())) == len(lines):
        say_in(axes, "\n".join(reasons))
    elif missing:
        axes.text(-1.3, -1.25, plain("\n".join(reasons)), fontsize=6.5, color="0.35", va="bottom")


def why_missing(model: ModelFacts | None, score: MapScores | None) -> str:
    """Say in a few words why a model has no envelope, or none that can be seen."""
    if score is not None:
        return "nothing mapped"
    if model is None:
        return "not planned"
    return "not scored" if model.status == "done" else model.status


def _short_name(model: ModelFacts | None) -> str:
    if model is None:
        return "a model"
    return ", ".join(model.trained_on) if model.part == "conventional" else model.part


def _draw_envelope(axes: Axes, envelope: npt.NDArray[np.float64], style: Style) -> None:
    axes.plot(*envelope[[0, 1, 2, 3, 0]].T, **style)


def _draw_guide(figure: Figure, place: Any) -> None:
    """Show how a good, a low-precision and a low-recall model look, as Figure 2 (K)."""
    axes = _empty_spider(figure, place)
    axes.set_title("(K) How to read it", fontsize=10)
    for name, values in GUIDE.items():
        _draw_envelope(axes, corners(*values), GUIDE_STYLES[name])


def _draw_legend(figure: Figure, place: Any, legend: dict[str, Style]) -> None:
    """Explain the models' lines and, below, those of the guide."""
    axes = figure.add_subplot(place)
    axes.set_axis_off()
    above = axes.legend(
        handles=_handles(legend), loc="upper center", fontsize=8.5, title="Models", frameon=False
    )
    axes.add_artist(above)
    axes.legend(
        handles=_handles(GUIDE_STYLES),
        loc="lower center",
        fontsize=8.5,
        title="In (K)",
        frameon=False,
    )


def _handles(legend: dict[str, Style]) -> list[Line2D]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], label=plain(name), **style) for name, style in legend.items()]
