"""Where an event is mapped; contours are made in the recorded structure (tests/feeds.py)."""

import json
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_zeros
from pyproj import Geod

from lscube.catalog.web import FetchError
from lscube.errors import AreaError, RefusedError, SceneError, SourceError
from lscube.grid import bounds_of, epsg_of, make_grid, read_area, resolution_of, unwrap
from lscube.jobs import OUTSIDE
from lscube.scan.area import area_of, save_area
from lscube.scan.steepness import elevation_from, elevation_of, steepness
from lscube.scan.triggers.own import hazard_of as own_hazard
from lscube.scan.triggers.usgs_event import hazard_of
from lscube.settings import SourceSettings
from lscube.settings.scan_rules import LimitSettings, ScanAreaSettings
from tests.feeds import PLACE, contours, usgs_detail
from tests.scenes import inner_area, simple_event

EARTH = Geod(ellps="WGS84")
RINGS = {5.0: 1.0, 10.0: 0.5, 20.0: 0.3, 50.0: 0.1}
FLAT = ScanAreaSettings(slope=0)
PLAIN = ScanAreaSettings(slope=0, closing=0, min_km2=0, cell=500)


def quake(place=PLACE, **fields):
    return replace(hazard_of(usgs_detail()), longitude=place[0], latitude=place[1], **fields)


def giving(content):
    return lambda address: content


def nothing(address):
    raise FetchError(address, "HTTP 404", 404)


def never(*_):
    raise AssertionError("not asked")


def east_is_steep(grid):
    """A plane that is flat in the west, and rises by half its width in the east: 27 degrees."""
    west, _, east, _ = bounds_of(grid)
    x = np.linspace(west, east, grid.shape[1]) - (west + east) / 2
    return np.broadcast_to(np.maximum(x, 0) / 2, grid.shape)


def distance(area, place):
    """Kilometres from a place to the farthest and the nearest corner."""
    x, y = shapely.get_coordinates(area).T
    metres = EARTH.inv(x, y, np.full(len(x), place[0]), np.full(len(x), place[1]))[2]
    return metres.max() / 1000, metres.min() / 1000


# Where it was hit


def test_the_contour_at_the_threshold_is_the_border():
    """Half a degree of latitude is 55.5 km."""
    area = area_of(quake(), PLAIN, giving(contours(RINGS)))
    farthest, nearest = distance(area.geometry, PLACE)
    assert nearest == pytest.approx(55.5, abs=1.2)
    assert farthest == pytest.approx(55.5, abs=1.2)
    assert area.km2 == pytest.approx(np.pi * 55.5**2, rel=0.02)
    assert not area.cut
    assert len(area.pieces) == 1
    assert area.why[0] == "Contours of shaking: peak ground acceleration of 10 % of g."


def test_between_contours_the_threshold_is_interpolated():
    """Of acceleration the logarithm: the middle of 10 and 20 is 14.1."""
    between = PLAIN.model_copy(update={"pga": 10 * 2**0.5})
    area = area_of(quake(), between, giving(contours(RINGS)))
    assert distance(area.geometry, PLACE)[0] == pytest.approx(0.4 * 111, abs=1.5)


def test_intensity_where_acceleration_is_not_to_be_had():
    hazard = quake()

    def fetch(address):
        if address.endswith("cont_pga.json"):
            raise FetchError(address, "HTTP 404", 404)
        return contours({5.0: 1.0, 6.0: 0.4, 7.0: 0.2}, "mmi")

    area = area_of(hazard, PLAIN, fetch)
    assert distance(area.geometry, PLACE)[0] == pytest.approx(0.4 * 111, abs=1.2)
    assert "There are no contours at" in area.why[0]
    assert area.why[1] == "Contours of shaking: intensity 6."
    intensity_first = PLAIN.model_copy(update={"shaking": ("mmi",)})
    assert area_of(hazard, intensity_first, fetch).why[0] == area.why[1]


def test_without_contours_the_products_bounds_and_then_a_radius():
    hazard = quake()
    area = area_of(hazard, PLAIN.model_copy(update={"budget_km2": 20_000}), nothing)
    assert area.geometry.bounds == pytest.approx((141.0, 42.3, 142.4, 43.4), abs=0.02)
    assert "bounds of the source's product" in area.why[2]
    area = area_of(replace(hazard, bounds=None), PLAIN, nothing)
    assert distance(area.geometry, PLACE)[0] == pytest.approx(50, abs=0.8)
    own = own_hazard(
        {"id": "a", "time": "2027-01-15", "longitude": 10, "latitude": 45, "radius_km": 20}
    )
    area = area_of(own, PLAIN, never)
    assert area.km2 == pytest.approx(np.pi * 20**2, rel=0.02)
    assert "20 km around it" in area.why[0]


