"""Asking a STAC API, with pystac-client."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import shapely
from pystac.utils import make_absolute_href
from pystac_client import ItemSearch
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from lscube.catalog.paging import PatientIO, fresh_of
from lscube.catalog.static import links_of
from lscube.catalog.unsigning import unsigned
from lscube.catalog.web import FetchError, Patience
from lscube.errors import SceneError
from lscube.grid import arrange_footprint, unwrap
from lscube.markup import clean_text

PAGE = 100
"""Items per page that an API is asked for."""

MOST_VERTICES = 500
"""An area with more vertices is searched by the hulls of its parts."""


@dataclass(frozen=True)
class Query:
    """What a catalogue is asked for."""

    area: BaseGeometry
    """EPSG:4326."""
    collections: tuple[str, ...]
    """Ids of collections."""
    times: tuple[datetime, datetime] | None = None
    """First and last instant (UTC), None for any time."""
    known: bool = False
    """Whether the collections are known to be there; an API may refuse ids that it does not have."""


def search_api(
    address: str,
    link: dict[str, Any],
    landing_page: dict[str, Any],
    query: Query,
    patience: Patience,
) -> tuple[list[dict[str, Any]], str]:
    """Ask for everything that a query is about, page by page.

    Parameters
    ----------
    address, landing_page
        Of the API.
    link
        The landing page's link for searching.
    query
        What to ask for.
    patience
        How long and how often.

    Returns
    -------
    items, address
        As they came, and the address that relative hrefs start from.

    Raises
    ------
    SourceError
        A page cannot be had; then nothing is returned.
    SceneError
        The API has none of the collections.
    """
    io = PatientIO(patience)
    wanted = query.collections if query.known else _present(io, address, landing_page, query)
    target = make_absolute_href(link["href"], address)
    searches = {"POST": [{"intersects": _simple(query.area)}], "GET": _boxes(query.area)}
    method = "POST" if str(link.get("method")).upper() == "POST" else "GET"
    try:
        found = _ask(io, target, method, wanted, query, searches[method])
    except FetchError as error:
        if method == "GET" or error.status not in NO_POST:
            raise
        found = _ask(io, target, "GET", wanted, query, searches["GET"])
    _check_asked_for(found, wanted, query, target)
    return found, target


NO_POST = (403, 404, 405, 501)
"""HTTP statuses of a server, or of a gateway before it, that does not let a search be posted."""


def _ask(
    io: PatientIO,
    target: str,
    method: str,
    wanted: tuple[str, ...],
    query: Query,
    places: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """What one or two searches find, each item once."""
    times: list[datetime | str | None] | None = None if query.times is None else [*query.times]
    searches = [
        ItemSearch(
            target,
            method=method,
            stac_io=io,
            collections=list(wanted),
            datetime=times,
            limit=PAGE,
            **place,
        )
        for place in places
    ]
    return fresh_of([item for search in searches for item in search.items_as_dicts()], set())


def _boxes(area: BaseGeometry) -> list[dict[str, Any]]:
    """The area's bounds, for addresses, which are short; one on each side of the antimeridian."""
    west, south, east, north = unwrap(area).bounds
    if east <= 180:
        return [{"bbox": (west, south, east, north)}]
    return [{"bbox": (west, south, 180.0, north)}, {"bbox": (-180.0, south, east - 360, north)}]


def _check_asked_for(
    found: list[dict[str, Any]], wanted: tuple[str, ...], query: Query, target: str
) -> None:
    """Refuse an answer that is not to the question: what was asked for may be missing in it."""
    others = {name for item in found if isinstance(name := _collection(item), str)} - set(wanted)
    if others:
        shown = clean_text(", ".join(sorted(others)))
        raise FetchError(target, f"it answers with items of {shown}, which were not asked for")
    around = query.area.buffer(1.0)
    elsewhere = sum(not _may_touch(item, around) for item in found)
    if 2 * elsewhere > len(found):
        raise FetchError(
            target, f"{elsewhere} of the {len(found)} items that it gives lie elsewhere"
        )


def _collection(item: Any) -> Any:
    return item.get("collection") if isinstance(item, dict) else None


def _may_touch(item: Any, around: BaseGeometry) -> bool:
    """Whether an item can lie there; what does not tell can."""
    try:
        return bool(arrange_footprint(shape(item["geometry"])).intersects(around))
    except (AttributeError, LookupError, TypeError, ValueError, shapely.errors.ShapelyError):
        return True


def _present(
    io: PatientIO, address: str, landing_page: dict[str, Any], query: Query
) -> tuple[str, ...]:
    """Those of the query's collections that the API has."""
    data = next((link["href"] for link in links_of(landing_page, "data")), "collections")
    pages = io.get_pages(make_absolute_href(data, address.rstrip("/") + "/"))
    entries = [entry for page in pages for entry in page["collections"]]
    there = [str(entry.get("id")) for entry in entries if isinstance(entry, dict)]
    present = tuple(name for name in query.collections if name in there)
    if not present:
        shown = ", ".join(there[:10]) + (", ..." if len(there) > 10 else "")
        raise SceneError(
            f"Expected collection {' or '.join(query.collections)} at {unsigned(address)}, "
            f"found {shown or 'none'}; set source.collections or source.dsm_collections."
        )
    return present


def _simple(area: BaseGeometry) -> dict[str, Any]:
    """The area as GeoJSON; servers bound the size of a request.

    Finding a little more does no harm: what does not touch the area is left out later.
    """
    if shapely.get_num_coordinates(area) > MOST_VERTICES:
        area = shapely.union_all([shapely.convex_hull(part) for part in shapely.get_parts(area)])
    # As JSON has it, with lists for tuples: servers compare what they are sent.
    plain: dict[str, Any] = json.loads(shapely.to_geojson(area))
    return plain
