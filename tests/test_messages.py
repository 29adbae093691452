"""What people give wrongly: a sentence in their words, before anything is imported or searched."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from lscube import cli
from lscube.cli import main
from lscube.cli.there import MAP
from lscube.errors import ModelError, SettingsError
from lscube.learn import load_model
from lscube.settings import load_experiment, make_chips_settings, make_job

WHOLE = {"event": {"id": "e", "time": "2018-09-05"}, "source": {"catalogs": "items.json"}}

WRONG = {
    "nothing": (
        None,
        "the event's time is missing, give --event-time .*; the source of the scenes",
    ),
    "no source": (
        {"source": None},
        r"the source of the scenes is missing, give --source \(source.cat",
    ),
    "no time": (
        {"event": {}},
        r"the event's time is missing, give --event-time \(event.time\), or",
    ),
    "no area": (
        {"event": {"time": "2018-09-05"}},
        r"the area is missing, give --aoi \(area.aoi\), a",
    ),
    "three numbers": (
        {"area": {"aoi": [1, 2, 3]}},
        r"area.aoi: expected a file or four numbers \(w.*",
    ),
    "five numbers": ({"area": {"aoi": [1, 2, 3, 4, 5]}}, r"four numbers .*, got \[1, 2, 3, 4, 5\]"),
    "words": ({"area": {"aoi": ["a", 2, 3, 4]}}, r"four numbers .*, got \['a', 2, 3, 4\]"),
    "a number": ({"split": {"test": 3}}, r"split.test: expected a file or four numbers .*, got 3"),
    "three metres": ({"train": {"area": [1, 2, 3]}}, "train.area: expected four numbers .*, got"),
    "another name": ({"source": {"catalogs": "x", "max_clouds": 3}}, "did you mean 'max_cloud'"),
    "another section": (
        {"train": {"resolution": 3}},
        "'train.resolution', did you mean 'area.resol",
    ),
    "no such section": ({"sorce": {}}, "unknown setting 'sorce', did you mean 'source'"),
    "a misspelt choice": ({"cube": {"pre": "medain"}}, "'medain', did you mean 'median'"),
    "text for a number": ({"area": {"resolution": "x"}}, "resolution: expected a number, got 'x'"),
    "text for a truth": ({"cube": {"coregister": "hm"}}, "expected true or false, got 'hm'"),
    "a number for text": (
        {"event": {"id": 3, "time": "2018-09-05"}},
        "event.id: expected text, got 3",
    ),
    "no section": ({"train": 3}, "train: expected a section, got 3"),
    "one of several": (
        {"source": {"catalogs": ["a", 3]}},
        r"catalogs\.1: expected text or a file, got 3",
    ),
    "neither": (
        {"cube": {"scale": "x"}},
        "cube.scale: expected a number or a table of numbers, got 'x'",
    ),
    "too little": ({"source": {"catalogs": "a", "days_after": 0}}, "equal to 1, got 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_job_is_told_in_the_users_words(case):
    change, words = WRONG[case]
    content = {} if change is None else WHOLE | change
    with pytest.raises(SettingsError, match=words) as refused:
        make_job({name: value for name, value in content.items() if value is not None}, Path())
    said = str(refused.value)
    assert "\n" not in said
    assert not any(
        word in said for word in ("lax", "tuple", "pathlib", "union", "parsing", "[type")
    )


def test_a_job_that_is_right_is_none_of_these():
    assert make_job(WHOLE, Path()).event.id == "e"


def test_chips_settings_name_what_was_meant():
    with pytest.raises(SettingsError, match="'widht', did you mean 'width'"):
        make_chips_settings({"train": {"widht": 1}})
    with pytest.raises(SettingsError, match="'resolutoin', did you mean 'resolution'"):
        make_chips_settings({"area": {"resolutoin": 1}})


def test_experiments_name_what_was_meant(tmp_path):
    (tmp_path / "a.toml").write_text('[experiment]\nname = "a"\ntrain = ["A"]\ntests = ["B"]\n')
    with pytest.raises(SettingsError, match=r"'experiment\.tests', did you mean 'test'"):
        load_experiment(tmp_path / "a.toml")


@pytest.mark.parametrize("name", ["standrd", "Standard", "ligth"])
def test_a_misspelt_model_is_told_the_name(name):
    meant = "light" if name == "ligth" else "standard"
    with pytest.raises(ModelError, match=f"found none; did you mean '{meant}'"):
        load_model(name)
    with pytest.raises(ModelError, match="found none; check the path"):
        load_model("somewhere/else")


HERE = ["--source", "items.json", "--aoi", "area.geojson", "--event-time", "2018-09-05"]

ABSENT = [
    (["search", "--job", "none.toml"], "a job file at none.toml"),
    (["search", *HERE[2:], "--source", "none.json"], "STAC items at .*none.json"),
    (["search", *HERE[2:], "--source", "earth-serch"], "did you mean 'earth-search'"),
    (["search", *HERE, "--aoi", "none.geojson"], "an area of interest at .*none.geojson"),
    (
        ["search", *HERE, "--aoi", "none.gpkg|layername=a"],
        "an area of interest at .*none.gpkg, found",
    ),
    (["search", *HERE, "--aoi", "1,2,3"], "four numbers .*'1,2,3'"),
    (["search", *HERE, "--set", "event.registry=none.toml"], "a registry of events at"),
    (["cube", *HERE, "--out", "x.zarr", "--set", "cube.mask=none.tif"], "a mask at .*none.tif"),
    (["train", *HERE, "--inventory", "none.gpkg", "--out", "m"], "polygons at .*none.gpkg"),
    (["train", *HERE, "--set", "labels.raster=none.tif", "--out", "m"], "a raster at .*none.tif"),
    (["train", *HERE, "--from", "standrd", "--out", "m"], "did you mean 'standard'"),
    (["train", "--chips", "none", "--out", "m"], "chips at none"),
    (
        ["predict", *HERE, "--model", "standrd", "--out", "x"],
        "saved model in standrd, .*'standard'",
    ),
    (
        ["predict", *HERE, "--model", "standard", "--out", "x", "--previous", "none"],
        "finished map at",
    ),
    (["plan", *HERE, "--model", "none"], "a saved model in none, found none; check the path"),
    (["evaluate", *HERE, "--map", "none.zarr", "--out", "x"], "a finished map at none.zarr"),
    (["evaluate", *HERE, "--map", ".", "--inventory", "none.gpkg", "--out", "x"], "polygons at"),
    (["evaluate", "--chips", "none.npz", "--model", "standard", "--out", "x"], "chips at none.npz"),
    (["inventory", "--map", "none.zarr", "--out", "x.gpkg"], "a finished map at none.zarr"),
    (["inventory", "--map", ".", "--shakemap", "none.json", "--out", "x"], "contours at none.json"),
    (["report", "--map", "none.zarr", "--out", "x"], "a finished map at none.zarr"),
    (["report", "--map", ".", "--inventory", "none.gpkg", "--out", "x"], "inventory at none.gpkg"),
    (["report", "--map", ".", "--scores", "none.json", "--out", "x"], "scores at none.json"),
    (["report", "--map", ".", "--summary", "none.json", "--out", "x"], "summary at none.json"),
    (["publish", "--map", "none.zarr", "--out", "x"], "a finished map at none.zarr"),
    (["publish", "--map", ".", "--inventory", "none.gpkg", "--out", "x"], "inventory at none.gpkg"),
    (["publish", "--map", ".", "--picture", "none.png", "--out", "x"], "a picture at none.png"),
    (["reproduce", "none", "--out", "x"], "a published run at none"),
    (["reproduce", ".", "--data", "none", "--out", "x"], "the folder with your masks at none"),
    (["model", "show", "lihgt"], "did you mean 'light'"),
    (["model", "import", "none.hdf5", "--out", "x"], "weights at none.hdf5"),
    (["experiment", "plan", "none.toml"], "at none.toml, found no such file"),
    (["experiment", "report", "none"], "results at none, .*`lscube experiment run` first"),
    (["events", "--registry", "none.toml"], "a registry of events at none.toml"),
    (["scan", "--config", "none.toml"], "at none.toml, found no such file"),
    (["cluster", "check", "--model", "standrd"], "did you mean 'standard'"),
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("items.json", "area.geojson"):
        Path(name).write_text("{}")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("command", "words"), ABSENT, ids=lambda value: " ".join(value)[:60])
def test_what_is_not_there_is_told_in_one_sentence(command, words, capsys):
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: Expected ")
    assert said.count("\n") == 1
    assert re.search(words, said)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "name", ["s3://bucket/map.zarr", "map.zarr", "file://{}/map.zarr", "begun.zarr"]
)
def test_a_map_by_address_or_in_the_making_is_left_to_who_opens_it(name, tmp_path):
    for folder in ("map.zarr", "begun.zarr.partial"):
        (tmp_path / folder).mkdir()
    given = name.format(tmp_path)
    assert MAP.convert(given, None, None) == given


@pytest.mark.usefixtures("here")
def test_nothing_heavy_is_imported_to_say_so():
    code = f"""
import sys
from lscube.cli import main
for command in {[command for command, _ in ABSENT]!r}:
    assert main(command) == 2, command
    heavy = sys.modules.keys() & {{"xarray", "dask", "geopandas", "rasterio", "numpy", "keras"}}
    assert not heavy, (command, heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_option_that_names_something_is_looked_at():
    # Options of files that a command writes, and of what is looked at with the job's settings.
    free = {
        "out",
        "picture",
        "summary",
        "metrics",
        "job",
        "data",
        "inventory",
        "source",
        "aoi",
        "event",
    }
    free |= {"folder", "twins", "density_grid"}
    for path, option in options(cli.lscube):
        if type(option.type) is click.Path and option.name not in free:
            raise AssertionError(f"{path}: {option.name} is a plain path: see lscube.cli.there")


def options(group, path="lscube"):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from options(command, f"{path} {name}")
        else:
            yield from ((f"{path} {name}", option) for option in command.params)
