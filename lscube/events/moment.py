"""An event: its name, and its moment or period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from lscube.errors import SettingsError

YEARS = range(1972, 2101)
"""Years that an event can be of: there were no land images from space before."""


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
    """Make an event from an instant or, where only that is known, from a date or a period.

    Scenes of a date-only event's day (UTC), or from within a period, count as neither before nor
    after: which they are is not known.

    Parameters
    ----------
    event_id
        Short name.
    when
        ISO 8601: "2018-09-05T18:07:00Z" (no zone means UTC), "2018-09-06", or a period from one of
        these to another, "2017-12-15/2017-12-16" (its last day included).

    Raises
    ------
    SettingsError
        `when` is none of these, or a period ends before it starts.
    """
    first, slash, last = when.partition("/")
    try:
        start, end = _span(first)
        if slash:
            end = _span(last)[1]
        if end < start or start.year not in YEARS or end.year > YEARS.stop:
            raise ValueError
    except (ValueError, OverflowError):
        raise SettingsError(
            "Expected the event's time as 2018-09-05T18:07:00Z, 2018-09-06 or a period "
            f"2017-12-15/2017-12-16, {YEARS[0]} to {YEARS[-1]}, got {when!r}; correct it."
        ) from None
    return Event(event_id, start, end)


def _span(text: str) -> tuple[datetime, datetime]:
    """Start and end of an instant (equal) or of a date."""
    if len(text) <= 10:
        start = datetime.combine(date.fromisoformat(text), time(), UTC)
        return start, start + timedelta(days=1)
    instant = datetime.fromisoformat(text)
    start = instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    return start, start
