import json
import math
from pathlib import Path

import geopandas
import pytest
import shapely
from hypothesis import example, given
from hypothesis import strategies as st
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon, box, mapping

from lscube.errors import AreaError
from lscube.grid import (
    Lattice,
    bounds_of,
    epsg_of,
    make_grid,
    project,
    read_area,
    snapped_grid,
    utm_epsg,
)

metres = st.floats(100_000, 900_000, allow_nan=False)
sizes = st.floats(1, 30_000, allow_nan=False)
resolutions = st.sampled_from([6.0, 7.5, 10.0, 30.0]) | st.floats(0.5, 500)

# Fiji: the same half a degree around 180, as it is cut and as it is in one piece.
FIJI = MultiPolygon([box(179.8, -17.0, 180, -16.7), box(-180, -17.0, -179.7, -16.7)])
FIJI_WHOLE = box(179.8, -17.0, 180.3, -16.7)


def write_geojson(path: Path, *geometries: object) -> Path:
    """One feature per geometry (shapely, or a GeoJSON dictionary)."""
    features = [
        {
            "type": "Feature",
            "properties": {},
            "geometry": shape if isinstance(shape, dict) else mapping(shape),
        }
        for shape in geometries
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.mark.parametrize(
    ("bounds", "epsg"),
    [
        ((141.9, 42.7, 142.0, 42.8), 32654),
        ((-72.5, -43.5, -72.4, -43.4), 32718),
        # Sentinel-2's tiles there: 31VEG, 32VKN (Bergen), 33XVH (Ny-Alesund), 33XWG, 35XMH.
        ((2.8, 60.3, 2.9, 60.5), 32631),
        ((5.2, 60.3, 5.4, 60.5), 32632),
        ((5.2, 64.1, 5.4, 64.3), 32631),
        ((11.8, 78.8, 12.0, 79.0), 32633),
        ((15.5, 78.1, 15.7, 78.3), 32633),
        ((21.2, 78.1, 21.4, 78.3), 32635),
        ((33.2, 80.0, 33.4, 80.2), 32637),
    ],
)
def test_zone_of_the_centre(bounds, epsg):
    assert utm_epsg(box(*bounds)) == epsg


def test_grid_is_snapped_and_covers_the_area():
    grid = make_grid(box(141.9, 42.7, 142.0, 42.8), 10.0)
    west, south, east, north = bounds_of(grid)
    assert all(value % 10 == 0 for value in (west, south, east, north))
    # 0.1 degrees are about 8.2 km in longitude there, and 11.1 km in latitude.
    assert east - west == pytest.approx(8200, abs=200)
    assert north - south == pytest.approx(11100, abs=300)


@given(
    st.floats(-180, 180),
    st.floats(-79, 83),
    st.floats(1e-7, 0.5),
    st.floats(1e-7, 0.5),
    resolutions,
)
@example(179.99999999999997, 0.0, 0.5, 0.5, 6.0)
def test_grid_covers_the_projected_area_and_spares_less_than_a_pixel(
    west, south, width, height, resolution
):
    area = read_area((west, south, west + width, south + height))
    west, _, east, _ = area.bounds
    assert -180 <= west < east <= 180
    grid = make_grid(area, resolution)
    inner, outer = project(area, epsg_of(grid)).bounds, bounds_of(grid)
    spare = [(i - o) * sign for i, o, sign in zip(inner, outer, (1, 1, -1, -1), strict=True)]
    assert all(-2e-6 * resolution <= value < resolution * (1 + 2e-6) for value in spare)
    for value in outer:
        assert math.isclose(value / resolution, round(value / resolution), abs_tol=1e-6)
    assert max(grid.shape) * resolution < 0.6 * 111_700 + 2 * resolution


@pytest.mark.parametrize(
    ("geometry", "whole"),
    [
        (FIJI, FIJI_WHOLE),
        (FIJI_WHOLE, FIJI_WHOLE),
        (translate(FIJI_WHOLE, -360), FIJI_WHOLE),
        # Naive: from 179.8 to -179.7, as if the edges went around the world.
        (box(-179.7, -17.0, 179.8, -16.7), FIJI_WHOLE),
        (box(181, -17, 182, -16), box(-179, -17, -178, -16)),
    ],
)
def test_antimeridian_however_it_is_drawn(tmp_path, geometry, whole):
    area = read_area(write_geojson(tmp_path / "area.geojson", geometry))
    assert area.is_valid
    assert area.bounds[0] >= -180
    assert area.bounds[2] <= 180
    assert area.area == pytest.approx(whole.area)
    for epsg in (32701, 32760):
        apart = project(area, epsg).symmetric_difference(project(whole, epsg))
        assert apart.area < 1e-6 * project(whole, epsg).area
    # Half a degree is 53 km there, not 40,000.
    grid = make_grid(area, 10.0)
    assert grid == make_grid(whole, 10.0)
    assert 10_000 * whole.area < grid.shape[1] < 15_000


def test_antimeridian_bounds_and_zone():
    area = read_area((179.8, -17.0, -179.7, -16.7))
    assert area.equals(FIJI)
    # The centre is at 180.05, in zone 1; with more to the west it is in zone 60.
    assert utm_epsg(area) == 32701
    assert utm_epsg(read_area((179.5, -17.0, -179.7, -16.7))) == 32760
    west, _, east, _ = bounds_of(make_grid(area, 10.0, 32760))
    assert 790_000 < west < east < 870_000


def test_naive_hole_across_the_antimeridian_stays_a_hole(tmp_path):
    outer = [[179, 0], [-179, 0], [-179, 2], [179, 2], [179, 0]]
    hole = [[-179.5, 0.5], [-179.5, 1.5], [179.5, 1.5], [179.5, 0.5], [-179.5, 0.5]]
    naive = {"type": "Polygon", "coordinates": [outer, hole]}
    area = read_area(write_geojson(tmp_path / "area.geojson", naive))
    assert area.area == pytest.approx(4 - 1)
    assert not area.intersects(shapely.Point(179.9, 1))
    assert not area.intersects(shapely.Point(-179.9, 1))


def test_projected_file_across_the_antimeridian(tmp_path):
    square = box(800_000, 8_100_000, 850_000, 8_150_000)
    geopandas.GeoDataFrame(geometry=[square], crs=32760).to_file(tmp_path / "area.gpkg")
    area = read_area(tmp_path / "area.gpkg")
    assert area.geom_type == "MultiPolygon"
    assert project(area, 32760).symmetric_difference(square).area < 1e-3 * square.area


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        (box(-100, 10, 100, 20), "90 degrees wide"),  # which way round?
        (box(-180, -60, 180, 60), "90 degrees wide|has none"),
        (Polygon([(-180, 70), (-60, 70), (60, 70), (179, 70)]), "leaves the poles out"),
        (box(10, 83.5, 11, 84.5), "UTM covers"),
        (box(10, -81, 11, -79), "UTM covers"),
        (box(400_000, 4_700_000, 500_000, 4_800_000), "Expected degrees"),
        (shapely.LineString([(0, 0), (1, 1)]), "found LineString instead; draw"),
        (Polygon([(0, 0), (1, 1), (2, 2)]), "has none"),
    ],
)
def test_areas_that_no_grid_serves(tmp_path, geometry, words):
    path = write_geojson(tmp_path / "area.geojson", geometry)
    with pytest.raises(AreaError, match=words):
        read_area(path)


