"""Areas of interest: reading them, and longitudes around the antimeridian.

An area is kept as GeoJSON wants it (RFC 7946, sections 3.1.9 and 5.2): longitudes from -180 to 180,
cut in two where it crosses the antimeridian. For centres and projections it is put together again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from lscube.errors import AreaError
from lscube.paths import StrPath
from lscube.vectors import AREA, polygons_in, read_features

Bounds = tuple[float, float, float, float]

WIDEST = 90.0
"""Degrees of longitude that one polygon may be wide: no grid serves as much (see `FARTHEST`), and
of a wider one with edges across the map it is not known which way round they go."""

OUTSIDE_UTM = "UTM covers latitudes from 80 degrees south to 84 north"


def read_area(aoi: StrPath | Bounds) -> BaseGeometry:
    """Read an area of interest.

    An area across the antimeridian may come in any of the usual ways: bounds with west > east, a
    multipolygon cut at 180 degrees, longitudes beyond 180, or a polygon with edges from 179.9 to
    -179.9. An edge longer than 180 degrees goes the short way round.

    Parameters
    ----------
    aoi
        A vector file (GeoJSON, GeoPackage, ...; any CRS; all its polygons together), or west,
        south, east, north in degrees (west > east crosses the antimeridian).

    Returns
    -------
    shapely geometry
        Valid polygon or multipolygon in EPSG:4326, longitudes from -180 to 180. Holes stay holes.

    Raises
    ------
    AreaError
        The file is missing or no vector file; the area is empty, is not in degrees, is wider than
        90 degrees, or any part of it lies outside the latitudes that UTM covers.
    """
    area = arrange_area(_given(aoi), aoi)
    check_latitudes(area)
    return area


def arrange_area(given: Iterable[BaseGeometry], aoi: object) -> BaseGeometry:
    """Put polygons together as an area is kept: valid, between -180 and 180, cut at the antimeridian.

    Parameters
    ----------
    given
        Polygons and multipolygons in degrees; longitudes may exceed 180, or jump there.
    aoi
        What they are, for messages.

    Raises
    ------
    AreaError
        They are empty, wider than 90 degrees, or go round a pole.
    """
    valid = [
        part
        for one in given
        for polygon in _polygons(one)
        for part in _polygons(_around(polygon, aoi))
    ]
    parts = [part for polygon in valid for part in _cut(polygon)]
    area: BaseGeometry = MultiPolygon() if not parts else shapely.union_all(parts)
    if area.area == 0:
        raise AreaError(
            f"Expected an area of interest with some extent, {aoi} has none; give a polygon."
        )
    return area


def check_latitudes(area: BaseGeometry) -> None:
    """Refuse an area that UTM does not cover as a whole."""
    _, south, _, north = area.bounds
    if south < -80 or north > 84:
        raise AreaError(
            f"Expected an area that UTM covers, got latitudes {south:.2f} to {north:.2f}; {OUTSIDE_UTM}: "
            "cut the rest off."
        )


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


def _given(aoi: StrPath | Bounds) -> list[Polygon]:
    return _read_polygons(Path(aoi)) if isinstance(aoi, str | PathLike) else [_bounds_polygon(aoi)]


def _bounds_polygon(bounds: Bounds) -> Polygon:
    if len(bounds) != 4:
        raise AreaError(
            f"Expected four numbers (west, south, east, north in degrees), got {len(bounds)}: "
            f"{', '.join(map(str, bounds))}; give all four, or a file."
        )
    west, south, east, north = bounds
    until = east if west <= east else east + 360
    if not (abs(west) <= 360 and 0 < until - west <= WIDEST and -90 <= south < north <= 90):
        raise AreaError(
            "Expected west, south, east, north in degrees, south < north, at most "
            f"{WIDEST:.0f} degrees wide (west > east crosses the antimeridian), "
            f"got {west}, {south}, {east}, {north}; put them in that order."
        )
    return box(west, south, until, north)


def _read_polygons(path: Path) -> list[Polygon]:
    frame = read_features(path, AREA).frame.to_crs(4326)
    found: list[Polygon] = polygons_in(frame.geometry.to_numpy())[0].tolist()
    points = shapely.get_coordinates(found)
    if not np.isfinite(points).all():
        raise AreaError(
            f"Expected finite coordinates in {path}, found others; draw the area again, and check its CRS."
        )
    if (np.abs(points[:, 1]) > 90).any():
        raise AreaError(
            f"Expected degrees in {path}, found latitudes up to {np.abs(points[:, 1]).max():.0f}; give the "
            "file its CRS, or save the area in EPSG:4326."
        )
    return found


def _polygons(geometry: BaseGeometry) -> Iterator[Polygon]:
    """The polygons of a geometry, however deep; points and lines have no extent."""
    if isinstance(geometry, Polygon) and not geometry.is_empty:
        yield geometry
    for part in getattr(geometry, "geoms", ()):
        yield from _polygons(part)


def _around(polygon: Polygon, origin: object) -> BaseGeometry:
    """A valid polygon whose edges go the short way round; longitudes may then exceed 180."""
    outline = _short_way(polygon.exterior)
    holes = [_short_way(ring) for ring in polygon.interiors]
    if any(ring[0, 0] != ring[-1, 0] for ring in (outline, *holes)):
        raise AreaError(
            f"Expected an area that leaves the poles out, {origin} goes all the way round; {OUTSIDE_UTM}."
        )
    west, east = outline[:, 0].min(), outline[:, 0].max()
    if east - west > WIDEST:
        raise AreaError(
            f"Expected polygons at most {WIDEST:.0f} degrees wide, {origin} has one of {east - west:.0f}; "
            "split it (one across the antimeridian: at 180 degrees)."
        )
    for hole in holes:
        hole[:, 0] += 360 * np.round(((west + east) / 2 - hole[:, 0].mean()) / 360)
    valid: BaseGeometry = shapely.make_valid(Polygon(outline, holes))
    return valid


def _short_way(ring: shapely.LinearRing) -> npt.NDArray[np.float64]:
    """A ring's longitudes and latitudes, the jumps by a whole turn taken out."""
    points: npt.NDArray[np.float64] = shapely.get_coordinates(ring)
    turns = np.cumsum(np.round(np.diff(points[:, 0]) / 360))
    points[1:, 0] -= 360 * turns
    return points


def _cut(polygon: Polygon) -> Iterator[Polygon]:
    """The pieces of a valid polygon, cut at the antimeridian, between -180 and 180."""
    west, _, east, _ = polygon.bounds
    shift = -360.0 * math.floor((west + 180) / 360)
    moved = translate(polygon, shift) if shift else polygon
    if east + shift <= 180:
        yield _within_degrees(moved)
        return
    for part in _polygons(moved.intersection(box(-180, -91, 180, 91))):
        yield _within_degrees(part)
    for part in _polygons(moved.intersection(box(180, -91, 540, 91))):
        yield _within_degrees(translate(part, -360))


def _within_degrees(polygon: Polygon) -> Polygon:
    """Take away what rounding adds beyond 180 degrees."""
    if shapely.box(-180, -90, 180, 90).covers(polygon):
        return polygon
    return shapely.transform(polygon, lambda points: np.clip(points, (-180, -90), (180, 90)))
