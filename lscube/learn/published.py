"""Weights of the paper's own Keras model, taken into our network.

The authors published weights as HDF5 files of Keras 2 (M_ALL_006 and others). Layers are matched
by their order and their weights by shape. That rests on one assumption: that their code made the
layers in the order of supplementary figure 2, as ours does, with the inputs in the order pre,
post, topography. The real file was not at hand; only files of its layout, made in a test, were.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lscube.errors import ModelError
from lscube.learn.bundle import LoadedModel, check_room, digest, load_model, save_model
from lscube.learn.card import Card, commit, versions
from lscube.learn.chips import FULL_SCALE
from lscube.paths import StrPath
from lscube.settings import BRANCHES, TrainSettings

BANDS = ("red", "green", "blue")
"""Bands of the published models, before and after."""

WINDOW = 224
"""Edge of the published models' patches in pixels."""


class _Layer(NamedTuple):
    name: str
    weights: list[NDArray[Any]]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [tuple(weight.shape) for weight in self.weights]


def import_weights(
    file: StrPath, folder: StrPath, *, resolution: float = 6.0, width: float = 1.0
) -> LoadedModel:
    """Make a saved model from published weights.

    Parameters
    ----------
    file
        HDF5 file of Keras 2: a whole model, or weights alone.
    folder
        New folder for the model.
    resolution
        Pixel size in metres that the weights were trained at; 6 for M_ALL_006.
    width
        Scale of all filters; the published ones have 1.

    Returns
    -------
    LoadedModel

    Raises
    ------
    ModelError
        The file is no such file, or a layer is missing, left over or of another shape.
    StoreError
        The folder exists or cannot be written.
    """
    file, folder = Path(file), Path(folder)
    check_room(folder)
    from lscube.learn.network import build_network

    theirs = _read_layers(file)
    network = build_network(len(BANDS), len(BANDS), resolution, TrainSettings(width=width))
    ours = [layer for layer in network.layers if layer.weights]
    for number, layer in enumerate(ours):
        expected = [tuple(weight.shape) for weight in layer.weights]
        if number == len(theirs):
            raise ModelError(
                f"Expected {len(ours)} layers with weights in {file}, found {len(theirs)}, and none for "
                f"{layer.name} {expected}; give weights of the paper's network."
            )
        if theirs[number].shapes != expected:
            raise ModelError(
                f"Expected weights {expected} for layer {number + 1} ({layer.name}) in {file}, found "
                f"{theirs[number].shapes} ({theirs[number].name}); give weights of the paper's network."
            )
        layer.set_weights(theirs[number].weights)
    if len(theirs) > len(ours):
        left = ", ".join(layer.name for layer in theirs[len(ours) :][:3])
        raise ModelError(
            f"Expected {len(ours)} layers with weights in {file}, found {len(theirs)}: {left} would be "
            "left over; give weights of the paper's network."
        )
    save_model(network, folder, _card(file, resolution, width))
    return load_model(folder)


def _card(file: Path, resolution: float, width: float) -> Card:
    return Card(
        branches=BRANCHES,
        pre_bands=BANDS,
        post_bands=BANDS,
        resolution=resolution,
        full_scale=FULL_SCALE,
        window=WINDOW,
        width=width,
        origin=f"weights of {file.name} (sha256 {digest(file)})",
        versions=versions(),
        commit=commit(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _read_layers(file: Path) -> list[_Layer]:
    """Layers that have weights, in the file's order."""
    import h5py

    if not file.is_file():
        raise ModelError(f"Expected weights at {file}, found no file; check the path.")
    try:
        with h5py.File(file, "r") as content:
            group = content.get("model_weights", content)
            layers = [
                _Layer(name, [np.asarray(group[name][weight]) for weight in names])
                for name in _strings(group, "layer_names")
                if (names := _strings(group[name], "weight_names"))
            ]
    except (OSError, KeyError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].strip("'\".")
        raise ModelError(
            f"Expected an HDF5 file with weights as Keras 2 writes it at {file}, but {reason}; give "
            "the published .hdf5 file."
        ) from None
    return layers


def _strings(group: Any, name: str) -> list[str]:
    """An attribute with names; Keras divides long ones into `name0`, `name1`, ..."""
    if name in group.attrs:
        found = list(group.attrs[name])
    elif f"{name}0" in group.attrs:
        parts = (f"{name}{number}" for number in range(len(group.attrs)))
        found = [entry for part in parts if part in group.attrs for entry in group.attrs[part]]
    else:
        raise KeyError(f"it has no attribute {name}")
    return [entry.decode() if isinstance(entry, bytes) else str(entry) for entry in found]
