"""Processes of this machine."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lscube import machine
from lscube.cluster.link import Link, cannot_start, client_of
from lscube.cluster.workers import DASK_SETTINGS, resources, worker_environment
from lscube.errors import ClusterError
from lscube.settings import ClusterSettings, bytes_of

HOST = "127.0.0.1"

CORES_EACH = 4
"""Cores of a worker by default: a region keeps some 16 threads busy, and each process opens the model."""


_LOOK = "the memory of this machine, and what the workers said above"

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Machine:
    """What there is to share out."""

    cores: int
    """That this process may use."""
    memory: int
    """Bytes."""
    gpus: tuple[str, ...]
    """NVIDIA's that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""


@dataclass(frozen=True)
class Shares:
    """What each worker gets."""

    workers: int
    """Processes."""
    threads: int
    """Of each."""
    memory: int
    """Bytes of each."""


def this_machine(
    gpus: Path = Path("/proc/driver/nvidia/gpus"), environment: Mapping[str, str] = os.environ
) -> Machine:
    """Look at this machine."""
    names = [str(number) for number, _ in enumerate(gpus.iterdir())] if gpus.is_dir() else []
    if VISIBLE in environment:
        said = [name.strip() for name in environment[VISIBLE].split(",")]
        # CUDA's own rule: what follows an unknown number is not seen.
        names = list(itertools.takewhile(lambda name: name not in ("", "-1"), said))
    return Machine(machine.cores(), machine.memory(), tuple(names))


def share_out(settings: ClusterSettings, machine: Machine) -> Shares:
    """Share a machine out among workers, as far as the settings leave it open."""
    each = settings.threads or CORES_EACH
    fitting = len(machine.gpus) if settings.gpu else machine.cores // each
    workers = settings.workers or max(1, fitting)
    threads = settings.threads or max(1, machine.cores // workers)
    memory = bytes_of(settings.memory) if settings.memory else machine.memory // workers
    return Shares(workers, threads, memory)


@contextmanager
def open_local(
    settings: ClusterSettings, look: Callable[[], Machine] = this_machine
) -> Iterator[Link]:
    """Start a scheduler in this process, and workers in processes of their own.

    With `gpu` each worker sees one GPU of those that this process may use, in turn.

    Raises
    ------
    ClusterError
        Workers do not start, or are to have a GPU where there is none.
    """
    import dask
    import distributed

    found = look()
    if settings.gpu and not found.gpus:
        raise ClusterError(
            "Expected a GPU of NVIDIA's on this machine, found none (CUDA_VISIBLE_DEVICES counts); leave out "
            "--gpu, or choose a cluster that has some."
        )
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
        yield Link(client, "this machine", shares.workers, _LOOK)


def _gpu(number: int, settings: ClusterSettings, machine: Machine) -> dict[str, str]:
    """Which GPU a worker sees."""
    if not settings.gpu:
        return {}
    return {VISIBLE: machine.gpus[number % len(machine.gpus)]}


def _options(settings: ClusterSettings, shares: Shares, gpu: dict[str, str]) -> dict[str, Any]:
    return {
        "host": HOST,
        "nthreads": shares.threads,
        "memory_limit": shares.memory,
        "resources": resources(settings.gpu),
        "silence_logs": logging.WARNING,
        "env": {**worker_environment(settings.gpu), **gpu},
    }
