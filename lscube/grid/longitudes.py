"""Longitudes around the antimeridian, of areas and of footprints alike.

A geometry is kept as GeoJSON wants it (RFC 7946, sections 3.1.9 and 5.2): longitudes from -180 to 180,
cut in two where it crosses the antimeridian. For centres and projections it is put together again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import shapely
from shapely.affinity import translate
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry


def unwrap(area: BaseGeometry) -> BaseGeometry:
    """Put an area together that was cut at the antimeridian: longitudes may then exceed 180.

    The parts are laid out so that the widest gap between them, around the globe, lies outside.
    """
    parts = shapely.get_parts(area)
    if len(parts) < 2:
        return area
    west, _, east, _ = shapely.bounds(parts).T
    order = np.argsort(west)
    gaps = west[order][1:] - np.maximum.accumulate(east[order])[:-1]
    if gaps.max() <= west.min() + 360 - east.max():
        return area
    first = west[order][1:][gaps.argmax()]
    moved = [
        part if edge >= first else translate(part, 360)
        for part, edge in zip(parts, west, strict=True)
    ]
    together: BaseGeometry = shapely.union_all(moved)
    return together


def arrange_footprint(geometry: BaseGeometry) -> BaseGeometry:
    """Make a footprint valid, with longitudes from -180 to 180, cut at the antimeridian.

    Any of the usual spellings will do: cut at 180 degrees, longitudes beyond 180, edges across the map
    from 179.9 to -179.9 (an edge longer than 180 degrees goes the short way round). A ring that goes
    round a pole encloses it. A ring as wide and high as the whole world is what it says.

    Parameters
    ----------
    geometry
        In degrees; points and lines come back as they are, without heights.

    Raises
    ------
    ValueError
        A coordinate is no finite number, or a latitude is beyond 90 degrees.
    """
    flat: BaseGeometry = shapely.force_2d(geometry)
    points = shapely.get_coordinates(flat)
    if not np.isfinite(points).all() or (np.abs(points[:, 1]) > 90.01).any():
        raise ValueError("its footprint is not in degrees of longitude and latitude")
    valid = [
        part
        for polygon in polygons_of(flat)
        for part in polygons_of(shapely.make_valid(_laid_out(polygon)))
    ]
    parts = [part for polygon in valid for part in cut_at_180(polygon)]
    arranged: BaseGeometry = shapely.union_all(parts) if parts else flat
    return arranged


def _laid_out(polygon: Polygon) -> Polygon:
    """A polygon whose edges go the short way round, and with the pole that it goes round."""
    outline = short_way(polygon.exterior)
    if outline[0, 0] != outline[-1, 0]:
        pole = math.copysign(90.0, outline[:, 1].mean())
        ends = [(outline[-1, 0], pole), (outline[0, 0], pole)]
        outline = np.vstack([outline, ends, outline[:1]])
    west, east = outline[:, 0].min(), outline[:, 0].max()
    if west == east or _is_world(polygon):
        return polygon
    holes = [short_way(ring) for ring in polygon.interiors]
    for hole in holes:
        hole[:, 0] += 360 * np.round(((west + east) / 2 - hole[:, 0].mean()) / 360)
    return Polygon(outline, holes)


def _is_world(polygon: Polygon) -> bool:
    """Whether a polygon, drawn as it is, covers most of the world: no scene is both so wide and so high."""
    west, south, east, north = polygon.bounds
    return bool(east - west > 350 and north - south > 100)


def polygons_of(geometry: BaseGeometry) -> Iterator[Polygon]:
    """The polygons of a geometry, however deep; points and lines have no extent."""
    if isinstance(geometry, Polygon) and not geometry.is_empty:
        yield geometry
    for part in getattr(geometry, "geoms", ()):
        yield from polygons_of(part)


def short_way(ring: shapely.LinearRing) -> npt.NDArray[np.float64]:
    """A ring's longitudes and latitudes, the jumps by a whole turn taken out."""
    points: npt.NDArray[np.float64] = shapely.get_coordinates(ring)
    turns = np.cumsum(np.round(np.diff(points[:, 0]) / 360))
    points[1:, 0] -= 360 * turns
    return points


def cut_at_180(polygon: Polygon) -> Iterator[Polygon]:
    """The pieces of a valid polygon, cut at the antimeridian, between -180 and 180."""
    west, _, east, _ = polygon.bounds
    shift = -360.0 * math.floor((west + 180) / 360)
    moved = translate(polygon, shift) if shift else polygon
    if east + shift <= 180:
        yield _within_degrees(moved)
        return
    for part in polygons_of(moved.intersection(box(-180, -91, 180, 91))):
        yield _within_degrees(part)
    for part in polygons_of(moved.intersection(box(180, -91, 540, 91))):
        yield _within_degrees(translate(part, -360))


def _within_degrees(polygon: Polygon) -> Polygon:
    """Take away what rounding adds beyond 180 degrees."""
    if shapely.box(-180, -90, 180, 90).covers(polygon):
        return polygon
    return shapely.transform(polygon, lambda points: np.clip(points, (-180, -90), (180, 90)))
