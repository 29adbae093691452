"""Networks as half-precision weights, half the size of a Keras file, as the models that come with lscube are.

A network of `lscube.learn.network` follows from its card; what is stored are its weights: kernels as float16,
all else (biases, and what batch normalisation counts) as float32. In the network all are float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from lscube.errors import ModelError
from lscube.settings import TrainSettings

if TYPE_CHECKING:
    from lscube.learn.card import Card

WEIGHTS = "weights.npz"
"""The network's file in a folder that holds weights alone."""


def write_weights(network: Any, path: Path | IO[bytes]) -> None:
    """Write a network's weights, kernels as float16, to an NPZ file; the same weights give the same bytes."""
    arrays = {_key(variable): np.asarray(variable.numpy()) for variable in _weights(network)}
    small = {
        name: values.astype(np.float16 if values.ndim > 1 else np.float32)
        for name, values in arrays.items()
    }
    np.savez(path, **{name: small[name] for name in sorted(small)})  # type: ignore[arg-type]


def read_weights(path: Path, card: Card) -> Any:
    """Build the network that a card describes, with the weights of `write_weights`.

    Raises
    ------
    ModelError
        The weights are another network's.
    """
    from lscube.learn.network import build_network, stopped_at_half

    settings = TrainSettings(branches=card.branches, width=card.width)
    network = build_network(len(card.pre_bands), len(card.post_bands), card.resolution, settings)
    if card.head != "main":
        network = stopped_at_half(network)
    try:
        with np.load(path, allow_pickle=False) as file:
            for variable in _weights(network):
                variable.assign(file[_key(variable)].astype(np.float32))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ModelError(
            f"Expected the weights of the card's network in {path}, but {error}; copy the model again."
        ) from None
    return network


def _weights(network: Any) -> list[Any]:
    """Variables that a trained network is made of."""
    return [variable for variable in network.variables if variable.dtype == "float32"]


def _key(variable: Any) -> str:
    """A variable's name in the file."""
    return str(variable.path).replace("/", ".")
