"""Inventories as files that other programs open, complete or not at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely

import lscube
from lscube.errors import MissingExtraError, SettingsError, StoreError
from lscube.products.inventory import ATTRIBUTES, FORMATS, LAYER, write_inventory, write_summary
from lscube.settings import InventorySettings
from tests.memory_maps import NORTH, PIXEL, drawn, map_of

TEXT = "##..#. ##.... ....?. #...6."
EMPTY = "...... ?....."
READABLE = [".gpkg", ".fgb", ".geojson", ".parquet"]


def read(path):
    return (geopandas.read_parquet if path.suffix == ".parquet" else geopandas.read_file)(path)


@pytest.mark.parametrize("ending", READABLE)
def test_every_format_says_the_same(tmp_path, ending):
    path = tmp_path / f"landslides{ending}"
    summary = lscube.write_inventory(map_of(drawn(TEXT)), path)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    frame = read(path).sort_values("id", ignore_index=True)
    assert list(frame.columns) == [*ATTRIBUTES, "geometry"]
    assert summary.landslides == len(frame) == 4
    assert frame["id"].tolist() == [1, 2, 3, 4]
    assert frame["area_m2"].sum() == pytest.approx(7 * PIXEL, abs=0.3)
    assert frame["calibrated"].dtype == bool
    assert frame["pre_date"].isna().all()
    assert frame["lowest_m"].isna().all()
    assert frame["post_date"].astype(str).str[:10].tolist() == ["2018-10-01"] * 4
    assert frame.crs.to_epsg() == (4326 if ending == ".geojson" else 32654)
    square = frame.to_crs(32654).geometry.iloc[0]
    wanted = shapely.box(500_000, NORTH - 20, 500_020, NORTH)
    assert square.symmetric_difference(wanted).area < 0.5


@pytest.mark.parametrize("ending", READABLE)
def test_nothing_found_is_a_valid_file_with_all_columns(tmp_path, ending):
    path = tmp_path / f"landslides{ending}"
    summary = write_inventory(map_of(drawn(EMPTY)), path, density=tmp_path / "density.tif")
    assert (summary.landslides, summary.area_m2) == (0, 0)
    assert summary.most_area_m2 == pytest.approx(PIXEL, abs=0.001)
    frame = read(path)
    assert len(frame) == 0
    if ending != ".geojson":  # where columns are those of the features
        assert list(frame.columns) == [*ATTRIBUTES, "geometry"]
        assert frame.crs.to_epsg() == 32654
    if ending in (".gpkg", ".fgb"):
        info = pyogrio.read_info(path)
        assert info["geometry_type"] == "MultiPolygon"
        assert info["layer_name"] == LAYER
        kinds = dict(zip(info["fields"], info["ogr_types"], strict=True))
        assert kinds["id"] == "OFTInteger64"
        assert kinds["area_m2"] == kinds["lowest_m"] == "OFTReal"
        assert kinds["post_date"] == kinds["run_id"] == "OFTString"


def test_geojson_is_as_rfc_7946_wants_it(tmp_path):
    path = tmp_path / "landslides.geojson"
    write_inventory(map_of(drawn("### #.# ###")), path)
    content = json.loads(path.read_text())
    assert content["type"] == "FeatureCollection"
    assert "crs" not in content
    (feature,) = content["features"]
    ((outer, inner),) = feature["geometry"]["coordinates"]
    assert shapely.LinearRing(outer).is_ccw
    assert not shapely.LinearRing(inner).is_ccw
    assert 140.9 < outer[0][0] < 141.1
    assert 42.7 < outer[0][1] < 42.9


def test_parts_that_touch_at_a_corner_are_one_row(tmp_path):
    path = tmp_path / "landslides.gpkg"
    write_inventory(map_of(drawn("#. .#")), path)
    (outline,) = read(path).geometry
    assert outline.is_valid
    assert len(outline.geoms) == 2


def test_what_cannot_be_written_is_said_before_the_work_and_leaves_nothing(tmp_path):
    def never(block):
        raise AssertionError("read")

    mapped = map_of(drawn(TEXT))
    mapped["probability"] = mapped["probability"].copy(
        data=mapped["probability"].data.map_blocks(never, meta=np.zeros((0, 0)))
    )
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="Expected to write"):
        write_inventory(mapped, tmp_path / "file" / "landslides.gpkg")
    with pytest.raises(StoreError, match="Expected to write"):
        write_inventory(mapped, tmp_path / "x.gpkg", density=tmp_path / "file" / "density.tif")
    with pytest.raises(SettingsError, match=r"ends in .gpkg, .fgb.*got landslides.shp"):
        write_inventory(mapped, tmp_path / "landslides.shp")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from lscube.errors import StoreError
from lscube.products.inventory import write_inventory
from lscube.settings import InventorySettings
from tests.memory_maps import map_of

name, density, limit = sys.argv[1:]
checkers = np.add.outer(np.arange(60), np.arange(60)) % 2
mapped = map_of(np.where(checkers, 1.0, np.nan))
rule = InventorySettings(connectivity=4, cell=10)
write_inventory(mapped, Path("warm.gpkg"), rule, density=Path("warm.tif"))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
try:
    write_inventory(mapped, Path(name), rule, density=Path(density) if density else None)
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["x.gpkg", "x.fgb", "x.geojson", "x.parquet", "x.tif"])
def test_a_full_disk_leaves_the_file_that_was_there(tmp_path, name):
    """Files of a process that may write so many bytes and no more."""
    (tmp_path / name).write_text("an earlier one")
    words = ("y.gpkg", name, "1000") if name == "x.tif" else (name, "", "9000")
    root = Path(lscube.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", FULL, *words], cwd=tmp_path, capture_output=True,
                          text=True, check=True, env={**os.environ, "PYTHONPATH": str(root)})  # fmt: skip
    assert done.stdout.startswith(f"Expected to write {name}, but ")
    assert done.stdout.count("\n") == 1
    assert (tmp_path / name).read_text() == "an earlier one"
    assert {one.name for one in tmp_path.iterdir()} == {name, "warm.gpkg", "warm.tif"}


def test_geoparquet_without_its_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"lscube\[parquet\]"):
        write_inventory(map_of(drawn(TEXT)), tmp_path / "landslides.parquet")


def test_the_formats_that_are_said():
    assert {*READABLE, ".json", ".geoparquet"} == set(FORMATS)


def test_the_summary_as_json(tmp_path):
    summary = write_inventory(map_of(drawn(TEXT)), tmp_path / "landslides.fgb")
    write_summary(tmp_path / "summary.json", summary)
    content = json.loads((tmp_path / "summary.json").read_text())
    assert content["landslides"] == 4
    assert content["area_m2"] == pytest.approx(7 * PIXEL, abs=0.1)
    assert content["most_area_m2"] == pytest.approx(8 * PIXEL, abs=0.1)
    assert content["observed_share"] == pytest.approx(23 / 24, abs=1e-5)
    assert content["settings"]["threshold"] == 0.5
    assert content["run_id"] == read(tmp_path / "landslides.fgb")["run_id"].iloc[0]


@pytest.mark.parametrize("block", ["whole", "cut"])
def test_the_density_grid(tmp_path, block):
    """Cells of 20 m that begin at multiples of it, though the map begins in the middle of one."""
    values = drawn(".##.# .#... ?.... ?...#")
    path = tmp_path / "density.tif"
    mapped = map_of(values, west=500_010.0)
    if block == "cut":
        mapped = mapped.chunk(2)
    write_inventory(mapped, tmp_path / "x.gpkg", InventorySettings(cell=20), density=path)
    with rasterio.open(path) as file:
        assert file.crs.to_epsg() == 32654
        assert file.bounds[:2] == (500_000, NORTH - 40)
        assert file.descriptions == ("landslides_per_km2", "landslide_share", "observed_share")
        assert file.tags(1)["description"].startswith("landslides per square kilometre")
        density, share, observed = file.read()
    nan = np.nan
    np.testing.assert_allclose(observed, [[1, 1, 1], [0, 1, 1]])
    np.testing.assert_allclose(share, [[0, 3 / 4, 1 / 4], [nan, 0, 1 / 4]])
    per_cell = 1e6 / (4 * PIXEL)
    np.testing.assert_allclose(density, [[0, per_cell, per_cell], [nan, 0, per_cell]], rtol=1e-5)


def test_a_landslide_across_cells_counts_once_and_its_area_is_shared(tmp_path):
    values = np.zeros((6, 6))
    values[1:5, 1:3] = 1
    path = tmp_path / "density.tif"
    write_inventory(map_of(values), tmp_path / "x.gpkg", InventorySettings(cell=20), density=path)
    with rasterio.open(path) as file:
        density, share, _ = file.read()
    np.testing.assert_allclose(share[:, :2], [[0.25, 0.25], [0.5, 0.5], [0.25, 0.25]])
    assert np.count_nonzero(density) == 1
    assert share.sum() == pytest.approx(2)
