import dask
import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.warp import Resampling, reproject
from scipy import ndimage

from lscube.catalog import read_items
from lscube.cube.pair import describe_pair, measure_pair
from lscube.cube.shift import chip_shift, combine_shifts

DAY = {name: np.datetime64(name, "D").astype(int) for name in ("2018-08-01", "2018-10-01")}


def textured(size, seed=0):
    """The spectrum of a land surface: random, its amplitude falling with frequency, no aliasing."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    frequency[0, 0] = 1
    strength = frequency**-1.25 * np.exp(-0.5 * (frequency / 0.3) ** 2)
    spectrum = strength * np.exp(2j * np.pi * rng.random((size, size)))
    spectrum[0, 0] = 0
    return spectrum


def moved(spectrum, down=0.0, right=0.0):
    """Reflectance of the surface, displaced exactly (a Fourier shift)."""
    frequency = np.fft.fftfreq(len(spectrum))
    turn = np.exp(-2j * np.pi * (frequency[:, None] * down + frequency[None, :] * right))
    deviation = np.fft.ifft2(spectrum).real.std()
    return 0.15 + 0.03 * np.fft.ifft2(spectrum * turn).real / deviation


def noisy(image, seed, level=0.003):
    return image + np.random.default_rng(seed).normal(0, level, image.shape)


def cube_of(pre, post, resolution=10.0, chunk=200, dates=("2018-08-01", "2018-10-01"), **attrs):
    """A cube of two bands; a pixel is unobserved where an image is NaN."""
    rows, columns = pre.shape
    observed = np.isnan(pre) * np.uint16(1) + np.isnan(post) * np.uint16(4 << 8)
    days = [np.where(np.isnan(i), -32768, DAY[d]) for i, d in zip((pre, post), dates, strict=True)]
    planes = {
        "observed": observed.astype(np.uint16),
        "area": np.zeros(pre.shape, np.uint8),
        "pre_date": days[0].astype(np.int16),
        "post_date": days[1].astype(np.int16),
    }
    images = {"pre": pre, "post": post}
    cube = xr.Dataset(
        {name: (("y", "x"), plane) for name, plane in planes.items()}
        | {
            name: (("band", "y", "x"), np.stack([image, image]).astype(np.float32))
            for name, image in images.items()
        },
        coords={
            "band": ["red", "green"],
            "y": 4_700_000 - resolution * (np.arange(rows) + 0.5),
            "x": 500_000 + resolution * (np.arange(columns) + 0.5),
        },
        attrs=attrs,
    )
    return cube.chunk({"y": chunk, "x": chunk})


@settings(max_examples=10, deadline=None)
@given(st.floats(-6, 6), st.floats(-6, 6), st.booleans())
def test_a_chip_tells_its_shift(down, right, gap):
    spectrum = textured(256)
    images = (moved(spectrum), moved(spectrum, down, right))
    before, after = (noisy(image, seed)[64:192, 64:192] for seed, image in enumerate(images))
    if gap:
        before = before.copy()
        before[np.add.outer(np.arange(128), np.arange(128)) < 115] = np.nan
    shift = chip_shift(before, after)
    assert shift == pytest.approx((down, right), abs=0.1)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (0.3, -0.7), (2.6, 1.4), (-7.25, 10.1)])
@pytest.mark.parametrize("gap", [False, True])
def test_the_shift_of_an_image(down, right, gap):
    """What lies further east and north in the later image has a positive shift, in metres."""
    spectrum = textured(600)
    pre, post = noisy(moved(spectrum), 1), noisy(moved(spectrum, down, right), 2)
    if gap:
        # 40 % along a diagonal, as at the edge of a tile.
        pre[np.subtract.outer(np.arange(600), np.arange(600)) > 64] = np.nan
    # Landslides and clouds that were missed.
    post[300:360, 380:520] = noisy(np.full((60, 140), 0.4), 3, 0.05)
    post[480:550, 490:590] = 0.6
    quality = measure_pair(cube_of(pre, post))
    assert quality.shift_east == pytest.approx(10 * right, abs=1)
    assert quality.shift_north == pytest.approx(-10 * down, abs=1)
    assert quality.shift_pixels == pytest.approx(np.hypot(down, right), abs=0.1)
    assert quality.shift_spread < 0.1
    assert quality.chips >= 4
    assert any("pixels off the image before" in w for w in quality.warnings) == (
        np.hypot(down, right) > 0.5
    )
    assert quality.pre_clear == pytest.approx(60 if gap else 100, abs=1)


def test_reading_the_later_image_at_the_shift_aligns_it():
    rows, columns = np.mgrid[:400, :400]
    post = moved(textured(400), -1.0, 3.0)
    quality = measure_pair(cube_of(moved(textured(400)), post))
    there = [rows - quality.shift_north / 10, columns + quality.shift_east / 10]
    aligned = ndimage.map_coordinates(post, there, order=3)
    np.testing.assert_allclose(
        aligned[20:-20, 20:-20], moved(textured(400))[20:-20, 20:-20], atol=2e-3
    )


def test_a_spline_shift_is_found_too():
    pre = moved(textured(500))
    post = ndimage.shift(pre, (0.4, -0.8), order=3, mode="nearest")
    quality = measure_pair(cube_of(pre, post, resolution=6.0))
    assert quality.shift_east == pytest.approx(-0.8 * 6, abs=0.6)
    assert quality.shift_north == pytest.approx(-0.4 * 6, abs=0.6)


def _unrelated():
    """Two pictures of nothing in common but their gap."""
    images = [moved(textured(600, seed)) for seed in (1, 2)]
    for image in images:
        image[:, 400:] = np.nan
    return images


@pytest.mark.parametrize(
    ("pre", "post", "words"),
    [
        (*_unrelated(), "too few agree"),
        (np.full((600, 600), 0.1), np.full((600, 600), 0.1), "0 of them show contrast"),
        (noisy(np.full((600, 600), 0.02), 1), noisy(np.full((600, 600), 0.02), 2), "too few agree"),
        (moved(textured(60)), moved(textured(60)), "0 parts of the area are clear"),
        (moved(textured(140)), np.full((140, 140), np.nan), "0 parts of the area are clear"),
        (np.full((1, 1), 0.1), np.full((1, 1), 0.1), "0 parts of the area are clear"),
    ],
    ids=["unrelated", "flat", "noise", "small", "clouded", "one pixel"],
)
def test_what_cannot_be_measured_is_no_zero(pre, post, words):
    quality = measure_pair(cube_of(pre, post))
    shifts = (quality.shift_east, quality.shift_north, quality.shift_pixels, quality.shift_spread)
    assert shifts == (None, None, None, None)
    assert quality.chips == 0
    assert any(words in warning for warning in quality.warnings)
    assert "shift: not measured" in describe_pair(quality)


def test_the_chips_that_agree_decide():
    stable = [(0.3, -0.2), (0.31, -0.22), (0.29, -0.18), (0.35, -0.2)]
    wild = [(40.0, 3.0), (-17.0, 60.0), (9.0, -8.0), (0.0, 0.0), (5.0, 5.0), (-3.0, 2.0)]
    shift = combine_shifts([*wild[:3], *stable, *wild[4:]])
    assert (shift.rows, shift.columns) == pytest.approx((0.305, -0.2), abs=0.02)
    assert shift.chips == 4
    assert shift.spread < 0.05
    assert combine_shifts(wild) is None
    assert combine_shifts(stable[:2]) is None
    assert combine_shifts([]) is None
    # Three of thirteen are no majority of any kind.
    assert combine_shifts([*stable[:3], *((10.0 * k, 7.0 * k) for k in range(1, 11))]) is None


def test_percentages_are_of_the_area_of_interest():
    pre, post = np.full((100, 100), 0.1), np.full((100, 100), 0.1)
    pre[:40] = np.nan
    post[:, :50] = np.nan
    cube = cube_of(pre, post, chunk=33)
    whole = measure_pair(cube)
    assert (whole.pre_clear, whole.post_clear, whole.both_clear) == (60, 50, 30)
    assert whole.warnings[0] == "only 30 % of the area is clear in both images"
    outside = np.zeros((100, 100), np.uint8)
    outside[:40] = 1
    # Without elevation is no reason to be unclear.
    outside[40:60] = 2
    part = measure_pair(cube.assign(area=(("y", "x"), outside)))
    assert (part.pre_clear, part.post_clear, part.both_clear) == (100, 50, 50)
    nowhere = measure_pair(cube.assign(area=(("y", "x"), np.ones((100, 100), np.uint8))))
    assert (nowhere.both_clear, nowhere.season_difference) == (0, None)


@pytest.mark.parametrize(
    ("before", "after", "days"),
    [
        ("2018-08-01", "2018-10-01", 61),
        ("2017-10-01", "2018-10-01", 0),
        ("2018-01-05", "2018-12-27", 9),
        ("2012-01-01", "2018-07-02", 183),
    ],
)
def test_seasons(before, after, days):
    image = np.full((20, 20), 0.1)
    cube = cube_of(image, image)
    for name, date in (("pre_date", before), ("post_date", after)):
        day = np.datetime64(date, "D").astype(int)
        values = np.full((20, 20), day, np.int16)
        # A few pixels of another date and without one do not move the median.
        values[:3], values[3:5] = -32768, day - 40
        cube[name] = (("y", "x"), values)
    assert measure_pair(cube).season_difference == days


@pytest.mark.parametrize(
    ("pre", "post", "differences"),
    [
        ([350.0, 40.0], [10.0, 35.5], (20, 4.5)),
        ([160.0, 40.0], [150.0, 50.0], (10, 10)),
        ([0.0, 40.0], [180.0, 40.0], (180, 0)),
        ([], [150.0, 50.0], (None, None)),
    ],
)
def test_the_sun(pre, post, differences):
    image = np.full((20, 20), 0.1)
    quality = measure_pair(cube_of(image, image, pre_sun=pre, post_sun=post))
    found = (quality.sun_azimuth_difference, quality.sun_elevation_difference)
    assert found == pytest.approx(differences) if pre else found == differences


def test_levels_that_are_not_comparable_are_warned_of():
    image = np.full((20, 20), 0.1)

    def warned(pre, post):
        cube = cube_of(image, image, pre_levels=pre, post_levels=post)
        return [w for w in measure_pair(cube).warnings if "levels" in w]

    assert warned(["L2A"], ["L2A"]) == warned([], []) == warned(["L1C"], []) == []
    (text,) = warned(["L2A", "L2A"], ["L1C"])
    assert "before: L2A, after: L1C" in text
    (text,) = warned(["L2A", "true colour"], ["L2A"])
    assert "before: L2A and true colour, after: L2A" in text


def test_it_is_said_in_words_and_as_json():
    spectrum = textured(500)
    cube = cube_of(
        moved(spectrum), moved(spectrum, 0, 2), pre_sun=[150.0, 50.0], post_sun=[160.0, 45.0]
    )
    quality = measure_pair(cube)
    lines = describe_pair(quality)
    assert lines[0] == "clear: 100.0 % before, 100.0 % after, 100.0 % in both"
    assert lines[1].startswith("shift: 2.00 pixels (+20.0 m east, ")
    assert lines[2] == "sun: 10.0 degrees apart in azimuth, 5.0 in elevation"
    assert lines[3] == "season: 61 days apart"
    assert lines[4].startswith("warning: the image after lies 2.0 pixels off the image before; ")
    assert quality.as_dict()["warnings"] == [lines[4].removeprefix("warning: ")]
    assert quality.as_dict()["season_difference"] == 61


@settings(max_examples=3, deadline=None)
@given(st.integers(100, 500))
def test_any_chunking_gives_the_same_quality(chunk):
    spectrum = textured(400)
    pre = moved(spectrum)
    pre[:100] = np.nan
    cube = cube_of(pre, moved(spectrum, 1, 1))
    assert measure_pair(cube.chunk({"y": chunk, "x": chunk})) == measure_pair(cube.compute())


def test_only_the_chunks_of_the_chips_are_read():
    """Twelve chips of a large image: the others' pixels are not computed."""
    read = []

    def image(side, block_info=None):
        (_, (top, bottom), (left, right)) = block_info[None]["array-location"]
        read.append((side, top, left))
        return np.random.default_rng(top + left).random((1, bottom - top, right - left))

    def lazy(side):
        sizes = ((1,), (256,) * 10, (256,) * 10)
        meta = np.empty((0, 0, 0))
        return ("band", "y", "x"), dask.array.map_blocks(image, side, chunks=sizes, meta=meta)

    plane = dask.array.zeros((2560, 2560), dtype=np.uint16, chunks=256)
    cube = xr.Dataset(
        {name: lazy(name) for name in ("pre", "post")}
        | dict.fromkeys(("observed", "area"), (("y", "x"), plane))
        | dict.fromkeys(("pre_date", "post_date"), (("y", "x"), plane.astype(np.int16))),
        coords={"y": -10.0 * np.arange(2560), "x": 10.0 * np.arange(2560)},
    )
    assert measure_pair(cube).chips == 12
    assert len(read) == len(set(read)) == 24
    # They are spread over the whole image.
    rows, columns = np.array([place[1:] for place in read]).T
    assert max(rows) - min(rows) > 2000
    assert max(columns) - min(columns) > 2000


