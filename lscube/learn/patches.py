"""Patches of a cube for training and validation, which never share a pixel.

The training part is divided by a straight cut, each side is cropped first and then cut into
overlapping windows (Prakash et al. 2021, figure 7A: 224 x 224 pixels, 50 % overlap).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
import xbatcher
from numpy.typing import NDArray

from lscube.cube.masks import AreaFlag
from lscube.errors import InventoryError
from lscube.learn import IGNORE
from lscube.learn.splits import Labels, Rect, area_rect, bounding_box, inside, slices, split
from lscube.settings import TrainSettings

Floats = NDArray[np.float32]


class Patch(NamedTuple):
    """One window's pixels."""

    pre: Floats
    """Reflectance before, (y, x, band), NaN where unknown."""
    post: Floats
    """Reflectance after, (y, x, band), NaN where unknown."""
    elevation: Floats
    """Metres, (y, x, 1), NaN where unknown."""
    labels: Labels
    """0, 1 or `IGNORE`, (y, x, 1)."""


@dataclass(frozen=True)
class PatchSet:
    """A block of pixels in memory, and the windows on it that are used."""

    pixels: Patch
    """All layers of the block, padded to whole windows."""
    origins: NDArray[np.intp]
    """First row and column of each window in the block, (n, 2)."""
    window: int
    """Edge of a window in pixels."""
    dropped: int
    """Windows that were left out because too little of them is labelled and observed."""
    place: Rect
    """Rows and columns of the block in the cube, which it can exceed by padding."""

    @property
    def kept(self) -> int:
        """Number of windows."""
        return len(self.origins)

    def __len__(self) -> int:
        return len(self.origins)

    def patch(self, index: int) -> Patch:
        """Views of one window's pixels."""
        row, column = self.origins[index]
        at = (slice(row, row + self.window), slice(column, column + self.window))
        pre, post, elevation, labels = self.pixels
        return Patch(pre[at], post[at], elevation[at], labels[at])

    def covered(self) -> NDArray[np.bool_]:
        """Pixels of the block, (y, x), that are in some window."""
        seen = np.zeros(self.pixels.labels.shape[:2], dtype=bool)
        for row, column in self.origins:
            seen[row : row + self.window, column : column + self.window] = True
        return seen

    def landslide_pixels(self) -> int:
        """Pixels labelled 1 that are in some window."""
        return int(((self.pixels.labels[..., 0] == 1) & self.covered()).sum())


def cut_patches(
    cube: xr.Dataset, labels: xr.DataArray, settings: TrainSettings
) -> tuple[PatchSet, PatchSet]:
    """Cut training and validation patches.

    Parameters
    ----------
    cube
        With `pre`, `post` (band, y, x), `elevation`, `observed` and `area` (y, x).
    labels
        0, 1 or `IGNORE`, (y, x) on the cube's grid.
    settings
        `area`, `window`, `overlap`, `min_labelled` and `validation_share` are used.

    Returns
    -------
    training, validation

    Raises
    ------
    InventoryError
        The labels are on another grid, or a side has no patch or no landslide in its patches.
    """
    known = known_labels(cube, labels)
    limits = area_rect(cube, settings.area)
    known = np.where(inside(known.shape, limits), known, np.uint8(IGNORE))
    parts = {
        side: _cut_block(cube, known, rect, settings)
        for side, rect in zip(
            ("training", "validation"),
            split(known, limits, settings),
            strict=True,
        )
    }
    for side, patches in parts.items():
        _check_side(side, patches, settings)
    return parts["training"], parts["validation"]


def known_labels(cube: xr.Dataset, labels: xr.DataArray) -> Labels:
    """Labels, (y, x), that are `IGNORE` where the cube is not observed, or outside its area."""
    observed = cube["observed"]
    same = labels.shape == observed.shape and all(
        np.allclose(labels[dim].values, observed[dim].values, rtol=0, atol=1e-3)
        for dim in ("y", "x")
    )
    if not same:
        raise InventoryError(
            f"Expected labels on the cube's grid, {observed.shape} pixels (y, x), got "
            f"{labels.shape} or other coordinates; make them with make_labels on that grid."
        )
    usable = (observed.values == 0) & (cube["area"].values & AreaFlag.OUTSIDE_AREA == 0)
    return np.where(usable, labels.values, IGNORE).astype(np.uint8)


