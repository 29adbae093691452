"""Which scenes: the only room that talks to a STAC API or reads an ItemCollection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pystac
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from pystac.utils import str_to_datetime
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from lscube.errors import AreaError, SceneError, SourceError
from lscube.events import Event
from lscube.files import appearing
from lscube.settings import SourceSettings


@dataclass(frozen=True)
class Scenes:
    """What a cube is made of: an event, an area and the items that show it."""

    event: Event
    """The event between `pre` and `post`."""
    area: BaseGeometry
    """Area of interest, EPSG:4326."""
    pre: tuple[pystac.Item, ...]
    """Scenes before the event, the preferred first."""
    post: tuple[pystac.Item, ...]
    """Scenes after the event, the preferred first."""
    dsm: tuple[pystac.Item, ...]
    """Tiles of the surface model."""
    scl_asset: str = "scl"
    """Asset with the scene classification; items without it are taken as clear."""
    dsm_asset: str = "data"
    """Asset with the elevation in metres."""


def item_time(item: pystac.Item) -> datetime:
    """Acquisition instant of an item, UTC (its `start_datetime` where it has no `datetime`)."""
    when = item.datetime
    if when is None and "start_datetime" in item.properties:
        when = str_to_datetime(item.properties["start_datetime"])
    if when is None:
        raise SceneError(f"Expected a datetime on item {item.id}, found none; give the item one.")
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def read_items(path: Path) -> list[pystac.Item]:
    """Read a STAC ItemCollection; relative hrefs start from the file's folder.

    Raises
    ------
    SourceError
        The file is missing or holds no STAC items.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        collection = pystac.ItemCollection.from_dict(content)
    except OSError:
        raise SourceError(
            f"Expected STAC items at {path}, found no file; check the path."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, *_STAC_ERRORS) as error:
        raise SourceError(
            f"Expected a STAC ItemCollection in {path}, but it cannot be read as one ({error}); "
            "save the result of a STAC search."
        ) from None
    for item in collection.items:
        item.set_self_href(str(path.resolve()))
        item.make_asset_hrefs_absolute()
    return [_checked(item) for item in collection.items]


_STAC_ERRORS = (pystac.STACError, pystac.STACTypeError)


def _checked(item: pystac.Item) -> pystac.Item:
    """Refuse an item whose metadata cannot be used, naming it."""
    unusable = (ValueError, TypeError, KeyError, IndexError, AttributeError, CRSError)
    try:
        _footprint(item)
        _cloud(item)
        item_time(item)
        for fields in (item.properties, *(asset.extra_fields for asset in item.assets.values())):
            _check_fields(fields)
    except (*unusable, shapely.errors.ShapelyError) as error:
        raise SourceError(
            f"Expected usable metadata on item {item.id}, but {error}; mend the item or leave it out."
        ) from None
    return item


def _check_fields(fields: dict[str, Any]) -> None:
    """Try the fields of the projection and raster extensions that a cube relies on."""
    code = fields.get("proj:code") or fields.get("proj:epsg")
    if code:
        CRS.from_user_input(code)
    rows, columns = (int(size) for size in fields.get("proj:shape") or (1, 1))
    transform = [float(value) for value in fields.get("proj:transform") or range(6)]
    if rows < 1 or columns < 1 or len(transform) < 6:
        raise ValueError("its proj:shape and proj:transform make no grid")
    bands = fields.get("raster:bands") or [{}]
    for name in ("scale", "offset"):
        float(bands[0].get(name, 0))
        float(fields.get(f"raster:{name}", 0))


