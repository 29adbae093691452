"""Whether an event is followed: by the rules, and only one of those that tell of the same one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lscube.scan.record import EventRecord
from lscube.scan.triggers.same import PREFERRED, same_event
from lscube.scan.world import World


def decide(world: World, record: EventRecord, others: Mapping[str, EventRecord]) -> EventRecord:
    """Follow an event, or not."""
    for other in others.values():
        if _is_taken(record, other) and (other.versions or _rank(other) <= _rank(record)):
            return _decline(record, f"it is the same event as {other.id}")
    decision = world.wanted(record.hazard)
    if not decision.wanted:
        return _decline(record, decision.reason)
    return replace(
        record, phase="followed", reason=decision.reason, waits_for="its area to be found"
    )


def give_way(world: World, record: EventRecord) -> EventRecord:
    """Leave an event that was not mapped yet to a source that is preferred and told of it later."""
    rank = _rank(record)
    if record.phase != "followed" or record.versions:
        return record
    if not any(PREFERRED[name] < rank for name in world.triggers):
        return record
    for other in world.state.records().values():
        if _rank(other) < rank and _is_taken(record, other):
            return _decline(record, f"it is the same event as {other.id}")
    return record


def _is_taken(record: EventRecord, other: EventRecord) -> bool:
    """Whether another record is of the same event, and it was seen to."""
    seen_to = other.phase in ("followed", "ended")
    flat = other.phase == "declined" and other.nothing_to_map
    return (seen_to or flat) and other.id != record.id and same_event(record.hazard, other.hazard)


def _rank(record: EventRecord) -> int:
    return PREFERRED[record.hazard.source]


def _decline(record: EventRecord, reason: str) -> EventRecord:
    return replace(record, phase="declined", reason=reason, waits_for="", trouble=None)
