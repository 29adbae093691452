from dataclasses import replace

import dask
import geopandas
import numpy as np
import odc.geo.xr  # noqa: F401
import pytest
import rioxarray  # noqa: F401
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from lscube import terrain
from lscube.catalog import find_scenes
from lscube.cube import (
    Access,
    CloudMask,
    Reading,
    open_cube,
    read_cube,
    unreadable_items,
    write_cube,
)
from lscube.cube.look import look_at_scenes
from lscube.cube.masks import AreaFlag, Reason
from lscube.errors import AreaError, SceneError, SourceError, StoreError
from lscube.events import make_event
from lscube.grid import bounds_of, make_grid, read_area, snapped_grid
from lscube.settings import CubeSettings, SourceSettings
from tests.scenes import (
    EPSG,
    EVENT_TIME,
    NORTH,
    WEST,
    Scene,
    bands,
    inner_area,
    simple_event,
    surface,
    write_items,
    write_raster,
)

SHAPE = (60, 90)
GRID = snapped_grid((WEST, NORTH - 600, WEST + 900, NORTH), 10.0, EPSG)
# Nothing widened: a pixel is as the classification says.
PLAIN = CubeSettings(dilation=0.0, pre="first")
DSM = Scene(
    "surface", "2016-01-01T00:00:00Z", surface((40, 50)), "alos-dem", 30.0, offset=(-300, 300)
)


def scenes_of(items, area=None, **source):
    chosen = read_area(area or inner_area(SHAPE, 0.0))
    return find_scenes(
        chosen, make_event("e", EVENT_TIME), SourceSettings(catalogs=(items,), **source)
    )


def optical(name, when, value, cloud=0.0, scl=None, **rest) -> Scene:
    pixels = bands(value, SHAPE)
    if scl is not None:
        pixels["scl"] = scl.astype(np.uint8)
    return Scene(name, when, pixels, properties={"eo:cloud_cover": cloud, **rest})


def test_pixels_are_what_was_written(tmp_path):
    ramp = np.arange(60 * 90).reshape(SHAPE) + 1
    items = write_items(
        tmp_path,
        [
            optical("before", "2018-08-01T00:00:00Z", ramp),
            optical("after", "2018-10-01T00:00:00Z", 2000),
            DSM,
        ],
    )
    cube = open_cube(scenes_of(items), GRID).compute()
    np.testing.assert_allclose(cube["pre"].sel(band="red"), ramp * 1e-4, atol=1e-6)
    np.testing.assert_allclose(cube["post"].sel(band="blue"), 0.22, atol=1e-6)
    assert (cube["observed"] == 0).all()
    assert (cube["pre_date"] == np.datetime64("2018-08-01", "D").astype(int)).all()
    assert cube.attrs["event_id"] == "e"
    # A plane of 10 m in 30 m.
    slope = terrain.slope(cube["elevation"].values, 10.0)
    np.testing.assert_allclose(slope, np.degrees(np.arctan(1 / 3)), atol=0.1)


def test_both_geo_libraries_place_the_cube(tmp_path):
    cube = open_cube(scenes_of(simple_event(tmp_path)), GRID)
    assert cube.odc.geobox == GRID
    assert cube["pre"].rio.crs.to_epsg() == EPSG
    assert cube["pre"].rio.transform() == GRID.affine


def test_opening_computes_nothing(tmp_path):
    items = simple_event(tmp_path)
    for file in tmp_path.rglob("*.tif"):
        file.write_bytes(b"never read")
    cube = open_cube(scenes_of(items), GRID, chunks=((30, 30), (50, 40)))
    assert all(variable.chunks is not None for variable in cube.data_vars.values())
    assert cube["pre"].data.chunks == ((3,), (30, 30), (50, 40))


@settings(max_examples=10, deadline=None)
@given(st.integers(7, 70), st.integers(7, 100))
def test_any_chunking_gives_the_same_cube(cut_scenes, rows, columns):
    whole, scenes = cut_scenes
    chunks = tuple(
        tuple(min(size, total - start) for start in range(0, total, size))
        for size, total in ((rows, SHAPE[0]), (columns, SHAPE[1]))
    )
    assert open_cube(scenes, GRID, chunks=chunks).compute().identical(whole)


