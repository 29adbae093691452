"""Earthquakes of the US Geological Survey: lists, and each event's products.

Lists come from the FDSN event service (https://earthquake.usgs.gov/fdsnws/event/1/) or from its GeoJSON
feeds (https://earthquake.usgs.gov/earthquakes/feed/v1.0/geojson.php); both link to each event's detail
(https://earthquake.usgs.gov/earthquakes/feed/v1.0/geojson_detail.php), which names its products:
ground failure, PAGER, and the ShakeMap with its contours.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from lscube.catalog.web import FetchError
from lscube.errors import RefusedError, SourceError
from lscube.scan.guard.documents import clean_text, number, parse_json
from lscube.scan.hazard import Fetch, Hazard
from lscube.scan.triggers.reading import (
    Bounds,
    EntryError,
    bounds_of,
    colour,
    each,
    instant,
    member,
    place,
    safe_name,
    web_page,
)
from lscube.settings.scan_rules import DEFAULT_LIMITS, LimitSettings

log = logging.getLogger("lscube.scan")

FDSN = "https://earthquake.usgs.gov/fdsnws/event/1/query"
"""Address of the FDSN event service."""

OVERLAP = timedelta(hours=1)
"""Events are asked for from so much before the last time: a change is dated before it can be seen."""

GONE = (404, 409, 410)
"""HTTP statuses of a detail that is not there: not found, deleted (FDSN), gone."""

_TELLING = ("ground-failure", "losspager", "shakemap")
"""Kinds of products for which an event's detail is asked for."""


@dataclass(frozen=True)
class Usgs:
    """The trigger; see `lscube.scan.hazard.Trigger`."""

    fetch: Fetch
    """Gives a document."""
    address: str = FDSN
    """Of the FDSN service, or of a GeoJSON summary feed (".geojson")."""
    min_magnitude: float = 5.5
    """Weaker earthquakes are not looked at."""
    days: float = 90.0
    """Earthquakes older than this are not looked at; 0: of any age."""
    limits: LimitSettings = DEFAULT_LIMITS
    """How much is taken."""

    def poll(self, since: datetime, now: datetime) -> Iterator[Hazard]:
        """Earthquakes that changed between two UTC instants, each with its products.

        Raises
        ------
        SourceError
            The list cannot be had, or, in the end, a detail.
        """
        origin = "the events of the USGS"
        features = features_of(self._list(since, now), origin, self.limits)
        wanted = (one for one in features if self._is_wanted(one, since, now))
        return each(wanted, self._hazard, origin, log.warning)

    def _list(self, since: datetime, now: datetime) -> Any:
        address = self.address
        if not address.endswith((".geojson", ".json")):
            address = f"{address}?{urlencode(self._query(since, now))}"
        return parse_json(self.fetch(address), address, self.limits)

    def _query(self, since: datetime, now: datetime) -> dict[str, str]:
        first = now - timedelta(days=self.days) if self.days else datetime.min
        return {
            "format": "geojson",
            "eventtype": "earthquake",
            "orderby": "time",
            "minmagnitude": f"{self.min_magnitude:g}",
            "updatedafter": f"{since - OVERLAP:%Y-%m-%dT%H:%M:%S}",
            "includedeleted": "true",
            "limit": str(min(self.limits.features, 20_000)),
            **({"starttime": f"{first:%Y-%m-%dT%H:%M:%S}"} if self.days else {}),
        }

    def _is_wanted(self, feature: Any, since: datetime, now: datetime) -> bool:
        """Whether to look at an event of the list; feeds give more than was asked for."""
        time, updated = (instant(member(feature, "properties", n)) for n in ("time", "updated"))
        magnitude = number(member(feature, "properties", "mag"))
        old = self.days and time is not None and time < now - timedelta(days=self.days)
        seen = updated is not None and updated < since - OVERLAP
        gone = member(feature, "properties", "status") == "deleted"
        weak = magnitude is None or magnitude < self.min_magnitude
        return not (seen or old or (weak and not gone))

    def _hazard(self, feature: Any) -> Hazard:
        """An event of the list, with what its detail says."""
        told = hazard_of(feature)
        detail = member(feature, "properties", "detail")
        types = str(member(feature, "properties", "types"))
        if told.deleted or not isinstance(detail, str) or not any(t in types for t in _TELLING):
            return told
        try:
            content = self.fetch(detail)
        except (RefusedError, FetchError) as error:
            status = getattr(error, "status", None)
            if isinstance(error, FetchError) and status not in GONE:
                raise
            log.warning("%s: without its products: %s", told.id, error)
            return replace(told, deleted=status in (409, 410))
        return self._detailed(told, content, detail)

    def _detailed(self, told: Hazard, content: bytes, address: str) -> Hazard:
        found = hazard_of(parse_json(content, address, self.limits))
        if told.id not in (found.id, *found.others):
            raise EntryError(f"the detail of {told.id} is of {found.id}")
        return found


def features_of(document: Any, origin: str, limits: LimitSettings) -> list[Any]:
    """The features of a GeoJSON FeatureCollection.

    Raises
    ------
    SourceError
        It is none, or has more than are taken.
    """
    features = member(document, "features")
    if not isinstance(features, list):
        raise SourceError(
            f"Expected a GeoJSON FeatureCollection with {origin}, found something else; "
            "check the address."
        )
    if len(features) > limits.features:
        raise RefusedError(
            f"Expected at most {limits.features:,} features with {origin}, found {len(features):,}; "
            "see [limits]."
        )
    return features


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
    failure, pager, shaking = (_preferred(said, name) for name in _TELLING)
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


def _others(said: Any, native: str) -> Iterable[str]:
    """The event's other ids, from the text ",us2000h8ty,pt18248000,"."""
    text = member(said, "ids")
    names = dict.fromkeys((text if isinstance(text, str) else "").split(","))
    for name in list(names)[:50]:
        try:
            if name != native and name:
                yield f"usgs-{safe_name(name)}"
        except EntryError:
            continue
