"""The network's first layers: raw pixels in, normalised float32 out, in every precision mode."""

from __future__ import annotations

from typing import Any

from lscube import terrain
from lscube.learn.backend import keras, ops
from lscube.learn.chips import FULL_SCALE


@keras.saving.register_keras_serializable(package="lscube")
class Reflectance(keras.layers.Layer):  # type: ignore[misc]
    """Reflectance to [-1, 1]; unobserved pixels become 0.

    With v = 255 * clip(rho / full_scale, 0, 1), the value of an 8-bit true-colour composite,
    the result is v / 127.5 - 1.

    Parameters
    ----------
    full_scale
        Reflectance that becomes 1 (an 8-bit composite enters as full_scale * v / 255).
    name, trainable, dtype
        As for every Keras layer; `dtype` stays float32 under a low precision policy.
    """

    def __init__(
        self,
        full_scale: float = FULL_SCALE,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = "float32",
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.full_scale = full_scale

    def call(self, inputs: Any) -> Any:
        """Normalise reflectance of shape (n, y, x, band), NaN where unobserved."""
        missing = ops.isnan(inputs)
        shown = ops.clip(ops.where(missing, 0.0, inputs) / self.full_scale, 0.0, 1.0)
        return ops.where(missing, 0.0, 2.0 * shown - 1.0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape (n, y, x, band), as given."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        return {**super().get_config(), "full_scale": self.full_scale}


@keras.saving.register_keras_serializable(package="lscube")
class Topography(keras.layers.Layer):  # type: ignore[misc]
    """Elevation to hillshade and slope, both in [-1, 1].

    Hillshade h in 1..255 becomes h / 127.5 - 1, slope s in degrees becomes s / 45 - 1. A gap in
    elevation is filled with the window's mean, a window without elevation with 0. The formulas
    are those of `lscube.terrain`; as they run after the geometric augmentation, the light comes
    from the same side in every patch, as in the paper (Prakash et al. 2021, Methods).

    Parameters
    ----------
    resolution
        Pixel size in metres.
    name, trainable, dtype
        As for every Keras layer. `dtype` stays float32 under a low precision policy: at 2500 m
        a bfloat16 elevation is off by metres.
    """

    def __init__(
        self,
        resolution: float,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = "float32",
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.resolution = resolution

    def call(self, inputs: Any) -> Any:
        """Hillshade and slope, (n, y, x, 2), of metres, (n, y, x, 1), NaN in gaps."""
        elevation = fill_gaps(inputs)[..., 0]
        shade = terrain.hillshade(elevation, self.resolution, xp=ops)
        slope = terrain.slope(elevation, self.resolution, xp=ops)
        return ops.stack([shade / 127.5 - 1.0, slope / 45.0 - 1.0], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape (n, y, x, 2)."""
        return (*input_shape[:-1], 2)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        return {**super().get_config(), "resolution": self.resolution}


@keras.saving.register_keras_serializable(package="lscube")
class Binomial(keras.layers.Layer):  # type: ignore[misc]
    """Binomial filter over 3 x 3 pixels, (n, y, x, channel), of slices and sums; edges are repeated."""

    def __init__(
        self, name: str | None = None, trainable: bool = True, dtype: Any = "float32"
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)

    def call(self, inputs: Any) -> Any:
        """Smooth images, in any units."""
        x = ops.concatenate([inputs[:, :1], inputs, inputs[:, -1:]], axis=1)
        x = (x[:, :-2] + 2.0 * x[:, 1:-1] + x[:, 2:]) / 4.0
        x = ops.concatenate([x[:, :, :1], x, x[:, :, -1:]], axis=2)
        return (x[:, :, :-2] + 2.0 * x[:, :, 1:-1] + x[:, :, 2:]) / 4.0

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape (n, y, x, channel), as given."""
        return input_shape


def fill_gaps(elevation: Any) -> Any:
    """Replace NaN in metres of shape (n, y, x, 1) by the mean of its window, or by 0."""
    missing = ops.isnan(elevation)
    known = ops.where(missing, 0.0, elevation)
    count = ops.sum(ops.cast(ops.logical_not(missing), known.dtype), axis=(1, 2), keepdims=True)
    mean = ops.sum(known, axis=(1, 2), keepdims=True) / ops.maximum(count, 1.0)
    return ops.where(missing, mean, known)
