"""The demo on a small event, and every command of the README on what the demo leaves behind."""

import json
import re
import shlex
from pathlib import Path

import geopandas
import pystac
import pytest
import rioxarray  # noqa: F401
import xarray as xr

from lscube.cli import main
from lscube.demo import MARK, PRODUCTS, demo_job, run_demo
from lscube.errors import StoreError
from lscube.products.inventory import ATTRIBUTES
from lscube.simulate import SimulationSettings
from tests.needs import LIBRARIES, needs
from tests.networks import plain, untraced

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALL = SimulationSettings(shape=(288, 320))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """Made in a folder given relative to the working directory, as `make demo` does."""
    folder = tmp_path_factory.mktemp("demo")
    changes = {"width": 0.05, "epochs": 1, "window": 64, "min_labelled": 0.1}
    with pytest.MonkeyPatch.context() as patch, plain():
        patch.chdir(folder)
        run_demo(Path("demo"), settings=SMALL, changes=changes)
    return folder / "demo"


@needs(LIBRARIES)
def test_the_demo_leaves_what_it_says(demo):
    assert sorted(path.name for path in demo.iterdir()) == sorted([*PRODUCTS, MARK])
    scores = json.loads((demo / "scores.json").read_text())
    names = {"mcc", "f1", "precision", "recall"}
    assert names <= scores.keys()
    assert names <= scores["baseline"].keys()
    assert scores["held_out"] is True
    assert scores["reference_is"] == "simulated inventory"
    mapped = xr.open_zarr(demo / "probability.zarr", consolidated=False)
    # The store holds whole windows beyond the area; the small scenes are cloudy.
    inside = (mapped["area"] & 1) == 0
    known = mapped["probability"].notnull()
    assert not (known & ~inside).any()
    assert float(known.sum() / inside.sum()) > 0.4


@needs(LIBRARIES)
def test_the_demo_hands_over_what_others_open(demo):
    frame = geopandas.read_file(demo / "landslides.gpkg")
    assert set(ATTRIBUTES) <= set(frame.columns)
    collection = pystac.Collection.from_file(str(demo / "published" / "collection.json"))
    run = next(item for item in collection.get_items() if "probability" in item.assets)
    assert {"map", "inventory", "observed", "inputs", "manifest"} <= set(run.assets)
    page = (demo / "report.html").read_text(encoding="utf-8")
    assert run.properties["lscube:run_id"] in page


def test_the_demo_is_not_run_over_an_earlier_one_unless_asked(demo):
    with pytest.raises(StoreError, match="--overwrite"):
        run_demo(demo, settings=SMALL)
    assert (demo / "scores.json").is_file()


def test_the_demo_never_trains_where_it_evaluates():
    from lscube.simulate import SimulatedEvent

    paths = SimulatedEvent(*(Path("/nowhere") / name for name in ("items", "inventory", "area")))
    job = demo_job(paths, SMALL)
    assert job.train.area[2] == job.evaluate.area[0]


def scaled(job: str) -> str:
    """The README's job for the small event: the same lines, smaller numbers."""
    for full, small in (
        ("576144", "571900"),
        ("width = 0.2", "width = 0.05\nwindow = 64\nmin_labelled = 0.1\noverlap = 0.0"),
        ("epochs = 20", "epochs = 1"),
    ):
        assert full in job
        job = job.replace(full, small)
    return f"{job}\n[predict]\ncore = 128\nmargin = 32\n"


@needs(LIBRARIES)
def test_commands_of_the_readme(demo, monkeypatch, capsys):
    """Each is run as it stands, in the order of the text, with a job of the small event."""
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    # The event that `plan` maps to measure this machine is smaller, too.
    monkeypatch.setattr("lscube.calibration.PIXELS", 256)
    monkeypatch.chdir(demo.parent)
    ran = 0
    for line in "".join(blocks("sh")).splitlines():
        words = shlex.split(line)
        if words[0] == "make":
            assert set(words[1:]) <= set(targets)
        elif words[0] == "mkdir":
            Path(words[1]).mkdir()
        elif words[0] == "cd":
            monkeypatch.chdir(words[1])
            Path("job.toml").write_text(scaled(blocks("toml")[0]))
        elif words[0] == "lscube":
            # What begins from a shipped model is trained in its whole depth: in few steps.
            anew = words[1] == "train" and "--from" not in words
            with plain() if anew else untraced():
                assert main(words[1:]) == 0, (line, capsys.readouterr().err)
            ran += 1
        else:
            assert line == ". .venv/bin/activate"
    assert ran == 12
    assert Path("quicklook.png").is_file()
    made = {
        "report.html",
        "landslides.gpkg",
        "probability.tif",
        "map.zarr",
        "scenes.json",
        "job.toml",
    }
    assert made <= {path.name for path in Path("map").iterdir()}
    (python,) = blocks("python")
    names: dict[str, object] = {}
    exec(python, names)
    assert names["mapped"]["probability"].notnull().any()
    names["mapped"]["probability"].rio.to_raster("probability.tif")


def test_the_readme_is_short_and_names_what_is_there():
    assert len(README.splitlines()) < 250
    for path in re.findall(r"[`(]((?:pipelines|deploy|docs)/[\w./-]+)[`)]", README):
        assert (ROOT / path).exists(), path
