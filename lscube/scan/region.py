"""Where an event may have set off landslides: by contours of shaking, an outline, bounds or a radius."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

from lscube.catalog import unsigned
from lscube.catalog.web import FetchError
from lscube.errors import AreaError, InventoryError, RefusedError
from lscube.grid import FARTHEST, arrange_area, unwrap, utm_epsg
from lscube.markup import clean_text
from lscube.products.inventory.shaking import Shaking, shaking_of
from lscube.scan.guard.documents import parse_json, too_much
from lscube.scan.hazard import Fetch, Hazard
from lscube.settings.scan_rules import LimitSettings, ScanAreaSettings

Floats = NDArray[np.float64]

EARTH = Geod(ellps="WGS84")

GONE = (403, 404, 410)
"""HTTP statuses of contours that will not come."""

WIDEST = 20.0
"""Degrees from the event's centre, in longitude at the equator and in latitude, up to which is looked."""

_TENFOLD = 3.70
"""Intensities by which tenfold acceleration is felt (Worden et al. 2012, doi:10.1785/0120110156, above
intensity 4.2)."""


@dataclass(frozen=True)
class Region:
    """Where to look, and how strongly each place was hit."""

    area: BaseGeometry
    """EPSG:4326, as `lscube.grid.read_area` gives it; all in reach of one UTM zone's grid."""
    strength: Callable[[Floats, Floats], Floats]
    """Of longitudes and latitudes: how strongly they were hit, relative to others; NaN: not enough."""
    why: tuple[str, ...]
    """How it came about, in sentences."""
    given: bool = False
    """Whether a user drew it, who then knows about slopes."""
    cut: bool = False
    """Whether some of it is out of reach."""


def region_of(
    hazard: Hazard, settings: ScanAreaSettings, fetch: Fetch, limits: LimitSettings
) -> Region:
    """Find where an event may have set off landslides.

    A user's outline comes first, then contours of shaking, the product's bounds, and a radius.

    Raises
    ------
    AreaError
        The shaking is too weak everywhere, or the place is beyond what UTM covers.
    SourceError
        Contours cannot be had now.
    """
    if hazard.outline is not None:
        return _within_reach(_outlined(hazard), hazard)
    shaking, why = _shaking(hazard, settings, fetch, limits)
    if shaking is not None:
        found = _shaken(shaking, hazard, settings)
    elif hazard.bounds is not None:
        found = _bounded(hazard)
    else:
        found = _around(hazard, settings)
    return _within_reach(
        Region(found.area, found.strength, (*why, *found.why), found.given), hazard
    )


def _outlined(hazard: Hazard) -> Region:
    try:
        outline = shapely.from_geojson(hazard.outline)
        area = arrange_area([outline], f"the outline of {hazard.id}")
    except (shapely.errors.ShapelyError, ValueError, TypeError):
        raise AreaError(
            f"Expected a GeoJSON polygon as the outline of {hazard.id}, found something else; correct it."
        ) from None
    return Region(area, _everywhere, ("The area was drawn by the user.",), given=True)


def _shaking(
    hazard: Hazard, settings: ScanAreaSettings, fetch: Fetch, limits: LimitSettings
) -> tuple[Shaking | None, tuple[str, ...]]:
    """The preferred contours that can be read, and what is wrong with others."""
    why: list[str] = []
    for address in _addresses(hazard, settings):
        try:
            return _contours(address, fetch, limits), tuple(why)
        except (RefusedError, InventoryError) as error:
            why.append(f"Contours were passed over: {clean_text(error, 400)}")
        except FetchError as error:
            if error.status not in GONE:
                raise
            why.append(f"There are no contours at {clean_text(unsigned(address), 400)}.")
    return None, tuple(why)


def _addresses(hazard: Hazard, settings: ScanAreaSettings) -> Iterator[str]:
    for quantity in settings.shaking:
        names = ("cont_pga",) if quantity == "pga" else ("cont_mmi", "cont_mi")
        for address in hazard.contours:
            if address.rpartition("/")[2].partition(".")[0] in names:
                yield address


def _contours(address: str, fetch: Fetch, limits: LimitSettings) -> Shaking:
    content = parse_json(fetch(address), address, limits)
    features = content.get("features") if isinstance(content, dict) else None
    if isinstance(features, list) and len(features) > limits.features:
        raise too_much(address, f"{len(features):,} contours", f"{limits.features:,} contours")
    shaking = shaking_of(content, clean_text(unsigned(address), 400))
    if len(shaking.points) > limits.vertices:
        raise too_much(address, f"{len(shaking.points):,} corners", f"{limits.vertices:,} corners")
    longitude, latitude = shaking.points.T
    if (
        not (np.isfinite(shaking.points).all() and (np.abs(longitude) <= 540).all())
        or (np.abs(latitude) > 90).any()
    ):
        raise InventoryError(
            f"Expected contours in degrees in {clean_text(unsigned(address), 400)}, found others; leave "
            "them out with area.shaking."
        )
    return shaking


