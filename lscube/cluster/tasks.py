"""A whole step of a job as one task of a worker."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from lscube.cluster.readiness import check_folder
from lscube.cluster.workers import needed_resources
from lscube.errors import NoClusterError
from lscube.paths import StrPath

Given = ParamSpec("Given")
Result = TypeVar("Result")


def on_a_worker(
    client: Any,
    folder: StrPath,
    step: Callable[Given, Result],
    *given: Given.args,
    **named: Given.kwargs,
) -> Result:
    """Let one worker do a step, on a GPU where any worker has one.

    Parameters
    ----------
    client
        A `distributed.Client`.
    folder
        That the step makes; all workers must see the folder that it is in.
    step
        A function of a module, and what it is given.

    Raises
    ------
    NoClusterError
        The worker is lost, or does not see the folder. What the step raises is raised as it is.
    """
    folder = Path(folder)
    check_folder(client, folder.parent)
    needs = needed_resources(client) or {}
    future = client.submit(_alone, partial(step, *given, **named), pure=False, resources=needs)
    try:
        result: Result = future.result()
    except losses() as error:
        raise NoClusterError(
            f"Expected a worker to finish {folder.name}, but it was lost ({type(error).__name__}); look at "
            "the workers' logs and memory, and run the same command again: what is done is kept."
        ) from error
    return result


def losses() -> tuple[type[BaseException], ...]:
    """What a future raises whose worker, or scheduler, is lost."""
    import distributed

    closed = distributed.comm.core.CommClosedError
    return distributed.KilledWorker, closed, concurrent.futures.CancelledError


def _alone(step: Callable[[], Result]) -> Result:
    """On a worker: Dask would send the step's arrays to the cluster, which may be waiting for this one."""
    import dask

    with dask.config.set(scheduler="threads"):
        return step()
