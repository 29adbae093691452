"""One pass of a scan, and passes until told to stop."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lscube.errors import InUseError, LscubeError, StoreError
from lscube.redaction import redacted
from lscube.scan import versions
from lscube.scan.alerts import feed
from lscube.scan.following import Event, Followed
from lscube.scan.hazard import Hazard
from lscube.scan.metrics import PassNumbers, write_metrics
from lscube.scan.record import EventRecord
from lscube.scan.state import ConflictError
from lscube.scan.status import trouble_of
from lscube.scan.steps import Begin, ends_at
from lscube.scan.triggers.same import PREFERRED
from lscube.scan.world import World, logger

METRICS = "metrics.prom"

KEPT = timedelta(days=30)
"""How long what was not mapped is remembered after it would have been watched."""


@dataclass(frozen=True)
class Outcome:
    """What came of a pass."""

    events: tuple[Followed, ...]
    """Events that this scan worked on."""
    busy: tuple[str, ...]
    """Events that another scan works on."""
    failures: tuple[str, ...]
    """What could not be done now, a sentence each; it is tried again."""

    @property
    def versions(self) -> int:
        """Versions that were made."""
        return sum(event.versions for event in self.events)


def scan_once(world: World, begin: Begin = versions.begin) -> Outcome:
    """Ask all triggers, and do for each event what can be done now.

    Parameters
    ----------
    world
        What the scan is given.
    begin
        How a version is begun; a dry run only tells what it would cost.

    Raises
    ------
    StoreError
        The scan's memory cannot be read. What fails for one event, or one trigger, is in the outcome
        instead, and does not keep others waiting.
    """
    world = replace(world, run=uuid.uuid4().hex[:12])
    started = world.clock()
    told: set[str] = set()
    failures = list(_ask_triggers(world, told))
    events, busy = _follow_all(world, begin, _forget(world, told))
    failures += [f"{event.event}: {event.failure}" for event in events if event.failure]
    try:
        _write_overview(world, started, len(failures))
    except StoreError as error:
        logger.warning("%s", error, extra={"scan_id": world.run})
        failures.append(str(error))
    return Outcome(tuple(events), tuple(busy), tuple(failures))


def _ask_triggers(world: World, told: set[str]) -> Iterator[str]:
    """Take what the triggers tell, and note the ids; gives what failed."""
    known = world.state.hazards()
    for name, trigger in world.triggers.items():
        now = world.clock()
        try:
            for hazard in trigger.poll(_since(world, name, now), now):
                told.add(hazard.id)
                state = _not_ahead(hazard, known.get(hazard.id), now)
                if state is not None:
                    world.state.tell(state)
        except LscubeError as error:
            logger.warning("%s: %s", name, error, extra={"scan_id": world.run})
            world.state.set_note(trouble_of(name), redacted(str(error)))
            yield f"{name}: {error}"
        else:
            world.state.set_note(f"asked-{name}", now.isoformat())
            if world.state.note(trouble_of(name)):
                world.state.set_note(trouble_of(name), "")
        world.at(f"asked {name}")


def _not_ahead(hazard: Hazard, known: Hazard | None, now: datetime) -> Hazard | None:
    """A state that is not of the future, else no later one would ever be taken; None where it is known."""
    if hazard.updated <= now:
        return hazard
    capped = replace(hazard, updated=now)
    same = known is not None and replace(known, updated=now) == capped
    return None if same else capped


def _since(world: World, name: str, now: datetime) -> datetime:
    """From when on a trigger is asked: some time before the last time, also if a clock ran ahead then."""
    settings = world.settings
    noted = world.state.note(f"asked-{name}")
    if noted is None:
        return now - timedelta(days=max(settings.triggers.lookback_days, settings.watch.days))
    last = min(datetime.fromisoformat(noted), now)
    return last - timedelta(days=settings.triggers.lookback_days)


def _forget(world: World, told: Collection[str]) -> dict[str, EventRecord]:
    """Forget events that were not mapped and are long past, so that the memory does not grow for ever.

    What is told all the same, as by a list of one's own, would only be found anew. Gives the others.
    """
    records = world.state.records()
    for record in list(records.values()):
        over = record.phase in ("declined", "deleted", "ended") and not record.versions
        if not over or record.id in told or world.clock() <= ends_at(world, record) + KEPT:
            continue
        try:
            with world.state.held(record.id):
                world.state.forget(record.id)
                world.home.forget(record.id)
        except InUseError:
            continue
        del records[record.id]
    return records


def _follow_all(
    world: World, begin: Begin, records: Mapping[str, EventRecord]
) -> tuple[list[Followed], list[str]]:
    events, busy = [], []
    for hazard in _by_preference(one_each(world.state.hazards(), records)):
        try:
            with world.state.held(hazard.id):
                events.append(Event(world, hazard, begin).follow())
        except (InUseError, ConflictError) as error:
            world.log(logging.INFO, hazard.id, "%s", error)
            busy.append(hazard.id)
        except LscubeError as error:  # not even its failure could be remembered
            world.log(logging.WARNING, hazard.id, "%s", error)
            events.append(Followed(hazard.id, 0, str(error)))
    return events, busy


def _by_preference(hazards: Sequence[Hazard]) -> list[Hazard]:
    return sorted(hazards, key=lambda hazard: (PREFERRED[hazard.source], hazard.id))


def one_each(hazards: Mapping[str, Hazard], records: Mapping[str, EventRecord]) -> Sequence[Hazard]:
    """Hazards with one state for each event: what is known under a new id keeps the id of its record.

    Of two records that are one event by now, one goes on; the other gets what is told of its own id, so
    that it is withdrawn where that was taken back.
    """
    names = {name: name for name in hazards}
    for hazard in hazards.values():
        known = [
            name
            for name in (hazard.id, *hazard.others)
            if name in records and records[name].hazard.source == hazard.source
        ]
        if hazard.deleted or not known:
            continue
        followed = [name for name in known if records[name].phase != "declined"]
        kept = (followed or known)[0]
        names |= {
            name: kept
            for name in (hazard.id, *hazard.others)
            if name in hazards and (name == kept or not _has_a_life(records.get(name)))
        }
    together: dict[str, list[Hazard]] = {}
    for name, kept in names.items():
        together.setdefault(kept, []).append(hazards[name])
    return [
        replace(max(states, key=lambda one: (not one.deleted, one.updated)), id=kept)
        for kept, states in together.items()
    ]


def _has_a_life(record: EventRecord | None) -> bool:
    """Whether something is yet to be done, or was told, under a record's own id."""
    return record is not None and (record.phase == "followed" or bool(record.versions))


