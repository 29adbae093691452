"""What an item states about a band's digital numbers, in either layout of the raster extension.

Version 1 has `raster:bands`, an entry per band of the asset; in version 2 (STAC 1.1) `raster:scale`
and `raster:offset` stand on the band, else on the asset, else on the item
(https://github.com/stac-extensions/raster). Some items carry both.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import pystac

from lscube.catalog import Band
from lscube.errors import SceneError


def stated_types(item: pystac.Item, band: Band) -> set[str]:
    """Data types ("uint8", "uint16") that an item states for a band."""
    return {str(value) for _, value in _stated(item, band, "data_type", "data_type")}


def stated_numbers(
    item: pystac.Item, band: Band, name: Literal["scale", "offset"]
) -> list[tuple[str, float]]:
    """Scale or offset as an item states it for a band: the fields' names and their values.

    Returns
    -------
    list of (str, float)
        Finite; a scale is above 0. Empty where the item states none, two entries where it uses
        both layouts.

    Raises
    ------
    SceneError
        A value cannot be used.
    """
    claims = _stated(item, band, name, f"raster:{name}")
    for words, value in claims:
        usable = isinstance(value, int | float) and math.isfinite(value)
        if not usable or (name == "scale" and value <= 0):
            raise SceneError(unusable(item, band, name, f"{words} {value}"))
    return [(words, float(value)) for words, value in claims]


def stated_number(item: pystac.Item, band: Band, name: Literal["scale", "offset"]) -> float | None:
    """The one scale or offset that an item states for a band, None where it states none.

    Raises
    ------
    SceneError
        A value cannot be used, or two layouts contradict each other.
    """
    claims = stated_numbers(item, band, name)
    if len({value for _, value in claims}) > 1:
        got = " but ".join(f"{words} {value:g}" for words, value in claims)
        raise SceneError(unusable(item, band, name, got))
    return claims[0][1] if claims else None


def unusable(item: pystac.Item, band: Band, name: str, got: str) -> str:
    """The sentence for a scale or offset that cannot be used."""
    return (
        f"Expected a usable {name} on asset {band.key} of item {item.id}, got {got}; "
        f"set cube.{name}, as a number or by item id."
    )


def _stated(item: pystac.Item, band: Band, old: str, new: str) -> list[tuple[str, Any]]:
    """What is stated as `old` in version 1 and as `new` in version 2, with the field's name."""
    asset = item.assets[band.key].extra_fields
    places = (_entry(asset.get("bands"), band), asset, item.properties)
    newer = (place[new] for place in places if place.get(new) is not None)
    claims = [
        (f"raster:bands {old}", _entry(asset.get("raster:bands"), band).get(old)),
        (new, next(newer, None)),
    ]
    return [(words, value) for words, value in claims if value is not None]


def _entry(bands: Any, band: Band) -> dict[str, Any]:
    """A band's entry in a list that has one per band."""
    entries = bands if isinstance(bands, list) else []
    entry = entries[band.number - 1] if len(entries) >= band.number else {}
    return entry if isinstance(entry, dict) else {}
