"""What a trigger tells: an earthquake, a storm or a flood that may have set off landslides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from lscube.errors import SourceError

Source = Literal["usgs", "gdacs", "own"]
Kind = Literal["earthquake", "cyclone", "flood", "storm", "other"]
Colour = Literal["green", "yellow", "orange", "red"]

Fetch = Callable[[str], bytes]
"""Gives the content of an address; raises an `LscubeError` where it is refused or cannot be had."""

SAFE_ID = re.compile(r"(usgs|gdacs|own)-[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
"""What an id looks like: a folder's name on any system, a part of an address, and harmless in HTML."""


@dataclass(frozen=True)
class Hazard:
    """One event as its source knows it now; a later state has the same id and a later `updated`."""

    id: str
    """Source and native id, for example "usgs-us2000h8ty"; safe as a folder's name (`SAFE_ID`)."""
    source: Source
    """Who tells it: the US Geological Survey, GDACS, or the user's own list."""
    kind: Kind
    """What happened."""
    time: datetime
    """UTC instant; of what lasts, its start."""
    end: datetime | None
    """UTC instant of its end, as far as it is known; None: it was a moment, or still lasts."""
    updated: datetime
    """UTC instant of the latest change; where the source does not say, the start or end."""
    deleted: bool
    """Whether the source took it back."""
    title: str
    """One line of plain text, at most 200 characters; the source's words, to be escaped where shown."""
    longitude: float
    """Of the epicentre or centre, degrees east, -180 to 180."""
    latitude: float
    """Degrees north."""
    magnitude: float | None
    """Moment magnitude or what the source has for it; None for what is no earthquake."""
    alert: Colour | None
    """The source's overall alert level."""
    landslide_hazard: Colour | None
    """Alert colour of the USGS ground-failure product for landslides as such."""
    landslide_population: Colour | None
    """The same for people exposed to landslides."""
    pager: Colour | None
    """Alert level of the USGS PAGER (losses by shaking)."""
    mmi: float | None
    """Largest modified Mercalli intensity of the ShakeMap."""
    bounds: tuple[float, float, float, float] | None
    """Of the source's product, degrees: west, south, east, north; west > east crosses the antimeridian."""
    contours: tuple[str, ...]
    """Addresses of the ShakeMap's contours, `cont_pga.json` and `cont_mmi.json`, the preferred first."""
    url: str | None
    """Page about the event, http or https; the source's, so never more than a link."""
    depth: float | None = None
    """Of an earthquake, in kilometres."""
    others: tuple[str, ...] = ()
    """Ids (as `id`) under which the same event was or is known: it took their place."""
    outline: str | None = None
    """Area as GeoJSON geometry (Polygon or MultiPolygon, degrees), where a user's list gives one."""
    radius: float | None = None
    """Kilometres around the centre, where a user's list gives them."""

    def __post_init__(self) -> None:
        """Hold what others rely on, whoever made the event."""
        if not all(SAFE_ID.fullmatch(name) for name in (self.id, *self.others)):
            raise SourceError(
                "Expected an event's id of letters, digits, '-' and '_' (80 at most) after its source, "
                f"got {self.id[:100]!r}; rename or leave out the event."
            )
        times = (self.time, self.updated, *([self.end] if self.end else []))
        if any(time.utcoffset() != timedelta(0) for time in times):
            raise SourceError(f"Expected UTC instants of the event {self.id}, got another zone.")
        if not (-180 <= self.longitude <= 180 and -90 <= self.latitude <= 90):
            raise SourceError(
                f"Expected degrees as the place of the event {self.id}, got longitude {self.longitude:g} "
                f"and latitude {self.latitude:g}; correct or leave out the event."
            )


class Trigger(Protocol):
    """Where events come from."""

    def poll(self, since: datetime, now: datetime) -> Iterable[Hazard]:
        """Give the events that changed between two UTC instants; to give one again does no harm.

        Raises
        ------
        LscubeError
            The source cannot be read; what it gave before stays as it is.
        """
        ...
