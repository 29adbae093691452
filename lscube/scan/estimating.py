"""A dry run: what a scan would do now, and what it would cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lscube import jobs
from lscube.catalog import Scenes
from lscube.learn import LoadedModel
from lscube.mapping import Machines, MapPlan
from lscube.scan.record import EventRecord
from lscube.scan.steps import Begin
from lscube.scan.versions import begin, job_of
from lscube.scan.world import World
from lscube.settings import Job

Plan = Callable[[Job, Sequence[LoadedModel], Machines, jobs.Outside], MapPlan]
"""Tells what a map takes; `lscube.jobs.plan`, or a test's own."""


def estimate(machines: Machines, say: Callable[[str], object], plan: Plan = jobs.plan) -> Begin:
    """A way to begin a version that only tells what it would take.

    Parameters
    ----------
    machines
        Who would do it.
    say
        Told a line for each version.
    plan
        Tells what a map takes.
    """

    def tell(world: World, record: EventRecord, scenes: Scenes, clear: float) -> EventRecord:
        begun = begin(world, record, scenes, clear)
        assert begun.making is not None
        found = plan(job_of(world, begun, begun.making), world.models, machines, world.outside)
        say(
            f"{record.id}: version {begun.making.number} would be mapped from {len(scenes.pre)} scenes "
            f"before and {len(scenes.post)} after it, {clear:.1%} clear: {found.square_kilometres:,.0f} km2, "
            f"{found.read_bytes / 1e6:,.0f} MB to read, {found.wall_seconds / 60:,.1f} minutes, cost "
            f"{found.cost:,.2f}"
            + ("; less, where regions are taken over" if record.versions else "")
        )
        waits = f"version {begun.making.number} to be mapped"
        return replace(record, waits_for=waits)

    return tell
