"""Rows on reading: lscube beside its peers, in turns, each run a process of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import scipy.ndimage
from affine import Affine

from tests.benchmarks.measure import Row, at_most
from tests.benchmarks.readers import BANDS, DATES, EPSG, NORTH, SIZE, WEST, name_of
from tests.servers.files import range_server

RUNS = {"10": 7, "6": 3}
"""Runs of each way, by resolution in metres."""


def write_cog(path: Path, pixels: np.ndarray[Any, Any]) -> None:
    """Write a COG as Earth Search has them: blocks of 1024, deflate, horizontal differences."""
    rows, columns = pixels.shape
    with rasterio.open(
        path,
        "w",
        driver="COG",
        dtype="uint16",
        count=1,
        height=rows,
        width=columns,
        crs=f"EPSG:{EPSG}",
        transform=Affine(10, 0, WEST, 0, -10, NORTH),
        nodata=0,
        compress="deflate",
        predictor=2,
        blocksize=1024,
    ) as file:
        file.write(pixels.clip(1, 10_000).astype(np.uint16), 1)


def ground(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Something like land: smooth, with the noise that keeps it from being compressed away."""
    coarse = rng.normal(size=(SIZE // 18, SIZE // 18)).astype(np.float32)
    smooth = scipy.ndimage.zoom(coarse, 18, order=1)[:SIZE, :SIZE]
    return 1500 + 400 * smooth + rng.normal(0, 60, (SIZE, SIZE)).astype(np.float32)


def write_scenes(folder: Path) -> None:
    """Two dates and four bands of half a tile."""
    rng = np.random.default_rng(0)
    for date in range(DATES):
        for band in BANDS:
            write_cog(folder / name_of(date, band), ground(rng))


def write_large(folder: Path) -> None:
    """Two dates and four bands of a whole tile, under as many names of one file."""
    write_cog(folder / "tile", np.tile(ground(np.random.default_rng(0)), (2, 2)))
    for date in range(DATES):
        for band in BANDS:
            (folder / name_of(date, band)).symlink_to(folder / "tile")


@contextmanager
def served(write: Callable[[Path], None]) -> Iterator[str]:
    """Files on an HTTP server of this machine; gives the address."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        with range_server(Path(folder)) as address:
            yield address


def run(*words: str) -> list[float]:
    """What a program of this package prints, as numbers."""
    done = subprocess.run(
        [sys.executable, "-m", *words], check=True, stdout=subprocess.PIPE, text=True
    )
    return [float(word) for word in done.stdout.split()]


@cache
def seconds(resolution: str) -> dict[str, list[float]]:
    """Seconds of each way of reading, one value per round; all ways take turns within a round."""
    ways = ["lscube_stack", "odc", "lscube_cube", "odc_cube"]
    ways += ["rasterio_windows"] if resolution == "10" else ["stackstac_warp"]
    measured: dict[str, list[float]] = {way: [] for way in ways}
    with served(write_scenes) as address:
        for round_ in range(RUNS[resolution]):
            turn = round_ % len(ways)
            for way in ways[turn:] + ways[:turn]:
                measured[way].append(run("tests.benchmarks.readers", way, address, resolution)[0])
    for way, values in measured.items():
        shown = " ".join(f"{value:.2f}" for value in values)
        print(f"  {way} at {resolution} m: {shown} s", flush=True)
    return measured


def ratio(name: str, resolution: str, ours: str, peer: str, limit: float) -> Row:
    """Our seconds by the peer's, round by round."""
    measured = seconds(resolution)
    ratios = [a / b for a, b in zip(measured[ours], measured[peer], strict=True)]
    return at_most(name, "x", limit, ratios)


def read_native_vs_odc() -> Row:
    """Reading 2 dates x 4 bands of 5490 x 5490 pixels at their own 10 m, by odc-stac's time."""
    return ratio("read_native_vs_odc", "10", "lscube_stack", "odc", 1.0)


def read_native_vs_rasterio() -> Row:
    """The same, by plain rasterio's time for the same windows in as many threads."""
    return ratio("read_native_vs_rasterio", "10", "lscube_stack", "rasterio_windows", 1.25)


def cube_native_vs_odc() -> Row:
    """A whole cube (reflectance, reasons, dates), by odc-stac's time for the reflectance alone."""
    return ratio("cube_native_vs_odc", "10", "lscube_cube", "odc_cube", 1.5)


def read_6m_vs_stackstac() -> Row:
    """The same scenes at 6 m, by the time of stackstac's own warp."""
    return ratio("read_6m_vs_stackstac", "6", "lscube_stack", "stackstac_warp", 0.5)


def read_6m_vs_odc() -> Row:
    """The same scenes at 6 m, by odc-stac's time."""
    return ratio("read_6m_vs_odc", "6", "lscube_stack", "odc", 1.0)


def cube_6m_vs_odc() -> Row:
    """A whole cube at 6 m, by odc-stac's time for the reflectance alone."""
    return ratio("cube_6m_vs_odc", "6", "lscube_cube", "odc_cube", 1.0)


def cube_memory_16x() -> Row:
    """Peak memory of a process that writes a cube of 4 and of 16 times the area, by the first's."""
    with served(write_large) as address:
        peaks = {
            edge: [run("tests.benchmarks.growing", address, str(edge))[0] for _ in range(2)]
            for edge in (1, 2, 4)
        }
    for edge, values in peaks.items():
        print(
            f"  {edge * edge} times the area: {' '.join(f'{v:.0f}' for v in values)} MB", flush=True
        )
    base = statistics.median(peaks[1])
    return at_most("cube_memory_16x", "x", 1.1, [value / base for value in peaks[4]])


def cube_tasks_per_chunk() -> Row:
    """Tasks per chunk of a cube's graph with 60 items that touch the area; with 4 it is the same."""
    counts: Sequence[float] = run("tests.benchmarks.tasks")
    print(f"  with 4 items: {counts[0]:.2f}, with 60: {counts[1]:.2f} tasks per chunk", flush=True)
    return at_most("cube_tasks_per_chunk", "tasks", counts[0], [counts[1]])
