"""A published run: valid, complete, movable, and without secrets.

No package on the index carries the JSON schemas of STAC's extensions (pystac 1.15 bundles the core's
alone; stac-validator, stac-check, stac-pydantic, stac-model, rustac and others were looked into), so
each extension's fields are read through its class in `pystac.extensions`:

| what | checked with |
|---|---|
| items and collection (STAC 1.1.0) | JSON schemas in pystac-core |
| projection 2.0.0 | `...projection.ProjectionExtension` (pystac-ext-projection) |
| raster 1.1.0 | `...raster.RasterExtension` (pystac-ext-raster) |
| classification 2.0.0 | `...classification.ClassificationExtension` (pystac-ext-classification) |
| version 1.2.0 | `...version.VersionExtension` (pystac-ext-version) |
| file 2.1.0 | `...file.FileExtension` (pystac-ext-file) |
| mlm 1.4.0 | `...mlm.MLMExtension` (pystac-ext-mlm) |
| processing 1.2.0 | `...processing.ProcessingExtension` (pystac-ext-processing) |
| Zarr conventions multiscales, proj, spatial 0.1 | zarr-cm, in `test_publish_rasters.py` |
"""

import hashlib
import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import geopandas
import numpy as np
import pystac
import pytest
import rasterio
import shapely
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import colormaps
from matplotlib.image import imread
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.mlm import AssetGeneralMLMExtension, MLMExtension, TaskType
from pystac.extensions.processing import ProcessingExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.extensions.version import VersionExtension
from pystac.validation import validate_dict

from lscube.cli import main
from lscube.cube.masks import Reason
from lscube.deliveries import current_inputs
from lscube.errors import InputError, InventoryError, ModelError, SettingsError, StoreError
from lscube.files import appearing_folder
from lscube.mapping import open_map
from lscube.products import Publication, publish_map, run_id
from lscube.products.portable import is_local, portable
from lscube.products.rasters import digest_pixels
from lscube.products.stac.assets import draw_thumbnail, store_href
from lscube.products.stac.run_item import box_of
from tests.publishing import NOW, make_map, save_stand_in, write_event
from tests.servers.files import s3_bucket

