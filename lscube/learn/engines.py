"""What computes a network in prediction: Keras, or OpenVINO, which is faster on processors.

On two cores with AVX2 and no bfloat16, OpenVINO took two thirds of the time of TensorFlow; README and
`make bench` have figures. It gives the same bits for any number of threads and any batch, as Keras does.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lscube import machine
from lscube.errors import MissingExtraError, ModelError
from lscube.learn.backend import keras
from lscube.learn.hardware import CPU_FLAGS, gpus, processor_flags, worker_threads
from lscube.settings import Engine, Precision

Floats = NDArray[np.float32]
Run = Callable[[Mapping[str, Floats]], Floats]
"""From the network's inputs by name to its main output (n, y, x, 1)."""


def choose_arithmetic(engine: Engine, precision: Precision) -> tuple[str, str]:
    """Engine and Keras policy for prediction on this machine.

    Parameters
    ----------
    engine, precision
        As in `PredictSettings`. "auto" precision is low where this machine is known to gain by it;
        "auto" engine is OpenVINO where it is installed, there is no GPU and precision is not low.

    Raises
    ------
    ModelError
        OpenVINO is asked for in low precision: terrain would be computed in it, too.
    """
    low = precision == "bfloat16" or (
        precision == "auto"
        and engine != "openvino"
        and (gpus() > 0 or bool(processor_flags() & CPU_FLAGS))
    )
    policy = "mixed_bfloat16" if low else "float32"
    if engine == "auto":
        return ("openvino" if not low and not gpus() and has_openvino() else "keras"), policy
    if engine == "openvino" and low:
        raise ModelError(
            'Expected float32 for predict.engine = "openvino", got bfloat16; choose one of the two.'
        )
    return engine, policy


def has_openvino() -> bool:
    """Whether OpenVINO is installed, and Keras's backend is one that it reads from."""
    return keras.backend.backend() == "tensorflow" and bool(importlib.util.find_spec("openvino"))


def make_run(network: Any, engine: str) -> Run:
    """Make a network that is ready for prediction computable.

    Parameters
    ----------
    network
        From `lscube.learn.inference.for_prediction`.
    engine
        "keras" or "openvino".

    Raises
    ------
    MissingExtraError
        OpenVINO is not installed.
    """
    if engine == "openvino":
        return _openvino(network)
    network.compile(jit_compile=False)

    def run(inputs: Mapping[str, Floats]) -> Floats:
        return np.asarray(network.predict_on_batch(dict(inputs)))

    return run


def _openvino(network: Any) -> Run:
    if not has_openvino():
        raise MissingExtraError(
            'predict.engine = "openvino" (with Keras on TensorFlow)', "openvino"
        )
    import openvino

    core = openvino.Core()
    # Not `openvino.convert_model`: it reports its use to its maker's server.
    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, format="tf_saved_model", verbose=False)
        compiled = core.compile_model(
            core.read_model(folder),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "f32",
                "NUM_STREAMS": 1,
                "INFERENCE_NUM_THREADS": worker_threads() or machine.cores(),
            },
        )

    def run(inputs: Mapping[str, Floats]) -> Floats:
        return np.array(compiled(dict(inputs))[0], dtype=np.float32)

    return run
