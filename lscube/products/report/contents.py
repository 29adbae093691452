"""What a report is made from, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xarray as xr

from lscube.cube import PairQuality

if TYPE_CHECKING:
    import geopandas


@dataclass(frozen=True)
class ReportContents:
    """What a report shows beside the map; what is not given is left out, and the page says so."""

    images: xr.Dataset | None = None
    """Cube with `pre` and `post`, (band, y, x), lazy or not, in the map's CRS; its first three bands are
    shown as red, green, blue. Pixels of any size: `overview_grid` has as many as are shown."""
    inventory: geopandas.GeoDataFrame | None = None
    """Polygons with the attributes of `lscube.products.write_inventory`, in any CRS; those that are
    missing are left out."""
    summary: Mapping[str, Any] | None = None
    """The inventory in numbers, the JSON of `lscube inventory --summary`
    (`InventorySummary.as_dict()`): gives the total as an interval."""
    scores: Mapping[str, Any] | None = None
    """From `lscube.evaluate.evaluate_map`: the content of `scores.json`."""
    quality: PairQuality | None = None
    """From `lscube.cube.measure_pair`."""
    cards: tuple[Mapping[str, Any], ...] = ()
    """The models' cards, as JSON gives them."""
    warnings: tuple[str, ...] = ()
    """What a reader must know first, a sentence each."""
    command: str = ""
    """What was typed to make the report."""
    unfinished: bool = False
    """Whether an inventory may be one that was drawn before the map's run had come to its end."""


@dataclass(frozen=True)
class ReportSettings:
    """How much goes into one file."""

    edge: int = 2048
    """Longest edge of an image in pixels; larger maps are shown in blocks of pixels."""
    polygons: int = 5000
    """Most landslides that are drawn and listed: the largest."""
    quality: int = 80
    """Of the images before and after, 1 to 100 (WebP)."""
    title: str = ""
    """Of the page; by default the event."""


@dataclass(frozen=True)
class ReportSummary:
    """What a report holds."""

    landslides: int
    """In the inventory."""
    drawn: int
    """Of them, on the map."""
    size: int
    """Of the file in bytes."""
    notes: tuple[str, ...]
    """What is not shown as it is in the files, one sentence each."""
