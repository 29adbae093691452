"""What an interrupted training needs to go on as if nothing had happened: one file per epoch."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lscube.errors import StoreError
from lscube.files import appearing

Arrays = list[NDArray[Any]]


@dataclass(frozen=True)
class State:
    """A training after a whole number of epochs."""

    weights: Arrays
    """Of the network."""
    optimizer: Arrays
    """Variables of the optimizer: step, learning rate, moments."""
    best: Arrays
    """Weights of the epoch with the lowest validation loss."""
    counters: dict[str, float]
    """Of the schedule: best loss so far, and epochs waited for a better one."""
    history: list[dict[str, float]] = field(default_factory=list)
    """One row of losses per epoch."""

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)


def save_state(path: Path, state: State) -> None:
    """Write a state; the one before stays until the new one is complete.

    Raises
    ------
    StoreError
        It cannot be written.
    """
    arrays: dict[str, Any] = {}
    for name in ("weights", "optimizer", "best"):
        arrays.update({f"{name}_{i:04}": value for i, value in enumerate(getattr(state, name))})
    text = json.dumps({"counters": state.counters, "history": state.history})
    with appearing(path) as partial, partial.open("wb") as file:
        np.savez(file, text=np.array(text), **arrays)


def load_state(path: Path) -> State | None:
    """Read a state; None where there is none.

    Raises
    ------
    StoreError
        The file is damaged.
    """
    if not path.exists():
        return None
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            plain = json.loads(str(file["text"]))
            weights, optimizer, best = (
                [file[key] for key in sorted(file.files) if key.startswith(f"{name}_")]
                for name in ("weights", "optimizer", "best")
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise StoreError(
            f"Expected the state of a training in {path}, but it cannot be read ({error}); remove "
            f"{path.parent} to begin anew."
        ) from None
    return State(weights, optimizer, best, plain["counters"], plain["history"])
