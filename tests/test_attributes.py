"""Cubes and maps as other formats: attributes that NetCDF, GeoTIFF and GDAL can keep."""

import json
import math
import shutil

import h5netcdf  # noqa: F401  (xarray writes with it)
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st

from lscube.attributes import attribute, attributes, content
from lscube.cube import measure_pair, open_cube, unreadable_items
from lscube.cube.store import read_cube, write_cube
from lscube.mapping import open_map
from lscube.mapping.opening import manifest_of, store_there
from lscube.mapping.store import MANIFEST
from lscube.products import Publication, publish_map
from lscube.products.stores import copy_store
from tests.map_job import job
from tests.publishing import NOW, make_map, save_stand_in, write_event

LISTS = (
    "pre_items",
    "post_items",
    "dsm_items",
    "pre_radiometry",
    "post_levels",
    "pre_sun",
    "notes",
)
PLAIN = (str, int, float)

said = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda one: st.lists(one, max_size=4) | st.dictionaries(st.text(max_size=5), one, max_size=3),
    max_leaves=12,
)


def kinds(value) -> set[type]:
    return {type(one) for one in value} if isinstance(value, list) else {type(value)}


@given(said)
def test_any_value_becomes_one_that_formats_can_keep(value):
    found = attribute(value)
    assert found != []
    assert len(kinds(found)) == 1
    assert kinds(found) <= set(PLAIN)
    assert attribute(found) == found


@given(said.filter(lambda value: not isinstance(value, str)))
def test_what_was_given_is_read_back(value):
    found = content(attribute(value))
    np.testing.assert_equal(json.loads(json.dumps(found)), json.loads(json.dumps(value)))


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("text", "text"),
        (3, 3),
        (0.5, 0.5),
        (["a", "b"], ["a", "b"]),
        ((25.0, -10.0), [25.0, -10.0]),
        ([1, 2.5], [1.0, 2.5]),
        (np.array([1, 2], np.uint16), [1, 2]),
        (np.float32(0.5), 0.5),
        ([], "[]"),
        ({"a": [1]}, '{"a": [1]}'),
        ([{"a": 1}], '[{"a": 1}]'),
        ([[1], [2]], "[[1], [2]]"),
        (["a", 1], '["a", 1]'),
        (True, "true"),
        ([True, False], "[true, false]"),
        (None, "null"),
        (2**70, str(2**70)),
        (math.inf, "Infinity"),
    ],
)
def test_each_kind_is_kept_so(value, kept):
    assert attribute(value) == kept
    assert type(attribute(value)) is type(kept)


