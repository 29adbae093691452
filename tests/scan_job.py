"""A pass of a scan in a process of its own, which can be made to die at a step."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from lscube.scan.running import scan_once
from tests.scanning import Catalogue, Clock, Feed, world_of


def run(folder: Path, scan: Path, catalogue: str, log: Path, deadly: bool = False) -> None:
    """Make one pass; if it is deadly, die once at each step that has a name of its own."""
    place = Catalogue.__new__(Catalogue)
    place.folder, place.name = folder, catalogue

    def at(step: str) -> None:
        with log.open("a") as file:
            file.write(f"{os.getpid()} {step}\n")
        died = log.with_suffix(".died")
        before = died.read_text().splitlines() if died.exists() else []
        if deadly and step not in before:
            with died.open("a") as file:
                file.write(f"{step}\n")
            os.kill(os.getpid(), signal.SIGKILL)

    def post(body: bytes, headers) -> None:
        with log.with_suffix(".posted").open("a") as file:
            file.write(f"{headers['X-Lscube-Delivery']}\n")

    world = world_of(
        folder, scan, place, Feed(), Clock(), at=at, post=post, products={"publish": True}
    )
    outcome = scan_once(world)
    with log.with_suffix(".outcome").open("a") as file:
        file.write(f"{outcome.versions} {len(outcome.busy)} {len(outcome.failures)}\n")
    world.state.close()
