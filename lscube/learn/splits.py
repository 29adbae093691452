"""Training and validation parts of an area, divided by a straight cut so that they share no pixel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lscube.errors import InventoryError
from lscube.learn import IGNORE
from lscube.settings import Bounds, TrainSettings

Labels = NDArray[np.uint8]


class Rect(NamedTuple):
    """Rows top..bottom and columns left..right of a grid; the ends do not belong to it."""

    top: int
    left: int
    bottom: int
    right: int


def area_rect(cube: xr.Dataset, area: Bounds | None) -> Rect:
    """Rows and columns whose centres are in bounds (west, south, east, north, grid's CRS)."""
    if area is None:
        return Rect(0, 0, cube.sizes["y"], cube.sizes["x"])
    west, south, east, north = area
    x, y = cube["x"].values, cube["y"].values
    rows = np.flatnonzero((y >= south) & (y <= north))
    columns = np.flatnonzero((x >= west) & (x <= east))
    if rows.size == 0 or columns.size == 0:
        raise InventoryError(
            f"Expected a training part inside the cube (x {x.min():.0f} to {x.max():.0f}, "
            f"y {y.min():.0f} to {y.max():.0f}), got {area}; give west, south, east, north in "
            "metres of the cube's CRS."
        )
    return Rect(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def split(known: Labels, limits: Rect, settings: TrainSettings) -> tuple[Rect, Rect]:
    """Divide `limits` in two by a straight cut: training, and a strip for validation.

    The strip holds `validation_share` of the labelled bounding box at its southern, eastern,
    northern or western end: where the share of landslides is closest to that of the whole. (Epochs
    are chosen by the validation loss; a strip with far more landslides would favour a network that
    sees them everywhere.) Both sides have landslides, and the strip is wide enough for patches, if
    a cut allows that.
    """
    box = bounding_box(known != IGNORE)
    whole = _landslide_share(known)
    narrowest = settings.min_labelled * settings.window
    best: tuple[bool, bool, float, tuple[Rect, Rect]] | None = None
    for tall, start, stop in ((True, box.top, box.bottom), (False, box.left, box.right)):
        strip = min(max(round(settings.validation_share * (stop - start)), 1), stop - start - 1)
        if strip < 1:
            continue
        late = _halves(limits, stop - strip, tall)
        early = _halves(limits, start + strip, tall)[::-1]
        for sides in (late, early):
            shares = [_landslide_share(known[slices(side)]) for side in sides]
            rank = (strip < narrowest, min(shares) <= 0, abs(shares[1] - whole), sides)
            if best is None or rank[:3] < best[:3]:
                best = rank
    if best is None:
        raise InventoryError(
            "Expected a labelled part that can be divided for validation, got a single pixel; "
            "widen the training part."
        )
    return best[3]


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
            "Expected labels where the cube is observed before and after, found none; "
            "check the training part and the mapped extent."
        )
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Rect(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def slices(rect: Rect) -> tuple[slice, slice]:
    """Index an array (y, x) with a rectangle."""
    return slice(rect.top, rect.bottom), slice(rect.left, rect.right)


def inside(shape: tuple[int, ...], rect: Rect) -> NDArray[np.bool_]:
    """True within a rectangle, shape (y, x)."""
    mask = np.zeros(shape, dtype=bool)
    mask[slices(rect)] = True
    return mask
