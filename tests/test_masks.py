import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from scipy import ndimage
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from lscube import terrain
from lscube.catalog import Sun
from lscube.cube.cloud_mask import CloudMask, omni_cloud_mask, run_cloud_mask
from lscube.cube.masks import AreaFlag, Reason, area_attributes, dilate, halo_of
from lscube.cube.shadow import shadow_mask, shadow_window, sun_on_grid, terrain_shadow
from lscube.cube.user_mask import open_user_mask
from lscube.errors import InputError, MissingExtraError, SettingsError, SourceError
from lscube.grid import bounds_of, snapped_grid
from tests.needs import NO_CLOUDS, needs

EPSG = 32654
WEST, NORTH = 573440.0, 4735360.0
GRID = snapped_grid((WEST, NORTH - 600, WEST + 900, NORTH), 10.0, EPSG)


@st.composite
def part_of(draw, shape):
    """A rectangle of at least one pixel."""
    first = [draw(st.integers(0, size - 1)) for size in shape]
    last = [draw(st.integers(f + 1, size)) for f, size in zip(first, shape, strict=True)]
    return tuple(slice(f, e) for f, e in zip(first, last, strict=True))


# Dilation


def by_distance(reason, bits, radius):
    """What `dilate` promises, from the distances between all pixels."""
    result = reason.copy()
    places = np.indices(reason.shape).reshape(2, -1).T
    for bit in (1 << n for n in range(8) if bits >> n & 1):
        marked = np.argwhere(reason & bit)
        if len(marked):
            away = ((places[:, None] - marked[None]) ** 2).sum(axis=-1).min(axis=1)
            result[(away <= radius**2 + 1e-6).reshape(reason.shape)] |= bit
    return result


REASONS = st.sampled_from([0] * 12 + [Reason.CLOUD, Reason.CLOUD_SHADOW, Reason.SNOW, 12])


