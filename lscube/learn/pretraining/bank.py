"""Patches that lie on the accelerator, and the batches that are made of them there.

Only numbers go there with each step (`lscube.learn.pretraining.recipe.draw`), so it never waits for pixels.
"""

from __future__ import annotations

import math
from typing import Any

from lscube.learn.augment import (
    change_appearance,
    draw_geometry,
    draw_radiometry,
    warp,
    warp_labels,
)
from lscube.learn.backend import keras, ops
from lscube.learn.chips import FULL_SCALE
from lscube.learn.pretraining import season
from lscube.learn.pretraining.stock import NO_TERRAIN, STEP, Stock
from lscube.scores import IGNORE


class Bank(keras.layers.Layer):  # type: ignore[misc]
    """Makes batches of patches; stands where `TrainingModel` has its augmentation.

    Parameters
    ----------
    stock
        The patches; of squares.
    seed
        Of all that is drawn for a batch.
    """

    def __init__(self, stock: Stock, seed: int = 0) -> None:
        super().__init__(name="bank", dtype="float32", trainable=False)
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.before = self._keep([stock.pre, stock.pre_spots], "before")
        self.after = self._keep([stock.post, stock.post_spots], "after")
        self.labels = self._keep([stock.labels], "labels")
        flat = stock.terrain if len(stock.terrain) else stock.labels[:1].astype("int16") * 0
        self.terrain = self._keep([flat], "terrain")
        self.count = len(stock)

    def _keep(self, layers: list[Any], name: str) -> Any:
        """Layers one after the other, as a variable that no step changes."""
        whole = [ops.convert_to_tensor(layer) for layer in layers]
        joined = whole[0] if len(whole) == 1 else ops.concatenate(whole)
        return keras.Variable(joined, trainable=False, dtype=str(layers[0].dtype), name=name)

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Make a batch.

        Parameters
        ----------
        inputs
            From `lscube.learn.pretraining.recipe.draw`, (n, ...).

        Returns
        -------
        dict
            `pre`, `post` (n, y, x, 3), reflectance, `elevation` (n, y, x, 1), metres, NaN where unknown or
            dropped, and `labels` (n, y, x, 1), uint8.
        """
        seed = self.seed_generator
        batch = self._look_up(inputs)
        labels = ops.take(self.labels, inputs["index"], axis=0)[..., None]
        height, width = labels.shape[1:3]
        transforms = draw_geometry(ops.shape(labels)[0], (height, width), 1.0, seed=seed)
        batch, labels = warp(batch, transforms), warp_labels(labels, transforms)
        change, look = (inputs["strength"][:, i, None, None, None] for i in (0, 1))
        pre, post = season.stretch([batch["pre"], batch["post"]], change, seed)
        pre = season.move(season.age(pre, change, seed), change, seed)
        post = season.age(post, 0.4 * change, seed)
        pre, _ = season.whiten(pre, season.SNOW, 6, change, seed)
        post, cloud = season.whiten(post, season.CLOUD, 9, change, seed)
        pre, post = (self._look_otherwise(image, look) for image in (pre, post))
        unseen = ops.any(ops.isnan(post), axis=-1, keepdims=True)
        hidden = ops.logical_and(cloud > 0.3, labels == 1)
        labels = ops.where(ops.logical_or(unseen, hidden), IGNORE, ops.cast(labels, "int32"))
        pre = self._cut(pre, inputs["edge"])
        return {
            "pre": pre,
            "post": post,
            "elevation": batch["elevation"],
            "labels": ops.cast(labels, "uint8"),
        }

    def _look_up(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The patches as they are."""
        index = inputs["index"]
        pre = _reflectance(ops.take(self.before, index + self.count * inputs["before"], axis=0))
        post = _reflectance(ops.take(self.after, index + self.count * inputs["after"], axis=0))
        heights = ops.take(self.terrain, ops.maximum(inputs["terrain"], 0), axis=0)
        steps = ops.cast(turned(heights, inputs["turn"]), "float32")
        missing = ops.logical_or(steps == NO_TERRAIN, inputs["terrain"][:, None, None] < 0)
        elevation = ops.where(missing, math.nan, steps * STEP)[..., None]
        return {"pre": pre, "post": post, "elevation": elevation}

    def _look_otherwise(self, image: Any, strength: Any) -> Any:
        """The same scene by other light, air and optics."""
        drawn = draw_radiometry(ops.shape(image)[0], 3, strength, seed=self.seed_generator)
        noise = keras.random.normal(ops.shape(image), seed=self.seed_generator)
        return change_appearance(image, drawn, noise)

    def _cut(self, image: Any, edge: Any) -> Any:
        """NaN beyond a straight line, as at the edge of a swath."""
        height, width = image.shape[1:3]
        y = ops.reshape(ops.linspace(-1.0, 1.0, height), (1, height, 1))
        x = ops.reshape(ops.linspace(-1.0, 1.0, width), (1, 1, width))
        along = edge[:, 0, None, None] * x + edge[:, 1, None, None] * y
        return ops.where((along > edge[:, 2, None, None])[..., None], math.nan, image)


def _reflectance(values: Any) -> Any:
    """8 bit to reflectance; 0 is unobserved."""
    values = ops.cast(values, "float32")
    return ops.where(values == 0, math.nan, values * (FULL_SCALE / 255))


def turned(layers: Any, numbers: Any) -> Any:
    """Squares (n, y, x), each laid on itself in its own way; see `lscube.learn.pretraining.stock.turn`."""

    def chosen(bit: int) -> Any:
        return (ops.bitwise_and(numbers, bit) > 0)[:, None, None]

    layers = ops.where(chosen(4), ops.transpose(layers, (0, 2, 1)), layers)
    layers = ops.where(chosen(2), ops.flip(layers, axis=1), layers)
    return ops.where(chosen(1), ops.flip(layers, axis=2), layers)
