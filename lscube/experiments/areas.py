"""The areas of an experiment: simulated twins, or jobs of a user's own."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lscube.errors import SettingsError
from lscube.events import known_events
from lscube.settings import Experiment, Job, load_job, make_job
from lscube.simulate.event import SimulatedEvent
from lscube.simulate.twins import TWINS, Twin, job_content, make_twin

Role = Literal["train", "test"]
"""Whether models are trained on an area."""


@dataclass(frozen=True)
class Area:
    """An area of an experiment."""

    name: str
    """Letter, or the name in [areas]."""
    role: Role
    """"test": no model is trained on it."""
    job: Job
    """How it is read, and its labels; the resolution is the experiment's."""
    also: tuple[Job, ...] = ()
    """Further pairs of images of it."""
    what: str = ""
    """What happened and where, in words."""
    trigger: str = ""
    """"earthquake", "rainfall", or empty where not known."""


def find_areas(experiment: Experiment, twins: Path) -> dict[str, Area]:
    """The areas that a configuration names, by name; simulated twins are made or taken from `twins`.

    Parameters
    ----------
    experiment
        The configuration.
    twins
        Folder of simulated twins.

    Raises
    ------
    SettingsError
        As `check_areas`.
    """
    jobs = check_areas(experiment)
    design = experiment.experiment
    areas = {}
    for name in (*design.train, *design.test):
        role: Role = "train" if name in design.train else "test"
        if name in jobs:
            areas[name] = _own(name, role, jobs[name], experiment)
        else:
            made = make_twin(name, design.twins, twins)
            areas[name] = _twin(TWINS[name], role, made, experiment)
    return areas


def check_areas(experiment: Experiment) -> dict[str, list[Job]]:
    """Check the areas that a configuration names; nothing is simulated or searched.

    Returns
    -------
    dict
        Jobs of the areas of a user's own, by name.

    Raises
    ------
    SettingsError
        A name is unknown, an area to train on has the role "test" in the registry, a job has no labels
        or holds no test region out, or two areas are one event.
    """
    design = experiment.experiment
    named = (*design.train, *design.test)
    for name in named:
        _check_known(name, experiment)
    own = {name: experiment.areas[name] for name in named if name in experiment.areas}
    jobs = {name: [load_job(path) for path in (a.job, *a.also)] for name, a in own.items()}
    for name in design.train:
        _check_role(name, jobs, experiment)
    for name, found in jobs.items():
        _check_own(name, "train" if name in design.train else "test", found)
    _check_apart(jobs)
    return jobs


def _check_known(name: str, experiment: Experiment) -> None:
    known = [*experiment.areas, *TWINS]
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    by_event = [letter for letter, twin in TWINS.items() if _alike(name, twin.event_id)]
    meant = " or ".join(repr(one) for one in [*near, *by_event])
    advice = f"did you mean {meant}?" if meant else "add a section [areas.NAME] with its job."
    raise SettingsError(f"Expected areas of {', '.join(known)}, got {name!r}; {advice}")


def _alike(name: str, event_id: str) -> bool:
    return bool(difflib.get_close_matches(name.lower(), [event_id], cutoff=0.6))


def _check_role(name: str, jobs: dict[str, list[Job]], experiment: Experiment) -> None:
    """Refuse to train on what is there to test with."""
    known = known_events(experiment.experiment.registry)
    events = [job.event.id for job in jobs[name]] if name in jobs else [TWINS[name].event_id]
    for event_id in events:
        if event_id in known and known[event_id].role == "test":
            raise SettingsError(
                f"Expected events to train on in experiment.train, but {name} ({event_id}) is a test event "
                "in the registry; move it to experiment.test."
            )


def _check_own(name: str, role: Role, jobs: list[Job]) -> None:
    """Refuse jobs without labels, and an area to train on without a test region."""
    if any(job.labels is None for job in jobs):
        raise SettingsError(
            f"Expected labels in the job of area {name}, found none; add a section [labels]."
        )
    split = jobs[0].split
    if role == "train" and split.test is None and not split.test_share:
        raise SettingsError(
            f"Expected a test region in the job of area {name}, which is trained on, found none; set "
            "split.test, or split.by and split.test_share."
        )


def _check_apart(jobs: dict[str, list[Job]]) -> None:
    """Refuse two areas of one name: their pixels would be taken for each other's."""
    seen: dict[str, str] = {}
    for name, found in jobs.items():
        event_id = found[0].event.id
        if event_id in seen:
            raise SettingsError(
                f"Expected an event for each area, but {seen[event_id]} and {name} both have event.id "
                f"{event_id!r}; give each its own."
            )
        seen[event_id] = name


def _twin(twin: Twin, role: Role, made: SimulatedEvent, experiment: Experiment) -> Area:
    """A simulated twin as an area."""
    event = known_events()[twin.event_id]
    jobs = [_twin_job(twin, made, role, collections, experiment) for collections in twin.pairs]
    what = f"Simulated twin of: {event.name}"
    return Area(twin.letter, role, jobs[0], tuple(jobs[1:]), what, event.trigger)


def _twin_job(
    twin: Twin,
    made: SimulatedEvent,
    role: Role,
    collections: tuple[str, ...],
    experiment: Experiment,
) -> Job:
    """The job of one pair of a twin's images."""
    content = {
        **job_content(twin, made, collections),
        "cube": experiment.cube.model_dump(),
        "split": {"test": str(made.test)} if role == "train" and made.test else {},
        "predict": experiment.predict.model_dump(),
        "evaluate": {"reference_is": "simulated inventory"},
    }
    return make_job(content, made.items.parent, f"the twin {twin.letter}")


def _own(name: str, role: Role, jobs: list[Job], experiment: Experiment) -> Area:
    """A user's jobs as an area."""
    event_id = jobs[0].event.id
    event = known_events(experiment.experiment.registry).get(event_id)
    what, trigger = (event.name, event.trigger) if event else (event_id, "")
    return Area(name, role, jobs[0], tuple(jobs[1:]), what, trigger)