def test_a_text_that_is_no_json_is_itself():
    assert content("L2A") == "L2A"
    assert content(["L2A"]) == ["L2A"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scenes, a cube, a map and its publication."""
    folder = tmp_path_factory.mktemp("made")
    write_event(folder)
    model = save_stand_in(folder / "model")
    make_map(folder, model.folder, folder / "map.zarr")
    write_cube(open_cube(*job(folder)), folder / "cube.zarr")
    publish_map(folder / "map.zarr", folder / "published", Publication(models=(model,), now=NOW))
    return folder


def published(folder):
    return next(path for path in (folder / "published").rglob("map.zarr/0") if path.is_dir())


OPENED = {
    "map": lambda folder: open_map(folder / "map.zarr"),
    "map by xarray": lambda folder: xr.open_zarr(folder / "map.zarr", consolidated=False),
    "published map": lambda folder: open_map(published(folder)),
    "cube": lambda folder: open_cube(*job(folder)),
    "cube on disk": lambda folder: read_cube(folder / "cube.zarr"),
    "cube by xarray": lambda folder: xr.open_zarr(
        folder / "cube.zarr", consolidated=False, decode_coords="all"
    ),
}


@pytest.mark.parametrize("name", OPENED)
def test_it_is_written_as_netcdf_and_read_back(name, folder, tmp_path):
    dataset = OPENED[name](folder)
    dataset.to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "x.nc", engine="h5netcdf") as back:
        if name.startswith(("map", "published")):
            assert manifest_of(back) == manifest_of(dataset)
            xr.testing.assert_equal(back["probability"], dataset["probability"])
        np.testing.assert_array_equal(back["observed"], dataset["observed"])
        for own in ("observed", "area"):
            if "by xarray" not in name:  # Zarr alone does not tell the masks' type
                assert back[own].attrs["flag_masks"].dtype == back[own].dtype
            assert list(back[own].attrs["flag_masks"]) == list(dataset[own].attrs["flag_masks"])


@pytest.mark.parametrize("name", OPENED)
def test_each_variable_becomes_a_geotiff(name, folder, tmp_path):
    """Days as numbers: GeoTIFF has none."""
    for variable, data in OPENED[name](folder).data_vars.items():
        if data.dtype.kind == "M":
            data = data.astype("datetime64[D]").astype(np.int32)
        data.rio.to_raster(tmp_path / "x.tif")
        with rasterio.open(tmp_path / "x.tif") as file:
            assert file.shape == data.shape[-2:], variable


@pytest.mark.parametrize("name", ["cube on disk", "map"])
def test_gdal_reads_it_from_zarr(name, folder, tmp_path):
    """In version 2: the GDAL of rasterio's wheels knows no codec of zarr-python's version 3."""
    dataset = OPENED[name](folder).drop_encoding()
    dataset.to_zarr(tmp_path / "x.zarr", zarr_format=2, consolidated=True)
    with rasterio.open(f'ZARR:"{tmp_path}/x.zarr":/observed') as file:
        np.testing.assert_array_equal(file.read(1), dataset["observed"])
        masks = ",".join(str(1 << bit) for bit in range(16))
        assert file.tags()["flag_masks"] == f"{{{masks}}}"


@pytest.mark.parametrize("store", ["map.zarr", "cube.zarr"])
def test_nothing_nested_is_in_a_store(store, folder):
    group = zarr.open_group(folder / store, mode="r")
    for attrs in (group.attrs, *(array.attrs for _, array in group.arrays())):
        for name, value in attrs.items():
            assert attribute(value) == value, name
            assert kinds(value) <= set(PLAIN), name


def test_what_is_asked_of_a_cube_is_the_same_from_the_disk(folder):
    lazy, kept = open_cube(*job(folder)), read_cube(folder / "cube.zarr")
    for name in LISTS:
        assert isinstance(content(lazy.attrs[name]), list), name
        assert content(kept.attrs[name]) == content(lazy.attrs[name]), name
    assert measure_pair(kept) == measure_pair(lazy)
    assert unreadable_items(kept) == {}


@pytest.fixture
def earlier(folder, tmp_path):
    """The map as earlier versions wrote it: with nested attributes and empty lists."""
    shutil.copytree(folder / "map.zarr", tmp_path / "map.zarr")
    path = tmp_path / "map.zarr" / "zarr.json"
    document = json.loads(path.read_text())
    told = document["attributes"]
    told[MANIFEST] = json.loads(told[MANIFEST])
    told["post_sun"] = []
    told["settings"] = {"mask": "/home/somebody's own/mask.tif"}
    path.write_text(json.dumps(document))
    return tmp_path / "map.zarr"


def test_maps_of_earlier_versions_stay_readable(earlier, folder, tmp_path):
    mapped = open_map(earlier)
    assert manifest_of(mapped) == manifest_of(open_map(folder / "map.zarr"))
    mapped.to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    raw = xr.open_zarr(earlier, consolidated=False)
    assert isinstance(raw.attrs[MANIFEST], dict)
    assert manifest_of(raw) == manifest_of(mapped)


def test_a_copy_has_no_paths_in_its_texts(earlier, tmp_path):
    once, twice = tmp_path / "once.zarr", tmp_path / "twice.zarr"
    copy_store(store_there(earlier), once)
    copy_store(store_there(once), twice)
    for store in (once, twice):
        found = xr.open_zarr(store, consolidated=False).attrs
        assert content(found["settings"]) == {"mask": "mask.tif"}
        assert attributes(found) == found
