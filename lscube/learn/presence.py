"""Whether a process has what a model needs, without loading any of it."""

from __future__ import annotations

import importlib.util
import os


def missing_package(engine: str) -> str | None:
    """Say what is not installed of what computes a network; None where all is there.

    Parameters
    ----------
    engine
        "keras" or "openvino".
    """
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    for name in ("keras", backend):
        if not _is_installed(name):
            return f"{name} is not installed (extra 'cpu' or 'gpu')"
    if engine == "openvino" and not _is_installed("openvino"):
        return "openvino is not installed (extra 'openvino')"
    return None


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # it was put out of reach
        return False
