"""Which event: its name and its moment."""

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
            length = timedelta(days=1)
        else:
            instant = datetime.fromisoformat(when)
            start = instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
            length = timedelta()
        if start.year not in YEARS:
            raise ValueError
    except (ValueError, OverflowError):
        raise SettingsError(
            f"Expected the event's time as 2018-09-05T18:07:00Z or 2018-09-06, {YEARS[0]} to {YEARS[-1]}, "
            f"got {when!r}; correct it."
        ) from None
    return Event(event_id, start, start + length)
