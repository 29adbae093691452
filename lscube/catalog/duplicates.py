"""The same acquisition more than once: which one stays."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pystac
import shapely

from lscube.catalog.items import (
    baseline_of,
    collection_of,
    datastrip_time,
    datatake_of,
    footprint,
    generation_time,
    item_time,
    level_of,
    platform_of,
    tile_of,
)

log = logging.getLogger("lscube.catalog")

SAME_PASS = timedelta(minutes=10)
"""A satellite sees a place once in a hundred minutes at most; scenes this close are of one pass."""

COVERED = 0.9
"""Share of a footprint that must be in other scenes for a scene to be replaced by them."""


@dataclass(frozen=True)
class Dropped:
    """A scene that was left out."""

    item: pystac.Item
    """The scene."""
    other: pystac.Item
    """The scene that stays in its place."""
    why: str
    """Why the other one."""

    def __str__(self) -> str:
        item, other = (f"{i.id} ({collection_of(i)})" for i in (self.item, self.other))
        return f"{item} was left out for {other}, the same acquisition: {self.why}"


def drop_duplicates(
    items: Iterable[pystac.Item], collections: Sequence[str]
) -> tuple[list[pystac.Item], tuple[Dropped, ...]]:
    """Keep each acquisition of a tile once.

    Of one tile and datatake, the product level of the collection listed first stays; of that the
    newest processing baseline; then, within a datastrip, the collection listed first and the latest
    generation. Different datastrips are complementary parts and stay, as does an older scene of
    which the newer ones show less than nine tenths. What cannot be told apart for certain stays.

    Parameters
    ----------
    items
        Scenes in any order; the result does not depend on it.
    collections
        The preferred first.

    Returns
    -------
    tuple
        The scenes that stay, and those that do not; each of these is logged.
    """
    groups = _passes(sorted(items, key=_key))
    kept: list[pystac.Item] = []
    dropped: list[Dropped] = []
    for group in groups:
        kept += _best(group, collections, dropped)
    for one in dropped:
        log.info("%s", one)
    return kept, tuple(dropped)


def _key(item: pystac.Item) -> tuple[str, ...]:
    """An order that does not depend on how items came."""
    names = (item.id, collection_of(item), generation_time(item), str(baseline_of(item)))
    return (item_time(item).isoformat(), *names, footprint(item).wkt)


def _passes(items: list[pystac.Item]) -> list[list[pystac.Item]]:
    """Group scenes of one tile and one pass of a satellite; `items` are in order of time."""
    groups: list[list[pystac.Item]] = []
    latest: dict[tuple[str, str], list[pystac.Item]] = {}
    for item in items:
        place = (tile_of(item), platform_of(item))
        group = latest.get(place)
        if group is None or item_time(item) - item_time(group[-1]) > SAME_PASS:
            group = latest[place] = []
            groups.append(group)
        group.append(item)
    return [part for group in groups for part in _datatakes(group)]


def _datatakes(group: list[pystac.Item]) -> list[list[pystac.Item]]:
    """Divide a group by datatake; a scene without one belongs to the only one there is."""
    parts: dict[str, list[pystac.Item]] = defaultdict(list)
    for item in group:
        parts[_short(datatake_of(item))].append(item)
    if len(parts) == 2 and "" in parts:
        return [group]
    return list(parts.values())


def _short(datatake: str | None) -> str:
    """Satellite and start of a datatake, without the orbit number, which names do not give."""
    return "_".join((datatake or "").split("_")[:2])


def _best(
    group: list[pystac.Item], collections: Sequence[str], dropped: list[Dropped]
) -> list[pystac.Item]:
    """What stays of the scenes of one tile and pass; what does not is added to `dropped`."""
    if len(group) == 1:
        return group
    order = {name: number for number, name in enumerate(collections)}
    level = _preferred_level(group, order, dropped)
    newest = max(_baseline(item) for item in level)
    winners = _one_per_strip([i for i in level if _baseline(i) == newest], order, dropped)
    for item in sorted(level, key=_baseline, reverse=True):
        if _baseline(item) == newest:
            continue
        if _covered(item, winners):
            dropped.append(Dropped(item, winners[0], "it has the newest processing baseline"))
        else:
            winners.append(item)
    return winners


def _preferred_level(
    group: list[pystac.Item], order: dict[str, int], dropped: list[Dropped]
) -> list[pystac.Item]:
    """The scenes of the product level whose collection is listed first."""
    levels: dict[str | None, list[pystac.Item]] = defaultdict(list)
    for item in sorted(group, key=lambda i: order.get(collection_of(i), len(order))):
        levels[level_of(item)].append(item)
    first, *others = levels.values()
    for item in (item for other in others for item in other):
        dropped.append(Dropped(item, first[0], "its product level is preferred"))
    return first


def _baseline(item: pystac.Item) -> float:
    found = baseline_of(item)
    return -math.inf if found is None else found


def _one_per_strip(
    items: list[pystac.Item], order: dict[str, int], dropped: list[Dropped]
) -> list[pystac.Item]:
    """Of scenes of one baseline, the best one of each datastrip."""
    strips: dict[str, list[pystac.Item]] = defaultdict(list)
    for item in items:
        # A scene whose datastrip is not known can only be told from its own copies.
        strips[datastrip_time(item) or f"item {item.id}"].append(item)
    kept = []
    for strip in strips.values():
        latest_first = sorted(strip, key=generation_time, reverse=True)
        best, *rest = sorted(latest_first, key=lambda i: order.get(collection_of(i), len(order)))
        kept.append(best)
        for item in rest:
            same = collection_of(item) == collection_of(best)
            why = "it was generated later" if same else "its collection is preferred"
            dropped.append(Dropped(item, best, why))
    return kept


def _covered(item: pystac.Item, others: list[pystac.Item]) -> bool:
    """Whether other scenes show (nearly) all that an item shows."""
    mine = footprint(item)
    theirs = shapely.union_all([footprint(other) for other in others])
    return bool(mine.intersection(theirs).area >= COVERED * mine.area)
