"""What a map will take, told before any pixel of it is read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import dask
import numpy as np
import shapely
import xarray as xr
from dask.delayed import Delayed
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry
from zarr.storage import MemoryStore

from lscube.cube import CubePlan, bytes_to_read, passes_read
from lscube.errors import SettingsError
from lscube.grid import bounds_of, resolution_of
from lscube.mapping.design import Design
from lscube.mapping.layout import Region
from lscube.mapping.region import region_work
from lscube.mapping.store import make_template, write_region
from lscube.markup import table

BUSY = 0.85
"""Share of the cores that is at work: the network's threads wait for each other where reading takes
one's core. Seen with 2 cores: 0.93 at width 1, 0.78 at width 0.25."""


@dataclass(frozen=True)
class Calibration:
    """How fast a machine is, and how much memory it takes; from `lscube.calibration.calibrate`."""

    device: str
    """"CPU" or "GPU": what computes the network."""
    cores: int
    """Processor cores that were used."""
    window_seconds: float
    """Wall-clock seconds of one window with all models and views, on all these cores or the GPU."""
    opened_bytes: int
    """Memory of a process that has opened the models."""
    window_bytes: int
    """Memory that predicting takes beyond that."""
    look_seconds: float
    """Core-seconds to read a satellite pass, per pixel."""
    pixel_seconds: float
    """Core-seconds of all else, per pixel: surface model, masks, cutting windows, writing."""


@dataclass(frozen=True)
class Machines:
    """Who will do it."""

    count: int = 1
    """Worker processes."""
    threads: int = 1
    """Threads, and cores, of each."""
    memory: float | None = None
    """Bytes of each; None: not limited."""
    price: float = 0.0
    """Of an hour of a core, or of a GPU where it computes the network; in any currency."""


@dataclass(frozen=True)
class MapPlan:
    """What a map will take."""

    square_kilometres: float
    """Area of the regions."""
    regions: int
    """That touch the area."""
    chunks: int
    """Dask chunks, which are the store's shards."""
    windows: int
    """That the network looks at; where clouds hide a whole window it will be fewer."""
    tasks: int
    """Of Dask, over all regions."""
    read_bytes: int
    """See `lscube.cube.bytes_to_read`."""
    worker_bytes: float
    """Peak memory of each worker."""
    device: str
    """"CPU" or "GPU": what computes the network."""
    network_seconds: float
    """Core-seconds of the network; where it has GPUs, their seconds."""
    other_seconds: float
    """Core-seconds of reading, masks and writing, from files that are at hand."""
    wall_seconds: float
    """From beginning to end; waiting for a distant store comes on top."""
    cost: float
    """At the given price."""

    def _repr_html_(self) -> str:
        """Its quantities, for notebooks."""
        rows = (
            ("Area", f"{self.square_kilometres:,.1f} km² in {self.regions:,} regions"),
            ("Chunks", f"{self.chunks:,}, {self.windows:,} windows, {self.tasks:,} tasks"),
            ("To read", f"{self.read_bytes / 1e6:,.1f} MB"),
            ("Memory", f"{self.worker_bytes / 1e9:.1f} GB for each worker"),
            ("Network", f"{self.network_seconds:,.0f} s of {self.device}"),
            ("The rest", f"{self.other_seconds:,.0f} s of CPU"),
            ("Time", str(timedelta(seconds=round(self.wall_seconds)))),
            ("Cost", f"{self.cost:,.2f}"),
        )
        return table("What the map will take", ("", ""), rows)


def plan_map(design: Design, calibration: Calibration, workers: Machines = Machines()) -> MapPlan:
    """Tell what a map will take; headers of files are opened, no pixel is read.

    Parameters
    ----------
    design
        From `design_map`.
    calibration
        Of the machine that will do it, or one like it.
    workers
        How many, how large.

    Raises
    ------
    SettingsError
        A worker's memory is too small.
    """
    regions = design.layout.touching(design.plan.area)
    cells = [cell for region in regions for cell in _cells(design, region)]
    pixels = np.array([math.prod(cell.shape) for cell in cells])
    looks = np.array([_looks(design.plan, cell) for cell in cells])
    windows = _count_windows(design)
    other = float((pixels * (calibration.pixel_seconds + looks * calibration.look_seconds)).sum())
    window_seconds = windows * calibration.window_seconds
    on_gpu = calibration.device == "GPU"
    speed = 1.0 if on_gpu else workers.threads / calibration.cores
    wall = (window_seconds / speed + other / workers.threads) / workers.count / BUSY
    billed = workers.count * (1 if on_gpu else workers.threads) * wall / 3600
    found = MapPlan(
        square_kilometres=sum(map(design.layout.square_kilometres, regions)),
        regions=len(regions),
        chunks=len(cells),
        windows=windows,
        tasks=_count_tasks(design, regions),
        read_bytes=bytes_to_read(design.plan, cells),
        worker_bytes=_worker_bytes(design, calibration, int(pixels.max()), workers.threads),
        device=calibration.device,
        network_seconds=window_seconds * (1 if on_gpu else calibration.cores),
        other_seconds=other,
        wall_seconds=wall,
        cost=billed * workers.price,
    )
    _check_memory(found, workers)
    return found