@pytest.fixture(scope="module")
def cut_scenes(tmp_path_factory):
    """Two clouded scenes on each side, and a surface model; also the cube in one chunk."""
    rng = np.random.default_rng(1)
    scl = rng.choice([4, 4, 9, 3, 0, 11], (2, *SHAPE))
    items = write_items(
        tmp_path_factory.mktemp("cut"),
        [
            optical("b1", "2018-08-01T00:00:00Z", rng.integers(1, 4000, SHAPE), 1, scl[0]),
            optical("b2", "2018-07-01T00:00:00Z", rng.integers(0, 4000, SHAPE), 2, scl[1]),
            optical("after", "2018-10-01T00:00:00Z", rng.integers(1, 4000, SHAPE)),
            DSM,
        ],
    )
    scenes = scenes_of(items)
    return open_cube(scenes, GRID).compute(), scenes


def test_the_first_clear_scene_in_order_is_taken(tmp_path):
    cloud = np.full(SHAPE, 4)
    cloud[:, :30] = 9  # cloud in the west
    shadow = np.full(SHAPE, 4)
    shadow[:20] = 3  # shadow in the north
    items = write_items(
        tmp_path,
        [
            optical("clearest", "2018-08-01T00:00:00Z", 1000, 5, cloud),
            optical("second", "2018-07-01T00:00:00Z", 3000, 20, shadow),
            optical("after", "2018-10-01T00:00:00Z", 2000, 0, np.full(SHAPE, 5)),
            DSM,
        ],
    )
    cube = open_cube(scenes_of(items), GRID, PLAIN).compute()
    red = cube["pre"].sel(band="red").values
    np.testing.assert_allclose(red[:, 30:], 0.1)
    np.testing.assert_allclose(red[20:, :30], 0.3)
    assert np.isnan(red[:20, :30]).all()
    assert (cube["observed"].values[:20, :30] == (Reason.CLOUD | Reason.CLOUD_SHADOW)).all()
    assert (cube["observed"].values[20:] == 0).all()
    days = cube["pre_date"].values
    assert days[0, 0] == -32768
    assert days[30, 0] == np.datetime64("2018-07-01", "D").astype(int)
    assert days[30, 60] == np.datetime64("2018-08-01", "D").astype(int)


def test_no_data_sets_its_bit_on_its_side(tmp_path):
    value = np.full(SHAPE, 1500)
    value[:, 50:] = 0
    after = optical("after", "2018-10-01T00:00:00Z", 2000)
    after.pixels["red"][40:] = 0  # one band is enough
    items = write_items(tmp_path, [optical("before", "2018-08-01T00:00:00Z", 2000), after, DSM])
    cube = open_cube(scenes_of(items), GRID).compute()
    assert (cube["observed"].values[40:] == Reason.NO_DATA << 8).all()
    assert np.isnan(cube["post"].values[:, 40:]).all()
    assert (cube["observed"].values[:40] == 0).all()


def test_which_classes_mask_is_a_setting(tmp_path):
    scl = np.full(SHAPE, 11)
    items = write_items(
        tmp_path,
        [
            optical("before", "2018-08-01T00:00:00Z", 1000, 0, scl),
            optical("after", "2018-10-01T00:00:00Z", 2000),
            DSM,
        ],
    )
    assert (open_cube(scenes_of(items), GRID)["observed"] == Reason.SNOW).all()
    kept = CubeSettings(mask_classes=(0, 9))
    assert (open_cube(scenes_of(items), GRID, kept)["observed"] == 0).all()


def test_area_flags(tmp_path):
    items = write_items(
        tmp_path,
        [
            optical("before", "2018-08-01T00:00:00Z", 1000),
            optical("after", "2018-10-01T00:00:00Z", 2000),
            # The surface model ends in the middle.
            Scene("surface", "2016-01-01T00:00:00Z", surface((20, 15)), "alos-dem", 30.0),
        ],
    )
    west_half = (inner_area(SHAPE, 0.0)[0] - 0.1, 40, inner_area(SHAPE, 0.0)[0] + 0.0055, 45)
    cube = open_cube(scenes_of(items, west_half), GRID).compute()
    area = cube["area"].values
    assert (area[:, 70:] & AreaFlag.OUTSIDE_AREA).all()
    assert not (area[:, :40] & AreaFlag.OUTSIDE_AREA).any()
    assert (area[:, 50:] & AreaFlag.NO_ELEVATION).all()
    assert not (area[:, :40] & AreaFlag.NO_ELEVATION).any()
    assert np.isnan(cube["elevation"].values[:, 50:]).all()


