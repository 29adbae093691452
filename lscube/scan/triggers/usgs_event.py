"""One event of the USGS: an entry of a list, or a detail with its products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lscube.markup import clean_text
from lscube.scan.guard.documents import number
from lscube.scan.hazard import Hazard
from lscube.scan.triggers.reading import (
    Bounds,
    EntryError,
    bounds_of,
    colour,
    instant,
    member,
    place,
    safe_name,
    web_page,
)

TELLING = ("ground-failure", "losspager", "shakemap")
"""Kinds of products that say more than the list."""


def hazard_of(feature: Any) -> Hazard:
    """Read one event of the USGS: an entry of a list, or a detail.

    Of several products of a kind the preferred one is taken: the greatest `preferredWeight`, then the latest.

    Raises
    ------
    EntryError
        It lacks id, time or place.
    """
    said = member(feature, "properties")
    time = instant(member(said, "time"))
    if time is None:
        raise EntryError("it has no time")
    longitude, latitude, depth = _coordinates(feature)
    failure, pager, shaking = (_preferred(said, name) for name in TELLING)
    native = safe_name(member(feature, "id"))
    return Hazard(
        id=f"usgs-{native}",
        source="usgs",
        kind="earthquake" if member(said, "type") in (None, "earthquake") else "other",
        time=time,
        end=None,
        updated=max(time, instant(member(said, "updated")) or time),
        deleted=member(said, "status") == "deleted",
        title=clean_text(member(said, "title") or member(said, "place") or native),
        longitude=longitude,
        latitude=latitude,
        magnitude=number(member(said, "mag")),
        alert=colour(member(said, "alert")),
        landslide_hazard=colour(
            failure.get("landslide-hazard-alert-color", failure.get("landslide-alert"))
        ),
        landslide_population=colour(failure.get("landslide-population-alert-color")),
        pager=colour(pager.get("alertlevel")),
        mmi=number(member(said, "mmi")) or number(shaking.get("maxmmi")),
        bounds=_bounds(failure, shaking),
        contours=tuple(_contours(said)),
        url=web_page(member(said, "url")),
        depth=depth,
        others=tuple(_others(said, native)),
    )


def _coordinates(feature: Any) -> tuple[float, float, float | None]:
    coordinates = member(feature, "geometry", "coordinates")
    if not isinstance(coordinates, list) or len(coordinates) < 2:
        raise EntryError("it has no place")
    depth = number(coordinates[2]) if len(coordinates) > 2 else None
    return *place(coordinates[0], coordinates[1]), depth


def _products(said: Any, kind: str) -> list[dict[str, Any]]:
    """Products of a kind, the preferred first."""
    found = member(said, "products", kind)
    products = [one for one in (found if isinstance(found, list) else []) if isinstance(one, dict)]
    there = [one for one in products if str(one.get("status")).upper() != "DELETE"]

    def rank(product: dict[str, Any]) -> tuple[float, float]:
        return (
            number(product.get("preferredWeight")) or 0.0,
            number(product.get("updateTime")) or 0.0,
        )

    return sorted(there, key=rank, reverse=True)


def _preferred(said: Any, kind: str) -> dict[str, Any]:
    """Properties of the preferred product of a kind, none where there is none."""
    products = _products(said, kind)
    properties = products[0].get("properties") if products else None
    return properties if isinstance(properties, dict) else {}


def _bounds(failure: dict[str, Any], shaking: dict[str, Any]) -> Bounds | None:
    """Where ground failure is to be expected, else where it was looked for, else the ShakeMap's.

    The product's bounds without prefix enclose what its models show as hazardous; those with the prefix
    "landslide" are the whole model's.
    """
    for properties, prefix in ((failure, ""), (failure, "landslide-"), (shaking, "")):
        corners = (
            properties.get(f"{prefix}{end}-{axis}")
            for end, axis in (
                ("minimum", "longitude"),
                ("minimum", "latitude"),
                ("maximum", "longitude"),
                ("maximum", "latitude"),
            )
        )
        found = bounds_of(*corners)
        if found:
            return found
    return None


def _contours(said: Any) -> Iterator[str]:
    """Addresses of the preferred ShakeMap's contours."""
    for product in _products(said, "shakemap")[:1]:
        for names in (("cont_pga.json",), ("cont_mmi.json", "cont_mi.json")):  # mi: until 2018
            found = (member(product, "contents", f"download/{name}", "url") for name in names)
            address = next((one for one in found if isinstance(one, str) and len(one) < 2000), None)
            if address:
                yield address


def _others(said: Any, native: str) -> Iterator[str]:
    """The event's other ids, from the text ",us2000h8ty,pt18248000,"."""
    text = member(said, "ids")
    names = dict.fromkeys((text if isinstance(text, str) else "").split(","))
    for name in list(names)[:50]:
        try:
            if name != native and name:
                yield f"usgs-{safe_name(name)}"
        except EntryError:
            continue
