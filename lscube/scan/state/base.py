"""What a scan needs of the place that remembers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from lscube.errors import StoreError
from lscube.scan.hazard import Hazard
from lscube.scan.record import EventRecord

Mark = Any
"""Tells one state of a record from the next; None: there is none yet."""


class ConflictError(StoreError):
    """Another scan wrote the record in between."""


@dataclass(frozen=True)
class Stored:
    """What is remembered of an event."""

    record: EventRecord | None
    """None before its first step."""
    mark: Mark
    """To be given when the record is written."""


class State(Protocol):
    """Remembers hazards as they are told, and a record of each event; safe against kills at any moment.

    Hazards and records are apart, so that a feed can be taken while another scan works on an event.
    """

    def tell(self, hazard: Hazard) -> None:
        """Take a hazard, unless a later state of it is known."""

    def hazards(self) -> dict[str, Hazard]:
        """The latest state of each hazard, by id."""

    def read(self, event: str) -> Stored:
        """The record of an event."""

    def records(self) -> dict[str, EventRecord]:
        """All records, by id."""

    def write(self, record: EventRecord, mark: Mark) -> Mark:
        """Write a record in place of the one with this mark, all or nothing.

        Raises
        ------
        ConflictError
            Another scan wrote it in between.
        """

    def forget(self, event: str) -> None:
        """Remove an event's hazard and record."""

    def held(self, event: str) -> AbstractContextManager[None]:
        """Hold an event, one scan at a time; given back by the system if the scan is killed.

        Raises
        ------
        InUseError
            Another scan holds it.
        """

    def note(self, name: str) -> str | None:
        """A text that was noted."""

    def set_note(self, name: str, text: str) -> None:
        """Note a text."""

    def close(self) -> None:
        """Let go of files."""


def conflict(event: str) -> ConflictError:
    """Say that another scan wrote a record."""
    return ConflictError(
        f"Expected to be the only scan that works on {event}, but another one wrote its record; nothing is "
        "lost: the next pass goes on from there."
    )
