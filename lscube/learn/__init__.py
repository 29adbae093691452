"""Patches, augmentation, network, losses, one fit, and the saved model.

The names below are imported when they are first used; Keras and TensorFlow only when a model is
trained or a window is predicted.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lscube.learn.bundle import Card as Card
    from lscube.learn.bundle import LoadedModel as LoadedModel
    from lscube.learn.bundle import check_cube as check_cube
    from lscube.learn.bundle import check_room as check_room
    from lscube.learn.bundle import load_model as load_model
    from lscube.learn.bundle import read_card as read_card
    from lscube.learn.bundle import save_model as save_model
    from lscube.learn.fitting import fit as fit
    from lscube.learn.labels import make_labels as make_labels
    from lscube.learn.patches import cut_patches as cut_patches

IGNORE = 255
"""Label of a pixel that is not known: it is neither learnt from nor scored."""

_NAMES = {
    "Card": "lscube.learn.bundle",
    "LoadedModel": "lscube.learn.bundle",
    "check_cube": "lscube.learn.bundle",
    "check_room": "lscube.learn.bundle",
    "cut_patches": "lscube.learn.patches",
    "fit": "lscube.learn.fitting",
    "load_model": "lscube.learn.bundle",
    "make_labels": "lscube.learn.labels",
    "read_card": "lscube.learn.bundle",
    "save_model": "lscube.learn.bundle",
}

__all__ = [*_NAMES, "IGNORE"]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'lscube.learn' has no attribute {name!r}")
    return getattr(importlib.import_module(_NAMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
