"""Pixels of files on a grid: as they are, between centres, warped; any cutting gives the same bits."""

import dask
import dask.array as da
import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from lscube.cube.opening import read_from
from lscube.cube.reading import Access, Source, read_scene, stack_assets
from lscube.cube.resampling import CLASSES, ELEVATION, REFLECTANCE, Place, Recipe, read_onto
from lscube.errors import SourceError
from lscube.grid import bounds_of, snapped_grid
from tests.scenes import EPSG, NORTH, WEST

SHAPE = (90, 120)
EXTENT = (WEST, NORTH - 900, WEST + 1200, NORTH)
ACCESS = Access(str)
KINDS = {
    "native": (REFLECTANCE, 10.0),
    "finer": (REFLECTANCE, 6.0),
    "odd": (REFLECTANCE, 7.5),
    "coarser": (REFLECTANCE, 30.0),
    "classes": (CLASSES, 6.0),
    "surface": (ELEVATION, 6.0),
}


def write(path, pixels, nodata, epsg=EPSG, transform=None):
    profile = {
        "driver": "GTiff",
        "dtype": pixels.dtype.name,
        "count": 1,
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "crs": f"EPSG:{epsg}",
        "transform": transform or Affine(10, 0, WEST, 0, -10, NORTH),
        "nodata": nodata,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels, 1)
    return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    numbers = rng.integers(1, 4000, SHAPE).astype(np.uint16)
    numbers[20:35, 40:70] = 0
    return {
        "uint16": write(folder / "reflectance.tif", numbers, 0),
        "uint8": write(folder / "classes.tif", rng.integers(0, 12, SHAPE).astype(np.uint8), None),
        "float32": write(
            folder / "surface.tif", rng.normal(500, 20, SHAPE).astype(np.int16), -32768
        ),
    }


FILES = {"reflectance": "uint16", "classes": "uint8", "elevation": "float32"}


def source_of(files, recipe: Recipe) -> Source:
    return Source(files[FILES[recipe.kind]], 1, EXTENT)


def reflectance(numbers):
    """Digital numbers of 1e-4, 0 = no data, as values."""
    return np.where(numbers == 0, np.nan, numbers * np.float32(1e-4)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_a_grid_beyond_the_file_is_filled(files, kind):
    recipe, resolution = KINDS[kind]
    grid = snapped_grid(
        (EXTENT[0] - 200, EXTENT[1] - 200, EXTENT[2] + 200, EXTENT[3] + 200), resolution, EPSG
    )
    pixels = read_scene([source_of(files, recipe)], recipe, grid, ACCESS)[0]
    assert pixels.shape == grid.shape
    assert pixels.dtype == recipe.dtype
    rim = int(150 / resolution)
    for edge in (pixels[:rim], pixels[-rim:], pixels[:, :rim], pixels[:, -rim:]):
        np.testing.assert_array_equal(edge, np.full_like(edge, recipe.fill))


def test_native_pixels_are_the_files(files):
    grid = snapped_grid(EXTENT, 10.0, EPSG)
    with rasterio.open(files["uint16"]) as file:
        wanted = file.read(1)
    np.testing.assert_array_equal(
        read_scene([source_of(files, REFLECTANCE)], REFLECTANCE, grid, ACCESS)[0],
        reflectance(wanted),
    )


@pytest.mark.parametrize("resolution", [6.0, 7.5, 5.0])
def test_finer_pixels_are_those_of_gdals_warp(tmp_path, resolution):
    """Away from gaps and edges; half a digital number is rounding."""
    rng = np.random.default_rng(3)
    path = write(tmp_path / "a.tif", rng.integers(1, 9000, SHAPE).astype(np.uint16), 0)
    grid = snapped_grid((WEST + 60, NORTH - 840, WEST + 1140, NORTH - 60), resolution, EPSG)
    ours = read_scene([Source(path, 1, EXTENT)], REFLECTANCE, grid, ACCESS)[0]
    with (
        rasterio.open(path) as file,
        WarpedVRT(
            file,
            crs=file.crs,
            transform=grid.affine,
            height=grid.shape[0],
            width=grid.shape[1],
            resampling=Resampling.bilinear,
        ) as view,
    ):
        theirs = view.read(1)
    assert np.abs(ours * 1e4 - theirs.astype(int)).max() <= 1


def test_a_plane_stays_a_plane_between_the_centres(tmp_path):
    plane = (np.add.outer(np.arange(90) * 20, np.arange(120) * 10) + 100).astype(np.uint16)
    path = write(tmp_path / "plane.tif", plane, 0)
    grid = snapped_grid((WEST + 60, NORTH - 840, WEST + 1140, NORTH - 60), 6.0, EPSG)
    ours = read_scene([Source(path, 1, EXTENT)], REFLECTANCE, grid, ACCESS)[0]
    x = grid.affine.c + (np.arange(grid.shape[1]) + 0.5) * 6 - WEST
    y = NORTH - grid.affine.f + (np.arange(grid.shape[0]) + 0.5) * 6
    wanted = np.add.outer((y / 10 - 0.5) * 20, (x / 10 - 0.5) * 10) + 100
    assert np.abs(ours * 1e4 - wanted).max() <= 0.5


def test_gaps_neither_darken_their_rim_nor_grow(tmp_path):
    numbers = np.full(SHAPE, 2000, np.uint16)
    numbers[:, 60:] = 0
    for nodata in (0, None):
        path = write(tmp_path / f"{nodata}.tif", numbers, nodata)
        grid = snapped_grid(EXTENT, 6.0, EPSG)
        ours = read_scene([Source(path, 1, EXTENT)], REFLECTANCE, grid, ACCESS)[0]
        x = grid.affine.c + (np.arange(grid.shape[1]) + 0.5) * 6 - WEST
        inner = ours[2:-2]
        np.testing.assert_allclose(inner[:, (x > 0) & (x < 600)], 0.2, rtol=1e-6)
        assert np.isnan(inner[:, x > 600]).all()


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(list(KINDS)), st.integers(5, 80), st.integers(5, 80), st.integers(-9, 9))
def test_any_cutting_gives_the_same_bits(files, kind, rows, columns, start):
    recipe, resolution = KINDS[kind]
    west, south, east, north = EXTENT
    grid = snapped_grid((west + start * 30, south, east + 60, north + 90), resolution, EPSG)
    source = [source_of(files, recipe)]
    whole = read_scene(source, recipe, grid, ACCESS)
    top, left = min(rows, grid.shape[0] - 1), min(columns, grid.shape[1] - 1)
    parts = [
        [
            read_scene(source, recipe, grid[y, x], ACCESS)
            for x in (slice(None, left), slice(left, None))
        ]
        for y in (slice(None, top), slice(top, None))
    ]
    np.testing.assert_array_equal(np.block(parts), whole)