def _iburi(item, shape=(960, 1110)):
    """Mean of the bands of a real image, on a grid of 10 m."""
    bands = []
    for name in ("red", "green", "blue"):
        with rasterio.open(item.assets[name].href) as source:
            numbers = source.read(1).astype(np.float32)
            numbers[numbers == 0] = np.nan
            band = np.full(shape, np.nan, np.float32)
            reproject(
                numbers,
                band,
                src_transform=source.transform,
                src_crs=source.crs,
                dst_transform=Affine(10, 0, 573_000, 0, -10, 4_735_600),
                dst_crs="EPSG:32654",
                resampling=Resampling.bilinear,
                src_nodata=np.nan,
                dst_nodata=np.nan,
            )
        bands.append(band / 1e4)
    return np.mean(bands, axis=0)


def test_iburi(shared_data):
    """Its images lie most of a pixel apart; moving one moves the result by as much."""
    items = read_items(shared_data / "iburi-2018" / "items.json")
    pre, post = (_iburi(item) for item in items if "red" in item.assets)
    quality = measure_pair(cube_of(pre, post))
    assert quality.pre_clear == pytest.approx(60, abs=2)
    assert 0.4 < quality.shift_pixels < 1.2
    assert quality.shift_spread < 0.5
    further = ndimage.shift(np.nan_to_num(post, nan=0.1), (0.5, -1.5), order=3, mode="nearest")
    there = measure_pair(cube_of(pre, further))
    assert there.shift_east - quality.shift_east == pytest.approx(-15, abs=1.5)
    assert there.shift_north - quality.shift_north == pytest.approx(-5, abs=1.5)


def test_scenes_of_one_grid_do_not_lie_apart(shared_data):
    items = read_items(shared_data / "sentinel2-33T-120m" / "items.json")
    tile = [item for item in items if "33TWM" in item.id]

    def red(item):
        with rasterio.open(item.assets["red"].href) as source:
            image = source.read(1) / 1e4
        with rasterio.open(item.assets["scl"].href) as source:
            clouds = np.isin(source.read(1), (0, 1, 3, 8, 9, 10))
        return np.where(clouds, np.nan, image)

    first, *others = (red(item) for item in tile)
    for other in others:
        quality = measure_pair(cube_of(first, other, resolution=120.0, chunk=512))
        assert quality.shift_pixels < 0.1
        assert quality.shift_spread < 0.1
