"""What becomes of an event, step by step; each step gives the record as it is afterwards.

::

    new -> declined                            no rule wants it, or there is nothing to map
        -> followed: area -> waiting -> making -> (a version) -> waiting -> ...
        -> ended                               long enough, or all clear
    any -> deleted                             taken back by its source
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from lscube.catalog import Scenes
from lscube.errors import AreaError, OtherRunError, SceneError
from lscube.scan import versions
from lscube.scan.alerts.message import withdrawal
from lscube.scan.hazard import Hazard
from lscube.scan.looking import digest_of, digest_scenes, measure_clear, search
from lscube.scan.record import EventRecord, Phase, Version
from lscube.scan.world import World

Begin = Callable[[World, EventRecord, Scenes, float], EventRecord]
"""Begins a version; a dry run has its own."""

_WHERE = ("longitude", "latitude", "magnitude", "bounds", "contours", "outline", "radius", "mmi")
"""What an event's area follows from."""


def revise(record: EventRecord, hazard: Hazard) -> EventRecord:
    """Take a later state of a hazard."""
    told = replace(record, hazard=hazard)
    if hazard.deleted:
        return _delete(told)
    moved = any(getattr(hazard, name) != getattr(record.hazard, name) for name in _WHERE)
    if moved:
        told = replace(told, area=None, nothing_to_map=False, looked_at="")
    if record.phase == "deleted":
        told = replace(told, reason="its source tells of it again")
    if not record.versions:
        # What was wanted for a first estimate may not be for a better one, and the other way round.
        return replace(told, phase="new", nothing_to_map=False, trouble=None)
    if record.phase == "deleted" or (record.phase == "ended" and moved):
        return replace(told, phase="followed", trouble=None)
    return told


def _delete(record: EventRecord) -> EventRecord:
    alerts = record.alerts
    if record.versions and record.phase != "deleted":
        alerts = (*alerts, withdrawal(record))
    return replace(
        record,
        phase="deleted",
        reason="its source took it back",
        waits_for="",
        alerts=tuple({alert.id: alert for alert in alerts}.values()),
        trouble=None,
    )


def find_area(world: World, record: EventRecord) -> EventRecord:
    """Find where an event is mapped; without any such place it is left alone until it is another one."""
    try:
        found = world.area_of(record.hazard)
    except AreaError as error:
        phase: Phase = "ended" if record.versions else "declined"
        return replace(record, phase=phase, reason=str(error), waits_for="", nothing_to_map=True)
    return replace(
        record,
        area=found.geometry.wkt,
        nothing_to_map=False,
        area_km2=round(found.km2, 3),
        area_why=tuple(found.why),
        waits_for="scenes",
    )


def ends_at(world: World, record: EventRecord) -> datetime:
    """Until when an event is watched."""
    start = record.hazard.end or record.hazard.time
    return start + timedelta(days=world.settings.watch.days)


def give_up(world: World, record: EventRecord) -> EventRecord:
    """End an event that failed again and again until its days were over."""
    trouble, watch = record.trouble, world.settings.watch
    over = world.clock() >= ends_at(world, record)
    if (
        trouble is None
        or record.phase != "followed"
        or not over
        or trouble.attempts < watch.attempts
    ):
        return record
    reason = (
        f"{watch.days:g} days are over, and it failed {trouble.attempts} times: {trouble.reason}"
    )
    return replace(record, phase="ended", reason=reason, waits_for="", trouble=None)


def look(world: World, record: EventRecord, begin: Begin) -> EventRecord:
    """Search scenes, and begin a version if they show enough that is new."""
    over = world.clock() >= ends_at(world, record)
    try:
        scenes = search(world, record)
    except (SceneError, AreaError) as error:
        return _wait_or_end(world, record, f"scenes ({_short(error)})", over)
    for side, name in ((scenes.pre, "before"), (scenes.post, "after")):
        if not side:
            return _wait_or_end(world, record, f"a scene {name} the event", over)
    seen = digest_scenes(record, scenes)
    if seen != record.looked_at:
        found = measure_clear(world, scenes)
        record = replace(
            record, clear=round(found.share, 6), looked_at=seen if found.certain else ""
        )
        world.log(logging.INFO, record.id, "%.1f %% of the area are clear", 100 * record.clear)
    if _is_worth(world, record, scenes, over):
        return begin(world, record, scenes, record.clear)
    if record.versions and record.clear >= world.settings.watch.complete and not _is_lossy(record):
        return replace(record, phase="ended", reason="all of its area is clear", waits_for="")
    return _wait_or_end(world, record, _missing(world, record), over)


def _is_worth(world: World, record: EventRecord, scenes: Scenes, over: bool) -> bool:
    """Whether a version is to be made now."""
    watch = world.settings.watch
    if not record.versions:
        return record.clear >= watch.clear_share if not over else record.clear > 0
    last = record.versions[-1]
    if last.area != digest_of(str(record.area)):
        return record.clear > 0
    if _is_lossy(record) and world.clock() >= _try_again(world, record):
        return True
    more = record.clear - last.clear
    if more <= 0 or tuple(item.id for item in scenes.post) == last.scenes:
        return False
    return more >= watch.gain or over or record.clear >= watch.complete


def _is_lossy(record: EventRecord) -> bool:
    return bool(record.versions and record.versions[-1].lost)


def _try_again(world: World, record: EventRecord) -> datetime:
    """When a version is made anew because something could not be read."""
    lossy = 0
    for version in reversed(record.versions):
        if not version.lost:
            break
        lossy += 1
    if lossy >= world.settings.watch.attempts:
        return datetime.max.replace(tzinfo=UTC)
    return record.versions[-1].created + pause(world, lossy)


def pause(world: World, attempts: int) -> timedelta:
    """How long to wait after so many failures."""
    minutes = world.settings.watch.retry * 2.0 ** min(attempts - 1, 20)
    return timedelta(minutes=min(minutes, 1440.0))


def _missing(world: World, record: EventRecord) -> str:
    if not record.versions:
        return f"{world.settings.watch.clear_share:.0%} of its area to be clear (now {record.clear:.1%})"
    if _is_lossy(record):
        return f"items that could not be read: {', '.join(record.versions[-1].lost)}"
    wanted = min(
        record.versions[-1].clear + world.settings.watch.gain, world.settings.watch.complete
    )
    return f"scenes in which {wanted:.1%} of its area are clear (now {record.clear:.1%})"


def _wait_or_end(world: World, record: EventRecord, missing: str, over: bool) -> EventRecord:
    if not over:
        return replace(record, waits_for=missing)
    days = world.settings.watch.days
    reason = f"{days:g} days are over; it still waited for {missing}"
    return replace(record, phase="ended", reason=reason, waits_for="")


def _short(error: Exception) -> str:
    return str(error).partition(";")[0]


def go_on_making(world: World, record: EventRecord, version: Version) -> EventRecord:
    """Go on with a version, or drop it if another is wanted by now."""
    if not versions.is_stale(world, record, version):
        try:
            return versions.go_on(world, record, version)
        except OtherRunError as error:
            world.log(
                logging.WARNING, record.id, "version %s is begun anew: %s", version.name, error
            )
    world.home.drop(record.id, version.name)
    return replace(record, making=None, looked_at="", waits_for="scenes")


def is_reopened(world: World, record: EventRecord) -> bool:
    """Whether an event ended only because a clock ran ahead."""
    early = world.clock() < ends_at(world, record) and not record.nothing_to_map
    return record.phase == "ended" and early and record.clear < world.settings.watch.complete
