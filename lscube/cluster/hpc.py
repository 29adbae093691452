"""A cluster whose workers are jobs of a batch system."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from lscube.cluster.link import Link, cannot_start, client_of
from lscube.cluster.workers import DASK_SETTINGS, WORKERS, worker_arguments, worker_environment
from lscube.errors import ClusterError, MissingExtraError
from lscube.settings import ClusterSettings

_SYSTEMS = {
    "slurm": ("SLURMCluster", "sbatch", "`squeue --me`"),
    "pbs": ("PBSCluster", "qsub", "`qstat -u $USER`"),
    "lsf": ("LSFCluster", "bsub", "`bjobs`"),
    "sge": ("SGECluster", "qconf", "`qstat`"),
    "oar": ("OARCluster", "oarsub", "`oarstat -u`"),
    "moab": ("MoabCluster", "msub", "`showq`"),
    "htcondor": ("HTCondorCluster", "condor_submit", "`condor_q`"),
}
"""dask-jobqueue's class, a command that only this system has (but for PBS, which is asked after SGE), and
where its jobs are seen."""


def find_system(settings: ClusterSettings, has: Callable[[str], object] = shutil.which) -> str:
    """The batch system of this machine.

    Parameters
    ----------
    settings
        `system` decides, unless it is "auto".
    has
        Whether a command is there.

    Raises
    ------
    ClusterError
        None, or more than one, is found.
    """
    import dask

    if settings.system != "auto":
        return settings.system
    sections: Mapping[str, Any] = dask.config.get("jobqueue", {})
    found = [name for name in _SYSTEMS if (sections.get(name) or {}).get("cores")]
    if not found:
        found = [name for name, (_, command, _) in _SYSTEMS.items() if has(command)]
        if "sge" in found and "pbs" in found:  # both have qsub
            found.remove("pbs")
    if len(found) == 1:
        return found[0]
    raise ClusterError(
        f"Expected one batch system, found {' and '.join(found) or 'none'}; set cluster.system to one of "
        f"{', '.join(_SYSTEMS)}."
    )


def jobqueue(system: str) -> Any:
    """dask-jobqueue's class for a batch system."""
    return getattr(_dask_jobqueue(), _SYSTEMS[system][0])


def _dask_jobqueue() -> Any:
    """The package; importing it puts its defaults into Dask's configuration."""
    try:
        import dask_jobqueue
    except ImportError:
        raise MissingExtraError("A cluster of a batch system", "hpc") from None
    return dask_jobqueue


@contextmanager
def open_hpc(settings: ClusterSettings, make: Callable[[str], Any] = jobqueue) -> Iterator[Link]:
    """Start a scheduler in this process and workers as jobs, which are cancelled at the end of the block.

    Queue, account, time limit and the like are those of dask-jobqueue's own configuration
    (`jobqueue.SYSTEM` in ~/.config/dask/jobqueue.yaml). A job is one worker process.

    Raises
    ------
    ClusterError
        No batch system is found, cores or memory are not told, or a job is refused.
    """
    import dask

    _dask_jobqueue()
    jobqueue_class = make(system := find_system(settings))
    workers = settings.workers or WORKERS
    with ExitStack() as stack:
        stack.enter_context(dask.config.set({**DASK_SETTINGS, **_patience(settings)}))
        try:
            cluster = jobqueue_class(**job_options(settings, system))
            stack.callback(_close, cluster)
            cluster.sync(_submit, cluster, workers)
            # Jobs whose time is over (--lifetime, time limits) are submitted anew.
            cluster.adapt(minimum_jobs=workers, maximum_jobs=workers)
            client = stack.enter_context(client_of(cluster))
        except (OSError, RuntimeError, ValueError) as error:
            raise cannot_start(
                f"workers as jobs of {system}", _reason(error),
                f"look at {_SYSTEMS[system][2]} and at jobqueue.{system} in Dask's configuration",
            ) from None  # fmt: skip
        look = f"{_SYSTEMS[system][2]}, the jobs' logs, and whether nodes reach {cluster.scheduler_address}"
        yield Link(client, f"jobs of {system}", workers, look)


def _patience(settings: ClusterSettings) -> dict[str, object]:
    """Jobs that are submitted anew may wait in the queue for as long as the first ones may."""
    return {"distributed.scheduler.no-workers-timeout": f"{max(1800, round(settings.wait))}s"}


async def _submit(cluster: Any, jobs: int) -> None:
    """Submit jobs, and wait for it: that one was refused would otherwise only be logged."""
    cluster.scale(jobs=jobs)
    await cluster._correct_state()


def _close(cluster: Any) -> None:
    """Cancel the jobs, and close the scheduler."""
    _give_up_refused(cluster._created)
    cluster.close()


def _give_up_refused(jobs: Iterable[Any]) -> None:
    """dask-jobqueue 0.9 keeps a job that was refused as one that is to come; Dask would not close then."""
    from distributed.core import Status

    for job in jobs:
        if job.status == Status.created:
            job.status = Status.failed


def _reason(error: Exception) -> Exception:
    """With what the batch system said, where it refused."""
    _, refused, said = str(error).rpartition("stderr:")
    return RuntimeError(said.strip()) if refused and said.strip() else error


def job_options(settings: ClusterSettings, system: str) -> dict[str, Any]:
    """Arguments of dask-jobqueue's class: the settings', and the environment that all workers get.

    Raises
    ------
    ClusterError
        Neither settings nor configuration tell cores or memory.
    """
    import dask

    said: Mapping[str, Any] = dask.config.get(f"jobqueue.{system}", {})
    cores, memory = settings.threads or said.get("cores"), settings.memory or said.get("memory")
    if not cores or not memory:
        raise ClusterError(
            f"Expected cores and memory of a job of {system}, found cores {cores}, memory {memory}; give "
            f"--worker-threads and --worker-memory, or set them in jobqueue.{system} of Dask's configuration."
        )
    exports = [
        f"export {name}={shlex.quote(v)}" for name, v in worker_environment(settings.gpu).items()
    ]
    words, prologue = (
        said.get(name) or [] for name in ("worker-extra-args", "job-script-prologue")
    )
    return {
        "cores": cores,
        "memory": memory,
        "processes": 1,
        "worker_extra_args": [*words, *_unless_said(worker_arguments(settings.gpu), words)],
        "job_script_prologue": [*prologue, *exports],
    }


def _unless_said(arguments: list[str], said: Iterable[str]) -> list[str]:
    """Pairs of an option and its value, without --death-timeout where the user set one."""
    if not any(str(word).startswith("--death-timeout") for word in said):
        return arguments
    place = arguments.index("--death-timeout")
    return arguments[:place] + arguments[place + 2 :]
