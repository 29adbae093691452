"""Sides of an event: what is for training, validation and test. No pixel belongs to two."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from lscube.errors import InventoryError
from lscube.learn.labels import describe_extent, extent_of, in_degrees, mapped
from lscube.scores import IGNORE
from lscube.settings import Bounds, SplitSettings

Labels = NDArray[np.uint8]


class Side(IntEnum):
    """What a pixel is for."""

    TRAINING = 0
    VALIDATION = 1
    TEST = 2
    NONE = 255


class Rect(NamedTuple):
    """Rows top..bottom and columns left..right of a grid; the ends do not belong to it."""

    top: int
    left: int
    bottom: int
    right: int


def make_sides(
    known: Labels,
    grid: GeoBox,
    settings: SplitSettings,
    area: Bounds | None = None,
    narrowest: float = 0.0,
) -> NDArray[np.uint8]:
    """Divide a grid.

    Parameters
    ----------
    known
        0, 1 or `IGNORE`, (y, x); `IGNORE` where nothing is observed.
    grid
        Grid of the labels, in metres.
    settings
        How to divide.
    area
        Part to use: west, south, east, north in the grid's CRS.
    narrowest
        Pixels that a strip should have across, if a cut allows that.

    Returns
    -------
    (y, x), uint8
        Values of `Side`; NONE outside `area`.

    Raises
    ------
    InventoryError
        A given area lies elsewhere, or the labelled part cannot be divided.
    """
    inside = within_area(grid, area)
    test = held_out(grid, settings)
    if settings.validation is not None:
        validation = _given("split.validation", settings.validation, grid)
    elif settings.by == "blocks":
        drawn = _drawn(grid, settings)
        validation = (drawn >= settings.test_share) & (
            drawn < settings.test_share + settings.validation_share
        )
    else:
        labelled = np.where(inside & ~test, known, np.uint8(IGNORE))
        validation = _strip(labelled, settings.validation_share, narrowest)
    sides = np.where(validation, np.uint8(Side.VALIDATION), np.uint8(Side.TRAINING))
    sides[test] = Side.TEST
    sides[~inside] = Side.NONE
    return sides


def held_out(grid: GeoBox, settings: SplitSettings) -> NDArray[np.bool_]:
    """Pixels, (y, x), that are held out for test: they follow from grid and settings alone."""
    test = np.zeros(grid.shape, bool)
    if settings.test is not None:
        test |= _given("split.test", settings.test, grid)
    if settings.by == "blocks" and settings.test_share:
        test |= _drawn(grid, settings) < settings.test_share
    return test


def within_area(grid: GeoBox, area: Bounds | None) -> NDArray[np.bool_]:
    """Pixels, (y, x), whose centre is in bounds (west, south, east, north in the grid's CRS)."""
    x, y = _centres(grid)
    if area is None:
        return np.ones(grid.shape, bool)
    west, south, east, north = area
    inside = ((y >= south) & (y <= north))[:, np.newaxis] & ((x >= west) & (x <= east))
    if not inside.any():
        raise InventoryError(
            f"Expected a training part inside the cube (x {x.min():.0f} to {x.max():.0f}, "
            f"y {y.min():.0f} to {y.max():.0f}), got {area}; give west, south, east, north in "
            "metres of the cube's CRS."
        )
    return np.asarray(inside)


def _centres(grid: GeoBox) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of the columns and of the rows."""
    return grid.coordinates["x"].values, grid.coordinates["y"].values


def _given(setting: str, where: Path | Bounds, grid: GeoBox) -> NDArray[np.bool_]:
    """Pixels of an area that a setting names."""
    found = mapped(where, grid)
    if not found.any():
        here = describe_extent(in_degrees(grid))
        raise InventoryError(
            f"Expected {setting} to hold pixels of the grid ({here}), but it covers "
            f"{describe_extent(extent_of(where))}; choose another area."
        )
    return found


def _drawn(grid: GeoBox, settings: SplitSettings) -> NDArray[np.float64]:
    """A number in [0, 1) for each pixel, the same all over a block.

    Blocks are anchored at the CRS's (0, 0) and drawn by their place and the seed, so that two
    areas that overlap agree on the pixels they share.
    """
    x, y = _centres(grid)
    columns, column = np.unique(np.floor(x / settings.block).astype(int), return_inverse=True)
    rows, row = np.unique(np.floor(y / settings.block).astype(int), return_inverse=True)
    # A generator takes no negative number: south of the equator's zones there is one.
    numbers = [
        [
            np.random.default_rng((settings.seed, abs(r), int(r < 0), abs(c), int(c < 0))).random()
            for c in columns.tolist()
        ]
        for r in rows.tolist()
    ]
    return np.asarray(numbers)[np.ix_(row, column)]


def _strip(known: Labels, share: float, narrowest: float) -> NDArray[np.bool_]:
    """Divide by a straight cut: a strip for validation.

    The strip holds `share` of the labelled bounding box at its southern, eastern, northern or
    western end: where the share of landslides is closest to that of the whole. (Epochs are chosen by
    the validation loss; a strip with far more landslides would favour a network that sees them
    everywhere.) Both sides have landslides, and the strip is at least `narrowest` pixels wide, if a
    cut allows that.
    """
    box = bounding_box(known != IGNORE)
    whole = _landslide_share(known)
    limits = Rect(0, 0, *known.shape)
    best: tuple[bool, bool, float, Rect] | None = None
    for tall, start, stop in ((True, box.top, box.bottom), (False, box.left, box.right)):
        strip = min(max(round(share * (stop - start)), 1), stop - start - 1)
        if strip < 1:
            continue
        late = _halves(limits, stop - strip, tall)
        early = _halves(limits, start + strip, tall)[::-1]
        for sides in (late, early):
            shares = [_landslide_share(known[slices(side)]) for side in sides]
            rank = (strip < narrowest, min(shares) <= 0, abs(shares[1] - whole), sides[1])
            if best is None or rank[:3] < best[:3]:
                best = rank
    if best is None:
        raise InventoryError(
            "Expected a labelled part that can be divided for validation, got a single pixel; "
            "widen the training part."
        )
    chosen = np.zeros(known.shape, bool)
    chosen[slices(best[3])] = True
    return chosen


def _landslide_share(known: Labels) -> float:
    """Landslide pixels per labelled pixel; 0 where there is none."""
    labelled = int((known != IGNORE).sum())
    return int((known == 1).sum()) / labelled if labelled else 0.0


def _halves(rect: Rect, cut: int, tall: bool) -> tuple[Rect, Rect]:
    """What lies before and after row (tall) or column `cut`."""
    if tall:
        return rect._replace(bottom=cut), rect._replace(top=cut)
    return rect._replace(right=cut), rect._replace(left=cut)


def bounding_box(mask: NDArray[np.bool_]) -> Rect:
    """Smallest rectangle around all that is true."""
    if not mask.any():
        raise InventoryError(
            "Expected labels where the cube is observed, found none; check the training part, "
            "[split] and the mapped extent."
        )
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Rect(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def slices(rect: Rect) -> tuple[slice, slice]:
    """Index an array (y, x) with a rectangle."""
    return slice(rect.top, rect.bottom), slice(rect.left, rect.right)
