"""What differs between two images of a place for reasons other than landslides; in `keras.ops`.

All take and give reflectance (n, y, x, 3), red, green, blue, NaN where unknown, and `strength` (n, 1, 1, 1).
"""

from __future__ import annotations

import math
from typing import Any

from lscube.learn.backend import keras, ops

STRETCH = math.log(1.4)
"""Largest gain of both images, as a logarithm: chips are stretched until their red fills 8 bits."""
AIR = (0.3, 0.6, 1.0)
"""Of the haze's reflectance in blue, what reaches red, green and blue."""
HAZE = 0.05
"""Largest reflectance of haze in blue; images at the top of the atmosphere have it."""
WITHERED = (0.05, 0.02, 0.015)
"""Reflectance that withered vegetation adds to green one, at most."""
MIXING = 0.08
"""Largest share of a band that goes into another."""
LIGHT = 0.12
"""Standard deviation of slow changes of brightness, as a logarithm."""
MOVE = 0.7
"""Largest shift between two images, in pixels."""
SNOW, CLOUD = 0.08, 0.12
"""Chance that there is snow, or cloud, that nobody masked."""


def stretch(images: list[Any], strength: Any, seed: Any) -> list[Any]:
    """One gain, and one haze, for all images of a patch, and a little haze of each one's own."""
    count = ops.shape(strength)[0]
    gain = ops.exp(strength * _uniform((count, 1, 1, 1), -STRETCH, STRETCH, seed))
    hazy = ops.cast(_uniform((count, 1, 1, 1), 0, 1, seed) < 0.6, "float32")
    haze = hazy * strength * _uniform((count, 1, 1, 1), 0, HAZE, seed)
    air = ops.reshape(ops.convert_to_tensor(AIR, "float32"), (1, 1, 1, 3))
    own = [strength * _uniform((count, 1, 1, 1), -0.008, 0.02, seed) for _ in images]
    return [image * gain + air * (haze + more) for image, more in zip(images, own, strict=True)]


def age(image: Any, strength: Any, seed: Any) -> Any:
    """Another season: vegetation withers, colours mix otherwise, light changes slowly over the image."""
    count, edge = ops.shape(image)[0], image.shape[1]
    green = ops.sigmoid((image[..., 1:2] - image[..., 0:1]) * 150.0)
    brown = ops.reshape(ops.convert_to_tensor(WITHERED, "float32"), (1, 1, 1, 3))
    withered = strength * _uniform((count, 1, 1, 1), -0.3, 1.0, seed)
    image = image + withered * green * brown
    mixing = strength * _uniform((count, 1, 3, 3), -MIXING, MIXING, seed)
    mixed = image + ops.sum(image[..., None, :] * mixing[:, None], axis=-1)
    light = field(count, 5, edge, seed)
    return mixed * ops.exp(strength * LIGHT * light)


def move(image: Any, strength: Any, seed: Any) -> Any:
    """Shift by a part of a pixel, along rows and columns; what comes from outside repeats the edge."""
    count = ops.shape(image)[0]
    for axis in (1, 2):
        by = strength * _uniform((count, 1, 1, 1), -MOVE, MOVE, seed)
        first, last = ([slice(None)] * 4 for _ in range(2))
        first[axis], last[axis] = slice(0, 1), slice(-1, None)
        less, more = ([slice(None)] * 4 for _ in range(2))
        less[axis], more[axis] = slice(0, -1), slice(1, None)
        before = ops.concatenate([image[tuple(first)], image[tuple(less)]], axis=axis)
        after = ops.concatenate([image[tuple(more)], image[tuple(last)]], axis=axis)
        image = (
            image
            + ops.maximum(by, 0.0) * (after - image)
            + ops.maximum(-by, 0.0) * (before - image)
        )
    return image


def whiten(image: Any, chance: float, coarse: int, strength: Any, seed: Any) -> tuple[Any, Any]:
    """Cover a part with white, as snow or cloud that nobody masked; also how much (n, y, x, 1)."""
    count = ops.shape(image)[0]
    there = ops.cast(_uniform((count, 1, 1, 1), 0, 1, seed) < chance, "float32")
    level = _uniform((count, 1, 1, 1), 0.4, 2.0, seed)
    cover = there * ops.sigmoid(8.0 * (field(count, coarse, image.shape[1], seed) - level))
    cover = cover * ops.cast(strength > 0, "float32")
    white = _uniform((count, 1, 1, 1), 0.2, 0.8, seed)
    return image + cover * (white - image), cover


def field(count: Any, coarse: int, edge: int, seed: Any) -> Any:
    """Smooth random values of variance about 1, (n, edge, edge, 1), on `coarse` x `coarse` knots."""
    knots = keras.random.normal((count, coarse, coarse, 1), seed=seed)
    return ops.image.resize(
        knots, (edge, edge), interpolation="bicubic", data_format="channels_last"
    )


def _uniform(shape: tuple[Any, ...], low: float, high: float, seed: Any) -> Any:
    return keras.random.uniform(shape, low, high, seed=seed)
