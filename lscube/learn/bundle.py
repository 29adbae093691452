"""The saved model: a folder with the network, a card that says what it is, and its history.

The network's sha256 is in the card and is checked before the network is opened: a damaged or
exchanged file is refused.
"""

from __future__ import annotations

import csv
import hashlib
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lscube.errors import ModelError, StoreError
from lscube.files import appearing, appearing_folder, cannot_write
from lscube.learn.card import CARD, Card, read_card
from lscube.learn.presence import missing_package
from lscube.learn.shipped import WEIGHTS, read_weights
from lscube.paths import StrPath
from lscube.probabilities import Calibration
from lscube.settings.models import check_model, is_shipped, shipped_folder

NETWORK = "model.keras"
HISTORY = "history.csv"

Floats = NDArray[np.float32]
History = Sequence[dict[str, float]]


@dataclass(frozen=True)
class LoadedModel:
    """A saved model whose file was checked; the network is opened when it is first used.

    It holds no network itself, so it travels to other processes, and each opens it once.
    """

    card: Card
    """What the model is."""
    folder: Path
    """Where it lies."""
    policy: str = "float32"
    """Keras policy that it predicts with; "mixed_bfloat16" is faster where the hardware has it."""
    engine: str = "keras"
    """What computes it: "keras" or "openvino"."""

    def _repr_html_(self) -> str:
        """Its card, for notebooks."""
        return self.card._repr_html_()

    def predict(self, windows: Floats) -> Floats:
        """Landslide probability of windows; safe to call from several threads.

        Parameters
        ----------
        windows
            Shape (n, channel, y, x), float32: the card's bands before, its bands after, and
            elevation in metres, as far as it looks at them; NaN where unknown. y and x are
            multiples of 32.

        Returns
        -------
        shape (n, y, x), float32, 0..1
        """
        inputs = split_channels(windows, self.card)
        with _LOCK:
            run = _open(self.folder.resolve(), self.card.sha256, self.policy, self.engine)
            result: Floats = run(inputs)
        return np.asarray(result[..., 0], dtype=np.float32)

    def missing(self) -> str | None:
        """Say what this process lacks to predict with it; None where nothing is missing."""
        path = network_file(self.folder)
        if not path.is_file():
            return f"there is no file {path}"
        if (found := digest(path)) != self.card.sha256:
            return f"{path} is another network (sha256 {found[:12]}, not {self.card.sha256[:12]})"
        return missing_package(self.engine)


_LOCK = threading.Lock()


def split_channels(windows: Floats, card: Card) -> dict[str, Floats]:
    """Windows (n, channel, y, x) as the network's inputs, (n, y, x, channel) each."""
    if (
        windows.ndim != 4
        or windows.shape[1] != card.channels
        or any(s % 32 for s in windows.shape[2:])
    ):
        raise ModelError(
            f"Expected windows of shape (n, {card.channels}, y, x) with y and x multiples of 32, "
            f"got {windows.shape}; give the bands and the elevation that the model's card names."
        )
    last = np.moveaxis(windows.astype(np.float32, copy=False), 1, -1)
    ends = np.cumsum([len(card.pre_bands), len(card.post_bands)])
    parts = zip(("pre", "post", "elevation"), np.split(last, ends, axis=-1), strict=True)
    return {name: np.ascontiguousarray(part) for name, part in parts if name in card.inputs}


@lru_cache(maxsize=16)
def _open(folder: Path, sha256: str, policy: str, engine: str) -> Any:
    """Open a network for prediction, once per process, file, policy and engine."""
    from lscube.learn.engines import make_run
    from lscube.learn.hardware import share_threads
    from lscube.learn.inference import for_prediction

    share_threads()
    return make_run(for_prediction(_read_network(folder, sha256), policy), engine)


def open_network(model: LoadedModel) -> Any:
    """The Keras model of a saved one, with all its outputs."""
    return _read_network(model.folder, model.card.sha256)


def _read_network(folder: Path, sha256: str) -> Any:
    path = _check_digest(folder, sha256)
    if path.name == WEIGHTS:
        return read_weights(path, read_card(folder))
    from lscube.learn import layers, surroundings  # noqa: F401  (registers them)
    from lscube.learn.backend import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"Expected a Keras model in {path}, but it cannot be opened "
            f"({type(error).__name__}); train or copy it again."
        ) from error


