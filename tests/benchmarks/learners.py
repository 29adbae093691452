"""Feed and train once and print the figure; a process of its own for each run.

`python -m tests.benchmarks.learners write STORE`, then a way of feeding and STORE.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import odc.geo.xr  # noqa: F401
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from lscube.learn.patches import BlockCache, EventPatches, step_of
from lscube.learn.reader import Reader, as_py_dataset, as_tf_data
from lscube.learn.splits import Side
from lscube.learn.store import open_training_store, write_training_store
from lscube.settings import SplitSettings, TrainSettings

SIZE = 3024
"""Edge of the event in pixels: 26 x 26 overlapping windows, 260 MB of seven channels."""
LOADED = TrainSettings(batch_size=16)
"""The paper's windows, in batches that a GPU takes."""


def write(path: Path) -> None:
    """Write the training Zarr of an event with both images, elevation and labels everywhere."""
    grid = GeoBox((SIZE, SIZE), Affine(10, 0, 500_000, 0, -10, 4_740_000), "EPSG:32654")
    rng = np.random.default_rng(0)
    image = rng.uniform(0.02, 0.2, (3, SIZE, SIZE)).astype(np.float32)
    labels = (rng.uniform(size=grid.shape) < 0.1).astype(np.uint8)
    cube = xr.Dataset(
        {
            "pre": (("band", "y", "x"), image),
            "post": (("band", "y", "x"), image + np.float32(0.1) * labels),
            "elevation": (("y", "x"), 1000 * image[0]),
            "observed": (("y", "x"), np.zeros(grid.shape, np.uint16)),
            "area": (("y", "x"), np.zeros(grid.shape, np.uint8)),
        },
        coords={**xr_coords(grid), "band": ["red", "green", "blue"]},
    )
    known = xr.DataArray(labels, dims=("y", "x"), coords=xr_coords(grid))
    write_training_store(path, cube, known, LOADED, SplitSettings())


def patches_of(path: Path, settings: TrainSettings) -> EventPatches:
    """Training patches of a store, no block of which has been read."""
    store = open_training_store(path)
    return EventPatches(store, Side.TRAINING, settings, "event", BlockCache(float("inf")))


def reader_of(path: Path, settings: TrainSettings) -> Reader:
    """Shuffled batches of a store."""
    return Reader(patches_of(path, settings), settings.batch_size, shuffle=True)


def batches_of(reader: Reader, epochs: int) -> Iterable[Any]:
    """What lscube trains on, on Keras's backend."""
    import keras

    if keras.backend.backend() == "tensorflow":
        return as_tf_data(reader, 0, epochs)
    batches = as_py_dataset(reader, 0)
    return (batches[step][0] for _ in range(epochs) for step in range(reader.steps))


def _epochs(path: Path, first: int, last: int) -> float:
    """Patches per second of the epochs `first` to `last` - 1 of a loader that begins with epoch 0."""
    import tensorflow  # noqa: F401  # importing it is not counted, as it is not for the others

    reader = reader_of(path, LOADED)
    start = time.perf_counter()
    count = 0
    for number, batch in enumerate(as_tf_data(reader, 0, last), 1):
        count += int(batch["labels"].shape[0])
        if number == first * reader.steps:
            start, count = time.perf_counter(), 0
    return count / (time.perf_counter() - start)


def lscube(path: Path) -> float:
    """Patches per second of five epochs, the reading of all blocks in the first one included."""
    return _epochs(path, 0, 5)


def lscube_first(path: Path) -> float:
    """Patches per second of the epoch in which all blocks are read."""
    return _epochs(path, 0, 1)


def lscube_held(path: Path) -> float:
    """Patches per second of five epochs whose blocks are in memory, the first one having ended."""
    return _epochs(path, 1, 6)


