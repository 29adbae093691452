"""The baseline to beat: one threshold on brightness change."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from lscube.errors import InventoryError
from lscube.scores import IGNORE


def brightness_change(cube: xr.Dataset) -> npt.NDArray[np.float32]:
    """Mean reflectance over the bands, after minus before; (y, x), NaN where unobserved."""
    change = cube["post"].mean("band", skipna=False) - cube["pre"].mean("band", skipna=False)
    values: npt.NDArray[np.float32] = change.to_numpy()
    return values


def best_threshold(
    values: npt.NDArray[np.floating], labels: npt.NDArray[np.uint8], ignore: int = IGNORE
) -> float:
    """The threshold with the highest MCC, among all values that occur.

    Parameters
    ----------
    values, labels, ignore
        As in `lscube.score`.

    Raises
    ------
    InventoryError
        There are not both landslide and other pixels to choose from.
    """
    usable = (labels != ignore) & np.isfinite(values)
    order = np.argsort(-values[usable], kind="stable")
    ranked, true = values[usable][order], (labels[usable] == 1)[order]
    positives = int(true.sum())
    negatives = true.size - positives
    if positives == 0 or negatives == 0:
        raise InventoryError(
            f"Expected landslide and other pixels to choose a threshold from, got {positives} and "
            f"{negatives}; choose a larger training area."
        )
    tp = np.cumsum(true, dtype=np.float64)
    fp = np.cumsum(~true, dtype=np.float64)
    fn, tn = positives - tp, negatives - fp
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt((tp + fp) * positives) * np.sqrt(negatives * (tn + fn))
        mcc = np.where(tn + fn > 0, (tp * tn - fp * fn) / root, 0.0)
    # A threshold takes all of equal values: only the last of them is a choice.
    last = np.append(ranked[1:] != ranked[:-1], True)
    return float(ranked[np.argmax(np.where(last, mcc, -1.0))])
