"""Probabilities beside the share of landslides, bin by bin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lscube.errors import InventoryError
from lscube.probabilities.calibration import Calibration, Numbers
from lscube.scores import Tally

BINS = 15
"""Bins of equal width in which the calibration error is measured, as in Guo et al."""


class Groups(NamedTuple):
    """Pixels in bins of probability of equal width; bins without pixels are left out."""

    predicted: Numbers
    """Mean probability of each bin."""
    observed: Numbers
    """Share of landslide pixels in each bin."""
    pixels: NDArray[np.int64]
    """Pixels in each bin."""

    @property
    def error(self) -> float:
        """Expected calibration error of the landslide class (as equation 3 of Guo et al.), 0..1."""
        gaps = np.abs(self.observed - self.predicted)
        return float(np.average(gaps, weights=self.pixels))


def group(tally: Tally, bins: int = BINS, calibration: Calibration | None = None) -> Groups:
    """Compare probabilities, calibrated or not, with the share of landslides.

    Raises
    ------
    InventoryError
        The tally has no pixel.
    """
    points = tally.points()
    if not points.probability.size:
        raise InventoryError(
            "Expected labelled pixels to compare probabilities with, got none; hold out another area."
        )
    said = points.probability if calibration is None else calibration.curve(points.probability)
    pixels = points.landslide + points.other
    places = np.minimum(np.floor(said * bins).astype(np.intp), bins - 1)
    total, right, sums = (
        np.bincount(places, weights=weights, minlength=bins)
        for weights in (pixels, points.landslide, pixels * said)
    )
    used = total > 0
    return Groups(sums[used] / total[used], right[used] / total[used], total[used].astype(np.int64))
