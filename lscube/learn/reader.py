"""Batches of patches: one NumPy reader, and thin wraps around it.

Everything random follows from (seed, epoch, step), so any batch can be had again on its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lscube.learn.augment import (
    apply_geometry,
    apply_radiometry,
    draw_geometry,
    draw_radiometry,
)
from lscube.learn.patches import Floats, Patch, PatchSet
from lscube.learn.splits import Labels

OUTPUT_COUNT = 5


class Batch(NamedTuple):
    """What the network takes, and what it should find."""

    inputs: dict[str, Floats]
    """`pre`, `post` (n, y, x, band) and `elevation` (n, y, x, 1)."""
    labels: Labels
    """0, 1 or `IGNORE`, (n, y, x, 1)."""


@dataclass(frozen=True)
class Reader:
    """Batches of a patch set."""

    patches: PatchSet
    """Where the patches come from."""
    batch_size: int
    """Patches per batch; an epoch's last batch can hold fewer."""
    seed: int
    """Seed of order and augmentation."""
    training: bool
    """Shuffle and augment, or give the patches as they are."""
    radiometric: float = 1.0
    """Strength of the radiometric augmentation, 0..1."""

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return math.ceil(len(self.patches) / self.batch_size)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Order of the patches in an epoch."""
        if not self.training:
            return np.arange(len(self.patches))
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.patches))

    def batch(self, epoch: int, step: int) -> Batch:
        """Batch number `step` of an epoch."""
        chosen = self.order(epoch)[step * self.batch_size : (step + 1) * self.batch_size]
        patches = [self.patches.patch(int(i)) for i in chosen]
        if self.training:
            rng = np.random.default_rng((self.seed, epoch, step))
            patches = [augment(patch, rng, self.radiometric) for patch in patches]
        layers = Patch(*(np.stack(layer) for layer in zip(*patches, strict=True)))
        inputs = {"pre": layers.pre, "post": layers.post, "elevation": layers.elevation}
        return Batch(inputs, layers.labels)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """All batches of an epoch in their order."""
        return (self.batch(epoch, step) for step in range(self.steps))


def augment(patch: Patch, rng: np.random.Generator, radiometric: float = 1.0) -> Patch:
    """Turn all layers of a patch the same way, and change each image's appearance."""
    geometry = draw_geometry(rng)
    bands = patch.pre.shape[-1]
    before, after = (draw_radiometry(rng, bands, radiometric) for _ in range(2))
    return Patch(
        pre=apply_radiometry(apply_geometry(patch.pre, geometry), before),
        post=apply_radiometry(apply_geometry(patch.post, geometry), after),
        elevation=apply_geometry(patch.elevation, geometry),
        labels=apply_geometry(patch.labels, geometry),
    )


def as_tf_data(reader: Reader, epochs: int) -> Any:
    """Wrap a reader's epochs 0..epochs - 1, one after the other, as `tf.data.Dataset`.

    Parameters
    ----------
    reader
        Its batches are read by two threads, ahead of the step that needs them.
    epochs
        How many; pass `steps_per_epoch=reader.steps` to `fit`.

    Returns
    -------
    tf.data.Dataset
        ({pre, post, elevation}, labels once for each output): Keras refuses one target for five.
    """
    import tensorflow as tf

    bands = reader.patches.pixels.pre.shape[-1]
    window = reader.patches.window

    def read(index: Any) -> tuple[Floats, Floats, Floats, Labels]:
        inputs, labels = reader.batch(*divmod(int(index), reader.steps))
        return inputs["pre"], inputs["post"], inputs["elevation"], labels

    def load(index: Any) -> tuple[dict[str, Any], tuple[Any, ...]]:
        types = (tf.float32, tf.float32, tf.float32, tf.uint8)
        *images, labels = tf.numpy_function(read, [index], types, stateful=False)
        for image, channels in zip((*images, labels), (bands, bands, 1, 1), strict=True):
            image.set_shape((None, window, window, channels))
        inputs = dict(zip(("pre", "post", "elevation"), images, strict=True))
        return inputs, (labels,) * OUTPUT_COUNT

    indices = tf.data.Dataset.range(epochs * reader.steps)
    return indices.map(load, num_parallel_calls=2, deterministic=True).prefetch(2)
