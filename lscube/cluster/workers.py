"""What every worker gets, whichever way it is started: the one place for all of it."""

from __future__ import annotations

from typing import Any

from lscube.settings.gdal import GDAL_SETTINGS

DASK_SETTINGS: dict[str, object] = {
    # TensorFlow does not survive a fork.
    "distributed.worker.multiprocessing-method": "spawn",
    # Workers that are taken away (spot instances, time limits) would otherwise get the tasks blamed that
    # happened to be there; a region that fails by itself is tried three times in any case.
    "distributed.scheduler.allowed-failures": 10,
    # Whose workers are all gone does not wait for ever; hpc waits longer where `cluster.wait` is longer.
    "distributed.scheduler.no-workers-timeout": "30m",
    # A worker that opens a network answers late.
    "distributed.comm.timeouts.connect": "60s",
    "distributed.comm.retry.count": 3,
}
"""Dask's configuration of scheduler and workers."""

VARIABLES: dict[str, str] = {
    # Of TensorFlow only errors; its memory grows as needed, so that several processes can share a GPU.
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    # Dask's threads are the parallelism; the network takes as many as its worker has, whatever stands here.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # Freed memory goes back to the system, as Dask's limits expect.
    "MALLOC_TRIM_THRESHOLD_": "65536",
}
"""Variables of scheduler and workers beside those of Dask and GDAL."""

GPU = "GPU"
"""Dask's resource of a worker that predicts on a GPU; one task at a time holds it."""

WORKERS = 2
"""That gateway, kubernetes and hpc start, unless the settings say otherwise."""

_DEATH_TIMEOUT = 120
"""Seconds after which a worker without a scheduler ends, so that none is left over and paid for."""


def resources(gpu: bool) -> dict[str, float]:
    """Dask's resources of a worker, with or without a GPU."""
    return {GPU: 1} if gpu else {}


def needed_resources(client: Any) -> dict[str, float] | None:
    """What workers must have to predict: a GPU, where any worker of the cluster says it has one."""
    if client is None:
        return None
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return resources(gpu=True) if any(GPU in worker["resources"] for worker in workers) else None


def worker_environment(gpu: bool = False) -> dict[str, str]:
    """Environment of scheduler and workers.

    Parameters
    ----------
    gpu
        Whether each worker has a GPU.

    Returns
    -------
    dict
        Values by name of the variable: Dask's settings as `DASK_...`, GDAL's, TensorFlow's and others.
    """
    dask = {
        f"DASK_{name.upper().replace('-', '_').replace('.', '__')}": str(value)
        for name, value in DASK_SETTINGS.items()
    }
    if gpu:
        # As a whole: in a name of its own the resource would lose its capitals.
        dask["DASK_DISTRIBUTED__WORKER__RESOURCES"] = str(resources(gpu))
    gdal = {name: str(value) for name, value in GDAL_SETTINGS.items()}
    return {**dask, **gdal, **VARIABLES}


def worker_arguments(gpu: bool = False) -> list[str]:
    """Arguments of `dask worker` beside address, threads and memory."""
    words = ["--death-timeout", str(_DEATH_TIMEOUT)]
    return [*words, "--resources", f"{GPU}=1"] if gpu else words
