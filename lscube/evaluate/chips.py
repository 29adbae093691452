"""Scores on chips, with intervals that say how much they depend on which chips there were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lscube.drawing import new_figure
from lscube.evaluate.blocks import as_confusion, as_counts, resampled
from lscube.evaluate.picture import COLOURS
from lscube.learn import Chips
from lscube.paths import StrPath
from lscube.scores import IGNORE, score


def score_chips(
    probabilities: npt.NDArray[np.float32],
    masks: npt.NDArray[np.uint8],
    threshold: float,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Score probabilities over all pixels, and how far the scores move with the choice of chips.

    Parameters
    ----------
    probabilities
        (n, y, x), 0..1.
    masks
        0, 1 or `IGNORE`, (n, y, x).
    threshold
        A pixel counts as landslide from this value on.
    resamples, seed
        Of the bootstrap over whole chips; see `lscube.evaluate.blocks.resampled`.

    Returns
    -------
    dict
        Scores and counts, `intervals` (2.5th and 97.5th percentile of each score that is known), `threshold`,
        `chips`, `pixels` that are labelled, `landslide_share` of them.
    """
    counts = as_counts([score(p, m, threshold) for p, m in zip(probabilities, masks, strict=True)])
    total = as_confusion(counts.sum(axis=0))
    found = resampled(counts, resamples, seed)
    pixels = int(counts.sum())
    return {
        **total.as_dict(),
        "intervals": {name: list(interval) for name, interval in found.items()},
        "threshold": threshold,
        "chips": len(counts),
        "pixels": pixels,
        "landslide_share": round((total.tp + total.fn) / pixels, 4),
    }


def draw_chips(
    path: StrPath,
    chips: Chips,
    probabilities: npt.NDArray[np.float32],
    threshold: float,
    count: int = 6,
) -> None:
    """Draw some chips: image, mask, probability, right and wrong, as PNG.

    They are not chosen by how well they came out: of the chips with landslides, evenly from those
    with the least to those with the most.
    """
    path = Path(path)
    pixels = (chips.masks == 1).sum(axis=(1, 2))
    ranked = [int(index) for index in np.argsort(pixels, kind="stable") if pixels[index]]
    places = np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().astype(int)
    rows = max(len(places), 1)
    with new_figure(path, 10, 2.6 * rows, 90) as figure:
        axes = figure.subplots(rows, 4, squeeze=False)
        _draw_rows(axes, chips, probabilities, [ranked[place] for place in places], threshold)


def _draw_rows(
    axes: npt.NDArray[Any],
    chips: Chips,
    probabilities: npt.NDArray[np.float32],
    chosen: list[int],
    threshold: float,
) -> None:
    """A row for each chip."""
    for row, index in zip(axes, chosen, strict=False):
        image, mask, found = chips.images[index], chips.masks[index], probabilities[index]
        row[0].imshow(image)
        row[0].set_ylabel(chips.names[index])
        row[1].imshow(np.where(mask == IGNORE, 0.5, mask), vmin=0, vmax=1, cmap="gray")
        row[2].imshow(found, vmin=0, vmax=1, cmap="magma")
        row[3].imshow(_right_and_wrong(image, mask, found >= threshold))
    titles = ("image", "mask", "probability", "right (green),\ninvented (red), missed (blue)")
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=9)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])


def _right_and_wrong(
    image: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8], found: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Confusion colours over the grey image, (y, x, 3)."""
    grey = image.mean(axis=-1, keepdims=True) / 255
    shown = np.repeat(0.35 + 0.5 * grey, 3, axis=-1).astype(np.float32)
    kinds = (found & (mask == 1), found & (mask == 0), ~found & (mask == 1))
    for colour, where in zip(COLOURS.values(), kinds, strict=True):
        shown[where] = colour
    return shown