def network_file(folder: Path) -> Path:
    """The network's file in a model's folder: weights alone, or a Keras file."""
    place = shipped_folder(folder)
    return place / (WEIGHTS if (place / WEIGHTS).is_file() else NETWORK)


def digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_digest(folder: Path, expected: str) -> Path:
    """The network's file, after a look at its content."""
    path = network_file(folder)
    if not path.is_file():
        raise ModelError(f"Expected a network at {path}, found none; train or copy it again.")
    found = digest(path)
    if found != expected:
        raise ModelError(
            f"Expected {path} with sha256 {expected[:12]}..., got {found[:12]}...; it was changed "
            "after it was saved: train or copy it again."
        )
    return path


def load_model(folder: StrPath) -> LoadedModel:
    """Check a saved model.

    Parameters
    ----------
    folder
        Of a saved model; or "standard" or "light", the models that come with lscube, where no folder has
        that name.

    Raises
    ------
    ModelError
        The model is missing, damaged, or changed after it was saved.
    """
    check_model(folder)
    found = shipped_folder(folder)
    card = read_card(found)
    _check_digest(found, card.sha256)
    # Absolute: workers of a cluster start elsewhere.
    return LoadedModel(card, found.absolute())


def add_calibration(folder: Path, calibration: Calibration) -> LoadedModel:
    """Write a calibration into a saved model's card, in place of one that is there.

    The network, and so its sha256 and its maps, stay as they are.

    Raises
    ------
    ModelError
        The model is missing, damaged, changed after it was saved, or one that comes with lscube.
    StoreError
        The card cannot be written.
    """
    model = load_model(folder)
    card = model.card.model_copy(update={"calibration": calibration})
    write_card(folder, card)
    return replace(model, card=card)


def write_card(folder: Path, card: Card) -> None:
    """Write a model's card, in place of one that is there.

    Raises
    ------
    ModelError
        It is a model that comes with lscube.
    StoreError
        It cannot be written.
    """
    if is_shipped(folder):
        raise ModelError(
            f"Expected a model of your own to change, got {folder}, which comes with lscube; copy "
            f"{shipped_folder(folder)} and change the copy."
        )
    with appearing(folder / CARD) as partial:
        partial.write_text(_as_json(card), encoding="utf-8")


def check_room(folder: StrPath) -> None:
    """Refuse, before days of training, a place where a model exists or cannot be written."""
    folder = Path(folder)
    if folder.exists():
        raise StoreError(
            f"Expected no file or folder at {folder}, found one; choose another name or remove it."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(dir=folder.parent).cleanup()
    except OSError as error:
        raise cannot_write(folder, error) from None


def save_model(
    network: Any,
    folder: StrPath,
    card: Card,
    history: History = (),
    add: Callable[[Path], object] = lambda folder: None,
) -> Card:
    """Save a model; the folder appears complete, or not at all.

    Parameters
    ----------
    network
        The Keras model; its optimizer is left out.
    folder
        New folder.
    card
        What the model is; its `sha256` is filled in.
    history
        One row of losses per epoch.
    add
        Writes more into the folder before it gets its name.

    Returns
    -------
    Card
        As saved.

    Raises
    ------
    StoreError
        The folder exists or cannot be written.
    """
    folder = Path(folder)
    check_room(folder)
    with appearing_folder(folder) as part:
        card = _write(network, part, card, history)
        add(part)
    return card


def _write(network: Any, folder: Path, card: Card, history: History) -> Card:
    from lscube.learn.backend import keras

    inputs = {tensor.name: tensor for tensor in network.inputs}
    bare = keras.Model(inputs, network.outputs, name=network.name)  # without the optimizer
    bare.save(folder / NETWORK)
    card = card.model_copy(update={"sha256": digest(folder / NETWORK)})
    (folder / CARD).write_text(_as_json(card), encoding="utf-8")
    with (folder / HISTORY).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]) if history else ["epoch"])
        writer.writeheader()
        writer.writerows(history)
    return card


def _as_json(card: Card) -> str:
    return card.model_dump_json(indent=2) + "\n"
