"""What a pixel and its surroundings look like, in numbers that one event's landslides share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lscube import terrain
from lscube.learn.backend import keras, ops
from lscube.learn.layers import fill_gaps
from lscube.settings import Branch

EDGES = (1, 3, 7)
"""Pixels along the edge of the squares that are averaged over."""

_DARK = 1e-3
"""Reflectance below which ratios say nothing."""


@keras.saving.register_keras_serializable(package="lscube")
class Surroundings(keras.layers.Layer):  # type: ignore[misc]
    """Reflectance, its change and its ratios, over squares of some sizes, and the slope.

    Parameters
    ----------
    branches
        What is handed to `call`, in this order.
    resolution
        Pixel size in metres.
    compared
        Whether the images before and after have the same bands, so that one can be told from the other.
    name, trainable, dtype
        As for every Keras layer; `dtype` stays float32 under a low precision policy.
    """

    def __init__(
        self,
        branches: Sequence[Branch],
        resolution: float,
        compared: bool,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = "float32",
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.branches, self.resolution, self.compared = tuple(branches), resolution, compared

    def call(self, inputs: Sequence[Any]) -> Any:
        """Features (n, y, x, feature) of the network's inputs, (n, y, x, channel) each, NaN where unknown.

        Of compared images, the one before is taken for the one after where it is unknown, and a feature
        says so.
        """
        given = dict(zip(self.branches, inputs, strict=True))
        found = []
        if self.compared:
            unknown = ops.isnan(given["pre"])
            found.append(ops.cast(unknown[..., :1], "float32"))
            before = ops.where(unknown, given["post"], given["pre"])
            for edge in EDGES:
                one, other = _mean(before, edge), _mean(given["post"], edge)
                found += [one, other, other - one, ops.log(other) - ops.log(one), _ratios(other)]
        else:
            for image in (given[name] for name in ("pre", "post") if name in given):
                for edge in EDGES:
                    mean = _mean(image, edge)
                    found += [mean, _ratios(mean)]
        if "topography" in given:
            slope = terrain.slope(fill_gaps(given["topography"])[..., 0], self.resolution, xp=ops)
            steep = slope[..., None] / 45.0
            found += [steep, _pool(steep, EDGES[-1])]
        return ops.concatenate(found, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        own = {"resolution": self.resolution, "compared": self.compared}
        return {**super().get_config(), "branches": list(self.branches), **own}


def _mean(image: Any, edge: int) -> Any:
    """Mean of what is known in the squares around pixels, at least `_DARK`."""
    unknown = ops.isnan(image)
    known = ops.where(unknown, 0.0, ops.clip(image, _DARK, 1.0))
    if edge > 1:
        share = _pool(ops.where(unknown, 0.0, 1.0), edge)
        known = _pool(known, edge) / ops.maximum(share, 1e-6)
    return ops.clip(known, _DARK, 1.0)


def _pool(image: Any, edge: int) -> Any:
    return ops.average_pool(image, edge, strides=1, padding="same", data_format="channels_last")


def _ratios(image: Any) -> Any:
    """Logarithms of the first band relative to the others."""
    return ops.log(image[..., :1]) - ops.log(image[..., 1:])


@keras.saving.register_keras_serializable(package="lscube")
class Mixture(keras.layers.Layer):  # type: ignore[misc]
    """Weighted mean of a network's probability and the mean of others'.

    Parameters
    ----------
    weight
        Of the others, 0..1.
    name, trainable, dtype
        As for every Keras layer; `dtype` stays float32 under a low precision policy.
    """

    def __init__(
        self,
        weight: float,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = "float32",
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.weight = weight

    def call(self, inputs: Sequence[Any]) -> Any:
        """Probability (n, y, x, 1); the network's comes first."""
        own, *others = inputs
        return (1.0 - self.weight) * own + self.weight * sum(others) / len(others)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        return {**super().get_config(), "weight": self.weight}
