"""Outlines of patches: along the edges of pixels, so exact, and the same however a map was cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray

from lscube.products.inventory.table import Integers

Outlines = NDArray[Any]
"""Polygons and MultiPolygons, shape (n,), dtype object."""


def draw(labels: NDArray[np.int32], wanted: Integers, left: int, top: int) -> Outlines:
    """Outlines of labelled pixels.

    Parameters
    ----------
    labels
        (y, x), 0 for none.
    wanted
        Labels, rising, that include all in the array.
    left, top
        Place of the array in the map, in pixels.

    Returns
    -------
    (n,)
        For each wanted label a polygon, or a MultiPolygon where parts touch at corners alone; empty where
        there is no such pixel. Coordinates are whole pixels, x to the right and y down.
    """
    found, rings, ring_ends, ends = [], [], [0], [0]
    shift = Affine.translation(left, top)
    # Parts that touch at a corner would make a ring that touches itself.
    for polygon, label in rasterio.features.shapes(labels, labels > 0, 4, shift):
        for ring in polygon["coordinates"]:
            rings.extend(ring)
            ring_ends.append(len(rings))
        found.append(label)
        ends.append(len(ring_ends) - 1)
    outlines = np.full(len(wanted), shapely.Polygon(), object)
    if not found:
        return outlines
    polygons = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, np.array(rings), (np.array(ring_ends), np.array(ends))
    )
    keys = np.array(found).astype(np.int64)
    outlines[np.searchsorted(wanted, np.unique(keys))] = gather(keys, polygons)
    return outlines


def gather(keys: Integers, polygons: Outlines) -> Outlines:
    """One geometry for each key, rising, of its polygons, which share no edge."""
    order = np.argsort(keys, kind="stable")
    polygons, keys = polygons[order], keys[order]
    _, starts, counts = np.unique(keys, return_index=True, return_counts=True)
    outlines = polygons[starts]
    several = counts > 1
    if several.any():
        place = np.repeat(np.cumsum(several) - 1, counts)
        own = np.repeat(several, counts)
        outlines[several] = shapely.multipolygons(polygons[own], indices=place[own])
    return canonical(outlines)


def dissolve(keys: Integers, outlines: Outlines) -> Outlines:
    """One geometry for each key, rising: its parts joined across the seams between blocks."""
    order = np.argsort(keys, kind="stable")
    _, starts = np.unique(keys[order], return_index=True)
    parts = np.split(outlines[order], starts[1:]) if len(starts) else []
    joined = np.array([shapely.union_all(part) for part in parts], object)
    # Seams left corners on straight edges.
    return canonical(shapely.simplify(canonical(joined), 0.0))


def canonical(outlines: Outlines) -> Outlines:
    """Valid geometries, equal point sets written alike: rings begin at their least coordinate."""
    invalid = ~shapely.is_valid(outlines)
    if invalid.any():
        outlines = outlines.copy()
        outlines[invalid] = [shapely.union_all([outline]) for outline in outlines[invalid]]
    normal: Outlines = shapely.normalize(outlines)
    return normal


def fill(outlines: Outlines, most: NDArray[np.float64]) -> tuple[Outlines, Outlines, Integers]:
    """Fill the holes of outlines.

    What parts enclose that touch at corners alone is no hole: it is open there.

    Parameters
    ----------
    outlines
        Canonical.
    most
        (n,), area up to which an outline's holes are filled, in the outline's units.

    Returns
    -------
    outlines
        With their other holes.
    holes
        The holes that were filled, as polygons.
    owners
        The place of each one's outline.
    """
    filled = outlines.copy()
    holes: list[shapely.Polygon] = []
    owners: list[int] = []
    parts, place = shapely.get_parts(outlines, return_index=True)
    for index in np.unique(place[shapely.get_num_interior_rings(parts) > 0]).tolist():
        kept = []
        for part in shapely.get_parts(outlines[index]):
            inner = [shapely.Polygon(ring) for ring in part.interiors]
            small = [hole.area <= most[index] for hole in inner]
            holes += [hole for hole, is_small in zip(inner, small, strict=True) if is_small]
            left = [h.exterior for h, is_small in zip(inner, small, strict=True) if not is_small]
            kept.append(shapely.Polygon(part.exterior, left))
        owners += [index] * (len(holes) - len(owners))
        # Another part of the same patch may have lain in a hole.
        filled[index] = shapely.union_all(kept)
    return canonical(filled), np.array(holes, object), np.array(owners, np.int64)


def simplify(outlines: Outlines, tolerance: float) -> Outlines:
    """Simplify outlines that do not overlap, all together, so that they still do not.

    Visvalingam and Whyatt's (1993, doi:10.1179/000870493786962263), with whole rings kept: an outline's
    area changes by about the square of the tolerance per corner that is taken away.
    """
    if not len(outlines) or tolerance == 0:
        return outlines
    simple: Outlines = shapely.coverage_simplify(outlines, tolerance)
    return simple
