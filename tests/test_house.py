"""The rules of the house: who may import whom, and what stays light."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lscube

PACKAGE = Path(lscube.__file__).parent
TESTS = Path(__file__).parent

# Every room may use these; they import nothing of lscube but each other.
FOUNDATION = {
    *("drawing", "errors", "settings", "files", "scores", "probabilities", "manifest", "markup"),
    *("redaction", "logs", "metrics", "machine", "attributes", "paths", "hints"),
}

ROOMS = {
    "attributes": set(),
    "errors": set(),
    "settings": set(),
    "files": set(),
    "drawing": set(),
    "scores": set(),
    "probabilities": set(),
    "manifest": set(),
    "markup": set(),
    "machine": set(),
    "paths": set(),
    "hints": set(),
    "redaction": set(),
    "logs": set(),
    "metrics": set(),
    "plot": {"cube", "evaluate", "mapping", "grid"},
    "progress": {"mapping"},
    "cluster": set(),
    "vectors": set(),
    "grid": {"vectors"},
    "terrain": set(),
    "events": {"grid"},
    "catalog": {"grid", "events"},
    "cube": {"grid", "terrain", "catalog", "vectors"},
    "learn": {"cube", "terrain", "grid", "vectors"},
    "mapping": {"learn", "cube", "grid", "catalog", "cluster"},
    "evaluate": {"learn", "mapping", "cube", "events", "grid"},
    "simulate": {"grid", "terrain", "events"},
    "products": {"mapping", "cube", "evaluate", "terrain", "events", "grid", "vectors"},
}
# These chain the rooms and may use any of them, but not the command line.
FREE = {"jobs", "demo", "calibration", "experiments", "deliveries", "scan", "shipping"}
TOP = {"cli", "__main__", "__init__"}

HEAVY = {"tensorflow", "keras", "jax", "torch"}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, bool]]:
    """Imported modules, and whether the import runs when the module is imported."""
    found = []

    def visit(node: ast.AST, top: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend((alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                found.append((child.module or "", top))
                if child.module == "lscube":
                    found.extend((f"lscube.{alias.name}", top) for alias in child.names)
            inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            typing_only = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            visit(child, top and not inner and not typing_only)

    visit(ast.parse(path.read_text(encoding="utf-8")), True)
    return found


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_import_only_what_they_may(path):
    room = room_of(path)
    used = {name.split(".")[1] for name, _ in imports(path) if name.startswith("lscube.")}
    used -= {"__version__", room}
    if room in TOP:
        return
    assert room in ROOMS or room in FREE, f"a new room, {room}: say here what it may import"
    allowed = (set(ROOMS) | FREE) if room in FREE else ROOMS[room] | FOUNDATION
    assert used <= allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_by_learn_alone(path):
    heavy = {name for name, _ in imports(path) if name.split(".")[0] in HEAVY}
    assert not heavy or room_of(path) == "learn"


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def loaded_by(code: str) -> set[str]:
    return set(run(f"import sys\n{code}\nprint(*sys.modules)").split())


def test_importing_lscube_loads_nothing_heavy():
    loaded = loaded_by("import lscube")
    assert not loaded & (HEAVY | {"numpy", "xarray", "dask", "pydantic"})


def test_help_loads_no_tensorflow_and_no_arrays():
    code = "from lscube.cli import main\nassert main(['--help']) == 0\nassert main(['train', '-h']) == 0"
    assert not loaded_by(code) & (HEAVY | {"xarray", "dask", "rasterio"})


def test_rooms_can_be_imported_without_tensorflow():
    names = ", ".join(f"lscube.{room}" for room in [*ROOMS, "jobs", "demo", "cli"])
    code = f"import {names}, lscube.learn.fitting, lscube.learn.bundle, lscube.learn.labels"
    assert not loaded_by(code) & HEAVY


def test_without_tensorflow_one_line_says_which_extra(tmp_path):
    code = f"""
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
from pathlib import Path
from tests.scenes import simple_event, inner_area
from lscube.cli import main
folder = Path({str(tmp_path)!r})
items = str(simple_event(folder))
area = ",".join(str(v) for v in inner_area())
from tests.test_cli import write_inventory
inventory = str(write_inventory(folder / "inventory.geojson"))
given = ["--source", items, "--aoi", area, "--event-time", "2018-09-05T18:07:00Z"]
assert main(["search", *given]) == 0
assert main(["cube", *given, "--out", str(folder / "cube.zarr")]) == 0
sys.stderr = sys.stdout
sys.exit(main(["train", *given, "--inventory", inventory, "--out", str(folder / "model")]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent
    )
    assert done.returncode == 2, done.stderr
    assert "pip install 'lscube[cpu]'" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.name)
def test_what_a_test_needs_is_said_in_one_place(path):
    """So that no test is skipped without a line in the end."""
    own = path.name == "needs.py" or path == Path(__file__)
    assert own or not re.search(
        r"importorskip|skipif|pytest\.skip\(|mark\.skip\b", path.read_text()
    )


def test_verbs_are_there_and_typos_are_not():
    for name in lscube.__all__:
        assert getattr(lscube, name) is not None
        assert name in dir(lscube)
    with pytest.raises(AttributeError, match="opencube"):
        lscube.opencube  # noqa: B018
