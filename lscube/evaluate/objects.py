"""Landslides found and patches mapped, by size: scores of objects instead of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas
import numpy as np
import rasterio.features
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy import ndimage

from lscube.errors import InventoryError
from lscube.evaluate.results import SizeClass
from lscube.scores import IGNORE

SIZES = (0.0, 1e3, 1e4, 1e5)
"""Areas in square metres from which the size classes begin; the last has no end."""


def number_landslides(frame: geopandas.GeoDataFrame, grid: GeoBox) -> NDArray[np.int32]:
    """Rasterise an inventory so that each landslide keeps its own number.

    Parameters
    ----------
    frame
        Polygons in any CRS, as from `lscube.learn.labels.read_polygons`: rows with the same index
        are parts of one landslide.
    grid
        In metres.

    Returns
    -------
    shape (y, x), int32
        0 where a pixel's centre is in no polygon, else the landslide's number: its place in the
        inventory, from 1 on. Where landslides overlap, the smallest has the pixel.

    Raises
    ------
    InventoryError
        The polygons have no CRS.
    """
    if frame.crs is None:
        raise InventoryError("Expected polygons with a CRS, got none; assign the one they are in.")
    there, numbers = frame.to_crs(str(grid.crs)).geometry, frame.index.factorize()[0] + 1
    # The others have no place in this CRS.
    inside = np.isfinite(there.bounds.to_numpy()).all(axis=1)
    there, numbers = there[inside], numbers[inside]
    if not numbers.size:
        return np.zeros(grid.shape, np.int32)
    whole = np.bincount(numbers, weights=there.area)[numbers]
    order = np.argsort(-whole, kind="stable")
    # A later one is drawn over an earlier one.
    drawn: NDArray[np.int32] = rasterio.features.rasterize(
        [(there.iloc[index], int(numbers[index])) for index in order],
        out_shape=grid.shape,
        transform=grid.affine,
        fill=0,
        dtype="int32",
    )
    return drawn


def find_landslides(
    probability: NDArray[np.floating],
    numbers: NDArray[np.int32],
    labels: NDArray[np.uint8],
    resolution: float,
    threshold: float,
    sizes: Sequence[float] = SIZES,
) -> tuple[SizeClass, ...]:
    """Count the landslides that a map found, and the mapped patches that are right.

    A pixel is usable where it is labelled and has a probability, and mapped where it is usable and
    its probability is the threshold at least. A landslide counts if it has a usable pixel, and is
    found if half of its usable pixels at least are mapped. A patch is made of mapped pixels that
    touch by an edge or a corner, and is right if one of them at least is in a landslide. A patch can
    find several landslides, and a landslide can make several patches right.

    A landslide's area is that of all its pixels in `numbers`, usable or not (a cloud does not move
    it to another class) but within the grid; a patch's area is that of its pixels.

    Parameters
    ----------
    probability
        (y, x), 0..1; NaN where not known.
    numbers
        (y, x), 0 for none, else the landslide's number, as from `number_landslides`.
    labels
        0, 1 or `IGNORE`, (y, x); only `IGNORE` counts here.
    resolution
        Pixel size in metres.
    threshold
        Probability from which a pixel counts as landslide.
    sizes
        Areas in square metres from which a class begins, rising from 0.

    Raises
    ------
    ValueError
        The arrays differ in shape.
    """
    if not probability.shape == numbers.shape == labels.shape:
        raise ValueError(
            f"probability {probability.shape}, numbers {numbers.shape} and labels {labels.shape} "
            "differ in shape"
        )
    usable = (labels != IGNORE) & np.isfinite(probability)
    mapped = usable & (probability >= threshold)
    pixel = resolution**2
    area, found = _landslides(numbers, usable, mapped)
    extent, right = _patches(numbers, mapped)
    counts = [
        _per_class(areas * pixel, sizes) for areas in (area, area[found], extent, extent[right])
    ]
    ends = [*sizes[1:], None]
    return tuple(
        SizeClass(smallest, largest, *(int(count[index]) for count in counts))
        for index, (smallest, largest) in enumerate(zip(sizes, ends, strict=True))
    )


def _landslides(
    numbers: NDArray[np.int32], usable: NDArray[np.bool_], mapped: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Pixels of each landslide that has usable ones, and whether it is found."""
    every = np.bincount(numbers.ravel())
    seen, hit = (np.bincount(numbers[kind], minlength=every.size) for kind in (usable, mapped))
    some = seen > 0
    some[0] = False
    return every[some], (2 * hit >= seen)[some]


def _patches(
    numbers: NDArray[np.int32], mapped: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Pixels of each mapped patch, and whether it touches a landslide."""
    patches, count = ndimage.label(mapped, structure=np.ones((3, 3)))
    extent = np.bincount(patches[mapped], minlength=count + 1)
    inside = np.bincount(patches[mapped & (numbers > 0)], minlength=count + 1)
    return extent[1:], inside[1:] > 0


def _per_class(areas: NDArray[np.floating], sizes: Sequence[float]) -> NDArray[np.int64]:
    """How many areas are in each class."""
    places = np.digitize(areas, sizes[1:])
    return np.bincount(places, minlength=len(sizes))
