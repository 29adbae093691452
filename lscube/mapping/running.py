"""Driving a map's regions: a bounded number at a time, each tried again, the rest not held up."""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import dask
from dask.delayed import Delayed

from lscube import metrics
from lscube.errors import IncompleteError, LscubeError, NoClusterError, SourceError
from lscube.manifest import Manifest
from lscube.mapping.layout import Region
from lscube.mapping.places import Timing, store_errors

logger = logging.getLogger("lscube.mapping")


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    regions: int
    """All regions of the area."""
    done: int
    """Those that are done."""
    square_kilometres: float
    """Area of all regions."""
    done_square_kilometres: float
    """Area of those that are done."""
    before: float
    """Of that, what an earlier run did, or was taken over from an earlier map."""
    seconds: float
    """Since this run began with its first region."""

    @property
    def rate(self) -> float | None:
        """Square kilometres per second of this run; None before its first region is done."""
        done = self.done_square_kilometres - self.before
        return done / self.seconds if done and self.seconds else None

    @property
    def seconds_left(self) -> float | None:
        """At this rate."""
        left = self.square_kilometres - self.done_square_kilometres
        return left / self.rate if self.rate else None

    def __str__(self) -> str:
        text = (
            f"{self.done} of {self.regions} regions, {self.done_square_kilometres:,.4g} of "
            f"{self.square_kilometres:,.4g} km2"
        )
        if self.rate is None or self.seconds_left is None:
            return text
        left = timedelta(seconds=round(self.seconds_left))
        return f"{text}, {self.rate:.3g} km2/s, {left} left"


@dataclass(frozen=True)
class Running:
    """Where and how a run's regions are computed."""

    client: Any = None
    """A `distributed.Client`; None: threads of this process."""
    in_flight: int | None = None
    """Regions at a time; default: 1 with threads, else as many as keep the workers busy."""
    attempts: int = 3
    """How often a region is tried."""
    lease: Timing = field(default_factory=Timing)
    """Of the lease that keeps two runs off one address in an object store."""
    watch: Callable[[Progress], object] = lambda progress: None
    """Told at the beginning and after each region."""
    clock: Callable[[], float] = time.monotonic
    """Seconds."""
    begun: Callable[[Manifest], object] = lambda manifest: None
    """Told what determines the map, before its first region."""


class Backend(Protocol):
    """What computes."""

    @property
    def in_flight(self) -> int:
        """Regions at a time, now."""

    def start(self, delayed: Delayed) -> Any:
        """Begin to compute; returns a future."""

    def wait(self, futures: Sequence[Any]) -> Sequence[Any]:
        """Those of some futures that have ended, at least one."""

    def result(self, future: Any) -> Any:
        """What was computed."""


class Threads:
    """Threads of this process, one region after the other."""

    def __init__(self, in_flight: int) -> None:
        self.in_flight = in_flight
        self.pool = ThreadPoolExecutor(in_flight, thread_name_prefix="lscube-region")

    def start(self, delayed: Delayed) -> Future[Any]:
        """Begin to compute."""
        return self.pool.submit(dask.compute, delayed, scheduler="threads")

    def wait(self, futures: Sequence[Future[Any]]) -> Sequence[Future[Any]]:
        """Those that have ended."""
        first = concurrent.futures.FIRST_COMPLETED
        return list(concurrent.futures.wait(futures, return_when=first).done)

    def result(self, future: Future[Any]) -> Any:
        """What was computed."""
        return future.result()[0]


class Workers:
    """A Dask cluster."""

    def __init__(self, client: Any, in_flight: int | None) -> None:
        self.client = client
        self._in_flight = in_flight

    @property
    def in_flight(self) -> int:
        """As many as keep the workers busy that are there now; more may come, and some go."""
        if self._in_flight is not None:
            return self._in_flight
        try:
            threads: int = sum(self.client.nthreads().values())
        except OSError:  # `wait` says that the scheduler is gone
            threads = 0
        # A region keeps some 16 threads busy; one more, so that none waits for the last of a region.
        return 1 + math.ceil(threads / 16)

    def start(self, delayed: Delayed) -> Any:
        """Begin to compute."""
        return self.client.compute(delayed)

    def wait(self, futures: Sequence[Any]) -> Sequence[Any]:
        """Those that have ended.

        Raises
        ------
        NoClusterError
            The scheduler is gone.
        """
        import distributed

        while self.client.status == "running":
            # `wait` asks the current client, which this one need not be.
            with contextlib.suppress(TimeoutError), self.client.as_current():
                distributed.wait(  # type: ignore[no-untyped-call]
                    futures, timeout=1, return_when="FIRST_COMPLETED"
                )
            ended = [future for future in futures if future.status in ("finished", "error")]
            if ended:
                return ended
            # One that is "lost" was done, and is computed again: its worker died with the result.
            if any(future.status == "cancelled" for future in futures):
                break
        raise _gone()

    def result(self, future: Any) -> Any:
        """What was computed.

        Raises
        ------
        NoClusterError
            The scheduler went away before it was told.
        """
        from distributed.comm.core import CommClosedError

        try:
            return future.result()
        except CommClosedError:  # an OSError, which a store's would be taken for
            raise _gone() from None


