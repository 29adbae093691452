"""Whether an area serves: patches fit into it, and each of its sides has landslides."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr

from lscube.cube.masks import AreaFlag
from lscube.errors import InventoryError
from lscube.learn import held_out, make_labels
from lscube.learn.splits import Side, make_sides
from lscube.scores import IGNORE
from lscube.settings import Job, TrainSettings

Role = Literal["train", "test"]


def why_too_small(cube: xr.Dataset, job: Job, role: Role, window: int) -> str:
    """Say why an area cannot be used at its resolution; empty where it can.

    As in the paper, where 30 m were too coarse for the test regions of two areas: what is trained
    on, and what is tested on, must be a patch wide and high.

    Parameters
    ----------
    cube
        Of the area.
    job
        Its job, at the cube's resolution.
    role
        Of the area.
    window
        Edge of a patch in pixels.
    """
    inside = inside_area(cube)
    parts = {"area": inside}
    if role == "train":
        test = held_out(cube.odc.geobox, job.split)
        parts = {"training region": inside & ~test, "test region": inside & test}
    for name, part in parts.items():
        narrow = _across(part)
        if narrow < window:
            resolution = job.area.resolution
            return (
                f"the {name} of {job.event.id} is {narrow * resolution / 1000:.2f} km across, a patch of "
                f"{window} pixels at {resolution:g} m {window * resolution / 1000:.2f} km"
            )
    return ""


def inside_area(cube: xr.Dataset) -> npt.NDArray[np.bool_]:
    """Pixels, (y, x), of a cube's area of interest."""
    inside: npt.NDArray[np.bool_] = (cube["area"].to_numpy() & AreaFlag.OUTSIDE_AREA) == 0
    return inside


def _across(part: npt.NDArray[np.bool_]) -> int:
    """Pixels across the narrower way."""
    ways = (np.flatnonzero(part.any(axis=axis)) for axis in (0, 1))
    return min(int(way[-1] - way[0] + 1) if way.size else 0 for way in ways)


def check_sides(cube: xr.Dataset, job: Job, train: TrainSettings) -> None:
    """Refuse an area to train on whose training, validation or test region has no landslide.

    Raises
    ------
    InventoryError
        Names the region.
    """
    assert job.labels is not None
    grid = cube.odc.geobox
    usable = (cube["observed"].to_numpy() == 0) & inside_area(cube)
    known = np.where(usable, make_labels(job.labels, grid).to_numpy(), IGNORE).astype(np.uint8)
    narrowest = train.min_labelled * train.window
    sides = make_sides(known, grid, job.split, job.train.area, narrowest)
    for side in (Side.TRAINING, Side.VALIDATION, Side.TEST):
        if not (known[sides == side] == 1).any():
            raise InventoryError(
                f"Expected landslides in the {side.name.lower()} region of {job.event.id}, found no "
                "landslide pixel that is observed; change [split]."
            )
