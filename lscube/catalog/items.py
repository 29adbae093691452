"""What an item says: when, where, by which satellite, how it was processed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pystac
import shapely
from pystac.utils import str_to_datetime
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from lscube.catalog.fields import number_of
from lscube.errors import SceneError
from lscube.grid import arrange_footprint, unwrap

_PRODUCT = re.compile(
    r"(?P<platform>S2[A-D])_MSI(?P<level>L1C|L2A)_(?P<start>\d{8}T\d{6})"
    r"(_N(?P<baseline>\d{4}))?_R\d{3}_T(?P<tile>\d{2}[A-Z]{3})_\d{8}T\d{6}"
)
"""A Sentinel-2 product's name since December 2016 (the Planetary Computer leaves the baseline out); see
https://sentiwiki.copernicus.eu/web/s2-products, "naming convention"."""

_KNOWN_NAMES = (
    (re.compile(r"S2[A-D]_.*L2A"), "sentinel-2-l2a"),
    (re.compile(r"S2[A-D]_.*L1C"), "sentinel-2-l1c"),
    (re.compile(r"ALPSMLC30_"), "alos-dem"),
    (re.compile(r"Copernicus_DSM_COG_10_"), "cop-dem-glo-30"),
)
"""Names that say which collection an item belongs to, for items in files that do not."""


@dataclass(frozen=True)
class Sun:
    """Where the sun stood."""

    azimuth: float
    """Degrees clockwise from north."""
    elevation: float
    """Degrees above the horizon."""


def item_time(item: pystac.Item) -> datetime:
    """Acquisition instant of an item, UTC (its `start_datetime` where it has no `datetime`).

    Raises
    ------
    SceneError
        The item has neither.
    """
    when, start = item.datetime, item.properties.get("start_datetime")
    if when is None and isinstance(start, str):
        when = str_to_datetime(start)
    if when is None:
        raise SceneError(f"Expected a datetime on item {item.id}, found none; give the item one.")
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def cloud_cover(item: pystac.Item) -> float | None:
    """Cloud cover of the whole scene in percent, None where the item does not say."""
    return number_of(item.properties.get("eo:cloud_cover"))


def cloudiness(item: pystac.Item) -> float:
    """Cloud cover to sort by: what is not known comes last."""
    cover = cloud_cover(item)
    return 101.0 if cover is None else cover


def sun_of(item: pystac.Item) -> Sun | None:
    """Mean direction of the sun, None where the item does not say.

    From the STAC view extension, or from `s2:mean_solar_azimuth` and `s2:mean_solar_zenith`.
    """
    azimuth, elevation = (
        number_of(item.properties.get(f"view:sun_{name}")) for name in ("azimuth", "elevation")
    )
    if azimuth is None or elevation is None:
        azimuth = number_of(item.properties.get("s2:mean_solar_azimuth"))
        zenith = number_of(item.properties.get("s2:mean_solar_zenith"))
        elevation = None if zenith is None else 90.0 - zenith
    return None if azimuth is None or elevation is None else Sun(azimuth, elevation)


def tile_of(item: pystac.Item) -> str:
    """Tile of an item, as STAC's grid extension writes it ("MGRS-54TWN").

    Where neither metadata nor name tell it, the footprint's bounds stand for it.
    """
    code = item.properties.get("grid:code")
    if code:
        return str(code)
    product = _product(item)
    tile = item.properties.get("s2:mgrs_tile") or (product and product["tile"])
    if tile:
        return f"MGRS-{tile}"
    west, south, east, north = unwrap(footprint(item)).bounds
    return ",".join(f"{value:.2f}" for value in (west, south, (east + 180) % 360 - 180, north))


def datatake_of(item: pystac.Item) -> str | None:
    """Datatake (one continuous acquisition by one satellite), None where it is not known.

    Without its processing baseline, so that it stays the same when the scene is processed again.
    """
    named = item.properties.get("s2:datatake_id") or item.properties.get("eopf:datatake_id")
    if named:
        return re.sub(r"_N\d\d\.\d\d$", "", str(named))
    product = _product(item)
    if product is None:
        return None
    orbit = item.properties.get("sat:absolute_orbit")
    suffix = f"_{orbit:06d}" if isinstance(orbit, int) else ""
    return f"G{product['platform']}_{product['start']}{suffix}"


def pass_of(item: pystac.Item) -> str:
    """One satellite pass, the same for all tiles of a datatake.

    The datatake where it is known, else platform and UTC time.
    """
    return datatake_of(item) or f"{platform_of(item)}_{item_time(item):%Y%m%dT%H%M%S}"


