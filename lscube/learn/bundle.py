"""The saved model: a folder with the network, a card that says what it is, and its history.

A card is read without Keras or TensorFlow. The network's sha256 is in the card and is checked
before the network is opened: a damaged or exchanged file is refused.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from lscube.errors import ModelError, StoreError
from lscube.files import cannot_write
from lscube.settings import TrainSettings, explain

NETWORK = "model.keras"
CARD = "card.json"
HISTORY = "history.csv"

Floats = NDArray[np.float32]
History = Sequence[dict[str, float]]


class Card(BaseModel):
    """What a saved model is, expects and was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    format: Literal[1] = 1
    """Version of this layout."""
    branches: tuple[str, ...] = ("pre", "post", "topography")
    """What the network looks at."""
    bands: tuple[str, ...]
    """Common names of the bands of `pre` and of `post`, in their order."""
    resolution: float
    """Pixel size in metres; the slope was computed with it."""
    full_scale: float
    """Reflectance that a true-colour composite shows as 255."""
    window: int
    """Edge of the training patches in pixels."""
    width: float
    """Scale of all filters; 1 is the paper's."""
    settings: TrainSettings
    """All settings of the training."""
    seed: int
    """Seed of weights, order and augmentation."""
    patches: dict[str, int]
    """Patches kept and dropped, landslide pixels, for training and validation."""
    scores: dict[str, float]
    """Losses of the epoch whose weights were kept, and its number."""
    versions: dict[str, str]
    """Versions of the libraries that trained it."""
    created: str
    """When, in UTC (ISO 8601)."""
    provenance: dict[str, str] = {}
    """What it was trained on, in the caller's words."""
    sha256: str = ""
    """Of the network's file."""


@dataclass(frozen=True)
class LoadedModel:
    """A saved model whose file was checked; the network is opened when it is first used.

    It holds no network itself, so it travels to other processes, and each opens it once.
    """

    card: Card
    """What the model is."""
    folder: Path
    """Where it lies."""

    def predict(self, windows: Floats) -> Floats:
        """Landslide probability of windows; safe to call from several threads.

        Parameters
        ----------
        windows
            Shape (n, 2 * bands + 1, y, x), float32: reflectance before, reflectance after,
            elevation in metres; NaN where unknown. y and x are multiples of 32.

        Returns
        -------
        shape (n, y, x), float32, 0..1
        """
        inputs = split_channels(windows, len(self.card.bands))
        with _LOCK:
            network = _open(self.folder.resolve(), self.card.sha256)
            result: Floats = network.predict_on_batch(inputs)
        return np.asarray(result[..., 0], dtype=np.float32)


_LOCK = threading.Lock()


def split_channels(windows: Floats, bands: int) -> dict[str, Floats]:
    """Windows (n, 2 * bands + 1, y, x) as the network's inputs, (n, y, x, channel) each."""
    channels = 2 * bands + 1
    if windows.ndim != 4 or windows.shape[1] != channels or any(s % 32 for s in windows.shape[2:]):
        raise ModelError(
            f"Expected windows of shape (n, {channels}, y, x) with y and x multiples of 32, "
            f"got {windows.shape}; give {bands} bands before, {bands} after and the elevation."
        )
    last = np.moveaxis(windows.astype(np.float32, copy=False), 1, -1)
    return {
        "pre": np.ascontiguousarray(last[..., :bands]),
        "post": np.ascontiguousarray(last[..., bands : 2 * bands]),
        "elevation": np.ascontiguousarray(last[..., 2 * bands :]),
    }


@lru_cache(maxsize=2)
def _open(folder: Path, sha256: str) -> Any:
    """Open a network's main output, once per process and file."""
    from lscube.learn.backend import keras
    from lscube.learn.network import main_only  # which also registers the layers

    _check_digest(folder, sha256)
    try:
        network = keras.saving.load_model(folder / NETWORK, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"Expected a Keras model in {folder / NETWORK}, but it cannot be opened "
            f"({type(error).__name__}); train or copy it again."
        ) from error
    model = main_only(network)
    model.compile(jit_compile=False)
    return model


def digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_digest(folder: Path, expected: str) -> None:
    path = folder / NETWORK
    if not path.is_file():
        raise ModelError(f"Expected a network at {path}, found none; train or copy it again.")
    found = digest(path)
    if found != expected:
        raise ModelError(
            f"Expected {path} with sha256 {expected[:12]}..., got {found[:12]}...; it was changed "
            "after it was saved: train or copy it again."
        )


def read_card(folder: Path) -> Card:
    """Read a saved model's card; the network is not touched."""
    path = folder / CARD
    try:
        return Card.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ModelError(
            f"Expected a saved model in {folder}, found no {CARD} in it; check the path."
        ) from None
    except OSError as error:
        raise ModelError(f"Expected a card in {path}, but {error}; check the path.") from None
    except ValidationError as error:
        raise ModelError(
            f"Expected a model's card in {path}, but it is damaged ({explain(error)}); copy the "
            "model again."
        ) from None


def load_model(folder: Path) -> LoadedModel:
    """Check a saved model.

    Raises
    ------
    ModelError
        The model is missing, damaged, or changed after it was saved.
    """
    card = read_card(folder)
    _check_digest(folder, card.sha256)
    return LoadedModel(card, folder)


def check_cube(card: Card, bands: Sequence[str], resolution: float) -> None:
    """Refuse a cube that a model was not made for.

    Parameters
    ----------
    card
        The model's.
    bands
        The cube's bands in their order.
    resolution
        The cube's pixel size in metres.

    Raises
    ------
    ModelError
        The bands or the resolution are others.
    """
    if tuple(bands) != card.bands:
        raise ModelError(
            f"Expected a cube with the model's bands ({', '.join(card.bands)}), got "
            f"({', '.join(bands)}); set [cube] bands, or use another model."
        )
    if abs(resolution - card.resolution) > 1e-6 * card.resolution:
        raise ModelError(
            f"Expected a cube with the model's resolution, {card.resolution:g} m, got "
            f"{resolution:g} m; set [area] resolution, or use another model."
        )


def check_room(folder: Path) -> None:
    """Refuse, before days of training, a place where a model exists or cannot be written."""
    if folder.exists():
        raise StoreError(
            f"Expected no file or folder at {folder}, found one; choose another name or remove it."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(dir=folder.parent).cleanup()
    except OSError as error:
        raise cannot_write(folder, error) from None


def save_model(network: Any, folder: Path, card: Card, history: History = ()) -> Card:
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

    Returns
    -------
    Card
        As saved.

    Raises
    ------
    StoreError
        The folder exists or cannot be written.
    """
    check_room(folder)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        card = _write(network, part, card, history)
        part.chmod(0o755)
        part.rename(folder)
    except OSError as error:
        raise cannot_write(folder, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return card


def _write(network: Any, folder: Path, card: Card, history: History) -> Card:
    from lscube.learn.backend import keras

    inputs = {tensor.name: tensor for tensor in network.inputs}
    bare = keras.Model(inputs, network.outputs, name=network.name)  # without the optimizer
    bare.save(folder / NETWORK)
    card = card.model_copy(update={"sha256": digest(folder / NETWORK)})
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    with (folder / HISTORY).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]) if history else ["epoch"])
        writer.writeheader()
        writer.writerows(history)
    return card
