"""What a scan remembers of an event: all of it in one record, written as a whole after each step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from lscube.errors import StoreError
from lscube.scan.hazard import Hazard

Phase = Literal["new", "declined", "followed", "ended", "deleted"]


@dataclass(frozen=True)
class Version:
    """One map of an event, in the making or made."""

    number: int
    """From 1."""
    created: datetime
    """UTC instant at which it was begun."""
    scenes: tuple[str, ...]
    """Ids of the scenes after the event."""
    clear: float
    """Share of the area that is clear before and after, measured on a coarse grid."""
    area: str
    """Digest of the area that is mapped."""
    settings: str
    """Digest of the models and settings that determine the map."""
    run: str = ""
    """The run's id, once it is mapped."""
    computed: int = 0
    """Regions that were computed; others were taken over from the version before, or lie outside."""
    regions: int = 0
    """All regions of the area."""
    lost: tuple[str, ...] = ()
    """Ids of items that could not be read."""
    summary: dict[str, Any] | None = None
    """The inventory in numbers (`InventorySummary.as_dict`)."""

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.number:04d}"


@dataclass(frozen=True)
class Alert:
    """A message, kept until it is delivered, and for the feed."""

    id: str
    """The same however often it is sent."""
    created: datetime
    """UTC instant."""
    title: str
    """One line."""
    text: str
    """What a duty officer reads."""
    body: dict[str, Any]
    """The same for machines."""
    delivered: bool = False
    """Whether the webhook took it."""


@dataclass(frozen=True)
class Trouble:
    """What failed last, and when it is tried again."""

    attempts: int
    """Failures in a row."""
    since: datetime
    """UTC instant of the last one."""
    again: datetime
    """UTC instant of the next attempt."""
    reason: str
    """In words."""


@dataclass(frozen=True)
class EventRecord:
    """What is known of an event, and how far it is."""

    hazard: Hazard
    """As its source knew it when the record was written."""
    first_seen: datetime
    """UTC instant."""
    phase: Phase = "new"
    """new: nothing decided. declined: no rule wants it, or there is nothing to map. followed: mapped as
    scenes arrive. ended: done with. deleted: taken back by its source."""
    reason: str = ""
    """Why it is in this phase."""
    waits_for: str = ""
    """What has to come next."""
    area: str | None = None
    """What is mapped, WKT in EPSG:4326."""
    nothing_to_map: bool = False
    """Whether its area was looked for, and there is none: too weak, too flat, too small."""
    area_km2: float = 0.0
    """Its size."""
    area_why: tuple[str, ...] = ()
    """How it came about."""
    looked_at: str = ""
    """Digest of the scenes that `clear` was measured with."""
    clear: float = 0.0
    """Share of the area that is clear with all scenes there are."""
    making: Version | None = None
    """The version in the making."""
    versions: tuple[Version, ...] = ()
    """Those that are made."""
    alerts: tuple[Alert, ...] = ()
    """Messages, in order of time."""
    trouble: Trouble | None = None
    """What failed last."""

    @property
    def id(self) -> str:
        """The hazard's."""
        return self.hazard.id


FORMAT = 1
"""Counts changes after which a record is laid out otherwise; `from_json` brings earlier ones up to date."""

_RECORD = TypeAdapter(EventRecord)
_HAZARD = TypeAdapter(Hazard)


def to_json(record: EventRecord) -> bytes:
    """A record as it is stored."""
    return b'{"format": %d, "record": %s}' % (FORMAT, _RECORD.dump_json(record))


def from_json(content: bytes, origin: str) -> EventRecord:
    """A stored record.

    Raises
    ------
    StoreError
        It was written by a later lscube, or is damaged.
    """
    try:
        stored = _STORED.validate_json(content)
        if stored["format"] > FORMAT:
            raise StoreError(
                f"Expected a record of format {FORMAT} in {origin}, found {stored['format']}, of a later "
                "lscube; update this one."
            )
        return _RECORD.validate_python(stored["record"])
    except (ValidationError, KeyError, TypeError) as error:
        raise StoreError(
            f"Expected a scan's record in {origin}, but it is damaged ({type(error).__name__}); restore it "
            "from a copy, or remove it: the event is then begun anew."
        ) from None


_STORED: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def hazard_to_json(hazard: Hazard) -> bytes:
    """A hazard as it is stored."""
    return _HAZARD.dump_json(hazard)


def hazard_from_json(content: bytes) -> Hazard:
    """A stored hazard."""
    return _HAZARD.validate_json(content)
