"""Small networks: what a test needs of a network is rarely its depth, which alone makes TensorFlow slow.

Building, opening and tracing the U-Net take seconds, its training half a minute, whatever its width: the
time goes with the number of layers. Its structure itself is looked at in `test_learn_network`,
`test_learn_inference` and `test_shipped_models`; the README's example that begins from a shipped model trains
it in its whole depth, layer by layer; the making of the shipped models traces all kinds of layers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from unittest.mock import patch

import numpy as np

from lscube.learn import Card, LoadedModel, load_model, save_model
from lscube.settings import TrainSettings

RGB = ("red", "green", "blue")

QUICK_JAX = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
}
"""Variables of a process that compiles a network with JAX and runs it a few times."""

_WHOLE_PROCESS = ExitStack()


@contextmanager
def shallow() -> Iterator[None]:
    """Let `build_network` make one block a stage: all kinds of layers, all scales, a third of the depth."""
    from lscube.learn.network import _Builder

    whole = _Builder.stage

    def stage(self: Any, x: Any, filters: int, blocks: int, stride: int, name: str) -> Any:
        return whole(self, x, filters, 1, stride, name)

    with patch.object(_Builder, "stage", stage):
        yield


@contextmanager
def plain() -> Iterator[None]:
    """Let `build_network` make `plain_network`, for what surrounds a training."""
    with patch("lscube.learn.network.build_network", plain_network):
        yield


UNTRACED = "ignore:Even though the `tf.config"
"""For `pytest.mark.filterwarnings`, where a fixture is `untraced` for many tests: pytest resets filters."""


@contextmanager
def untraced() -> Iterator[None]:
    """Let TensorFlow compute each layer at once: what takes few steps is done before a graph were made."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    with warnings.catch_warnings(), ExitStack() as end:
        end.callback(tf.config.run_functions_eagerly, False)
        # What reads the batches is a graph nevertheless, and TensorFlow says so.
        warnings.filterwarnings("ignore", message="Even though the `tf.config")
        yield


def plain_network(
    pre_bands: int, post_bands: int, resolution: float, settings: TrainSettings
) -> Any:
    """A network with the U-Net's inputs and outputs, and a single layer between them."""
    from lscube.learn.backend import keras
    from lscube.learn.layers import Reflectance, Topography
    from lscube.learn.network import OUTPUTS

    layers = keras.layers
    known = {
        "pre": ("pre", pre_bands, Reflectance(name="normalise_pre")),
        "post": ("post", post_bands, Reflectance(name="normalise_post")),
        "topography": ("elevation", 1, Topography(resolution, name="normalise_topography")),
    }
    inputs, images = {}, []
    for name, channels, normalise in (known[branch] for branch in settings.branches):
        inputs[name] = keras.Input((None, None, channels), name=name, dtype="float32")
        images.append(normalise(inputs[name]))
    x = layers.Concatenate()(images) if len(images) > 1 else images[0]
    x = layers.Conv2D(24, 7, padding="same", name="first_conv")(x)  # its state fills a small disk
    x = layers.ReLU()(layers.BatchNormalization(name="first_norm")(x))
    x = layers.Dropout(settings.dropout)(x)
    heads = [layers.Conv2D(1, 1, dtype="float32", name=f"{name}_logit")(x) for name in OUTPUTS]
    outputs = [
        layers.Activation("sigmoid", dtype="float32", name=name)(head)
        for name, head in zip(OUTPUTS, heads, strict=True)
    ]
    return keras.Model(inputs, outputs, name="plain")


Depth = Literal["plain", "shallow", "deep"]
DEPTHS: dict[Depth, Callable[[], AbstractContextManager[None]]] = {
    "plain": plain,
    "shallow": shallow,
    "deep": nullcontext,
}


def save_tiny(
    folder: Path, bands: tuple[str, ...] = RGB, seed: int = 0, depth: Depth = "plain"
) -> LoadedModel:
    """Save an untrained network whose probabilities differ from place to place."""
    folder.mkdir(parents=True)
    for name, content in _tiny(tuple(bands), seed, depth).items():
        (folder / name).write_bytes(content)
    return load_model(folder)


def brightening(
    folder: Path, optional: tuple[str, ...] = (), threshold: float = 0.5
) -> LoadedModel:
    """Save a model that is sure of what became much brighter, and of what did not; it needs no training."""
    from lscube.learn.backend import keras

    layers = keras.layers
    inputs = {
        name: keras.Input((None, None, channels), name=name)
        for name, channels in (("pre", 3), ("post", 3), ("elevation", 1))
    }
    change = layers.Conv2D(1, 1, name="change_logit")(
        layers.Concatenate()([inputs["pre"], inputs["post"]])
    )
    output = layers.Activation("sigmoid", dtype="float32", name="main")(change)
    network = keras.Model(inputs, output, name="brightening")
    steep = 60.0  # of a sigmoid: from 0.12 to 0.88 within 0.07 of reflectance
    kernel = np.repeat([-1.0, 1.0], 3)[None, None, :, None] * steep / 3
    network.get_layer("change_logit").set_weights([kernel, np.array([-steep / 15])])
    card = Card(
        branches=("pre", "post", "topography"),
        pre_bands=RGB,
        post_bands=RGB,
        resolution=10.0,
        full_scale=0.3,
        window=64,
        width=1.0,
        optional_branches=optional,
        threshold=threshold,
    )
    save_model(network, folder, card)
    return load_model(folder)


@cache
def _tiny(bands: tuple[str, ...], seed: int, depth: Depth) -> dict[str, bytes]:
    """The files of a saved model, made once in a process."""
    from lscube.learn import network
    from lscube.learn.backend import keras

    keras.utils.set_random_seed(seed)
    settings = TrainSettings(width=0.05)
    with DEPTHS[depth]():
        made = network.build_network(len(bands), len(bands), 10.0, settings)
    card = Card(
        branches=settings.branches,
        pre_bands=bands,
        post_bands=bands,
        resolution=10.0,
        full_scale=0.3,
        window=64,
        width=0.05,
        settings=settings,
        seed=seed,
    )
    with TemporaryDirectory() as name:
        save_model(made, Path(name) / "tiny", card)
        return {path.name: path.read_bytes() for path in (Path(name) / "tiny").iterdir()}


def stay_plain() -> None:
    """Make plain networks for the rest of this process."""
    _WHOLE_PROCESS.enter_context(plain())


def dask_setup(worker: object) -> None:
    """Do so in a worker of Dask that preloads this module."""
    stay_plain()
