"""Paths as people give them: every public function takes text, and a vector file's layer."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import lscube
from lscube import demo, jobs, settings
from lscube.catalog import open_catalog
from lscube.catalog.web import Patience
from lscube.errors import AreaError, InputError, LscubeError, SourceError
from lscube.grid import read_area
from lscube.paths import split_layer, with_layer
from lscube.products.report import live
from tests.report_map import made_map

MADE_BY_LSCUBE = {"Folder", "LoadedModel", "OwnList", "SimulatedEvent", "SqliteState"}
"""Classes that users get, and do not make."""


def public():
    """All functions and classes that are offered: in `__all__` of a room, or in a module without one."""
    packages = [
        "lscube",
        *(m.name for m in pkgutil.walk_packages(lscube.__path__, "lscube.") if m.ispkg),
    ]
    for name in packages:
        module = importlib.import_module(name)
        for one in getattr(module, "__all__", ()):
            yield getattr(module, one)
    for module in (jobs, demo):
        for name, one in vars(module).items():
            if getattr(one, "__module__", "") == module.__name__ and not name.startswith("_"):
                yield one
    yield from vars(settings).values()


FUNCTIONS = sorted(
    {one for one in public() if inspect.isfunction(one) and one.__module__.startswith("lscube")},
    key=lambda one: (one.__module__, one.__qualname__),
)
CLASSES = sorted(
    {
        one
        for one in public()
        if dataclasses.is_dataclass(one)
        and isinstance(one, type)
        and one.__name__ not in MADE_BY_LSCUBE
    },
    key=lambda one: (one.__module__, one.__qualname__),
)


def annotations(one):
    for parameter in inspect.signature(one).parameters.values():
        # What is called gets a `Path`, whatever was given.
        yield parameter.name, re.sub(r"Callable\[.*\]", "", str(parameter.annotation))


def names(one):
    return f"{one.__module__}.{one.__qualname__}"


@pytest.mark.parametrize("one", [*FUNCTIONS, *CLASSES], ids=names)
def test_what_takes_a_path_takes_text(one):
    # That it does with text what it does with a `Path`, mypy sees to: of text there is no `one.suffix`.
    for parameter, annotation in annotations(one):
        if re.search(r"\bPath\b", annotation):
            assert re.search(r"\bstr\b|StrPath", annotation), f"{parameter}: {annotation}"


def test_the_walk_sees_what_there_is():
    seen = {one.__name__ for one in FUNCTIONS}
    assert {
        "read_area",
        "load_job",
        "write_inventory",
        "explore",
        "fit",
        "train",
        "run_demo",
    } <= seen
    assert {"Publication", "AtHand"} <= {one.__name__ for one in CLASSES}
    assert any("StrPath" in text for one in FUNCTIONS for _, text in annotations(one))


def readers():
    """Functions that read one file or folder and need nothing else."""
    for one in FUNCTIONS:
        needed = [
            parameter
            for parameter in inspect.signature(one).parameters.values()
            if parameter.default is parameter.empty
        ]
        takes = len(needed) == 1 and "StrPath" in str(needed[0].annotation)
        if takes and one.__name__.startswith(("read_", "load_", "open_")):
            yield one


@pytest.mark.parametrize("read", list(readers()), ids=names)
def test_text_and_path_find_the_same_nothing(tmp_path, read):
    told = []
    for path in (tmp_path / "none.xyz", str(tmp_path / "none.xyz")):
        with pytest.raises(LscubeError) as refused:
            read(path)
        told.append((refused.type, str(refused.value)))
    assert told[0] == told[1]
    assert issubclass(told[0][0], InputError)
    assert "none.xyz" in told[0][1]


def test_a_catalogue_by_its_path_as_text(tmp_path):
    (tmp_path / "items.json").write_text('{"type": "FeatureCollection", "features": []}')
    told = set()
    for path in (tmp_path / "items.json", str(tmp_path / "items.json")):
        with pytest.raises(SourceError, match="found none; mend") as refused:
            open_catalog(path, Patience())
        told.add(str(refused.value))
    assert len(told) == 1


def test_an_inventory_is_written_where_text_says(tmp_path):
    mapped = made_map(np.full((40, 60), 0.9))
    for out in (str(tmp_path / "a.gpkg"), tmp_path / "b.gpkg"):
        assert lscube.write_inventory(mapped, out).landslides == 1
    assert {one.name for one in tmp_path.iterdir()} == {"a.gpkg", "b.gpkg"}


def test_a_map_is_shown_by_its_path(tmp_path, monkeypatch):
    mapped = made_map(np.full((40, 60), 0.9))
    monkeypatch.setattr(live, "open_map", {"a.zarr": mapped}.__getitem__)
    # The page itself needs libraries that a clone may lack.
    monkeypatch.setattr(live, "render", lambda prepared, map_only: str(prepared.mapped.sizes))
    assert lscube.explore("a.zarr").page == lscube.explore(mapped).page
    monkeypatch.undo()
    for path in (tmp_path / "none.zarr", str(tmp_path / "none.zarr")):
        with pytest.raises(InputError, match=r"none\.zarr"):
            lscube.explore(path)


@pytest.mark.parametrize("bounds", [(1, 2, 3), [1, 2, 3, 4, 5], ()])
def test_an_area_of_other_than_four_numbers_is_refused(bounds):
    with pytest.raises(
        AreaError, match=f"four numbers .* got {len(bounds)}.*give all four, or a file"
    ):
        read_area(bounds)


def test_a_layer_is_put_behind_a_file_and_taken_off(tmp_path):
    assert split_layer(with_layer("a.gpkg", "b")) == (Path("a.gpkg"), "b")
    assert split_layer("a.gpkg") == (Path("a.gpkg"), None)
    assert with_layer("a.gpkg", None) == Path("a.gpkg")
