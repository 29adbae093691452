"""Map areas of any size with stand-ins for the network; each run is a process of its own.

python -m tests.benchmarks.scaled memory FOLDER EDGE
    Peak memory in MB of mapping EDGE x EDGE regions from the files in a folder, in local threads.
python -m tests.benchmarks.scaled tasks ITEMS
    Tasks per chunk, and pickled bytes, of a region's graph; nothing is read.
python -m tests.benchmarks.scaled null PIXELS
    Map PIXELS x PIXELS without scenes on a cluster of two workers: seconds, MB written, the workers'
    peak memory and, after each region, the scheduler's memory in MB.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dask
import distributed
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.warp import transform_bounds
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from lscube.catalog import Scenes
from lscube.cube import plan_cube
from lscube.events import Event
from lscube.grid import bounds_of
from lscube.learn import Card
from lscube.mapping import Progress, Running, map_region
from lscube.mapping.ensemble import Ensemble
from lscube.mapping.identity import make_manifest
from lscube.mapping.layout import make_layout
from lscube.mapping.opening import prepare
from lscube.mapping.places import Folder
from lscube.mapping.region import open_region
from lscube.mapping.store import make_template
from lscube.settings import CubeSettings, PredictSettings
from tests.benchmarks.readers import EPSG, EVENT, THREADS, items, scenes_of
from tests.benchmarks.standins import NullModel
from tests.benchmarks.tasks import scenes_of_many
from tests.map_job import CARD, StandIn

STEP = 10_240
"""Metres between the beginnings of two cores of fast mode: areas begin there, and fill whole cores."""

SIZE = 10_980
"""Edge of a tile of Sentinel-2."""

FAST = PredictSettings(engine="keras", precision="float32")
"""Fast mode as it is by default; stand-ins have no arithmetic, and to choose one loads Keras."""

SMALL_REGIONS = FAST.model_copy(update={"shard_chunks": 1, "region_shards": 2})
"""The same windows in regions of 2048 pixels, so that the smallest area is one."""

BLIND: Card = CARD.model_copy(
    update={"branches": ("topography",), "pre_bands": (), "post_bands": ()}
)
"""Of a model that looks at the elevation alone: it predicts where there is no scene to read."""


def grid_of(pixels: int, column: int = 0) -> GeoBox:
    """So many pixels of 10 m from a corner of the lattice, so many cores from the zone's west."""
    corner = Affine(10, 0, column * STEP, 0, -10, 468 * STEP)
    return GeoBox((pixels, pixels), corner, f"EPSG:{EPSG}")


def area_over(grid: GeoBox) -> BaseGeometry:
    """An area in degrees that covers a grid, however its edges bend."""
    west, south, east, north = transform_bounds(f"EPSG:{EPSG}", "EPSG:4326", *bounds_of(grid))
    return box(west - 2, south - 2, east + 2, north + 2)


def memory_of(process: int | str, field: str) -> float:
    """What Linux says of a process, in MB: `VmRSS` (now) or `VmHWM` (the most it ever had)."""
    # Not getrusage, which begins with the peak of the process that started this one.
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if field in line) / 1024


def memory(folder: str, edge: str) -> list[float]:
    """Peak memory of a growing area."""
    before, after = items(folder)
    for item in (before, after):
        for asset in item.assets.values():
            asset.extra_fields["proj:shape"] = [SIZE, SIZE]
    grid = grid_of(2048 * int(edge), column=49)
    scenes = replace(scenes_of((before,), (after,)), area=area_over(grid))
    model = StandIn(CARD, Path("stand-in"))
    with tempfile.TemporaryDirectory() as place, dask.config.set(num_workers=THREADS):
        map_region(scenes, grid, model, Path(place) / "map.zarr", settings=SMALL_REGIONS)
    return [memory_of("self", "VmHWM")]


def tasks(count: str) -> list[float]:
    """Graph of a region in the middle of a large map, as it goes to the workers."""
    layout = make_layout(grid_of(3 * 8192, column=49), FAST)
    scenes = replace(scenes_of_many(int(count), pixels=27_000), area=area_over(layout.cores))
    cube = CubeSettings()
    plan = plan_cube(scenes, layout.lattice.padded(layout.cores), cube)
    model = NullModel(CARD, Path("stand-in"))
    region = list(layout.regions())[4]
    with tempfile.TemporaryDirectory() as folder:
        place = Folder(Path(folder) / "map.zarr")
        with place.locked() as target:
            manifest = make_manifest(plan, layout, [model], FAST)
            prepare(place, target, layout, make_template(plan, layout, manifest, FAST))
            opened = open_region(plan, layout, Ensemble((model,)), region)
            (graph,) = dask.optimize(target.write(opened, region))
            count_of = len(dict(graph.__dask_graph__()))
            size = len(pickle.dumps(graph.__dask_graph__()))
    return [count_of / opened["observed"].data.npartitions, size]


class Cluster:
    """A scheduler and two workers of one thread, by the programs that a cluster uses."""

    def __init__(self, folder: Path) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        file = str(folder / "scheduler.json")
        self._start("scheduler", "--port", "0", "--scheduler-file", file)
        for _ in range(2):
            words = ["--scheduler-file", file, "--nthreads", "1", "--no-nanny"]
            self._start("worker", *words, "--local-directory", str(folder))
        self.client = distributed.Client(scheduler_file=file, timeout=60)
        self.client.wait_for_workers(2, timeout=60)

    def _start(self, *words: str) -> None:
        command = [sys.executable, "-m", "dask", *words, "--host", "127.0.0.1", "--no-dashboard"]
        log = subprocess.DEVNULL
        self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    @property
    def scheduler_memory(self) -> float:
        """Now, in MB."""
        return memory_of(self.processes[0].pid, "VmRSS")

    @property
    def worker_peak(self) -> float:
        """Of the larger worker, in MB."""
        return max(memory_of(process.pid, "VmHWM") for process in self.processes[1:])

    def close(self) -> None:
        """End the processes that were started."""
        self.client.close(timeout=5)
        for process in self.processes:
            process.kill()
            process.wait()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster until the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        made = Cluster(Path(folder))
        try:
            yield made
        finally:
            made.close()


def null(pixels: str) -> list[float]:
    """Everything but reading and network, over an area of any size."""
    grid = grid_of(int(pixels))
    no_scenes = Scenes(Event("benchmark", EVENT, EVENT), area_over(grid), (), (), ())
    samples: list[float] = []
    model = NullModel(BLIND, Path("stand-in"))
    with cluster() as workers, tempfile.TemporaryDirectory() as place:

        def watch(progress: Progress) -> None:
            samples.append(workers.scheduler_memory)
            print(progress, f"{samples[-1]:.0f} MB", file=sys.stderr, flush=True)

        running = Running(workers.client, watch=watch)
        store = Path(place) / "map.zarr"
        start = time.perf_counter()
        cube = CubeSettings(bands=("red",))
        map_region(no_scenes, grid, model, store, cube, FAST, running=running)
        seconds = time.perf_counter() - start
        files = (path for path in store.rglob("*") if path.is_file())
        written = sum(path.stat().st_size for path in files) / 1e6
        peak = workers.worker_peak
    return [seconds, written, peak, *samples]


PROGRAMS: dict[str, Callable[..., list[float]]] = {
    program.__name__: program for program in (memory, tasks, null)
}


def main(program: str, *words: str) -> None:
    print(*PROGRAMS[program](*words))


if __name__ == "__main__":
    main(*sys.argv[1:])
