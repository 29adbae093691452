"""The command line: bad input gets one clear sentence and exit code 2, nothing half-written."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from lscube.cli import main
from lscube.cube import read_cube
from lscube.cube.masks import Reason
from lscube.settings import make_job
from tests.scenes import EVENT_TIME, NORTH, WEST, degrees, inner_area, simple_event


def write_inventory(path: Path, count: int = 6) -> Path:
    """Squares of 100 m, in degrees."""
    features = []
    for index in range(count):
        west, south = WEST + 300 + 150 * index, NORTH - 700
        x1, y1, x2, y2 = degrees((west, south, west + 100, south + 100))
        ring = [[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": {}, "geometry": geometry})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture
def given(tmp_path) -> dict[str, str]:
    """Options that work."""
    return {
        "--source": str(simple_event(tmp_path)),
        "--aoi": ",".join(str(value) for value in inner_area()),
        "--event-time": EVENT_TIME,
    }


def run(command: str, options: dict[str, str | None], *more: str) -> int:
    words = [word for name, value in options.items() if value is not None for word in (name, value)]
    return main([command, *words, *more])


def error_of(capsys) -> str:
    """The one line on standard error beside what was logged."""
    said = capsys.readouterr().err.strip().splitlines()
    lines = [line for line in said if " WARNING lscube." not in line]
    assert len(lines) == 1, lines
    return lines[0]


def test_search_lists_and_freezes(given, tmp_path, capsys):
    assert run("search", given, "--out", str(tmp_path / "frozen.json")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[:3]] == ["before", "after", "surface"]
    assert run("search", given | {"--source": str(tmp_path / "frozen.json")}) == 0


def test_cube_is_written(given, tmp_path, capsys):
    out = tmp_path / "cube.zarr"
    assert run("cube", given, "--out", str(out), "--set", 'cube.bands=["red"]') == 0
    assert "pixels of red" in capsys.readouterr().out
    assert out.is_dir()


BAD = {
    "no area file": ({"--aoi": "nowhere.geojson"}, "Expected an area of interest at"),
    "area is no GeoJSON": ({"--aoi": "items.json.txt"}, "Expected GeoJSON or another vector file"),
    "area has three numbers": ({"--aoi": "1,2,3"}, "Expected --aoi as a file or four numbers"),
    "area outside every scene": ({"--aoi": "10,10,11,11"}, "Expected an area within the scenes"),
    "no event time": ({"--event-time": None}, "the event's time is missing, give --event-time"),
    "event time is no time": ({"--event-time": "soon"}, "Expected the event's time"),
    "event after every scene": (
        {"--event-time": "2031-01-01"},
        "Expected a scene before the event",
    ),
    "event before every scene": (
        {"--event-time": "2018-01-01"},
        "Expected a scene before the event",
    ),
    "no scene after": ({"--event-time": "2018-12-01"}, "Expected a scene after the event"),
    "no items": ({"--source": "nothing.json"}, "Expected STAC items at"),
    "no source": ({"--source": None}, "the source of the scenes is missing, give --source"),
    "unknown setting": ({"--set": "cube.bnads=1"}, "unknown setting 'cube.bnads'"),
    "setting without a value": ({"--set": "cube.bands"}, "Expected --set section.name=value"),
    "band that no item has": ({"--set": 'cube.bands=["nir"]'}, "band 'nir'"),
    "no surface model": ({"--set": 'source.dsm_collections=["x"]'}, "Expected a surface model"),
    "no such asset": ({"--set": "source.dsm_asset=dem"}, "asset 'dem'"),
    "job file missing": ({"--job": "job.toml"}, "Expected a job file at"),
    "area in no order": ({"--aoi": "142,42,141,43"}, "west, south, east, north"),
    "zone of another continent": ({"--set": "area.epsg=32601"}, "set area.epsg to 32654"),
    "no UTM zone": ({"--set": "area.epsg=4326"}, "must be a UTM zone"),
    "class that SCL does not have": ({"--set": "cube.mask_classes=[-1]"}, "cube.mask_classes"),
    "no bands": ({"--set": "cube.bands=[]"}, "cube.bands"),
    "infinite resolution": ({"--set": "area.resolution=inf"}, "area.resolution"),
    "event in the year 9999": ({"--event-time": "9999-12-31"}, "1972 to 2100"),
    "endless search": ({"--set": "source.days_before=99999999999"}, "source.days_before"),
    "section that is a value": ({"--set": "event.time.x=1"}, "to be a section"),
    "items are a folder": ({"--source": "."}, "Expected STAC items at"),
    "negative resolution": ({"--resolution": "-10"}, "area.resolution"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_to_cube(given, tmp_path, monkeypatch, capsys, case):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "items.json.txt").write_text("hello")
    changes, words = BAD[case]
    assert run("cube", given | changes, "--out", "cube.zarr") == 2
    message = error_of(capsys)
    assert message.startswith("Error: ")
    assert words in message
    assert not (tmp_path / "cube.zarr").exists()


def test_a_file_that_does_not_open_is_named_and_ends_in_3(given, tmp_path, capsys):
    (tmp_path / "after" / "red.tif").write_bytes(b"no image")
    assert run("cube", given, "--out", str(tmp_path / "cube.zarr")) == 3
    assert "post: after" in capsys.readouterr().err
    observed = read_cube(tmp_path / "cube.zarr")["observed"]
    assert (observed == Reason.UNREADABLE_SOURCE << 8).all()


def test_existing_cube_is_not_overwritten(given, tmp_path, capsys):
    (tmp_path / "cube.zarr").mkdir()
    assert run("cube", given, "--out", str(tmp_path / "cube.zarr")) == 2
    assert "Expected no file at" in error_of(capsys)


def test_unknown_option_and_command(given, capsys):
    assert run("cube", given, "--frobnicate") == 2
    assert main(["frobnicate"]) == 2
    assert "frobnicate" in capsys.readouterr().err


def test_model_that_is_not_there(given, tmp_path, capsys):
    out = tmp_path / "map.zarr"
    assert run("predict", given, "--model", str(tmp_path / "none"), "--out", str(out)) == 2
    assert "Expected a saved model" in error_of(capsys)
    assert not out.exists()


def test_training_without_labels(given, tmp_path, capsys):
    assert run("train", given, "--out", str(tmp_path / "model")) == 2
    assert "Expected labels" in error_of(capsys)


def test_evaluating_nothing(given, tmp_path, capsys):
    inventory = str(write_inventory(tmp_path / "inventory.geojson"))
    options = given | {"--inventory": inventory, "--map": str(tmp_path / "none.zarr")}
    assert run("evaluate", options, "--out", str(tmp_path / "scores.json")) == 2
    assert "Expected a finished map at" in error_of(capsys)


def test_demo_needs_an_empty_folder(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep")
    assert main(["demo", "--out", str(tmp_path), "--overwrite"]) == 2
    assert "Expected an empty folder" in error_of(capsys)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_overwrite_spares_a_folder_that_is_no_demo(tmp_path, capsys):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "precious").write_text("keep")
    assert main(["demo", "--out", str(tmp_path), "--overwrite"]) == 2
    assert "Expected an empty folder" in error_of(capsys)
    assert (tmp_path / "model" / "precious").read_text() == "keep"


BROKEN_ITEMS = {
    "nothing": lambda items: items.clear(),
    "an empty feature": lambda items: items.update(features=[{}]),
    "no such projection": lambda items: items["features"][0]["properties"].update(
        {"proj:code": "EPSG:abc"}
    ),
    "geometry of no kind": lambda items: items["features"][0].update(geometry={"type": "Blob"}),
    "no place": lambda items: items["features"][0].update(geometry=None, bbox=None),
    "transform in words": lambda items: items["features"][0]["assets"]["red"].update(
        {"proj:transform": ["a"]}
    ),
    "offset in words": lambda items: items["features"][0]["assets"]["red"].update(
        {"raster:bands": [{"offset": "x"}]}
    ),
}


@pytest.mark.parametrize("case", BROKEN_ITEMS)
def test_broken_items(given, tmp_path, capsys, case):
    path = tmp_path / "items.json"
    items = json.loads(path.read_text())
    BROKEN_ITEMS[case](items)
    path.write_text(json.dumps(items))
    assert run("cube", given, "--out", str(tmp_path / "cube.zarr")) == 2
    assert error_of(capsys).startswith("Error: Expected ")


def test_outputs_that_cannot_be_written(given, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    below = str(tmp_path / "file" / "out")
    inventory = str(write_inventory(tmp_path / "inventory.geojson"))
    for command in ("search", "cube", "train"):
        options = given | ({"--inventory": inventory} if command == "train" else {})
        assert run(command, options, "--out", below) == 2
        assert "Expected to write" in error_of(capsys)
    assert main(["demo", "--out", str(tmp_path / "file")]) == 2
    assert "Expected to write" in error_of(capsys)


def test_scenes_without_classification_are_named(given, tmp_path, capsys):
    assert run("cube", given, "--out", str(tmp_path / "cube.zarr")) == 0
    assert "before: reflectance offset 0" in (out := capsys.readouterr().out)
    assert "no scene classification, all taken as clear" in out


def test_settings_are_all_described(capsys):
    assert main(["settings"]) == 0
    text = capsys.readouterr().out
    assert "[train]" in text
    assert "None (" not in text  # a setting without a sentence


def test_every_command_shows_an_example(capsys):
    for command in ("search", "cube", "train", "predict", "evaluate", "demo", "events", "settings"):
        assert main([command, "--help"]) == 0
        shown = capsys.readouterr().out
        assert re.search(rf"Examples?:\n    lscube {command}", shown), shown


def test_job_files_start_paths_from_the_data_folder(given, tmp_path, capsys):
    folder = tmp_path / "jobs"
    folder.mkdir()
    aoi = np.array(given["--aoi"].split(","), float).tolist()
    (folder / "job.toml").write_text(
        f'[event]\ntime = "{EVENT_TIME}"\n[area]\naoi = {aoi}\n[source]\ncatalogs = "items.json"\n'
    )
    assert main(["search", "--job", str(folder / "job.toml"), "--data", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["search", "--job", str(folder / "job.toml")]) == 2
    assert "jobs/items.json" in error_of(capsys)


def test_a_job_knows_what_was_given():
    content = {
        "event": {"id": "e", "time": "2018-09-05"},
        "source": {"catalogs": "items.json"},
        "train": {"epochs": 3},
    }
    job = make_job(content, Path("/data"))
    assert job.source.catalogs == (Path("/data/items.json"),)
    assert job.train.model_fields_set == {"epochs"}
    assert job.model_fields_set == {"event", "source", "train"}


def test_several_sources_are_asked_in_order(given, tmp_path, capsys):
    sources = ["--source", str(tmp_path / "nothing.json"), "--source", given["--source"]]
    rest = {name: value for name, value in given.items() if name != "--source"}
    assert run("search", rest, *sources) == 0
    out = capsys.readouterr().out
    assert "nothing.json was passed over for scenes" in out
    assert "after" in out


def test_an_event_of_the_registry_brings_time_and_area(given, capsys):
    words = ["search", "--source", given["--source"], "--event", "iburi-2018"]
    assert main(words) == 0
    assert "before" in capsys.readouterr().out
    assert main([*words[:-1], "iburi"]) == 2
    assert "iburi-2018" in error_of(capsys)
    assert main(["events"]) == 0
    assert "kaikoura-2016" in capsys.readouterr().out


def test_all_that_is_known_of_an_event_is_shown(capsys):
    assert main(["events", "--show", "kaikoura-2016"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^landslides +547$", out, flags=re.MULTILINE)
    assert re.search(r"^post_sensors +Sentinel-2$", out, flags=re.MULTILINE)
    assert main(["events", "--show", "kaikura"]) == 2
    assert "did you mean 'kaikoura-2016'" in error_of(capsys)


def test_events_of_ones_own_bring_time_and_area(given, tmp_path, capsys):
    own = tmp_path / "own"
    own.mkdir()
    lines = f"""
        [own-2018]
        name = "The simple event"
        trigger = "rainfall"
        time = {EVENT_TIME}
        time_source = "the test"
        aoi = {list(inner_area())}
        aoi_is = "part"
        aoi_source = "the test"
    """
    (own / "mine.toml").write_text(lines, encoding="utf-8")
    assert main(["events", "--registry", str(own)]) == 0
    out = capsys.readouterr().out
    assert "own-2018" in out
    assert "iburi-2018" in out
    assert main(["events", "--registry", str(tmp_path / "none")]) == 2
    capsys.readouterr()
    words = ["search", "--source", given["--source"], "--event", "own-2018"]
    assert main(words) == 2
    assert "own-2018" in error_of(capsys)
    assert main([*words, "--set", f"event.registry='{own}'"]) == 0
    assert "before" in capsys.readouterr().out


def test_a_cube_says_how_its_images_compare_and_draws_them(given, tmp_path, capsys):
    picture = tmp_path / "cube.png"
    words = ["--out", str(tmp_path / "cube.zarr"), "--picture", str(picture)]
    assert run("cube", given, *words) == 0
    out = capsys.readouterr().out
    assert "clear: 100.0 % before, 100.0 % after, 100.0 % in both" in out
    # The scenes are flat: nothing to measure a shift by, and it says so.
    assert "warning: the shift between the images could not be measured" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
