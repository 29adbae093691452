"""Which event: its name and its moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from lscube.errors import SettingsError


@dataclass(frozen=True)
class Event:
    """A landslide event."""

    id: str
    """Short name."""
    start: datetime
    """UTC; scenes before it are pre-event."""
    end: datetime
    """UTC; scenes from here on are post-event. Equal to `start` where the instant is known."""


def make_event(event_id: str, when: str) -> Event:
    """Make an event from an instant or, where only that is known, from a date.

    Scenes of a date-only event's day (UTC) count as neither before nor after: which they are is
    not known.

    Parameters
    ----------
    event_id
        Short name.
    when
        ISO 8601: "2018-09-05T18:07:00Z" (no zone means UTC) or "2018-09-06".

    Raises
    ------
    SettingsError
        `when` is neither.
    """
    try:
        if len(when) <= 10:
            start = datetime.combine(date.fromisoformat(when), time(), UTC)
            return Event(event_id, start, start + timedelta(days=1))
        instant = datetime.fromisoformat(when)
    except ValueError:
        raise SettingsError(
            f"Expected the event's time as 2018-09-05T18:07:00Z or 2018-09-06, got {when!r}; correct it."
        ) from None
    instant = instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    return Event(event_id, instant, instant)