def test_a_users_outline_is_taken_as_it_is():
    ring = [[10, 45], [10.5, 45], [10.5, 45.5], [10, 45]]
    entry = {
        "id": "a",
        "time": "2027-01-15",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    area = area_of(own_hazard(entry), ScanAreaSettings(), never, never)
    assert area.geometry.equals(shapely.Polygon(ring))
    assert area.km2 == pytest.approx(1092, rel=0.01)
    small = ScanAreaSettings(budget_km2=300, slope=0)
    cut = area_of(own_hazard(entry), small, never, never)
    assert cut.cut
    assert cut.km2 <= 300


@pytest.mark.parametrize(
    "content",
    [
        *(b"{}", b"[]", b'{"type": "FeatureCollection", "features": []}', b"[" * 5000),
        contours(RINGS, "furlongs"),
        contours({10.0: 89.0}, centre=(0.0, 45.0)),
    ],
)
def test_contours_that_are_none_are_passed_over_and_said(content):
    area = area_of(quake(), FLAT, giving(content))
    assert "Contours were passed over" in area.why[0]
    assert "bounds of the source's product" in area.why[-3]


@pytest.mark.parametrize("content", [b"", b"<html>", b"[" * 10])
def test_contours_that_cannot_be_read_are_asked_for_again(content):
    with pytest.raises(SourceError, match="cannot be read"):
        area_of(quake(), FLAT, giving(content))


def test_contours_on_a_line_enclose_nothing():
    line = {"type": "LineString", "coordinates": [[141, 42], [142, 42], [143, 42]]}
    feature = {"type": "Feature", "geometry": line, "properties": {"value": 20, "units": "pctg"}}
    content = json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()
    assert "found points on a line" in area_of(quake(), FLAT, giving(content)).why[0]


def test_contours_of_unusual_size_are_passed_over():
    for limits in (
        LimitSettings(vertices=100),
        LimitSettings(features=2),
        LimitSettings(values=50),
    ):
        area = area_of(quake(), FLAT, giving(contours(RINGS)), limits=limits)
        assert "see [limits]" in area.why[0]


def test_what_may_come_later_is_waited_for():
    def fetch(address):
        raise FetchError(address, "HTTP 503", 503)

    with pytest.raises(FetchError):
        area_of(quake(), FLAT, fetch)

    def refuse(address):
        raise RefusedError("Expected a public address, got another; see [allow].")

    assert "Contours were passed over: Expected a public" in area_of(quake(), FLAT, refuse).why[0]


def test_too_weak_everywhere():
    with pytest.raises(
        AreaError, match=r"highest contour of usgs-us7000fake is 8; lower area\.pga"
    ):
        area_of(quake(), FLAT, giving(contours({5.0: 1.0, 8.0: 0.5})))


# Where it is steep


def test_flat_ground_is_left_out():
    settings = ScanAreaSettings(closing=0, min_km2=0)
    area = area_of(quake(), settings, giving(contours(RINGS)), east_is_steep)
    whole = area_of(quake(), PLAIN, giving(contours(RINGS)))
    assert area.km2 == pytest.approx(whole.km2 / 2, rel=0.05)
    assert area.geometry.centroid.x > PLACE[0] + 0.2
    assert "10% or more that is steeper than 10 degrees" in area.why[1]
    with pytest.raises(AreaError, match="no ground is steep enough"):
        area_of(quake(), ScanAreaSettings(slope=45), giving(contours(RINGS)), east_is_steep)


def test_slopes_of_a_plane_and_of_unknown_ground():
    grid = make_grid(read_area((141.9, 42.6, 142.0, 42.7)), 1000.0)

    def plane(fine):
        assert resolution_of(fine) == pytest.approx(1000 / 11)
        heights = np.broadcast_to(np.arange(fine.shape[1]) * resolution_of(fine) * 0.5, fine.shape)
        return np.where(np.arange(fine.shape[0])[:, None] < 11, np.nan, heights)

    found = steepness(grid, 90.0, 26.0, plane)
    assert (found.share[2:] == 1).all()
    assert (found.share[0] == 0).all()
    np.testing.assert_allclose(found.tangent[2:], 0.5, rtol=1e-5)
    assert (steepness(grid, 90.0, 27.0, plane).share == 0).all()
    with pytest.raises(SourceError, match="on the grid"):
        steepness(grid, 90.0, 10.0, lambda fine: np.zeros((2, 2)))


def test_without_a_surface_model_slopes_are_not_looked_at_and_that_is_said():
    def absent(grid):
        raise SceneError("Expected a surface model, found none.")

    area = area_of(quake(), ScanAreaSettings(), giving(contours(RINGS)), absent)
    assert area.why[1] == "Slopes were not looked at: Expected a surface model, found none."

    def unreachable(grid):
        raise SourceError("Expected a catalogue.")

    with pytest.raises(SourceError, match="catalogue"):
        area_of(quake(), ScanAreaSettings(), giving(contours(RINGS)), unreachable)


def test_elevation_of_an_array_in_degrees_and_from_a_catalogue(tmp_path):
    source = SourceSettings(catalogs=simple_event(tmp_path))
    grid = make_grid(read_area(inner_area()), 30.0)
    from_items = elevation_from(source, OUTSIDE)(grid)
    assert from_items.shape == grid.shape
    # The surface rises by 10 m per 30 m to the east.
    np.testing.assert_allclose(np.diff(from_items, axis=1), 10, atol=0.1)
    west, south, east, north = inner_area()
    wide = (west - 0.01, south - 0.01, east + 0.01, north + 0.01)
    degrees = xr_zeros(GeoBox.from_bbox(wide, "EPSG:4326", resolution=3e-4), "float32") + 7
    given = elevation_of(degrees)(grid)
    assert given.shape == grid.shape
    assert np.nanmin(given) == np.nanmax(given) == 7


# Pieces and budget


def test_the_budget_keeps_the_most_hazardous():
    """Shaking grows towards the centre; without slopes a disk around it is left."""
    settings = FLAT.model_copy(update={"budget_km2": 1000})
    area = area_of(quake(), settings, giving(contours(RINGS)))
    assert area.cut
    assert 800 < area.km2 <= 1000
    assert distance(area.geometry, PLACE)[0] < 25
    assert area.why[-1] == "Cut to 1,000 km2, the most hazardous first."
    steep = ScanAreaSettings(budget_km2=1000)
    eastern = area_of(quake(), steep, giving(contours(RINGS)), east_is_steep)
    assert eastern.geometry.bounds[0] > PLACE[0] - 0.03


def test_pieces_come_most_hazardous_first():
    def two_hills(grid):
        """Gentle in the west, steep in the east."""
        west, _, east, _ = bounds_of(grid)
        x = np.linspace(-1, 1, grid.shape[1]) * (east - west) / 2
        gentle = np.clip(x + 30_000, 0, 15_000) * 0.3
        steep = np.clip(x - 15_000, 0, 15_000) * 0.8
        return np.broadcast_to(gentle + steep, grid.shape)

    settings = ScanAreaSettings(shaking=(), radius_km=45)
    area = area_of(replace(quake(), bounds=None), settings, never, two_hills)
    assert len(area.pieces) == 2
    assert area.pieces[0].centroid.x > PLACE[0] > area.pieces[1].centroid.x
    small = settings.model_copy(update={"budget_km2": 600})
    assert (
        area_of(replace(quake(), bounds=None), small, never, two_hills).geometry.bounds[0]
        > PLACE[0]
    )


def test_specks_are_left_out_and_gaps_closed():
    def speckled(grid):
        """A wide hill with narrow valleys, and a small hill beside it."""
        y, x = np.mgrid[0 : grid.shape[0], 0 : grid.shape[1]] * resolution_of(grid)
        hill = (np.abs(x - 40_000) < 10_000) & (np.abs(y - 40_000) < 10_000)
        valley = (x % 5_000) < 900
        speck = (np.abs(x - 75_000) < 1_500) & (np.abs(y - 40_000) < 1_500)
        return np.where((hill & ~valley) | speck, (x + y) * 0.5, 0.0)

    settings = ScanAreaSettings(shaking=(), radius_km=50, min_km2=50, steep_share=0.5)
    area = area_of(replace(quake(), bounds=None), settings, never, speckled)
    assert len(area.pieces) == 1
    assert not list(area.pieces[0].interiors)
    assert area.km2 == pytest.approx(400, rel=0.12)
    assert shapely.get_num_coordinates(area.geometry) < 30
    large = settings.model_copy(update={"min_km2": 900.0})
    with pytest.raises(AreaError, match="min_km2"):
        area_of(replace(quake(), bounds=None), large, never, speckled)


@settings(max_examples=10, deadline=None)
@given(
    budget=st.floats(1, 20_000),
    smallest=st.floats(0, 1),
    seed=st.integers(0, 99),
    cell=st.sampled_from([1000.0, 3000.0]),
)
def test_any_budget_is_kept_and_the_area_is_usable(budget, smallest, seed, cell):
    """Rough ground by a seed; the result is a job's area, within the budget and what was hit."""
    settings = ScanAreaSettings(
        budget_km2=budget, min_km2=smallest * budget, cell=cell, dsm_resolution=500
    )

    def rough(grid):
        heights = np.random.default_rng(seed).normal(size=(20, 20)) * 4000
        rows, columns = (np.linspace(0, 19, n).astype(int) for n in grid.shape)
        return heights[np.ix_(rows, columns)]

    hazard = quake()
    try:
        area = area_of(hazard, settings, giving(contours(RINGS)), rough)
    except AreaError:
        return
    # A single cell may be larger than the budget.
    assert area.km2 <= max(budget, cell**2 / 1e6 * 1.01)
    assert area.geometry.is_valid
    assert distance(area.geometry, PLACE)[0] < 55.5 + 2 * cell / 1000
    make_grid(area.geometry, 10.0)


# Everywhere on the Earth


@pytest.mark.parametrize(
    "place", [(179.9, -17.0), (-179.9, 65.0), (174.0, -41.0), (15.0, 78.0), (0.0, 0.0), (5.0, 60.0)]
)
def test_across_the_antimeridian_zones_and_the_equator(place, tmp_path):
    hazard = quake(place)
    area = area_of(hazard, PLAIN, giving(contours({10.0: 0.5, 20.0: 0.2}, centre=place)))
    assert area.km2 == pytest.approx(np.pi * 55.6**2, rel=0.03)
    together = unwrap(area.geometry)
    assert (together.centroid.x - place[0] + 180) % 360 - 180 == pytest.approx(0, abs=0.05)
    assert together.centroid.y == pytest.approx(place[1], abs=0.05)
    west, _, east, _ = area.geometry.bounds
    assert -180 <= west < east <= 180
    assert epsg_of(make_grid(area.geometry, 10.0))
    save_area(area, tmp_path / "area.geojson")
    again = read_area(tmp_path / "area.geojson")
    assert again.symmetric_difference(area.geometry).area < 1e-4


def test_bounds_across_the_antimeridian():
    hazard = quake((179.9, -17.0), bounds=(179.5, -17.5, -179.5, -16.5))
    area = area_of(hazard, FLAT.model_copy(update={"shaking": (), "budget_km2": 20_000}), never)
    assert unwrap(area.geometry).bounds == pytest.approx((179.5, -17.5, 180.5, -16.5), abs=0.02)


def test_the_poles_are_refused_and_the_reach_of_one_grid_is_kept():
    for latitude in (86.0, -84.0):
        with pytest.raises(AreaError, match="UTM covers"):
            area_of(quake((10.0, latitude), bounds=None), FLAT, nothing)
    for latitude in (89.9, 90.0):
        with pytest.raises(AreaError):
            area_of(quake((10.0, latitude), bounds=None), FLAT, nothing)
    wide = quake((10.0, 60.0), bounds=(-8.0, 59.0, 28.0, 61.0))
    settings = FLAT.model_copy(update={"budget_km2": 300_000, "shaking": ()})
    area = area_of(wide, settings, never)
    assert area.cut
    assert "What one UTM grid cannot hold was left out." in area.why
    make_grid(area.geometry, 100.0)


def test_bounds_of_another_place_are_refused():
    with pytest.raises(AreaError, match="another place"):
        area_of(quake(bounds=(-70.0, -20.0, -69.0, -19.0)), FLAT, nothing)


# As recorded


def test_iburi_with_its_surface_model(shared_data, tmp_path):
    """The recorded event and the real surface model; contours made for the test."""
    import rioxarray

    detail = (shared_data / "fixtures" / "usgs" / "iburi_us2000h8ty_detail.json").read_text()
    hazard = hazard_of(json.loads(detail))
    with rioxarray.open_rasterio(shared_data / "iburi-2018" / "dsm.tif") as surface:
        elevation = elevation_of(surface)
        settings = ScanAreaSettings(cell=500, dsm_resolution=30)
        area = area_of(hazard, settings, giving(contours(RINGS)), elevation)
        tight = settings.model_copy(update={"budget_km2": 30, "min_km2": 2})
        small = area_of(hazard, tight, giving(contours(RINGS)), elevation)
    # Hills all over the surface model, which is 11 by 10 km.
    assert 80 < area.km2 < 115
    assert not area.cut
    assert small.cut
    assert 20 < small.km2 <= 30
    save_area(small, tmp_path / "area.geojson")
    assert make_grid(read_area(tmp_path / "area.geojson"), 10.0).shape


def test_kaikoura_by_its_products_bounds(shared_data):
    detail = (shared_data / "fixtures" / "usgs" / "kaikoura_us1000778i_detail.json").read_text()
    area = area_of(hazard_of(json.loads(detail)), FLAT, nothing)
    assert area.cut
    assert 8_000 < area.km2 <= 10_000
    assert read_area((172.3, -43.1, 175.2, -41.0)).contains(area.geometry)
