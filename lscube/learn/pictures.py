"""Pictures of a training: its curves, and a sheet of augmented samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lscube import terrain
from lscube.drawing import new_figure
from lscube.learn.augment import Augmentation
from lscube.learn.backend import ops
from lscube.learn.patches import Layers, PatchSource
from lscube.scores import IGNORE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VERSIONS = 4
"""Augmented versions of each sample."""
SAMPLES = 2
"""Patches on the sheet."""

_LABEL_COLOURS = np.array([(0.15, 0.15, 0.2), (0.95, 0.55, 0.1), (0.75, 0.75, 0.75)], np.float32)
_BLANK = np.array((0.9, 0.6, 0.9), np.float32)


def draw_curves(path: Path, history: list[dict[str, float]]) -> None:
    """Draw losses and learning rate over the epochs, as PNG."""
    with new_figure(path, 8, 4.5, 100) as figure:
        _draw_losses(figure.subplots(), history)


def _draw_losses(axis: Axes, history: list[dict[str, float]]) -> None:
    """Losses, and the learning rate on an axis of its own."""
    epochs = [row["epoch"] for row in history]
    best = min(history, key=lambda row: row["val_loss"])
    axis.plot(epochs, [row["loss"] for row in history], label="training", marker=".")
    axis.plot(epochs, [row["val_loss"] for row in history], label="validation", marker=".")
    axis.plot(best["epoch"], best["val_loss"], "o", fillstyle="none", color="black", label="kept")
    axis.set(xlabel="epoch", ylabel="loss (weighted sum of five outputs, and L2)")
    axis.grid(alpha=0.3)
    rate = axis.twinx()
    rate.step(
        epochs, [row["learning_rate"] for row in history], where="mid", color="0.6", linestyle=":"
    )
    rate.set_yscale("log")
    rate.set_ylabel("learning rate (dotted)")
    axis.legend()


def draw_augmentation(
    path: Path, source: PatchSource, augmentation: Augmentation, resolution: float
) -> None:
    """Draw the patches with the most landslides as they are, and augmented, as PNG.

    Parameters
    ----------
    path
        File to write.
    source
        Training patches.
    augmentation
        The layer that training uses.
    resolution
        Pixel size in metres, for the hillshade.
    """
    chosen = np.flatnonzero(source.landslides())[:64]
    batch = source.read(chosen)
    most = np.argsort(-(batch["labels"] == 1).sum(axis=(1, 2, 3)), kind="stable")[:SAMPLES]
    samples = {name: layer[most] for name, layer in batch.items()}
    columns = [samples, *(_augmented(samples, augmentation) for _ in range(VERSIONS))]
    names = list(samples)
    rows = len(most) * len(names)
    with new_figure(path, 2 * len(columns), 2 * rows, 100) as figure:
        axes = figure.subplots(rows, len(columns), squeeze=False)
        _draw_sheet(axes, columns, names, resolution)


def _draw_sheet(
    axes: NDArray[Any], columns: list[Layers], names: list[str], resolution: float
) -> None:
    """A column for each version, a row for each layer of each sample."""
    rows = len(axes)
    for column, layers in enumerate(columns):
        for row in range(rows):
            sample, name = divmod(row, len(names))
            axis = axes[row][column]
            axis.imshow(_shown(names[name], layers[names[name]][sample], resolution))
            axis.set(xticks=[], yticks=[])
            if column == 0:
                axis.set_ylabel(names[name].replace("elevation", "hillshade"))
            if row == 0:
                axis.set_title("as it is" if column == 0 else f"augmented {column}")


def _augmented(samples: Layers, augmentation: Augmentation) -> Layers:
    changed = augmentation(samples)
    return {name: np.asarray(ops.convert_to_numpy(layer)) for name, layer in changed.items()}


def _shown(name: str, layer: NDArray[Any], resolution: float) -> NDArray[np.float32]:
    """A layer (y, x, channel) as RGB; what is not known is pink, ignored labels are grey."""
    if name == "labels":
        kinds = np.where(layer[..., 0] == IGNORE, 2, layer[..., 0])
        return np.asarray(_LABEL_COLOURS[kinds])
    if name == "elevation":
        shade = terrain.hillshade(layer[..., 0], resolution) / 255
        rgb = np.repeat(shade[..., np.newaxis], 3, axis=-1)
    else:
        rgb = layer[..., [0, 1, 2] if layer.shape[-1] >= 3 else [0, 0, 0]] / 0.3
    known = np.isfinite(rgb).all(axis=-1, keepdims=True)
    return np.where(known, np.clip(np.nan_to_num(rgb), 0, 1), _BLANK).astype(np.float32)
