"""Random changes of a batch, as a Keras layer, so that they run on the accelerator.

Prakash et al. (2021), Methods: the geometric change is one and the same for a patch's images,
elevation and labels; the radiometric one is drawn for each image on its own. Hillshade and slope
are computed afterwards, by the network's first layers.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from lscube.learn.backend import keras, ops
from lscube.scores import IGNORE

ROTATION = math.radians(45.0)
"""Largest rotation beyond the quarter turns."""
SCALE = math.log(1.25)
"""Largest change of scale, as a logarithm."""
SHEAR = 0.15
"""Largest shear: pixels across per pixel along."""
SHIFT = 0.1
"""Largest shift, as a share of the patch's edge."""
AFFINE_SHARE = 0.5
"""Patches that are turned, scaled and sheared freely; the others keep their pixels' values."""

GAIN = math.log(1.25)
"""Largest change of brightness, of contrast and of saturation, as a logarithm."""
COLOUR = math.log(1.1)
"""Largest change of one band against the others, as a logarithm."""
HAZE = 0.01
"""Largest reflectance added to all bands."""
SHARPNESS = 1.0
"""Largest share of the difference from the smoothed image that is taken away or added."""
NOISE = 0.005
"""Largest standard deviation of the noise, in reflectance."""


class Radiometry(NamedTuple):
    """Changes of the appearance of n images; all (n, 1, 1, 1), but `colour` (n, 1, 1, band)."""

    gain: Any
    """Brightness: all values times this."""
    contrast: Any
    """Distance of the values from their band's mean, times this."""
    saturation: Any
    """Distance of the values from the mean of the pixel's bands, times this."""
    colour: Any
    """Gain of each band."""
    haze: Any
    """Reflectance added to all values."""
    sharpness: Any
    """Difference from the smoothed image added; below 0 it is blurred, at -1 wholly."""
    noise: Any
    """Standard deviation of each value's noise, in reflectance."""


