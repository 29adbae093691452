"""Grids: an area's UTM zone, and pixels snapped to multiples of the resolution."""

from __future__ import annotations

import math

import geopandas
import shapely
from affine import Affine
from odc.geo import CRS
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from lscube.errors import AreaError
from lscube.grid.area import Bounds, check_latitudes
from lscube.grid.longitudes import unwrap

FARTHEST = 9.0
"""Degrees of longitude from a zone's middle up to which its grid serves: one zone to either side.
There, lengths at the equator are 1.2 % too long (UTM's scale is 0.9996 * (1 + x^2 / 2R^2))."""

MOST_PIXELS = 20_000_000_000
"""Pixels that a grid may have: 2,000,000 square kilometres at 10 m. A lazy cube of that size is about
20,000 chunks and a million tasks, which is what one Dask scheduler can hold."""


def utm_epsg(area: BaseGeometry) -> int:
    """EPSG code of the UTM zone in which the area's centre lies (WGS 84, EPSG:4326 in).

    With the exceptions of the Military Grid Reference System, which Sentinel-2's tiles follow:
    south-west Norway belongs to zone 32 as a whole, Svalbard to zones 31, 33, 35 and 37.
    """
    check_latitudes(area)
    centre = unwrap(area).centroid
    longitude = (centre.x + 180) % 360 - 180
    zone = int((longitude + 180) // 6) + 1
    if 56 <= centre.y < 64 and 3 <= longitude < 12:
        zone = 32
    elif centre.y >= 72 and 0 <= longitude < 42:
        zone = 31 + 2 * sum(longitude >= edge for edge in (9, 21, 33))
    return (32600 if centre.y >= 0 else 32700) + zone


def project(geometry: BaseGeometry, epsg: int) -> BaseGeometry:
    """Bring a geometry from EPSG:4326 to a UTM zone.

    Long edges are divided first, to 0.01 degrees: a meridian or parallel is no straight line in
    UTM (what remains is at most 2 cm). What was cut at the antimeridian comes out in one piece.
    """
    divided = shapely.segmentize(unwrap(geometry), 0.01)
    projected: BaseGeometry = geopandas.GeoSeries([divided], crs=4326).to_crs(epsg).iloc[0]
    return projected


def make_grid(area: BaseGeometry, resolution: float, epsg: int | None = None) -> GeoBox:
    """Smallest grid over an area, snapped to multiples of the resolution.

    An area across a zone's border or the equator is served by one zone: northings may then be
    negative, or exceed 10,000,000 m.

    Parameters
    ----------
    area
        In EPSG:4326, from `read_area`.
    resolution
        Pixel size in metres.
    epsg
        UTM zone; by default the one of the area's centre.

    Raises
    ------
    AreaError
        UTM does not cover the area, it reaches farther than 9 degrees from the zone's middle, or
        it has more than 20 thousand million pixels.
    """
    home = utm_epsg(area)
    code = home if epsg is None else epsg
    _check_zone(area, code, home)
    grid = snapped_grid(project(area, code).bounds, resolution, code)
    rows, columns = grid.shape
    if rows * columns > MOST_PIXELS:
        raise AreaError(
            f"Expected a grid of at most {MOST_PIXELS:,} pixels, this area has {rows:,} x {columns:,} at "
            f"{resolution:g} m; split it, or set a coarser area.resolution."
        )
    return grid


def _check_zone(area: BaseGeometry, code: int, home: int) -> None:
    """Refuse an area that reaches too far from its zone's middle."""
    west, _, east, _ = unwrap(area).bounds
    middle = 6 * (code % 100) - 183
    # Whole turns, so that the area's longitudes count from the near side of the zone.
    turns = 360 * round(((west + east) / 2 - middle) / 360)
    off = max(east - turns - middle, middle - west + turns)
    if off <= FARTHEST:
        return
    advice = "split it" if code == home else f"set area.epsg to {home}, or split it"
    raise AreaError(
        f"Expected an area within {FARTHEST:.0f} degrees of the middle of its UTM zone EPSG:{code} "
        f"(longitude {middle}), this one reaches {off:.1f} degrees from there; {advice}."
    )


def snapped_grid(bounds: Bounds, step: float, epsg: int, pixels_per_step: int = 1) -> GeoBox:
    """Grid over `bounds`, its edges on multiples of `step` metres, cut into pixels."""
    # A millionth of a step: bounds that were snapped before must not grow by rounding.
    west, south = (math.floor(value / step + 1e-6) for value in bounds[:2])
    east, north = (math.ceil(value / step - 1e-6) for value in bounds[2:])
    resolution = step / pixels_per_step
    shape = (max(north - south, 1) * pixels_per_step, max(east - west, 1) * pixels_per_step)
    # From the edge that was snapped: with less than a pixel, north is not above south.
    top = max(north, south + 1) * step
    transform = Affine(resolution, 0, west * step, 0, -resolution, top)
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
