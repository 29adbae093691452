"""A trained network made ready for prediction: the same function, with less to compute.

Batch normalisation, whose statistics no longer change, becomes part of the convolution before it;
dropout and the heads of deep supervision are left out. In low precision, what the network was
built to compute in float32 (normalisation, terrain, the last layer) stays in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lscube.learn.backend import keras
from lscube.learn.layers import Reflectance, Topography
from lscube.learn.network import main_only
from lscube.learn.surroundings import Surroundings

_DROPPED = (
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
)


def for_prediction(network: Any, policy: str = "float32") -> Any:
    """Build the main output of a network for prediction.

    Parameters
    ----------
    network
        From `lscube.learn.network.build_network`, trained; it is not changed.
    policy
        Keras policy, "float32" or "mixed_bfloat16".

    Returns
    -------
    keras.Model
        Same inputs; the main probability, (n, y, x, 1), float32.
    """
    source = main_only(network)

    def make(layer: Any) -> Any:
        config = layer.get_config()
        # Those that were told their type keep it; all others were built in float32.
        if policy != "float32" and not _stays_float32(layer):
            config["dtype"] = policy
        return type(layer).from_config(config)

    def call(layer: Any, *args: Any, **given: Any) -> Any:
        return args[0] if isinstance(layer, _DROPPED) else layer(*args, **given)

    ready = keras.models.clone_model(source, clone_function=make, call_function=call)
    for layer in ready.layers:
        weights = source.get_layer(layer.name).get_weights()
        if layer.name.endswith("_conv"):  # see `lscube.learn.network`: a norm follows each
            weights = _folded(weights, source.get_layer(layer.name.removesuffix("conv") + "norm"))
        layer.set_weights(weights)
    return ready


def _stays_float32(layer: Any) -> bool:
    """Whether a layer computes in float32 in every precision mode."""
    heads = ("main", "deep", "adapted")
    first = Reflectance | Topography | Surroundings
    return isinstance(layer, first) or str(layer.name).startswith(heads)


def _folded(weights: list[Any], norm: Any) -> list[Any]:
    """Kernel and bias of a convolution with the batch normalisation that follows it."""
    kernel, bias = (value.astype(np.float64) for value in weights)
    gamma, beta, mean, variance = (value.astype(np.float64) for value in norm.get_weights())
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return [(kernel * scale).astype(np.float32), ((bias - mean) * scale + beta).astype(np.float32)]
