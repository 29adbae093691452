"""Vector files as people have them: layers, rings that are none, archives, broken files."""

import gzip
import json
import logging
import struct
import warnings
import zipfile

import geopandas
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import shapely
from affine import Affine
from hypothesis import example, given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely.geometry import GeometryCollection, LineString, MultiPolygon, Point, Polygon, box

from lscube.cube.user_mask import open_user_mask
from lscube.errors import AreaError, InputError, InventoryError, SettingsError
from lscube.grid import read_area
from lscube.learn import make_labels
from lscube.mapping.identity import mask_digests
from lscube.products.report.reading import read_inventory
from lscube.settings import AreaSettings, CubeSettings, LabelSettings, make_job
from lscube.vectors import AREA, EXTENT, INVENTORY, MASK, read_features
from lscube.vectors.rings import kind_of, take_rings

GRID = GeoBox((40, 60), Affine(10, 0, 500_000, 0, -10, 4_740_000), "EPSG:32654")
BLOCK = box(500_100, 4_739_800, 500_300, 4_739_900)  # 20 x 10 pixels
OTHER = box(500_400, 4_739_700, 500_500, 4_739_750)  # 10 x 5 pixels

SQUARE = [[10, 45], [11, 45], [11, 46], [10, 46], [10, 45]]


def layered(path, **layers):
    """A GeoPackage with these layers."""
    for name, (shapes, crs) in layers.items():
        mode = "a" if path.exists() else "w"
        frame = geopandas.GeoDataFrame(geometry=shapes, crs=32654).to_crs(crs)
        frame.to_file(path, layer=name, mode=mode)
    return path


def geojson(path, *geometries):
    """Geometries as they are written, whatever they are."""
    features = [{"type": "Feature", "properties": {}, "geometry": one} for one in geometries]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def polygon(*rings):
    return {"type": "Polygon", "coordinates": list(rings)}


# Layers


@pytest.fixture
def several(tmp_path):
    """A study area, landslides in two layers of different CRS, and where people stood."""
    return layered(
        tmp_path / "event.gpkg",
        study=([box(500_000, 4_739_600, 500_600, 4_740_000)], 32654),
        west=([BLOCK], 32654),
        east=([OTHER], 4326),
        stands=([Point(500_000, 4_739_990)], 32654),
    )


def test_an_inventory_of_several_layers_is_refused_with_their_names(several):
    with pytest.raises(
        InventoryError, match=r"study \(Polygon\), west .*layername=study"
    ) as refused:
        make_labels(LabelSettings(inventory=several), GRID)
    assert "stands (Point)" in str(refused.value)


@pytest.mark.parametrize("how", ["path", "setting", "job"])
def test_the_named_layer_is_the_inventory(several, how):
    named = f"{several}|layername=west"
    settings = {
        "path": lambda: LabelSettings(inventory=named),
        "setting": lambda: LabelSettings(inventory=several, layer="west"),
        "job": lambda: (
            make_job(
                {
                    "event": {"id": "e"},
                    "source": {"catalogs": "x"},
                    "labels": {"inventory": several.name, "layer": "west"},
                },
                several.parent,
            ).labels
        ),
    }[how]()
    assert (make_labels(settings, GRID) == 1).sum() == 200
    assert LabelSettings.model_validate(settings.model_dump()) == LabelSettings(inventory=named)


def test_the_layer_that_is_called_landslides_is_taken_and_that_is_told(tmp_path, caplog):
    path = layered(
        tmp_path / "a.gpkg",
        study=([box(*GRID.boundingbox)], 32654),
        landslides=([BLOCK, OTHER], 32654),
    )
    assert (make_labels(LabelSettings(inventory=path), GRID) == 1).sum() == 250
    assert "study (Polygon), landslides (Polygon), landslides is read" in caplog.text