def platform_of(item: pystac.Item) -> str:
    """Satellite in small letters ("sentinel-2a"), empty where it is not known."""
    datatake = re.match(r"GS2([A-D])_", datatake_of(item) or "")
    said = item.properties.get("platform") or (datatake and f"sentinel-2{datatake[1]}")
    return str(said or "").lower()


def baseline_of(item: pystac.Item) -> float | None:
    """Processing baseline of a Sentinel-2 item (5.09), None where it is not known."""
    properties = item.properties
    text = properties.get("s2:processing_baseline") or properties.get("processing:version")
    if text is not None:
        return number_of(text)
    product = _product(item)
    return int(product["baseline"]) / 100 if product and product["baseline"] else None


def datastrip_time(item: pystac.Item) -> str | None:
    """Sensing start of the datastrip ("20230815T095630"), None where it is not known."""
    strip = item.properties.get("s2:datastrip_id") or item.properties.get("eopf:datastrip_id")
    found = re.search(r"_S(\d{8}T\d{6})_", str(strip))
    return found[1] if found else None


def generation_time(item: pystac.Item) -> str:
    """When the product was made (ISO 8601, so that text sorts as time), empty where not known."""
    names = ("s2:generation_time", "processing:datetime", "updated", "created")
    return next((str(item.properties[name]) for name in names if item.properties.get(name)), "")


def level_of(item: pystac.Item) -> str | None:
    """Processing level of a Sentinel-2 item: "L1C", "L2A", or None where it is not known."""
    properties = item.properties
    product = _product(item)
    said = (
        properties.get("s2:product_type"),
        properties.get("product:type"),
        properties.get("processing:level"),
        product and product["level"],
        item.collection_id,
    )
    for text in (str(value).upper() for value in said if value):
        if re.search(r"(MSI|L|LEVEL-)2A$", text):
            return "L2A"
        if re.search(r"(MSI|L|LEVEL-)1C$", text):
            return "L1C"
    return None


def is_sentinel2(item: pystac.Item) -> bool:
    """Whether an item is a Sentinel-2 scene."""
    said = (platform_of(item), item.properties.get("constellation"), collection_of(item))
    return any("sentinel-2" in str(text).lower() for text in said)


def collection_of(item: pystac.Item) -> str:
    """Collection of an item; where it names none, the one that its own name tells, else empty."""
    known = (name for pattern, name in _KNOWN_NAMES if pattern.match(item.id))
    return item.collection_id or next(known, "")


def footprint(item: pystac.Item) -> BaseGeometry:
    """Footprint in EPSG:4326, the bounding box where the item has no geometry.

    Valid, longitudes from -180 to 180, cut in two where it crosses the antimeridian, however the item
    spells it. `lscube.grid.unwrap` puts it together.

    Raises
    ------
    ValueError
        The item has neither, or they cannot be used.
    """
    if not item.geometry and not item.bbox:
        raise ValueError("it has neither geometry nor bbox")
    given = _shape(item.geometry) if item.geometry else _box(item.bbox)
    return arrange_footprint(given)


def extent_of(item: pystac.Item) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees; east exceeds 180 across the antimeridian.

    Of the bounding box; of the footprint where there is none, or one as wide as the map around a
    footprint that crosses the antimeridian.
    """
    shown = unwrap(footprint(item))
    boxed = unwrap(arrange_footprint(_box(item.bbox))) if item.bbox else shown
    west, _, east, _ = boxed.bounds
    bounds = shown.bounds if east - west > 180 else boxed.bounds
    return (bounds[0], bounds[1], bounds[2], bounds[3])


def _shape(geometry: Any) -> BaseGeometry:
    try:
        with np.errstate(invalid="ignore"):  # what is no number is refused with its place
            found: BaseGeometry = shape(geometry)
    except (
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
        ValueError,
        shapely.errors.ShapelyError,
    ):
        raise ValueError(f"its geometry is no GeoJSON: {geometry!r:.80}") from None
    return found


def _box(bbox: Any) -> BaseGeometry:
    """A bounding box of four numbers or, with heights, six; west > east crosses the antimeridian."""
    found = [number_of(value) for value in bbox] if isinstance(bbox, list | tuple) else []
    corners = [value for value in found if value is not None]
    if len(found) not in (4, 6) or len(corners) != len(found):
        raise ValueError(f"its bbox is {bbox!r:.80}, not west, south, east, north")
    half = len(corners) // 2
    west, south, east, north = (*corners[:2], *corners[half : half + 2])
    return shapely.box(west, south, east if east >= west else east + 360, north)


def _product(item: pystac.Item) -> re.Match[str] | None:
    """The parts of the Sentinel-2 product's name, where the item bears or mentions it."""
    properties = item.properties
    for text in (properties.get("s2:product_uri"), properties.get("sentinel:product_id"), item.id):
        found = _PRODUCT.match(str(text))
        if found:
            return found
    return None
