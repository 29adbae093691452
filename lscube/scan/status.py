"""What each event is waiting for, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lscube.scan.record import EventRecord
from lscube.scan.state import State
from lscube.scan.triggers.same import PREFERRED

_ORDER = {
    phase: place for place, phase in enumerate(("followed", "new", "ended", "deleted", "declined"))
}


def trouble_of(trigger: str) -> str:
    """Name of the note on why a trigger could not be asked the last time; empty where it could."""
    return f"trouble-{trigger}"


def lines_of(state: State) -> Iterator[str]:
    """Describe what a scan remembers: triggers that fail, then each event."""
    for trigger in PREFERRED:
        trouble = state.note(trouble_of(trigger))
        if trouble:
            yield f"trigger {trigger} failed the last time: {trouble}"
    yield from status_lines(state.records().values())


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
