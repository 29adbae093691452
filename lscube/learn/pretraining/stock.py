"""Patches of chips and of simulated twins, in arrays: all that a training of a general model needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lscube import terrain
from lscube.cube.anchors import REFERENCE, Anchors, brought, measure_anchors
from lscube.errors import InventoryError
from lscube.files import appearing
from lscube.learn.chips import FULL_SCALE, Chips
from lscube.learn.pretraining.filling import Spots, draw_spots, fill, widened

if TYPE_CHECKING:
    import xarray as xr

Bytes = NDArray[np.uint8]

NO_TERRAIN = -32768
"""Elevation where none is known."""
STEP = 0.1
"""Metres that elevation is rounded to."""
LOANS = 16
"""Terrains that a chip may be lent."""
CHIP, TWIN, PAIR = range(3)
"""Kinds of patches: of chips, of simulated twins, of pairs of images that were really taken."""


@dataclass(frozen=True)
class Stock:
    """n patches of one size, before (with and without spots), after (likewise), and their terrain."""

    pre: Bytes
    """Before, (n, y, x, 3); 255 is a reflectance of 0.3, 0 is unobserved."""
    pre_spots: Bytes
    """Before, with stable spots filled as landslides were."""
    post: Bytes
    """After, (n, y, x, 3)."""
    post_spots: Bytes
    """After, with other stable spots filled."""
    labels: Bytes
    """0, 1 or `IGNORE`, (n, y, x)."""
    terrain: NDArray[np.int16]
    """Elevation above each patch's mean in steps of 0.1 m, (t, y, x); `NO_TERRAIN` where none is known."""
    own: NDArray[np.int32]
    """(n,): number of the patch's own terrain, -1 where it has none."""
    loans: NDArray[np.int32]
    """(n, loans): 8 * number + turn of terrains that could be the patch's; -1 where there are none."""
    kind: NDArray[np.uint8]
    """(n,): `CHIP`, `TWIN` or `PAIR`."""

    def __len__(self) -> int:
        return len(self.post)

    @property
    def window(self) -> int:
        """Edge of a patch in pixels."""
        return int(self.post.shape[1])

    def save(self, path: Path) -> None:
        """Write to an NPZ file."""
        with appearing(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **{f.name: getattr(self, f.name) for f in fields(self)})


def read_stock(path: Path) -> Stock:
    """Read what `Stock.save` wrote.

    Raises
    ------
    InventoryError
        The file is missing, or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return Stock(**{f.name: file[f.name] for f in fields(Stock)})
    except (OSError, ValueError, KeyError) as error:
        raise InventoryError(
            f"Expected patches at {path}, but {error}; prepare them again."
        ) from None


def stock_of_chips(chips: Chips, seed: int, shapes: Bytes | None = None) -> Stock:
    """Make the missing images of chips; they have no terrain.

    Parameters
    ----------
    chips
        Images after the event, and masks.
    seed
        Of the filling; each chip has draws of its own.
    shapes
        Masks that lend the spots their shapes; default: the chips' own.
    """
    spots = Spots(chips.masks if shapes is None else shapes)
    made = [
        made_before(image, mask, spots, np.random.default_rng((seed, number)))
        for number, (image, mask) in enumerate(zip(chips.images, chips.masks, strict=True))
    ]
    pre, pre_spots, post_spots = (np.maximum(np.stack(part), 1) for part in zip(*made, strict=True))
    return of_chips(pre, pre_spots, np.maximum(chips.images, 1), post_spots, chips.masks)


def of_chips(pre: Bytes, pre_spots: Bytes, post: Bytes, post_spots: Bytes, labels: Bytes) -> Stock:
    """Patches of chips, which have no terrain."""
    count, *window = labels.shape
    return Stock(
        pre,
        pre_spots,
        post,
        post_spots,
        labels,
        np.empty((0, *window), np.int16),
        np.full(count, -1, np.int32),
        np.full((count, LOANS), -1, np.int32),
        np.full(count, CHIP, np.uint8),
    )


def of_places(
    before: Bytes, after: Bytes, labels: Bytes, elevation: NDArray[np.float32], kind: int
) -> Stock:
    """Patches with terrain of their own, metres (n, y, x); they have no spots."""
    count = len(labels)
    return Stock(
        before,
        before,
        after,
        after,
        labels,
        as_steps(elevation),
        np.arange(count, dtype=np.int32),
        np.full((count, LOANS), -1, np.int32),
        np.full(count, kind, np.uint8),
    )


def made_before(
    image: Bytes, mask: Bytes, spots: Spots, rng: np.random.Generator
) -> tuple[Bytes, Bytes, Bytes]:
    """Make a chip's image before; the same with spots; and the image after with other spots."""
    gap = widened(mask == 1, rng)
    pre = fill(image, gap, rng)
    before = draw_spots(gap, spots, rng)
    after = draw_spots(gap | before, spots, rng)
    return pre, fill(pre, before, rng), fill(image, after, rng)