@st.composite
def blocks(draw):
    shape = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    values = draw(st.lists(REASONS, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    return np.array(values, np.uint8).reshape(shape)


@given(blocks(), st.floats(0, 20) | st.sampled_from([1.0, 5.0, math.sqrt(2), math.nextafter(6, 0)]))
def test_dilation_is_by_distance_and_keeps_bits_apart(reason, radius):
    before = reason.copy()
    bits = Reason.CLOUD | Reason.CLOUD_SHADOW
    np.testing.assert_array_equal(dilate(reason, bits, radius), by_distance(reason, bits, radius))
    np.testing.assert_array_equal(reason, before)


@given(st.data(), st.floats(0, 60))
def test_dilation_of_a_part_with_its_halo_is_part_of_the_whole(data, distance):
    resolution = 6.0
    whole = np.zeros((40, 30), np.uint8)
    whole[np.random.default_rng(0).random(whole.shape) < 0.01] = Reason.CLOUD
    rows, columns = data.draw(part_of(whole.shape))
    halo = halo_of(distance, resolution)
    padded = np.pad(whole, halo)[
        rows.start : rows.stop + 2 * halo, columns.start : columns.stop + 2 * halo
    ]
    part = dilate(padded, Reason.CLOUD, distance / resolution)
    inner = part[halo : part.shape[0] - halo, halo : part.shape[1] - halo]
    everything = dilate(whole, Reason.CLOUD, distance / resolution)
    np.testing.assert_array_equal(inner, everything[rows, columns])


def test_halo_is_not_short_by_rounding():
    assert halo_of(60, 10) == 6
    assert halo_of(65, 10) == 6
    assert halo_of(60, 0.3) == 200
    assert halo_of(0, 10) == 0


def test_a_pixel_at_just_the_distance_is_reached():
    spot = np.zeros((1, 9), np.uint8)
    spot[0, 4] = Reason.CLOUD
    assert 0.6 / 0.2 < 3
    assert halo_of(0.6, 0.2) == 3
    assert (dilate(spot, Reason.CLOUD, 0.6 / 0.2)[0] > 0).sum() == 7


def test_area_flags_have_a_meaning_each():
    attributes = area_attributes()
    assert attributes["flag_masks"] == [1, 2, 4]
    assert attributes["flag_meanings"] == "outside_area no_elevation unreadable_elevation"
    assert AreaFlag.UNREADABLE_ELEVATION == 4


# Terrain shadow


@pytest.mark.parametrize(
    ("azimuth", "away"), [(0, (1, 0)), (90, (0, -1)), (180, (-1, 0)), (270, (0, 1))]
)
def test_a_wall_throws_its_shadow_away_from_the_sun(azimuth, away):
    # 100 m of wall at 30 degrees: 173 m of shadow, 17 points of 10 m.
    surface = np.full((51, 51), 500.0, np.float32)
    wall = (25, slice(None)) if away[0] else (slice(None), 25)
    surface[wall] += 100
    dark = terrain_shadow(surface, 10.0, Sun(azimuth, 30.0))
    expected = np.zeros(surface.shape, bool)
    for step in range(1, 18):
        place = 25 + step * sum(away)
        expected[(place, slice(None)) if away[0] else (slice(None), place)] = True
    np.testing.assert_array_equal(dark, expected)


def test_a_wall_throws_its_shadow_obliquely():
    # The sun in the south-west: the shadow of a wall from west to east points to the north-east,
    # 100 m / tan(30) long along the ray, so 122 m deep.
    surface = np.zeros((60, 60), np.float32)
    surface[40] = 100
    dark = terrain_shadow(surface, 10.0, Sun(225.0, 30.0))
    assert dark[28:40, 20:].all()
    assert not dark[:28].any()
    assert not dark[40:].any()


def test_reach_ends_the_search():
    surface = np.zeros((60, 3), np.float32)
    surface[50] = 1000
    dark = terrain_shadow(surface, 10.0, Sun(180.0, 30.0), reach=100.0)
    np.testing.assert_array_equal(np.flatnonzero(dark[:, 1]), np.arange(40, 50))


@pytest.mark.parametrize("azimuth", [0.0, 37.0, 90.0, 160.0, 200.0, 300.0])
def test_a_slope_steeper_than_the_sun_that_faces_away_is_dark(azimuth):
    y, x = np.mgrid[0:40, 0:40] * 10.0
    towards = x * math.sin(math.radians(azimuth)) - y * math.cos(math.radians(azimuth))
    sun = Sun(azimuth, 30.0)
    inner = (slice(3, -3), slice(3, -3))
    rising = (towards * math.tan(math.radians(31))).astype(np.float32)
    assert terrain_shadow(rising, 10.0, sun)[inner].all()
    gentle = (towards * math.tan(math.radians(29))).astype(np.float32)
    assert not terrain_shadow(gentle, 10.0, sun).any()
    assert not terrain_shadow(-rising, 10.0, sun).any()


def test_gaps_cast_and_receive_no_shadow():
    surface = np.zeros((30, 20), np.float32)
    surface[25] = 100
    surface[10:20] = np.nan
    surface[:, 5] = np.nan
    dark = terrain_shadow(surface, 10.0, Sun(180.0, 30.0))
    assert not dark[np.isnan(surface)].any()
    # The shadow falls across the gap.
    assert dark[20:25, 6:].all()
    assert dark[8:10, 6:].all()
    assert not dark[:8].any()
    assert not terrain_shadow(np.full((5, 5), np.nan, np.float32), 10.0, Sun(180.0, 30.0)).any()


def test_at_night_all_is_dark():
    assert terrain_shadow(np.zeros((3, 4), np.float32), 10.0, Sun(90.0, -1.0)).all()

    def never(grid):
        raise AssertionError("nothing is to be read")

    assert shadow_mask(GRID, Sun(90.0, 0.0), never).all()


def hills(grid: GeoBox) -> np.ndarray:
    """Steep hills, with a gap, at any place of the zone; depends on the place alone."""
    west, _, _, north = bounds_of(grid)
    step = grid.affine.a
    x = (west + (np.arange(grid.shape[1]) + 0.5) * step - WEST)[None, :]
    y = (north - (np.arange(grid.shape[0]) + 0.5) * step - NORTH)[:, None]
    height = 300 * np.sin(x / 210) * np.cos(y / 170) + 150 * np.sin((x + 2 * y) / 90)
    gap = (abs(x - 300) < 60) & (abs(y + 300) < 60)
    return np.where(gap, np.nan, 2000 + height).astype(np.float32)


def walked(surface, resolution, sun, reach=3000.0):
    """Every ray walked in steps of a point, the surface bilinear: slow, and plain."""
    east, south = math.sin(math.radians(sun.azimuth)), -math.cos(math.radians(sun.azimuth))
    length = 1 / max(abs(east), abs(south))
    y, x = np.mgrid[: surface.shape[0], : surface.shape[1]].astype(float)
    dark = np.zeros(surface.shape, bool)
    for step in range(1, int(reach / (resolution * length)) + 1):
        away = step * length
        there = ndimage.map_coordinates(
            surface, (y + away * south, x + away * east), order=1, cval=np.nan
        )
        dark |= there > surface + away * resolution * math.tan(math.radians(sun.elevation))
    return dark


@pytest.mark.parametrize("azimuth", [15.0, 100.0, 160.0, 290.0])
def test_shadows_are_those_of_rays_walked_one_by_one(azimuth):
    grid = snapped_grid((WEST - 6000, NORTH - 9000, WEST - 3000, NORTH - 6000), 15.0, EPSG)
    surface = hills(grid) / 2
    sun = Sun(azimuth, 35.0)
    expected = walked(surface, 15.0, sun)
    assert 0.02 < expected.mean() < 0.6
    differs = (terrain_shadow(surface, 15.0, sun) != expected)[5:-5, 5:-5]
    assert differs.mean() < 0.01
    # All of it within two points of a shadow's edge.
    edge = ndimage.maximum_filter(expected, 5) & ~ndimage.minimum_filter(expected, 5)
    assert not (differs & ~edge[5:-5, 5:-5]).any()


WHOLE = {
    resolution: snapped_grid((WEST, NORTH - 600, WEST + 900, NORTH), resolution, EPSG)
    for resolution in (10.0, 6.0, 45.0)
}


@settings(max_examples=60, deadline=None)
@given(
    st.data(),
    st.sampled_from(sorted(WHOLE)),
    st.floats(0, 360),
    st.floats(1, 60),
    st.sampled_from([500.0, 3000.0]),
)
def test_shadow_of_a_part_is_part_of_the_shadow(data, resolution, azimuth, elevation, reach):
    grid = WHOLE[resolution]
    part = data.draw(part_of(grid.shape))
    sun = Sun(azimuth, elevation)
    np.testing.assert_array_equal(
        shadow_mask(grid[part], sun, hills, reach), shadow_mask(grid, sun, hills, reach)[part]
    )


def test_the_surface_is_read_towards_the_sun_alone():
    window = shadow_window(GRID, Sun(180.0, 35.0))
    west, south, east, north = bounds_of(GRID)
    left, bottom, right, top = bounds_of(window)
    assert window.affine.a == 30
    assert south - bottom > 3000
    assert max(top - north, west - left, right - east) <= 90
    assert (left % 30, top % 30) == (0, 0)


def test_a_far_ridge_outside_the_block_darkens_it():
    def ridge(grid):
        _, bottom, _, _ = bounds_of(grid)
        y = bottom + (np.arange(grid.shape[0])[::-1] + 0.5) * 30
        surface = np.where(abs(y - (NORTH - 2000)) < 60, 2000.0, 0.0)
        return np.broadcast_to(surface[:, None], grid.shape).astype(np.float32)

    assert shadow_mask(GRID, Sun(180.0, 35.0), ridge).all()
    assert not shadow_mask(GRID, Sun(0.0, 35.0), ridge).any()
    assert not shadow_mask(GRID, Sun(180.0, 35.0), ridge, reach=1000.0).any()


def test_the_azimuth_is_turned_to_the_grids_north():
    # In the north-east of a zone its meridians lean left: true north lies west of the grid's.
    longitude, latitude = 144.0, 60.0
    turned = sun_on_grid(Sun(180.0, 30.0), longitude, latitude, 32654)
    convergence = math.degrees(
        math.atan(math.tan(math.radians(longitude - 141)) * math.sin(math.radians(latitude)))
    )
    assert turned.azimuth == pytest.approx(180 - convergence, abs=0.01)
    assert turned.elevation == 30
    assert sun_on_grid(Sun(10.0, 30.0), 141.0, 42.0, 32654).azimuth == pytest.approx(10, abs=1e-3)


def test_real_terrain_is_dark_where_its_hillshade_is(shared_data):
    with rasterio.open(shared_data / "jiuzhaigou-terrain" / "dsm.tif") as file:
        surface = file.read(1)[250:600, 100:300].astype(np.float32)
    dark = terrain_shadow(surface, 30.0, Sun(160.0, 35.0))
    unlit = terrain.hillshade(surface, 30.0, azimuth=160.0, altitude=35.0) <= 1.5
    inside = ndimage.binary_erosion(unlit)
    assert inside.sum() > 1000
    assert dark[inside].mean() > 0.99
    # Ridges also throw shadow onto slopes that face the sun.
    assert 1.3 < dark.sum() / unlit.sum() < 2.5


# The user's own mask


def write_mask(path, pixels, transform=GRID.affine, crs=f"EPSG:{EPSG}", nodata=None):
    profile = {
        "driver": "GTiff",
        "dtype": pixels.dtype.name,
        "count": 1,
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "crs": crs,
        "transform": transform,
        "nodata": nodata,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels, 1)
    return path


def write_polygons(path, geometries, crs=EPSG):
    geopandas.GeoDataFrame(geometry=list(geometries), crs=crs).to_file(path)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_raster_masks_what_is_neither_zero_nor_no_data(tmp_path, dtype):
    pixels = np.zeros(GRID.shape, dtype)
    pixels[10, 20], pixels[11, 21], pixels[12, 22] = 1, 99, 100
    path = write_mask(tmp_path / "mask.tif", pixels, nodata=99)
    masked = open_user_mask(path, EPSG).read(GRID)
    assert masked.dtype == bool
    np.testing.assert_array_equal(np.argwhere(masked), [[10, 20], [12, 22]])


def test_small_and_wide_values_mask_and_nan_does_not(tmp_path):
    pixels = np.zeros(GRID.shape, np.float32)
    pixels[0, :3] = 0.25, np.nan, 1e9
    masked = open_user_mask(write_mask(tmp_path / "mask.tif", pixels), EPSG).read(GRID)
    np.testing.assert_array_equal(masked[0, :4], [True, False, True, False])
    wide = np.zeros(GRID.shape, np.int16)
    wide[0, 0] = 256
    assert open_user_mask(write_mask(tmp_path / "wide.tif", wide), EPSG).read(GRID).sum() == 1


def test_beyond_a_raster_nothing_is_masked(tmp_path):
    path = write_mask(tmp_path / "mask.tif", np.ones((5, 5), np.uint8))
    masked = open_user_mask(path, EPSG).read(GRID)
    assert masked[:5, :5].all()
    assert masked.sum() == 25
    far = snapped_grid((WEST + 9e4, NORTH, WEST + 9e4 + 300, NORTH + 300), 10.0, EPSG)
    assert not open_user_mask(path, EPSG).read(far).any()


RANDOM = np.random.default_rng(1).random((300, 300)) < 0.5


@pytest.fixture(scope="module", params=["same", "coarser", "other zone", "degrees", "polygons"])
def varied_mask(request, tmp_path_factory):
    """Masks that need every way of reading."""
    path = tmp_path_factory.mktemp("mask") / "mask.tif"
    pixels = RANDOM.astype(np.uint8)
    if request.param == "same":
        write_mask(path, pixels)
    elif request.param == "coarser":
        write_mask(path, pixels, Affine(37, 0, WEST - 55, 0, -37, NORTH + 55))
    elif request.param == "other zone":
        write_mask(path, pixels, Affine(10, 0, 80_000, 0, -10, 4_747_000), "EPSG:32655")
    elif request.param == "degrees":
        write_mask(path, pixels, Affine(1e-4, 0, 141.89, 0, -1e-4, 42.775), "EPSG:4326")
    else:
        path = path.with_suffix(".gpkg")
        spots = [
            Point(WEST + 9.7 * n, NORTH - 600 * RANDOM[n].mean()).buffer(40) for n in range(99)
        ]
        write_polygons(path, spots)
    return open_user_mask(path, EPSG)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_mask_of_a_part_is_part_of_the_mask(varied_mask, data):
    part = data.draw(part_of(GRID.shape))
    whole = varied_mask.read(GRID)
    assert whole.any()
    np.testing.assert_array_equal(varied_mask.read(GRID[part]), whole[part])


@pytest.mark.parametrize("crs", [EPSG, 4326, 32655])
def test_polygons_mask_the_centres_inside(tmp_path, crs):
    ring = box(WEST + 100, NORTH - 400, WEST + 600, NORTH - 100).difference(
        box(WEST + 200, NORTH - 300, WEST + 300, NORTH - 200)
    )
    frame = geopandas.GeoDataFrame(geometry=[ring], crs=EPSG).to_crs(crs)
    path = tmp_path / "mask.gpkg"
    frame.to_file(path)
    expected = np.zeros(GRID.shape, bool)
    expected[10:40, 10:60] = True
    expected[20:30, 20:30] = False
    np.testing.assert_array_equal(open_user_mask(path, EPSG).read(GRID), expected)


POLYGONS = st.lists(
    st.lists(
        st.tuples(st.floats(-300, 1200), st.floats(-900, 300)), min_size=3, max_size=7, unique=True
    ).map(lambda corners: Polygon([(WEST + x, NORTH + y) for x, y in corners])),
    min_size=1,
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(POLYGONS)
def test_any_polygons_mask_as_shapely_says(tmp_path_factory, polygons):
    # They cross themselves and each other; what remains of a degenerate one is no polygon.
    polygons = [polygon for polygon in polygons if shapely.make_valid(polygon).area > 1]
    if not polygons:
        return
    path = write_polygons(tmp_path_factory.mktemp("mask") / "mask.gpkg", polygons)
    masked = open_user_mask(path, EPSG).read(GRID)
    x, y = np.meshgrid(
        WEST + (np.arange(GRID.shape[1]) + 0.5) * 10, NORTH - (np.arange(GRID.shape[0]) + 0.5) * 10
    )
    valid = shapely.make_valid(np.array(polygons))
    expected = np.any([shapely.contains_xy(polygon, x, y) for polygon in valid], axis=0)
    outlines = shapely.union_all(shapely.boundary(valid))
    clear = shapely.distance(outlines, shapely.points(x, y)) > 1e-3
    np.testing.assert_array_equal(masked[clear], expected[clear])


def test_a_world_wide_mask_and_one_across_the_antimeridian(tmp_path):
    world = write_polygons(tmp_path / "world.geojson", [box(-180, -90, 180, 90)], 4326)
    assert open_user_mask(world, EPSG).read(GRID).all()
    east = box(179.9, -18, 180, -17)
    west = box(-180, -18, -179.9, -17)
    halves = write_polygons(tmp_path / "halves.geojson", [MultiPolygon([east, west])], 4326)
    fiji = snapped_grid((170_000, 8_090_000, 200_000, 8_100_000), 1000.0, 32701)
    masked = open_user_mask(halves, 32701).read(fiji)
    x, y = np.meshgrid(np.arange(170_500, 200_000, 1000), np.arange(8_099_500, 8_090_000, -1000))
    points = geopandas.GeoSeries(shapely.points(x, y).ravel(), crs=32701).to_crs(4326)
    expected = (abs(points.x) > 179.9).to_numpy().reshape(fiji.shape)
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(masked, expected)


def test_no_polygon_at_all_masks_nothing(tmp_path):
    path = tmp_path / "mask.geojson"
    path.write_text('{"type": "FeatureCollection", "features": []}')
    assert not open_user_mask(path, EPSG).read(GRID).any()


def test_masks_travel_and_serve_many_threads(tmp_path):
    raster = write_mask(tmp_path / "mask.tif", RANDOM.astype(np.uint8))
    vector = write_polygons(tmp_path / "mask.gpkg", [Point(WEST + 300, NORTH - 300).buffer(200)])
    for path in (raster, vector):
        mask = open_user_mask(path, EPSG)
        assert len(pickle.dumps(mask)) < 1000
        copy = pickle.loads(pickle.dumps(mask))
        parts = [(slice(row, row + 10), slice(None)) for row in range(0, 60, 10)] * 5
        with ThreadPoolExecutor(8) as pool:
            read = list(pool.map(lambda part, copy=copy: copy.read(GRID[part]), parts))
        np.testing.assert_array_equal(np.concatenate(read[:6]), mask.read(GRID))


def test_an_edited_vector_mask_is_read_anew(tmp_path):
    path = write_polygons(tmp_path / "mask.geojson", [box(*bounds_of(GRID))])
    assert open_user_mask(path, EPSG).read(GRID).all()
    path.write_text('{"type": "FeatureCollection", "features": []}')
    assert not open_user_mask(path, EPSG).read(GRID).any()


def test_unusable_masks_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(SettingsError, match=r"found no file; check the path\.$"):
        open_user_mask(tmp_path / "none.tif", EPSG)
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\0 and no more")
    with pytest.raises(SourceError, match=r"broken\.tif"):
        open_user_mask(broken, EPSG)
    text = tmp_path / "text.geojson"
    text.write_text("no polygons")
    with pytest.raises(SettingsError, match=r"as mask in .*text\.geojson"):
        open_user_mask(text, EPSG)
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    with pytest.raises(SettingsError, match="found no geometry"):
        open_user_mask(table, EPSG)
    line = write_polygons(
        tmp_path / "line.geojson", [LineString([(141.9, 42.7), (142, 42.8)])], 4326
    )
    with pytest.raises(SettingsError, match="found LineString"):
        open_user_mask(line, EPSG)
    with pytest.raises(SettingsError, match="Expected a CRS in the mask"):
        open_user_mask(write_mask(tmp_path / "bare.tif", np.ones((4, 4), np.uint8), crs=None), EPSG)
    geometry = geopandas.GeoDataFrame(geometry=[box(0, 0, 1, 1)])
    with pytest.warns(UserWarning, match="crs"):
        geometry.to_file(tmp_path / "bare.gpkg")
    with pytest.raises(SettingsError, match="Expected a CRS in the mask"):
        open_user_mask(tmp_path / "bare.gpkg", EPSG)


@pytest.mark.filterwarnings("error")
def test_a_mask_without_any_place_is_refused(tmp_path):
    path = tmp_path / "bare.tif"
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        write_mask(path, np.ones((4, 4), np.uint8), Affine.identity(), None)
    with pytest.raises(SettingsError, match="found none; georeference it"):
        open_user_mask(path, EPSG)


def test_a_real_snow_mask_is_read_as_it_stands(shared_data):
    path = shared_data / "jiuzhaigou-terrain" / "snow_cloud_mask_10m.tif"
    with rasterio.open(path) as file:
        pixels = file.read(1)
        grid = GeoBox(pixels.shape, file.transform, "EPSG:32648")
    np.testing.assert_array_equal(open_user_mask(path, 32648).read(grid), pixels != 0)
    ours = snapped_grid(bounds_of(grid), 10.0, 32648)
    assert open_user_mask(path, 32648).read(ours).mean() == pytest.approx(
        pixels.sum() / (ours.shape[0] * ours.shape[1]), rel=1e-3
    )
    assert open_user_mask(path, 32647).read(ours).sum() == 0


# Masks by a function


def bright(reflectance):
    """Cloud where the mean over 3 x 3 pixels of the first band is above 0.4."""
    mean = ndimage.uniform_filter(reflectance[0], 3)
    return np.where(mean > 0.4, Reason.CLOUD, 0).astype(np.uint8)


def test_a_function_sees_its_halo_and_its_answer_is_trimmed():
    image = np.random.default_rng(2).random((1, 20, 24)).astype(np.float32)
    reasons = run_cloud_mask(CloudMask(bright, ("red",), halo=2), image)
    assert reasons.dtype == np.uint8
    np.testing.assert_array_equal(reasons, bright(image)[2:-2, 2:-2])
    assert run_cloud_mask(CloudMask(bright, ("red",)), image).shape == (20, 24)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.zeros((3, 4), np.uint8), r"got uint8 of shape \(3, 4\)"),
        (np.zeros((5, 6), bool), r"got bool of shape \(5, 6\)"),
        (None, "got NoneType"),
    ],
)
def test_a_wrong_answer_of_a_function_is_refused(answer, words):
    mask = CloudMask(lambda image: answer, ("red",))
    with pytest.raises(InputError, match=r"uint8 of shape \(5, 6\), " + words):
        run_cloud_mask(mask, np.zeros((1, 5, 6), np.float32))


