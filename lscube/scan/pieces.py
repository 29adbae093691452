"""Few simple polygons from cells: closed, without specks, cut to a budget, most hazardous first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy import ndimage
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from lscube.grid import resolution_of
from lscube.settings.scan_rules import ScanAreaSettings

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

STEPS = 16
"""Halvings by which the budget is met, to less than a 60,000th of the cells."""

UTM_AREA = 1.001
"""Areas on the Earth are at most so many times those in UTM (scale 0.9996 in a zone's middle)."""


@dataclass(frozen=True)
class Piece:
    """One polygon."""

    outline: BaseGeometry
    """In the grid's CRS."""
    hazard: float
    """Mean of the hazard of its cells."""


@dataclass(frozen=True)
class Cells:
    """What is known of the cells of a grid; arrays of shape (y, x)."""

    grid: GeoBox
    """The cells."""
    reached: Mask
    """Whether a cell was hit enough to be looked at."""
    steep: Mask
    """Whether it is also steep enough."""
    hazard: Floats
    """How hazardous it is, relative to the others."""


def choose_pieces(cells: Cells, settings: ScanAreaSettings) -> tuple[list[Piece], bool]:
    """Draw the pieces to map, the most hazardous first, and tell whether the budget cut them.

    The budget keeps the most hazardous cells: of a smoothed hazard the lowest level is looked for whose
    polygons are within it.
    """
    candidates = _tidy(cells.reached & cells.steep, cells, settings)
    whole = _pieces(candidates, cells)
    if _km2(whole) <= settings.budget_km2:
        return whole, False
    return _most_hazardous(candidates, cells, settings), True


def _most_hazardous(candidates: Mask, cells: Cells, settings: ScanAreaSettings) -> list[Piece]:
    smooth = _smoothed(cells)
    order = np.sort(smooth[candidates])[::-1]
    best: list[Piece] = []
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        share = (low + high) / 2
        level = order[min(int(share * len(order)), len(order) - 1)]
        chosen = candidates & (smooth >= level)
        pieces = _pieces(_tidy(chosen, cells, settings), cells)
        if _km2(pieces) > settings.budget_km2:
            high = share
        else:
            low = share
            best = pieces if _km2(pieces) > _km2(best) else best
    return best or _top(candidates, smooth, cells, settings)


def _top(candidates: Mask, smooth: Floats, cells: Cells, settings: ScanAreaSettings) -> list[Piece]:
    """As many of the most hazardous cells as the budget holds: pieces of its size are not to be had."""
    most = int(settings.budget_km2 / _cell_km2(cells.grid))
    places = np.argsort(np.where(candidates, smooth, -np.inf), axis=None)[::-1][: max(most, 1)]
    chosen = np.zeros(candidates.shape, bool)
    chosen.flat[places] = True
    return _pieces(chosen & candidates, cells, simple=False)


def _smoothed(cells: Cells) -> Floats:
    """Hazard smoothed over its neighbours that were reached, so that pieces hang together."""
    weight = ndimage.gaussian_filter(cells.reached.astype(float), 1.5, mode="constant")
    hazard = ndimage.gaussian_filter(
        np.where(cells.reached, cells.hazard, 0.0), 1.5, mode="constant"
    )
    smooth: Floats = hazard / np.maximum(weight, 1e-6)
    return smooth


def _tidy(mask: Mask, cells: Cells, settings: ScanAreaSettings) -> Mask:
    """Close gaps within what was reached, and leave out specks and holes."""
    closed = _closed(mask, settings.closing / 2 / resolution_of(cells.grid)) & cells.reached
    fewest = settings.min_km2 / _cell_km2(cells.grid)
    filled = ~_without_specks(~closed, fewest) & cells.reached
    return _without_specks(filled, fewest)


def _closed(mask: Mask, radius: float) -> Mask:
    """Morphological closing with a disk of `radius` cells, by distances."""
    wide = int(np.ceil(radius)) + 1
    if radius < 1 or not mask.any():
        return mask
    padded = np.pad(mask, wide)
    grown = ndimage.distance_transform_edt(~padded) <= radius
    closed: Mask = ndimage.distance_transform_edt(grown)[wide:-wide, wide:-wide] > radius
    return closed | mask


def _without_specks(mask: Mask, fewest: float) -> Mask:
    """A mask without connected parts of fewer cells."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    large: Mask = (sizes >= max(fewest, 1))[labels]
    return large


def _pieces(mask: Mask, cells: Cells, simple: bool = True) -> list[Piece]:
    """Outlines of connected cells, their steps smoothed out, the most hazardous first."""
    from rasterio.features import shapes

    labels, count = ndimage.label(mask)
    if not count:
        return []
    means = ndimage.mean(cells.hazard, labels, np.arange(1, count + 1))
    drawn = shapes(labels.astype(np.int32), mask=mask, connectivity=4, transform=cells.grid.affine)
    pieces = []
    for outline, label in drawn:
        polygon = shape(outline)
        if simple:
            polygon = shapely.make_valid(polygon.simplify(0.75 * resolution_of(cells.grid)))
        if polygon.area > 0:
            pieces.append(Piece(polygon, float(means[int(label) - 1])))
    return sorted(pieces, key=lambda piece: piece.hazard, reverse=True)


def _km2(pieces: list[Piece]) -> float:
    return float(sum(piece.outline.area for piece in pieces)) / 1e6 * UTM_AREA


def _cell_km2(grid: GeoBox) -> float:
    return resolution_of(grid) ** 2 / 1e6 * UTM_AREA
