"""Which scenes show an event: asked of one catalogue after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pystac
import shapely
from shapely.geometry.base import BaseGeometry

from lscube.catalog.api import Query
from lscube.catalog.duplicates import drop_duplicates
from lscube.catalog.items import (
    cloud_cover,
    cloudiness,
    collection_of,
    footprint,
    item_time,
    pass_of,
    tile_of,
)
from lscube.catalog.presets import Preset, preset_of
from lscube.catalog.scenes import Scenes
from lscube.catalog.season import YEAR, Period, periods_of, unlike
from lscube.catalog.sources import Answer, Ask, Search, open_catalog
from lscube.catalog.unsigning import unsigned
from lscube.catalog.web import Patience
from lscube.errors import AreaError, InputError, SceneError, SourceError
from lscube.events import Event
from lscube.grid import unwrap
from lscube.settings import SourceSettings

log = logging.getLogger("lscube.catalog")

Found = TypeVar("Found")

ENOUGH = 3
"""Passes before the event below which those of another season, under snow or a low sun help out."""

CLOUD_OF_A_YEAR = 15.0
"""Percent of cloud that a year of age counts for."""


def find_scenes(
    area: BaseGeometry,
    event: Event,
    source: SourceSettings,
    ask: Ask = open_catalog,
) -> Scenes:
    """Find the scenes before and after an event and the surface model.

    Catalogues are asked in order until one has scenes of both sides, and, independently, until one
    has a surface model; those passed over are named in the notes and in the log. Before: the
    clearest first, and of equally clear ones the latest. After: in order of time, so that an
    early map fills up as scenes arrive. Scenes before that are of the event's season come first
    (`choose_before`), also those of some years before.

    Parameters
    ----------
    area
        EPSG:4326.
    event, source
        What to look for, and where.
    ask
        How a catalogue is opened; tests hand in their own.

    Raises
    ------
    SourceError, AreaError, SceneError
        No catalogue can be asked, the area is outside every scene, or there is no scene before
        the event, none after it, or no surface model; of several catalogues, the reason of each.
    """
    patience = Patience(source.attempts, source.timeout)
    catalogs = [_Catalog(where, source, ask, patience) for where in source.catalogs]
    notes: list[str] = []
    pre, post = _first(
        "scenes", catalogs, notes, lambda one: _scenes(one, area, event, source, notes)
    )
    try:
        dsm = _first(
            "a surface model", catalogs, notes, lambda one: _surface_model(one, area, notes)
        )
    except SceneError as error:
        if "dsm" not in source.optional:
            raise
        dsm = ()
        notes.append(f"There is no surface model: {_reason(error)}")
    once = tuple(dict.fromkeys(notes))
    return Scenes(event, area, pre, post, dsm, source.scl_asset, source.dsm_asset, once)


def find_surface(
    area: BaseGeometry, source: SourceSettings, ask: Ask = open_catalog
) -> tuple[pystac.Item, ...]:
    """Find the surface model alone, as `find_scenes` does.

    Raises
    ------
    SourceError, SceneError
        No catalogue can be asked, or none has one over the area.
    """
    patience = Patience(source.attempts, source.timeout)
    catalogs = [_Catalog(where, source, ask, patience) for where in source.catalogs]
    return _first("a surface model", catalogs, [], lambda one: _surface_model(one, area, []))


class _Catalog:
    """One of the catalogues, opened when it is first asked; one that failed is not tried again."""

    def __init__(
        self, where: str | Path, source: SourceSettings, ask: Ask, patience: Patience
    ) -> None:
        self.name = unsigned(str(where))
        self.preset: Preset = preset_of(where, source.collections, source.dsm_collections)
        self._ask, self._patience = ask, patience
        self._opened: Search | SourceError | None = None

    def search(self, query: Query) -> Answer:
        if self._opened is None:
            try:
                self._opened = self._ask(self.preset.address, self._patience)
            except SourceError as error:
                self._opened = error
        if isinstance(self._opened, SourceError):
            raise self._opened
        return self._opened(query)


def _first(
    what: str,
    catalogs: Sequence[_Catalog],
    notes: list[str],
    find: Callable[[_Catalog], Found],
) -> Found:
    """The first catalogue's answer that serves."""
    failures: list[tuple[_Catalog, InputError]] = []
    for catalog in catalogs:
        try:
            return find(catalog)
        except (SourceError, AreaError, SceneError) as error:
            failures.append((catalog, error))
        if len(catalogs) > 1:
            notes.append(f"{catalog.name} was passed over for {what}: {_reason(failures[-1][1])}")
            log.warning("%s", notes[-1])
    raise _none_serves(what, failures) from None


def _none_serves(what: str, failures: list[tuple[_Catalog, InputError]]) -> InputError:
    """What the last catalogue that answered says, with the reasons of the others."""
    answered = [error for _, error in failures if not isinstance(error, SourceError)]
    last = answered[-1] if answered else failures[-1][1]
    if len(failures) == 1:
        return last
    kind = next(kind for kind in (SourceError, AreaError, SceneError) if isinstance(last, kind))
    reasons = "; ".join(f"{catalog.name}: {_reason(error)}" for catalog, error in failures)
    return kind(
        f"Expected {what} from one of {len(failures)} catalogues, but none serves ({reasons}); "
        "check the settings of [source] or add a catalogue."
    )


def _reason(error: InputError) -> str:
    """What an error says, without its advice."""
    return str(error).rpartition(";")[0] or str(error)