def test_bounds_partly_beyond_utm_are_refused():
    with pytest.raises(AreaError, match="cut the rest off"):
        read_area((10.0, 83.0, 11.0, 85.0))


def test_self_crossing_polygon_becomes_valid(tmp_path):
    bow = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    area = read_area(write_geojson(tmp_path / "area.geojson", bow))
    assert area.is_valid
    assert area.area == pytest.approx(2)


def test_self_crossing_polygon_with_a_spike_across_the_antimeridian(tmp_path):
    corners = [(179, 0), (-179, 2), (-179, 0), (-178, 0), (-179, 0), (179, 2), (179, 0)]
    naive = {"type": "Polygon", "coordinates": [corners]}
    area = read_area(write_geojson(tmp_path / "area.geojson", naive))
    assert area.geom_type == "MultiPolygon"
    assert area.is_valid
    assert area.area == pytest.approx(2)
    assert make_grid(area, 30.0).shape[1] == pytest.approx(222_600 / 30, rel=0.01)


def test_holes_and_several_polygons(tmp_path):
    ring = box(10, 45, 11, 46).difference(box(10.4, 45.4, 10.6, 45.6))
    path = write_geojson(tmp_path / "area.geojson", ring, box(11.5, 45, 12, 45.5))
    area = read_area(path)
    assert area.area == pytest.approx(1 - 0.04 + 0.25)
    assert not project(area, 32632).intersects(project(shapely.Point(10.5, 45.5), 32632))


@pytest.mark.parametrize("size", [1e-9, 1e-6, 1e-4])
def test_tiny_area_has_a_pixel(size):
    grid = make_grid(read_area((10.0, 45.0, 10.0 + size, 45.0 + size)), 10.0)
    assert all(1 <= edge <= 3 for edge in grid.shape)


