"""`make test-fast`: a test is skipped where it would load TensorFlow, or start a server or Python anew.

Nothing is marked by hand: whatever a test does, the doors that slow things come through are closed.
"""

from __future__ import annotations

import multiprocessing.popen_spawn_posix
import subprocess
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import distributed

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
THINGS = (NETWORKS, SERVERS)

HEAVY = {"tensorflow", "keras", "jax", "torch", "openvino"}
PYTHON = Path(sys.executable)
DATABASE = {"initdb", "pg_ctl"}


class Closed(Loader):
    """Loads nothing."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> NoReturn:
        needs.require(NETWORKS)
        raise AssertionError


class Door(MetaPathFinder):
    """Finds heavy packages, so that they seem installed, and skips who loads them."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name in HEAVY else None
        return None if spec is None else ModuleSpec(name, Closed(), origin=spec.origin)


def _is_slow(words: Any) -> bool:
    program = Path(words if isinstance(words, str) else next(iter(words)))
    same = program.parent == PYTHON.parent
    return program == PYTHON or (same and program.name == "lscube") or program.name in DATABASE


def _closed(kind: type, method: str, when: Any = lambda *words, **named: True) -> None:
    """Let a method of a class skip the test that calls it."""
    whole = getattr(kind, method)

    def call(self: Any, *words: Any, **named: Any) -> Any:
        if when(*words, **named):
            needs.require(SERVERS)
        return whole(self, *words, **named)

    setattr(kind, method, call)


def close() -> None:
    """Close the doors, for the rest of this process."""
    sys.meta_path.insert(0, Door())
    _closed(subprocess.Popen, "__init__", lambda words, *_, **__: _is_slow(words))
    _closed(multiprocessing.popen_spawn_posix.Popen, "_launch")
    _closed(distributed.LocalCluster, "__init__")