def search_items(
    api: str, area: BaseGeometry, collections: Iterable[str], interval: str | None
) -> list[pystac.Item]:
    """Ask a STAC API, page by page.

    Parameters
    ----------
    api
        Address of the API.
    area
        EPSG:4326.
    collections
        Ids of the collections to search; those that the API does not have are skipped.
    interval
        "start/end" in ISO 8601, or None for any time.

    Raises
    ------
    SourceError
        The API cannot be reached or answers with an error.
    """
    import pystac_client

    try:
        client = pystac_client.Client.open(api)
        known = {collection.id for collection in client.get_collections()}
        wanted = [name for name in collections if name in known]
        if not wanted:
            return []
        search = client.search(
            collections=wanted, intersects=area.__geo_interface__, datetime=interval, limit=100
        )
        return [_checked(item) for item in search.items()]
    except (
        pystac_client.exceptions.APIError,
        OSError,
        *_STAC_ERRORS,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(
            f"Expected a STAC API at {api}, but asking it failed ({reason}); check address and network."
        ) from None


Search = Callable[[str, BaseGeometry, Iterable[str], str | None], list[pystac.Item]]


def find_scenes(
    area: BaseGeometry,
    event: Event,
    source: SourceSettings,
    search: Search = search_items,
) -> Scenes:
    """Find the scenes before and after an event and the surface model.

    Before: the clearest first, and of equally clear ones the latest. After: in order of time,
    so that an early map fills up as scenes arrive.

    Parameters
    ----------
    area
        EPSG:4326.
    event, source
        What to look for, and where.
    search
        How a STAC API is asked; tests hand in their own.

    Raises
    ------
    SourceError, AreaError, SceneError
        The source cannot be read, the area is outside every scene, or there is no scene before
        the event, none after it, or no surface model.
    """
    everything = _all_items(area, event, source, search)
    optical = [item for item in everything if _collection(item) in source.collections]
    if not optical:
        raise SceneError(
            f"Expected scenes of {', '.join(source.collections)}, found items of "
            f"{', '.join(sorted({_collection(i) for i in everything})) or 'no collection'}; "
            "set source.collections."
        )
    touching = [item for item in optical if _touches(item, area)]
    if not touching:
        raise AreaError(
            f"Expected an area within the scenes ({_extent(optical)}), "
            f"got one at {_format_bounds(area.bounds)}; choose another area or source."
        )
    pre, post = _before(touching, event, source), _after(touching, event, source)
    if not pre:
        raise SceneError(_missing("before", event, touching, source))
    if not post:
        raise SceneError(_missing("after", event, touching, source))
    return Scenes(
        event,
        area,
        pre,
        post,
        _surface_model(everything, area, source),
        source.scl_asset,
        source.dsm_asset,
    )


def _all_items(
    area: BaseGeometry, event: Event, source: SourceSettings, search: Search
) -> list[pystac.Item]:
    if source.items is not None:
        return read_items(source.items)
    assert source.api is not None  # the settings hold exactly one of the two
    start = event.start - timedelta(days=source.days_before)
    end = event.end + timedelta(days=source.days_after)
    interval = f"{start:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}"
    return [
        *search(source.api, area, source.collections, interval),
        *search(source.api, area, source.dsm_collections, None),
    ]


def _collection(item: pystac.Item) -> str:
    return item.collection_id or ""


def _footprint(item: pystac.Item) -> BaseGeometry:
    if item.geometry:
        footprint: BaseGeometry = shape(item.geometry)
        return footprint
    if not item.bbox:
        raise ValueError("it has neither geometry nor bbox")
    return shapely.box(*item.bbox)


def _touches(item: pystac.Item, area: BaseGeometry) -> bool:
    return bool(_footprint(item).intersects(area))


def _cloud(item: pystac.Item) -> float | None:
    """Cloud cover in percent, None where the item does not say."""
    cover = item.properties.get("eo:cloud_cover")
    return None if cover is None else float(cover)


def _cloudiness(item: pystac.Item) -> float:
    """Cloud cover to sort by: what is not known comes last."""
    cover = _cloud(item)
    return 101.0 if cover is None else cover


def _tile(item: pystac.Item) -> str:
    named = item.properties.get("grid:code") or item.properties.get("s2:mgrs_tile")
    return str(named or [round(value, 2) for value in _footprint(item).bounds])


def _clearest_per_tile(items: list[pystac.Item], source: SourceSettings) -> list[pystac.Item]:
    """Drop cloudy scenes and keep the clearest `max_scenes` of each tile, clearest first."""
    kept: list[pystac.Item] = []
    count: dict[str, int] = {}
    for item in sorted(items, key=_cloudiness):
        tile, cloud = _tile(item), _cloud(item)
        clear_enough = cloud is None or cloud <= source.max_cloud
        if clear_enough and count.get(tile, 0) < source.max_scenes:
            count[tile] = count.get(tile, 0) + 1
            kept.append(item)
    return kept


def _before(
    items: list[pystac.Item], event: Event, source: SourceSettings
) -> tuple[pystac.Item, ...]:
    earliest = event.start - timedelta(days=source.days_before)
    found = [item for item in items if earliest <= item_time(item) < event.start]
    found.sort(key=item_time, reverse=True)
    return tuple(_clearest_per_tile(found, source))


def _after(
    items: list[pystac.Item], event: Event, source: SourceSettings
) -> tuple[pystac.Item, ...]:
    latest = event.end + timedelta(days=source.days_after)
    found = [item for item in items if event.end <= item_time(item) <= latest]
    return tuple(sorted(_clearest_per_tile(found, source), key=item_time))


def _surface_model(
    items: list[pystac.Item], area: BaseGeometry, source: SourceSettings
) -> tuple[pystac.Item, ...]:
    for name in source.dsm_collections:
        found = [item for item in items if _collection(item) == name and _touches(item, area)]
        if found:
            return tuple(sorted(found, key=lambda item: item.id))
    raise SceneError(
        f"Expected a surface model (collection {' or '.join(source.dsm_collections)}) over the area, "
        "found none; add its items to the source or set source.dsm_collections."
    )


def _missing(side: str, event: Event, items: list[pystac.Item], source: SourceSettings) -> str:
    days = source.days_before if side == "before" else source.days_after
    times = sorted(item_time(item) for item in items)
    return (
        f"Expected a scene {side} the event ({event.start:%Y-%m-%d %H:%M} UTC), at most {days} days off "
        f"and {source.max_cloud:g} % cloudy; the {len(items)} scenes over the area are of "
        f"{times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}; check event.time, source.days_{side} "
        "and source.max_cloud."
    )


def _format_bounds(bounds: tuple[float, ...]) -> str:
    west, south, east, north = bounds
    return f"longitude {west:.3f} to {east:.3f}, latitude {south:.3f} to {north:.3f}"


def _extent(items: list[pystac.Item]) -> str:
    return _format_bounds(shapely.total_bounds([_footprint(item) for item in items]))


def find_asset(item: pystac.Item, band: str) -> str:
    """Key of the asset that holds a band, by its key or by its common name.

    Raises
    ------
    SceneError
        The item has no such asset.
    """
    if band in item.assets:
        return band
    for key, asset in item.assets.items():
        if _common_names(asset) == [band] and "overview" not in (asset.roles or []):
            return key
    raise SceneError(
        f"Expected an asset with band '{band}' on item {item.id}, found {', '.join(sorted(item.assets))}; "
        "choose other bands or another collection."
    )


def _common_names(asset: pystac.Asset) -> list[Any]:
    fields = asset.extra_fields
    bands = fields.get("bands") or fields.get("eo:bands") or []
    return [band.get("eo:common_name") or band.get("common_name") for band in bands]


def freeze(scenes: Scenes, path: Path) -> None:
    """Write the scenes as an ItemCollection, which is accepted wherever a source is."""
    items = [*scenes.pre, *scenes.post, *scenes.dsm]
    collection = pystac.ItemCollection(items)
    with appearing(path) as partial:
        partial.write_text(json.dumps(collection.to_dict(), indent=1), encoding="utf-8")