def test_area_across_a_zone_border_lies_in_one_zone():
    area = read_area((11.5, 45.0, 12.7, 45.5))
    assert epsg_of(make_grid(area, 10.0)) == 32633
    left, right = (make_grid(area, 10.0, epsg) for epsg in (32632, 32633))
    # 1.2 degrees of longitude at 45 north are 94 km, in either zone.
    assert left.shape[1] == pytest.approx(9450, rel=0.02)
    assert right.shape[1] == pytest.approx(9450, rel=0.02)


def test_area_across_the_equator_lies_in_one_zone():
    area = read_area((117.0, -0.1, 117.1, 0.05))
    south, north = make_grid(area, 10.0), make_grid(area, 10.0, 32650)
    assert epsg_of(south) == 32750
    assert bounds_of(south)[3] > 10_000_000
    assert bounds_of(north)[1] < 0
    # The zones' northings differ by 10,000 km, so the pixels are the same.
    assert south.shape == north.shape
    assert bounds_of(south)[1] == bounds_of(north)[1] + 10_000_000


@pytest.mark.parametrize(
    ("bounds", "epsg", "words"),
    [
        ((141.9, 42.7, 142.0, 42.8), 32632, "set area.epsg to 32654"),
        ((0.0, 10.0, 20.0, 11.0), None, "split it"),
        # The centre is near enough, an end is not.
        ((8.0, 10.0, 13.5, 11.0), 32631, "set area.epsg to 32632"),
        ((170.0, -17.0, -171.0, -16.0), None, "split it"),
    ],
)
def test_area_too_far_from_its_zone(bounds, epsg, words):
    with pytest.raises(AreaError, match=words):
        make_grid(read_area(bounds), 10.0, epsg)


def test_grid_of_too_many_pixels():
    area = read_area((6.0, 0.0, 12.0, 60.0))
    assert math.prod(make_grid(area, 30.0).shape) < 20e9
    with pytest.raises(AreaError, match="at most 20,000,000,000 pixels"):
        make_grid(area, 10.0)


@given(metres, metres, sizes, sizes, st.sampled_from([6.0, 10.0, 30.0]), st.integers(1, 300))
def test_lattice_covers_with_whole_cores_anchored_at_zero(west, south, width, height, step, core):
    grid = snapped_grid((west, south, west + width, south + height), step, 32654)
    lattice = Lattice(core, 5)
    cores = lattice.cover(grid)
    inner, outer = bounds_of(grid), bounds_of(cores)
    assert outer[0] <= inner[0] + 1e-6
    assert outer[1] <= inner[1] + 1e-6
    assert outer[2] >= inner[2] - 1e-6
    assert outer[3] >= inner[3] - 1e-6
    assert all(size % core == 0 for size in cores.shape)
    for value in outer:
        cores_from_zero = value / (core * step)
        assert math.isclose(cores_from_zero, round(cores_from_zero), abs_tol=1e-6)
    # Covering a second time changes nothing.
    assert lattice.cover(cores) == cores


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 20), st.integers(0, 9))
def test_outer_chunks_carry_the_margin(count, per_chunk, core, margin):
    whole, rest = divmod(count, per_chunk)
    chunks = tuple(size * core for size in (*[per_chunk] * whole, *[rest] * bool(rest)))
    padded = Lattice(core, margin).padded_chunks(chunks)
    assert sum(padded) == count * core + 2 * margin
    assert padded[1:-1] == chunks[1:-1]
    assert len(padded) == len(chunks)


def test_area_from_a_file(tmp_path):
    path = tmp_path / "area.geojson"
    write_geojson(path, Polygon([(0, 0), (1, 0), (1, 1)]))
    assert read_area(path).area == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "found no file"),
        ("not json at all", "cannot be read"),
        ('{"type": "FeatureCollection", "features": []}', "no geometry"),
        ('{"type": "Point", "coordinates": [1, 2]}', "found Point instead; draw"),
        ('{"type": "Polygon", "coordinates": [[[0,86],[1,86],[1,87],[0,86]]]}', "UTM covers"),
    ],
)
def test_bad_area_files(tmp_path, content, words):
    path = tmp_path / "area.geojson"
    if content is not None:
        path.write_text(content)
    with pytest.raises(AreaError, match=words):
        read_area(path)


@pytest.mark.parametrize(
    "bounds",
    [
        (10, 5, 9, 6),
        (0, 0, 0, 1),
        (0, 0, 1, 91),
        (0, 1, 1, 0),
        (math.nan, 0, 1, 1),
        (0, 0, math.inf, 1),
        (-180, -60, 180, 60),
    ],
)
def test_bad_bounds(bounds):
    with pytest.raises(AreaError, match="west, south, east, north"):
        read_area(bounds)