def test_the_offset_is_applied_and_recorded(tmp_path):
    after = optical("after", "2018-10-01T00:00:00Z", 2000)
    after.properties |= {"s2:processing_baseline": "05.09"}
    items = write_items(tmp_path, [optical("before", "2018-08-01T00:00:00Z", 1000), after, DSM])
    cube = open_cube(scenes_of(items), GRID)
    np.testing.assert_allclose(cube["post"].sel(band="red"), 0.1, atol=1e-6)
    assert cube.attrs["post_items"] == ["after"]
    assert cube.attrs["post_radiometry"][0].startswith("after: reflectance offset -0.1 (")
    assert cube.attrs["post_levels"] == ["L2A"]


def broken(path, how="not a GeoTIFF"):
    if how == "missing":
        path.unlink()
    elif how == "virtual":
        # A VRT named .tif would read any file that its maker names.
        path.write_text(
            '<VRTDataset rasterXSize="60" rasterYSize="60"><VRTRasterBand dataType="UInt16" band="1">'
            f"<SimpleSource><SourceFilename>{path.with_name('red.tif')}</SourceFilename>"
            "</SimpleSource></VRTRasterBand></VRTDataset>"
        )
    else:
        path.write_bytes(b"this is no GeoTIFF")


@pytest.mark.parametrize("how", ["not a GeoTIFF", "missing", "virtual"])
def test_a_file_that_cannot_be_read_is_unobserved_and_named(tmp_path, caplog, how):
    items = simple_event(tmp_path)
    broken(tmp_path / "after" / "green.tif", how)
    cube = open_cube(scenes_of(items), GRID).compute()
    assert (cube["observed"] == Reason.UNREADABLE_SOURCE << 8).all()
    assert np.isnan(cube["post"]).all()
    np.testing.assert_allclose(cube["pre"].sel(band="red"), 0.1)
    assert unreadable_items(cube) == {"post": ["after"]}
    assert "green.tif" in caplog.text


def test_another_scene_stands_in_for_one_that_cannot_be_read(tmp_path):
    items = write_items(
        tmp_path,
        [
            optical("first", "2018-08-01T00:00:00Z", 1000, 1),
            optical("second", "2018-07-01T00:00:00Z", 3000, 2),
            optical("third", "2018-06-01T00:00:00Z", 2000, 3),
            optical("after", "2018-10-01T00:00:00Z", 2000),
            DSM,
        ],
    )
    broken(tmp_path / "first" / "red.tif")
    broken(tmp_path / "third" / "red.tif")
    for method in ("first", "median", "clearest"):
        cube = open_cube(scenes_of(items), GRID, CubeSettings(pre=method)).compute()
        assert (cube["observed"] == 0).all()
        np.testing.assert_allclose(cube["pre"].sel(band="red"), 0.3, rtol=1e-6)
        wanted = ["first", "third"] if method == "median" else ["first"]
        assert unreadable_items(cube) == {"pre": wanted}


def test_a_surface_model_that_cannot_be_read_is_named(tmp_path):
    items = simple_event(tmp_path)
    broken(tmp_path / "surface" / "data.tif")
    cube = open_cube(scenes_of(items), GRID).compute()
    both = AreaFlag.NO_ELEVATION | AreaFlag.UNREADABLE_ELEVATION
    assert ((cube["area"] & both) == both).all()
    assert unreadable_items(cube) == {"dsm": ["surface"]}


def test_a_missing_band_or_surface_asset_is_named(tmp_path):
    scenes = scenes_of(simple_event(tmp_path), dsm_asset="elevation")
    with pytest.raises(SceneError, match="band 'nir' on item before"):
        open_cube(scenes, GRID, CubeSettings(bands=("red", "nir")))
    with pytest.raises(SceneError, match="asset 'elevation' on item surface, found data"):
        open_cube(scenes, GRID)


def test_a_grid_beyond_the_scenes_is_refused(tmp_path):
    scenes = scenes_of(simple_event(tmp_path))
    far = snapped_grid((WEST + 90_000, NORTH, WEST + 91_000, NORTH + 1000), 10.0, EPSG)
    with pytest.raises(AreaError, match=r"none of before reaches it"):
        open_cube(scenes, far)


def pair(folder, before=None, after=None):
    """A plain scene on each side, or others in their place."""
    before = before or [optical("before", "2018-08-01T00:00:00Z", 1000)]
    after = after or [optical("after", "2018-10-01T00:00:00Z", 2000)]
    return scenes_of(write_items(folder, [*before, *after, DSM]))