def _shaken(shaking: Shaking, hazard: Hazard, settings: ScanAreaSettings) -> Region:
    """Where the shaking reaches its threshold, interpolated between contours."""
    acceleration = shaking.quantity == "pga_percent_g"
    least = settings.pga if acceleration else settings.mmi
    unit = (
        f"peak ground acceleration of {least:g} % of g" if acceleration else f"intensity {least:g}"
    )
    if shaking.values.max() < least:
        raise AreaError(
            f"Expected shaking with a {unit} at least, the highest contour of {hazard.id} is "
            f"{shaking.values.max():g}; lower area.{'pga' if acceleration else 'mmi'} to map it."
        )
    # From the nearest contour below the threshold on: between the two it is reached.
    below = shaking.values[shaking.values <= least]
    near = shaking.values >= (below.max() if below.size else least)
    centre = np.array([hazard.longitude, hazard.latitude])
    off = shaking.points[near] - centre
    off[:, 0] = (off[:, 0] + 180) % 360 - 180
    points = centre + np.clip(off, -WIDEST * 2, WIDEST * 2)
    west, south = points.min(axis=0)
    east, north = points.max(axis=0)

    def strength(longitude: Floats, latitude: Floats) -> Floats:
        found = shaking.at(longitude, latitude)
        # A threshold that is a contour must not be lost by rounding.
        enough = np.where(found >= least * (1 - 1e-6), found, np.nan)
        return enough if acceleration else 10 ** (enough / _TENFOLD)

    return Region(
        _boxed(west, south, east, north, hazard), strength, (f"Contours of shaking: {unit}.",)
    )


def _bounded(hazard: Hazard) -> Region:
    west, south, east, north = hazard.bounds or (0.0, 0.0, 0.0, 0.0)
    area = _boxed(west, south, east if east > west else east + 360, north, hazard)
    return Region(
        area, _everywhere, ("No contours of shaking: the bounds of the source's product.",)
    )


def _around(hazard: Hazard, settings: ScanAreaSettings) -> Region:
    """A circle on the ellipsoid; its inner half counts for more."""
    radius = hazard.radius or settings.radius_km
    turn = np.arange(0.0, 360.0, 5.0)
    start = np.full(len(turn), hazard.longitude), np.full(len(turn), hazard.latitude)
    x, y, _ = EARTH.fwd(*start, turn, np.full(len(turn), 1000 * radius))
    area = arrange_area(
        [shapely.Polygon(np.stack([x, y], axis=1))], f"{radius:g} km around {hazard.id}"
    )

    def strength(longitude: Floats, latitude: Floats) -> Floats:
        there = np.full(len(longitude), hazard.longitude), np.full(len(longitude), hazard.latitude)
        off = EARTH.inv(longitude, latitude, *there)[2] / (1000 * radius)
        return np.where(off <= 1, 1 / (1 + 4 * off**2), np.nan)

    return Region(area, strength, (f"No more is known than the centre: {radius:g} km around it.",))


def _everywhere(longitude: Floats, latitude: Floats) -> Floats:
    return np.ones(len(longitude))


def _boxed(west: float, south: float, east: float, north: float, hazard: Hazard) -> BaseGeometry:
    """A box around the globe's side of the event, no farther from its centre than is looked."""
    middle = (west + east) / 2
    turns = 360 * round((hazard.longitude - middle) / 360)
    around = shapely.box(west + turns, max(south, -90), east + turns, min(north, 90))
    x, y = hazard.longitude, hazard.latitude
    reach = shapely.box(x - 2 * WIDEST, max(y - WIDEST, -90), x + 2 * WIDEST, min(y + WIDEST, 90))
    found = around.intersection(reach)
    if found.area == 0:
        raise AreaError(
            f"Expected what {hazard.id} hit within {WIDEST:g} degrees of its centre, its source tells of "
            "another place; wait for its next revision."
        )
    return arrange_area([found], f"the area of {hazard.id}")


def _within_reach(region: Region, hazard: Hazard) -> Region:
    area = within_reach(region.area, hazard)
    if area is region.area:
        return region
    why = (*region.why, "What one UTM grid cannot hold was left out.")
    return Region(area, region.strength, why, region.given, cut=True)


def within_reach(area: BaseGeometry, hazard: Hazard) -> BaseGeometry:
    """Leave out what is beyond UTM's latitudes, or too far from the middle of the area's zone.

    Raises
    ------
    AreaError
        Nothing is left.
    """
    _, south, _, north = area.bounds
    inside = area.intersection(shapely.box(-180, -80, 180, 84))
    if inside.area == 0:
        raise AreaError(
            f"Expected an area that UTM covers (80 degrees south to 84 north), {hazard.id} is at latitudes "
            f"{south:.2f} to {north:.2f}; it cannot be mapped."
        )
    whole = unwrap(inside)
    middle = 6 * (utm_epsg(inside) % 100) - 183
    low, _, high, _ = whole.bounds
    turns = 360 * round(((low + high) / 2 - middle) / 360)
    far = FARTHEST - 0.001
    zone = shapely.box(middle + turns - far, -80, middle + turns + far, 84)
    reached = whole.intersection(zone)
    if reached.area >= (1 - 1e-9) * unwrap(area).area:
        return area
    return arrange_area([reached], f"the area of {hazard.id}")
