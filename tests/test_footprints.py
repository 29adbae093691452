"""Footprints of items in all usual spellings, around 180 degrees, the poles and the world."""

import math
from datetime import UTC, datetime

import numpy as np
import pystac
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from shapely.affinity import translate
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box, mapping

from lscube.catalog import Query, find_scenes, tile_of
from lscube.catalog.api import search_api
from lscube.catalog.duplicates import drop_duplicates
from lscube.catalog.items import extent_of, footprint
from lscube.cube.plan import _extent, _sun
from lscube.errors import AreaError
from lscube.events import make_event
from lscube.grid import arrange_footprint, bounds_of, make_grid, read_area, unwrap
from lscube.settings import SourceSettings
from tests.test_sources import QUICK

WEST, SOUTH, EAST, NORTH = 179.4, -17.5, 180.6, -16.5
TRUE = MultiPolygon([box(WEST, SOUTH, 180, NORTH), box(-180, SOUTH, EAST - 360, NORTH)])
AREA = read_area((179.9, -17.1, -179.9, -16.9))


def ring(*longitudes: float) -> Polygon:
    return Polygon(zip(longitudes, (SOUTH, SOUTH, NORTH, NORTH), strict=True))


SPELLINGS = {
    "edges across the map": ring(WEST, EAST - 360, EAST - 360, WEST),
    "the other way round": ring(WEST, EAST - 360, EAST - 360, WEST).reverse(),
    "a box across the map": box(EAST - 360, SOUTH, WEST, NORTH),
    "beyond 180": ring(WEST, EAST, EAST, WEST),
    "beyond -180": ring(WEST - 360, EAST - 360, EAST - 360, WEST - 360),
    "cut at 180": TRUE,
    "cut, the second part beyond": MultiPolygon([TRUE.geoms[0], box(180, SOUTH, EAST, NORTH)]),
    "with corners on 180 and -180": Polygon(
        [
            *((WEST, SOUTH), (180, SOUTH), (-180, SOUTH), (EAST - 360, SOUTH)),
            *((EAST - 360, NORTH), (-180, NORTH), (180, NORTH), (WEST, NORTH)),
        ]
    ),
    "with heights": shapely.force_3d(ring(WEST, EAST - 360, EAST - 360, WEST), 100.0),
}


def item(geometry=None, bbox=None, name="scene", **properties) -> pystac.Item:
    when = datetime(2018, 8, 1, tzinfo=UTC)
    found = pystac.Item(name, geometry, bbox, when, {"platform": "sentinel-2a", **properties})
    found.add_asset("red", pystac.Asset("https://example.org/red.tif"))
    return found


ITEMS = {
    **{name: item(mapping(shape)) for name, shape in SPELLINGS.items()},
    "wide bbox": item(mapping(TRUE), [-180, SOUTH, 180, NORTH]),
    "bbox alone, west > east": item(None, [WEST, SOUTH, EAST - 360, NORTH]),
    "bbox alone, with heights": item(None, [WEST, SOUTH, 0, EAST - 360, NORTH, 90]),
    "bbox alone, beyond 180": item(None, [WEST, SOUTH, EAST, NORTH]),
    "ring and a bbox across the map": item(
        mapping(ring(WEST, EAST - 360, EAST - 360, WEST)), [EAST - 360, SOUTH, WEST, NORTH]
    ),
}


@pytest.mark.parametrize("spelling", ITEMS)
def test_all_spellings_mean_the_same(spelling):
    one = ITEMS[spelling]
    shown = footprint(one)
    assert shown.symmetric_difference(TRUE).area == pytest.approx(0, abs=1e-9)
    assert shown.is_valid
    assert not shown.has_z
    assert extent_of(one) == pytest.approx((WEST, SOUTH, EAST, NORTH))
    assert unwrap(shown).centroid.x == pytest.approx(180)
    assert tile_of(one) == "179.40,-17.50,-179.40,-16.50"
    assert shown.intersects(AREA)
    assert not shown.intersects(box(10, -17.1, 10.1, -16.9))
    assert not shown.intersects(box(-170, -17.1, 170, -16.9))


@pytest.mark.parametrize("spelling", ITEMS)
@pytest.mark.parametrize("area", [(179.9, -17.1, 179.95, -17), (-179.95, -17.1, -179.9, -17)])
def test_extents_and_sun_on_the_grids_of_either_side(spelling, area):
    grid = make_grid(read_area(area), 10.0)
    west, south, east, north = _extent(ITEMS[spelling], "red", grid)
    inner = bounds_of(grid)
    assert west < inner[0]
    assert south < inner[1]
    assert inner[2] < east
    assert inner[3] < north
    assert east - west < 140_000
    sunny = item(mapping(footprint(ITEMS[spelling])), **{"view:sun_azimuth": 30.0})
    sunny.properties["view:sun_elevation"] = 50.0
    sun = _sun(sunny, grid)
    assert sun is not None
    # The meridian convergence of longitude 180 in the zones beside it is a degree at most.
    assert abs(sun.azimuth - 30) < 1


def test_duplicates_across_180_are_found_however_they_are_spelled():
    old = item(mapping(TRUE), name="old", **{"s2:processing_baseline": "02.06"})
    new = item(
        mapping(SPELLINGS["edges across the map"]),
        name="new",
        **{"s2:processing_baseline": "05.00"},
    )
    kept, dropped = drop_duplicates([old, new], ("sentinel-2-l2a",))
    assert [one.id for one in kept] == ["new"]
    assert [one.item.id for one in dropped] == ["old"]


