"""Earthquakes, tropical cyclones and floods of GDACS, the Global Disaster Alert and Coordination System.

Either the RSS feed (https://www.gdacs.org/xml/rss.xml, https://www.gdacs.org/feed_reference.aspx), or the
event list of its API as GeoJSON (https://www.gdacs.org/gdacsapi/swagger/index.html), which gives 100
events a page. GDACS knows no landslides, and its bounds are the frame of a map around the event's
centre, not what was hit; they are left out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

from lscube.errors import SourceError
from lscube.markup import clean_text
from lscube.scan.guard.documents import number, parse_json, parse_xml
from lscube.scan.hazard import Colour, Fetch, Hazard, Kind
from lscube.scan.triggers.reading import (
    EARLIEST,
    EntryError,
    colour,
    each,
    features_of,
    instant,
    member,
    place,
    safe_name,
    web_page,
)
from lscube.settings.scan_rules import DEFAULT_LIMITS, LimitSettings

log = logging.getLogger("lscube.scan")

RSS = "https://www.gdacs.org/xml/rss.xml"
"""Address of the feed of what is current."""

KINDS: dict[str, Kind] = {"EQ": "earthquake", "TC": "cyclone", "FL": "flood"}
"""Event types that can set off landslides."""

OTHERS = frozenset({"DR", "TS", "VO", "WF"})
"""Event types that are passed over: droughts, tsunamis, volcanoes, wildfires."""

PAGE, PAGES = 100, 20
"""Events of one page of the API, and most pages that are asked for."""

OVERLAP = timedelta(days=2)
"""How much earlier than the last time the API is asked from; it dates by day."""

_ANY = "{*}"
"""Elements are known by their local names: a namespace is an address, and such move (http to https)."""


@dataclass(frozen=True)
class Gdacs:
    """The trigger; see `lscube.scan.hazard.Trigger`."""

    fetch: Fetch
    """Gives a document."""
    address: str = RSS
    """Of the RSS feed, or of the API's event list (".../geteventlist/SEARCH")."""
    limits: LimitSettings = DEFAULT_LIMITS
    """How much is taken."""

    def poll(self, since: datetime, now: datetime) -> Iterator[Hazard]:
        """What the feed has now, or what the API has for the time between two UTC instants.

        Raises
        ------
        SourceError
            It cannot be had.
        """
        entries = self._pages(since, now) if self.address.endswith("/SEARCH") else self._feed()
        return each(entries, hazard_of, "the events of GDACS", log.warning)

    def _feed(self) -> Iterator[dict[str, Any]]:
        content = self.fetch(self.address)
        if content.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"{", b"["):
            document = parse_json(content, self.address, self.limits)
            yield from map(_of_feature, features_of(document, "the events of GDACS", self.limits))
            return
        root = parse_xml(content, self.address, self.limits)
        if _local(root) not in ("rss", "RDF"):
            raise SourceError(
                "Expected the events of GDACS as RSS, found XML whose root is "
                f"{clean_text(_local(root), 60)!r}; see whether the address is still the right one."
            )
        for item in islice(root.iterfind(f".//{_ANY}item"), self.limits.features):
            yield _of_item(item)

    def _pages(self, since: datetime, now: datetime) -> Iterator[dict[str, Any]]:
        """Pages until one is not full, or brings nothing new."""
        seen: set[str] = set()
        for page in range(1, PAGES + 1):
            query = {
                "eventlist": ";".join(KINDS),
                "fromdate": f"{max(since, EARLIEST) - OVERLAP:%Y-%m-%d}",
                "todate": f"{now + timedelta(days=1):%Y-%m-%d}",
                "alertlevel": "Green;Orange;Red",
                "pagesize": str(PAGE),
                "pagenumber": str(page),
            }
            address = f"{self.address}?{urlencode(query)}"
            document = parse_json(self.fetch(address), address, self.limits)
            features = features_of(document, "the events of GDACS", self.limits)
            entries = [_of_feature(feature) for feature in features]
            fresh = [one for one in entries if _key(one) not in seen]
            seen.update(_key(one) for one in fresh)
            yield from fresh
            if not fresh or len(features) < PAGE:
                return
        log.warning("GDACS has more than %d events; choose a shorter time", PAGE * PAGES)


