"""What a job counts, for Prometheus.

Regions are counted where the job runs, reads and windows in whatever process does them. A job writes its
own counts into a file for node-exporter's textfile collector (`writing`); what is counted on the workers of a
cluster each worker serves at `/metrics` of its dashboard's port, beside Dask's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from lscube import __version__
from lscube.files import appearing

REGISTRY = CollectorRegistry()
"""All of lscube's, and nothing else: node-exporter has the others already."""

REGIONS = Counter(
    "lscube_regions", "Regions of maps, by what became of them.", ["outcome"], registry=REGISTRY
)
"""done, failed (at every attempt), again (an attempt failed and another follows)."""
PIXELS = Counter("lscube_region_pixels", "Pixels of regions that are done.", registry=REGISTRY)
BYTES = Counter(
    "lscube_region_bytes", "Bytes of the arrays of regions that are done, before compression.",
    registry=REGISTRY,
)  # fmt: skip
SECONDS = Counter(
    "lscube_region_seconds", "Seconds from a region's begin to its end; several are at work at a time.",
    registry=REGISTRY,
)  # fmt: skip
READS = Counter(
    "lscube_reads", "Reads of scenes' files in this process, by what became of them.", ["outcome"],
    registry=REGISTRY,
)  # fmt: skip
"""done, again (tried once more), failed."""
READ_SECONDS = Counter("lscube_read_seconds", "Seconds that reads took.", registry=REGISTRY)
WINDOWS = Counter(
    "lscube_windows", "Windows that the network looked at in this process.", registry=REGISTRY
)
WINDOW_SECONDS = Counter(
    "lscube_window_seconds", "Seconds that the network took for them.", registry=REGISTRY
)
LEFT = Gauge("lscube_regions_left", "Regions of the map that are still to do.", registry=REGISTRY)
_INFO = Gauge(
    "lscube_job_info", "1, and what the job that wrote this is.", ["command", "version", "job", "run"],
    registry=REGISTRY,
)  # fmt: skip
_TOOK = Gauge("lscube_job_seconds", "Seconds since the job began.", registry=REGISTRY)
_CODE = Gauge(
    "lscube_job_exit_code", "Exit code of the job (0 success, 3 incomplete); -1 while it runs.",
    registry=REGISTRY,
)  # fmt: skip
_ENDED = Gauge(
    "lscube_job_end_timestamp_seconds", "When the job ended; 0 while it runs.", registry=REGISTRY
)

PAUSE = 15.0
"""Seconds at least between two writings of a job that runs."""


class _Ours(Collector):
    """Lets Dask's workers serve lscube's metrics with their own."""

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        return REGISTRY.collect()

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering collects nothing."""
        return []


prometheus_client.REGISTRY.register(_Ours())


@dataclass(frozen=True)
class Naming:
    """What a job is called in its metrics."""

    command: str
    """Of the command line."""
    job: str
    """Its name in the logs."""
    run: Callable[[], str]
    """The map's run, as soon as it is known."""


class _Writer:
    """Writes a job's file, now and then and at its end."""

    def __init__(self, path: Path, naming: Naming, clock: Callable[[], float]) -> None:
        self.path, self.naming, self.clock = path, naming, clock
        self.begun = self.last = clock()

    def tick(self) -> None:
        """Write, unless that was just done."""
        if self.clock() - self.last >= PAUSE:
            self.write(-1, 0.0)

    def write(self, code: int, ended: float) -> None:
        """Write the file, as a whole."""
        self.last = self.clock()
        _TOOK.set(self.last - self.begun)
        _CODE.set(code)
        _ENDED.set(ended)
        _INFO.clear()
        naming = self.naming
        _INFO.labels(naming.command, __version__, naming.job, naming.run()).set(1)
        with appearing(self.path) as partial:
            partial.write_bytes(exposition())


_writers: list[_Writer] = []


def exposition() -> bytes:
    """All of lscube's metrics in Prometheus's text format."""
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        return prometheus_client.generate_latest(REGISTRY)
    finally:
        prometheus_client.enable_created_metrics()  # type: ignore[no-untyped-call]


def tick() -> None:
    """Bring the files of jobs that run up to date; called whenever something was done."""
    for writer in _writers:
        writer.tick()


@contextmanager
def writing(
    path: Path | None, naming: Naming, clock: Callable[[], float] = time.monotonic
) -> Iterator[list[int]]:
    """Write a job's metrics to a file, while it runs and at its end, however that comes.

    Parameters
    ----------
    path
        File to write, such as `/var/lib/node_exporter/lscube.prom`; None: none.
    naming
        What the job is called.
    clock
        Seconds.

    Yields
    ------
    list
        To which the job's exit code is to be appended; without one it counts as failed (1).
    """
    codes: list[int] = []
    if path is None:
        yield codes
        return
    writer = _Writer(path, naming, clock)
    writer.write(-1, 0.0)
    _writers.append(writer)
    try:
        yield codes
    finally:
        _writers.remove(writer)
        writer.write(codes[-1] if codes else 1, time.time())
