"""Rows on mapping areas of any size: memory, graphs, and a cluster's scheduler."""

from __future__ import annotations

import statistics
import tempfile
from functools import cache
from pathlib import Path

from tests.benchmarks.measure import Row, at_most
from tests.benchmarks.reading import run, write_large

PROGRAM = "tests.benchmarks.scaled"


def predict_memory_16x() -> Row:
    """Peak memory of a process that maps 4 and 16 times a region, by that for one region.

    In fast mode, in two local threads, with a surface model and a stand-in for the network. All but a
    few MB of it is one region's: of its 4 windows two are read at a time while the others wait with
    their pixels for the neighbours' margins, and GDAL keeps 128 MB of decoded blocks, which one region
    fills. TensorFlow is not loaded; a network comes to that, whatever the area.
    """
    edges = (1, 2, 4)
    with tempfile.TemporaryDirectory() as folder:
        write_large(Path(folder))
        peaks = {
            edge: [run(PROGRAM, "memory", folder, str(edge))[0] for _ in range(3)] for edge in edges
        }
    for edge, values in peaks.items():
        shown = " ".join(f"{value:.0f}" for value in values)
        print(f"  {edge * edge} times the area: {shown} MB", flush=True)
    base = statistics.median(peaks[1])
    return at_most("predict_memory_16x", "x", 1.1, [value / base for value in peaks[4]])


def predict_tasks_per_chunk() -> Row:
    """Tasks per chunk (a shard) of a region's graph, with 4 and with 60 items that touch the region."""
    found = {count: run(PROGRAM, "tasks", str(count)) for count in (4, 60)}
    for count, (tasks, size) in found.items():
        print(f"  {count} items: {tasks:.2f} tasks per chunk, {size / 1e3:.0f} kB", flush=True)
    return at_most("predict_tasks_per_chunk", "tasks", 60, [tasks for tasks, _ in found.values()])


@cache
def null_run(pixels: int = 100_000) -> tuple[float, list[float]]:
    """Minutes, and the scheduler's MB after each region, of a map without scenes."""
    seconds, written, peak, *samples = run(PROGRAM, "null", str(pixels))
    print(
        f"  {pixels} x {pixels} pixels, {len(samples) - 1} regions: {seconds / 60:.1f} min, "
        f"{written:.1f} MB written; scheduler {samples[1]:.0f} .. {samples[-1]:.0f} MB, "
        f"a worker at most {peak:.0f} MB",
        flush=True,
    )
    return seconds / 60, samples[1:]


def predict_null_model() -> Row:
    """Minutes to map 100,000 x 100,000 pixels without scenes, by a model that says 0 at once.

    On a scheduler and two workers of one thread each, with the default layout of fast mode. Regions,
    graphs, windows, shards and ledger are the product's; nothing is read, and the network costs nothing.
    """
    minutes, _ = null_run()
    return at_most("predict_null_model", "min", 15, [minutes])


def predict_null_scheduler_memory() -> Row:
    """The scheduler's memory over the last tenth of those regions, by that over the second tenth."""
    _, samples = null_run()
    tenth = len(samples) // 10
    late, early = samples[-tenth:], samples[tenth : 2 * tenth]
    ratio = statistics.median(late) / statistics.median(early)
    return at_most("predict_null_scheduler_memory", "x", 1.1, [ratio])
