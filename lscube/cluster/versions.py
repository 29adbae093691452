"""Whether client, scheduler and workers have versions that work together."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from lscube.errors import ClusterError

logger = logging.getLogger("lscube.cluster")

EQUAL = {
    # Code travels as bytecode, which each minor version has of its own.
    "python": 2,
    # Dask's own protocol, and the graphs that are sent, are those of one version.
    "dask": None,
    "distributed": None,
    # What runs there must be what was asked for here.
    "lscube": None,
    # Formats of what is sent and stored.
    "msgpack": 1,
    "cloudpickle": 1,
    "numpy": 1,
    "zarr": 1,
}
"""How many parts of a version must be equal; None: all. Other differences are told, and not refused."""

TOLD = ("xarray", "rasterio", "stackstac", "tornado")
"""Looked at beside those of `EQUAL`; a difference is told."""

_SCHEDULER = ("python", "dask", "distributed", "lscube", "msgpack", "cloudpickle")
"""What the scheduler needs: it opens graphs, but computes nothing."""

Versions = Mapping[str, str | None]


def check_versions(client: Any) -> None:
    """Compare versions on all sides of a cluster.

    Parameters
    ----------
    client
        A `distributed.Client`, some of whose workers have come.

    Raises
    ------
    ClusterError
        A difference would break the run.
    """
    packages = [name for name in (*EQUAL, *TOLD) if name != "python"]
    found = client.get_versions(packages=packages)
    ours = found["client"]["packages"]
    _compare(ours, found["scheduler"]["packages"], "the scheduler", _SCHEDULER)
    for address, worker in found["workers"].items():
        _compare(ours, worker["packages"], f"worker {address}", (*EQUAL, *TOLD))


def _compare(ours: Versions, theirs: Versions, whose: str, names: tuple[str, ...]) -> None:
    told = []
    for name in names:
        here, there = ours.get(name), theirs.get(name)
        if here == there:
            continue
        if name in EQUAL and _cut(here, EQUAL[name]) != _cut(there, EQUAL[name]):
            raise ClusterError(
                f"Expected {name} {_shown(here)} on {whose}, as here, but it has {_shown(there)}; use one "
                "image or environment for all (constraints.txt has exact versions)."
            )
        told.append(f"{name} {_shown(there)} (here {_shown(here)})")
    if told:
        logger.warning("Versions differ on %s: %s", whose, ", ".join(told))


def _cut(version: str | None, parts: int | None) -> list[str] | None:
    return None if version is None else version.split(".")[:parts]


def _shown(version: str | None) -> str:
    return "none" if version is None else version.removesuffix(".final.0")
