"""The notebooks: clean as committed, and the longer one executed on a small event."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import rasterio
import xarray as xr

from lscube.demo import demo_job
from lscube.grid import Bounds
from lscube.learn import TrainedEvent
from lscube.probabilities import Calibration
from lscube.simulate import SimulatedEvent, SimulationSettings, simulate_event
from tests.networks import save_tiny
from tests.notebooks import (
    DEMO,
    PIPELINES,
    SMALL_EVENT,
    Notebook,
    broken_links,
    images_of,
    quiet,
    text_of,
)

__all__ = ["quiet"]

SMALL = SimulationSettings(shape=(256, 288))

MAP = Notebook("map_new_area.ipynb")
FIRST = Notebook("first_hour.ipynb")
NAMES = {
    MAP: {
        *("MODEL", "SOURCE", "AOI", "EVENT_ID", "EVENT_TIME", "OUT"),
        *("RESOLUTION", "INVENTORY", "PLAN", "SETTINGS"),
    },
    FIRST: {
        *("MODEL", "SOURCE", "AOI", "EVENT_ID", "EVENT_TIME", "OUT"),
        *("INVENTORY", "OUTLINED", "SCORED", "REFERENCE_IS", "SETTINGS"),
    },
}

every = pytest.mark.parametrize("notebook", NAMES, ids=lambda notebook: notebook.path.stem)


def test_there_are_no_others():
    assert set(PIPELINES.glob("*.ipynb")) == {notebook.path for notebook in NAMES}


@every
def test_it_is_a_notebook_without_traces_of_a_run(notebook):
    content = notebook.content
    nbformat.validate(content)
    assert (content.nbformat, content.nbformat_minor) == (4, 5)
    assert content.metadata.kernelspec.name == "python3"
    for cell in content.cells:
        assert set(cell.metadata) <= {"tags"}, cell.id
        if cell.cell_type == "code":
            assert cell.outputs == [], cell.id
            assert cell.execution_count is None, cell.id
    # As Jupyter writes it, so that a change shows as such.
    assert notebook.path.read_text(encoding="utf-8") == nbformat.writes(content) + "\n"


@every
def test_parameters_are_assigned_in_their_cell_alone(notebook):
    cells = notebook.content.cells
    tagged = [cell.id for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == ["parameters"]
    assert set(notebook.parameters) == NAMES[notebook]
    used = set()
    for name, source in notebook.code.items():
        names = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
        if name != "parameters":
            stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
            assert not stored & NAMES[notebook], name
            used |= {node.id for node in names}
    assert used >= NAMES[notebook]


@every
def test_defaults_are_those_of_the_demo(notebook):
    event = SimulatedEvent(
        *(DEMO / name for name in ("items.json", "inventory.gpkg", "area.geojson"))
    )
    demo, given = demo_job(event, SimulationSettings()), notebook.parameters
    assert (given["EVENT_ID"], given["EVENT_TIME"]) == (demo.event.id, demo.event.time)
    paths = [PIPELINES / given[name] for name in ("SOURCE", "INVENTORY", "AOI")]
    assert paths == [event.items, event.inventory, event.area]
    if notebook is MAP:
        assert given["RESOLUTION"] == demo.area.resolution
        assert given["MODEL"] == "../demo/model"
        learnt, scored = given["SETTINGS"]["train"]["area"], given["SETTINGS"]["evaluate"]["area"]
        reference = given["SETTINGS"]["evaluate"]["reference_is"]
    else:
        assert given["MODEL"] == "standard"
        learnt, scored, reference = (given[name] for name in ("OUTLINED", "SCORED", "REFERENCE_IS"))
    assert (tuple(learnt), tuple(scored)) == (demo.train.area, demo.evaluate.area)
    assert reference == demo.evaluate.reference_is


@every
def test_cells_are_short_and_use_what_is_public(notebook):
    for name, source in notebook.code.items():
        assert len(source.splitlines()) <= 32, name
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute | ast.ImportFrom):
                words = [node.attr] if isinstance(node, ast.Attribute) else node.module.split(".")
                assert not any(word.startswith("_") for word in words), (name, words)


@every
def test_links_lead_somewhere(notebook):
    assert broken_links(notebook) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("small")


def save_model_of_the_west(folder: Path, bounds: Bounds) -> None:
    """An untrained network with the card of one that was trained within some bounds.

    Its calibration takes the probabilities as they are.
    """
    card = save_tiny(folder).card
    same = Calibration(
        kind="temperature", temperature=1.0, pixels=1, error_before=0.0, error_after=0.0
    )
    event = TrainedEvent(id="simulated", labels="inventory.gpkg", bounds=bounds, epsg=SMALL.epsg)
    changes = {"events": (event,), "calibration": same, "threshold": 0.45}
    text = card.model_copy(update=changes).model_dump_json()
    (folder / "card.json").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def given(folder) -> dict[str, Any]:
    """Parameters for a small event, and a model of its west."""
    event = simulate_event(folder / "scenes", SMALL)
    job = demo_job(event, SMALL)
    save_model_of_the_west(folder / "model", job.train.area)
    return {
        **MAP.parameters,
        **SMALL_EVENT,
        "SETTINGS": {
            "predict": {"core": 64, "margin": 32, "engine": "keras", "precision": "float32"},
            "train": {"area": list(job.train.area)},
            "evaluate": {"area": list(job.evaluate.area), "reference_is": "simulated inventory"},
        },
    }


@pytest.fixture(scope="module")
def ran(folder, given, quiet):
    return MAP.execute(folder, given)


def test_every_cell_runs_and_nothing_is_warned_of(ran):
    for name, outputs in ran.items():
        assert "Warning" not in text_of(outputs), name
    assert "simulated" in text_of(ran["events"])
    for side in ("before", "after", "DSM"):
        assert side in text_of(ran["search"])
    assert "clear:" in text_of(ran["quality"])
    assert "could not be read: nothing" in text_of(ran["predict"])


def test_it_shows_pictures(ran):
    for name in ("picture", "overlay", "evaluate"):
        (image,) = images_of(ran[name])
        assert image.startswith(b"\x89PNG"), name
        assert len(image) > 10_000, name


def test_it_leaves_a_map_and_a_geotiff_of_it(ran, folder):
    out = folder / "out"
    mapped = xr.open_zarr(out / "probability.zarr", consolidated=False)["probability"]
    with rasterio.open(out / "probability.tif") as file:
        values, crs = file.read(1, masked=True).filled(np.nan), file.crs
        west, south, east, north = file.bounds
    assert crs.to_epsg() == SMALL.epsg
    assert 0.3 < np.isfinite(values).mean() < 1
    assert np.nanmin(values) >= 0
    assert np.nanmax(values) <= 1
    there = mapped.sel(x=slice(west, east), y=slice(north, south))
    np.testing.assert_allclose(values, there, atol=1e-6)
    # What the file does not show lies outside the area.
    assert int(mapped.notnull().sum()) == np.isfinite(values).sum()
    text = text_of(ran["share"])
    (known,) = re.findall(r"([\d.]+)% of the area is mapped", text)
    assert 30 < float(known) <= 100
    (expected,) = re.findall(r"([\d.]+)% of what is mapped is landslide", text)
    assert float(expected) == pytest.approx(100 * np.nanmean(values), abs=0.006)


def test_it_scores_the_map_with_the_inventory(ran, folder):
    scores = json.loads((folder / "out" / "scores.json").read_text())
    assert scores["held_out"] is True
    assert scores["threshold"] == 0.45
    text = text_of(ran["evaluate"])
    assert f"{scores['baseline']['mcc']:.3f}" in text
    assert "seen in training: no; simulated inventory" in text


def test_run_again_without_an_inventory_it_opens_its_map(ran, folder, given):
    store = folder / "out" / "probability.zarr"
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()}
    again = MAP.execute(folder, {**given, "INVENTORY": None})
    assert "regions" not in text_of(again["predict"]).splitlines()[0]
    assert "is not known" in text_of(again["evaluate"])
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()} == before
