"""From digital numbers to reflectance: the offset that an item carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pystac

from lscube.catalog import find_asset

SCALE = 1e-4
"""Reflectance per digital number of Sentinel-2 L1C and L2A."""

OFFSET_BASELINE = 4.0
"""From this processing baseline on, ESA adds 1000 to the digital numbers (offset -0.1)."""


@dataclass(frozen=True)
class Radiometry:
    """How digital numbers (DN) of one item become reflectance: DN * scale + offset."""

    scale: float
    """Reflectance per DN."""
    offset: float
    """Reflectance at DN 0."""
    reason: str
    """Why, in words; kept in the cube's attributes."""


def decide_radiometry(item: pystac.Item, band: str) -> Radiometry:
    """Decide an item's scale and offset from its flag, its `raster:` fields and its baseline.

    In this order: Earth Search's `earthsearch:boa_offset_applied` says that the offset is in the
    pixels already (its items' `raster:bands` say -0.1 nevertheless); else `raster:bands` or
    `raster:offset` say it; else the processing baseline tells (from 04.00 on -0.1, as on the
    Planetary Computer, whose items say nothing).

    Parameters
    ----------
    item
        A Sentinel-2 item, L1C or L2A.
    band
        Common name of a band; the decision is made per item, on this band's asset.
    """
    asset = item.assets[find_asset(item, band)]
    fields = _raster_fields(asset)
    scale = float(fields.get("scale") or SCALE)
    if item.properties.get("earthsearch:boa_offset_applied") is True:
        return Radiometry(scale, 0.0, "earthsearch:boa_offset_applied is true")
    if "offset" in fields:
        return Radiometry(scale, float(fields["offset"]), "the asset's raster offset")
    baseline = _baseline(item)
    if baseline is None:
        return Radiometry(scale, 0.0, "neither raster offset nor processing baseline")
    offset = -0.1 if baseline >= OFFSET_BASELINE else 0.0
    return Radiometry(scale, offset, f"processing baseline {baseline:05.2f}")


def _raster_fields(asset: pystac.Asset) -> dict[str, Any]:
    """Scale and offset of an asset, in the layout of either version of the raster extension."""
    extra = asset.extra_fields
    bands = extra.get("raster:bands") or [{}]
    flat = {key: extra[f"raster:{key}"] for key in ("scale", "offset") if f"raster:{key}" in extra}
    return {**bands[0], **flat}


def _baseline(item: pystac.Item) -> float | None:
    properties = item.properties
    text = properties.get("s2:processing_baseline") or properties.get("processing:version")
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
