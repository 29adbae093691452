"""The one door to Keras: whoever comes through it needs the extra, nobody else does.

`import lscube.learn`, a saved model's card and the patches work without Keras and TensorFlow.
The modules that define layers, losses and networks import from here and are themselves
imported inside functions only.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from lscube.errors import MissingExtraError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextmanager
def _quietly() -> Iterator[None]:
    """Hold back what TensorFlow's C++ side prints while it is loaded, before its log level counts."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as elsewhere:
        os.dup2(elsewhere.fileno(), 2)
        try:
            yield
        except BaseException:
            elsewhere.seek(0)
            os.write(kept, elsewhere.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


try:
    with _quietly():
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