def test_the_message_on_an_area_elsewhere_speaks_of_the_true_extent(tmp_path):
    path = tmp_path / "items.json"
    content = ITEMS["cut at 180"].to_dict()
    content["collection"] = "sentinel-2-l2a"
    pystac.ItemCollection([content]).save_object(path)
    event = make_event("e", "2018-09-05T18:07:00Z")
    with pytest.raises(AreaError, match=r"longitude 179\.400 to 180\.600"):
        find_scenes(read_area((10, -17.1, 10.1, -17)), event, SourceSettings(catalogs=(path,)))


WORLD = box(-180, -90, 180, 90)


@pytest.mark.parametrize(
    ("shape", "inside", "outside"),
    [
        (WORLD, [(0, 0), (179, 80), (-179, -80)], []),
        (box(-179.95, -89.95, 179.95, 89.95), [(0, 0), (100, 50)], []),
        (shapely.segmentize(WORLD, 10.0), [(0, 0), (-90, 45)], []),
        (box(-180, -60, 180, 60), [(0, 0), (179, 10)], [(0, 70)]),
        # Round the north pole, as a polar scene's ring goes; and round the south pole.
        (Polygon([(0, 80), (90, 80), (180, 80), (-90, 80)]), [(45, 85), (-135, 89)], [(0, 70)]),
        (Polygon([(0, -80), (-90, -80), (180, -80), (90, -80)]), [(45, -85)], [(0, -70), (0, 85)]),
        # The same, spelled with the map's edge.
        (
            Polygon([(-180, 80), (-60, 80), (60, 80), (180, 80), (180, 90), (-180, 90)]),
            [(0, 85), (179, 85)],
            [(0, 70)],
        ),
    ],
)
def test_the_poles_and_the_world(shape, inside, outside):
    shown = arrange_footprint(shape)
    assert shown.is_valid
    assert all(shown.intersects(Point(place)) for place in inside)
    assert not any(shown.intersects(Point(place)) for place in outside)


def test_the_whole_world_reaches_every_grid():
    """UTM folds what is as wide as the world: it is cut down to what is near before."""
    for bbox in ([-180, -90, 180, 90], [-180, -60, 180, 60]):
        for area in ((10, 46, 10.1, 46.1), (179.9, -17, 180, -16.9), (-70.1, -33, -70, -32.9)):
            grid = make_grid(read_area(area), 100.0)
            for one in (item(None, bbox), item(mapping(box(*bbox)), bbox)):
                west, south, east, north = _extent(one, "red", grid)
                inner = bounds_of(grid)
                assert west < inner[0] < inner[2] < east
                assert south < inner[1] < inner[3] < north


def test_points_and_lines_stay_what_they_are():
    assert arrange_footprint(Point(1, 2, 3)).equals(Point(1, 2))
    assert arrange_footprint(LineString([(1, 2), (3, 4)])).length > 2


@pytest.mark.parametrize(
    "geometry",
    [
        mapping(box(0, 0, 500_000, 4_000_000)),
        {"type": "Polygon", "coordinates": [[[0, 0], [math.nan, 1], [1, 1], [0, 0]]]},
    ],
)
def test_what_is_not_in_degrees_is_refused(geometry):
    with pytest.raises(ValueError, match="not in degrees"):
        footprint(item(geometry))


@given(
    st.floats(-540, 540),
    st.floats(-75, 75),
    st.floats(0.01, 40),
    st.floats(0.01, 10),
    st.booleans(),
)
def test_a_box_anywhere_is_itself(west, south, width, height, wrapped):
    given_ = box(west, south, west + width, south + height)
    if wrapped:  # each corner brought between -180 and 180 by itself
        given_ = shapely.transform(given_, lambda p: np.c_[(p[:, 0] + 180) % 360 - 180, p[:, 1]])
    shown = arrange_footprint(given_)
    assert shown.area == pytest.approx(width * height, rel=1e-6)
    assert shown.bounds[0] >= -180
    assert shown.bounds[2] <= 180
    whole = unwrap(shown)
    turn = 360 * round((west - whole.bounds[0]) / 360)
    assert translate(whole, turn).bounds == pytest.approx(
        (west, south, west + width, south + height), abs=1e-6
    )


def test_a_search_by_get_asks_on_both_sides_of_180(monkeypatch):
    asked = []

    def answer(session, href, patience, body=None, headers=None):
        asked.append(href)
        return {"type": "FeatureCollection", "features": [], "links": []}

    monkeypatch.setattr("lscube.catalog.paging.fetch_json", answer)
    query = Query(AREA, ("sentinel-2-l2a",), None, known=True)
    link = {"rel": "search", "href": "https://example.org/search"}
    search_api("https://example.org", link, {}, query, QUICK)
    assert ["bbox=179.9" in href for href in asked] == [True, False]
    assert ["bbox=-180.0" in href for href in asked] == [False, True]


def test_longitudes_of_a_utm_grid_are_those_of_pyproj():
    """The grid of an area across 180 lies around it, as the extents above take for granted."""
    grid = make_grid(AREA, 100.0)
    west, south, *_ = bounds_of(grid)
    x, y = Transformer.from_crs(grid.crs.to_epsg(), 4326, always_xy=True).transform(west, south)
    assert abs(abs(x) - 179.9) < 0.01
    assert y == pytest.approx(-17.1, abs=0.01)
