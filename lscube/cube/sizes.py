"""How many bytes of its files a cube is read from; headers are opened, no pixel is read."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.warp import transform_bounds

from lscube.cube.opening import read_from
from lscube.cube.planned import CubePlan, widened
from lscube.cube.reading import Access, Source, overlaps
from lscube.cube.side import Scene
from lscube.errors import SourceError
from lscube.grid import Bounds, bounds_of
from lscube.settings import Composite

logger = logging.getLogger("lscube.cube")

PASSES = {"median": None, "first": 2, "clearest": 2}
"""Satellite passes that are counted of each composite: a median reads all; how many others need
depends on the clouds."""

OPENED_AT_A_TIME = 8


@dataclass(frozen=True)
class _Blocks:
    """How a file's band is stored."""

    crs: Any
    transform: Affine
    shape: tuple[int, int]
    """Rows and columns of a block in pixels."""
    sizes: npt.NDArray[np.int64]
    """Bytes of each block (row, column) as stored."""

    def within(self, bounds: Bounds, epsg: int) -> int:
        """Bytes of the blocks that share pixels with bounds in a UTM zone."""
        west, south, east, north = transform_bounds(f"EPSG:{epsg}", self.crs, *bounds)
        left, top = ~self.transform @ (west, north)
        right, bottom = ~self.transform @ (east, south)
        rows, columns = self.shape
        first = (max(0, math.floor(top / rows)), max(0, math.floor(left / columns)))
        last = (max(0, math.ceil(bottom / rows)), max(0, math.ceil(right / columns)))
        return int(self.sizes[first[0] : last[0], first[1] : last[1]].sum())


def passes_read(scenes: Sequence[Scene], method: Composite) -> list[list[Scene]]:
    """Scenes of each satellite pass that a composite of these scenes is expected to read."""
    passes: dict[str, list[Scene]] = defaultdict(list)
    for scene in scenes:
        passes[scene.satellite_pass].append(scene)
    return list(passes.values())[: PASSES[method]]


def bytes_to_read(plan: CubePlan, cells: Iterable[GeoBox]) -> int:
    """Stored bytes of all blocks that a cube's chunks are read from, each counted for each chunk.

    Parameters
    ----------
    plan
        From `plan_cube`.
    cells
        The grid of each chunk.

    Returns
    -------
    int
        Where a file does not tell the size of its blocks (JPEG 2000), of their pixels unpacked. Files
        whose header cannot be read count nothing, with a warning in the log.
    """
    needed: dict[Source, list[Bounds]] = defaultdict(list)
    for cell in cells:
        for source, bounds in _read_for(plan, bounds_of(cell)):
            if overlaps(source.extent, bounds):
                needed[source].append(bounds)
    measure = partial(_bytes_of, access=plan.reading.access, epsg=plan.epsg)
    with ThreadPoolExecutor(OPENED_AT_A_TIME) as pool:
        return sum(pool.map(measure, needed.items()))


def _read_for(plan: CubePlan, cell: Bounds) -> Iterable[tuple[Source, Bounds]]:
    """Sources of a chunk, and where each is read."""
    touching = plan.touching(cell)
    for side, method in (("pre", plan.settings.pre), ("post", plan.settings.post)):
        for scenes in passes_read(touching[side], method):
            for scene in scenes:
                yield from ((band, cell) for band in scene.bands)
                wide = widened(cell, plan.context)
                others = (*scene.mask_bands, scene.classification)
                yield from ((other, wide) for other in others if other is not None)
    yield from ((tile, cell) for tile in touching["dsm"])


def _bytes_of(needed: tuple[Source, list[Bounds]], access: Access, epsg: int) -> int:
    source, places = needed
    try:
        blocks = read_from(
            source.href, partial(_blocks, band=source.band), access.sign, access.patience
        )
    except SourceError as error:
        logger.warning("%s", error)
        return 0
    return sum(blocks.within(bounds, epsg) for bounds in places)


def _blocks(file: rasterio.DatasetReader, band: int) -> _Blocks:
    rows, columns = file.block_shapes[band - 1]
    counts = (math.ceil(file.height / rows), math.ceil(file.width / columns))
    unpacked = rows * columns * np.dtype(file.dtypes[band - 1]).itemsize
    known = file.driver == "GTiff"
    sizes = np.full(counts, 0 if known else unpacked, np.int64)
    if known:
        for row, column in np.ndindex(*counts):
            found = file.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=band)
            sizes[row, column] = int(found or 0)  # none: an empty block, which is not stored
    return _Blocks(file.crs, file.transform, (rows, columns), sizes)
