"""All messages of a scan as an Atom feed (RFC 4287), for readers and for programs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

from lscube.files import appearing
from lscube.scan.record import Alert, EventRecord

ATOM = "http://www.w3.org/2005/Atom"
GEORSS = "http://www.georss.org/georss"

MOST = 200
"""Entries of a feed: the latest."""

NAME = "feed.xml"

_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow."""


def write_feed(path: Path, records: Iterable[EventRecord]) -> None:
    """Write the feed; it appears complete or not at all.

    Raises
    ------
    StoreError
        It cannot be written.
    """
    entries = sorted(
        ((alert, record) for record in records for alert in record.alerts),
        key=lambda entry: (entry[0].created, entry[0].id),
        reverse=True,
    )[:MOST]
    ElementTree.register_namespace("", ATOM)
    ElementTree.register_namespace("georss", GEORSS)
    feed = ElementTree.Element(f"{{{ATOM}}}feed")
    _add(feed, "id", "urn:lscube:scan")
    _add(feed, "title", "Landslide maps of lscube")
    _add(feed, "updated", _when(entries[0][0].created if entries else None))
    author = ElementTree.SubElement(feed, f"{{{ATOM}}}author")
    _add(author, "name", "lscube scan")
    for alert, record in entries:
        _entry(feed, alert, record)
    ElementTree.indent(feed)
    with appearing(path) as partial:
        partial.write_bytes(ElementTree.tostring(feed, "utf-8", xml_declaration=True) + b"\n")


def _entry(feed: ElementTree.Element, alert: Alert, record: EventRecord) -> None:
    entry = ElementTree.SubElement(feed, f"{{{ATOM}}}entry")
    _add(entry, "id", f"urn:lscube:scan:{alert.id}")
    _add(entry, "title", alert.title)
    _add(entry, "updated", _when(alert.created))
    _add(entry, "summary", alert.text)
    for name, href in alert.body.get("links", {}).items():
        kind = "alternate" if name == "report" else "related"
        ElementTree.SubElement(
            entry, f"{{{ATOM}}}link", {"rel": kind, "href": str(href), "title": str(name)}
        )
    point = ElementTree.SubElement(entry, f"{{{GEORSS}}}point")
    point.text = f"{record.hazard.latitude:.4f} {record.hazard.longitude:.4f}"


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, f"{{{ATOM}}}{name}").text = _UNFIT.sub("", text)


def _when(moment: datetime | None) -> str:
    return "1970-01-01T00:00:00Z" if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