def test_points_beside_the_polygons_leave_one_layer(tmp_path, caplog):
    path = layered(tmp_path / "a.gpkg", scars=([BLOCK], 32654), seen=([Point(1, 1)], 32654))
    assert (make_labels(LabelSettings(inventory=path), GRID) == 1).sum() == 200
    assert "scars is read" in caplog.text


def test_all_layers_of_an_area_and_of_a_mask_count_together(tmp_path):
    path = layered(tmp_path / "a.gpkg", one=([BLOCK], 32654), two=([OTHER], 4326))
    degrees = geopandas.GeoSeries([BLOCK, OTHER], crs=32654).to_crs(4326)
    assert read_area(path).symmetric_difference(degrees.union_all()).area < 1e-12
    assert open_user_mask(path, 32654).read(GRID).sum() == 250
    extent = LabelSettings(inventory=f"{path}|layername=one", mapped_extent=path)
    assert (make_labels(extent, GRID) != 255).sum() == 250


def test_a_layer_of_an_area_and_of_a_mask_can_be_named(tmp_path):
    path = layered(tmp_path / "a.gpkg", one=([BLOCK], 32654), two=([OTHER], 32654))
    named = path.with_name("a.gpkg|layername=two")
    degrees = geopandas.GeoSeries([OTHER], crs=32654).to_crs(4326).iloc[0]
    assert AreaSettings(aoi=path, layer="two").aoi == named
    assert read_area(named).symmetric_difference(degrees).area < 1e-12
    assert open_user_mask(named, 32654).read(GRID).sum() == 50
    other = path.with_name("a.gpkg|layername=one")
    digests = [mask_digests(CubeSettings(mask=mask))["mask"] for mask in (path, named, other)]
    assert len(set(digests)) == 3


def test_layers_that_are_not_there_are_refused_with_those_that_are(several):
    for reading, error in (
        (lambda path: read_area(path), AreaError),
        (lambda path: open_user_mask(path, 32654), SettingsError),
        (lambda path: make_labels(LabelSettings(inventory=path), GRID), InventoryError),
        (read_inventory, InventoryError),
    ):
        with pytest.raises(error, match=r"a layer 'none' .*found study \(Polygon\), west"):
            reading(several.with_name("event.gpkg|layername=none"))


def test_a_layer_without_a_file_is_refused():
    with pytest.raises(ValueError, match="give one as 'aoi'"):
        AreaSettings(aoi=(1, 2, 3, 4), layer="a")
    with pytest.raises(ValueError, match="give one of the two"):
        LabelSettings(inventory="a.gpkg|layername=a", layer="b")


def test_a_file_with_a_bar_in_its_name_is_that_file(tmp_path):
    geojson(tmp_path / "a|layername=b", polygon(SQUARE))
    assert read_area(tmp_path / "a|layername=b").area == pytest.approx(1)


def test_the_layer_of_an_inventory_of_a_map_can_be_named(several):
    frame = read_inventory(several.with_name("event.gpkg|layername=west"))
    assert frame.area.sum() == pytest.approx(BLOCK.area)
    with pytest.raises(InventoryError, match="Expected one layer"):
        read_inventory(several)


# Rings


OPEN, TWO, ONE, NAN = SQUARE[:4], SQUARE[:2], SQUARE[:1], [[10, 45], [math_nan := float("nan")] * 2]


@pytest.mark.parametrize(
    ("rings", "closed", "area"),
    [
        ([OPEN], True, 1),
        ([SQUARE, TWO], False, 1),
        ([SQUARE, []], False, 1),
        ([[*SQUARE[:3], SQUARE[0]], ONE], False, 0.5),
        ([OPEN, [[10.2, 45.2], [10.4, 45.2], [10.4, 45.4], [10.2, 45.4]]], True, 1 - 0.04),
        ([SQUARE, [[10.2, 45.2], [math_nan, 45.2], [10.4, 45.4], [10.2, 45.2]]], False, 1),
    ],
)
def test_a_polygon_keeps_what_encloses_something(tmp_path, caplog, rings, closed, area):
    path = geojson(tmp_path / "a.geojson", polygon(*rings))
    assert read_area(path).area == pytest.approx(area)
    features = read_features(path, INVENTORY)
    assert features.frame["repaired"].tolist() == [True]
    assert ("closed open rings of 1" if closed else "left out rings of 1") in caplog.text


