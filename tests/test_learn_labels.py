"""Labels from polygons and rasters."""

import sys
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from lscube.errors import InventoryError, MissingExtraError
from lscube.grid import bounds_of, make_grid
from lscube.learn import IGNORE, make_labels
from lscube.learn.labels import describe_extent
from lscube.settings import LabelSettings

GRID = GeoBox((40, 60), Affine(10, 0, 500_000, 0, -10, 4_740_000), "EPSG:32654")
BLOCK = shapely.box(500_100, 4_739_800, 500_300, 4_739_900)  # columns 10..29, rows 10..19


def write(path: Path, shapes, crs=32654, to=4326) -> LabelSettings:
    geopandas.GeoDataFrame(geometry=shapes, crs=crs).to_crs(to).to_file(path)
    return LabelSettings(inventory=path)


def block() -> np.ndarray:
    expected = np.zeros(GRID.shape, dtype=np.uint8)
    expected[10:20, 10:30] = 1
    return expected


def test_polygons_in_another_crs(tmp_path):
    labels = make_labels(write(tmp_path / "inventory.geojson", [BLOCK]), GRID)
    assert labels.dims == ("y", "x")
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, block())
    assert labels.odc.geobox == GRID


def test_invalid_rings_are_repaired(tmp_path):
    west, south, east, north = BLOCK.bounds
    bow = shapely.Polygon([(west, south), (east, north), (east, south), (west, north)])
    assert not bow.is_valid
    labels = make_labels(write(tmp_path / "bow.gpkg", [bow], to=32654), GRID).values
    assert 0 < labels.sum() < block().sum()
    assert not (labels & ~block()).any()


def test_lines_and_far_polygons_do_not_count(tmp_path):
    line = shapely.LineString([(500_000, 4_739_990), (500_600, 4_739_610)])
    far = shapely.box(500_000, 5_740_000, 500_100, 5_740_100)
    np.testing.assert_array_equal(
        make_labels(write(tmp_path / "a.geojson", [BLOCK, line, far]), GRID), block()
    )


def test_outside_the_mapped_extent_is_ignored(tmp_path):
    settings = write(tmp_path / "a.geojson", [BLOCK])
    extent = tmp_path / "extent.geojson"
    write(extent, [shapely.box(500_000, 4_739_600, 500_200, 4_740_000)])
    labels = make_labels(settings.model_copy(update={"mapped_extent": extent}), GRID).values
    np.testing.assert_array_equal(labels[:, :20], block()[:, :20])
    assert (labels[:, 20:] == IGNORE).all()


def test_mapped_extent_in_degrees(tmp_path):
    settings = write(tmp_path / "a.geojson", [BLOCK])
    west, south, east, north = (
        geopandas.GeoSeries([shapely.box(*bounds_of(GRID))], crs=32654).to_crs(4326).total_bounds
    )
    bounds = (west - 1, south - 1, (west + east) / 2, north + 1)
    labels = make_labels(settings.model_copy(update={"mapped_extent": bounds}), GRID).values
    assert (labels[:, 31:] == IGNORE).all()
    assert (labels[:, :29] != IGNORE).all()


def test_mapped_extent_elsewhere_is_refused(tmp_path):
    settings = write(tmp_path / "a.geojson", [BLOCK])
    elsewhere = settings.model_copy(update={"mapped_extent": (1.0, 2.0, 3.0, 4.0)})
    with pytest.raises(InventoryError, match="mapped extent"):
        make_labels(elsewhere, GRID)


def test_what_cannot_serve_is_refused(tmp_path):
    with pytest.raises(InventoryError, match="found no file"):
        make_labels(LabelSettings(inventory=tmp_path / "none.gpkg"), GRID)
    line = shapely.LineString([(500_000, 4_739_990), (500_600, 4_739_610)])
    with pytest.raises(InventoryError, match="found none"):
        make_labels(write(tmp_path / "lines.geojson", [line]), GRID)
    (tmp_path / "text.geojson").write_text("no")
    with pytest.raises(InventoryError, match="cannot be read"):
        make_labels(LabelSettings(inventory=tmp_path / "text.geojson"), GRID)
    far = shapely.box(500_000, 5_740_000, 500_100, 5_740_100)
    with pytest.raises(InventoryError, match=r"grid \(141\.0.*covers 141\.0.*51\.8"):
        make_labels(write(tmp_path / "far.geojson", [far]), GRID)


def write_raster(path: Path, values: np.ndarray, west: float, north: float, nodata=None) -> Path:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=values.shape[0],
        width=values.shape[1],
        count=1,
        dtype=values.dtype,
        crs="EPSG:32654",
        transform=Affine(10, 0, west, 0, -10, north),
        nodata=nodata,
    ) as target:
        target.write(values, 1)
    return path


def test_raster_is_labelled_at_its_threshold(tmp_path):
    values = np.zeros((40, 30), dtype=np.uint8)
    values[10, 10:14] = [49, 50, 51, 255]
    values[11, 10] = 77
    path = write_raster(tmp_path / "p.tif", values, 500_000, 4_740_000, nodata=77)
    labels = make_labels(LabelSettings(raster=path, threshold=50), GRID).values
    assert labels[10, 10:14].tolist() == [0, 1, 1, 1]
    assert labels[11, 10] == IGNORE
    assert (labels[:, 30:] == IGNORE).all()
    assert (labels[:10, :30] == 0).all()