def _write_overview(world: World, started: datetime, failures: int) -> None:
    """Feed and metrics, from what is remembered."""
    records = list(world.state.records().values())
    ended = world.clock()
    if world.settings.alerts.feed:
        path = world.home.scratch / feed.NAME
        feed.write_feed(path, records)
        world.home.publish(path)
    path = world.home.scratch / METRICS
    numbers = PassNumbers(ended.timestamp(), (ended - started).total_seconds(), failures)
    write_metrics(path, records, numbers)
    world.home.publish(path)


def watch(
    world: World, stopped: Callable[[], bool], told: Callable[[Outcome], object]
) -> Outcome | None:
    """Pass after pass until told to stop.

    Parameters
    ----------
    world
        What the scan is given; its `sleep` returns early where it is told to stop.
    stopped
        Whether to stop.
    told
        Told of each pass.

    Returns
    -------
    Outcome of the last pass.

    Raises
    ------
    LscubeError
        The first pass cannot be made. Of a later one it is its outcome, and the next is made in its time.
    """
    outcome = None
    while not stopped():
        try:
            outcome = scan_once(world)
        except LscubeError as error:
            if outcome is None:
                raise
            logger.warning("%s", error)
            outcome = Outcome((), (), (str(error),))
        told(outcome)
        if not stopped():
            world.sleep(60 * world.settings.watch.every)
    return outcome