def test_clouds_are_widened_and_snow_is_not(tmp_path):
    scl = np.full(SHAPE, 4)
    scl[30, 20], scl[30, 70] = 9, 11
    scenes = pair(tmp_path, [optical("before", "2018-08-01T00:00:00Z", 1000, 0, scl)])
    observed = open_cube(scenes, GRID, CubeSettings(dilation=50.0))["observed"].values
    rows, columns = np.indices(SHAPE)
    disc = (rows - 30) ** 2 + (columns - 20) ** 2 <= 25
    np.testing.assert_array_equal((observed & Reason.CLOUD) != 0, disc)
    assert (observed & Reason.SNOW != 0).sum() == 1


def test_tiles_of_one_pass_and_overlapping_orbits_mosaic_without_a_seam(tmp_path):
    """One image, cut into two tiles that overlap; another orbit shows the south alone."""
    truth = np.add.outer(np.arange(60) * 20, np.arange(90) * 10) + 1000
    scl = np.full(SHAPE, 4)
    scl[25:35, 44:46] = 9  # a cloud on the seam, 40 m from either side

    def tile(name, left, right):
        pixels = bands(truth[:, left:right], (60, right - left))
        pixels["scl"] = scl[:, left:right].astype(np.uint8)
        same_pass = {"s2:datatake_id": "GS2A_20180801T000000_01_N02.06", "grid:code": name}
        return Scene(
            name, "2018-08-01T00:00:00Z", pixels, properties=same_pass, offset=(left * 10.0, 0.0)
        )

    orbit = np.where(np.arange(60)[:, None] >= 40, truth, 0)
    scenes = pair(
        tmp_path,
        [
            tile("west", 0, 50),
            tile("east", 40, 90),
            optical("other", "2018-07-01T00:00:00Z", orbit),
        ],
    )
    for method in ("median", "first", "clearest"):
        wanted = CubeSettings(pre=method, dilation=30.0)
        cube = open_cube(scenes, GRID, wanted).compute()
        clear = cube["observed"].values & 0xFF == 0
        red = cube["pre"].sel(band="red").values
        np.testing.assert_allclose(red[clear], truth[clear] * 1e-4, rtol=1e-5)
        # What is not clear is the cloud and its rim, on both sides of the seam alike.
        rows, columns = np.nonzero(~clear)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (22, 37, 41, 48)
        for columns in ((45, 45), (38, 52), (51, 39)):
            cut = open_cube(scenes, GRID, wanted, chunks=((23, 37), columns)).compute()
            assert cut.identical(cube)


def test_every_block_prefers_the_same_pass(tmp_path):
    """The first pass is preferred for its western tile; a block in the east has only its cloudier one."""

    def tile(name, value, cloud, left, right, datatake):
        properties = {"eo:cloud_cover": cloud, "s2:datatake_id": datatake, "grid:code": name[-1]}
        pixels = bands(value, (60, right - left))
        when = "2018-08-01T00:00:00Z"
        return Scene(name, when, pixels, properties=properties, offset=(left * 10.0, 0.0))

    one, two = "GS2A_20180801T000000_01_N02.06", "GS2B_20180801T000500_02_N02.06"
    scenes = pair(
        tmp_path,
        [
            tile("one-w", 1000, 0, 0, 50, one),
            tile("two-e", 3000, 10, 40, 90, two),
            tile("one-e", 2000, 20, 40, 90, one),
        ],
    )
    for method in ("first", "clearest", "median"):
        wanted = CubeSettings(pre=method)
        whole = open_cube(scenes, GRID, wanted).compute()
        cut = open_cube(scenes, GRID, wanted, chunks=((60,), (60, 30))).compute()
        assert cut.identical(whole)


def test_the_users_masks(tmp_path):
    scenes = pair(tmp_path)
    west, south, _, north = bounds_of(GRID)
    polygons = geopandas.GeoSeries([box(west, south, west + 300, north)], crs=EPSG)
    polygons.to_file(tmp_path / "mask.gpkg")
    raster = np.zeros(SHAPE, np.uint8)
    raster[:20] = 1
    write_raster(tmp_path / "mask.tif", raster, GRID.affine, None)
    settings = CubeSettings(mask=tmp_path / "mask.gpkg", post_mask=tmp_path / "mask.tif")
    cube = open_cube(scenes, GRID, settings).compute()
    observed = cube["observed"].values
    assert (observed[20:, :30] == Reason.MASKED_BY_USER * 0x101).all()
    assert (observed[:20, 30:] == Reason.MASKED_BY_USER << 8).all()
    assert (observed[20:, 30:] == 0).all()
    assert np.isnan(cube["pre"].values[:, :, :30]).all()


