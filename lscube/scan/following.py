"""One event in one pass: step after step until nothing is left to do now, each remembered before the next."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from lscube.errors import InUseError, LscubeError
from lscube.scan import deciding, steps, versions
from lscube.scan.alerts.message import delivered
from lscube.scan.alerts.webhook import deliver
from lscube.scan.hazard import Hazard
from lscube.scan.record import EventRecord, Trouble
from lscube.scan.state import ConflictError
from lscube.scan.state.base import Mark
from lscube.scan.world import World

DECISIONS = ".decisions"
"""Held while it is decided whether an event is followed."""


@dataclass(frozen=True)
class Followed:
    """What came of an event in a pass."""

    event: str
    """Its id."""
    versions: int
    """Versions that were made."""
    failure: str = ""
    """What could not be done; it is tried again."""


class Event:
    """An event that is held by this scan: its record, and how it is remembered."""

    def __init__(self, world: World, hazard: Hazard, begin: steps.Begin = versions.begin) -> None:
        self.world, self.hazard, self._begin = world, hazard, begin
        stored = world.state.read(hazard.id)
        self._mark: Mark = stored.mark
        self.record = stored.record or EventRecord(hazard, first_seen=world.clock())
        self._looked = False

    def follow(self) -> Followed:
        """Go on until nothing is left to do now.

        Raises
        ------
        ConflictError, InUseError
            Another scan is at work.
        """
        before = len(self.record.versions)
        failure = ""
        try:
            if not self._take() and self.record.trouble is not None:
                failure = self.record.trouble.reason
        except (ConflictError, InUseError):
            raise
        except (LscubeError, OSError) as error:  # a disk may be full in any library's hands
            failure = str(error)
            self._fail(failure)
        failure = self._tell() or failure
        return Followed(self.record.id, len(self.record.versions) - before, failure)

    def _take(self) -> bool:
        """Do all steps; False where what failed is not yet to be tried again."""
        if self._mark is None:
            self._remember(self.record, "found")
        if self.hazard != self.record.hazard or (
            self.hazard.deleted and self.record.phase != "deleted"
        ):
            self._remember(steps.revise(self.record, self.hazard), "revised")
        if steps.is_reopened(self.world, self.record):
            self._remember(replace(self.record, phase="followed"), "reopened")
        self._remember(deciding.give_way(self.world, self.record), "decided")
        if self._is_paused():
            return False
        while self._step():
            pass
        if self.record.trouble is not None:
            self._remember(replace(self.record, trouble=None), "recovered")
        return True

    def _step(self) -> bool:
        """Do the next step, and remember it; False where nothing is left to do now."""
        if self.record.phase == "new":
            # One decision at a time: else two scans could follow one event under the names of two sources.
            with self.world.state.held(DECISIONS):
                others = self.world.state.records()
                self._remember(deciding.decide(self.world, self.record, others), "decided")
            return True
        step = self._next()
        if step is not None:
            self._remember(*step)
        return step is not None

    def _next(self) -> tuple[EventRecord, str] | None:
        """The record after the next step, and the step's name."""
        world, record = self.world, self.record
        if record.making is not None and record.phase != "followed":
            world.home.drop(record.id, record.making.name)
            return replace(record, making=None), "dropped"
        if record.phase != "followed":
            return None
        if record.area is None:
            return steps.find_area(world, record), "area"
        if record.making is not None:
            return steps.go_on_making(world, record, record.making), "made"
        if self._looked:
            return None
        looked = steps.look(world, record, self._begin)
        # After a version is made, once more: later scenes may be there already, or all may be clear.
        self._looked = looked.making is None
        return looked, "looked"

    def _is_paused(self) -> bool:
        """Whether what failed is not yet to be tried again; a clock that was set back delays nothing."""
        trouble = self.record.trouble
        now = self.world.clock()
        return trouble is not None and trouble.since <= now < trouble.again

    def _fail(self, reason: str) -> None:
        world, now = self.world, self.world.clock()
        attempts = 1 + (self.record.trouble.attempts if self.record.trouble else 0)
        trouble = Trouble(attempts, now, now + steps.pause(world, attempts), reason)
        world.log(logging.WARNING, self.record.id, "%s (failed %d times)", reason, attempts)
        failed = replace(self.record, trouble=trouble)
        self._remember(steps.give_up(world, failed), "failed")

    def _tell(self) -> str:
        """Deliver messages; gives what failed."""
        post = self.world.post
        if post is None:
            told = tuple(replace(alert, delivered=True) for alert in self.record.alerts)
            self._remember(replace(self.record, alerts=told), "told")
        for alert in self.record.alerts:
            if alert.delivered or post is None:
                continue
            try:
                deliver(self.world, post, self.record.id, alert)
            except LscubeError as error:
                return str(error)
            self.world.at(f"posted {alert.id}")
            self._remember(delivered(self.record, alert), "told")
        return ""

    def _remember(self, record: EventRecord, step: str) -> None:
        if record == self.record and self._mark is not None:
            return
        self.world.at(f"write {record.id} {step}")
        self._mark = self.world.state.write(record, self._mark)
        if step not in ("looked", "told") or record.making is not None:
            detail = record.waits_for or record.reason
            self.world.log(logging.INFO, record.id, "%s: %s; %s", step, record.phase, detail)
        self.record = record
        self.world.at(f"wrote {record.id} {step}")
