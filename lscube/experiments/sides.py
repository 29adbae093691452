"""Whether an area serves: patches fit into it, and each of its sides has landslides."""

from __future__ import annotations

import geopandas
import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from lscube.cube.masks import inside_area, usable
from lscube.errors import InventoryError
from lscube.experiments.areas import Role
from lscube.grid import bounds_of
from lscube.learn import held_out, make_labels
from lscube.learn.splits import Side, bounding_box, make_sides, slices
from lscube.scores import IGNORE
from lscube.settings import Job, TrainSettings


def why_too_small(cube: xr.Dataset, job: Job, role: Role, train: TrainSettings) -> str:
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
    train
        How patches are cut.
    """
    inside: npt.NDArray[np.bool_] = inside_area(cube["area"].to_numpy())
    needed = {"area": (inside, float(train.window))}
    if role == "train":
        test = held_out(cube.odc.geobox, job.split)
        needed = {
            "training region": (inside & ~test, float(train.window)),
            "test region": (inside & test, float(train.window)),
        }
    for name, (part, pixels) in needed.items():
        if (across := min(_extent(part))) < pixels:
            return _too_narrow(name, across, pixels, job)
    if role == "train" and job.split.by == "strip" and job.split.validation is None:
        # At an end of the longer side, and wide enough for a patch that is half ignored.
        across = round(job.split.validation_share * max(_extent(inside & ~test)))
        pixels = train.min_labelled * train.window
        if across < pixels:
            return _too_narrow("validation strip", across, pixels, job)
    return ""


def _too_narrow(name: str, across: int, pixels: float, job: Job) -> str:
    resolution = job.area.resolution
    return (
        f"the {name} of {job.event.id} is {across * resolution / 1000:.2f} km across, its patches of "
        f"{resolution:g} m need {pixels * resolution / 1000:.2f} km"
    )


def validation_region(cube: xr.Dataset, job: Job, train: TrainSettings) -> BaseGeometry | None:
    """The strip that an area's pairs of images are all validated on, in degrees.

    Chosen from one pair: another, with other clouds, would choose another strip, and a model of both
    would be validated where it is trained. None where the job says itself what is for validation.
    """
    if job.split.by != "strip" or job.split.validation is not None:
        return None
    sides = _sides(_known(cube, job), cube, job, train)
    place = bounding_box(sides == Side.VALIDATION)
    grid: GeoBox = cube.odc.geobox[slices(place)]
    outline = shapely.segmentize(shapely.box(*bounds_of(grid)), 500.0)
    degrees: BaseGeometry = geopandas.GeoSeries([outline], crs=str(grid.crs)).to_crs(4326).iloc[0]
    return degrees


def _extent(part: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Rows and columns from the first to the last that has some of it."""
    if not part.any():
        return 0, 0
    box = bounding_box(part)
    return box.bottom - box.top, box.right - box.left


def _known(cube: xr.Dataset, job: Job) -> npt.NDArray[np.uint8]:
    """Labels, (y, x), where the cube is observed in its area."""
    assert job.labels is not None
    labels = make_labels(job.labels, cube.odc.geobox).to_numpy()
    seen = usable(cube["observed"].to_numpy(), cube["area"].to_numpy(), ("pre", "post"))
    return np.where(seen, labels, IGNORE).astype(np.uint8)


def _sides(
    known: npt.NDArray[np.uint8], cube: xr.Dataset, job: Job, train: TrainSettings
) -> npt.NDArray[np.uint8]:
    narrowest = train.min_labelled * train.window
    return make_sides(known, cube.odc.geobox, job.split, job.train.area, narrowest)


def check_sides(cube: xr.Dataset, job: Job, train: TrainSettings) -> None:
    """Refuse an area to train on whose training, validation or test region has no landslide.

    Raises
    ------
    InventoryError
        Names the region.
    """
    known = _known(cube, job)
    sides = _sides(known, cube, job, train)
    for side in (Side.TRAINING, Side.VALIDATION, Side.TEST):
        if not (known[sides == side] == 1).any():
            raise InventoryError(
                f"Expected landslides in the {side.name.lower()} region of {job.event.id}, found no "
                "landslide pixel that is observed; change [split]."
            )


def check_seen(cube: xr.Dataset, job: Job) -> None:
    """Refuse an area to test on of which nothing is both observed and labelled.

    Raises
    ------
    InventoryError
        Nothing is.
    """
    if (_known(cube, job) == IGNORE).all():
        raise InventoryError(
            f"Expected observed and labelled pixels in {job.event.id}, found none; check its scenes, and "
            "the labels' mapped extent."
        )
