"""Which scenes before an event are like what comes after it: season, sun and snow."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pystac

from lscube.catalog.fields import number_of
from lscube.catalog.items import footprint, item_time, sun_of
from lscube.events import Event
from lscube.settings import SourceSettings

Period = tuple[datetime, datetime]
"""First and last instant, UTC."""

YEAR = 365.2425
"""Days of a year."""

_TILT = 23.44
"""Degrees by which the earth's axis is tilted."""


def periods_of(event: Event, source: SourceSettings) -> list[Period]:
    """When scenes are looked for: around the event, and in its season of some years before.

    Years whose season lies within `days_before` need no period of their own.
    """
    first = event.start - timedelta(days=source.days_before)
    periods = [(first, event.end + timedelta(days=source.days_after))]
    for year in range(1, source.years_before + 1):
        middle = event.start - timedelta(days=year * YEAR)
        begin, end = (middle + timedelta(days=sign * source.season_days) for sign in (-1, 1))
        if begin < first:
            periods.append((begin, min(end, first)))
    return periods


def days_apart(one: datetime, other: datetime) -> float:
    """Days of the year between two instants, 0 to 183."""
    apart = abs((one - other).total_seconds()) / 86_400 % YEAR
    return min(apart, YEAR - apart)


def unlike(item: pystac.Item, event: Event, source: SourceSettings) -> tuple[str, ...]:
    """Why a scene is not like what comes after an event, in words; empty where it is.

    Parameters
    ----------
    item
        A scene before the event.
    event, source
        The event, and what counts as alike: `season_days`, `min_sun`, `max_snow`.
    """
    reasons = []
    apart = days_apart(item_time(item), event.end)
    if source.season_days < 183 and apart > source.season_days:
        reasons.append(f"{apart:.0f} days of the year from the event")
    sun = sun_of(item)
    height = noon_elevation(item) if sun is None else sun.elevation
    # A place whose sun never stands higher has no other scenes.
    if height < source.min_sun and height < noon_elevation(item, event.end) - 5:
        reasons.append(f"sun {height:.0f} degrees high")
    snow = snow_cover(item)
    if snow is not None and snow > source.max_snow:
        reasons.append(f"{snow:.0f} % snow")
    return tuple(reasons)


def snow_cover(item: pystac.Item) -> float | None:
    """Snow and ice of the whole scene in percent, None where the item does not say."""
    for name in ("eo:snow_cover", "s2:snow_ice_percentage"):
        found = number_of(item.properties.get(name))
        if found is not None:
            return found
    return None


def noon_elevation(item: pystac.Item, when: datetime | None = None) -> float:
    """Degrees above the horizon that the sun reaches at noon where an item lies, on its day or another.

    From the sun's declination to half a degree (Cooper 1969, doi:10.1016/0038-092X(69)90047-4).
    """
    day = (when or item_time(item)).timetuple().tm_yday
    declination = _TILT * math.sin(2 * math.pi * (284 + day) / 365)
    latitude = float(footprint(item).centroid.y)
    return 90.0 - abs(latitude - declination)
