"""The one door to Keras: whoever comes through it needs the extra, nobody else does.

`import lscube.learn`, a saved model's card and the patches work without Keras and TensorFlow.
The modules that define layers, losses and networks import from here and are themselves
imported inside functions only.
"""

from __future__ import annotations

import os

from lscube.errors import MissingExtraError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

try:
    import keras
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] not in {
        "keras",
        "tensorflow",
        "jax",
        "torch",
    }:
        raise
    raise MissingExtraError("Training a model", "cpu") from error

ops = keras.ops

__all__ = ["keras", "ops"]
