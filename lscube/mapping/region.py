"""Mapping an area into a Zarr store, region by region."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr
from dask.delayed import Delayed
from odc.geo.geobox import GeoBox

from lscube import metrics
from lscube.catalog import Scenes
from lscube.cluster import needed_resources
from lscube.cube import CubePlan, Reading, open_part
from lscube.cube.assemble import pixelwise
from lscube.cube.masks import Reason, inside_area
from lscube.learn import LoadedModel
from lscube.mapping.design import design_map
from lscube.mapping.ensemble import Ensemble
from lscube.mapping.identity import earlier_digests, region_digest
from lscube.mapping.layout import Layout, Region
from lscube.mapping.ledger import Ledger
from lscube.mapping.looking import look_again
from lscube.mapping.opening import is_finished, open_map, prepare
from lscube.mapping.places import Target, place_of, reached
from lscube.mapping.running import Progress, Running, run_regions
from lscube.mapping.store import FILLS, make_template, pixel_bytes
from lscube.mapping.takeover import Later, take_over
from lscube.mapping.windows import network_input, probability
from lscube.mapping.workers import check_workers
from lscube.paths import StrPath
from lscube.settings import CubeSettings, PredictSettings

logger = logging.getLogger("lscube.mapping")


def map_region(
    scenes: Scenes,
    grid: GeoBox,
    model: LoadedModel | Sequence[LoadedModel],
    store: StrPath,
    cube: CubeSettings = CubeSettings(),
    settings: PredictSettings = PredictSettings(),
    reading: Reading | None = None,
    running: Running = Running(),
    previous: StrPath | None = None,
) -> xr.Dataset:
    """Write the landslide probability of an area to a Zarr store.

    The area is cut into regions; each is read, predicted and written by itself, then entered in
    the store's ledger. Killed at any moment and called again, the run goes on with the regions
    that are not done, and ends with the same bytes as one that was never interrupted. Until then
    a folder is named `<store>.partial`. The margin of the outermost windows is read from the scenes
    themselves. Pixels that are not observed or outside the area are fill value, never "no landslide".

    Parameters
    ----------
    scenes, grid
        What to map, and where; the map covers the grid with whole cores of the lattice.
    model
        From `lscube.load_model` or `lscube.fit`; several give their mean and their spread.
    store
        Folder to make, or to go on with; or an address in an object store (`s3://bucket/map.zarr`,
        `gs://`, `az://`); with the ending `.icechunk`, an Icechunk repository. If a map stands
        there already, with the same scenes, model, grid and settings, it is opened and nothing is
        computed.
    cube, settings
        Bands and masks; windows and the store's layout.
    reading
        How files are opened, and what was measured before (`lscube.cube.prepare_reading`, which is
        called where nothing is given).
    running
        Where regions are computed: local threads, or a Dask client's workers.
    previous
        An earlier map, for example of fewer scenes: regions in which later ones show nothing that was
        missing are taken over (`lscube.mapping.takeover`).

    Returns
    -------
    xr.Dataset
        The map, lazily: `probability` (y, x) 0..1, with several models `spread` (their standard
        deviation), `observed`, `area`, `post_date`, and `unreadable` (see `lscube.open_cube`).

    Raises
    ------
    ModelError
        The model looks at a band that is missing, or expects another resolution.
    StoreError
        The store belongs to another run, another run is writing it, or it cannot be written.
    IncompleteError
        Some regions could not be computed; the others are kept.
    ClusterError
        A worker lacks the model, what computes it, or does not see the store; or the scheduler is gone.
    """
    design = design_map(scenes, grid, model, cube, settings, reading)
    plan, layout, manifest = design.plan, design.layout, design.manifest
    place = place_of(store, running.lease)
    running.begun(manifest)
    with reached(place):
        finished = is_finished(place, manifest)
    if finished:
        return open_map(store)
    resources = needed_resources(running.client)
    with reached(place), place.locked() as target:
        prepare(place, target, layout, make_template(plan, layout, manifest, settings))
        digests = {
            region.key: region_digest(manifest, plan, layout, region) for region in layout.regions()
        }
        touching = layout.touching(plan.area)
        todo = _enter_empty(target, layout, digests, touching)
        if previous is not None:
            later = Later(
                partial(earlier_digests, manifest, plan, layout),
                partial(look_again, plan, layout, running),
            )
            todo = take_over(previous, target, todo, digests, later)
        if running.client is not None and todo:
            check_workers(running.client, design.ensemble.models, resources, place)
        watch = _Watch(layout, touching, todo, running)
        each = pixel_bytes(len(design.ensemble.models))

        def finish(region: Region, found: tuple[Any, Any]) -> None:
            written, settled = found
            if settled:
                Ledger.of(target.store).settle(region)
            target.enter(region, digests[region.key], written)
            pixels = math.prod(layout.grid(region).shape)
            metrics.PIXELS.inc(pixels)
            metrics.BYTES.inc(pixels * each)
            watch.finished(region)

        def compute(region: Region) -> Delayed:
            return region_work(plan, layout, design.ensemble, region, target.write, resources)

        told = {"store": str(place), "regions": len(touching), "todo": len(todo)}
        logger.info("Map begins", extra=told)
        try:
            run_regions(todo, compute, finish, running)
        finally:
            target.keep()
        place.finish()
    logger.info("Map is finished", extra=told)
    return open_map(store)


def region_work(
    plan: CubePlan,
    layout: Layout,
    ensemble: Ensemble,
    region: Region,
    write: Callable[[xr.Dataset, Region], Delayed],
    resources: Mapping[str, float] | None = None,
) -> Delayed:
    """All that is computed of a region, lazily: what writing it gives, and whether it is settled.

    Parameters
    ----------
    plan, layout, ensemble, region, resources
        As for `open_region`.
    write
        Lazily writes a region.
    """
    opened, settled = _open(plan, layout, ensemble, region, resources)
    both: Delayed = dask.delayed(_both, pure=False)(write(opened, region), settled)
    return both


def open_region(
    plan: CubePlan,
    layout: Layout,
    ensemble: Ensemble,
    region: Region,
    resources: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Open a region of a map, lazily; one Dask chunk per shard, without coordinates.

    Parameters
    ----------
    plan, layout, ensemble, region
        Of the map.
    resources
        What a worker must have to predict windows; anyone may read them.
    """
    return _open(plan, layout, ensemble, region, resources)[0]