def test_a_stack_is_lazy_and_chunked(files, tmp_path):
    grid = snapped_grid(EXTENT, 10.0, EPSG)
    source = source_of(files, REFLECTANCE)
    chunks = da.core.normalize_chunks(50, grid.shape)
    stack = stack_assets([[source, source], [source, source]], REFLECTANCE, grid, ACCESS, chunks)
    assert stack.chunks == ((1, 1), (2,), (50, 40), (50, 50, 20))
    with rasterio.open(source.href) as file:
        np.testing.assert_array_equal(stack[1, 1].compute(), reflectance(file.read(1)))
    nowhere = Source(str(tmp_path / "nowhere.tif"), 1, EXTENT)
    lazy = stack_assets([[nowhere]], REFLECTANCE, grid, ACCESS, chunks)
    with pytest.raises(SourceError, match=r"Expected a GeoTIFF .*nowhere.tif"):
        lazy.compute()


def test_degrees_are_warped(tmp_path):
    """A file in EPSG:4326 lands where it belongs."""
    step = 1e-4
    numbers = np.zeros((400, 400), np.uint16) + 1000
    numbers[:, 200:] = 3000
    middle = 141.9
    path = write(
        tmp_path / "d.tif", numbers, 0, 4326, Affine(step, 0, middle - 0.02, 0, -step, 42.77)
    )
    x, y = rasterio.warp.transform("EPSG:4326", f"EPSG:{EPSG}", [middle], [42.75])
    grid = snapped_grid((x[0] - 200, y[0] - 100, x[0] + 200, y[0] + 100), 10.0, EPSG)
    ours = read_scene([Source(path, 1, bounds_of(grid))], REFLECTANCE, grid, ACCESS)[0]
    np.testing.assert_allclose(ours[:, :17], 0.1, rtol=1e-6)
    np.testing.assert_allclose(ours[:, 23:], 0.3, rtol=1e-6)


def test_a_band_of_several(tmp_path):
    path = tmp_path / "rgb.tif"
    planes = np.stack([np.full(SHAPE, n, np.uint8) for n in (10, 20, 30)])
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint8", count=3, height=90, width=120,
        crs=f"EPSG:{EPSG}", transform=Affine(10, 0, WEST, 0, -10, NORTH), nodata=0,
    ) as file:  # fmt: skip
        file.write(planes)
    grid = snapped_grid(EXTENT, 10.0, EPSG)
    sources = [Source(str(path), band, EXTENT) for band in (3, 1)]
    pixels = read_scene(sources, REFLECTANCE, grid, ACCESS)
    np.testing.assert_allclose(pixels[0], 0.3 * 30 / 255, rtol=1e-6)
    np.testing.assert_allclose(pixels[1], 0.3 * 10 / 255, rtol=1e-6)
    with pytest.raises(SourceError, match="at least 4 bands"):
        read_scene([Source(str(path), 4, EXTENT)], REFLECTANCE, grid, ACCESS)


def test_addresses_are_signed_anew_for_each_attempt(files):
    asked = []

    def sign(href):
        asked.append(href)
        return files["uint16"] if len(asked) == 2 else "https://127.0.0.1:9/x.tif?token=secret"

    from lscube.catalog import Patience

    place = Place(EPSG, Affine(10, 0, WEST, 0, -10, NORTH), SHAPE)
    pixels = read_from(
        "https://127.0.0.1:9/x.tif",
        lambda file: read_onto(file, 1, place, REFLECTANCE),
        sign,
        Patience(attempts=3, wait=0.0),
    )
    assert asked == ["https://127.0.0.1:9/x.tif"] * 2
    assert np.nanmax(pixels) > 0


def test_reading_within_a_task_uses_no_threads_of_its_own(files):
    grid = snapped_grid(EXTENT, 10.0, EPSG)
    with dask.config.set(scheduler="no such scheduler"):
        pixels = read_scene([source_of(files, REFLECTANCE)], REFLECTANCE, grid, ACCESS)
    assert pixels.any()
