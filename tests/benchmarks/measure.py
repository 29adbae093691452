"""Rows of the benchmark: what was measured, against which target, on what."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One measured quantity."""

    name: str
    """Name that issues and notes use."""
    unit: str
    """Of all values."""
    target: str
    """What is wanted, in words."""
    holds: bool
    """Whether the median is as wanted."""
    values: tuple[float, ...]
    """One per run."""

    def as_dict(self) -> dict[str, Any]:
        """The row as written to `bench.json`."""
        plain = asdict(self)
        values = plain.pop("values")
        return {
            **plain,
            "value": round(statistics.median(values), 4),
            "runs": len(values),
            "minimum": round(min(values), 4),
            "median": round(statistics.median(values), 4),
            "maximum": round(max(values), 4),
            "hardware": hardware(),
        }


def at_most(name: str, unit: str, limit: float, values: Sequence[float]) -> Row:
    """Row whose median is to be no more than `limit`."""
    return Row(name, unit, f"<= {limit:g}", statistics.median(values) <= limit, tuple(values))


def at_least(name: str, unit: str, limit: float, values: Sequence[float]) -> Row:
    """Row whose median is to be no less than `limit`."""
    return Row(name, unit, f">= {limit:g}", statistics.median(values) >= limit, tuple(values))


def seconds_of(run: Callable[[], object], runs: int, warm_up: int = 1) -> list[float]:
    """Wall-clock seconds of each counted run."""
    seconds = []
    for index in range(warm_up + runs):
        start = time.perf_counter()
        run()
        if index >= warm_up:
            seconds.append(time.perf_counter() - start)
    return seconds


def command(*words: str) -> Callable[[], object]:
    """A program as something to time; a failure is an error."""
    return lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def peak_megabytes() -> float:
    """Peak memory of this process.

    Not by getrusage, which begins with the peak of the process that started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024


def hardware() -> str:
    """Processor, cores and memory of this machine."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8").splitlines()
        model = next((line.split(":")[1].strip() for line in lines if "model name" in line), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB"
