"""What tests need of a machine, in one place: without it they are skipped, and a run's end says so."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rasterio

from lscube.products.report import fetch
from tests.servers import database

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"


@dataclass(frozen=True)
class Thing:
    """Something that may be absent."""

    name: str
    tested: str
    """What the tests that need it look at."""
    lacks: Callable[[], str | None]
    """Why it is absent, or how to get it; None where it is there."""

    def absent(self) -> str | None:
        """The reason of a skip; None where the thing is there."""
        why = self.lacks()
        return None if why is None else f"{self._beginning}{why}"

    def is_meant(self, reason: str) -> bool:
        """Whether a skip's reason is this thing's absence."""
        return reason.startswith(self._beginning)

    @property
    def _beginning(self) -> str:
        return f"{self.name} was not here: "


def needs(*things: Thing) -> pytest.MarkDecorator:
    """Mark a test, or all of a module, that is skipped without any of some things."""
    return pytest.mark.needs(*things)


def require(*things: Thing) -> None:
    """Skip the test that runs, or the module that is read, without any of some things."""
    for thing in things:
        if (reason := thing.absent()) is not None:
            pytest.skip(reason, allow_module_level=True)


def module(name: str) -> Any:
    """Import a package of `PACKAGES`, or skip the test that runs or the module that is read."""
    require(PACKAGES[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the package itself
        return importlib.import_module(name)


def _database(look: Callable[[], object]) -> Callable[[], str | None]:
    def lacks() -> str | None:
        try:
            look()
        except database.NotInstalledError as error:
            return str(error)
        return None

    return lacks


def _program(name: str, package: str) -> Callable[[], str | None]:
    return lambda: None if shutil.which(name) else f"no `{name}` on the path ({package})"


def _gdal() -> str | None:
    version = rasterio.__gdal_version__
    new = tuple(int(part) for part in version.split(".")[:2]) >= (3, 13)
    return None if new else f"rasterio brings {version}"


def _package(name: str, tested: str) -> Thing:
    def lacks() -> str | None:
        return None if importlib.util.find_spec(name) else f"no Python package {name}"

    return Thing(name, tested, lacks)


POSTGRES = Thing(
    "PostgreSQL",
    "searches of a real STAC API, and a past event that is mapped as its scenes arrive",
    _database(database.programs),
)
POSTGIS = Thing("PostGIS", POSTGRES.tested, _database(database.require_postgis))
CHROMIUM = Thing(
    "Chromium",
    "reports and live maps in a real browser",
    _program("chromium", "Debian: chromium"),
)
LIBRARIES = Thing(
    "npm's libraries",
    "reports and live maps as a whole, which are drawn with them",
    lambda: None if fetch.is_fetched() else "`make assets` fetches them, with npm",
)
GDAL = Thing("GDAL 3.13", "that GDAL opens a sharded map as it lies", _gdal)
DATA = Thing(
    "The shared data",
    "real scenes, surface models, items and feeds as they were recorded",
    lambda: None if SHARED.is_dir() else "no folder shared/data beside the checkout",
)
GIT = Thing(
    "git's checkout",
    "what a build of an image sees",
    lambda: None if shutil.which("git") and (ROOT / ".git").exists() else "no git, or no .git here",
)
KUBECTL = Thing(
    "kubectl", "that Kubernetes' own program builds the kustomizations", _program("kubectl", "1.14")
)
AFFINITY = Thing(
    "A process's own cores",
    "that a limit of a process's cores counts",
    lambda: None if hasattr(os, "sched_setaffinity") else "this system has none",
)
NO_CLOUDS = Thing(
    "An environment without the extra 'clouds'",
    "that a user without it is told of it",
    lambda: "it is installed" if importlib.util.find_spec("omnicloudmask") else None,
)
PACKAGES = {
    thing.name: thing
    for thing in (
        _package("keras", "networks, training and prediction"),
        _package("tensorflow", "batches and gradients as TensorFlow sees them"),
        _package("h5py", "weights as others publish them"),
        _package("openvino", "prediction by OpenVINO"),
        _package("planetary_computer", "addresses as the Planetary Computer signs them"),
    )
}
THINGS = (
    *(POSTGRES, POSTGIS, CHROMIUM, LIBRARIES, GDAL, DATA, GIT, KUBECTL, AFFINITY, NO_CLOUDS),
    *PACKAGES.values(),
)


def told(reasons: Iterable[str]) -> list[str]:
    """A line for each thing that was not here, from the reasons of all skips."""
    count = Counter(reasons)
    lines = []
    for thing in THINGS:
        meant = [reason for reason in count if thing.is_meant(reason)]
        lines += [f"{reason}. Not tested ({count[reason]}): {thing.tested}." for reason in meant]
    return lines
