"""The notebook: clean as committed, and executed on a small event."""

import ast
import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import rasterio
import xarray as xr
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from lscube.demo import demo_job
from lscube.grid import Bounds
from lscube.learn import TrainedEvent
from lscube.probabilities import Calibration
from lscube.simulate import SimulatedEvent, SimulationSettings, simulate_event
from tests.test_mapping import save_tiny

ROOT = Path(__file__).parents[1]
PATH = ROOT / "pipelines" / "map_new_area.ipynb"
SMALL = SimulationSettings(shape=(256, 288))


def read_notebook() -> nbformat.NotebookNode:
    return nbformat.reads(PATH.read_text(encoding="utf-8"), as_version=4)


NOTEBOOK = read_notebook()
CODE = {cell.id: cell.source for cell in NOTEBOOK.cells if cell.cell_type == "code"}
NAMES = {
    *("MODEL", "SOURCE", "AOI", "EVENT_ID", "EVENT_TIME", "OUT"),
    *("RESOLUTION", "INVENTORY", "PLAN", "SETTINGS"),
}


def parameters() -> dict[str, Any]:
    """The defaults; each is a plain value."""
    given = {}
    for statement in ast.parse(CODE["parameters"]).body:
        assert isinstance(statement, ast.Assign)
        (target,) = statement.targets
        given[target.id] = ast.literal_eval(statement.value)
    return given


def test_it_is_a_notebook_without_traces_of_a_run():
    nbformat.validate(NOTEBOOK)
    assert (NOTEBOOK.nbformat, NOTEBOOK.nbformat_minor) == (4, 5)
    assert NOTEBOOK.metadata.kernelspec.name == "python3"
    for cell in NOTEBOOK.cells:
        assert set(cell.metadata) <= {"tags"}, cell.id
        if cell.cell_type == "code":
            assert cell.outputs == [], cell.id
            assert cell.execution_count is None, cell.id
    # As Jupyter writes it, so that a change shows as such.
    assert PATH.read_text(encoding="utf-8") == nbformat.writes(NOTEBOOK) + "\n"


def test_parameters_are_assigned_in_their_cell_alone():
    tagged = [cell.id for cell in NOTEBOOK.cells if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == ["parameters"]
    assert set(parameters()) == NAMES
    used = set()
    for name, source in CODE.items():
        names = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
        if name != "parameters":
            assert not {node.id for node in names if isinstance(node.ctx, ast.Store)} & NAMES, name
            used |= {node.id for node in names}
    assert used >= NAMES


def test_defaults_are_those_of_the_demo():
    scenes = PATH.parent / "../demo/scenes"
    event = SimulatedEvent(
        *(scenes / name for name in ("items.json", "inventory.gpkg", "area.geojson"))
    )
    demo, given = demo_job(event, SimulationSettings()), parameters()
    assert (given["EVENT_ID"], given["EVENT_TIME"]) == (demo.event.id, demo.event.time)
    assert given["RESOLUTION"] == demo.area.resolution
    paths = [PATH.parent / given[name] for name in ("SOURCE", "INVENTORY", "AOI")]
    assert paths == [event.items, event.inventory, event.area]
    assert given["MODEL"] == "../demo/model"
    settings = given["SETTINGS"]
    assert tuple(settings["train"]["area"]) == demo.train.area
    assert tuple(settings["evaluate"]["area"]) == demo.evaluate.area
    assert settings["evaluate"]["reference_is"] == demo.evaluate.reference_is


def test_cells_are_short_and_use_what_is_public():
    for name, source in CODE.items():
        assert len(source.splitlines()) <= 32, name
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute | ast.ImportFrom):
                words = [node.attr] if isinstance(node, ast.Attribute) else node.module.split(".")
                assert not any(word.startswith("_") for word in words), (name, words)


def test_links_lead_somewhere():
    text = "\n".join(cell.source for cell in NOTEBOOK.cells if cell.cell_type == "markdown")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert len(links) >= 3
    for link in links:
        path, _, anchor = link.partition("#")
        target = (PATH.parent / path).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.*)$", target, flags=re.MULTILINE)
        assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}


class ThisPython(AsyncKernelManager):
    """A kernel of the Python that runs the tests, reachable from this machine alone."""

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="this Python", language="python")

    def _ip_default(self) -> str:
        return "127.0.0.1"


def execute(folder: Path, given: dict[str, Any]) -> dict[str, list[nbformat.NotebookNode]]:
    """Run all cells with other parameters; the outputs of each code cell."""
    notebook = read_notebook()
    (cell,) = (cell for cell in notebook.cells if cell.id == "parameters")
    cell.source = "\n".join(f"{name} = {value!r}" for name, value in given.items())
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_manager_class=ThisPython,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    return {cell.id: cell.outputs for cell in code}


def text_of(outputs: list[nbformat.NotebookNode]) -> str:
    """What was printed, and the plain form of what was shown."""
    return "\n".join(
        output.text if output.output_type == "stream" else output.data.get("text/plain", "")
        for output in outputs
    )


def images_of(outputs: list[nbformat.NotebookNode]) -> list[bytes]:
    shown = [output.data for output in outputs if "data" in output]
    return [base64.b64decode(data["image/png"]) for data in shown if "image/png" in data]


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
        **parameters(),
        "MODEL": "model",
        "SOURCE": "scenes/items.json",
        "AOI": "scenes/area.geojson",
        "OUT": "out",
        "INVENTORY": "scenes/inventory.gpkg",
        "SETTINGS": {
            "predict": {"core": 64, "margin": 32, "engine": "keras", "precision": "float32"},
            "train": {"area": list(job.train.area)},
            "evaluate": {"area": list(job.evaluate.area), "reference_is": "simulated inventory"},
        },
    }


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """Jupyter's own files lie in a folder of the tests, and nobody's start-up files are run."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        yield


@pytest.fixture(scope="module")
def ran(folder, given, quiet):
    return execute(folder, given)


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
    again = execute(folder, {**given, "INVENTORY": None})
    assert "regions" not in text_of(again["predict"]).splitlines()[0]
    assert "is not known" in text_of(again["evaluate"])
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()} == before