def hazard_of(entry: dict[str, Any]) -> Hazard | None:
    """Make an event of an entry's fields, named as in the feed; None where it is of another kind.

    Raises
    ------
    EntryError
        It lacks id, time or place.
    """
    kind = KINDS.get(str(entry["eventtype"]).strip())
    if kind is None and str(entry["eventtype"]).strip() in OTHERS:
        return None
    if kind is None:
        raise EntryError(
            f"its event type {clean_text(entry['eventtype'], 30)!r} is none of GDACS's"
        )
    start, end = instant(entry["fromdate"]), instant(entry["todate"])
    if start is None:
        raise EntryError("it has no time")
    longitude, latitude = place(entry["longitude"], entry["latitude"])
    current = str(entry["iscurrent"]).strip().lower() != "false"
    lasting = kind != "earthquake"
    dates = (start, end, instant(entry["pubDate"]), instant(entry["datemodified"]))
    return Hazard(
        id=f"gdacs-{safe_name(str(entry['eventtype']) + _digits(entry['eventid']))}",
        source="gdacs",
        kind=kind,
        time=start,
        end=end if lasting and not current else None,
        updated=max(date for date in dates if date),
        deleted=False,
        title=clean_text(entry["title"]) or kind,
        longitude=longitude,
        latitude=latitude,
        magnitude=number(entry["severity"]) if kind == "earthquake" else None,
        alert=_alert(entry),
        landslide_hazard=None,
        landslide_population=None,
        pager=None,
        mmi=None,
        bounds=None,
        contours=(),
        url=web_page(entry["link"]),
        depth=_depth(entry["severitytext"]) if kind == "earthquake" else None,
        others=tuple(_usgs_id(entry["neicid"])),
    )


def _key(entry: dict[str, Any]) -> str:
    return f"{entry['eventtype']}{entry['eventid']}"


def _alert(entry: dict[str, Any]) -> Colour | None:
    """The event's level; it is the highest of its episodes."""
    return colour(entry["alertlevel"]) or colour(entry["episodealertlevel"])


def _digits(value: Any) -> str:
    text = str(value)[:40].strip()
    if not re.fullmatch(r"[0-9]+", text):
        raise EntryError("it has no id")
    return text


def _depth(text: Any) -> float | None:
    found = re.search(r"Depth:\s*([0-9.]{1,8})\s*km", str(text)[:500])
    return number(found[1]) if found else None


def _usgs_id(value: Any) -> Iterator[str]:
    try:
        yield f"usgs-{safe_name(value)}"
    except EntryError:
        return


_PLAIN = (
    *("eventtype", "eventid", "fromdate", "todate", "iscurrent", "alertlevel"),
    *("episodealertlevel", "datemodified"),
)
"""Fields that both forms have under the same name."""


def _local(element: Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def _of_item(item: Element) -> dict[str, Any]:
    """Fields of an item of the RSS feed."""
    severity = item.find(f"{_ANY}severity")
    point = (item.findtext(f"{_ANY}point") or "").split()
    neic = next(
        (e.text for e in item.iterfind(f".//{_ANY}identifier") if e.get("id") == "neicid"), None
    )
    latitude = item.findtext(f"{_ANY}Point/{_ANY}lat") or "".join(point[:1])
    longitude = item.findtext(f"{_ANY}Point/{_ANY}long") or "".join(point[1:2])
    return {
        **{name: item.findtext(f"{_ANY}{name}") for name in _PLAIN},
        "title": item.findtext(f"{_ANY}title"),
        "link": item.findtext(f"{_ANY}link"),
        "pubDate": item.findtext(f"{_ANY}pubDate"),
        "latitude": latitude,
        "longitude": longitude,
        "severity": severity.get("value") if severity is not None else None,
        "severitytext": severity.text if severity is not None else None,
        "neicid": neic,
    }


def _of_feature(feature: Any) -> dict[str, Any]:
    """Fields of a feature of the API."""
    said = member(feature, "properties")
    coordinates = member(feature, "geometry", "coordinates")
    x, y = coordinates[:2] if isinstance(coordinates, list) and len(coordinates) > 1 else (0, None)
    return {
        **{name: member(said, name) for name in _PLAIN},
        "title": member(said, "htmldescription") or member(said, "name"),
        "link": member(said, "url", "report"),
        "pubDate": None,
        "latitude": y,
        "longitude": x,
        "severity": member(said, "severitydata", "severity"),
        "severitytext": member(said, "severitydata", "severitytext"),
        "neicid": member(said, "sourceid") if member(said, "source") == "NEIC" else None,
    }
