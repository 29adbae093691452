"""Window inference: every pixel's probability from the lattice's window whose core it is in."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

from lscube import metrics
from lscube.cube.assemble import pixelwise
from lscube.cube.masks import usable
from lscube.errors import AreaError
from lscube.grid import Lattice
from lscube.learn import Card

Floats = npt.NDArray[np.float32]

Predict = Callable[[Floats], Floats]
"""Windows (n, channel, y, x) to planes (n, plane, y, x); the first is the probability."""

BATCH_PIXELS = 8 * 224 * 224
"""Pixels that are given to the network at once."""


def network_input(cube: xr.Dataset, card: Card, needed: Collection[str] | None = None) -> da.Array:
    """Everything that a window needs, as one array.

    Parameters
    ----------
    cube
        With the bands that the model looks at.
    card
        The model's.
    needed
        Branches without which a pixel is not mapped; default: all that the model looks at.

    Returns
    -------
    dask array, float32 (channel, y, x)
        The model's channels (`LoadedModel.predict`), and 1 where a probability is wanted: observed
        by the images that are needed, and within the area.
    """
    branches = card.branches if needed is None else needed
    wanted = pixelwise(
        partial(_wanted, branches=branches), np.float32, cube["observed"].data, cube["area"].data
    )
    parts = [
        cube[image].sel(band=list(bands)).data
        for image, bands in (("pre", card.pre_bands), ("post", card.post_bands))
        if bands
    ]
    if "topography" in card.branches:
        parts.append(cube["elevation"].data[None])
    stacked = da.concatenate([*parts, wanted[None]])
    return stacked.rechunk({0: -1})


def _wanted(
    observed: npt.NDArray[Any], area: npt.NDArray[Any], branches: Collection[str]
) -> Floats:
    return np.asarray(usable(observed, area, branches), np.float32)


def probability(stacked: da.Array, predict: Predict, lattice: Lattice, planes: int = 1) -> da.Array:
    """Planes of every wanted pixel of a padded grid.

    Parameters
    ----------
    stacked
        From `network_input`, on a grid of whole cores with the margin around it; the outermost
        chunks carry the margin (`Lattice.padded_chunks`).
    predict
        The model; must give each window the same result whatever else is in the batch.
    lattice
        The windows.
    planes
        How many planes `predict` gives.

    Returns
    -------
    dask array, float32 (plane, y, x)
        On the grid without its margin; NaN where no probability is wanted.
    """
    cores = tuple(_without_margin(chunks, lattice) for chunks in stacked.chunks[1:])
    mapped = da.map_overlap(
        # Dask would look through arguments for its own collections.
        partial(predict_block, predict=predict, lattice=lattice, planes=planes),
        stacked,
        depth={0: 0, 1: lattice.margin, 2: lattice.margin},
        boundary="none",
        trim=False,
        allow_rechunk=False,
        chunks=((planes,), *cores),
        dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
    )
    return mapped


def _without_margin(chunks: tuple[int, ...], lattice: Lattice) -> tuple[int, ...]:
    """Chunks of cores that belong to padded chunks."""
    sizes = list(chunks)
    sizes[0] -= lattice.margin
    sizes[-1] -= lattice.margin
    if any(size <= 0 or size % lattice.core for size in sizes):
        raise AreaError(
            f"Expected chunks of whole cores ({lattice.core} pixels) with the margin "
            f"({lattice.margin}) in the outermost, got {chunks}; use Lattice.padded_chunks."
        )
    return tuple(sizes)


def predict_block(block: Floats, *, predict: Predict, lattice: Lattice, planes: int = 1) -> Floats:
    """Predict the windows of one block.

    Parameters
    ----------
    block
        (channel, rows * core + 2 * margin, columns * core + 2 * margin), as `network_input` gives it.
    predict, lattice, planes
        As in `probability`.

    Returns
    -------
    array, float32 (plane, rows * core, columns * core)
    """
    core, margin = lattice.core, lattice.margin
    inputs, wanted = block[:-1], block[-1] == 1
    rows, columns = ((size - 2 * margin) // core for size in inputs.shape[1:])
    out = np.full((planes, rows * core, columns * core), np.nan, np.float32)
    inner = slice(margin, margin + core)
    # Windows without a wanted pixel in their core need no prediction.
    places = [
        (y, x)
        for y in range(0, rows * core, core)
        for x in range(0, columns * core, core)
        if wanted[y : y + lattice.window, x : x + lattice.window][inner, inner].any()
    ]
    batch = max(1, BATCH_PIXELS // lattice.window**2)
    for first in range(0, len(places), batch):
        part = places[first : first + batch]
        windows = np.stack(
            [inputs[:, y : y + lattice.window, x : x + lattice.window] for y, x in part]
        )
        begun = time.perf_counter()
        predicted = predict(windows)
        metrics.WINDOW_SECONDS.inc(time.perf_counter() - begun)
        metrics.WINDOWS.inc(len(part))
        for (y, x), window in zip(part, predicted, strict=True):
            out[:, y : y + core, x : x + core] = window[:, inner, inner]
    kept = wanted[margin : margin + rows * core, margin : margin + columns * core]
    out[:, ~kept] = np.nan
    return out
