"""Whether probabilities mean what they say: the reliability diagram's numbers."""

from __future__ import annotations

from lscube.evaluate.results import Reliability
from lscube.probabilities import Calibration, group
from lscube.scores import Tally


def reliability_of(
    tally: Tally, bins: int = 15, calibration: Calibration | None = None
) -> Reliability:
    """Compare probabilities with the share of landslides.

    Parameters
    ----------
    tally
        Labelled pixels by the network's probability.
    bins
        Bins of equal width of the probability that is compared. A bin of the tally is wholly in the
        one that holds its mean.
    calibration
        Applied first; None: the network's probabilities are compared.

    Raises
    ------
    InventoryError
        The tally has no pixel.
    """
    groups = group(tally, bins, calibration)
    return Reliability(
        predicted=tuple(groups.predicted.tolist()),
        observed=tuple(groups.observed.tolist()),
        pixels=tuple(groups.pixels.tolist()),
        error=groups.error,
    )