def _step(settings: TrainSettings) -> int:
    return max(settings.window - round(settings.overlap * settings.window), 1)


def whole_windows(length: int, window: int, step: int) -> int:
    """Smallest length that is not below `length` and that windows at every `step` fill."""
    return window + math.ceil(max(length - window, 0) / step) * step


def _cut_block(cube: xr.Dataset, known: Labels, limits: Rect, settings: TrainSettings) -> PatchSet:
    """Crop the labelled part of `limits`, widen it to whole windows, and choose windows.

    The widening takes real pixels as far as `limits` reaches, and NaN beyond.
    """
    inner = bounding_box(known[slices(limits)] != IGNORE)
    inner = Rect(*(a + b for a, b in zip(inner, (limits.top, limits.left) * 2, strict=True)))
    step = _step(settings)
    place = _widen(inner, settings.window, step)
    real = Rect(
        max(place.top, limits.top),
        max(place.left, limits.left),
        min(place.bottom, limits.bottom),
        min(place.right, limits.right),
    )
    pixels = _read_block(cube, known, real, place)
    labelled = pixels.labels[..., 0] != IGNORE
    origins, counts = choose_windows(labelled, settings.window, settings.window - step)
    enough = counts >= settings.min_labelled * settings.window**2
    return PatchSet(pixels, origins[enough], settings.window, int((~enough).sum()), place)


def _widen(inner: Rect, window: int, step: int) -> Rect:
    """Whole windows with `inner` in the middle."""
    height, width = inner.bottom - inner.top, inner.right - inner.left
    full_height = whole_windows(height, window, step)
    full_width = whole_windows(width, window, step)
    top = inner.top - (full_height - height) // 2
    left = inner.left - (full_width - width) // 2
    return Rect(top, left, top + full_height, left + full_width)


def _read_block(cube: xr.Dataset, known: Labels, real: Rect, place: Rect) -> Patch:
    """Load the pixels of `real` and pad them to `place`: NaN, and `IGNORE` for labels."""
    rows, columns = slices(real)
    block = cube[["pre", "post", "elevation"]].isel(y=rows, x=columns).transpose("y", "x", "band")
    block = block.compute()
    margins = (
        (real.top - place.top, place.bottom - real.bottom),
        (real.left - place.left, place.right - real.right),
        (0, 0),
    )

    def pad(layer: Floats) -> Floats:
        return np.pad(layer.astype(np.float32, copy=False), margins, constant_values=np.nan)

    return Patch(
        pre=pad(block["pre"].values),
        post=pad(block["post"].values),
        elevation=pad(block["elevation"].values[..., np.newaxis]),
        labels=np.pad(known[rows, columns, np.newaxis], margins, constant_values=IGNORE),
    )


def choose_windows(
    labelled: NDArray[np.bool_], window: int, overlap: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Candidate windows on a padded block, by xbatcher, in rows from the first corner on.

    Parameters
    ----------
    labelled
        Pixels, (y, x), that can be learnt from.
    window, overlap
        In pixels.

    Returns
    -------
    origins
        First row and column of each window, (n, 2).
    counts
        Labelled pixels in each window, (n,).
    """
    block = xr.DataArray(
        labelled,
        dims=("y", "x"),
        coords={"y": np.arange(labelled.shape[0]), "x": np.arange(labelled.shape[1])},
    )
    windows = list(
        xbatcher.BatchGenerator(
            block,
            input_dims={"y": window, "x": window},
            input_overlap={"y": overlap, "x": overlap},
        )
    )
    origins = np.array([(int(w["y"][0]), int(w["x"][0])) for w in windows], dtype=np.intp)
    return origins, np.array([int(w.values.sum()) for w in windows], dtype=np.intp)


def _check_side(side: str, patches: PatchSet, settings: TrainSettings) -> None:
    """Refuse a side that nothing can be learnt from."""
    if not patches.kept:
        raise InventoryError(
            f"Expected {side} patches of {settings.window} pixels with at least "
            f"{settings.min_labelled:.0%} labelled and observed, found none among "
            f"{patches.dropped}; lower min_labelled or window, or widen the area."
        )
    if not patches.landslide_pixels():
        raise InventoryError(
            f"Expected landslides in the {side} patches, found no landslide pixel in "
            f"{patches.kept} patches; change area or validation_share."
        )
