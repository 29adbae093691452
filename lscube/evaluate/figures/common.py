"""What the figures share: colours and names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#E69F00", "#0072B2", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#8C6D1F")
"""Colours that stay apart for colour-blind people: Okabe and Ito's, the yellow replaced by brown."""

DASHES = ("--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (7, 2)))
"""One more than needed not to repeat a pair of colour and dash for 35 lines."""

MODEL_NAME = r"M_([0-9]+(?:\.[0-9]+)?)\^(\w+(?:[+.-]\w+)*)"
"""A model's name as the paper writes it, "M_10^ALL": resolution and areas."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")

GAIN, LOSS = "#009E73", "#CC3311"
"""Better and worse; their direction and their number say it too."""


def plain(text: str) -> str:
    """Text that Matplotlib shows as it is."""
    return text.replace("$", r"\$")


def model_label(text: str) -> str:
    """Text in which models' names have sub- and superscript, as Matplotlib writes it."""
    return re.sub(MODEL_NAME, r"$M_{\\text{\1}}^{\\text{\2}}$", plain(text))


def say_in(axes: Axes, text: str) -> None:
    """Write why there is nothing to see."""
    axes.text(
        0.5, 0.5, plain(text), transform=axes.transAxes, ha="center", va="center", fontsize=8,
        color="0.35", bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8},
    )  # fmt: skip


def metres(resolution: float) -> str:
    """A pixel size in words."""
    return f"{resolution:g} m"
