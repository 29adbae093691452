"""What is told of a version: in words for a duty officer, and the same as JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lscube.scan.record import Alert, EventRecord, Version
from lscube.settings.scan import ScanSettings


def map_alert(record: EventRecord, version: Version, settings: ScanSettings) -> Alert:
    """Tell of a version that is complete.

    Parameters
    ----------
    record
        The event, before the version is entered.
    version
        With its run and its summary.
    settings
        Of the scan: where its products are served.
    """
    summary = version.summary or {}
    text = "\n".join(_sentences(record, version, summary, settings))
    return Alert(
        id=f"{record.id}-v{version.number}",
        created=version.created,
        title=f"{record.hazard.title}: landslide map, version {version.number}",
        text=text,
        body={**_body(record, version, summary, settings), "text": text},
    )


def withdrawal(record: EventRecord) -> Alert:
    """Tell that the source took the event back, after maps of it were told of."""
    told = "The maps that were made of it stay; take them for maps of change without a known cause."
    text = f"{record.hazard.source.upper()} took the event {record.id} back. {told}"
    return Alert(
        id=f"{record.id}-deleted-v{len(record.versions)}",
        created=record.hazard.updated,
        title=f"{record.hazard.title}: the event was taken back",
        text=text,
        body={"type": "withdrawn", **_event(record), "text": text},
    )


def link_to(settings: ScanSettings, event: str, version: str, name: str) -> str:
    """Address of a version's file; where none is served, its path from the scan's folder."""
    path = f"events/{event}/versions/{version}/{name}"
    base = settings.alerts.link or (settings.folder if isinstance(settings.folder, str) else "")
    return f"{base.rstrip('/')}/{path}" if base else path


def _sentences(
    record: EventRecord, version: Version, summary: dict[str, Any], settings: ScanSettings
) -> list[str]:
    """Where, how many, how large, how much was not seen, how sure, link."""
    hazard = record.hazard
    lines = [
        f"{hazard.title} ({hazard.time:%Y-%m-%d %H:%M} UTC), {_place(hazard.longitude, hazard.latitude)}.",
        _found(summary),
        _seen(version, summary),
        _sure(record, summary),
    ]
    if record.versions:
        lines.append(_change(record.versions[-1], summary))
    if version.lost:
        lines.append(f"Could not be read, and will be tried again: {', '.join(version.lost)}.")
    name = "report.html" if settings.products.report else "summary.json"
    lines.append(f"Report: {link_to(settings, record.id, version.name, name)}")
    return lines


def _place(longitude: float, latitude: float) -> str:
    east, north = "E" if longitude >= 0 else "W", "N" if latitude >= 0 else "S"
    return f"{abs(latitude):.2f} {north}, {abs(longitude):.2f} {east}"


def _found(summary: dict[str, Any]) -> str:
    number, area = int(summary.get("landslides", 0)), float(summary.get("area_m2", 0.0))
    if not number:
        return "No landslide was found in what was seen."
    noun = "landslide was" if number == 1 else "landslides were"
    return f"{number:,} {noun} found, together {_km2(area)}."


def _seen(version: Version, summary: dict[str, Any]) -> str:
    inside, share = (
        float(summary.get("inside_m2", 0.0)),
        float(summary.get("observed_share", version.clear)),
    )
    if share >= 0.9995:
        return f"All of the {_km2(inside)} looked at was seen."
    most = _km2(float(summary.get("most_area_m2", 0.0)))
    missing = max(0.1, round(100 * (1 - share), 1))
    return (
        f"{missing:g} % of the {_km2(inside)} looked at was not seen (cloud, shadow, no image): "
        f"nothing is known there; landslides could come to as much as {most}."
    )


def _sure(record: EventRecord, summary: dict[str, Any]) -> str:
    kind = (
        "calibrated probabilities"
        if summary.get("calibrated")
        else "uncalibrated network probabilities"
    )
    threshold = float((summary.get("settings") or {}).get("threshold", 0.5))
    return (
        f"Made by a computer from {kind} above {threshold:g}; not checked by a person, and other changes "
        "since the event (harvest, rivers, snow) can look like landslides."
    )


def _change(before: Version, summary: dict[str, Any]) -> str:
    earlier = before.summary or {}
    more = 100 * (
        float(summary.get("observed_share", 0.0)) - float(earlier.get("observed_share", 0.0))
    )
    return (
        f"Version {before.number} had {int(earlier.get('landslides', 0)):,} landslides; {more:+.1f} % of the "
        "area are seen since."
    )


def _km2(square_metres: float) -> str:
    value = square_metres / 1e6
    return f"{value:,.0f} km2" if value >= 100 else f"{value:,.3g} km2"


def _event(record: EventRecord) -> dict[str, Any]:
    hazard = record.hazard
    return {
        "event": record.id,
        "title": hazard.title,
        "kind": hazard.kind,
        "time": f"{hazard.time:%Y-%m-%dT%H:%M:%SZ}",
        "longitude": hazard.longitude,
        "latitude": hazard.latitude,
        "page": hazard.url,
    }


def _body(
    record: EventRecord, version: Version, summary: dict[str, Any], settings: ScanSettings
) -> dict[str, Any]:
    files = {"summary": "summary.json", "inventory": f"landslides.{settings.products.inventory}"}
    if settings.products.report:
        files["report"] = "report.html"
    if settings.products.publish:
        files["collection"] = "published/collection.json"
    return {
        "type": "map",
        **_event(record),
        "version": version.number,
        "run": version.run,
        "created": f"{version.created:%Y-%m-%dT%H:%M:%SZ}",
        "scenes": list(version.scenes),
        "lost": list(version.lost),
        "numbers": {name: summary.get(name) for name in _NUMBERS},
        "links": {
            name: link_to(settings, record.id, version.name, file) for name, file in files.items()
        },
    }


_NUMBERS = (
    *("landslides", "area_m2", "most_area_m2", "inside_m2"),
    *("observed_m2", "observed_share", "calibrated"),
)


def delivered(record: EventRecord, alert: Alert) -> EventRecord:
    """The record with an alert delivered."""
    alerts = tuple(
        replace(one, delivered=True) if one.id == alert.id else one for one in record.alerts
    )
    return replace(record, alerts=alerts)
