"""What an item states about a band's numbers, in either layout of the raster extension.

Version 1 has `raster:bands`, an entry per band of the asset; in version 2 (STAC 1.1) the fields stand
on the band's entry in `bands`, else on the asset, else on the item
(https://github.com/stac-extensions/raster). Some items carry both.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Literal

import pystac

from lscube.catalog import Band, baseline_of, item_time, level_of
from lscube.catalog.items import is_sentinel2
from lscube.cube.stated import Claim, Kind, Sentinel2, Stated
from lscube.errors import SceneError
from lscube.settings import CubeSettings

ADDING_SINCE = datetime(2022, 1, 25, tzinfo=UTC)
"""The day from which ESA produced with baseline 04.00, which adds 1000 to digital numbers."""

Numbers = Literal["scale", "offset", "nodata"]


def state_band(item: pystac.Item, band: Band, kind: Kind, settings: CubeSettings) -> Stated:
    """Collect what an item and the settings say about a band's numbers.

    Raises
    ------
    SceneError
        A field holds what is no number, or a scale that is not above 0, and no setting decides it.
    """
    elevation = kind == "elevation"
    scale = _own(settings.elevation_scale if elevation else settings.scale, item)
    setting = "cube.elevation_scale" if elevation else "cube.scale"
    if scale is not None and scale <= 0:
        raise SceneError(
            f"Expected {setting} above 0 for item {item.id}, got {scale:g}; correct it."
        )
    optical = kind == "reflectance"
    offset = _own(settings.offset, item) if optical else None
    if elevation:
        offset = _own(settings.elevation_offset, item)
    nodata = _own(settings.elevation_nodata if elevation else settings.nodata, item)
    asset = item.assets[band.key]
    key, roles = band.key.upper(), asset.roles or []
    picture = key == "VISUAL" or key.startswith("TCI") or "visual" in roles
    return Stated(
        name=f"asset {band.key} of item {item.id}",
        item=item.id,
        scale=_numbers(item, band, "scale", scale, setting),
        offset=_numbers(item, band, "offset", offset, setting.replace("scale", "offset")),
        nodata=_numbers(item, band, "nodata", nodata, setting.replace("scale", "nodata")),
        unit=tuple((words, str(unit)) for words, unit in _stated(item, band, "unit", "unit")),
        types=tuple(str(said) for _, said in _stated(item, band, "data_type", "data_type")),
        classes=_classes(item, band) if kind == "classes" else (),
        picture=optical and picture,
        level=level_of(item) if optical else None,
        sentinel2=_sentinel2(item) if optical else None,
        own_scale=scale if optical or elevation else None,
        own_offset=offset,
        own_nodata=nodata if optical or elevation else None,
    )


def _own(setting: float | dict[str, float] | None, item: pystac.Item) -> float | None:
    """What the settings say about an item."""
    return setting.get(item.id) if isinstance(setting, dict) else setting


def _classes(item: pystac.Item, band: Band) -> tuple[tuple[int, str], ...]:
    """Classes that an item states; entries that are none are passed over."""
    classes = []
    for _, said in _stated(item, band, "classification:classes", "classification:classes"):
        for entry in said if isinstance(said, list) else []:
            value = entry.get("value") if isinstance(entry, dict) else None
            if isinstance(value, int):
                name = entry.get("name") or entry.get("description") or entry.get("title") or ""
                classes.append((value, str(name).lower()))
    return tuple(classes)


def _sentinel2(item: pystac.Item) -> Sentinel2 | None:
    if not (is_sentinel2(item) or any(name.startswith("s2:") for name in item.properties)):
        return None
    value = str(item.properties.get("earthsearch:boa_offset_applied")).lower()
    flag = {"true": True, "false": False}.get(value)
    return Sentinel2(flag, baseline_of(item), item_time(item) < ADDING_SINCE)


def _numbers(
    item: pystac.Item, band: Band, name: Numbers, own: float | None, setting: str
) -> tuple[Claim, ...]:
    """Numbers as an item states them for a band: two where it uses both layouts."""
    claims = []
    for words, value in _stated(item, band, name, f"raster:{name}"):
        number = _number(value)
        wrong = number is None or (name == "scale" and number <= 0)
        if name != "nodata" and number is not None:
            wrong = wrong or not math.isfinite(number)
        if wrong and own is None:
            raise SceneError(unusable(item, band, name, f"{words} {value}", setting))
        if number is not None and not wrong:
            claims.append(Claim(words, number))
    return tuple(claims)


def _number(value: Any) -> float | None:
    """A number, also as the text that JSON has for some ("nan", "inf"); None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.strip().lower() not in ("nan", "inf", "-inf", "infinity"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def unusable(item: pystac.Item, band: Band, name: str, got: str, setting: str) -> str:
    """The sentence for a field that cannot be used."""
    return (
        f"Expected a usable {name} on asset {band.key} of item {item.id}, got {got}; "
        f"set {setting}, as a number or by item id."
    )


def _stated(item: pystac.Item, band: Band, old: str, new: str) -> list[tuple[str, Any]]:
    """What is stated as `old` in version 1 and as `new` in version 2, with the field's name."""
    asset = item.assets[band.key].extra_fields
    entry = _entry(asset.get("bands"), band)
    places = [(new, place.get(new)) for place in (entry, asset, item.properties)]
    # STAC 1.1 has common fields without a prefix on bands and assets.
    places += [(old, place.get(old)) for place in (entry, asset)]
    claims = [
        (f"raster:bands {old}", _entry(asset.get("raster:bands"), band).get(old)),
        next(((words, value) for words, value in places if value is not None), (new, None)),
    ]
    return [(words, value) for words, value in claims if value is not None]


def _entry(bands: Any, band: Band) -> dict[str, Any]:
    """A band's entry in a list that has one per band."""
    entries = bands if isinstance(bands, list) else []
    entry = entries[band.number - 1] if len(entries) >= band.number else {}
    return entry if isinstance(entry, dict) else {}
