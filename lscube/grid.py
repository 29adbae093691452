"""Which pixels: area of interest, grid in one UTM zone, and the lattice of prediction windows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import geopandas
import pyproj
import shapely
from affine import Affine
from odc.geo import CRS
from odc.geo.geobox import GeoBox
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from lscube.errors import AreaError

Bounds = tuple[float, float, float, float]

FARTHEST = 9.0
"""Degrees of longitude from a zone's middle up to which its grid serves."""

OUTSIDE_UTM = "UTM covers latitudes from 80 degrees south to 84 north"


def read_area(aoi: Path | Bounds) -> BaseGeometry:
    """Read an area of interest.

    Parameters
    ----------
    aoi
        A vector file (GeoJSON, GeoPackage, ...; any CRS), or west, south, east, north in degrees.

    Returns
    -------
    shapely geometry
        Polygon or multipolygon in EPSG:4326.

    Raises
    ------
    AreaError
        The file is missing or no vector file, or the area is empty.
    """
    area = _read_polygons(aoi) if isinstance(aoi, Path) else _bounds_polygon(aoi)
    if area.is_empty or area.area == 0:
        raise AreaError(
            f"Expected an area of interest with some extent, {aoi} has none; give a polygon."
        )
    _, south, _, north = area.bounds
    if south < -80 or north > 84:
        raise AreaError(
            f"Expected an area that UTM covers, got latitudes {south:.2f} to {north:.2f}; {OUTSIDE_UTM}."
        )
    return area


def _bounds_polygon(bounds: Bounds) -> BaseGeometry:
    west, south, east, north = bounds
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise AreaError(
            "Expected west, south, east, north in degrees with west < east and south < north, "
            f"got {west}, {south}, {east}, {north}; put them in that order."
        )
    return box(*bounds)


def _read_polygons(path: Path) -> BaseGeometry:
    if not path.is_file():
        raise AreaError(f"Expected an area of interest at {path}, found no file; check the path.")
    try:
        frame = geopandas.read_file(path)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise AreaError(
            f"Expected GeoJSON or another vector file in {path}, but it cannot be read ({reason}); "
            "save the area as GeoJSON."
        ) from None
    if not isinstance(frame, geopandas.GeoDataFrame) or frame.geometry.isna().all():
        raise AreaError(
            f"Expected polygons in {path}, found no geometry; draw the area as a polygon."
        )
    if frame.crs is None:
        raise AreaError(f"Expected a CRS in {path}, found none; assign one, for example EPSG:4326.")
    try:
        area: BaseGeometry = shapely.make_valid(frame.to_crs(4326).geometry.union_all())
    except shapely.errors.ShapelyError as error:
        raise AreaError(
            f"Expected finite coordinates in {path}, but {error}; draw the area again."
        ) from None
    return area


def utm_epsg(area: BaseGeometry) -> int:
    """EPSG code of the UTM zone in which the area's centre lies (WGS 84, EPSG:4326 in)."""
    centre = area.centroid
    matches = pyproj.database.query_utm_crs_info(
        datum_name="WGS 84",
        area_of_interest=pyproj.aoi.AreaOfInterest(centre.x, centre.y, centre.x, centre.y),
    )
    if not matches:
        raise AreaError(
            f"Expected an area that UTM covers, its centre is {centre.x:.2f}, {centre.y:.2f}; {OUTSIDE_UTM}."
        )
    return int(matches[0].code)


def project(geometry: BaseGeometry, epsg: int) -> BaseGeometry:
    """Bring a geometry from EPSG:4326 to a UTM zone.

    Long edges are divided first: a meridian is no straight line in UTM.
    """
    divided = shapely.segmentize(geometry, 0.01)
    projected: BaseGeometry = geopandas.GeoSeries([divided], crs=4326).to_crs(epsg).iloc[0]
    return projected


