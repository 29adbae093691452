"""What the readings of all feeds share: instants, colours, bounds, names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from lscube.errors import RefusedError, SourceError
from lscube.markup import clean_text
from lscube.scan.guard.documents import number
from lscube.scan.hazard import Colour, Hazard
from lscube.settings.scan_rules import LimitSettings

Bounds = tuple[float, float, float, float]
Entry = TypeVar("Entry")

COLOURS: tuple[Colour, ...] = ("green", "yellow", "orange", "red")
"""Alert levels, the lowest first."""

EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
"""Instants outside are a feed's mistake."""


class EntryError(ValueError):
    """An entry of a feed says nothing that can be used; it will not get better by asking again."""


class DoubtError(EntryError):
    """An entry of a feed is understood, but not believed."""


def colour(value: Any) -> Colour | None:
    """Alert level of a feed's text, None for what is none ("pending")."""
    text = str(value).strip().lower() if isinstance(value, str) else ""
    return next((one for one in COLOURS if one == text), None)


def member(content: Any, *names: str) -> Any:
    """What stands in objects in one another, None where a name is missing."""
    for name in names:
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def instant(value: Any) -> datetime | None:
    """UTC instant of milliseconds since 1970, of RFC 822 or of ISO 8601 (without zone: UTC)."""
    try:
        found = _instant(value)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return found if EARLIEST <= found < LATEST else None


def _instant(value: Any) -> datetime:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
    text = str(value)[:64].strip()
    found = parsedate_to_datetime(text) if "," in text else datetime.fromisoformat(text)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def bounds_of(west: Any, south: Any, east: Any, north: Any) -> Bounds | None:
    """Bounds in degrees, longitudes brought to -180 to 180; None where they are none."""
    found = [number(value) for value in (west, south, east, north)]
    w, s, e, n = (value if value is not None else float("nan") for value in found)
    if not (-90 <= s < n <= 90 and 0 < (e - w if e > w else e + 360 - w) < 360):
        return None
    return (_around(w), s, _around(e), n)


def _around(longitude: float) -> float:
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180


def place(longitude: Any, latitude: Any) -> tuple[float, float]:
    """Longitude and latitude of an entry.

    Raises
    ------
    EntryError
        They are no place on the Earth.
    """
    x, y = number(longitude), number(latitude)
    if x is None or y is None or abs(x) > 360 or abs(y) > 90:
        raise EntryError("it has no place")
    return _around(x), y


def safe_name(value: Any) -> str:
    """A native id as part of an event's id.

    Raises
    ------
    EntryError
        It holds other characters than letters, digits, '-' and '_', or is empty or long.
    """
    text = value if isinstance(value, str) else ""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", text):
        raise EntryError(f"its id {clean_text(text, 60)!r} is not letters, digits, '-' and '_'")
    return text


def web_page(value: Any) -> str | None:
    """Address of a page, None for what is none."""
    if (
        not isinstance(value, str)
        or len(value) > 2000
        or re.search(r"[\s\x00-\x1f<>\"'`\\]", value)
    ):
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    plain = parts.scheme in ("http", "https") and parts.netloc and "@" not in parts.netloc
    return value if plain and clean_text(value, 2000) == value else None


def each(
    entries: Iterable[Entry],
    read: Callable[[Entry], Hazard | None],
    origin: str,
    skip: Callable[[str], None],
) -> Iterator[Hazard]:
    """Events of a feed's entries, of which a bad one does not stop the others.

    Parameters
    ----------
    entries
        Of a feed.
    read
        Reads one; None: it is of no interest. An `EntryError` skips it for good.
    origin
        The feed, for messages.
    skip
        Told of what is skipped for good.

    Raises
    ------
    SourceError
        In the end, where some could not be had that may be had later, or none can be understood: that is
        no quiet day, but another feed than the one that is known.
    """
    failed, odd, count = [], [], 0
    for entry in entries:
        count += 1
        try:
            hazard = read(entry)
        except EntryError as error:
            skip(f"{origin}: an entry was skipped: {clean_text(error)}")
            if not isinstance(error, DoubtError):
                odd.append(clean_text(error))
        except SourceError as error:
            failed.append(str(error))
        else:
            if hazard is not None:
                yield hazard
    if odd and len(odd) == count:
        raise SourceError(
            f"Expected {origin}, but none of the {count} entries that came can be understood ({odd[0]}); see "
            "whether the address is still the right one, and whether the feed has changed."
        )
    if odd:
        skip(f"{origin}: {len(odd)} of {count} entries could not be understood")
    if failed:
        raise SourceError(
            f"Expected all events of {origin}, but {len(failed)} could not be had ({failed[0]}); "
            "they are asked for again with the next scan."
        )


def features_of(document: Any, origin: str, limits: LimitSettings) -> list[Any]:
    """The features of a GeoJSON FeatureCollection.

    Raises
    ------
    SourceError
        It is none, or has more than are taken.
    """
    features = member(document, "features")
    if not isinstance(features, list):
        raise SourceError(
            f"Expected a GeoJSON FeatureCollection with {origin}, found something else; "
            "check the address."
        )
    if len(features) > limits.features:
        raise RefusedError(
            f"Expected at most {limits.features:,} features with {origin}, found {len(features):,}; "
            "see [limits]."
        )
    return features
