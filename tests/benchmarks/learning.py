"""Rows on learning: how fast patches come, and how much of a training waits for them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from tests.benchmarks.measure import Row, at_least, at_most
from tests.benchmarks.reading import run

PROGRAM = "tests.benchmarks.learners"
ROUNDS = 5


@contextmanager
def training_zarr() -> Iterator[str]:
    """A training Zarr of 3024 x 3024 pixels; gives its path."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/event.zarr"
        run(PROGRAM, "write", path)
        yield path


@cache
def speeds() -> dict[str, list[float]]:
    """Patches per second of each way, one value per round; all ways take turns within a round."""
    ways = ["lscube", "lscube_first", "lscube_held", "xbatcher", "xbatcher_in_memory", "memory"]
    measured: dict[str, list[float]] = {way: [] for way in ways}
    with training_zarr() as path:
        for round_ in range(ROUNDS):
            turn = round_ % len(ways)
            for way in ways[turn:] + ways[:turn]:
                measured[way] += run(PROGRAM, way, path)
    for way, values in measured.items():
        print(f"  {way}: {' '.join(f'{value:.0f}' for value in values)} patches/s", flush=True)
    return measured


def _ratio(name: str, ours: str, peer: str, limit: float) -> Row:
    """Our patches per second by a peer's, round by round."""
    measured = speeds()
    ratios = [a / b for a, b in zip(measured[ours], measured[peer], strict=True)]
    return at_least(name, "x", limit, ratios)


def loader_vs_xbatcher() -> Row:
    """Patches from the training Zarr, by what xbatcher's own Keras loader gives from it.

    Of ours the first epoch is taken, in which every block is read, which is the slow one.
    """
    return _ratio("loader_vs_xbatcher", "lscube_first", "xbatcher", 5)


def loader_vs_memory() -> Row:
    """Patches per second by what slicing the same patches from memory gives.

    Both have the pixels in memory: ours after the first epoch. `loader_first_epoch` is the reading.
    """
    return _ratio("loader_vs_memory", "lscube_held", "memory", 0.5)


def loader_patches_per_second() -> Row:
    """Patches per second from the training Zarr to ready batches, without augmentation.

    Five epochs, the first of which reads every block.
    """
    return at_least("loader_patches_per_second", "/s", 400, speeds()["lscube"])


def loader_first_epoch() -> Row:
    """The same of the first epoch alone; told, not limited."""
    return at_least("loader_first_epoch", "/s", 0, speeds()["lscube_first"])


def train_input_wait() -> Row:
    """Share of an epoch at width 0.125 that is spent waiting for input."""
    with training_zarr() as path:
        return at_most("train_input_wait", "", 0.05, run(PROGRAM, "input_wait", path))


def train_patches_per_second() -> Row:
    """Patches per second trained at width 1, with augmentation, on what the machine has."""
    with training_zarr() as path:
        values = [run(PROGRAM, "train", path)[0] for _ in range(3)]
    return at_least("train_patches_per_second", "/s", 0, values)