@pytest.mark.parametrize(
    "broken",
    [
        polygon(),
        polygon([]),
        polygon(ONE),
        polygon(TWO),
        polygon([SQUARE[0], SQUARE[1], SQUARE[0]]),
        polygon([[10, 45], [math_nan, 45], [11, 46], [10, 45]]),
        polygon([[math_nan, 45], [11, 45], [11, 46], [math_nan, 45]]),
        polygon([[10, 45], [float("inf"), 45], [11, 46], [10, 45]]),
        polygon([[10, 45], [None, None], [11, 46], [10, 45]]),
        polygon([[10, 45], ["a", "b"], [11, 46], [10, 45]]),
        {"type": "MultiPolygon", "coordinates": [[ONE]]},
        {"type": "GeometryCollection", "geometries": []},
        {"type": "Point", "coordinates": [10, 45]},
        {"type": "LineString", "coordinates": SQUARE},
        None,
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_what_encloses_nothing_is_left_out_and_counted(tmp_path, caplog, broken):
    path = geojson(tmp_path / "a.geojson", polygon(SQUARE), broken, broken)
    for use in (AREA, INVENTORY, EXTENT, MASK):
        caplog.clear()
        features = read_features(path, use)
        assert (len(features.frame), features.dropped) == (1, 2)
        assert "Of 3 features" in caplog.text
        assert "left out 2 that are no polygons" in caplog.text
    assert read_area(path).area == pytest.approx(1)
    geojson(path, broken, broken)
    for use in (AREA, INVENTORY, EXTENT, MASK):
        with pytest.raises(use.error, match=r"found none, found .* instead; draw"):
            read_features(path, use)


def test_one_bad_island_does_not_cost_the_others(tmp_path):
    islands = {"type": "MultiPolygon", "coordinates": [[SQUARE], [ONE], [OPEN]]}
    nested = {"type": "GeometryCollection", "geometries": [polygon(TWO), islands]}
    path = geojson(tmp_path / "a.geojson", nested)
    (shape,) = read_features(path, AREA).frame.geometry
    assert shapely.get_num_geometries(shapely.get_parts(shape)).sum() == 2
    assert read_area(path).area == pytest.approx(1)


def test_multipolygons_in_collections_are_landslides(tmp_path):
    nested = GeometryCollection([MultiPolygon([BLOCK, OTHER]), LineString(BLOCK.exterior)])
    geopandas.GeoDataFrame(geometry=[nested], crs=32654).to_file(tmp_path / "a.gpkg")
    labels = make_labels(LabelSettings(inventory=tmp_path / "a.gpkg"), GRID)
    assert (labels == 1).sum() == 250


def broken_binary(*rings, order="<", head=b""):
    """Well-known binary of a polygon with rings that no library would write."""
    parts = [struct.pack(f"{order}I", len(rings))]
    for ring in rings:
        parts.append(struct.pack(f"{order}I", len(ring)))
        parts += [struct.pack(f"{order}{len(point)}d", *point) for point in ring]
    kind = head or struct.pack(f"{order}I", 3)
    return bytes([order == "<"]) + kind + b"".join(parts)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("head", "extra"),
    [
        ((3,), ()),
        ((1003,), (5.0,)),
        ((2003,), (5.0,)),
        ((3003,), (5.0, 6.0)),
        ((0x80000003,), (5.0,)),
        ((0xC0000003,), (5.0, 6.0)),
        ((0x20000003, 4326), ()),
    ],
)
def test_open_rings_are_closed_in_every_dialect(order, head, extra):
    ring = [(*point, *extra) for point in OPEN]
    code = b"".join(struct.pack(f"{order}I", number) for number in head)
    rings = take_rings(np.array([broken_binary(ring, order=order, head=code)], object))
    assert rings.closed.tolist() == [True]
    assert rings.geometries[0].equals(box(10, 45, 11, 46))


@given(st.binary(max_size=80), st.binary(max_size=80))
@example(bytes(4), b"")
def test_damaged_binaries_are_no_polygons_but_no_trouble(start, end):
    whole = broken_binary(SQUARE)
    for binary in (b"\1" + start, whole[:9] + start, whole[: len(start)], whole + end):
        assert kind_of(binary)
        (shape,) = take_rings(np.array([binary], object)).geometries
        assert shape is None or isinstance(shape, shapely.Geometry)


def test_what_is_nested_too_deep_is_no_trouble():
    nested = b"\1" + struct.pack("<II", 7, 1)
    (shape,) = take_rings(np.array([nested * 5000], object)).geometries
    assert shape is None


RINGS = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=8, unique=True),
    min_size=1,
    max_size=3,
)


