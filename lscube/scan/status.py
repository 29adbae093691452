"""What each event is waiting for, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lscube.scan.record import EventRecord

_ORDER = {
    phase: place for place, phase in enumerate(("followed", "new", "ended", "deleted", "declined"))
}


def status_lines(records: Iterable[EventRecord]) -> Iterator[str]:
    """Describe each event, those under watch first."""
    found = sorted(records, key=lambda record: (_ORDER[record.phase], record.id))
    if not found:
        yield "No event is known yet."
    for record in found:
        yield f"{record.phase:9}{record.id}  {record.hazard.title}"
        yield from (f"{'':9}{line}" for line in _details(record))


def _details(record: EventRecord) -> Iterator[str]:
    if record.waits_for:
        yield f"waits for {record.waits_for}"
    if record.phase in ("declined", "ended", "deleted") and record.reason:
        yield record.reason
    if record.area is not None:
        yield f"area {record.area_km2:,.0f} km2, {record.clear:.1%} of it clear"
    for version in record.versions[-1:]:
        summary = version.summary or {}
        yield (
            f"version {version.number} of {version.created:%Y-%m-%d %H:%M} UTC: "
            f"{int(summary.get('landslides', 0)):,} landslides, "
            f"{float(summary.get('observed_share', 0.0)):.1%} seen"
        )
    if record.trouble is not None:
        trouble = record.trouble
        yield (
            f"failed {trouble.attempts} times, tried again at {trouble.again:%Y-%m-%d %H:%M} UTC: "
            f"{trouble.reason}"
        )
    waiting = sum(not alert.delivered for alert in record.alerts)
    if waiting:
        yield f"{waiting} messages are not delivered yet"