def _scenes(
    catalog: _Catalog,
    area: BaseGeometry,
    event: Event,
    source: SourceSettings,
    notes: list[str],
) -> tuple[tuple[pystac.Item, ...], tuple[pystac.Item, ...]]:
    """The scenes of both sides in one catalogue."""
    wanted = catalog.preset.collections
    answer = _asked(catalog, area, periods_of(event, source))
    touching = _over_area(answer.items, area, wanted)
    distinct, dropped = drop_duplicates(touching, wanted)
    pre, post = _before(distinct, event, source), _after(distinct, event, source)
    for side, name, found in (("before", "pre", pre), ("after", "post", post)):
        if not found and name not in source.optional:
            raise SceneError(_missing(side, event, distinct, source))
    # Of the many at Earth Search, which has two collections, only those of scenes that matter here.
    notes += [*answer.notes, *(str(one) for one in dropped if one.other in (*pre, *post))]
    return pre, post


def _asked(catalog: _Catalog, area: BaseGeometry, periods: Sequence[Period]) -> Answer:
    """Items of all periods, each once."""
    wanted, known = catalog.preset.collections, catalog.preset.known
    answers = [catalog.search(Query(area, wanted, times, known)) for times in periods]
    items = {(item.collection_id, item.id): item for one in answers for item in one.items}
    notes = dict.fromkeys(note for one in answers for note in one.notes)
    return Answer(tuple(items.values()), tuple(notes))


def _over_area(
    items: Sequence[pystac.Item], area: BaseGeometry, wanted: Sequence[str]
) -> list[pystac.Item]:
    """Items of some collections that touch the area."""
    optical = [item for item in items if collection_of(item) in wanted]
    if not optical:
        found = sorted({collection_of(item) or "no collection" for item in items})
        raise SceneError(
            f"Expected scenes of {', '.join(wanted)}, found "
            f"{'items of ' + ', '.join(found) if found else 'none'}; "
            "set source.collections, or check area and time."
        )
    touching = [item for item in optical if _touches(item, area)]
    if not touching:
        raise AreaError(
            f"Expected an area within the scenes ({_extent(optical)}), "
            f"got one at {_format_bounds(area)}; choose another area or source."
        )
    return touching


def _touches(item: pystac.Item, area: BaseGeometry) -> bool:
    """Whether an item shows some of the area."""
    return bool(footprint(item).intersects(area))


def clearest_per_tile(
    items: Sequence[pystac.Item],
    source: SourceSettings,
    rank: Callable[[pystac.Item], float] = cloudiness,
) -> list[pystac.Item]:
    """Drop cloudy scenes and keep the first `max_scenes` passes of each tile, by default the clearest."""
    kept: list[pystac.Item] = []
    passes: dict[str, set[str]] = {}
    for item in sorted(items, key=rank):
        cloud, seen = cloud_cover(item), passes.setdefault(tile_of(item), set())
        clear_enough = cloud is None or cloud <= source.max_cloud
        if clear_enough and len(seen | {pass_of(item)}) <= source.max_scenes:
            seen.add(pass_of(item))
            kept.append(item)
    return kept


def choose_before(
    items: Sequence[pystac.Item], event: Event, source: SourceSettings
) -> list[pystac.Item]:
    """The scenes before an event that are compared with what comes after it.

    Of each tile the clearest of the event's season, without much snow and under a high sun
    (`lscube.catalog.season`); where they are fewer than three passes, the clearest others beside them. A
    scene's age counts: what changed in the years between is no landslide of this event.
    """

    def rank(item: pystac.Item) -> float:
        age = (event.start - item_time(item)).days // YEAR
        return cloudiness(item) + CLOUD_OF_A_YEAR * age

    alike = {id(item) for item in items if not unlike(item, event, source)}
    kept = clearest_per_tile([item for item in items if id(item) in alike], source, rank)
    passes: dict[str, set[str]] = {}
    for item in kept:
        passes.setdefault(tile_of(item), set()).add(pass_of(item))
    others = clearest_per_tile([item for item in items if id(item) not in alike], source, rank)
    enough = min(ENOUGH, source.max_scenes)
    for item in others:
        seen = passes.setdefault(tile_of(item), set())
        if len(seen | {pass_of(item)}) <= max(enough, len(seen)):
            seen.add(pass_of(item))
            kept.append(item)
    return kept


def _before(
    items: list[pystac.Item], event: Event, source: SourceSettings
) -> tuple[pystac.Item, ...]:
    """In the periods before; equally clear ones the latest first."""
    periods = periods_of(event, source)
    found = [
        item
        for item in items
        if item_time(item) < event.start
        and any(first <= item_time(item) <= last for first, last in periods)
    ]
    found.sort(key=item_time, reverse=True)
    return tuple(choose_before(found, event, source))


def _after(
    items: list[pystac.Item], event: Event, source: SourceSettings
) -> tuple[pystac.Item, ...]:
    latest = event.end + timedelta(days=source.days_after)
    found = [item for item in items if event.end <= item_time(item) <= latest]
    return tuple(sorted(clearest_per_tile(found, source), key=item_time))


def _surface_model(
    catalog: _Catalog, area: BaseGeometry, notes: list[str]
) -> tuple[pystac.Item, ...]:
    """The tiles of the preferred surface model in one catalogue."""
    wanted = catalog.preset.dsm_collections
    answer = catalog.search(Query(area, wanted, None, catalog.preset.known))
    notes += answer.notes
    for name in wanted:
        found = [i for i in answer.items if collection_of(i) == name and _touches(i, area)]
        if found:
            return tuple(sorted(found, key=lambda item: item.id))
    raise SceneError(
        f"Expected a surface model (collection {' or '.join(wanted)}) over the area, "
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


def _format_bounds(area: BaseGeometry) -> str:
    west, south, east, north = unwrap(area).bounds
    return f"longitude {west:.3f} to {east:.3f}, latitude {south:.3f} to {north:.3f}"


def _extent(items: list[pystac.Item]) -> str:
    return _format_bounds(shapely.union_all([footprint(item) for item in items]))