def _open(
    plan: CubePlan,
    layout: Layout,
    ensemble: Ensemble,
    region: Region,
    resources: Mapping[str, float] | None,
) -> tuple[xr.Dataset, Delayed]:
    """A region, and whether it is settled: whether its windows miss nothing after the event."""
    lattice, grid = layout.lattice, layout.grid(region)
    padded = open_part(plan, lattice.padded(grid), layout.padded_chunks(region))
    margin = lattice.margin
    inner = {
        axis: slice(margin, margin + pixels)
        for axis, pixels in zip(("y", "x"), grid.shape, strict=True)
    }
    card = ensemble.models[0].card
    stacked = network_input(padded, card, ensemble.needed)
    with dask.annotate(resources=resources) if resources else nullcontext():
        values = probability(stacked, ensemble, lattice, ensemble.planes)
    kept = padded[["observed", "area", "post_date", "unreadable"]].isel(inner)
    found = {
        name: (variable.dims, _within(variable.data, kept["area"].data, FILLS[str(name)]))
        for name, variable in kept.data_vars.items()
    }
    names = ("probability", "spread")[: ensemble.planes]
    planes = {name: (("y", "x"), plane) for name, plane in zip(names, values, strict=True)}
    seen = pixelwise(_settled, np.bool_, padded["observed"].data)
    # Not fused: so it is the writing's own tasks that read, once.
    with dask.config.set({"optimization.fuse.active": False}):
        blocks = seen.to_delayed()
    settled = dask.delayed(_all)([list(row) for row in blocks])
    return xr.Dataset({**planes, **found}), settled


_MISSING = np.uint16((0xFF & ~Reason.MASKED_BY_USER) << 8)
"""Reasons after the event that a further scene can take away."""


def _within(values: da.Array, area: da.Array, fill: np.generic) -> da.Array:
    """Nothing is said of what lies outside: so it does not matter whether it was looked at."""
    return pixelwise(partial(_fill_outside, fill=fill), values.dtype, values, area)


def _fill_outside(
    values: npt.NDArray[Any], area: npt.NDArray[Any], fill: np.generic
) -> npt.NDArray[Any]:
    return np.where(inside_area(area), values, fill).astype(values.dtype, copy=False)


def _settled(observed: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return np.asarray((observed & _MISSING) == 0)


def _all(blocks: list[list[Any]]) -> bool:
    return all(bool(block.all()) for row in blocks for block in row)


def _both(written: Any, settled: bool) -> tuple[Any, bool]:
    return written, settled


def _enter_empty(
    target: Target,
    layout: Layout,
    digests: Mapping[tuple[int, int], bytes],
    touching: Sequence[Region],
) -> list[Region]:
    """Enter the regions outside the area, of which nothing is to be written; returns what is to do."""
    ledger = Ledger.of(target.store)
    done = ledger.read()
    wanted = {region.key for region in touching}
    left = [r for r in layout.regions() if done.get(r.key) != digests[r.key]]
    for region in left:
        if region.key not in wanted:
            ledger.mark(region, digests[region.key])
    target.keep()
    return [region for region in left if region.key in wanted]


class _Watch:
    """Counts regions and areas for whoever watches the run."""

    def __init__(
        self, layout: Layout, regions: Sequence[Region], todo: Sequence[Region], running: Running
    ) -> None:
        self.layout, self.running = layout, running
        total = sum(map(layout.square_kilometres, regions))
        before = total - sum(map(layout.square_kilometres, todo))
        done = len(regions) - len(todo)
        self.begun = running.clock()
        self.progress = Progress(len(regions), done, total, before, before, 0.0)
        running.watch(self.progress)

    def finished(self, region: Region) -> None:
        """Count one more."""
        area = self.layout.square_kilometres(region)
        self.progress = replace(
            self.progress,
            done=self.progress.done + 1,
            done_square_kilometres=self.progress.done_square_kilometres + area,
            seconds=self.running.clock() - self.begun,
        )
        self.running.watch(self.progress)