def stock_of_cube(
    cube: xr.Dataset, labels: xr.DataArray, window: int, stride: int, resolution: float = 10.0
) -> Stock:
    """Cut a cube of red, green and blue into patches, all of it; what is cut has no spots.

    Parameters
    ----------
    cube, labels
        As for `lscube.fit`, on one grid.
    window, stride
        Edge of a patch, and pixels from one to the next.
    resolution
        Pixel size in metres.
    """
    slopes = terrain.slope(cube["elevation"].to_numpy(), resolution)
    pre, post = (_side(cube[side], slopes) for side in ("pre", "post"))
    known = np.asarray(labels)
    corners = window_corners(known.shape, window, stride)
    before, after, own, elevation = (
        np.stack([layer[y : y + window, x : x + window] for y, x in corners])
        for layer in (pre, post, known, cube["elevation"].to_numpy())
    )
    return of_places(before, after, own, elevation, TWIN)


def _side(image: xr.DataArray, slopes: NDArray[np.float32]) -> Bytes:
    """An image in the reference's radiometry, (y, x, 3), 8 bit."""
    bands = REFERENCE.bands
    pixels = image.sel(band=list(bands)).transpose("band", "y", "x").to_numpy()
    return in_reference(pixels, measure_anchors(pixels, bands, slopes)[0])


def window_corners(shape: Sequence[int], window: int, stride: int) -> list[tuple[int, int]]:
    """First row and column of windows; the last ones end where the image ends, if it is large enough."""
    rows, columns = (
        sorted({*range(0, length - window + 1, stride), max(length - window, 0)})
        for length in shape
    )
    return [(y, x) for y in rows for x in columns]


def in_reference(image: NDArray[np.float32], anchors: Anchors | None) -> Bytes:
    """An image (band, y, x) with its anchors in the reference's radiometry, (y, x, band), 8 bit."""
    return as_bytes(np.moveaxis(brought(image, anchors, REFERENCE), 0, -1))


def as_bytes(reflectance: NDArray[np.float32]) -> Bytes:
    """Reflectance as 8 bit: 255 is 0.3, 0 is unobserved."""
    shown = np.clip(np.round(reflectance * (255 / FULL_SCALE)), 1, 255)
    return np.where(np.isnan(reflectance), 0, shown).astype(np.uint8)


def as_steps(elevation: NDArray[np.float32]) -> NDArray[np.int16]:
    """Windows of metres as steps above their mean."""
    with np.errstate(invalid="ignore"):
        steps = np.round((elevation - np.nanmean(elevation, axis=(1, 2), keepdims=True)) / STEP)
    steps = np.clip(steps, NO_TERRAIN + 1, -NO_TERRAIN - 1)
    return np.where(np.isnan(elevation), NO_TERRAIN, steps).astype(np.int16)


def join(stocks: Sequence[Stock]) -> Stock:
    """One stock of several of one window."""
    shifts = np.cumsum([0, *(len(stock.terrain) for stock in stocks[:-1])])
    shifted = [
        replace(
            stock,
            own=np.where(stock.own < 0, -1, stock.own + shift).astype(np.int32),
            loans=np.where(stock.loans < 0, -1, stock.loans + 8 * shift).astype(np.int32),
        )
        for stock, shift in zip(stocks, shifts, strict=True)
    ]
    names = [field.name for field in fields(Stock)]
    return Stock(**{n: np.concatenate([getattr(part, n) for part in shifted]) for n in names})


def lend_terrain(stock: Stock, resolution: float, seed: int) -> Stock:
    """Find terrains for patches that have none: those, of all turns, that are steep at the landslides.

    A network that sees terrain beside simulated images alone knows by it what kind of image it has. The
    terrain lent is another place's, but landslides lie on its slopes, and valley floors beside them.

    Parameters
    ----------
    stock
        Of one window; square.
    resolution
        Pixel size in metres.
    seed
        Draws the terrains that are compared, 256 for each patch.
    """
    whole = np.flatnonzero((stock.terrain != NO_TERRAIN).all(axis=(1, 2)))
    if not len(whole):
        return stock
    slopes = terrain.slope(stock.terrain[whole].astype(np.float32) * np.float32(STEP), resolution)
    coarse = _coarse(slopes.astype(np.float32))
    turned = np.stack([turn(coarse, number) for number in range(8)], axis=1)
    turned = turned.reshape(8 * len(whole), -1) - turned.mean(axis=(2, 3)).reshape(-1, 1)
    numbers = (8 * whole[:, np.newaxis] + np.arange(8)).ravel()
    loans = stock.loans.copy()
    for patch in np.flatnonzero(stock.kind == CHIP):
        rng = np.random.default_rng((seed, int(patch)))
        drawn = rng.integers(0, len(numbers), 256)
        mask = _coarse((stock.labels[patch] == 1).astype(np.float32)[np.newaxis]).ravel()
        steeper = turned[drawn] @ mask
        loans[patch] = numbers[drawn[np.argsort(-steeper, kind="stable")[: loans.shape[1]]]]
    return replace(stock, loans=loans)


def _coarse(layers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 4 x 4 pixels."""
    n, y, x = layers.shape
    means: NDArray[np.float32] = layers.reshape(n, y // 4, 4, x // 4, 4).mean(axis=(2, 4))
    return means


def turn(layers: NDArray[Any], number: int) -> NDArray[Any]:
    """Lay squares (n, y, x) on themselves, in 8 ways: transposed (4), upside down (2), mirrored (1)."""
    layers = layers.swapaxes(1, 2) if number & 4 else layers
    layers = layers[:, ::-1] if number & 2 else layers
    return layers[:, :, ::-1] if number & 1 else layers
