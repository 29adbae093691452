"""One training: patches of a cube in, a saved model out.

Schedule and weights as in Prakash et al. (2021), Methods: Adam; the learning rate falls to a tenth
when the validation loss does not; training stops when that does not help; the best weights count.
"""

from __future__ import annotations

import importlib.metadata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import odc.geo.xr  # noqa: F401  (gives a Dataset its `.odc`)
import xarray as xr

from lscube.grid import resolution_of
from lscube.learn.bundle import Card, LoadedModel, check_room, load_model, save_model
from lscube.learn.patches import PatchSet, cut_patches
from lscube.learn.reader import Reader, as_tf_data
from lscube.settings import TrainSettings

_LIBRARIES = ("lscube", "keras", "tensorflow", "tensorflow-cpu", "numpy")


def fit(
    cube: xr.Dataset,
    labels: xr.DataArray,
    folder: Path,
    settings: TrainSettings,
    *,
    provenance: dict[str, str] | None = None,
    verbose: bool = True,
) -> LoadedModel:
    """Train a network on a cube and save it.

    Seeds Python's, NumPy's and TensorFlow's global generators: the same seed gives the same
    model on the same machine.

    Parameters
    ----------
    cube
        With `pre`, `post` (band, y, x), `elevation` and `observed` (y, x).
    labels
        0, 1 or `IGNORE`, (y, x) on the cube's grid, from `make_labels`.
    folder
        New folder for the model.
    settings
        Network, patches and schedule.
    provenance
        What the model is trained on; goes into its card.
    verbose
        Print a line per epoch.

    Returns
    -------
    LoadedModel

    Raises
    ------
    InventoryError
        There are no landslides to learn from or to validate with.
    StoreError
        The folder exists or cannot be written.
    TrainingError
        The loss is not a number.
    """
    from lscube.learn.backend import keras
    from lscube.learn.network import build_network

    check_room(folder)
    training, validation = cut_patches(cube, labels, settings)
    keras.utils.set_random_seed(settings.seed)
    bands = tuple(str(band) for band in cube["band"].values)
    resolution = resolution_of(cube.odc.geobox)
    network = build_network(len(bands), resolution, settings)
    history = train(network, training, validation, settings, verbose)
    card = _card(
        bands, resolution, settings, history, {"training": training, "validation": validation}
    )
    save_model(network, folder, card.model_copy(update={"provenance": provenance or {}}), history)
    return load_model(folder)


def train(
    network: Any,
    training: PatchSet,
    validation: PatchSet,
    settings: TrainSettings,
    verbose: bool = True,
) -> list[dict[str, float]]:
    """Train a network in place, up to its best weights, and return a row of losses per epoch.

    Parameters
    ----------
    network
        Any Keras model with the inputs and the five outputs of `build_network`.
    training, validation
        Patches.
    settings
        The schedule.
    verbose
        Print a line per epoch.
    """
    _compile(network, settings.learning_rate)
    seen = Reader(
        training,
        settings.batch_size,
        settings.seed,
        training=True,
        radiometric=settings.radiometric,
    )
    held_out = Reader(validation, settings.batch_size, settings.seed, training=False)
    result = network.fit(
        as_tf_data(seen, settings.epochs),
        epochs=settings.epochs,
        steps_per_epoch=seen.steps,
        validation_data=as_tf_data(held_out, 1),
        callbacks=_callbacks(settings, verbose),
        shuffle=False,
        verbose=0,
    )
    names = list(result.history)
    rows = zip(*result.history.values(), strict=True)
    return [
        {"epoch": epoch, **dict(zip(names, map(float, row), strict=True))}
        for epoch, row in enumerate(rows, start=1)
    ]


def _compile(network: Any, learning_rate: float) -> None:
    """Compile a network, with all variables made now: otherwise each step is traced twice.

    XLA is left off: on a CPU it made training 2 times and prediction 4 times slower.
    """
    from lscube.learn.backend import keras
    from lscube.learn.losses import LOSS_WEIGHTS, LandslideLoss

    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(network.trainable_variables)
    network.compile(
        optimizer=optimizer,
        loss=[LandslideLoss() for _ in LOSS_WEIGHTS],
        loss_weights=list(LOSS_WEIGHTS),
        jit_compile=False,
    )
    nothing = (np.zeros((1, 1, 1, 1), dtype=np.float32),) * len(LOSS_WEIGHTS)
    network.compute_loss(y=nothing, y_pred=nothing)


def _callbacks(settings: TrainSettings, verbose: bool) -> list[Any]:
    from lscube.learn.backend import keras
    from lscube.learn.callbacks import Progress, StopAtNaN

    plateau = keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss", factor=0.1, patience=settings.plateau
    )
    stop = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=settings.patience, restore_best_weights=True
    )
    return [StopAtNaN(), plateau, stop, *([Progress(settings.epochs)] if verbose else [])]


def _card(
    bands: tuple[str, ...],
    resolution: float,
    settings: TrainSettings,
    history: list[dict[str, float]],
    sides: dict[str, PatchSet],
) -> Card:
    """Card of a network that was just trained."""
    from lscube.learn.layers import FULL_SCALE

    return Card(
        bands=bands,
        resolution=resolution,
        full_scale=FULL_SCALE,
        window=settings.window,
        width=settings.width,
        settings=settings,
        seed=settings.seed,
        patches=_count(sides),
        scores=min(history, key=lambda row: row["val_loss"]),
        versions=_versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _count(sides: dict[str, PatchSet]) -> dict[str, int]:
    counts = {}
    for name, patches in sides.items():
        counts[f"{name}_kept"] = patches.kept
        counts[f"{name}_dropped"] = patches.dropped
        counts[f"{name}_landslide_pixels"] = patches.landslide_pixels()
    return counts


def _versions() -> dict[str, str]:
    """Versions of those libraries that are installed."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
