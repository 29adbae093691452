"""A scan's memory for a dry run: begins as another one stands, and is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from lscube.scan.hazard import Hazard
from lscube.scan.record import EventRecord
from lscube.scan.state.base import Mark, State, Stored, conflict


class MemoryState:
    """Remembers until the process ends."""

    def __init__(self, like: State | None = None) -> None:
        self._hazards = dict(like.hazards()) if like else {}
        records = like.records() if like else {}
        # What another scan has in the making is not gone on with here.
        self._records = {name: (replace(one, making=None), 1) for name, one in records.items()}
        self._notes: dict[str, str] = {}
        self._like = like

    def tell(self, hazard: Hazard) -> None:
        """Take a hazard, unless a later state of it is known."""
        known = self._hazards.get(hazard.id)
        if known is None or hazard.updated >= known.updated:
            self._hazards[hazard.id] = hazard

    def hazards(self) -> dict[str, Hazard]:
        """The latest state of each hazard, by id."""
        return dict(sorted(self._hazards.items()))

    def read(self, event: str) -> Stored:
        """The record of an event."""
        return Stored(*self._records.get(event, (None, None)))

    def records(self) -> dict[str, EventRecord]:
        """All records, by id."""
        return {name: record for name, (record, _) in sorted(self._records.items())}

    def write(self, record: EventRecord, mark: Mark) -> Mark:
        """Write a record in place of the one with this mark."""
        if self._records.get(record.id, (None, None))[1] != mark:
            raise conflict(record.id)
        self._records[record.id] = (record, (mark or 0) + 1)
        return (mark or 0) + 1

    def forget(self, event: str) -> None:
        """Remove an event's hazard and record."""
        self._hazards.pop(event, None)
        self._records.pop(event, None)

    @contextmanager
    def held(self, event: str) -> Iterator[None]:
        """Nobody else has it."""
        yield

    def note(self, name: str) -> str | None:
        """A text that was noted."""
        return self._notes.get(name) or (self._like.note(name) if self._like else None)

    def set_note(self, name: str, text: str) -> None:
        """Note a text."""
        self._notes[name] = text

    def close(self) -> None:
        """Nothing to do."""
