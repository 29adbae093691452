"""Geometries as they stand in a file (well-known binary), with rings repaired or left out.

GEOS takes a geometry as a whole or not at all: one ring that is open costs all islands of a
multipolygon. So what GEOS does not take is read ring by ring here (OGC 06-103r4, section 8.2).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import GeometryCollection, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

Geometries = npt.NDArray[np.object_]

_KINDS = (
    "Geometry",
    "Point",
    "LineString",
    "Polygon",
    "MultiPoint",
    "MultiLineString",
    "MultiPolygon",
)
_POLYGON, _COLLECTIONS = 3, (4, 5, 6, 7)


@dataclass(frozen=True)
class Rings:
    """Geometries that GEOS takes, and what was done for it."""

    geometries: Geometries
    """One for each that was given; None where there is none, or nothing is left of it."""
    closed: npt.NDArray[np.bool_]
    """Those with a ring that was open."""
    lost: npt.NDArray[np.bool_]
    """Those of which a ring was left out: fewer than three points, or coordinates that are no numbers."""


def take_rings(binaries: Geometries) -> Rings:
    """Read geometries, close open rings and leave out those that enclose nothing.

    Parameters
    ----------
    binaries
        Well-known binary (bytes), or None.
    """
    with np.errstate(invalid="ignore"):
        found: Geometries = shapely.from_wkb(binaries, on_invalid="ignore")
    closed, lost = np.zeros(len(found), bool), np.zeros(len(found), bool)
    for place in np.flatnonzero(_doubtful(found, binaries)):
        reader = _Reader(binaries[place])
        found[place] = reader.read()
        closed[place], lost[place] = reader.closed > 0, reader.lost > 0
    return Rings(found, closed, lost)


def kind_of(binary: bytes) -> str:
    """What a geometry is, in OGC's words."""
    try:
        kind = _Reader(binary).head()[0]
    except struct.error:
        return "damaged geometry"
    return _KINDS[kind] if kind < len(_KINDS) else "GeometryCollection"


def polygons_in(geometries: Geometries) -> tuple[Geometries, npt.NDArray[np.intp]]:
    """The polygons with an extent in geometries, however deep, and the place of each one's geometry."""
    owner = np.arange(len(geometries))
    parts: Geometries = np.asarray(geometries, object)
    while (shapely.get_type_id(parts) > _POLYGON).any():
        parts, index = shapely.get_parts(parts, return_index=True)
        owner = owner[index]
    chosen = (shapely.get_type_id(parts) == _POLYGON) & ~shapely.is_empty(parts)
    return parts[chosen], owner[chosen]


def _doubtful(found: Geometries, binaries: Geometries) -> npt.NDArray[np.bool_]:
    """Geometries that GEOS did not take, or took with a ring that encloses nothing."""
    given = np.asarray([one is not None for one in binaries], bool)
    doubtful: npt.NDArray[np.bool_] = shapely.is_missing(found) & given
    points, place = shapely.get_coordinates(found, return_index=True)
    doubtful[place[~np.isfinite(points).all(axis=1)]] = True
    polygons, owner = polygons_in(found)
    rings, index = shapely.get_rings(polygons, return_index=True)
    doubtful[owner[index[shapely.get_num_coordinates(rings) < 4]]] = True
    return doubtful


class _Reader:
    """Reads one geometry; of a damaged one, nothing."""

    def __init__(self, binary: bytes) -> None:
        self._binary, self._at = binary, 0
        self.closed = self.lost = 0

    def read(self) -> BaseGeometry | None:
        """Polygons, and collections of them; None for all else."""
        try:
            return self._geometry()
        except (struct.error, ValueError, RecursionError):
            self.lost += 1
            return None

    def head(self) -> tuple[int, int, str]:
        """Kind, number of dimensions, and order of bytes."""
        (little,) = struct.unpack_from("B", self._binary, self._at)
        order = "<" if little else ">"
        self._at += 1
        code = self._count(order)
        plain, flags = code & 0x0FFFFFFF, code >> 28  # flags as PostGIS sets them: Z, M, SRID
        if flags & 2:
            self._count(order)
        extra = (0, 1, 1, 2)[plain // 1000 % 4] + (flags >> 3 & 1) + (flags >> 2 & 1)
        return plain % 1000, 2 + extra, order

    def _count(self, order: str) -> int:
        (number,) = struct.unpack_from(f"{order}I", self._binary, self._at)
        self._at += 4
        return int(number)

    def _geometry(self) -> BaseGeometry | None:
        kind, dimensions, order = self.head()
        if kind == _POLYGON:
            return self._polygon(dimensions, order)
        if kind not in _COLLECTIONS:
            points = 1 if kind == 1 else self._count(order)
            self._at += 8 * dimensions * points
            return None
        parts = [self._geometry() for _ in range(self._count(order))]
        kept: list[Any] = [part for part in parts if part is not None and not part.is_empty]
        if not kept:
            return None
        return MultiPolygon(kept) if kind == 6 else GeometryCollection(kept)

    def _polygon(self, dimensions: int, order: str) -> Polygon | None:
        rings = [self._ring(dimensions, order) for _ in range(self._count(order))]
        if not rings:
            return Polygon()
        outline, *holes = rings
        return (
            None if outline is None else Polygon(outline, [one for one in holes if one is not None])
        )

    def _ring(self, dimensions: int, order: str) -> npt.NDArray[np.float64] | None:
        """A ring's points, closed; None where it encloses nothing, or it is not known where it goes."""
        count = self._count(order)
        numbers = np.frombuffer(self._binary, f"{order}f8", count * dimensions, self._at)
        self._at += numbers.nbytes
        points = numbers.reshape(count, dimensions)[:, :2].astype(np.float64)
        if not np.isfinite(points).all() or len(np.unique(points, axis=0)) < 3:
            self.lost += 1
            return None
        if (points[0] != points[-1]).any():
            self.closed += 1
            points = np.concatenate([points, points[:1]])
        return points
