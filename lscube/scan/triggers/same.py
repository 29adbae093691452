"""Whether two sources tell of one event."""

from __future__ import annotations

from datetime import timedelta

from pyproj import Geod

from lscube.scan.hazard import Hazard

APART = timedelta(seconds=60)
"""Origin times of one earthquake differ by less between agencies."""

DISTANCE = 100.0
"""Kilometres by which its epicentres differ at most."""

PREFERRED = {"own": 0, "usgs": 1, "gdacs": 2}
"""Of two sources that tell of one event, which is followed: the lower one."""

_EARTH = Geod(ellps="WGS84")


def same_event(one: Hazard, other: Hazard) -> bool:
    """Whether two hazards are one event: by their ids, or earthquakes at about one time and place.

    Of two sources prefer the USGS, which knows shaking and landslides.
    """
    if {one.id, *one.others} & {other.id, *other.others}:
        return True
    if one.source == other.source or {one.kind, other.kind} != {"earthquake"}:
        return False
    metres = _EARTH.inv(one.longitude, one.latitude, other.longitude, other.latitude)[2]
    return abs(one.time - other.time) <= APART and bool(metres <= 1000 * DISTANCE)
