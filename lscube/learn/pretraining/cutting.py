"""Patches cut from blocks of chips: windows over several chips, each of which has its image before made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lscube.cube.anchors import REFERENCE, measure_anchors
from lscube.errors import InventoryError
from lscube.learn.chips import Chips
from lscube.learn.pretraining.blocks import Block
from lscube.learn.pretraining.stock import Bytes, Stock, in_reference, of_chips, stock_of_chips

COARSE = 4
"""A block's anchors are measured on one pixel of so many in both directions."""
LEAST_SEEN = 0.6
"""Share of a window that chips must show."""
LEAST_NEW = 0.5
"""Share of what a window shows that no other does."""


def scene_of(image: NDArray[np.float32]) -> Bytes:
    """A block's image (y, x, 3) in the reference's radiometry, 8 bit; 0 where nothing is seen.

    Raises
    ------
    InventoryError
        The image shows too little.
    """
    bands_first = np.moveaxis(image, -1, 0)
    anchors, why = measure_anchors(bands_first[:, ::COARSE, ::COARSE], REFERENCE.bands)
    if anchors is None:
        raise InventoryError(
            f"Expected an image whose radiometry can be measured, but {why}; leave it out."
        )
    return in_reference(bands_first, anchors)


def stock_of_block(block: Block, window: int, seed: int, shapes: Bytes | None = None) -> Stock:
    """Make the image before each chip of a block, and cut windows that are mostly seen.

    Parameters
    ----------
    block
        From `put_together`.
    window
        Edge of a patch in pixels.
    seed, shapes
        As for `stock_of_chips`.
    """
    after, cells = scene_of(block.image), block.cells
    names = tuple(f"{place.row}, {place.column}" for place in block.places)
    chips = Chips(np.stack([after[cell] for cell in cells]), block.masks, names, block.name)
    made = stock_of_chips(chips, seed, shapes)
    corners = choose_windows(np.asarray((after > 0).all(axis=-1)), window)

    def cut(layer: Bytes) -> Bytes:
        return np.stack([layer[y : y + window, x : x + window] for y, x in corners])

    def laid_out(layer: Bytes) -> Bytes:
        whole = np.zeros_like(after)
        for cell, chip in zip(cells, layer, strict=True):
            whole[cell] = chip
        return cut(whole)

    return of_chips(
        laid_out(made.pre),
        laid_out(made.pre_spots),
        cut(after),
        laid_out(made.post_spots),
        cut(block.labels),
    )


def choose_windows(seen: NDArray[np.bool_], window: int, step: int = 32) -> list[tuple[int, int]]:
    """First row and column of windows, the best seen first, each of which shows much that others do not.

    Parameters
    ----------
    seen
        (y, x).
    window
        Their edge in pixels.
    step
        Their corners lie on multiples of it.
    """
    rows, columns = (-(-n // step) for n in seen.shape)
    whole = np.zeros((rows * step, columns * step), np.float32)
    whole[: seen.shape[0], : seen.shape[1]] = seen
    coarse = whole.reshape(rows, step, columns, step).mean(axis=(1, 3))
    size = window // step
    places = [
        (float(coarse[y : y + size, x : x + size].mean()), y, x)
        for y in range(min(seen.shape[0] // step, rows) - size + 1)
        for x in range(min(seen.shape[1] // step, columns) - size + 1)
    ]
    ordered = sorted(places, key=lambda one: (-one[0], one[1], one[2]))
    new, chosen = coarse.copy(), []
    for least in (1.0, LEAST_NEW):  # those beside each other first, then what is left between them
        for share, y, x in ordered:
            part = new[y : y + size, x : x + size]
            if share >= LEAST_SEEN and part.mean() >= least * share:
                part[:] = 0
                chosen.append((y * step, x * step))
    return chosen
