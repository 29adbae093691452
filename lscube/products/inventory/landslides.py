"""From patches to landslides: which count, which holes are filled, how large they are together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from lscube.products.inventory.area import pixel_areas
from lscube.products.inventory.blocks import Block
from lscube.products.inventory.outlines import Outlines, fill
from lscube.products.inventory.patches import Measured, Patches, Rule, find_patches
from lscube.products.inventory.table import AREA, Integers, Table, reduce_by, stack, take
from lscube.settings.inventory import InventorySettings


@dataclass(frozen=True)
class Landslides:
    """Landslides in the order of their first pixels, row by row from the north-west."""

    table: Table
    """A row each; areas include filled holes."""
    outlines: Outlines
    """In pixels of the map, or empty where none were wanted."""

    @property
    def square_metres(self) -> NDArray[np.float64]:
        """Area of each."""
        areas: NDArray[np.float64] = self.table["area"] / AREA
        return areas


@dataclass(frozen=True)
class _Found:
    """Landslides of some patches, and the holes that were filled in them."""

    patches: Patches
    holes: Outlines
    owners: Integers


def find_landslides(
    blocks: Iterable[Block],
    grid: GeoBox,
    settings: InventorySettings,
    measure: Measured,
    draw: bool = True,
) -> Landslides:
    """Find the landslides of a map.

    Parameters
    ----------
    blocks, measure
        As for `find_patches`.
    grid
        The map's.
    settings
        What counts.
    draw
        Whether outlines are wanted.
    """

    def worth(table: Table) -> NDArray[np.bool_]:
        likely = table["most_probable"] >= settings.threshold
        return likely if settings.fill_holes else likely & (table["area"] >= least)

    least = settings.min_area * AREA
    rule = Rule(settings.lowest, settings.connectivity, worth, draw or settings.fill_holes > 0)
    areas = pixel_areas(grid)
    rows, columns = grid.shape
    patches = find_patches(blocks, (rows, columns), rule, measure)
    found = [_choose(part, areas, settings) for part in patches]
    table = stack(part.patches.table for part in found)
    outlines = np.concatenate([part.patches.outlines for part in found])
    holes = np.concatenate([part.holes for part in found])
    before = np.cumsum([0, *(len(part.patches.table["first"]) for part in found)])
    owners = np.concatenate([part.owners + n for part, n in zip(found, before, strict=False)])
    order = np.argsort(table["first"])
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    ordered = Landslides(take(table, order), outlines[order] if len(outlines) else outlines)
    return _absorb(ordered, holes, place[owners], columns)


def _choose(patches: Patches, areas: NDArray[np.float64], settings: InventorySettings) -> _Found:
    """Fill holes, and leave out what is not probable or not large enough."""
    none = np.array([], object), np.array([], np.int64)
    likely = patches.table["most_probable"] >= settings.threshold
    table, outlines, (holes, owners) = take(patches.table, likely), patches.outlines, none
    if len(outlines):
        outlines = outlines[likely]
    if settings.fill_holes > 0 and len(outlines):
        pixel = areas[shapely.get_x(shapely.centroid(outlines)).astype(np.intp)]
        full, holes, owners = fill(outlines, settings.fill_holes / pixel)
        more = (shapely.area(full) - shapely.area(outlines)) * pixel
        table["area"] = table["area"] + np.rint(more * AREA).astype(np.int64)
        outlines = full
    large = table["area"] >= settings.min_area * AREA
    kept = large[owners]
    return _Found(
        Patches(take(table, large), outlines[large] if len(outlines) else outlines),
        holes[kept],
        (np.cumsum(large) - 1)[owners[kept]] if len(owners) else owners,
    )


def _absorb(found: Landslides, holes: Outlines, owners: Integers, width: int) -> Landslides:
    """Make what lies in a filled hole part of the landslide around it."""
    if not len(holes):
        return found
    rows, columns = np.divmod(found.table["first"], width)
    inner, hole = shapely.STRtree(holes).query(
        shapely.points(columns + 0.5, rows + 0.5), predicate="within"
    )
    owner = np.arange(len(rows))
    # The outermost of several begins first.
    np.minimum.at(owner, inner, owners[hole])
    absorbed = owner != np.arange(len(rows))
    # It was counted with the hole.
    table = {**found.table, "area": np.where(absorbed, 0, found.table["area"])}
    return Landslides(reduce_by(owner, table)[1], found.outlines[~absorbed])


def assume_landslides(blocks: Iterable[Block]) -> Iterator[Block]:
    """The blocks of a map as if all that was not observed were landslide."""
    for block in blocks:
        yield replace(block, probability=np.where(block.unobserved, 1.0, block.probability))
