"""What each training area is good for, after Figure 6 of Prakash, Manconi and Loew (2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lscube.drawing import new_figure
from lscube.evaluate.figures.common import (
    GAIN,
    LOSS,
    metres,
    model_label,
    plain,
)
from lscube.evaluate.figures.lookup import areas_of, combined_model, left_out, score_of
from lscube.evaluate.results import ExperimentResults
from lscube.paths import StrPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Difference:
    """What leaving a training area out changes on an area never trained on."""

    area: str
    """Letter of the area never trained on."""
    left_out: str
    """Letter of the training area that was left out."""
    model: str
    """Name of the model trained on the others."""
    resolution: float
    """Pixel size in metres."""
    mcc: float | None
    """Its MCC minus that of the combined model; None where one of them was not scored."""


def jackknife_differences(results: ExperimentResults) -> tuple[Difference, ...]:
    """Differences of all jackknife models on all areas never trained on, model after model.

    A model that lacks no area of the combined model, since it was too small for both, is left out.
    """
    return tuple(
        Difference(
            area.letter,
            ", ".join(left_out(results, model)),
            model.name,
            model.resolution,
            _difference(results, model.name, model.resolution, area.letter),
        )
        for model in results.models
        if model.part == "jackknife" and left_out(results, model)
        for area in areas_of(results, "test")
    )


def _difference(
    results: ExperimentResults, model: str, resolution: float, letter: str
) -> float | None:
    area = next(area for area in results.areas if area.letter == letter)
    combined = combined_model(results, resolution)
    whole = score_of(results, combined.name, area) if combined else None
    part = score_of(results, model, area)
    return part.mcc - whole.mcc if part and whole else None


def draw_jackknife(path: StrPath, results: ExperimentResults) -> None:
    """Draw the differences as bars, a plot for each area never trained on, as PNG."""
    path = Path(path)
    differences = jackknife_differences(results)
    letters = list(dict.fromkeys(difference.area for difference in differences))
    models = len({difference.model for difference in differences})
    known = [abs(d.mcc) for d in differences if d.mcc is not None]
    reach = 1.6 * max([*known, 0.01])  # the labels stand outside the bars
    with new_figure(path, 1.6 + 2.6 * len(letters), 1.3 + 0.42 * models) as figure:
        grid = figure.subplots(1, len(letters), sharey=True, squeeze=False)
        for axes, letter in zip(grid[0], letters, strict=True):
            _draw_bars(axes, [d for d in differences if d.area == letter])
            axes.set(title=plain(f"Area {letter}"), xlim=(-reach, reach))
        figure.supxlabel("MCC minus that of the combined model", fontsize=10)


def _draw_bars(axes: Axes, differences: Sequence[Difference]) -> None:
    many = len({difference.resolution for difference in differences}) > 1
    for place, difference in enumerate(differences):
        value = difference.mcc or 0.0
        axes.barh(place, value, height=0.6, color=GAIN if value > 0 else LOSS)
        axes.annotate(
            "not scored" if difference.mcc is None else f"{value:+.3f}",
            (value, place), (-4 if value < 0 else 4, 0), textcoords="offset points",
            ha="right" if value < 0 else "left", va="center", fontsize=8.5,
        )  # fmt: skip
    axes.axvline(0, color="black", linewidth=0.8)
    labels = [
        f"{model_label(d.model)}  (no {plain(d.left_out)}{', ' + metres(d.resolution) if many else ''})"
        for d in differences
    ]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False, labelsize=9)
    axes.locator_params(axis="x", nbins=5)
