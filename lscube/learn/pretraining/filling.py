"""The image that was not taken: a chip's landslides filled from its own stable ground.

Chips of benchmarks often come without an image before the event. Where its landslides are, an image of
before is made by exemplars: each piece of a gap takes its pixels from that place of the same image whose
surroundings look most like the piece's own, is then shifted in brightness until it meets its rim, and is
feathered (after Criminisi, A., Perez, P., Toyama, K., 2004, Region filling and object removal by
exemplar-based image inpainting, doi:10.1109/TIP.2004.833105; Perez, P., Gangnet, M., Blake, A., 2003,
Poisson image editing, doi:10.1145/882262.882269, of which the rim's smooth correction is an approximation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Places = NDArray[np.intp]

PIECE = 24
"""Edge in pixels of the pieces that a gap is cut into: a whole valley has no counterpart, parts have."""
RIM = 3
"""Pixels around a piece that its source is chosen by."""
TRIES = 256
"""Sources that are compared for a piece."""
BARE = 1.0
"""How much a source that is brighter in red than the image's stable ground counts against it."""
FEATHER = 0.8
"""Standard deviation of a gap's soft edge, in pixels."""


class Piece(NamedTuple):
    """A part of a gap; rows and columns of pixels."""

    inside: Places
    """(2, n): what is to be filled."""
    rim: Places
    """(2, m): what is known around it."""


@dataclass(frozen=True)
class Spots:
    """What `draw_spots` may choose from."""

    masks: NDArray[np.uint8]
    """Masks whose landslides lend their shapes, (n, y, x), 1 = landslide."""
    share: float = 0.03
    """Share of an image that spots cover, about."""