def _gone() -> NoClusterError:
    return NoClusterError(
        "Expected a Dask scheduler to the end of the run, but it is gone; start a cluster and run the "
        "same command again: finished regions are kept."
    )


@contextmanager
def backend_of(running: Running) -> Iterator[Backend]:
    """What computes a run's regions, until the run ends."""
    if running.client is not None:
        yield Workers(running.client, running.in_flight)
        return
    threads = Threads(running.in_flight or 1)
    try:
        yield threads
    finally:
        threads.pool.shutdown(wait=True, cancel_futures=True)


def run_regions(
    todo: Sequence[Region],
    compute: Callable[[Region], Delayed],
    finish: Callable[[Region, Any], object],
    running: Running,
) -> None:
    """Compute regions, and say of each that it is done.

    Parameters
    ----------
    todo
        Regions, in order.
    compute
        Gives a region's lazy result, whose computation writes it.
    finish
        Called after a region was written, with its result.
    running
        Where and how.

    Raises
    ------
    OSError, and those of object stores
        The store cannot be written: nothing more is begun.
    IncompleteError
        Some regions failed at every attempt; all others are done.
    """
    waiting = deque((region, 1) for region in todo)
    failed: dict[str, BaseException] = {}
    metrics.LEFT.set(len(todo))
    with backend_of(running) as backend:
        at_work: dict[Any, _Attempt] = {}
        while waiting or at_work:
            while waiting and len(at_work) < backend.in_flight:
                region, number = waiting.popleft()
                future = backend.start(compute(region))
                at_work[future] = _Attempt(region, number, time.monotonic())
            for future in backend.wait(list(at_work)):
                attempt = at_work.pop(future)
                error = future.exception()
                if error is None:
                    finish(attempt.region, backend.result(future))
                    attempt.is_done()
                    continue
                _raise_if_all_would_fail(error)
                if attempt.failed(error, running.attempts):
                    waiting.append((attempt.region, attempt.number + 1))
                else:
                    failed[attempt.region.name] = error
    if failed:
        raise _incomplete(failed, len(todo), running.attempts)


@dataclass(frozen=True)
class _Attempt:
    """A region at work: says and counts what becomes of it."""

    region: Region
    number: int
    begun: float

    def is_done(self) -> None:
        """It was written, and is in the ledger."""
        metrics.REGIONS.labels("done").inc()
        metrics.LEFT.dec()
        metrics.SECONDS.inc(self._seconds)
        metrics.tick()
        logger.info("Region %s is done", self.region.name, extra=self._fields)

    def failed(self, error: BaseException, attempts: int) -> bool:
        """It failed; gives whether it is to be tried again."""
        again = self.number < attempts
        metrics.REGIONS.labels("again" if again else "failed").inc()
        metrics.tick()
        words = ("Region %s failed (attempt %d): %s", self.region.name, self.number, error)
        logger.warning(*words, extra={**self._fields, "error": type(error).__name__})
        return again

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self.begun

    @property
    def _fields(self) -> dict[str, object]:
        seconds = round(self._seconds, 3)
        return {"region": self.region.name, "attempt": self.number, "seconds": seconds}


def _raise_if_all_would_fail(error: BaseException) -> None:
    """End the run where trying other regions is of no use."""
    # By name, as threads need no Dask cluster: all workers are gone, for long.
    if not isinstance(error, Exception) or type(error).__name__ == "NoWorkerError":
        raise error
    if isinstance(error, LscubeError) and not isinstance(error, SourceError):
        raise error
    # Sources that cannot be read are SourceErrors; a lost connection to a worker has no number.
    if isinstance(error, store_errors()) and not (
        isinstance(error, OSError) and error.errno is None
    ):
        raise error


def _incomplete(failed: dict[str, BaseException], tried: int, attempts: int) -> IncompleteError:
    name, error = next(iter(failed.items()))
    reason = (str(error).splitlines() or [""])[0] or type(error).__name__
    more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
    return IncompleteError(
        f"Expected all {tried} regions to be mapped, but region {name}{more} failed {attempts} times "
        f"({type(error).__name__}: {reason}); the others are kept: mend the cause and run the same command "
        "again.",
        tuple(failed),
    )
