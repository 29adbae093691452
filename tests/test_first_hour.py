"""The notebook of the first hour, executed: a map, a small training from its model, another map."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lscube.demo import demo_job
from lscube.learn import load_model
from lscube.mapping import open_map
from lscube.simulate import SimulationSettings, simulate_event
from tests.networks import save_tiny
from tests.notebooks import SMALL_EVENT, Notebook, images_of, quiet, text_of

__all__ = ["quiet"]

SMALL = SimulationSettings(shape=(384, 432))
FIRST = Notebook("first_hour.ipynb")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("hour")


@pytest.fixture(scope="module")
def given(folder) -> dict[str, Any]:
    """Parameters for a small event, and a narrow network that is not trained yet."""
    event = simulate_event(folder / "scenes", SMALL)
    job = demo_job(event, SMALL)
    save_tiny(folder / "model")
    return {
        **FIRST.parameters,
        **SMALL_EVENT,
        "OUTLINED": list(job.train.area),
        "SCORED": list(job.evaluate.area),
        "SETTINGS": {
            "predict": {"core": 64, "margin": 32, "engine": "keras", "precision": "float32"},
            "train": {"overlap": 0.5, "batch_size": 8, "epochs": 2, "learning_rate": 1e-3},
        },
    }


@pytest.fixture(scope="module")
def ran(folder, given, quiet):
    start = Path(os.environ["IPYTHONDIR"]) / "profile_default" / "startup" / "plain.py"
    start.parent.mkdir(parents=True)
    root = str(Path(__file__).parents[1])
    start.write_text(
        f"import sys\nsys.path.append({root!r})\n"
        "from tests.networks import stay_plain\nstay_plain()\ndel stay_plain\n"
    )
    return FIRST.execute(folder, given)


def test_it_maps_learns_and_maps_again(ran, folder):
    out = folder / "out"
    model, tuned = load_model(folder / "model"), load_model(out / "tuned")
    assert tuned.card.parent == model.card.sha256
    assert (tuned.card.width, tuned.card.window) == (model.card.width, model.card.window)
    patches = tuned.card.events[0].patches
    assert f"learnt from {patches['training_kept']} patches" in text_of(ran["tune"])
    first, second = (open_map(out / name)["probability"] for name in ("first.zarr", "second.zarr"))
    assert float(np.abs(first - second).max()) > 0.001
    for name in ("first", "second"):
        (image,) = images_of(ran[name])
        assert len(image) > 10_000


def test_it_tells_the_gain_on_pixels_that_were_not_learnt(ran, folder):
    before, after = (
        json.loads((folder / "out" / f"{name}.json").read_text()) for name in ("model", "tuned")
    )
    assert after["held_out"] is True
    assert before["pixels"] == after["pixels"]
    text = text_of(ran["gain"])
    (gain,) = re.findall(r"gain: ([+-][\d.]+) MCC", text)
    assert float(gain) == pytest.approx(after["mcc"] - before["mcc"], abs=0.0006)
    assert len(images_of(ran["gain"])) == 2


def test_nothing_is_warned_of(ran):
    for name, outputs in ran.items():
        assert "Warning" not in text_of(outputs), name


def test_without_an_inventory_it_ends_with_the_first_map(ran, folder, given):
    again = FIRST.execute(folder, {**given, "INVENTORY": None, "OUT": "alone"})
    assert "the first map is the map" in text_of(again["tune"])
    assert {path.name for path in (folder / "alone").iterdir()} == {"first.zarr"}
