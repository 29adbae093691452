"""A published run made again: the same, or what moved since."""

import json
import shutil
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread

import numpy as np
import pystac
import pytest
import rasterio

from lscube.cli import main
from lscube.deliveries import AtHand, current_inputs, reproduce
from lscube.deliveries.inputs import Etags
from lscube.errors import ModelError, SceneError, SettingsError, SourceError, StoreError
from lscube.mapping.opening import manifest_of
from lscube.products import Publication, publish_map
from lscube.products.reproduce import (
    compare_pixels,
    missing_inputs,
    moved_inputs,
    moved_settings,
    read_run,
)
from tests.publishing import NOW, load_stand_in, make_map, save_stand_in, write_event
from tests.servers.quiet import QuietServer

BANDS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A published run, and the folder of its scenes."""
    folder = tmp_path_factory.mktemp("made")
    write_event(folder)
    model = save_stand_in(folder / "model")
    mapped, scenes = make_map(folder, model.folder, folder / "map.zarr")
    inputs = tuple(current_inputs(scenes, BANDS).values())
    what = Publication(models=(model,), inputs=inputs, now=NOW)
    publish_map(folder / "map.zarr", folder / "published", what)
    return folder, mapped


@pytest.fixture
def scenes(made, tmp_path):
    """A copy of the scenes that a test may change."""
    for name in ("before", "after", "surface"):
        shutil.copytree(made[0] / name, tmp_path / "scenes" / name)
    shutil.copyfile(made[0] / "items.json", tmp_path / "scenes" / "items.json")
    return tmp_path / "scenes"


def again(made, scenes, out, **changes):
    at_hand = AtHand((scenes / "items.json",), load=load_stand_in)
    return reproduce(made[0] / "published", out, replace(at_hand, **changes))


def change_items(scenes, change):
    path = scenes / "items.json"
    content = json.loads(path.read_text())
    content["features"] = [one for one in content["features"] if change(one) is not None]
    path.write_text(json.dumps(content))


def test_the_same_input_elsewhere_gives_the_same_map(made, scenes, tmp_path):
    verdict = again(made, scenes, tmp_path / "again.zarr")
    assert verdict.equal
    assert (verdict.moved, verdict.pixels) == ((), ())


def test_a_map_that_stands_there_is_not_taken_for_a_new_one(made, scenes):
    with pytest.raises(StoreError, match=r"Expected no map at .* to make it again there"):
        again(made, scenes, made[0] / "map.zarr")


def test_the_run_is_found_by_item_collection_or_folder(made):
    published = made[0] / "published"
    by_folder = read_run(published)
    paths = [published / "collection.json", by_folder.item.self_href]
    for where in paths:
        assert read_run(where).digests == by_folder.digests
    assert list(by_folder.inputs) == ["before", "after", "surface"]
    model = pystac.Collection.from_file(str(paths[0])).get_item(
        f"landslide-unet-{by_folder.manifest['model']['sha256'][0][:12]}"
    )
    for where in (model.self_href, published / "none.json", made[0] / "items.json"):
        with pytest.raises(SourceError, match=r"Expected (a published run|an item)"):
            read_run(where)


def test_a_changed_file_is_named_and_its_pixels_counted(made, scenes, tmp_path):
    with rasterio.open(scenes / "after" / "red.tif") as file:
        pixels, profile = file.read(1), file.profile
    pixels[70, 50] += 500
    profile.pop("tiled")
    with rasterio.open(scenes / "after" / "red.tif", "w", **{**profile, "driver": "GTiff"}) as file:
        file.write(pixels, 1)
    verdict = again(made, scenes, tmp_path / "again.zarr")
    assert not verdict.equal
    assert verdict.moved[0] == "input after: red has another checksum"
    (line,) = verdict.pixels
    assert line.startswith("probability: ")
    assert "of 20,480 pixels differ, by up to 0." in line


def test_a_reprocessed_item_is_named_even_where_the_map_is_the_same(made, scenes, tmp_path):
    def reprocess(item):
        if item["id"] == "before":
            item["properties"] |= {
                "s2:processing_baseline": "05.11",
                "updated": "2026-01-01T00:00:00Z",
            }
        return item

    change_items(scenes, reprocess)
    verdict = again(made, scenes, tmp_path / "again.zarr")
    assert verdict.equal
    assert verdict.moved[0] == (
        "input before: s2:processing_baseline was 05.10, is 05.11; updated was None, is 2026-01-01T00:00:00Z"
    )


def test_a_missing_item_is_named(made, scenes, tmp_path, capsys):
    change_items(scenes, lambda item: None if item["id"] == "before" else item)
    with pytest.raises(SceneError, match=r"input before: missing\); give catalogues"):
        again(made, scenes, tmp_path / "again.zarr")
    given = ["--source", str(scenes / "items.json"), "--out", str(tmp_path / "again.zarr")]
    assert main(["reproduce", str(made[0] / "published"), *given]) == 2
    assert "input before: missing" in capsys.readouterr().err
    assert not (tmp_path / "again.zarr").exists()


def test_more_scenes_than_the_run_had_do_not_get_in(made, scenes, tmp_path):
    path = scenes / "items.json"
    content = json.loads(path.read_text())
    other = json.loads(json.dumps(content["features"][1]))
    other["id"] = "later"
    other["properties"]["datetime"] = "2018-09-20T01:30:00Z"
    content["features"].append(other)
    path.write_text(json.dumps(content))
    assert again(made, scenes, tmp_path / "again.zarr").equal


def test_another_model_is_told_without_running(made, scenes, tmp_path, capsys):
    other = save_stand_in(tmp_path / "other", b"another network").folder
    verdict = again(made, scenes, tmp_path / "again.zarr", models=(other,))
    assert not verdict.equal
    assert verdict.moved[0].startswith("model: was ")
    assert not (tmp_path / "again.zarr").exists()
    given = ["--model", str(other), "--out", str(tmp_path / "again.zarr")]
    assert main(["reproduce", str(made[0] / "published"), *given]) == 3
    assert capsys.readouterr().out.startswith("different\n  not run")


def test_a_model_that_is_not_there_or_damaged_is_asked_for(made, scenes, tmp_path):
    published = tmp_path / "published"
    shutil.copytree(made[0] / "published", published)
    (folder,) = published.glob("landslide-unet-*")
    (folder / "model.keras").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="changed after it was saved"):
        reproduce(published, tmp_path / "again.zarr", AtHand((scenes / "items.json",)))
    shutil.rmtree(folder)
    with pytest.raises(SourceError, match="cannot be read"):
        read_run(published)
    item = next(path for path in published.glob("e-*/e-*.json"))
    with pytest.raises(
        ModelError, match=r"Expected 1 model.* found 0; give their folders with --model"
    ):
        reproduce(item, tmp_path / "again.zarr", AtHand((scenes / "items.json",)))


def test_files_of_the_makers_machine_are_asked_for(made, tmp_path):
    with pytest.raises(SceneError, match="before was read from files of the machine"):
        reproduce(made[0] / "published", tmp_path / "again.zarr", AtHand(load=load_stand_in))
    publish_map(made[0] / "map.zarr", tmp_path / "bare", Publication(now=NOW))
    at_hand = AtHand(models=(made[0] / "model",), load=load_stand_in)
    with pytest.raises(SceneError, match="Expected the run's input items in what was published"):
        reproduce(tmp_path / "bare", tmp_path / "again.zarr", at_hand)


def test_an_unfinished_run_is_not_made_again(made, scenes, tmp_path):
    published = tmp_path / "published"
    shutil.copytree(made[0] / "published", published)
    (path,) = published.glob("e-*/e-*.json")
    path.write_text(path.read_text().replace('"lscube:finished": true', '"lscube:finished": false'))
    with pytest.raises(SourceError, match="was published unfinished"):
        reproduce(published, tmp_path / "again.zarr", AtHand((scenes / "items.json",)))


def test_a_mask_is_asked_for_by_name(made, scenes, tmp_path):
    published = tmp_path / "published"
    shutil.copytree(made[0] / "published", published)
    (path,) = published.glob("e-*/manifest.json")
    manifest = json.loads(path.read_text())
    manifest["cube"]["mask"] = "lakes.gpkg"
    path.write_text(json.dumps(manifest))
    at_hand = AtHand((scenes / "items.json",), data=tmp_path, load=load_stand_in)
    with pytest.raises(SettingsError, match=r"Expected the mask lakes.gpkg .* with --data"):
        reproduce(published, tmp_path / "again.zarr", at_hand)


@pytest.fixture
def run(made):
    return read_run(made[0] / "published")


def test_what_moved_is_told_a_line_each(run):
    current = json.loads(json.dumps(dict(run.inputs)))
    assert list(moved_inputs(run, current)) == []
    del current["surface"]
    current["before"]["assets"]["red"]["href"] = "https://example.com/new.tif"
    current["after"]["assets"]["scl"]["file:checksum"] = "1220" + 64 * "0"
    assert list(moved_inputs(run, current)) == [
        "input before: lacks red.tif",
        "input after: scl has another checksum",
        "input surface: missing",
    ]
    assert missing_inputs(run, current) == ["surface"]


def test_an_etag_counts_where_both_are_known(run):
    run.inputs["before"]["assets"]["red"] = {"href": "red.tif", "lscube:etag": '"1"'}
    current = json.loads(json.dumps(dict(run.inputs)))
    current["before"]["assets"]["red"]["lscube:etag"] = '"2"'
    assert list(moved_inputs(run, current)) == ["input before: red has another ETag"]
    del current["before"]["assets"]["red"]["lscube:etag"]
    assert list(moved_inputs(run, current)) == []


def test_servers_are_asked_for_etags_and_dead_ones_only_once():
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            asked.append(self.path)
            self.send_response(404 if "gone" in self.path else 200)
            self.send_header("ETag", f'"of {self.path}"')
            self.end_headers()

        def log_message(self, *words):
            pass

    ask = Etags(timeout=5)
    with QuietServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert ask(f"{address}/a.tif") == '"of /a.tif"'
        assert ask(f"{address}/gone.tif") is None
        server.shutdown()
    assert ask(f"{address}/b.tif") is None
    with QuietServer(("127.0.0.1", server.server_port), Handler) as server:
        assert ask(f"{address}/a.tif") is None
    assert asked == ["/a.tif", "/gone.tif"]


def test_versions_and_settings_are_told(run, made):
    manifest = json.loads(json.dumps(manifest_of(made[1])))
    assert list(moved_settings(run, manifest)) == []
    for content, masked in (("a" * 64, run.manifest), ("b" * 64, manifest)):
        masked["masks"] = {"mask": content}
    assert list(moved_settings(run, manifest)) == [
        f"content of the mask: was {'a' * 64}, is {'b' * 64}"
    ]
    manifest["masks"] = run.manifest["masks"]
    manifest |= {"lscube": "9.9", "pixels": 99}
    manifest["cube"]["dilation"] = 0.0
    manifest["model"]["trained_on"] = ["elsewhere"]
    assert list(moved_settings(run, manifest)) == [
        f"version of lscube: was {run.manifest['lscube']}, is 9.9",
        "version of the method: was 2, is 99",
        "cube.dilation: was 60.0, is 0.0",
    ]


def test_pixels_are_counted_against_the_published_map(run, made, tmp_path):
    mapped = made[1].load().copy(deep=True)
    assert list(compare_pixels(run, mapped)) == []
    known = np.argwhere(np.isfinite(mapped["probability"].to_numpy()))
    (row, column), (other_row, other_column) = known[0], known[-1]
    was = float(mapped["probability"][row, column])
    mapped["probability"][row, column] = was + 0.4 if was < 0.5 else was - 0.4
    mapped["probability"][other_row, other_column] = np.nan
    assert list(compare_pixels(run, mapped)) == [
        "probability: 2 of 20,480 pixels differ, by up to 0.4"
    ]
    for path in Path(run.item.self_href).parent.glob("map.zarr"):
        path.rename(tmp_path / "moved.zarr")
    try:
        assert list(compare_pixels(run, mapped)) == ["probability: other pixels"]
    finally:
        (tmp_path / "moved.zarr").rename(Path(run.item.self_href).parent / "map.zarr")


def test_the_command_line_with_a_real_network(made, scenes, tmp_path, capsys):
    from tests.networks import save_tiny

    save_tiny(tmp_path / "tiny")
    job = [
        *("--source", str(scenes / "items.json"), "--event", "e"),
        *("--event-time", "2018-09-05T18:07:00Z", "--aoi", "141.9,42.75,141.91,42.76"),
    ]
    windows = [f"--set=predict.{name}" for name in ("core=32", "margin=16", "precision=float32")]
    model = ["--model", str(tmp_path / "tiny")]
    store, out = str(tmp_path / "map.zarr"), tmp_path / "published"
    assert main(["predict", *job, *windows, *model, "--out", store]) == 0
    assert main(["publish", *job, *model, "--map", store, "--out", str(out)]) == 0
    capsys.readouterr()
    given = ["--source", str(scenes / "items.json"), "--out", str(tmp_path / "again.zarr")]
    assert main(["reproduce", str(out), *given]) == 0
    assert capsys.readouterr().out == "equal: all pixels are the same\n"
