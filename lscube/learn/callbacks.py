"""What `fit` does between steps and epochs."""

from __future__ import annotations

import math
import time
from typing import Any

from tqdm import tqdm

from lscube.errors import TrainingError
from lscube.learn.backend import keras


class StopAtNaN(keras.callbacks.Callback):  # type: ignore[misc]
    """Stops training with an error as soon as the loss is not a number."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Check the running mean of the epoch's loss."""
        self._check("loss", logs, f"step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Check the validation loss."""
        self._check("val_loss", logs, f"epoch {epoch + 1}")

    def _check(self, name: str, logs: dict[str, Any] | None, when: str) -> None:
        value = float((logs or {}).get(name, 0.0))
        if not math.isfinite(value):
            raise TrainingError(
                f"Expected a finite {name}, got {value} at {when}; lower learning_rate, and check "
                "the reflectances."
            )


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Prints one line per epoch and, on a terminal, a bar over all steps.

    Parameters
    ----------
    epochs
        Most epochs there can be.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs
        self.began = 0.0
        self.bar: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Show the bar; the first step takes long, while the graph is made."""
        total = self.epochs * (self.params.get("steps") or 0)
        self.bar = tqdm(total=total, desc="training", unit="step", disable=None, leave=False)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar on."""
        self.bar.update()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Take the bar away."""
        self.bar.close()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Take the time."""
        self.began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print losses, learning rate and time."""
        logs = logs or {}
        tqdm.write(
            f"epoch {epoch + 1}/{self.epochs}: loss {logs['loss']:.4f}, "
            f"validation {logs['val_loss']:.4f}, rate {logs['learning_rate']:.0e}, "
            f"{time.monotonic() - self.began:.0f} s"
        )
