"""Processes of this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lscube import machine
from lscube.cluster.link import Link, cannot_start, client_of
from lscube.cluster.workers import DASK_SETTINGS, resources, worker_environment
from lscube.settings import ClusterSettings, bytes_of

HOST = "127.0.0.1"

CORES_EACH = 4
"""Cores of a worker by default: a region keeps some 16 threads busy, and each process opens the model."""


@dataclass(frozen=True)
class Machine:
    """What there is to share out."""

    cores: int
    """That this process may use."""
    memory: int
    """Bytes."""
    gpus: int
    """NVIDIA's."""


@dataclass(frozen=True)
class Shares:
    """What each worker gets."""

    workers: int
    """Processes."""
    threads: int
    """Of each."""
    memory: int
    """Bytes of each."""


def this_machine(gpus: Path = Path("/proc/driver/nvidia/gpus")) -> Machine:
    """Look at this machine."""
    found = sum(1 for _ in gpus.iterdir()) if gpus.is_dir() else 0
    return Machine(machine.cores(), machine.memory(), found)


def share_out(settings: ClusterSettings, machine: Machine) -> Shares:
    """Share a machine out among workers, as far as the settings leave it open."""
    each = settings.threads or CORES_EACH
    fitting = machine.gpus if settings.gpu else machine.cores // each
    workers = settings.workers or max(1, fitting)
    threads = settings.threads or max(1, machine.cores // workers)
    memory = bytes_of(settings.memory) if settings.memory else machine.memory // workers
    return Shares(workers, threads, memory)


@contextmanager
def open_local(settings: ClusterSettings) -> Iterator[Link]:
    """Start a scheduler in this process, and workers in processes of their own.

    With `gpu` each worker sees one GPU of the machine, in turn.
    """
    import dask
    import distributed

    found = this_machine()
    shares = share_out(settings, found)
    workers = {
        number: {
            "cls": distributed.Nanny,
            "options": _options(settings, shares, _gpu(number, settings, found)),
        }
        for number in range(shares.workers)
    }
    scheduler: Any = {
        "cls": distributed.Scheduler,
        "options": {"host": HOST, "port": 0, "dashboard_address": f"{HOST}:0"},
    }
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(DASK_SETTINGS))
        try:
            cluster = stack.enter_context(
                distributed.SpecCluster(  # type: ignore[no-untyped-call]
                    workers, scheduler, silence_logs=logging.WARNING
                )
            )
        except (OSError, RuntimeError) as error:
            raise cannot_start(
                "worker processes on this machine", error, "give fewer --workers, or use threads"
            ) from error
        client = stack.enter_context(client_of(cluster))
        look = "the memory of this machine, and what the workers said above"
        yield Link(client, "this machine", shares.workers, look)


def _gpu(number: int, settings: ClusterSettings, machine: Machine) -> dict[str, str]:
    """Which GPU a worker sees."""
    if not settings.gpu:
        return {}
    return {"CUDA_VISIBLE_DEVICES": str(number % max(1, machine.gpus))}


def _options(settings: ClusterSettings, shares: Shares, gpu: dict[str, str]) -> dict[str, Any]:
    return {
        "host": HOST,
        "nthreads": shares.threads,
        "memory_limit": shares.memory,
        "resources": resources(settings.gpu),
        "silence_logs": logging.WARNING,
        "env": {**worker_environment(settings.gpu), **gpu},
    }
