"""Earthquakes of the US Geological Survey: lists, and each event's products.

Lists come from the FDSN event service (https://earthquake.usgs.gov/fdsnws/event/1/) or from its GeoJSON
feeds (https://earthquake.usgs.gov/earthquakes/feed/v1.0/geojson.php); both link to each event's detail
(https://earthquake.usgs.gov/earthquakes/feed/v1.0/geojson_detail.php), which names its products:
ground failure, PAGER, and the ShakeMap with its contours.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from lscube.catalog.web import FetchError
from lscube.errors import RefusedError
from lscube.scan.guard.documents import number, parse_json
from lscube.scan.hazard import Fetch, Hazard
from lscube.scan.triggers.reading import (
    EARLIEST,
    DoubtError,
    EntryError,
    each,
    features_of,
    instant,
    member,
)
from lscube.scan.triggers.usgs_event import TELLING, hazard_of
from lscube.settings.scan_rules import DEFAULT_LIMITS, LimitSettings

log = logging.getLogger("lscube.scan")

FDSN = "https://earthquake.usgs.gov/fdsnws/event/1/query"
"""Address of the FDSN event service."""

OVERLAP = timedelta(hours=1)
"""Events are asked for from so much before the last time: a change is dated before it can be seen."""

GONE = (404, 409, 410)
"""HTTP statuses of a detail that is not there: not found, deleted (FDSN), gone."""


def _check_known(feature: Any) -> None:
    """Make sure that what decides whether an event is looked at is there; a magnitude may be unknown.

    Raises
    ------
    EntryError
        It is not.
    """
    said = member(feature, "properties")
    if instant(member(said, "time")) is None:
        raise EntryError("it has no time")
    if not isinstance(said, dict) or "mag" not in said:
        raise EntryError("it has no magnitude")


@dataclass(frozen=True)
class Usgs:
    """The trigger; see `lscube.scan.hazard.Trigger`."""

    fetch: Fetch
    """Gives a document."""
    address: str = FDSN
    """Of the FDSN service, or of a GeoJSON summary feed (".geojson")."""
    min_magnitude: float = 5.5
    """Weaker earthquakes are not looked at."""
    days: float = 90.0
    """Earthquakes older than this are not looked at; 0: of any age."""
    limits: LimitSettings = DEFAULT_LIMITS
    """How much is taken."""
    read: dict[str, tuple[datetime, Hazard]] = field(
        default_factory=dict, repr=False, compare=False
    )
    """Details that were read, by id, with the `updated` of the list: they are not asked for again before it
    changes."""

    def poll(self, since: datetime, now: datetime) -> Iterator[Hazard]:
        """Earthquakes that changed between two UTC instants, each with its products.

        Raises
        ------
        SourceError
            The list cannot be had, or, in the end, a detail.
        """
        origin = "the events of the USGS"
        features = features_of(self._list(since, now), origin, self.limits)

        def read(feature: Any) -> Hazard | None:
            _check_known(feature)
            return self._hazard(feature) if self._is_wanted(feature, since, now) else None

        return each(features, read, origin, log.warning)

    def _list(self, since: datetime, now: datetime) -> Any:
        address = self.address
        if not address.endswith((".geojson", ".json")):
            address = f"{address}?{urlencode(self._query(since, now))}"
        return parse_json(self.fetch(address), address, self.limits)

    def _query(self, since: datetime, now: datetime) -> dict[str, str]:
        return {
            "format": "geojson",
            "eventtype": "earthquake",
            "orderby": "time",
            "minmagnitude": f"{self.min_magnitude:g}",
            "updatedafter": f"{max(since, EARLIEST) - OVERLAP:%Y-%m-%dT%H:%M:%S}",
            "includedeleted": "true",
            "limit": str(min(self.limits.features, 20_000)),
            "starttime": f"{self._first(now):%Y-%m-%dT%H:%M:%S}",
        }

    def _first(self, now: datetime) -> datetime:
        return now - timedelta(days=self.days) if self.days else EARLIEST

    def _is_wanted(self, feature: Any, since: datetime, now: datetime) -> bool:
        """Whether to look at an event of the list; feeds give more than was asked for."""
        time, updated = (instant(member(feature, "properties", n)) for n in ("time", "updated"))
        magnitude = number(member(feature, "properties", "mag"))
        old = time is not None and time < self._first(now)
        seen = updated is not None and updated < max(since, EARLIEST) - OVERLAP
        gone = member(feature, "properties", "status") == "deleted"
        weak = magnitude is None or magnitude < self.min_magnitude
        return not (seen or old or (weak and not gone))

    def _hazard(self, feature: Any) -> Hazard:
        """An event of the list, with what its detail says."""
        told = hazard_of(feature)
        detail = member(feature, "properties", "detail")
        types = str(member(feature, "properties", "types"))
        if told.deleted or not isinstance(detail, str) or not any(t in types for t in TELLING):
            return told
        updated, known = self.read.get(told.id, (None, told))
        if updated == told.updated:
            return known
        try:
            content = self.fetch(detail)
        except (RefusedError, FetchError) as error:
            status = getattr(error, "status", None)
            if isinstance(error, FetchError) and status not in GONE:
                raise
            log.warning("%s: without its products: %s", told.id, error)
            return replace(told, deleted=status in (409, 410))
        found = self._detailed(told, content, detail)
        self.read[told.id] = (told.updated, found)
        return found

    def _detailed(self, told: Hazard, content: bytes, address: str) -> Hazard:
        found = hazard_of(parse_json(content, address, self.limits))
        if told.id not in (found.id, *found.others):
            raise DoubtError(f"the detail of {told.id} is of {found.id}")
        return found
