"""Patches cut from blocks of chips: windows over several chips, each of which has its image before made."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lscube.cube.anchors import REFERENCE, brought, measure_anchors
from lscube.errors import InventoryError
from lscube.learn.pretraining.blocks import Block
from lscube.learn.pretraining.filling import Spots
from lscube.learn.pretraining.stock import CHIP, LOANS, Bytes, Stock, as_bytes, made_before

BANDS = REFERENCE.bands
COARSE = 4
"""A block's anchors are measured on one pixel of so many in both directions."""
LEAST_SEEN = 0.6
"""Share of a window that chips must show."""
LEAST_NEW = 0.5
"""Share of what a window shows that no other does."""


def in_reference(image: NDArray[np.float32]) -> Bytes:
    """A block's image (y, x, 3) in the reference's radiometry, 8 bit; 0 where nothing is seen.

    Raises
    ------
    InventoryError
        The image shows too little.
    """
    bands_first = np.moveaxis(image, -1, 0)
    anchors, why = measure_anchors(bands_first[:, ::COARSE, ::COARSE], BANDS)
    if anchors is None:
        raise InventoryError(
            f"Expected an image whose radiometry can be measured, but {why}; leave it out."
        )
    return as_bytes(np.moveaxis(brought(bands_first, anchors, REFERENCE), 0, -1))


def stock_of_block(block: Block, window: int, seed: int, spots: Spots | None = None) -> Stock:
    """Make the image before each chip of a block, and cut windows that are mostly seen.

    Parameters
    ----------
    block
        From `put_together`.
    window
        Edge of a patch in pixels.
    seed
        Of the filling; each chip has draws of its own.
    spots
        What lends the spots their shapes; default: the block's own landslides.
    """
    after = in_reference(block.image)
    edge = block.labels.shape[0] // (1 + max(place.row for place in block.places))
    cells = [
        (slice(p.row * edge, (p.row + 1) * edge), slice(p.column * edge, (p.column + 1) * edge))
        for p in block.places
    ]
    lent = spots or Spots(np.stack([block.labels[cell] for cell in cells]))
    layers = [after.copy(), after.copy(), after, after.copy()]
    for number, cell in enumerate(cells):
        rng = np.random.default_rng((seed, number))
        pre, pre_spots, post_spots = made_before(after[cell], block.labels[cell], lent, rng)
        for layer, made in zip((*layers[:2], layers[3]), (pre, pre_spots, post_spots), strict=True):
            layer[cell] = np.maximum(made, 1)
    corners = choose_windows(np.asarray((after > 0).all(axis=-1)), window)

    def cut(layer: NDArray[Any]) -> NDArray[Any]:
        return np.stack([layer[y : y + window, x : x + window] for y, x in corners])

    pre, pre_spots, post, post_spots = map(cut, layers)
    return Stock(
        pre,
        pre_spots,
        post,
        post_spots,
        cut(block.labels),
        np.empty((0, window, window), np.int16),
        np.full(len(corners), -1, np.int32),
        np.full((len(corners), LOANS), -1, np.int32),
        np.full(len(corners), CHIP, np.uint8),
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
