"""Feeds made for tests, in the structure of recorded ones; nothing in them is a real event."""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

MILLISECONDS = 1_800_000_000_000
"""15 January 2027, 08:00 UTC."""

PLACE = (141.93, 42.69)


def usgs_feature(native: str = "us7000fake", **said: Any) -> dict[str, Any]:
    """An entry of a list of the USGS."""
    properties = {
        "mag": 6.6,
        "place": "27 km ESE of Nowhere",
        "time": MILLISECONDS,
        "updated": MILLISECONDS + 3_600_000,
        "tz": None,
        "url": f"https://earthquake.usgs.gov/earthquakes/eventpage/{native}",
        "detail": f"https://earthquake.usgs.gov/fdsnws/event/1/query?eventid={native}&format=geojson",
        "mmi": 8.5,
        "alert": "orange",
        "status": "reviewed",
        "net": native[:2],
        "code": native[2:],
        "ids": f",{native},at00fake,",
        "types": ",origin,shakemap,",
        "type": "earthquake",
        "title": "M 6.6 - 27 km ESE of Nowhere",
    }
    return {
        "type": "Feature",
        "id": native,
        "properties": {**properties, **said},
        "geometry": {"type": "Point", "coordinates": [*PLACE, 35.0]},
    }


def product(weight: int, updated: int, **properties: Any) -> dict[str, Any]:
    """A product of a detail; all its properties are texts."""
    return {
        "status": "UPDATE",
        "preferredWeight": weight,
        "updateTime": MILLISECONDS + updated,
        "properties": {name.replace("_", "-"): str(value) for name, value in properties.items()},
        "contents": {},
    }


def failure(weight: int = 158, updated: int = 0, **properties: Any) -> dict[str, Any]:
    """A ground-failure product."""
    said = {
        "landslide_hazard_alert_color": "orange",
        "landslide_population_alert_color": "yellow",
        "minimum_longitude": 141.0,
        "minimum_latitude": 42.3,
        "maximum_longitude": 142.4,
        "maximum_latitude": 43.4,
    }
    return product(weight, updated, **{**said, **properties})


def shakemap(weight: int = 325, updated: int = 0, version: str = "1") -> dict[str, Any]:
    """A ShakeMap with the addresses of its contours."""
    made = product(weight, updated, maxmmi=8.5)
    root = f"https://earthquake.usgs.gov/product/shakemap/us7000fake/us/{version}/download"
    made["contents"] = {
        f"download/{name}": {"contentType": "application/json", "url": f"{root}/{name}"}
        for name in ("cont_pga.json", "cont_mmi.json", "cont_mi.json", "cont_psa0p3.json")
    }
    return made


def usgs_detail(native: str = "us7000fake", **products: list[dict[str, Any]]) -> dict[str, Any]:
    """A detail of the USGS with products, by kind ("-" as "_")."""
    found = products or {
        "ground_failure": [failure()],
        "losspager": [product(158, 0, alertlevel="yellow")],
        "shakemap": [shakemap()],
    }
    named = {kind.replace("_", "-"): entries for kind, entries in found.items()}
    return usgs_feature(native, products=named)


def collection(*features: dict[str, Any]) -> bytes:
    """A FeatureCollection as a server sends it."""
    return json.dumps({"type": "FeatureCollection", "features": list(features)}).encode()


def gdacs_item(number: int = 1500001, kind: str = "EQ", **said: str) -> str:
    """An item of the RSS feed of GDACS."""
    fields = {
        "fromdate": "Fri, 15 Jan 2027 08:00:00 GMT",
        "todate": "Fri, 15 Jan 2027 08:00:00 GMT",
        "iscurrent": "true",
        "eventtype": kind,
        "eventid": str(number),
        "episodeid": "1",
        "alertlevel": "Orange",
        "episodealertlevel": "Green",
        "bbox": "137.93 145.93 38.69 46.69",
        **said,
    }
    plain = "".join(f"<gdacs:{name}>{escape(text)}</gdacs:{name}>" for name, text in fields.items())
    return (
        "<item><title>Orange alert in Nowhere &amp; Elsewhere</title>"
        f"<link>https://www.gdacs.org/report.aspx?eventtype={kind}&amp;eventid={number}</link>"
        "<pubDate>Fri, 15 Jan 2027 09:00:00 GMT</pubDate>"
        f"<geo:Point><geo:lat>{PLACE[1]}</geo:lat><geo:long>{PLACE[0]}</geo:long></geo:Point>"
        f"<georss:point>{PLACE[1]} {PLACE[0]}</georss:point>{plain}"
        '<gdacs:severity unit="M" value="6.6">Magnitude 6.6M, Depth:35km</gdacs:severity>'
        '<gdacs:identifiers><gdacs:identifier id="neicid" src="NEIC">us7000fake</gdacs:identifier>'
        "</gdacs:identifiers></item>"
    )


def gdacs_rss(*items: str) -> bytes:
    """The RSS feed of GDACS, byte order mark included."""
    return (
        '\ufeff<?xml version="1.0" encoding="utf-8"?><rss version="2.0"'
        ' xmlns:geo="http://www.w3.org/2003/01/geo/wgs84_pos#" xmlns:gdacs="http://www.gdacs.org"'
        ' xmlns:georss="http://www.georss.org/georss"><channel><title>GDACS</title>'
        f"{''.join(items)}</channel></rss>"
    ).encode()


def gdacs_feature(number: int = 1500002, kind: str = "TC", **said: Any) -> dict[str, Any]:
    """A feature of the event list of GDACS's API."""
    properties = {
        "eventtype": kind,
        "eventid": number,
        "episodeid": 3,
        "name": "Tropical Cyclone FAKE-27",
        "alertlevel": "Red",
        "episodealertlevel": "Orange",
        "iscurrent": "false",
        "fromdate": "2027-01-12T00:00:00",
        "todate": "2027-01-15T06:00:00",
        "datemodified": "2027-01-15T07:00:00",
        "url": {"report": f"https://www.gdacs.org/report.aspx?eventid={number}"},
        "severitydata": {"severity": 200.0, "severitytext": "Category 3", "severityunit": "km/h"},
        "source": "JTWC",
        "sourceid": "FAKE",
        **said,
    }
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": "Point", "coordinates": [*PLACE]},
    }


def circle(radius: float, centre: tuple[float, float] = PLACE) -> list[list[float]]:
    """A ring around a place, `radius` degrees of latitude; as wide as high on the ground."""
    turn = np.linspace(0, 2 * np.pi, 73)
    x = centre[0] + radius * np.cos(turn) / np.cos(np.radians(centre[1]))
    x = (x + 180) % 360 - 180
    return np.stack([x, centre[1] + radius * np.sin(turn)], axis=1).tolist()


def contours(
    levels: dict[float, float], units: str = "pctg", centre: tuple[float, float] = PLACE
) -> bytes:
    """Contours as of a ShakeMap's `cont_pga.json`: a ring for each value, its radius in degrees."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "MultiLineString", "coordinates": [circle(radius, centre)]},
            "properties": {"value": value, "units": units, "color": "#ff0000", "weight": 4},
        }
        for value, radius in levels.items()
    ]
    return collection(*features)
