"""The pipelines, by running their `main` on a small event."""

import importlib.util
import json
from pathlib import Path

import pytest

from lscube import load_job
from lscube.settings import make_chips_settings, read_content
from tests.networks import save_tiny
from tests.scenes import EVENT_TIME, inner_area, simple_event
from tests.test_cli import write_inventory

PIPELINES = Path(__file__).parents[1] / "pipelines"


def pipeline(name: str):
    spec = importlib.util.spec_from_file_location(name, PIPELINES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    simple_event(folder)
    write_inventory(folder / "inventory.geojson")
    content = f"""
[event]
id = "small"
time = "{EVENT_TIME}"
[area]
aoi = {list(inner_area())}
[source]
catalogs = "items.json"
[labels]
inventory = "inventory.geojson"
[train]
width = 0.05
window = 64
min_labelled = 0.1
epochs = 1
[split]
validation_share = 0.3
[predict]
core = 32
margin = 16
"""
    (folder / "job.toml").write_text(content)
    return folder / "job.toml"


def test_train_and_map(plain_networks, job, tmp_path, capsys):
    model, out = tmp_path / "model", tmp_path / "out"
    assert pipeline("train_model").main([str(job), "--out", str(model)]) == 0
    assert "Validation loss" in capsys.readouterr().out
    card = json.loads((model / "card.json").read_text())
    (event,) = card["events"]
    assert (event["id"], event["labels"]) == ("small", "inventory.geojson")
    words = [str(job), "--model", str(model), "--out", str(out)]
    assert pipeline("map_event").main(words) == 0
    assert "MCC" in capsys.readouterr().out
    assert (out / "probability.zarr").is_dir()
    assert (out / "quicklook.png").stat().st_size > 10_000
    scores = json.loads((out / "scores.json").read_text())
    assert {"mcc", "f1", "precision", "recall", "baseline", "held_out"} <= scores.keys()
    # Trained and evaluated on the same pixels, and said so.
    assert scores["held_out"] is False
    # Running it again finds its own map.
    assert pipeline("map_event").main(words) == 0


def test_what_could_not_be_read_ends_with_3(tmp_path, capsys):
    items = simple_event(tmp_path)
    (tmp_path / "after" / "green.tif").write_bytes(b"no image")
    content = f"""
[event]
time = "{EVENT_TIME}"
[area]
aoi = {list(inner_area())}
[source]
catalogs = "{items.name}"
[predict]
core = 32
margin = 16
"""
    (tmp_path / "job.toml").write_text(content)
    save_tiny(tmp_path / "tiny")
    words = [str(tmp_path / "job.toml"), "--model", str(tmp_path / "tiny")]
    assert pipeline("map_event").main([*words, "--out", str(tmp_path / "out")]) == 3
    assert "could not be read: {'post': ['after']}" in capsys.readouterr().err


def test_bad_input_ends_with_2(tmp_path, capsys):
    words = [str(tmp_path / "none.toml"), "--out", str(tmp_path / "out")]
    assert pipeline("map_event").main(words) == 2
    assert pipeline("train_model").main(words) == 2
    assert "Expected a job file" in capsys.readouterr().err


def test_a_pipeline_is_one_screen():
    for path in PIPELINES.glob("*.py"):
        assert len(path.read_text().splitlines()) <= 70


@pytest.mark.parametrize(
    "path",
    # Those of scans are no jobs: test_scan_cli.py reads them.
    [p for p in sorted((PIPELINES / "configs").glob("*.toml")) if not p.stem.startswith("scan-")],
    ids=lambda p: p.stem,
)
def test_shipped_jobs_are_valid(path):
    content = read_content(path)
    if "event" in content:
        assert load_job(path).event.id == content["event"]["id"]
    else:  # chips need no event
        settings, _ = make_chips_settings(content)
        assert settings.branches == ("post",)