BANDS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A map, what it was made of, and an inventory."""
    folder = tmp_path_factory.mktemp("made")
    write_event(folder)
    model = save_stand_in(folder / "model")
    mapped, scenes = make_map(folder, model.folder, folder / "map.zarr")
    frame = geopandas.GeoDataFrame(
        {"id": [1], "run_id": [run_id(mapped)]},
        geometry=[shapely.box(573_700, 4_734_300, 573_800, 4_734_400)],
        crs=32654,
    )
    frame.to_file(folder / "inventory.gpkg")
    (folder / "shown.png").write_bytes(b"\x89PNG\r\n\x1a\na picture")
    return folder, mapped, scenes, model


@pytest.fixture(scope="module")
def what(made):
    folder, _, scenes, model = made
    return Publication(
        inventory=folder / "inventory.gpkg",
        models=(model,),
        pictures=(folder / "shown.png",),
        inputs=tuple(current_inputs(scenes, BANDS).values()),
        facility="Observatory",
        now=NOW,
    )


@pytest.fixture(scope="module")
def published(made, what, tmp_path_factory):
    """Published, then moved: nothing may depend on where it was written."""
    folder = tmp_path_factory.mktemp("out")
    publish_map(made[0] / "map.zarr", folder / "first", what)
    (folder / "first").rename(folder / "moved")
    return folder / "moved"


def items_of(folder):
    found = list(pystac.Collection.from_file(str(folder / "collection.json")).get_items())
    run = next(item for item in found if "lscube:run_id" in item.properties)
    return run, [item for item in found if item is not run]


def href(item, key):
    return item.assets[key].get_absolute_href()


def documents(folder):
    paths = [path for path in folder.rglob("*.json") if path.name != "zarr.json"]
    return [said for path in paths if "stac_version" in (said := json.loads(path.read_text()))]


def test_all_documents_are_valid_and_can_be_walked(published):
    found = documents(published)
    assert sorted(one["type"] for one in found) == ["Collection", "Feature", "Feature"]
    for one in found:
        validate_dict(one, extensions=[])
    collection = pystac.Collection.from_file(str(published / "collection.json"))
    assert [len(list(items)) for _, _, items in collection.walk()] == [2]
    assert collection.extent.temporal.intervals[0][0].isoformat() == "2018-09-05T18:07:00+00:00"


def test_every_extension_that_is_named_was_checked_here(published):
    known = (
        *(ProjectionExtension, RasterExtension, ClassificationExtension, VersionExtension),
        *(FileExtension, MLMExtension, ProcessingExtension),
    )
    uris = {kind.get_schema_uri() for kind in known}
    named = [uri for one in documents(published) for uri in one.get("stac_extensions", [])]
    assert set(named) == uris
    run, models = items_of(published)
    assert all(len(set(i.stac_extensions)) == len(i.stac_extensions) for i in (run, *models))


def test_the_item_says_where_when_and_how(published, made):
    run, _ = items_of(published)
    grid = made[1].odc.geobox
    projection = ProjectionExtension.ext(run)
    assert (projection.code, projection.shape) == ("EPSG:32654", list(grid.shape))
    assert projection.transform == list(grid.affine)[:6]
    assert shapely.geometry.shape(run.geometry).bounds == pytest.approx(run.bbox)
    processing = ProcessingExtension.ext(run)
    assert processing.level == "L4"
    assert "lscube" in processing.software
    assert processing.facility == "Observatory"
    assert "median before" in processing.lineage
    assert VersionExtension.ext(run).version == run_id(made[1])
    assert run.id == f"e-{run_id(made[1])}"
    assert run.datetime == datetime(2018, 9, 5, 18, 7, tzinfo=UTC)
    assert run.common_metadata.end_datetime == datetime(2018, 10, 1, 23, 59, 59, tzinfo=UTC)
    assert run.properties["lscube:finished"] is True
    inside = (made[1]["area"].to_numpy() & 1) == 0
    share = made[1]["probability"].notnull().to_numpy()[inside].mean()
    assert run.properties["lscube:mapped_share"] == pytest.approx(share, abs=1e-6)
    assert 0.8 < share < 1


def test_bands_say_what_their_numbers_mean(published, made):
    run, _ = items_of(published)
    (band,) = RasterExtension.ext(run.assets["probability"]).bands
    assert (band.data_type, band.nodata, band.scale, band.offset) == ("uint8", 255, 0.004, 0)
    values = made[1]["probability"].to_numpy()
    known = values[np.isfinite(values)]
    assert band.statistics.mean == pytest.approx(known.mean(), abs=1e-5)
    assert band.statistics.valid_percent == pytest.approx(100 * known.size / values.size, abs=1e-4)
    with rasterio.open(href(run, "probability")) as file:
        np.testing.assert_allclose(file.read(1, masked=True).filled(255)[np.isfinite(values)] * 0.004,
                                   known, atol=1e-6)  # fmt: skip


def test_the_bits_of_observed_are_named(published):
    run, _ = items_of(published)
    fields = ClassificationExtension.ext(run.assets["observed"]).bitfields
    assert [field.offset for field in fields] == list(range(16))
    assert {field.length for field in fields} == {1}
    cloud = fields[8 + int(Reason.CLOUD).bit_length() - 1]
    assert (cloud.name, cloud.description) == ("post_cloud", "Cloud after the event")
    with rasterio.open(href(run, "observed")) as file:
        clouded = (file.read(1) >> cloud.offset) & 1
    assert clouded.sum() >= 20 * 30


def test_files_have_the_size_and_checksum_that_is_said(published):
    run, (model,) = items_of(published)
    kinds = {key for key in run.assets if not Path(href(run, key)).is_dir()}
    assert kinds == {
        *("probability", "observed", "thumbnail", "inventory", "manifest", "inputs", "picture-1"),
    }
    for item, keys in ((run, kinds), (model, model.assets)):
        for key in keys:
            content = Path(href(item, key)).read_bytes()
            said = FileExtension.ext(item.assets[key])
            assert said.size == len(content)
            assert said.checksum == "1220" + hashlib.sha256(content).hexdigest()


def test_the_model_is_an_item_with_what_it_takes_and_gives(published, made):
    run, (item,) = items_of(published)
    mlm = MLMExtension.ext(item)
    assert mlm.tasks == [TaskType.SEMANTIC_SEGMENTATION]
    assert [(one.name, one.bands, one.input.shape[-1]) for one in mlm.input] == [
        ("pre", list(BANDS), 3),
        ("post", list(BANDS), 3),
        ("elevation", [], 1),
    ]
    assert [band["name"] for band in item.properties["bands"]] == list(BANDS)
    (output,) = mlm.output
    assert [one.name for one in output.classes] == ["background", "landslide"]
    assert (mlm.framework, mlm.framework_version, mlm.pretrained) == ("Keras", "3.15.1", False)
    assert mlm.hyperparameters.to_dict()["threshold"] == 0.5
    asset = item.assets["mlm:model"]
    assert "mlm:model" in asset.roles
    assert AssetGeneralMLMExtension.ext(asset).artifact_type == "keras.Model.save"
    assert run.properties["lscube:model_sha256"] == [made[3].sha256]
    assert VersionExtension.ext(item).version == made[3].sha256[:12]
    targets = [link.get_absolute_href() for link in run.get_links("derived_from")]
    assert item.get_self_href() in targets


def test_the_map_is_there_as_it_was(published, made):
    run, _ = items_of(published)
    copy = open_map(href(run, "map"))
    xr.testing.assert_equal(copy, made[1])
    assert run_id(copy) == run_id(made[1])
    assert digest_pixels(copy) == run.properties["lscube:pixels_sha256"]
    assert run.assets["map"].media_type == "application/vnd.zarr; version=3"
    tree = xr.open_datatree(href(run, "pyramid"), engine="zarr")
    assert list(tree.children) == ["0"]  # so small a map needs no coarser one


def test_relative_paths_are_as_good(made, published, tmp_path, monkeypatch):
    monkeypatch.chdir(made[0])
    out = Path(os.path.relpath(tmp_path / "new" / "run"))
    publish_map(Path("map.zarr"), out, Publication(now=NOW))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run"]
    run, _ = items_of(tmp_path / "new" / "run")
    assert run.id == items_of(published)[0].id
    assert Path(href(run, "probability")).is_file()


def test_publishing_does_not_touch_the_map(made, what, tmp_path):
    def content():
        files = (made[0] / "map.zarr").rglob("*")
        return {path: path.read_bytes() for path in files if path.is_file()}

    before = content()
    publish_map(made[0] / "map.zarr", tmp_path / "out", what)
    assert content() == before


def test_it_is_derived_from_each_input_item(published):
    run, _ = items_of(published)
    links = [link for link in run.get_links("derived_from") if "#" in link.href]
    assert [link.title for link in links] == ["before", "after", "surface"]
    for link in links:
        name, pointer = link.href.split("#")
        found = json.loads((Path(run.self_href).parent / name).read_text())
        for step in pointer.split("/")[1:]:
            found = found[int(step)] if isinstance(found, list) else found[step]
        assert found["id"] == link.title


def test_an_input_with_an_address_is_linked_to_by_it(made, what, tmp_path):
    signed = "https://example.com/items/before?sig=secret&v=2"
    first = {
        **what.inputs[0],
        "links": [{"rel": "self", "href": signed.replace("sig=secret&", "")}],
    }
    out = tmp_path / "out"
    publish_map(made[0] / "map.zarr", out, replace(what, inputs=(first,)))
    hrefs = {link.title: link.href for link in items_of(out)[0].get_links("derived_from")}
    assert hrefs["before"] == "https://example.com/items/before?v=2"
    assert hrefs["after"] == "./manifest.json#/items/after"


def texts_in(folder):
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "model.keras":
            yield path, path.read_bytes()


def test_no_path_of_this_machine_gets_out(published, made):
    forbidden = [
        str(made[0]),
        str(Path.home()),
        str(Path.cwd()),
        str(Path(__file__).parent),
        "/tmp",
    ]
    for path, content in texts_in(published):
        for word in forbidden:
            assert word.encode() not in content, path
    for one in documents(published):
        assert not any(is_local(link["href"]) for link in one["links"])
        assert not any(is_local(asset["href"]) for asset in one.get("assets", {}).values())


SECRETS = (b"sig=", b"X-Amz", b"token", b"Signature", b"AWSAccessKeyId", b"hunter2")


def test_no_signature_gets_out(made, tmp_path):
    """Items as a signing catalogue gives them, and a manifest and notes with addresses in them."""
    folder, _, scenes, model = made
    store = tmp_path / "map.zarr"
    shutil.copytree(folder / "map.zarr", store)
    group = zarr.open_group(store, mode="r+")
    group.attrs["notes"] = [f"{folder}/items.json was passed over"]
    signed = "https://user:hunter2@example.com/{}.tif?sv=1&sig=abc&token=x&X-Amz-Signature=y"
    item = scenes.pre[0].clone()
    for key, asset in item.assets.items():
        asset.href = signed.format(key)
    item.set_self_href(signed.format("item"))
    given = replace(scenes, pre=(item,))
    asked = []
    inputs = current_inputs(given, BANDS, lambda href: asked.append(href) or '"etag"')
    out = tmp_path / "out"
    what = Publication(models=(model,), inputs=tuple(inputs.values()), now=NOW)
    publish_map(store, out, what)
    for path, content in texts_in(out):
        for word in (*SECRETS, str(tmp_path).encode(), str(folder).encode()):
            assert word not in content, path
    frozen = json.loads(Path(href(items_of(out)[0], "inputs")).read_text())["features"][0]
    assert frozen["assets"]["red"]["lscube:etag"] == '"etag"'
    assert frozen["assets"]["red"]["href"] == "https://example.com/red.tif"
    assert len(asked) == 3  # what is read of a scene without a classification


def test_the_run_has_the_same_name_wherever_its_files_lie(made, tmp_path):
    folder, mapped, _, _ = made
    shutil.copytree(folder, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("*.zarr"))
    again, _ = make_map(
        tmp_path / "elsewhere", tmp_path / "elsewhere" / "model", tmp_path / "m.zarr"
    )
    assert run_id(again) == run_id(mapped)
    assert len(run_id(again)) == 12


@settings(deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"(/[a-z]{1,5}){1,4}( [a-z]+)?", fullmatch=True))
def test_making_portable_twice_gives_the_same(text):
    once = portable(text)
    assert portable(once) == once


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("/home/maker/scenes/b 04.tif", "b 04.tif"),
        ("file:///home/maker/b04.tif", "b04.tif"),
        (r"C:\Users\maker\b04.tif", "b04.tif"),
        ("see /home/maker/items.json, it is old", "see items.json, it is old"),
        ("https://example.com/a/b.tif", "https://example.com/a/b.tif"),
        ("s3://bucket/a/b.tif", "s3://bucket/a/b.tif"),
        ("POLYGON ((1 2, 3 4))", "POLYGON ((1 2, 3 4))"),
        ("./a/b.tif", "./a/b.tif"),
        ("days since 1970/01/01", "days since 1970/01/01"),
        ("/", "/"),
    ],
)
def test_paths_become_names_and_addresses_stay(given, left):
    assert portable({"x": [given]}) == {"x": [left]}


def test_a_box_across_the_antimeridian_has_its_west_in_the_east():
    both = shapely.MultiPolygon([shapely.box(179, 10, 180, 11), shapely.box(-180, 10, -179.5, 11)])
    assert box_of(both) == (179, 10, -179.5, 11)
    assert box_of(shapely.box(1, 2, 3, 4)) == (1, 2, 3, 4)


def test_a_map_elsewhere_is_linked_to(made, tmp_path):
    assert store_href("s3://bucket/map.zarr", tmp_path / "out" / "e-1") == "s3://bucket/map.zarr"
    store = tmp_path / "map.zarr"
    shutil.copytree(made[0] / "map.zarr", store)
    publish_map(store, tmp_path / "out", Publication(store="link", now=NOW))
    run, _ = items_of(tmp_path / "out")
    assert run.assets["map"].href == "../../map.zarr"
    assert "pyramid" not in run.assets  # there is no coarser level
    xr.testing.assert_equal(open_map(href(run, "map")), made[1])
    with pytest.raises(StoreError, match="copy it with --zarr copy, or publish beside it"):
        publish_map(made[0] / "map.zarr", tmp_path / "other", Publication(store="link"))
    publish_map(store, tmp_path / "bare", Publication(store="none", pyramid=False, now=NOW))
    assert "map" not in items_of(tmp_path / "bare")[0].assets


def test_a_map_without_any_landslide_or_any_sight(made, tmp_path):
    store = tmp_path / "map.zarr"
    shutil.copytree(made[0] / "map.zarr", store)
    group = zarr.open_group(store, mode="r+")
    group["probability"][:] = 255
    group["post_date"][:] = -32768
    publish_map(store, tmp_path / "out", Publication(now=NOW))
    run, _ = items_of(tmp_path / "out")
    statistics = RasterExtension.ext(run.assets["probability"]).bands[0].statistics
    assert (statistics.valid_percent, statistics.mean) == (0, None)
    assert run.properties["lscube:mapped_share"] == 0
    assert run.common_metadata.end_datetime == run.datetime
    for one in documents(tmp_path / "out"):
        validate_dict(one, extensions=[])


def test_an_unfinished_map_is_refused_unless_asked_for(made, tmp_path):
    shutil.copytree(made[0] / "map.zarr", tmp_path / "map.zarr.partial")
    with pytest.raises(StoreError, match=r"unfinished one.*--unfinished"):
        publish_map(tmp_path / "map.zarr", tmp_path / "out")
    publish_map(tmp_path / "map.zarr", tmp_path / "out", Publication(unfinished=True, now=NOW))
    run, _ = items_of(tmp_path / "out")
    assert run.properties["lscube:finished"] is False
    xr.testing.assert_equal(open_map(href(run, "map"))["probability"], made[1]["probability"])
    with pytest.raises(StoreError, match=r"Expected a finished map .* found nothing"):
        publish_map(tmp_path / "none.zarr", tmp_path / "other", Publication(unfinished=True))


def test_what_stands_there_is_left_alone(made, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(StoreError, match="Expected no file or folder"):
        publish_map(made[0] / "map.zarr", tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Expected to write"):
        publish_map(made[0] / "map.zarr", tmp_path / "file" / "out")


def test_the_thumbnail_shows_the_part_that_is_known(tmp_path):
    values = np.full((1400, 2100), 255, np.uint8)
    values[700:900, 300:1500] = 250
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "nodata": 255}
    with rasterio.open(
        tmp_path / "p.tif", "w", height=1400, width=2100, crs="EPSG:32654",
        transform=rasterio.Affine(10, 0, 0, 0, -10, 0), **profile,
    ) as file:  # fmt: skip
        file.write(values, 1)
        file.scales = (0.004,)
    draw_thumbnail(tmp_path / "t.png", tmp_path / "p.tif")
    image = imread(tmp_path / "t.png")
    height, width = image.shape[:2]
    assert 400 <= width <= 512
    assert height / width == pytest.approx(200 / 1200, rel=0.1)
    inner = image[5:-5, 5:-5, :3]
    assert (inner == inner[0, 0]).all()
    assert tuple(inner[0, 0]) == pytest.approx(colormaps["magma"](1.0)[:3], abs=0.01)


def test_a_failure_on_the_way_leaves_nothing(made, tmp_path):
    broken = Publication(inputs=({"id": "before", "links": [], "size": float("nan")},))
    with pytest.raises(ValueError, match="JSON"):
        publish_map(made[0] / "map.zarr", tmp_path / "out", broken)
    assert list(tmp_path.iterdir()) == []


def test_another_model_is_refused(made, tmp_path):
    other = save_stand_in(tmp_path / "other", b"another network")
    with pytest.raises(ModelError, match="Expected the model that made the map"):
        publish_map(made[0] / "map.zarr", tmp_path / "out", Publication(models=(other,)))


def test_an_inventory_of_another_map_or_crs_is_refused(made, tmp_path):
    folder, mapped, *_ = made
    frame = geopandas.read_file(folder / "inventory.gpkg")
    files = {
        "other.gpkg": frame.assign(run_id="000000000000"),
        "zone.gpkg": frame.to_crs(32653),
        "degrees.geojson": frame.to_crs(4326),
        "empty.parquet": frame.head(0),
    }
    for name, content in files.items():
        write = content.to_parquet if name.endswith("parquet") else content.to_file
        write(tmp_path / name)
    (tmp_path / "no.gpkg").write_text("no")

    def publish(name):
        publish_map(
            folder / "map.zarr",
            tmp_path / f"{name}.out",
            Publication(inventory=tmp_path / name, store="none", pyramid=False),
        )
        return items_of(tmp_path / f"{name}.out")[0].assets["inventory"]

    with pytest.raises(InventoryError, match=f"run {run_id(mapped)}, .* is of run 000000000000"):
        publish("other.gpkg")
    with pytest.raises(InventoryError, match=r"the map's CRS \(EPSG:32654\).* is in EPSG:32653"):
        publish("zone.gpkg")
    for name, reason in (("none.gpkg", "found none"), ("no.gpkg", "cannot be read")):
        with pytest.raises(InventoryError, match=reason):
            publish(name)
    assert publish("degrees.geojson").media_type == "application/geo+json"
    assert publish("empty.parquet").media_type == "application/vnd.apache.parquet"


def test_the_command_line_publishes_with_frozen_inputs(made, tmp_path, capsys):
    folder, *_ = made
    given = [
        *("--source", str(folder / "items.json"), "--event", "e"),
        *("--event-time", "2018-09-05T18:07:00Z", "--aoi", "141.9,42.72,141.91,42.76"),
    ]
    out = tmp_path / "out"
    command = ["publish", "--map", str(folder / "map.zarr"), "--model", str(folder / "model")]
    assert (
        main([*command, *given, "--inventory", str(folder / "inventory.gpkg"), "--out", str(out)])
        == 0
    )
    assert "collection.json" in capsys.readouterr().out
    frozen = json.loads(Path(href(items_of(out)[0], "inputs")).read_text())["features"]
    assert [item["id"] for item in frozen] == ["before", "after", "surface"]
    red = frozen[0]["assets"]["red"]
    content = (folder / "before" / "red.tif").read_bytes()
    assert red["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()
    assert urlsplit(red["href"]).path == "red.tif"
    assert main([*command, "--out", str(out)]) == 2
    assert "choose another name" in capsys.readouterr().err
    content = json.loads((folder / "items.json").read_text())
    content["features"][0]["id"] = "another"
    others = tmp_path / "items.json"
    others.write_text(json.dumps(content))
    given[1] = str(others)
    assert main([*command, *given, "--out", str(tmp_path / "other")]) == 2
    assert "but not before; give the job" in capsys.readouterr().err


def test_a_jobs_labels_are_not_the_maps_inventory(made, tmp_path):
    folder, *_ = made
    job = tmp_path / "job.toml"
    job.write_text(
        '[event]\nid = "e"\ntime = 2018-09-05T18:07:00Z\n[area]\naoi = [141.9, 42.72, 141.91, 42.76]\n'
        '[source]\ncatalogs = "items.json"\n[labels]\nraster = "before/red.tif"\n'
    )
    given = ["--job", str(job), "--data", str(folder), "--map", str(folder / "map.zarr")]
    inventory = ["--inventory", str(folder / "inventory.gpkg")]
    assert main(["publish", *given, *inventory, "--out", str(tmp_path / "out")]) == 0
    run, _ = items_of(tmp_path / "out")
    assert {"inventory", "inputs"} <= set(run.assets)


def test_an_inventory_goes_with_its_rules_and_totals(made, tmp_path, capsys):
    folder, *_ = made
    command = ["--map", str(folder / "map.zarr")]
    files = [str(tmp_path / name) for name in ("x.geoparquet", "summary.json")]
    assert main(["inventory", *command, "--out", files[0], "--summary", files[1]]) == 0
    given = ["--inventory", files[0], "--summary", files[1], "--out", str(tmp_path / "out")]
    assert main(["publish", *command, *given]) == 0
    asset = items_of(tmp_path / "out")[0].assets["inventory"]
    assert asset.media_type == "application/vnd.apache.parquet"
    assert asset.extra_fields["lscube:inventory"] == json.loads(Path(files[1]).read_text())
    capsys.readouterr()
    for wrong, said in (
        (files[0], "found something else"),
        (str(tmp_path / "none.json"), "found no such file"),
    ):
        given = ["--summary", wrong, "--out", str(tmp_path / "other")]
        assert main(["publish", *command, *given]) == 2
        assert said in capsys.readouterr().err


def test_what_is_no_picture_no_licence_and_no_finished_inventory_is_refused(made, tmp_path):
    folder, *_ = made
    (tmp_path / "no.png").write_text("text")
    frame = geopandas.read_file(folder / "inventory.gpkg").assign(finished=False)
    frame.to_file(tmp_path / "begun.gpkg")
    other = {"run_id": "0" * 12, "most_area_m2": 1.0}
    for error, what, said in (
        (InputError, Publication(pictures=(tmp_path / "no.png",)), "Expected a PNG file"),
        (SettingsError, Publication(license="not/a?licence"), "SPDX"),
        (
            InventoryError,
            Publication(inventory=tmp_path / "begun.gpkg"),
            "before the run had ended",
        ),
        (InventoryError, Publication(summary=other), "summary of an inventory of run"),
    ):
        with pytest.raises(error, match=said):
            publish_map(folder / "map.zarr", tmp_path / "out", what)


def test_the_second_of_two_publishers_is_told(made, tmp_path):
    slow = appearing_folder(tmp_path / "out")
    (slow.__enter__() / "file").touch()
    publish_map(made[0] / "map.zarr", tmp_path / "out", Publication(now=NOW))
    with pytest.raises(StoreError, match="found one; choose another name"):
        slow.__exit__(None, None, None)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "collection.json").is_file()


def test_a_map_in_a_repository_is_copied_as_plain_zarr(made, tmp_path):
    mapped, _ = make_map(made[0], made[0] / "model", tmp_path / "map.icechunk")
    publish_map(tmp_path / "map.icechunk", tmp_path / "out", Publication(now=NOW))
    run, _ = items_of(tmp_path / "out")
    assert run_id(mapped) == run_id(made[1])
    xr.testing.assert_equal(open_map(href(run, "map")), made[1])
    assert (Path(href(run, "map")) / "zarr.json").is_file()


def test_a_map_in_an_object_store_keeps_its_address_unless_a_copy_is_asked_for(made, tmp_path):
    with s3_bucket("maps", tmp_path / "nothing") as bucket:
        address = f"{bucket}/a.zarr"
        make_map(made[0], made[0] / "model", address)
        assert main(["publish", "--map", address, "--out", str(tmp_path / "link")]) == 0
        run, _ = items_of(tmp_path / "link")
        assert run.assets["map"].href == address
        assert digest_pixels(open_map(address)) == run.properties["lscube:pixels_sha256"]
        publish_map(address, tmp_path / "copy", Publication(store="copy", now=NOW))
    copied, _ = items_of(tmp_path / "copy")
    xr.testing.assert_equal(open_map(href(copied, "map")), made[1])
    assert copied.properties["lscube:run_id"] == run.properties["lscube:run_id"]