def test_a_raster_is_labelled_by_what_it_says(tmp_path):
    """Percent in hundredths by the file's scale; what its mask leaves out is ignored."""
    values = np.full((40, 40), 4900, np.uint16)
    values[10:20] = 5000
    path = write_raster(tmp_path / "p.tif", values, 500_000, 4_740_000)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.scales = (0.01,)
        mask = np.full((40, 40), 255, np.uint8)
        mask[15:] = 0
        file.write_mask(mask)
    plain = np.where(mask == 0, 77, values // 100).astype(np.uint8)
    other = write_raster(tmp_path / "q.tif", plain, 500_000, 4_740_000, nodata=77)
    told, wanted = (
        make_labels(LabelSettings(raster=file, threshold=50), GRID).values for file in (path, other)
    )
    np.testing.assert_array_equal(told, wanted)
    assert set(np.unique(told)) == {0, 1, IGNORE}


def test_raster_elsewhere_is_refused(tmp_path):
    path = write_raster(tmp_path / "p.tif", np.ones((4, 4), np.uint8), 500_000, 5_740_000)
    with pytest.raises(InventoryError, match="overlap"):
        make_labels(LabelSettings(raster=path), GRID)
    with pytest.raises(InventoryError, match="cannot be read"):
        make_labels(LabelSettings(raster=tmp_path / "none.tif"), GRID)


IBURI_EXTENT = (141.890336431133, 42.72387491272443, 141.97612554076642, 42.76950932915771)


def test_published_confidence_of_iburi(shared_data):
    """Only its rows 0..507 and columns 0..954 were predicted; the rest is ignored."""
    path = shared_data / "iburi-2018" / "published_model_confidence.tif"
    with rasterio.open(path) as source:
        expected = (source.read(1)[:508, :955] >= 50).mean()
        corners = (*(source.transform @ (0, 508)), *(source.transform @ (955, 0)))
    assert corners == pytest.approx(IBURI_EXTENT, abs=1e-9)
    grid = make_grid(shapely.box(*IBURI_EXTENT).buffer(0.01), 10.0)
    settings = LabelSettings(raster=path, threshold=50, mapped_extent=IBURI_EXTENT)
    labels = make_labels(settings, grid).values
    known = labels != IGNORE
    area = geopandas.GeoSeries([shapely.box(*IBURI_EXTENT)], crs=4326).to_crs(str(grid.crs)).area[0]
    assert known.sum() * 100 == pytest.approx(area, rel=0.001)
    assert (labels[known] == 1).mean() == pytest.approx(expected, rel=0.01)


def test_geoparquet_and_shapefile_give_the_same_labels(tmp_path):
    frame = geopandas.GeoDataFrame(geometry=[BLOCK], crs=32654)
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_file(tmp_path / "a.shp")
    for name in ("a.parquet", "a.shp"):
        labels = make_labels(LabelSettings(inventory=tmp_path / name), GRID)
        np.testing.assert_array_equal(labels, block())


def test_damaged_geoparquet_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(InventoryError, match="cannot be read"):
        make_labels(LabelSettings(inventory=path), GRID)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    geopandas.GeoDataFrame(geometry=[BLOCK], crs=32654).to_parquet(tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"lscube\[parquet\]"):
        make_labels(LabelSettings(inventory=tmp_path / "a.parquet"), GRID)


def test_what_was_done_to_the_inventory_is_counted(tmp_path):
    west, south, east, north = BLOCK.bounds
    bow = shapely.Polygon([(west, south), (east, north), (east, south), (west, north)])
    line = shapely.LineString([(west, south), (east, north)])
    far = shapely.box(500_000, 5_740_000, 500_100, 5_740_100)
    settings = write(tmp_path / "a.gpkg", [BLOCK, bow, line, far], to=32654)
    found = make_labels(settings, GRID).attrs
    assert (found["repaired"], found["dropped"]) == (1, 1)
    assert found["polygons"] == 3  # the block and the two halves of the bow


def test_outlines_can_be_ignored(tmp_path):
    settings = write(tmp_path / "a.gpkg", [BLOCK], to=32654)
    labels = make_labels(settings.model_copy(update={"boundary": 10.0}), GRID).values
    expected = block()
    expected[9:21, 9:31] = IGNORE  # centres lie 5 m inside and outside of the outline
    expected[11:19, 11:29] = 1
    corners = [(9, 9), (9, 30), (20, 9), (20, 30)]  # 7.07 m from the corner: near enough as well
    assert all(expected[corner] == IGNORE for corner in corners)
    np.testing.assert_array_equal(labels, expected)


def test_metres_under_degrees_are_refused(tmp_path):
    path = tmp_path / "wrong.gpkg"
    geopandas.GeoDataFrame(geometry=[BLOCK], crs=4326).to_file(path)
    with pytest.raises(
        InventoryError, match=r"Expected degrees.*EPSG:4326.*500100.*assign the CRS"
    ):
        make_labels(LabelSettings(inventory=path), GRID)


def test_an_extent_across_the_antimeridian_says_so():
    assert "across the antimeridian" in describe_extent((179.0, -18.0, -179.0, -17.0))
    assert "across" not in describe_extent((141.0, 42.0, 142.0, 43.0))
