"""Patches, augmentation, network, losses, one fit, and the saved model.

The names below are imported when they are first used; Keras and TensorFlow only when a model is
trained or a window is predicted.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lscube.scores import IGNORE as IGNORE

if TYPE_CHECKING:
    from lscube.learn.bundle import LoadedModel as LoadedModel
    from lscube.learn.bundle import check_room as check_room
    from lscube.learn.bundle import load_model as load_model
    from lscube.learn.bundle import save_model as save_model
    from lscube.learn.card import Card as Card
    from lscube.learn.card import TrainedEvent as TrainedEvent
    from lscube.learn.card import check_chips as check_chips
    from lscube.learn.card import check_cube as check_cube
    from lscube.learn.card import read_card as read_card
    from lscube.learn.chips import Chips as Chips
    from lscube.learn.chips import read_chips as read_chips
    from lscube.learn.fitting import TrainingEvent as TrainingEvent
    from lscube.learn.fitting import fit as fit
    from lscube.learn.fitting import fit_chips as fit_chips
    from lscube.learn.labels import make_labels as make_labels
    from lscube.learn.published import import_weights as import_weights
    from lscube.learn.splits import held_out as held_out

_NAMES = {
    "Card": "card",
    "Chips": "chips",
    "LoadedModel": "bundle",
    "TrainedEvent": "card",
    "TrainingEvent": "fitting",
    "check_chips": "card",
    "check_cube": "card",
    "check_room": "bundle",
    "fit": "fitting",
    "fit_chips": "fitting",
    "held_out": "splits",
    "import_weights": "published",
    "load_model": "bundle",
    "make_labels": "labels",
    "read_card": "card",
    "read_chips": "chips",
    "save_model": "bundle",
}

__all__ = [*_NAMES, "IGNORE"]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'lscube.learn' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lscube.learn.{_NAMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