def _cells(design: Design, region: Region) -> Iterator[GeoBox]:
    """What each of a region's chunks is read on: with the margin, where it is at the region's edge."""
    layout = design.layout
    padded = layout.lattice.padded(layout.grid(region))
    edges = [np.cumsum([0, *sizes]).tolist() for sizes in layout.padded_chunks(region)]
    for top, bottom in zip(edges[0], edges[0][1:], strict=False):
        for left, right in zip(edges[1], edges[1][1:], strict=False):
            yield padded[top:bottom, left:right]


def _looks(plan: CubePlan, cell: GeoBox) -> int:
    """Satellite passes that a chunk is read from, before and after."""
    touching = plan.touching(bounds_of(cell))
    before = passes_read(touching["pre"], plan.settings.pre)
    return len(before) + len(passes_read(touching["post"], plan.settings.post))


def _count_windows(design: Design) -> int:
    """Windows whose core has pixels of the area that scenes of each side in use reach."""
    seen = design.plan.area
    branches = design.ensemble.models[0].card.branches
    for name, side in (("pre", design.plan.pre), ("post", design.plan.post)):
        if name in branches:
            extents = [shapely.box(*scene.bands[0].extent) for scene in side.scenes]
            seen = seen.intersection(shapely.union_all(extents))
    return _count_cores(design, seen)


def _count_cores(design: Design, seen: BaseGeometry) -> int:
    core, cores = design.layout.lattice.core, design.layout.cores
    west, _, _, north = bounds_of(cores)
    size, half = core * resolution_of(cores), resolution_of(cores) / 2
    left = west + size * np.arange(cores.shape[1] // core)
    shapely.prepare(seen)
    count = 0
    for row in range(cores.shape[0] // core):
        top = north - row * size
        # Half a pixel less on each side: what only touches the border holds no pixel's centre.
        boxes = shapely.box(left + half, top - size + half, left + size - half, top - half)
        count += int(shapely.intersects(seen, boxes).sum())
    return count


def empty_store(design: Design) -> MemoryStore:
    """A map in memory with nothing in it."""
    store = MemoryStore()
    template, encoding = make_template(design.plan, design.layout, design.manifest, design.settings)
    template.to_zarr(store, zarr_format=3, encoding=encoding, compute=False, consolidated=False)
    return store


def _count_tasks(design: Design, regions: Sequence[Region]) -> int:
    """Tasks of all regions: those of equal shape have as many."""
    store = empty_store(design)
    found = [(tuple(design.layout.grid(region).shape), region) for region in reversed(regions)]
    shapes = Counter(shape for shape, _ in found)
    firsts = dict(found)
    return sum(count * _tasks_of(design, firsts[shape], store) for shape, count in shapes.items())


def _tasks_of(design: Design, region: Region, store: MemoryStore) -> int:
    def write(dataset: xr.Dataset, region: Region) -> Delayed:
        return write_region(dataset, store, region)

    work = region_work(design.plan, design.layout, design.ensemble, region, write)
    (optimised,) = dask.optimize(work)
    return len(dict(optimised.__dask_graph__()))


def _worker_bytes(design: Design, calibration: Calibration, pixels: int, threads: int) -> float:
    """Peak memory: the process, one prediction at a time, and chunks on their way to it."""
    bands = len(design.plan.settings.bands)
    # Two composites (bands, reason, date, unreadable), elevation, and the network's input.
    chunk = 4 * pixels * (2 * (bands + 3) + 2 + design.ensemble.models[0].card.channels + 1)
    side = design.layout.region // design.layout.shard
    rows, columns = (
        min(side, -(-size // design.layout.shard)) for size in design.layout.cores.shape
    )
    # Chunks wait for their neighbours' margins, about a row of them; each thread has one in work.
    waiting = min(rows * columns, columns + 2) + threads - 1
    return calibration.opened_bytes + calibration.window_bytes + waiting * chunk


def _check_memory(found: MapPlan, workers: Machines) -> None:
    if workers.memory is not None and found.worker_bytes > workers.memory:
        raise SettingsError(
            f"Expected workers with about {found.worker_bytes / 1e9:.1f} GB of memory, got "
            f"{workers.memory / 1e9:.1f} GB; give each more, or lower predict.shard_chunks, "
            "predict.core or the threads per worker."
        )
