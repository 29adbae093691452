"""Events of a user's own list, CSV or GeoJSON.

| field | what it says |
|---|---|
| `id` | letters, digits, `-` and `_` |
| `time` | UTC instant, date, or period ("2017-12-15/2017-12-16") |
| `longitude`, `latitude` | degrees; not needed with bounds or an outline |
| `kind` | "earthquake", "cyclone", "flood", "storm" or "other" (default) |
| `west`, `south`, `east`, `north` | bounds in degrees (west > east crosses the antimeridian) |
| `radius_km` | around the centre |
| `title`, `magnitude`, `depth`, `alert`, `updated`, `deleted`, `url` | as of any event |

In GeoJSON these are properties; a Point is the centre, a Polygon or MultiPolygon the outline.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import shapely
from shapely.geometry.base import BaseGeometry

from lscube.errors import AreaError, SettingsError, SourceError
from lscube.events import make_event
from lscube.markup import clean_text
from lscube.scan.guard.documents import number, parse_json
from lscube.scan.hazard import Hazard, Kind
from lscube.scan.triggers.reading import (
    Bounds,
    EntryError,
    bounds_of,
    colour,
    features_of,
    instant,
    member,
    place,
    safe_name,
    web_page,
)
from lscube.scan.triggers.spreadsheet import REST, rows_of
from lscube.settings.scan_rules import DEFAULT_LIMITS, LimitSettings

log = logging.getLogger("lscube.scan")

_KINDS = get_args(Kind)
_SIDES = ("west", "south", "east", "north")


@dataclass(frozen=True)
class OwnList:
    """The trigger; see `lscube.scan.hazard.Trigger`."""

    path: Path
    """Of the list: CSV (separated by commas, semicolons or tabs), or GeoJSON (".geojson", ".json")."""
    limits: LimitSettings = DEFAULT_LIMITS
    """How much is taken."""

    def poll(self, since: datetime, now: datetime) -> Iterator[Hazard]:
        """All events of the list; what is not yet at `now` is left out.

        Raises
        ------
        SourceError
            The list cannot be read, or, in the end, some of its entries.
        """
        wrong = []
        for count, entry in enumerate(self._entries(), 1):
            try:
                hazard = hazard_of(entry, self.limits)
            except (EntryError, SettingsError, AreaError, SourceError) as error:
                wrong.append(f"entry {count}: {clean_text(error, 400)}")
                continue
            if hazard.time <= now:
                yield hazard
        if wrong:
            raise SourceError(
                f"Expected events in {self.path}, but {len(wrong)} cannot be used ({wrong[0]}); correct them."
            )

    def _entries(self) -> Iterator[Mapping[str, Any]]:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise SourceError(
                f"Expected a list of events at {self.path}, but {error.strerror or error}; check the path."
            ) from None
        if self.path.suffix.lower() == ".csv":
            if len(content) > self.limits.feed_bytes:
                raise SourceError(
                    f"Expected at most {self.limits.feed_bytes:,} bytes in {self.path}; see [limits]."
                )
            yield from rows_of(content, self.path, self.limits)
            return
        document = parse_json(content, str(self.path), self.limits)
        for feature in features_of(document, f"events in {self.path}", self.limits):
            said = member(feature, "properties")
            yield {
                **({"id": member(feature, "id")} if member(feature, "id") else {}),
                **(said if isinstance(said, dict) else {}),
                "geometry": member(feature, "geometry"),
            }


def hazard_of(entry: Mapping[str, Any], limits: LimitSettings = DEFAULT_LIMITS) -> Hazard:
    """Make an event of an entry's fields.

    Raises
    ------
    EntryError, SettingsError
        A field is missing or wrong.
    """
    if REST in entry:
        raise EntryError(
            "it has more cells than there are columns; put a text with a comma into quotes"
        )
    native = safe_name(str(entry.get("id") or ""))
    event = make_event(native, str(entry.get("time") or "").strip())
    outline, bounds = _outline(entry.get("geometry"), limits), _bounds(entry)
    longitude, latitude = _centre(entry, outline, bounds)
    lasts = event.end > event.start
    return Hazard(
        id=f"own-{native}",
        source="own",
        kind=_kind(entry),
        time=event.start,
        end=event.end if lasts else None,
        updated=max(event.start, instant(entry.get("updated")) or event.start),
        deleted=str(entry.get("deleted") or "").strip().lower() in ("1", "true", "yes"),
        title=clean_text(entry.get("title")) or native,
        longitude=longitude,
        latitude=latitude,
        magnitude=number(entry.get("magnitude")),
        alert=colour(entry.get("alert")),
        landslide_hazard=None,
        landslide_population=None,
        pager=None,
        mmi=None,
        bounds=bounds,
        contours=(),
        url=web_page(entry.get("url")),
        depth=number(entry.get("depth")),
        outline=json.dumps(entry["geometry"]) if outline is not None else None,
        radius=_radius(entry),
    )


def _kind(entry: Mapping[str, Any]) -> Kind:
    said = clean_text(entry.get("kind"), 30).lower() or "other"
    found = next((kind for kind in _KINDS if kind == said), None)
    if found is None:
        raise EntryError(f"its kind is none of {', '.join(_KINDS)}: {said!r}")
    kind: Kind = found
    return kind


def _outline(geometry: Any, limits: LimitSettings) -> BaseGeometry | None:
    """The polygon of a GeoJSON feature, None for a point."""
    if member(geometry, "type") not in ("Polygon", "MultiPolygon"):
        return None
    try:
        found: BaseGeometry = shapely.from_geojson(json.dumps(geometry))
    except (shapely.errors.ShapelyError, ValueError) as error:
        raise EntryError(f"its geometry cannot be read ({clean_text(error)})") from None
    if found.is_empty or shapely.get_num_coordinates(found) > limits.vertices:
        raise EntryError(f"its geometry has no or more than {limits.vertices:,} corners")
    return found


def _bounds(entry: Mapping[str, Any]) -> Bounds | None:
    given = [entry.get(side) for side in _SIDES]
    if all(value in (None, "") for value in given):
        return None
    found = bounds_of(*given)
    if found is None:
        raise EntryError("its west, south, east, north are no bounds in degrees")
    return found


def _centre(
    entry: Mapping[str, Any], outline: BaseGeometry | None, bounds: Bounds | None
) -> tuple[float, float]:
    """The centre that is said, else the geometry's or the bounds'."""
    x, y = entry.get("longitude"), entry.get("latitude")
    if x not in (None, "") or y not in (None, ""):
        return place(x, y)
    if member(entry.get("geometry"), "type") == "Point":
        coordinates = member(entry["geometry"], "coordinates")
        if isinstance(coordinates, list) and len(coordinates) > 1:
            return place(*coordinates[:2])
    if outline is not None:
        point = outline.representative_point()
        return place(point.x, point.y)
    if bounds is not None:
        west, south, east, north = bounds
        return place((west + (east if east > west else east + 360)) / 2, (south + north) / 2)
    raise EntryError("it has neither longitude and latitude nor an area")


def _radius(entry: Mapping[str, Any]) -> float | None:
    said = entry.get("radius_km")
    if said in (None, ""):
        return None
    radius = number(said)
    if radius is None or not 0 < radius <= 500:
        raise EntryError("its radius_km is not above 0 and at most 500")
    return radius
