"""What a model is adapted by: squares of a map, and what they were mapped from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

MARGIN = 8
"""Pixels around a square that are read with it: more than `lscube.learn.surroundings` looks at."""


@dataclass(frozen=True)
class Squares:
    """Squares of a map, with what they were mapped from."""

    windows: Floats
    """(square, channel, y, x) as `LoadedModel.predict` takes them, with `MARGIN` around each square."""
    probability: Floats
    """(square, y, x) of the map, without the margin; NaN where it has none."""
    half: npt.NDArray[np.bool_]
    """(square,): which of the two classifiers learns from it."""
    standing_for: Floats
    """(square,): how many of the map's squares it stands for."""
