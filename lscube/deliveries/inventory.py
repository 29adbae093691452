"""What an inventory says beyond its map: opened from the map's job and its model's card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr

from lscube import jobs
from lscube.catalog import Scenes, item_time
from lscube.cube import open_cube
from lscube.deliveries.inputs import scenes_of_map
from lscube.errors import ModelError
from lscube.learn import Card, read_card
from lscube.mapping.opening import manifest_of
from lscube.products.inventory import MapContext
from lscube.settings import InventorySettings, Job


def context_of(
    mapped: xr.Dataset,
    job: Job | None,
    cards: Sequence[Card] = (),
    outside: jobs.Outside = jobs.OUTSIDE,
) -> MapContext:
    """Open what a map's store does not hold; no pixel is read yet.

    Parameters
    ----------
    mapped
        The map.
    job
        The job that it was made by: gives elevations and the days of the images before.
    cards
        Of its models, from `cards_of`: one alone may have a calibration, which is not one of a mean.
    outside
        How catalogues and files are reached.

    Raises
    ------
    SceneError
        The job finds other scenes than the map was made from.
    """
    calibration = cards[0].calibration if len(cards) == 1 else None
    if job is None:
        return MapContext(calibration=calibration)
    scenes = scenes_of_map(job, mapped, outside)
    reading = jobs.reading_of(job, scenes, outside)
    cube = open_cube(scenes, mapped.odc.geobox, job.cube, reading=reading)
    return MapContext(cube["elevation"], _days_before(cube, scenes), calibration)


def cards_of(mapped: xr.Dataset, folders: Sequence[Path]) -> list[Card]:
    """Cards of a map's models.

    Raises
    ------
    ModelError
        A model is missing or damaged, or the map was made with others.
    """
    cards = [read_card(folder) for folder in folders]
    theirs = manifest_of(mapped)["model"]["sha256"]
    ours = [card.sha256 for card in cards]
    if cards and sorted(ours) != sorted(theirs):
        raise ModelError(
            f"Expected the models that made the map ({_named(theirs)}), got {_named(ours)}; give each of "
            "them with --model."
        )
    return cards


def threshold_of(cards: Sequence[Card]) -> float | None:
    """The threshold of a map's one model; a mean of several has none of its own."""
    return cards[0].threshold if len(cards) == 1 else None


def default_rules(cards: Sequence[Card]) -> InventorySettings:
    """What counts as a landslide where nothing is said: the defaults, at the model's own threshold."""
    own = threshold_of(cards)
    return InventorySettings() if own is None else InventorySettings(threshold=own)


def _named(digests: Sequence[str]) -> str:
    return ", ".join(digest[:12] for digest in digests)


def _days_before(cube: xr.Dataset, scenes: Scenes) -> xr.DataArray:
    """Day of the image before, per pixel; without reading it where all are of one day."""
    days = {item_time(item).date() for item in scenes.pre}
    if len(days) == 1:
        day = np.datetime64(days.pop().isoformat(), "ns")
        return xr.full_like(cube["elevation"], day, dtype="datetime64[ns]")
    dates: xr.DataArray = xr.decode_cf(cube[["pre_date"]], decode_coords=False)["pre_date"]
    return dates