@given(RINGS)
def test_closed_by_us_is_as_drawn_closed(rings):
    drawn = [Polygon(ring) for ring in rings]
    binaries = np.array([broken_binary(ring) for ring in rings], object)
    found = take_rings(binaries)
    assert found.closed.all()
    assert not found.lost.any()
    assert all(map(shapely.equals_exact, found.geometries, drawn))


# Files


@pytest.mark.parametrize(
    "name", ["a.geojson", "a.gpkg", "a.shp", "a.fgb", "a.gml", "a.parquet", "a.gdb", "a.shz"]
)
def test_every_format_gives_the_same_polygons(tmp_path, name):
    frame = geopandas.GeoDataFrame({"a": [1, 2]}, geometry=[BLOCK, OTHER], crs=32654)
    if name == "a.parquet":
        frame.to_parquet(tmp_path / name)
    else:
        frame.to_file(tmp_path / name)
    labels = make_labels(LabelSettings(inventory=tmp_path / name), GRID)
    assert (labels == 1).sum() == 250
    assert read_area(tmp_path / name).area == pytest.approx(
        frame.to_crs(4326).union_all().area, rel=1e-9
    )


KML = """<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{}</Document></kml>"""
FOLDER = """<Folder><name>{}</name><Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>
{}</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></Folder>"""


def test_folders_of_kml_are_layers(tmp_path):
    corners = " ".join(f"{x},{y}" for x, y in SQUARE)
    moved = " ".join(f"{x + 2},{y}" for x, y in OPEN)
    path = tmp_path / "a.kml"
    path.write_text(KML.format(FOLDER.format("one", corners) + FOLDER.format("two", moved)))
    assert read_area(path).area == pytest.approx(2)
    assert read_area(tmp_path / "a.kml|layername=two").bounds == (12, 45, 13, 46)
    with pytest.raises(InventoryError, match=r"one .*, two"):
        read_features(path, INVENTORY)


def test_archives_are_looked_into(tmp_path):
    path = geojson(tmp_path / "a.geojson", polygon(SQUARE))
    (tmp_path / "a.geojson.gz").write_bytes(gzip.compress(path.read_bytes()))
    geopandas.GeoDataFrame(geometry=[box(12, 45, 13, 46)], crs=4326).to_file(tmp_path / "b.shp")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for part in tmp_path.glob("b.*"):
            if part.suffix != ".zip":
                archive.write(part, part.name)
    assert read_area(tmp_path / "a.geojson.gz").bounds == (10, 45, 11, 46)
    assert read_area(tmp_path / "b.zip").bounds == (12, 45, 13, 46)


def opened_ring(content):
    """A file's bytes, BLOCK's last point in them moved a little: its ring is then open."""
    corner = struct.pack("<2d", *shapely.get_coordinates(BLOCK)[0])
    at = content.rindex(corner)
    assert content.index(corner) < at
    return (
        content[:at]
        + struct.pack("<2d", BLOCK.bounds[2] - 1, BLOCK.bounds[1] + 0.5)
        + content[at + 16 :]
    )


