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
from lscube.simulate.twins import TWINS, Twin, make_twin


@dataclass(frozen=True)
class Area:
    """An area of an experiment."""

    name: str
    """Letter, or the name in [areas]."""
    role: Literal["train", "test"]
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
        A name is unknown, an area to train on has the role "test" in the registry, or its job has no
        labels or holds no test region out.
    """
    design = experiment.experiment
    kinds = [(name, "train") for name in design.train] + [(name, "test") for name in design.test]
    for name, _ in kinds:
        _check_known(name, experiment)
    for name in design.train:
        _check_role(name, experiment)
    areas = {}
    for name, kind in kinds:
        role: Literal["train", "test"] = "train" if kind == "train" else "test"
        own = experiment.areas.get(name)
        if own is None:
            twin = TWINS[name]
            areas[name] = _twin(twin, role, make_twin(name, design.twins, twins), experiment)
        else:
            jobs = [load_job(path) for path in (own.job, *own.also)]
            areas[name] = _own(name, role, jobs, experiment)
    return areas


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


def _check_role(name: str, experiment: Experiment) -> None:
    """Refuse to train on what is there to test with."""
    own = experiment.areas.get(name)
    event_id = TWINS[name].event_id if own is None else load_job(own.job).event.id
    event = known_events(experiment.experiment.registry).get(event_id)
    if event is not None and event.role == "test":
        raise SettingsError(
            f"Expected events to train on in experiment.train, but {name} ({event_id}) is a test event in "
            "the registry; move it to experiment.test."
        )


def _twin(
    twin: Twin, role: Literal["train", "test"], made: SimulatedEvent, experiment: Experiment
) -> Area:
    """A simulated twin as an area."""
    event = known_events()[twin.event_id]
    jobs = [_twin_job(twin, made, role, twin.collections, experiment)]
    if twin.sentinel_pair:
        jobs.append(_twin_job(twin, made, role, ("sentinel-2-l2a",), experiment))
    what = f"Simulated twin of: {event.name}"
    return Area(twin.letter, role, jobs[0], tuple(jobs[1:]), what, event.trigger)


def _twin_job(
    twin: Twin,
    made: SimulatedEvent,
    role: Literal["train", "test"],
    collections: tuple[str, ...],
    experiment: Experiment,
) -> Job:
    """The job of one pair of a twin's images."""
    settings = twin.settings
    content = {
        "event": {
            "id": f"{twin.event_id}-twin",
            "time": f"{settings.event_time:%Y-%m-%dT%H:%M:%SZ}",
        },
        "area": {"aoi": str(made.area), "epsg": settings.epsg},
        "source": {"catalogs": str(made.catalog), "collections": list(collections)},
        "cube": experiment.cube.model_dump(),
        "labels": {"inventory": str(made.inventory)},
        "split": {"test": str(made.test)} if role == "train" and made.test else {},
        "predict": experiment.predict.model_dump(),
        "evaluate": {"reference_is": "simulated inventory"},
    }
    return make_job(content, made.items.parent, f"the twin {twin.letter}")


def _own(
    name: str, role: Literal["train", "test"], jobs: list[Job], experiment: Experiment
) -> Area:
    """A user's jobs as an area."""
    for job in jobs:
        if job.labels is None:
            raise SettingsError(
                f"Expected labels in the job of area {name}, found none; add a section [labels]."
            )
    split = jobs[0].split
    if role == "train" and split.test is None and not split.test_share:
        raise SettingsError(
            f"Expected a test region in the job of area {name}, which is trained on, found none; set "
            "split.test, or split.by and split.test_share."
        )
    event = known_events(experiment.experiment.registry).get(jobs[0].event.id)
    return Area(
        name,
        role,
        jobs[0],
        tuple(jobs[1:]),
        event.name if event else jobs[0].event.id,
        event.trigger if event else "",
    )