def test_a_mask_function_stands_in_where_there_is_no_classification(tmp_path):
    """Bright is cloud; a function that looks at its neighbours gets them in any chunking."""

    def bright(image):
        near = scipy.ndimage.maximum_filter(np.nan_to_num(image[0]), 5)
        return np.where(near > 0.5, Reason.CLOUD, 0).astype(np.uint8)

    value = np.full(SHAPE, 1000)
    value[28:31, 40:43] = 8000
    classified = np.full(SHAPE, 4)
    scenes = pair(
        tmp_path,
        [optical("before", "2018-08-01T00:00:00Z", value)],
        [optical("after", "2018-10-01T00:00:00Z", value, 0, classified)],
    )
    reading = Reading(cloud_mask=CloudMask(bright, ("green",), 2))
    cube = open_cube(scenes, GRID, PLAIN, reading=reading).compute()
    cloudy = np.zeros(SHAPE, bool)
    cloudy[26:33, 38:45] = True
    np.testing.assert_array_equal(cube["observed"].values, np.where(cloudy, Reason.CLOUD, 0))
    both = PLAIN.model_copy(update={"cloud_mask": "both"})
    cut = open_cube(scenes, GRID, both, ((29, 31), (41, 49)), reading).compute()
    np.testing.assert_array_equal(cut["observed"], np.where(cloudy, Reason.CLOUD * 0x101, 0))


def test_terrain_keeps_the_sun_from_its_far_side(tmp_path):
    """A wall of 300 m under a sun at 45 degrees in the west throws 300 m of shadow to the east."""
    heights = np.zeros((40, 60), np.int16)
    heights[:, 20:22] = (
        300  # at 30 m, from 300 m west of the scenes' corner: 300 to 360 m east of it
    )
    wall = Scene(
        "wall", "2016-01-01T00:00:00Z", {"data": heights}, "alos-dem", 30.0, offset=(-300, 300)
    )
    lit = {"view:sun_azimuth": 270.0, "view:sun_elevation": 45.0}
    items = write_items(
        tmp_path,
        [
            optical("before", "2018-08-01T00:00:00Z", 1000, **lit),
            optical("after", "2018-10-01T00:00:00Z", 2000),
            wall,
        ],
    )
    scenes = scenes_of(items)
    cube = open_cube(scenes, GRID).compute()
    row = cube["observed"].values[30]
    assert (row[40:60] == Reason.TERRAIN_SHADOW).all()
    assert (row[70:] == 0).all()
    assert (row[:25] == 0).all()
    assert cube.attrs["pre_sun"] == [270.0, 45.0]
    assert cube.attrs["post_sun"] == []
    cut = open_cube(scenes, GRID, chunks=((31, 29), (37, 53))).compute()
    assert cut.identical(cube)
    assert (open_cube(scenes, GRID, CubeSettings(terrain_shadow=False))["observed"] == 0).all()


def test_a_measured_shift_is_undone_when_reading(tmp_path):
    """The scene after lies 25 m east and 10 m south of the one before."""
    ramp = np.add.outer(np.arange(60) * 10, np.arange(90) * 20) + 1000
    after = optical("after", "2018-10-01T00:00:00Z", ramp)
    after.offset = (25.0, -10.0)
    scenes = pair(tmp_path, [optical("before", "2018-08-01T00:00:00Z", ramp)], [after])
    moved = open_cube(scenes, GRID, reading=Reading(shift=(25.0, -10.0))).compute()
    inner = {"y": slice(5, -5), "x": slice(5, -5)}
    np.testing.assert_allclose(moved["post"].isel(inner), moved["pre"].isel(inner), atol=2e-4)
    assert moved.attrs["shift"] == [25.0, -10.0]
    as_it_is = open_cube(scenes, GRID)
    assert float(abs(as_it_is["post"] - as_it_is["pre"]).isel(inner).max()) > 3e-3


def test_what_is_optional_may_be_missing(tmp_path):
    items = write_items(tmp_path, [optical("before", "2018-08-01T00:00:00Z", 1000)])
    with pytest.raises(SceneError, match="a scene after"):
        scenes_of(items)
    scenes = scenes_of(items, optional=("post", "dsm"))
    cube = open_cube(scenes, GRID).compute()
    np.testing.assert_allclose(cube["pre"].sel(band="red"), 0.1)
    assert (cube["observed"] == Reason.NO_DATA << 8).all()
    assert (cube["area"].values & AreaFlag.NO_ELEVATION).all()
    assert unreadable_items(cube) == {}