@pytest.mark.parametrize("name", ["a.gpkg", "a.shp", "a.fgb", "a.parquet"])
def test_open_rings_in_every_format(tmp_path, name):
    frame, path = geopandas.GeoDataFrame(geometry=[BLOCK, OTHER], crs=32654), tmp_path / name
    if name == "a.parquet":
        frame.to_parquet(path)
        table = pyarrow.parquet.read_table(path)
        binaries = [opened_ring(shapely.to_wkb(BLOCK)), shapely.to_wkb(OTHER)]
        column = pyarrow.array(binaries, pyarrow.binary())
        pyarrow.parquet.write_table(table.set_column(0, "geometry", column), path)
    else:
        frame.to_file(path)
        path.write_bytes(opened_ring(path.read_bytes()))
    labels = make_labels(LabelSettings(inventory=path), GRID)
    assert labels.attrs["repaired"] == 1
    assert (labels == 1).sum() == 250


def test_attributes_are_not_looked_at(tmp_path):
    path = tmp_path / "a.shp"
    geopandas.GeoDataFrame({"a": ["eboulement"]}, geometry=[BLOCK], crs=32654).to_file(path)
    table = path.with_suffix(".dbf")
    table.write_bytes(table.read_bytes().replace(b"eboulement", b"\xe9boulement"))
    with pytest.raises(UnicodeDecodeError):
        geopandas.read_file(path)
    assert (make_labels(LabelSettings(inventory=path), GRID) == 1).sum() == 200
    assert read_area(path).area > 0
    assert open_user_mask(path, 32654).read(GRID).sum() == 200


def broken_files(folder):
    """Files that no library reads, each in its own way."""
    frame = geopandas.GeoDataFrame(geometry=[BLOCK] * 50, crs=32654)
    for name in ("short.gpkg", "short.fgb", "alone.shp"):
        frame.to_file(folder / name)
    for name in ("short.gpkg", "short.fgb"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
    (folder / "alone.shx").unlink()
    (folder / "text.geojson").write_text("no polygons")
    (folder / "half.geojson").write_text('{"type": "FeatureCollection", "features": [{"typ')
    (folder / "other.geojson").write_text('{"a": 1}')
    (folder / "nothing.geojson").write_text("")
    (folder / "bad.parquet").write_bytes(b"PAR1 and nothing else")
    (folder / "bad.zip").write_bytes(b"PK and nothing else")
    (folder / "bad.geojson.gz").write_bytes(b"\x1f\x8b and nothing else")
    frame.drop(columns="geometry").assign(a=1).to_parquet(folder / "table.parquet")
    return sorted(path for path in folder.iterdir() if path.suffix not in (".cpg", ".dbf", ".prj"))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_broken_files_are_one_sentence(tmp_path):
    for path in broken_files(tmp_path):
        for use in (AREA, INVENTORY, EXTENT, MASK):
            with pytest.raises(use.error, match=r"cannot be read|found .* instead") as refused:
                read_features(path, use)
            assert path.name in str(refused.value)
            assert "\n" not in str(refused.value)
        with pytest.raises(InputError, match=path.name):
            read_inventory(path)


def test_a_crs_that_is_not_of_the_earth_is_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wkt = 'LOCAL_CS["a building",UNIT["metre",1]]'
        geopandas.GeoDataFrame(geometry=[BLOCK], crs=wkt).to_file(tmp_path / "a.gpkg")
    for use in (AREA, INVENTORY, MASK):
        with pytest.raises(use.error, match=r"a CRS of the Earth .*assign"):
            read_features(tmp_path / "a.gpkg", use)


def test_what_was_done_is_a_warning_of_the_log(tmp_path, caplog):
    path = geojson(tmp_path / "a.geojson", polygon(OPEN), polygon(ONE), polygon(SQUARE))
    with caplog.at_level(logging.WARNING, "lscube"):
        read_area(path)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    caplog.clear()
    read_area(geojson(path, polygon(SQUARE)))
    assert not caplog.records