@keras.saving.register_keras_serializable(package="lscube")
class Augmentation(keras.layers.Layer):  # type: ignore[misc]
    """One geometry for all layers of a patch, and an appearance of its own for each image.

    Parameters
    ----------
    geometric, radiometric
        Strengths, 0..1; 0 changes nothing.
    seed
        Of all draws; `seed_generator` can be set anew for each epoch.
    name, trainable, dtype
        As for every Keras layer; `dtype` stays float32 under a low precision policy.
    """

    def __init__(
        self,
        geometric: float = 1.0,
        radiometric: float = 1.0,
        seed: int = 0,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = "float32",
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.geometric = geometric
        self.radiometric = radiometric
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Change a batch.

        Parameters
        ----------
        inputs
            Any of `pre`, `post` (n, y, x, band), reflectance, and `elevation` (n, y, x, 1),
            metres, with NaN where unknown; `labels` (n, y, x, 1): 0, 1 or `IGNORE`.

        Returns
        -------
        dict
            The same names, shapes and units. What came from beyond the patch's edge is NaN, and
            `IGNORE` in the labels; labels are uint8.
        """
        changed = dict(inputs)
        if self.geometric:
            count, height, width, _ = ops.shape(inputs["labels"])
            transforms = draw_geometry(
                count, (height, width), self.geometric, seed=self.seed_generator
            )
            images = {name: layer for name, layer in inputs.items() if name != "labels"}
            changed = {
                **warp(images, transforms),
                "labels": warp_labels(inputs["labels"], transforms),
            }
        for name in ("pre", "post"):
            if name in inputs and self.radiometric:
                image = changed[name]
                count, bands = ops.shape(image)[0], image.shape[-1]
                drawn = draw_radiometry(count, bands, self.radiometric, seed=self.seed_generator)
                noise = keras.random.normal(ops.shape(image), seed=self.seed_generator)
                changed[name] = change_appearance(image, drawn, noise)
        return changed

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        own = {"geometric": self.geometric, "radiometric": self.radiometric, "seed": self.seed}
        return {**super().get_config(), **own}


def draw_geometry(count: Any, shape: tuple[Any, Any], strength: float, seed: Any) -> Any:
    """Draw affine transforms: one of the eight ways to lay a square on itself, and more for some.

    Parameters
    ----------
    count
        Number of patches.
    shape
        Rows and columns of a patch; quarter turns suit squares alone.
    strength
        Scales rotation, scale, shear and shift of the `AFFINE_SHARE` that have them.
    seed
        A Keras `SeedGenerator`.

    Returns
    -------
    (count, 8), float32
        As `keras.ops.image.affine_transform` takes them: output pixel (x, y) comes from
        (a0 x + a1 y + a2, b0 x + b1 y + b2).
    """

    def draw(largest: float) -> Any:
        return active * keras.random.uniform((count,), -largest, largest, seed=seed)

    chosen = keras.random.uniform((count,), seed=seed) < AFFINE_SHARE
    active = ops.cast(chosen, "float32") * strength
    eighth = keras.random.randint((count,), 0, 8, seed=seed)
    turn = eighth % 4
    mirror = ops.where(eighth < 4, 1.0, -1.0)
    quarter_cos = ops.take(ops.convert_to_tensor([1.0, 0.0, -1.0, 0.0]), turn)
    quarter_sin = ops.take(ops.convert_to_tensor([0.0, 1.0, 0.0, -1.0]), turn)
    angle, shear = draw(ROTATION), draw(SHEAR)
    scale = ops.exp(draw(SCALE))
    cos = ops.cos(angle) * quarter_cos - ops.sin(angle) * quarter_sin
    sin = ops.sin(angle) * quarter_cos + ops.cos(angle) * quarter_sin
    # Rotation, times shear along x, times scale, times mirror along x.
    a0, a1 = scale * cos * mirror, scale * (cos * shear - sin)
    b0, b1 = scale * sin * mirror, scale * (sin * shear + cos)
    middle_y, middle_x = ((ops.cast(edge, "float32") - 1.0) / 2.0 for edge in shape)
    a2 = middle_x - a0 * middle_x - a1 * middle_y + draw(SHIFT) * ops.cast(shape[1], "float32")
    b2 = middle_y - b0 * middle_x - b1 * middle_y + draw(SHIFT) * ops.cast(shape[0], "float32")
    nothing = ops.zeros_like(a0)
    return ops.stack([a0, a1, a2, b0, b1, b2, nothing, nothing], axis=1)


def warp(layers: dict[str, Any], transforms: Any) -> dict[str, Any]:
    """Move all layers alike, bilinearly; gaps do not spread into their neighbours.

    Parameters
    ----------
    layers
        (n, y, x, channel) each, NaN where unknown.
    transforms
        From `draw_geometry`.

    Returns
    -------
    dict
        The same shapes; NaN where less than half of what a pixel is made of is known.
    """
    stacked = []
    for layer in layers.values():
        known = ops.all(ops.isfinite(layer), axis=-1, keepdims=True)
        stacked += [ops.where(known, layer, 0.0), ops.cast(known, "float32")]
    moved = ops.image.affine_transform(
        ops.concatenate(stacked, axis=-1), transforms, "bilinear", "constant", 0.0
    )
    result, first = {}, 0
    for name, layer in layers.items():
        last = first + layer.shape[-1]
        weight = moved[..., last : last + 1]
        values = moved[..., first:last] / ops.maximum(weight, 0.5)
        result[name] = ops.where(weight < 0.5, math.nan, values)
        first = last + 1
    return result


def warp_labels(labels: Any, transforms: Any) -> Any:
    """Move labels (n, y, x, 1) to the nearest pixel; what comes from outside is `IGNORE`; uint8."""
    moved = ops.image.affine_transform(
        ops.cast(labels, "float32"), transforms, "nearest", "constant", float(IGNORE)
    )
    return ops.cast(moved, "uint8")


def draw_radiometry(count: Any, bands: int, strength: float, seed: Any) -> Radiometry:
    """Draw changes that leave a scene plausible; `strength` scales all ranges."""

    def draw(low: float, high: float, channels: int = 1) -> Any:
        shape = (count, 1, 1, channels)
        return strength * keras.random.uniform(shape, low, high, seed=seed)

    return Radiometry(
        gain=ops.exp(draw(-GAIN, GAIN)),
        contrast=ops.exp(draw(-GAIN, GAIN)),
        saturation=ops.exp(draw(-GAIN, GAIN)),
        colour=ops.exp(draw(-COLOUR, COLOUR, bands)),
        haze=draw(-HAZE, HAZE),
        sharpness=draw(-SHARPNESS, SHARPNESS),
        noise=draw(0.0, NOISE),
    )


def change_appearance(images: Any, change: Radiometry, noise: Any) -> Any:
    """Change images' appearance.

    Parameters
    ----------
    images
        Reflectance, (n, y, x, band), NaN where unknown.
    change
        From `draw_radiometry`.
    noise
        Standard normal, of the images' shape.

    Returns
    -------
    reflectance of the same shape
        Not below 0; NaN where `images` are.
    """
    missing = ops.isnan(images)
    known = ops.cast(ops.logical_not(missing), "float32")
    count = ops.maximum(ops.sum(known, axis=(1, 2), keepdims=True), 1.0)
    mean = ops.sum(ops.where(missing, 0.0, images), axis=(1, 2), keepdims=True) / count
    x = ops.where(missing, mean, images)
    x = x + change.sharpness * (x - smooth(x))
    x = mean + change.contrast * (x - mean)
    grey = ops.mean(x, axis=-1, keepdims=True)
    x = grey + change.saturation * (x - grey)
    x = x * change.gain * change.colour + change.haze + change.noise * noise
    return ops.where(missing, math.nan, ops.maximum(x, 0.0))


def smooth(images: Any) -> Any:
    """Binomial filter over 3 x 3 pixels, (n, y, x, band); edges are mirrored."""
    x = ops.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    x = (x[:, :-2] + 2.0 * x[:, 1:-1] + x[:, 2:]) / 4.0
    return (x[:, :, :-2] + 2.0 * x[:, :, 1:-1] + x[:, :, 2:]) / 4.0