class Network:
    """Stands in for OmniCloudMask: the class is the tens of the red band."""

    def __init__(self):
        self.shapes = []

    def __call__(self, image):
        assert image.dtype == np.float32
        assert not np.isnan(image).any()
        self.shapes.append(image.shape)
        return np.round(image[:1] * 10).astype(np.uint8)


def test_omnicloudmask_classes_become_reasons():
    network = Network()
    mask = omni_cloud_mask(network)
    assert mask.bands == ("red", "green", "nir")
    image = np.zeros((3, 2 * mask.halo + 1, 2 * mask.halo + 5), np.float32)
    image[0, mask.halo, mask.halo : mask.halo + 5] = 0.0, 0.1, 0.2, 0.3, 0.3
    # A pixel that one band lacks tells nothing.
    image[2, mask.halo, mask.halo + 4] = np.nan
    reasons = run_cloud_mask(mask, image)
    np.testing.assert_array_equal(
        reasons, [[0, Reason.CLOUD, Reason.CLOUD, Reason.CLOUD_SHADOW, 0]]
    )
    assert network.shapes == [image.shape]


def test_omnicloudmask_gets_no_small_image_and_no_empty_one():
    network = Network()
    function = omni_cloud_mask(network).function
    assert not function(np.full((3, 80, 80), np.nan, np.float32)).any()
    assert not network.shapes
    assert (function(np.full((3, 10, 80), 0.3, np.float32)) == Reason.CLOUD_SHADOW).all()
    assert network.shapes == [(3, 64, 80)]


@needs(NO_CLOUDS)
def test_without_omnicloudmask_its_extra_is_named():
    with pytest.raises(MissingExtraError, match=r"pip install 'lscube\[clouds\]'"):
        omni_cloud_mask()