def _xbatcher(store: xr.Dataset) -> float:
    """Patches per second of xbatcher's own Keras loader."""
    from xbatcher import BatchGenerator
    from xbatcher.loaders.keras import CustomTFDataset

    window, step = LOADED.window, step_of(LOADED)
    names = ("pre", "post", "elevation")
    inputs = xr.concat(
        [store[n].rename({store[n].dims[-1]: "channel"}) for n in names],
        "channel",
        coords="minimal",
        compat="override",
    ).transpose("y", "x", "channel")
    dims = {"y": window, "x": window}
    overlap = {"y": window - step, "x": window - step}
    loader = CustomTFDataset(
        BatchGenerator(inputs, {**dims, "channel": 7}, input_overlap=overlap),
        BatchGenerator(store["labels"], dims, input_overlap=overlap),
    )
    start = time.perf_counter()
    for index in range(len(loader)):
        loader[index]
    return len(loader) / (time.perf_counter() - start)


def xbatcher(path: Path) -> float:
    """xbatcher's Keras loader on the same Zarr, opened as xarray opens it: lazy."""
    return _xbatcher(xr.open_zarr(path, consolidated=False, mask_and_scale=False))


def xbatcher_in_memory(path: Path) -> float:
    """xbatcher's Keras loader on the same cube, loaded beforehand, which is not counted."""
    return _xbatcher(xr.open_zarr(path, consolidated=False, mask_and_scale=False).load())


def memory(path: Path) -> float:
    """Patches per second of slicing the same patches from arrays in memory, in the same batches."""
    patches = patches_of(path, LOADED)
    names = ("pre", "post", "elevation", "labels")
    store = open_training_store(path)
    planes = [store[name].values for name in names]
    window, size = LOADED.window, LOADED.batch_size
    inside = patches.windows.origins.clip(0, SIZE - window)  # ours are padded beyond the plane
    places = np.random.default_rng(0).permutation(inside)
    start = time.perf_counter()
    for first in range(0, len(places), size):
        for plane in planes:
            np.stack([plane[y : y + window, x : x + window] for y, x in places[first:][:size]])
    return len(places) / (time.perf_counter() - start)


def trained(path: Path, settings: TrainSettings, steps: int) -> tuple[float, float]:
    """Patches per second trained with augmentation, and share of the time spent waiting for input."""
    import keras

    from lscube.learn.hardware import choose_policy, gpus, policy, processor_flags
    from lscube.learn.network import build_network
    from lscube.learn.training import make_training_model

    with policy(choose_policy("auto", gpus(), processor_flags())):
        network = build_network(3, 3, 10.0, settings)
        model = make_training_model(network, 1.0, 1.0, 1e-4)
    reader = reader_of(path, settings)
    warm_up = iter(batches_of(reader_of(path, settings), 1))
    for _ in range(2):  # traces are made
        model.train_on_batch(next(warm_up))
    waited, start = 0.0, time.perf_counter()
    # The first blocks are read within the measured time, as at the beginning of every training.
    batches = iter(batches_of(reader, 1))
    for _ in range(min(steps, reader.steps)):
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        model.train_on_batch(batch)
    keras.ops.convert_to_numpy(network.trainable_variables[0])  # all steps are done
    seconds = time.perf_counter() - start
    return min(steps, reader.steps) * settings.batch_size / seconds, waited / seconds


def input_wait(path: Path) -> float:
    """Share of a training epoch at width 0.125 that is spent waiting for input."""
    return trained(path, TrainSettings(width=0.125, batch_size=8), 10**6)[1]


def train(path: Path) -> float:
    """Patches per second trained at the paper's width, on what the machine has."""
    from lscube.learn.hardware import gpus

    on_gpu = gpus() > 0
    steps, size = (30, 16) if on_gpu else (3, 4)
    return trained(path, TrainSettings(width=1.0, batch_size=size), steps)[0]


WAYS: dict[str, Callable[[Path], float | None]] = {
    way.__name__: way
    for way in (
        write,
        lscube,
        lscube_first,
        lscube_held,
        xbatcher,
        xbatcher_in_memory,
        memory,
        input_wait,
        train,
    )
}

if __name__ == "__main__":
    found = WAYS[sys.argv[1]](Path(sys.argv[2]))
    print("" if found is None else f"{found:.5f}")
