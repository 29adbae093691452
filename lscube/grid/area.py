"""Areas of interest: reading them, and what they must be."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from lscube.errors import AreaError
from lscube.grid.longitudes import cut_at_180, polygons_of, short_way
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
        for polygon in polygons_of(one)
        for part in polygons_of(_around(polygon, aoi))
    ]
    parts = [part for polygon in valid for part in cut_at_180(polygon)]
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


def _around(polygon: Polygon, origin: object) -> BaseGeometry:
    """A valid polygon whose edges go the short way round; longitudes may then exceed 180."""
    outline = short_way(polygon.exterior)
    holes = [short_way(ring) for ring in polygon.interiors]
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
