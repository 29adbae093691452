"""Mapping a region with a real, tiny, untrained network."""

import shutil

import numpy as np
import odc.geo.xr  # noqa: F401
import pytest
import rasterio
import rioxarray  # noqa: F401
import xarray as xr
import zarr

from lscube.catalog import find_scenes
from lscube.cli import main
from lscube.cube import unreadable_items
from lscube.errors import ModelError, StoreError, TrainingError
from lscube.events import make_event
from lscube.grid import Lattice, make_grid, read_area
from lscube.mapping import Running, map_region, open_map
from lscube.settings import CubeSettings, PredictSettings, SourceSettings
from tests.needs import GDAL, needs
from tests.networks import save_tiny
from tests.scenes import EVENT_TIME, inner_area, simple_event

SMALL = PredictSettings(core=32, margin=16, chunk_cores=2)
# One core each: many regions.
SINGLE = PredictSettings(core=32, margin=16, chunk_cores=1, shard_chunks=1, region_shards=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny", depth="shallow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small event; red before has a gap."""
    folder = tmp_path_factory.mktemp("event")
    simple_event(folder)
    return folder


@pytest.fixture
def scenes(folder):
    source = SourceSettings(catalogs=(folder / "items.json",))
    return find_scenes(read_area(inner_area()), make_event("e", EVENT_TIME), source)


@pytest.fixture
def grid(scenes):
    return make_grid(scenes.area, 10.0)


def test_the_map_does_not_depend_on_chunks(scenes, grid, model, tmp_path):
    maps = [
        map_region(scenes, grid, model, tmp_path / f"{n}.zarr", settings=settings).compute()
        for n, settings in enumerate(
            SMALL.model_copy(update={"chunk_cores": chunk_cores}) for chunk_cores in (1, 2, 9)
        )
    ]
    assert np.isfinite(maps[0]["probability"]).any()
    for other in maps[1:]:
        xr.testing.assert_equal(maps[0], other)


def test_the_map_is_placed_and_says_what_it_does_not_know(scenes, grid, model, tmp_path):
    mapped = map_region(scenes, grid, model, tmp_path / "map.zarr", settings=SMALL)
    cores = Lattice(32, 16).cover(grid)
    assert mapped.odc.geobox == cores
    assert mapped["probability"].rio.crs.to_epsg() == 32654
    assert mapped["probability"].rio.transform() == cores.affine
    known = mapped["probability"].notnull()
    wanted = (mapped["observed"] == 0) & (mapped["area"] & 1 == 0)
    assert (known == wanted).all()
    assert 0.3 < float(known.mean()) < 1
    values = mapped["probability"].values[known]
    assert ((values >= 0) & (values <= 1)).all()
    days = mapped["post_date"].values[known]
    assert (days == np.datetime64("2018-10-01")).all()


def test_pixels_of_the_edge_have_real_context(scenes, grid, model, tmp_path):
    """A larger area gives the same values where both are mapped."""
    small = map_region(scenes, grid, model, tmp_path / "small.zarr", settings=SMALL)
    source = SourceSettings(catalogs=(tmp_path / "items.json",))
    shutil.copytree(
        scenes.pre[0].assets["red"].href.rsplit("/", 2)[0], tmp_path, dirs_exist_ok=True
    )
    wide = find_scenes(read_area(inner_area(rim=50.0)), make_event("e", EVENT_TIME), source)
    large = map_region(
        wide, make_grid(wide.area, 10.0), model, tmp_path / "large.zarr", settings=SMALL
    )
    ours = small["probability"].compute()
    theirs = large["probability"].sel(y=ours["y"], x=ours["x"]).compute()
    both = ours.notnull()
    assert theirs.notnull().sum() > both.sum()
    np.testing.assert_array_equal(theirs.values[both], ours.values[both])


def test_a_finished_map_is_not_computed_again(scenes, grid, model, folder, tmp_path):
    store = tmp_path / "map.zarr"
    first = map_region(scenes, grid, model, store, settings=SMALL).compute()
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    second = map_region(scenes, grid, model, store, settings=SMALL).compute()
    xr.testing.assert_identical(first, second)
    assert before == {path: path.stat().st_mtime_ns for path in store.rglob("*")}


def test_another_runs_store_is_refused_with_both_values(scenes, grid, model, tmp_path):
    store = tmp_path / "map.zarr"
    map_region(scenes, grid, model, store, settings=SMALL)
    other = save_tiny(tmp_path / "other", seed=1, depth="shallow")
    words = rf"model.sha256 there is \['{model.card.sha256}'\], here \['{other.card.sha256}'\]"
    with pytest.raises(StoreError, match=words):
        map_region(scenes, grid, other, store, settings=SMALL)
    smaller = SMALL.model_copy(update={"margin": 0})
    with pytest.raises(StoreError, match=r"predict.margin there is 16, here 0"):
        map_region(scenes, grid, model, store, settings=smaller)
    (tmp_path / "mine").mkdir()
    with pytest.raises(StoreError, match="Expected a map at"):
        map_region(scenes, grid, model, tmp_path / "mine", settings=SMALL)


def test_an_interrupted_map_does_not_look_finished(scenes, grid, model, tmp_path):
    def stop(progress):
        if progress.done:
            raise TrainingError("stopped half-way")

    store = tmp_path / "map.zarr"
    with pytest.raises(TrainingError, match="stopped"):
        map_region(scenes, grid, model, store, settings=SINGLE, running=Running(watch=stop))
    assert not store.exists()
    with pytest.raises(StoreError, match="found an unfinished one"):
        open_map(store)
    # Started again, it ends as if nothing had happened.
    again = map_region(scenes, grid, model, store, settings=SINGLE).compute()
    whole = map_region(scenes, grid, model, tmp_path / "whole.zarr", settings=SMALL).compute()
    xr.testing.assert_equal(again.drop_attrs(), whole.drop_attrs())


def test_a_map_names_what_could_not_be_read(grid, model, tmp_path, capsys):
    """The map is made; its pixels are unknown where nothing else shows them; exit code 3."""
    items = simple_event(tmp_path)
    (tmp_path / "after" / "green.tif").write_bytes(b"no image")
    area = ",".join(str(value) for value in inner_area())
    words = ["--source", str(items), "--aoi", area, "--event-time", EVENT_TIME]
    words += ["--set", "predict.core=32", "--set", "predict.margin=16"]
    store = tmp_path / "map.zarr"
    assert main(["predict", *words, "--model", str(model.folder), "--out", str(store)]) == 3
    assert "post: after" in capsys.readouterr().err
    mapped = open_map(store)
    assert mapped["probability"].isnull().all()
    assert unreadable_items(mapped) == {"post": ["after"]}


def test_unwritten_is_not_no_landslide(scenes, grid, model, tmp_path):
    store = tmp_path / "map.zarr"
    map_region(scenes, grid, model, store, settings=SMALL)
    for name in ("probability", "post_date", "observed", "area"):
        shutil.rmtree(store / name / "c")
    empty = open_map(store)
    assert empty["probability"].isnull().all()
    assert empty["post_date"].isnull().all()
    assert (empty["observed"] != 0).all()
    assert (empty["area"] != 0).all()
    assert zarr.open_group(store, mode="r")["probability"].fill_value == 255


@needs(GDAL)
def test_gdal_reads_the_sharded_map(scenes, grid, model, tmp_path):
    store = tmp_path / "map.zarr"
    mapped = map_region(scenes, grid, model, store, settings=SMALL)
    with rasterio.open(f'ZARR:"{store}":/probability') as file:
        assert file.crs.to_epsg() == 32654
        assert file.transform == mapped.odc.geobox.affine
        pixels = file.read(1)
    known = mapped["probability"].notnull().values
    np.testing.assert_array_equal(pixels != 255, known)


def test_a_model_of_other_bands_or_resolution_is_refused(scenes, grid, model, tmp_path):
    with pytest.raises(ModelError, match=r"\(red, green, blue\), got \(red\)"):
        map_region(scenes, grid, model, tmp_path / "map.zarr", CubeSettings(bands=("red",)))
    with pytest.raises(ModelError, match=r"10 m, got 30 m"):
        map_region(scenes, make_grid(scenes.area, 30.0), model, tmp_path / "map.zarr")
    assert not (tmp_path / "map.zarr").exists()


def test_the_command_line_says_what_does_not_fit(folder, model, tmp_path, capsys):
    given = ["--source", str(folder / "items.json"), "--event-time", EVENT_TIME]
    given += ["--aoi", ",".join(map(str, inner_area())), "--out", str(tmp_path / "map.zarr")]
    small = ["--set", "predict.core=32", "--set", "predict.margin=16"]
    words = ["predict", "--model", str(model.folder), *given]
    assert main([*words, "--set", 'cube.bands=["red"]']) == 2
    assert "(red, green, blue), got (red)" in capsys.readouterr().err
    assert main([*words, *small]) == 0
    assert main([*words, *small]) == 0
    assert main(words) == 2
    assert "belongs to another one: predict.core there is 32, here 1024" in capsys.readouterr().err


def test_a_store_that_cannot_be_written(scenes, grid, model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="Expected to write"):
        map_region(scenes, grid, model, tmp_path / "file" / "map.zarr", settings=SMALL)
