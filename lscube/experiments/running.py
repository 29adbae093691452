"""An experiment from its configuration to its results, here or on a cluster."""

from __future__ import annotations

import concurrent.futures
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lscube import jobs
from lscube.cube import read_cube
from lscube.errors import ClusterError, IncompleteError, SourceError
from lscube.evaluate.results import ExperimentResults, ModelFacts
from lscube.experiments.areas import find_areas
from lscube.experiments.assembling import assemble
from lscube.experiments.design import ModelPlan, design_models
from lscube.experiments.folder import Folder, open_folder, read_json, write_json
from lscube.experiments.making import Fit, Making, make_model
from lscube.experiments.sides import check_sides, why_too_small
from lscube.learn import fit
from lscube.settings import Experiment, Job

Say = Callable[[str], object]


def run_experiment(
    experiment: Experiment,
    out: Path,
    twins: Path,
    *,
    client: Any = None,
    command: str = "",
    say: Say = print,
    fit: Fit = fit,
) -> ExperimentResults:
    """Train, map and score all models of an experiment, and write results, figures and page.

    Interrupted and called again, it goes on with what is not done.

    Parameters
    ----------
    experiment
        From `lscube.settings.load_experiment`.
    out
        Folder to make or to go on with.
    twins
        Folder of simulated twins, shared by experiments.
    client
        A `distributed.Client`, whose workers see the same files: they make models side by side, each
        one at a time. None: one after the other in this process.
    command
        What the page says that was run.
    say
        Told what is being done.
    fit
        Trains a model.

    Raises
    ------
    SettingsError, InventoryError, StoreError
        An area is unknown or cannot be trained on, or the folder is another experiment's.
    IncompleteError
        Some models failed; the others are in the results.
    """
    areas = find_areas(experiment, twins)
    folder = open_folder(out, experiment, areas)
    making = Making(experiment, areas, folder, fit)
    plans = design_models(experiment.experiment)
    with _timed(folder):
        _prepare(making, plans, say)
        if client is None:
            facts = [make_model(making, plan, say) for plan in plans]
        else:
            facts = _on_workers(client, making, plans)
    results = assemble(making, plans, facts, command, say)
    failed = tuple(model.name for model in results.models if model.status == "failed")
    if failed:
        reason = next(model.note for model in results.models if model.name == failed[0])
        raise IncompleteError(
            f"Expected all {len(plans)} models, but {', '.join(failed)} failed ({reason}); the others are "
            f"in {out}: mend the cause and run the same command again.",
            failed,
        )
    return results


@contextmanager
def _timed(folder: Folder) -> Iterator[None]:
    """Note how long it took, also if it is interrupted."""
    before = read_json(folder.spent) if folder.spent.exists() else []
    start = time.monotonic()
    try:
        yield
    finally:
        write_json(folder.spent, [*before, time.monotonic() - start])


def _prepare(making: Making, plans: tuple[ModelPlan, ...], say: Say) -> None:
    """Read every area once for each resolution, and check that it can be used."""
    train = making.experiment.train
    for resolution in dict.fromkeys(plan.resolution for plan in plans):
        for name, area in making.areas.items():
            for pair in range(1 + len(area.also)):
                store = making.folder.cube(name, resolution, pair)
                if not store.exists():
                    say(f"Reading {name} at {resolution:g} m")
                    _read(making.job(name, resolution, pair), store)
            cube, job = (
                read_cube(making.folder.cube(name, resolution)),
                making.job(name, resolution),
            )
            if area.role == "train" and not why_too_small(cube, job, "train", train.window):
                check_sides(cube, job, train)


def _read(job: Job, store: Path) -> None:
    """Write a cube; one that lacks a scene would be scored as if it had all."""
    _, _, lost = jobs.make_cube(job, store)
    missing = [name for items in lost.values() for name in items]
    if missing:
        shutil.rmtree(store)
        raise SourceError(
            f"Expected all scenes of {job.event.id}, but {', '.join(missing)} cannot be read; run the same "
            "command again when they can, or leave them out of the job."
        )


def _on_workers(client: Any, making: Making, plans: tuple[ModelPlan, ...]) -> list[ModelFacts]:
    """Models side by side, in the order of the plans."""
    import distributed

    futures = [
        client.submit(make_model, making, plan, pure=False, key=f"model-{plan.folder}")
        for plan in plans
    ]
    try:
        found: list[ModelFacts] = client.gather(futures)
    except (
        distributed.KilledWorker,
        distributed.comm.core.CommClosedError,
        concurrent.futures.CancelledError,
    ) as error:
        raise ClusterError(
            f"Expected the cluster to make all models, but it lost one ({type(error).__name__}: "
            f"{error}); look at the workers' logs and memory, and run the same command again: what is "
            "done is kept."
        ) from error
    return found
