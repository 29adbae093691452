"""What later scenes show of a region that was mapped before, without the network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dask
import numpy as np

from lscube.cube import SIDES, CubePlan, open_part
from lscube.cube.masks import inside_area
from lscube.grid import bounds_of
from lscube.mapping.layout import Layout, Region
from lscube.mapping.running import Running
from lscube.mapping.store import FILLS
from lscube.mapping.takeover import Planes

_AFTER = SIDES.index("post")


def look_again(
    plan: CubePlan, layout: Layout, running: Running, region: Region, count: int, stored: Planes
) -> Planes | None:
    """Look whether later scenes show what a region's windows missed; only these are read.

    Parameters
    ----------
    plan, layout, running
        Of the new map.
    region
        The region.
    count
        Scenes after the event that it was mapped with, of those that touch it; the first ones.
    stored
        Its planes in the earlier map, in which all could be read.

    Returns
    -------
    The region's planes in the new map; None where a pixel that its windows look at has another image.
    """
    lattice, grid = layout.lattice, layout.grid(region)
    wide = lattice.padded(grid)
    late = {scene.day for scene in plan.touching(bounds_of(wide))["post"][count:]}
    # What is before the event is as it was.
    after = replace(plan, pre=replace(plan.pre, scenes=()))
    opened = open_part(after, wide, layout.padded_chunks(region))
    names = ("observed", "post_date", "unreadable")
    observed, days, unreadable = _compute([opened[name].data for name in names], running)
    if np.isin(days, sorted(late)).any():
        return None
    rows, columns = grid.shape
    margin = lattice.margin
    inner = (..., slice(margin, margin + rows), slice(margin, margin + columns))
    inside = inside_area(stored["area"])
    reasons = (stored["observed"] & np.uint16(0xFF)) | (observed[inner] & np.uint16(0xFF00))
    lost = stored["unreadable"].copy()
    lost[_AFTER] = np.where(inside, unreadable[inner][_AFTER], FILLS["unreadable"])
    return {
        **stored,
        "observed": np.where(inside, reasons, FILLS["observed"]),
        "unreadable": lost,
    }


def _compute(arrays: list[Any], running: Running) -> Any:
    if running.client is not None:
        return running.client.gather(running.client.compute(arrays))
    return dask.compute(*arrays, scheduler="threads")