def fill(image: NDArray[np.uint8], gap: Bools, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Fill a gap from the rest of the image.

    Parameters
    ----------
    image
        (y, x, band), 8 bit.
    gap
        (y, x), true where something is to be replaced.
    rng
        Draws the sources that are compared.

    Returns
    -------
    uint8 (y, x, band)
        Unchanged outside the gap but for a soft edge of about a pixel. Where there is no stable ground to
        take from, the gap is interpolated from its rim.
    """
    if not gap.any():
        return image.copy()
    values = image.astype(np.float32)
    open_, work = gap.copy(), values.copy()
    usual = np.percentile(values[~gap], 60, axis=0) if (~gap).any() else values.mean((0, 1))
    for piece in pieces(gap):
        _fill_piece(work, open_, piece, usual.astype(np.float32), rng)
    soft = ndimage.gaussian_filter(gap.astype(np.float32), FEATHER)[..., np.newaxis]
    weight = np.where(gap[..., np.newaxis], np.maximum(soft, 0.75), np.minimum(soft, 0.5))
    weight[ndimage.binary_erosion(gap, iterations=1)] = 1.0
    mixed = values * (1 - weight) + work * weight
    filled: NDArray[np.uint8] = np.clip(mixed.round(), 0, 255).astype(np.uint8)
    return filled


def pieces(gap: Bools) -> list[Piece]:
    """Cut a gap into pieces of at most `PIECE` pixels an edge, those with the most known rim first."""
    rows, columns = (np.arange(n) // PIECE for n in gap.shape)
    cells = rows[:, np.newaxis] * (columns[-1] + 1) + columns
    labels, _ = ndimage.label(gap)
    _, numbers = np.unique(
        np.where(gap, labels * (cells.max() + 1) + cells + 1, 0), return_inverse=True
    )
    numbers = numbers.reshape(gap.shape) + (0 if not gap.all() else 1)
    found = []
    for number, (ys, xs) in enumerate(ndimage.find_objects(numbers), start=1):
        top, left = max(ys.start - RIM, 0), max(xs.start - RIM, 0)
        part = (slice(top, ys.stop + RIM), slice(left, xs.stop + RIM))
        own = numbers[part] == number
        rim = ndimage.binary_dilation(own, iterations=RIM) & ~own
        known = (rim & ~gap[part]).sum() / max(rim.sum(), 1)
        corner = np.array([[top], [left]])
        found.append((known, Piece(_places(own) + corner, _places(rim) + corner)))
    return [piece for _, piece in sorted(found, key=lambda one: -one[0])]


def _places(where: Bools) -> Places:
    return np.array(np.nonzero(where), dtype=np.intp)


def _fill_piece(
    work: Floats, open_: Bools, piece: Piece, usual: Floats, rng: np.random.Generator
) -> None:
    """Fill a piece, in place, and close it."""
    rim = piece.rim[:, ~open_[tuple(piece.rim)]]
    shift = _best_shift(work, open_, piece._replace(rim=rim), usual, rng)
    inside = tuple(piece.inside)
    if shift is None:
        work[inside] = _interpolated(work, open_)[inside]
    else:
        source = work[tuple(piece.inside + shift[:, np.newaxis])]
        work[inside] = source + _correction(work, piece.inside, rim, shift)
    open_[inside] = False


def _best_shift(
    work: Floats, open_: Bools, piece: Piece, usual: Floats, rng: np.random.Generator
) -> Places | None:
    """Rows and columns to the best source; None where none lies wholly within what is known."""
    shape = np.array(open_.shape)
    both = np.concatenate([piece.inside, piece.rim], axis=1)
    low, high = -both.min(axis=1), shape - both.max(axis=1)
    shifts = np.stack([rng.integers(low[i], high[i], TRIES) for i in (0, 1)], axis=1)
    moved = both[np.newaxis] + shifts[:, :, np.newaxis]
    free = ~open_[moved[:, 0], moved[:, 1]].any(axis=1)
    free &= np.abs(shifts).max(axis=1) > RIM
    if not free.any() or not piece.rim.size:
        return None
    shifts, moved = shifts[free], moved[free]
    count = piece.inside.shape[1]
    source = work[moved[:, 0, :count], moved[:, 1, :count]]
    around = work[moved[:, 0, count:], moved[:, 1, count:]]
    known = work[tuple(piece.rim)]
    misfit = np.abs(around - known).mean(axis=(1, 2))
    bare = np.maximum(source - usual, 0.0)[..., 0].mean(axis=1)
    best: Places = shifts[np.argmin(misfit + BARE * bare)]
    return best


def _correction(work: Floats, inside: Places, rim: Places, shift: Places) -> Floats:
    """What makes a source meet the rim: the rim's differences, the near ones most."""
    difference = work[tuple(rim)] - work[tuple(rim + shift[:, np.newaxis])]
    middle = np.median(difference, axis=0)
    difference = middle + np.clip(
        difference - middle, -12.0, 12.0
    )  # a road or a slide beside it is no light
    apart = inside[:, :, np.newaxis] - rim[:, np.newaxis, :]
    weight = 1.0 / ((apart**2).sum(axis=0) + 4.0)
    mean = (weight @ difference) / weight.sum(axis=1, keepdims=True)
    return np.asarray(0.8 * mean, dtype=np.float32)


def _interpolated(work: Floats, open_: Bools) -> Floats:
    """Smooth values from what is known."""
    known = (~open_).astype(np.float32)
    weight = ndimage.gaussian_filter(known, 12.0)[..., np.newaxis] + 1e-6
    sums = ndimage.gaussian_filter(work * known[..., np.newaxis], (12.0, 12.0, 0))
    return np.asarray(sums / weight, dtype=np.float32)


def widened(mask: Bools, rng: np.random.Generator, largest: int = 4) -> Bools:
    """A mask dilated by 1 to `largest` pixels: outlines are drawn by hand, and soil lies beyond them."""
    wide: Bools = ndimage.binary_dilation(mask, iterations=int(rng.integers(1, largest + 1)))
    return wide


def draw_spots(taken: Bools, spots: Spots, rng: np.random.Generator) -> Bools:
    """Draw stable spots shaped as landslides are.

    Parameters
    ----------
    taken
        (y, x): where no spot may be.
    spots
        Where shapes come from.
    rng
        Draws shapes and places.

    Returns
    -------
    bool (y, x)
        Spots, turned and moved; at most 12 are tried.
    """
    found = np.zeros_like(taken)
    for _ in range(12):
        if found.mean() >= spots.share:
            break
        mask = spots.masks[rng.integers(len(spots.masks))] == 1
        labels, count = ndimage.label(np.rot90(mask, int(rng.integers(4))))
        if not count:
            continue
        shape = labels == rng.integers(1, count + 1)
        shape = np.roll(shape, tuple(rng.integers(0, n) for n in taken.shape), (0, 1))
        if shape.mean() <= 2 * spots.share:
            found |= shape & ~taken
    return found
