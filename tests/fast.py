"""`make test-fast`: a test is skipped where it would load TensorFlow, start a server
or Python anew, or map a whole area.

Nothing is marked by hand: whatever a test does, the doors that slow things come through are closed.
"""

from __future__ import annotations

import multiprocessing.process
import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NoReturn

import distributed
import pytest

from lscube.mapping import region
from tests import needs

NETWORKS = needs.Thing(
    "TensorFlow",
    "whatever builds, trains or runs a network",
    lambda: "left out by --fast",
)
SERVERS = needs.Thing(
    "A server or a Python of its own",
    "catalogues, clusters, notebooks and stores as they run elsewhere",
    lambda: "left out by --fast",
)
MAPS = needs.Thing(
    "A map that is made",
    "maps as a whole, what is made of them, and scans that make them",
    lambda: "left out by --fast",
)
THINGS = (NETWORKS, SERVERS, MAPS)

HEAVY = {"tensorflow", "keras", "jax", "torch", "openvino"}
PYTHON = Path(sys.executable)
DATABASE = {"initdb", "pg_ctl"}


class Closed(Loader):
    """Loads nothing."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> NoReturn:
        _shut(NETWORKS)


class Door(MetaPathFinder):
    """Finds heavy packages, so that they seem installed, and skips who loads them."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name in HEAVY else None
        return None if spec is None else ModuleSpec(name, Closed(), origin=spec.origin)


class Told:
    """Counts as skipped what fails because a door was shut in a thread or a cleanup on the way."""

    shut: ClassVar[list[str]] = []
    """Reasons, while one test runs."""

    def __init__(self) -> None:
        self.known: list[tuple[BaseException, str]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self.shut.clear()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Any:
        report = yield
        if report.failed:
            error = call.excinfo.value
            # A fixture that many tests share fails for each of them with the same exception.
            reasons = [why for one, why in self.known if one is error] or self.shut[:1]
            reasons = reasons or _behind(error)
            if reasons:
                self.known.append((error, reasons[0]))
                report.outcome = "skipped"
                report.longrepr = (str(item.path), 0, f"Skipped: {reasons[0]}")
        return report


def _behind(error: BaseException | None) -> list[str]:
    """What an exception goes back to, where it is a door that was shut."""
    while error is not None and not isinstance(error, pytest.skip.Exception):
        error = error.__cause__ or error.__context__
    return [] if error is None else [str(error)]


def _shut(thing: needs.Thing) -> NoReturn:
    reason = thing.absent() or ""
    Told.shut.append(reason)
    needs.require(thing)
    raise AssertionError


def _is_slow(_: Any, words: Any, *more: Any, **named: Any) -> bool:
    program = Path(words if isinstance(words, str) else next(iter(words)))
    same = program.parent == PYTHON.parent
    return program == PYTHON or (same and program.name == "lscube") or program.name in DATABASE


def _closed(
    owner: Any, name: str, thing: needs.Thing, when: Callable[..., bool] | None = None
) -> None:
    """Let a function skip the test that calls it."""
    whole = getattr(owner, name)

    @wraps(whole)
    def call(*words: Any, **named: Any) -> Any:
        if when is None or when(*words, **named):
            _shut(thing)
        return whole(*words, **named)

    setattr(owner, name, call)


def close(plugins: pytest.PytestPluginManager) -> None:
    """Close the doors, for the rest of this process."""
    plugins.register(Told())
    sys.meta_path.insert(0, Door())
    _closed(subprocess.Popen, "__init__", SERVERS, _is_slow)
    _closed(multiprocessing.process.BaseProcess, "start", SERVERS)
    # A cluster that is half made would be told of when it is collected.
    distributed.SpecCluster.__new__ = lambda *words, **named: _shut(SERVERS)
    _closed(region, "run_regions", MAPS)
