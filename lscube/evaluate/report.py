"""Scores of a map against a reference, beside those of the baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr
from odc.geo.geobox import GeoBox

from lscube.errors import InventoryError
from lscube.evaluate.baseline import best_threshold, brightness_change
from lscube.grid import Bounds
from lscube.scores import IGNORE, score
from lscube.settings import EvaluateSettings


def within(grid: GeoBox, area: Bounds | None) -> npt.NDArray[np.bool_]:
    """Pixels of a grid whose centre lies in `area` (west, south, east, north in its CRS)."""
    if area is None:
        return np.ones(grid.shape, bool)
    west, south, east, north = area
    y, x = (grid.coordinates[name].values for name in ("y", "x"))
    inside: npt.NDArray[np.bool_] = ((y > south) & (y < north))[:, None] & (x > west) & (x < east)
    return inside


def evaluate_map(
    probability: xr.DataArray,
    cube: xr.Dataset,
    labels: xr.DataArray,
    train_area: Bounds | None,
    settings: EvaluateSettings,
    seen: npt.NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Score a map and the baseline on the same pixels.

    The baseline is a threshold on brightness change, chosen on the training part and applied to
    the evaluated part. The map is scored at the given threshold (0.5 where none is) and, as the baseline is,
    at one chosen on the training part. `in_hindsight` says where that is scored, too.

    Parameters
    ----------
    probability, cube, labels
        On one grid, (y, x); labels 0, 1 or ignore.
    train_area
        Where thresholds are chosen; None: everywhere.
    settings
        Where to evaluate, and from which probability on.
    seen
        Pixels, (y, x), that the model may have been trained on; None where that is not known.

    Returns
    -------
    dict
        The content of `scores.json`.

    Raises
    ------
    InventoryError
        No labelled and mapped pixel in the evaluated part.
    """
    grid = labels.odc.geobox
    usable = np.isfinite(probability.to_numpy()) & (labels.to_numpy() != IGNORE)
    train, test = (
        np.where(within(grid, area) & usable, labels.to_numpy(), IGNORE).astype(np.uint8)
        for area in (train_area, settings.area)
    )
    if (test == IGNORE).all():
        raise InventoryError(
            f"Expected labelled pixels in the evaluated part {settings.area}, found none that the map "
            "has a probability for; check evaluate.area and labels.mapped_extent."
        )
    change = brightness_change(cube)
    brighter = best_threshold(change, train)
    likelier = best_threshold(probability.to_numpy(), train)
    threshold = 0.5 if settings.threshold is None else settings.threshold
    # Without a part of its own, or with one that is scored, too, a threshold flatters what it cuts.
    hindsight = bool(((train != IGNORE) & (test != IGNORE)).any())
    chosen = "on what is scored, in hindsight" if hindsight else "on the training part"
    return {
        **score(probability, test, threshold).as_dict(),
        "threshold": threshold,
        "pixels": int((test != IGNORE).sum()),
        "landslide_share": round(float((test == 1).sum() / (test != IGNORE).sum()), 4),
        "reference_is": settings.reference_is,
        "held_out": None if seen is None else not bool((seen & (test != IGNORE)).any()),
        "baseline": {
            "what": f"threshold on brightness change, chosen {chosen}",
            "in_hindsight": hindsight,
            **score(change, test, brighter).as_dict(),
            "threshold": round(brighter, 5),
        },
        "tuned": {
            "what": f"the map, cut at the probability that is best, chosen {chosen}",
            "in_hindsight": hindsight,
            **score(probability, test, likelier).as_dict(),
            "threshold": round(likelier, 5),
        },
    }
