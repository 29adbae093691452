"""GeoTIFFs and coarser levels of a map."""

import hashlib
import resource

import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr_cm
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lscube.errors import StoreError
from lscube.grid import bounds_of
from lscube.products import pyramid
from lscube.products.pyramid import halve, levels, write_pyramid
from lscube.products.rasters import blocks_of, coding_of, digest_pixels, write_cog
from tests.publishing import drawn_map

SHAPE = (700, 1100)


def test_a_cog_holds_the_maps_own_bytes(tmp_path):
    mapped = drawn_map(SHAPE)
    write_cog(tmp_path / "p.tif", mapped, "probability")
    known = mapped["probability"].to_numpy()
    with rasterio.open(tmp_path / "p.tif") as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (file.dtypes, file.nodata, file.scales, file.offsets) == (
            ("uint8",),
            255,
            (0.004,),
            (0,),
        )
        assert file.overviews(1) == [2, 4]
        assert file.bounds == pytest.approx(bounds_of(mapped.odc.geobox))
        assert file.crs.to_epsg() == 32654
        stored = file.read(1)
    np.testing.assert_array_equal(stored == 255, np.isnan(known))
    np.testing.assert_allclose(stored[stored != 255] * 0.004, known[stored != 255], atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["p.tif"]


def test_a_coarser_pixel_of_a_cog_is_the_mean_of_what_is_known(tmp_path):
    mapped = drawn_map(SHAPE)
    mapped["probability"][:2, :4] = np.array(
        [[0.4, 0.8, np.nan, np.nan], [np.nan, 0.6, np.nan, np.nan]]
    )
    write_cog(tmp_path / "p.tif", mapped, "probability")
    with rasterio.open(tmp_path / "p.tif", overview_level=0) as file:
        first, second = file.read(1)[0, :2]
    assert (first * 0.004, second) == (pytest.approx(0.6), 255)


def test_probabilities_in_float32_stay_so(tmp_path):
    mapped = drawn_map((40, 50), dtype="float32")
    write_cog(tmp_path / "p.tif", mapped, "probability")
    with rasterio.open(tmp_path / "p.tif") as file:
        assert np.isnan(file.nodata)
        np.testing.assert_array_equal(file.read(1), mapped["probability"])


def test_flags_keep_their_bits(tmp_path):
    mapped = drawn_map((40, 50))
    mapped["observed"][:] = np.arange(2000, dtype=np.uint16).reshape(40, 50) * 32
    write_cog(tmp_path / "o.tif", mapped, "observed")
    with rasterio.open(tmp_path / "o.tif") as file:
        assert (file.dtypes, file.nodata) == (("uint16",), None)
        np.testing.assert_array_equal(file.read(1), mapped["observed"])


def test_a_cog_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"Expected to write .*choose another place"):
        write_cog(tmp_path / "file" / "p.tif", drawn_map((40, 50)), "probability")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def largest_file():
    """Sets how large a file may become, in bytes; as a full disk does, but for this test alone."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [100_000, 900_000])
def test_a_cog_that_does_not_fit_on_the_disk_leaves_nothing(tmp_path, largest_file, size):
    mapped = drawn_map(SHAPE)
    noise = np.random.default_rng(0).integers(0, 250, SHAPE) * np.float32(0.004)
    mapped["probability"][:] = noise
    largest_file(size)  # the first stops the plain file, the second its copy
    with pytest.raises(StoreError, match=r"Expected to write .*p\.tif, but .*free space"):
        write_cog(tmp_path / "p.tif", mapped, "probability")
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40))
def test_blocks_cover_each_pixel_once(rows, columns, edge):
    seen = np.zeros((rows, columns), int)
    for block in blocks_of((rows, columns), edge):
        seen[block] += 1
        assert max(seen[block].shape) <= edge
    assert (seen == 1).all()


def test_digests_depend_on_pixels_and_not_on_dask_chunks(tmp_path):
    mapped = drawn_map((300, 400), shard=128)
    digests = digest_pixels(mapped)
    assert digest_pixels(mapped.chunk(y=37, x=200)) == digests
    changed = mapped.copy(deep=True)
    changed["probability"][299, 399] = 0.004 if mapped["probability"][299, 399] != 0.004 else 0.0
    other = digest_pixels(changed)
    assert other["probability"] != digests["probability"]
    assert other["observed"] == digests["observed"]


def test_a_digest_is_of_the_stored_bytes_block_by_block():
    mapped = drawn_map((4, 6), shard=4)
    stored = coding_of(mapped, "probability").encode(mapped["probability"].to_numpy())
    expected = hashlib.sha256(stored[:, :4].tobytes() + stored[:, 4:].tobytes()).hexdigest()
    assert digest_pixels(mapped)["probability"] == expected


def test_watchers_see_each_pixel_once():
    seen = []
    mapped = drawn_map((300, 400), shard=128)
    digest_pixels(mapped, lambda name, values: seen.append((name, values.size)))
    assert sum(size for name, size in seen if name == "observed") == 300 * 400


@settings(deadline=None, max_examples=50)
@given(
    arrays.arrays(np.float32, st.tuples(st.integers(1, 7), st.integers(1, 7)),
                  elements=st.sampled_from([0.0, 0.5, 1.0, np.nan])),
)  # fmt: skip
def test_halving_agrees_with_a_loop(probability):
    observed = np.where(np.isnan(probability), np.uint16(260), np.uint16(0))
    made = halve(
        xr.Dataset({"probability": (("y", "x"), probability), "observed": (("y", "x"), observed)})
    )
    rows, columns = made["probability"].shape
    assert (rows, columns) == (-(-probability.shape[0] // 2), -(-probability.shape[1] // 2))
    for row in range(rows):
        for column in range(columns):
            four = probability[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            known = four[np.isfinite(four)]
            value = made["probability"][row, column]
            assert np.isnan(value) if not known.size else value == pytest.approx(known.mean())
            assert made["observed"][row, column] == (0 if known.size else 260)


def test_a_coarser_pixel_that_nobody_saw_has_all_reasons():
    planes = {
        "probability": (("y", "x"), np.full((2, 2), np.nan)),
        "observed": (("y", "x"), np.array([[1, 2], [4, 0xFFF0]], np.uint16)),
    }
    assert halve(xr.Dataset(planes))["observed"].tolist() == [[0xFFF7]]


def test_levels_halve_until_small_and_keep_their_corner():
    grids = levels(drawn_map(SHAPE).odc.geobox)
    assert [tuple(grid.shape) for grid in grids] == [SHAPE, (350, 550), (175, 275), (88, 138)]
    assert {grid.affine.c for grid in grids} == {500_000.0}
    assert [grid.affine.a for grid in grids] == [10, 20, 40, 80]


@pytest.fixture
def tower(tmp_path):
    mapped = drawn_map(SHAPE)
    write_pyramid(tmp_path / "p.zarr", mapped, first=1)
    return mapped, tmp_path / "p.zarr"


def test_a_pyramid_follows_its_conventions(tower):
    _, folder = tower
    tree = xr.open_datatree(folder, engine="zarr", consolidated=True)
    zarr_cm.multiscales.validate(tree.attrs["multiscales"])
    for node in (tree, *tree.children.values()):
        zarr_cm.proj.validate(zarr_cm.proj.extract(node.attrs)[1])
        zarr_cm.spatial.validate(zarr_cm.spatial.extract(node.attrs)[1])
    assert tree.attrs["zarr_conventions"] == [
        module.CMO for module in (zarr_cm.multiscales, zarr_cm.proj, zarr_cm.spatial)
    ]
    layout = tree.attrs["multiscales"]["layout"]
    assert [entry["asset"] for entry in layout] == ["1", "2", "3"] == sorted(tree.children)
    assert [entry.get("derived_from") for entry in layout] == [None, "1", "2"]
    assert layout[0]["spatial:transform"][0] == 20


def test_levels_lie_where_they_say_and_hold_means(tower):
    mapped, folder = tower
    first, second = (
        xr.open_zarr(folder, group=name, consolidated=False, decode_coords="all") for name in "12"
    )
    assert first.odc.geobox == levels(mapped.odc.geobox)[1]
    assert second.odc.geobox == levels(mapped.odc.geobox)[2]
    np.testing.assert_allclose(first["probability"], halve(mapped)["probability"], atol=0.0021)
    np.testing.assert_array_equal(second["observed"], halve(first)["observed"])
    assert first["observed"].attrs["flag_masks"]


def test_a_pyramid_does_not_depend_on_how_much_is_done_at_once(tmp_path, tower, monkeypatch):
    mapped, folder = tower
    monkeypatch.setattr(pyramid, "AT_ONCE", 8 * pyramid.CHUNK)
    write_pyramid(tmp_path / "q.zarr", mapped, first=1)
    one, other = (xr.open_datatree(p, engine="zarr") for p in (folder, tmp_path / "q.zarr"))
    xr.testing.assert_identical(one, other)