def test_one_task_a_chunk_and_side_however_many_scenes(tmp_path):
    def tasks(count):
        before = [
            optical(f"b{n}", f"2018-08-{n + 1:02}T00:00:00Z", 1000, n / 10) for n in range(count)
        ]
        scenes = pair(tmp_path / str(count), before)
        cube = open_cube(scenes, GRID, chunks=((30, 30), (30, 30, 30)))
        (graph,) = dask.optimize(cube)
        return len(dict(graph.__dask_graph__())) / 6

    assert tasks(6) == tasks(1) < 40


def test_five_dates_make_a_median_of_real_scenes(shared_data):
    area = read_area((15.3, 46.0, 15.9, 46.5))
    source = SourceSettings(
        catalogs=(shared_data / "sentinel2-33T-120m" / "items.json",),
        max_cloud=100,
        optional=("post", "dsm"),
    )
    scenes = find_scenes(area, make_event("e", "2023-08-21"), source)
    assert len({item.datetime.date() for item in scenes.pre}) == 5
    seen = look_at_scenes(scenes.pre, CubeSettings(), Access(str))
    cube = open_cube(scenes, make_grid(area, 120.0), reading=Reading(seen=seen)).compute()
    inside = cube["area"].values & AreaFlag.OUTSIDE_AREA == 0
    seen = (cube["observed"].values & 0xFF == 0) & inside
    assert seen.sum() / inside.sum() > 0.97
    red = cube["pre"].sel(band="red").values[seen]
    assert np.quantile(red, 0.01) >= 0
    assert 0.01 < np.median(red) < 0.08
    # No single date shows as much of the area.
    for item in scenes.pre:
        one = replace(scenes, pre=(item,))
        observed = open_cube(one, make_grid(area, 120.0))["observed"].values
        assert ((observed & 0xFF == 0) & inside).sum() <= seen.sum()


def test_a_cube_survives_the_disk(tmp_path):
    cube = open_cube(scenes_of(simple_event(tmp_path)), GRID)
    write_cube(cube, tmp_path / "cube.zarr")
    again = read_cube(tmp_path / "cube.zarr")
    for name, variable in cube.data_vars.items():
        np.testing.assert_array_equal(again[name], variable)
        assert again[name].dtype == variable.dtype
    assert again.odc.geobox == GRID
    with pytest.raises(StoreError, match="found one"):
        write_cube(cube, tmp_path / "cube.zarr")
    with pytest.raises(StoreError, match="Expected a cube"):
        read_cube(tmp_path / "other.zarr")


def test_an_interrupted_cube_is_not_there(tmp_path):
    cube = open_cube(scenes_of(simple_event(tmp_path)), GRID)

    def fail(block):
        raise SourceError("no space")

    cube["post"] = cube["post"].copy(
        data=cube["post"].data.map_blocks(fail, dtype="f4", meta=np.empty((0,) * 3))
    )
    with pytest.raises(SourceError, match="no space"):
        write_cube(cube, tmp_path / "cube.zarr")
    assert not (tmp_path / "cube.zarr").exists()


def test_iburi(shared_data):
    area = read_area((141.8915, 42.6835, 142.0270, 42.7690))
    source = SourceSettings(catalogs=(shared_data / "iburi-2018" / "items.json",))
    scenes = find_scenes(area, make_event("iburi", EVENT_TIME), source)
    grid = make_grid(area, 10.0)
    cube = open_cube(scenes, grid).compute()
    assert cube.odc.geobox.crs.to_epsg() == EPSG
    # The no-data diagonal takes 40 % of the image before, nothing else is missing.
    inside = cube["area"].values & AreaFlag.OUTSIDE_AREA == 0
    observed = cube["observed"].values[inside]
    assert (observed == Reason.NO_DATA).mean() == pytest.approx(0.40, abs=0.02)
    assert np.isin(observed, [0, Reason.NO_DATA]).all()
    assert 0.05 < float(cube["post"].mean()) < 0.15
    assert not np.isnan(cube["elevation"].values[inside]).any()
    # A hilly place; a slope computed in degrees of longitude would be 90 nearly everywhere.
    assert 5 < float(np.nanmedian(terrain.slope(cube["elevation"].values, 10.0))) < 25
