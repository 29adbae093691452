"""An experiment from its configuration to its results, here or on a cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lscube.errors import IncompleteError, NoClusterError, StoreError
from lscube.evaluate.results import ExperimentResults, ModelFacts
from lscube.experiments.areas import check_areas, find_areas
from lscube.experiments.assembling import Circumstances, assemble, describe_hardware
from lscube.experiments.design import ModelPlan, design_models
from lscube.experiments.folder import (
    Folder,
    check_place,
    is_begun,
    open_folder,
    read_json,
)
from lscube.experiments.making import Fit, Making, make_model
from lscube.experiments.reading import prepare
from lscube.files import write_json
from lscube.learn import fit
from lscube.learn.card import commit
from lscube.learn.fitting import Say
from lscube.mapping.places.folder import only_run
from lscube.paths import StrPath
from lscube.settings import Experiment


@dataclass(frozen=True)
class Execution:
    """Where and how an experiment is run."""

    client: Any = None
    """A `distributed.Client`, whose workers see the same files: they make models side by side, each one
    at a time. None: one after the other in this process."""
    command: str = ""
    """What the page says that was run."""
    say: Say = print
    """Told what is being done."""
    fit: Fit = fit
    """Trains a model."""


def run_experiment(
    experiment: Experiment, out: StrPath, twins: StrPath, execution: Execution = Execution()
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
    execution
        Where and how.

    Raises
    ------
    SettingsError, InventoryError, SourceError, StoreError
        An area is unknown, cannot be trained on or cannot be read, or the folder is another
        experiment's or in use.
    IncompleteError
        Some models failed; the others are in the results.
    """
    out, twins = Path(out), Path(twins)
    check_areas(experiment)
    check_place(out)
    commit()  # of the code that runs, whatever is committed meanwhile
    with only_run(out, str(out)), _timed(Folder(out)) as seconds:
        areas = find_areas(experiment, twins)
        making = Making(experiment, areas, open_folder(out, experiment, areas), execution.fit)
        plans = design_models(experiment.experiment)
        prepare(making, experiment.experiment.resolutions, execution.say)
        facts = _make_all(making, plans, execution)
        circumstances = Circumstances(execution.command, _hardware(execution.client), seconds())
        results = assemble(making, plans, facts, circumstances, execution.say)
    _check_all_made(results, out)
    return results


def _check_all_made(results: ExperimentResults, out: Path) -> None:
    failed = {model.name: model.note for model in results.models if model.status == "failed"}
    if failed:
        reason = next(iter(failed.values())).rstrip(".")
        raise IncompleteError(
            f"Expected all {len(results.models)} models, but {', '.join(failed)} failed ({reason}); the "
            f"others are in {out}: mend the cause and run the same command again.",
            tuple(failed),
        )


@contextmanager
def _timed(folder: Folder) -> Iterator[Any]:
    """Note how long it took, also if it is interrupted; gives seconds so far, of earlier runs too."""
    before = read_json(folder.spent) if folder.spent.exists() else []
    start = time.monotonic()

    def note() -> None:
        if is_begun(folder.root):
            write_json(folder.spent, [*before, time.monotonic() - start])

    try:
        yield lambda: sum(before) + time.monotonic() - start
    except BaseException:
        with suppress(StoreError):  # what went wrong is worth more than how long it took
            note()
        raise
    note()


def _make_all(
    making: Making, plans: tuple[ModelPlan, ...], execution: Execution
) -> list[ModelFacts]:
    """Models in the order of the plans; on workers, side by side."""
    if execution.client is None:
        return [make_model(making, plan, execution.say) for plan in plans]
    import distributed

    from lscube.cluster import losses

    client = execution.client
    futures = [client.submit(make_model, making, plan, pure=False) for plan in plans]
    try:
        for future in distributed.as_completed(futures, loop=client.loop):  # type: ignore[no-untyped-call]
            made = future.result()
            execution.say(f"{made.name}: {made.status}")
        return [future.result() for future in futures]
    except losses() as error:
        raise NoClusterError(
            f"Expected the cluster to make all models, but it lost one ({type(error).__name__}: "
            f"{error}); look at the workers' logs and memory, and run the same command again: what is "
            "done is kept."
        ) from error


def _hardware(client: Any) -> str:
    """The machine's, and the cluster's threads where there is one."""
    if client is None:
        return describe_hardware()
    threads = client.nthreads()
    return (
        f"{len(threads)} workers, {sum(threads.values())} threads; begun on {describe_hardware()}"
    )