def make_grid(area: BaseGeometry, resolution: float, epsg: int | None = None) -> GeoBox:
    """Smallest grid over an area, snapped to multiples of the resolution.

    Parameters
    ----------
    area
        In EPSG:4326.
    resolution
        Pixel size in metres.
    epsg
        UTM zone; by default the one of the area's centre.
    """
    code = utm_epsg(area) if epsg is None else epsg
    middle = area.centroid.x
    off = abs((middle - (6 * (code % 100) - 183) + 180) % 360 - 180)
    if off > FARTHEST:
        raise AreaError(
            f"Expected an area in or near the UTM zone EPSG:{code}, its centre at longitude {middle:.2f} is "
            f"{off:.0f} degrees from the zone's middle; set area.epsg to {utm_epsg(area)}."
        )
    return snapped_grid(project(area, code).bounds, resolution, code)


def snapped_grid(bounds: Bounds, step: float, epsg: int, pixels_per_step: int = 1) -> GeoBox:
    """Grid over `bounds`, its edges on multiples of `step` metres, cut into pixels."""
    # A millionth of a step: bounds that were snapped before must not grow by rounding.
    west, south = (math.floor(value / step + 1e-6) for value in bounds[:2])
    east, north = (math.ceil(value / step - 1e-6) for value in bounds[2:])
    resolution = step / pixels_per_step
    shape = (max(north - south, 1) * pixels_per_step, max(east - west, 1) * pixels_per_step)
    transform = Affine(resolution, 0, west * step, 0, -resolution, north * step)
    return GeoBox(shape, transform, CRS(f"EPSG:{epsg}"))


def resolution_of(grid: GeoBox) -> float:
    """Pixel size of a grid in metres."""
    return float(abs(grid.affine.a))


def epsg_of(grid: GeoBox) -> int:
    """EPSG code of a grid."""
    code = grid.crs.to_epsg() if grid.crs is not None else None
    if code is None:
        raise AreaError(f"Expected a grid in a UTM zone, got {grid.crs}; make it with make_grid.")
    return int(code)


def bounds_of(grid: GeoBox) -> Bounds:
    """West, south, east, north of a grid in its own CRS."""
    extent = grid.boundingbox
    return (extent.left, extent.bottom, extent.right, extent.top)


@dataclass(frozen=True)
class Lattice:
    """The lattice of prediction windows, anchored at the UTM zone's (0, 0).

    Windows of `core + 2 * margin` pixels overlap so that their cores tile the plane. Because
    cores begin where the coordinate is a multiple of core x resolution, two areas that overlap
    agree on the pixels they share.
    """

    core: int = 112
    """Edge of the kept part of a window in pixels."""
    margin: int = 56
    """Context on each side of the core in pixels."""

    @property
    def window(self) -> int:
        """Edge of a window in pixels."""
        return self.core + 2 * self.margin

    def cover(self, grid: GeoBox) -> GeoBox:
        """Smallest grid of whole cores over `grid`."""
        step = self.core * resolution_of(grid)
        return snapped_grid(bounds_of(grid), step, epsg_of(grid), self.core)

    def padded(self, cores: GeoBox) -> GeoBox:
        """The grid of whole cores with the margin around it."""
        return cores.pad(self.margin, self.margin)

    def chunks(self, pixels: int, cores_per_chunk: int) -> tuple[int, ...]:
        """Chunks along one axis of a grid of whole cores, at most `cores_per_chunk` cores each."""
        count = pixels // self.core
        whole, rest = divmod(count, cores_per_chunk)
        sizes = [cores_per_chunk] * whole + ([rest] if rest else [])
        return tuple(size * self.core for size in sizes)

    def padded_chunks(self, chunks: tuple[int, ...]) -> tuple[int, ...]:
        """The same chunks with the margin added to the outermost ones."""
        if len(chunks) == 1:
            return (chunks[0] + 2 * self.margin,)
        return (chunks[0] + self.margin, *chunks[1:-1], chunks[-1] + self.margin)
