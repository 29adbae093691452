"""What `fit` does between steps and epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm import tqdm

from lscube.errors import TrainingError
from lscube.learn.backend import keras
from lscube.learn.reader import Reader
from lscube.learn.state import State
from lscube.settings import TrainSettings


class StopAtNaN(keras.callbacks.Callback):  # type: ignore[misc]
    """Stops training with an error as soon as the loss is not a number.

    Parameters
    ----------
    reader
        Of the training patches; names what was in the batch.
    """

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember which epoch it is."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Check the running mean of the epoch's loss."""
        if not _is_finite("loss", logs):
            held = ", ".join(self.reader.names(self.epoch, batch))
            raise TrainingError(
                f"Expected a finite loss, got {(logs or {})['loss']} at batch {batch + 1} of epoch "
                f"{self.epoch + 1}, which holds patches of {held}; lower learning_rate, and check the "
                "reflectances."
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Check the validation loss."""
        if not _is_finite("val_loss", logs):
            raise TrainingError(
                f"Expected a finite validation loss, got {(logs or {})['val_loss']} after epoch "
                f"{epoch + 1}; lower learning_rate, and check the validation part's reflectances."
            )


def _is_finite(name: str, logs: dict[str, Any] | None) -> bool:
    return math.isfinite(float((logs or {}).get(name, 0.0)))


class Reseed(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets every source of randomness at the begin of an epoch, from the seed and the epoch alone."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Seed augmentation and dropout."""
        reseed(self.model, self.seed, epoch)


def reseed(model: Any, seed: int, epoch: int) -> None:
    """Set a `TrainingModel`'s sources of randomness, from seed and epoch alone."""
    for number, generator in enumerate(model.seed_generators()):
        drawn = np.random.default_rng((seed, epoch, number)).integers(2**31)
        generator.state.assign(np.array([drawn, 0]).astype(generator.state.dtype))


class Schedule:
    """The paper's schedule, as Keras's callbacks with counters that can be kept.

    The learning rate falls to a tenth after `plateau` epochs without improvement of the validation
    loss; training stops after `patience`; the best weights count.
    """

    def __init__(self, settings: TrainSettings) -> None:
        self.plateau = keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss", mode="min", factor=0.1, patience=settings.plateau
        )
        self.stop = keras.callbacks.EarlyStopping(
            monitor="val_loss", mode="min", patience=settings.patience, restore_best_weights=True
        )

    def counters(self) -> dict[str, float]:
        """Best loss so far, and epochs waited for a better one."""
        return {
            "plateau_wait": self.plateau.wait,
            "plateau_best": self.plateau.best,
            "stop_wait": self.stop.wait,
            "stop_best": self.stop.best,
        }

    def restore(self, state: State) -> None:
        """Go on where a state was left."""
        self.plateau.wait = int(state.counters["plateau_wait"])
        self.plateau.best = state.counters["plateau_best"]
        self.stop.wait = int(state.counters["stop_wait"])
        self.stop.best = state.counters["stop_best"]
        self.stop.best_weights = state.best


class Keep(keras.callbacks.Callback):  # type: ignore[misc]
    """Takes up a state where there is one, and hands over a new one after every epoch.

    It stands behind the schedule's callbacks, whose counters it sets and reads.

    Parameters
    ----------
    schedule
        The schedule.
    state
        Of an interrupted training.
    save
        Takes each new state.
    """

    def __init__(
        self, schedule: Schedule, state: State | None, save: Callable[[State], object]
    ) -> None:
        super().__init__()
        self.schedule, self.state, self.save = schedule, state, save
        self.history: list[dict[str, float]] = list(state.history) if state else []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Set weights, optimizer and counters."""
        if self.state is None:
            return
        self.model.set_weights(self.state.weights)
        variables = self.model.optimizer.variables
        for variable, value in zip(variables, self.state.optimizer, strict=True):
            variable.assign(value)
        self.schedule.restore(self.state)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Hand the state over."""
        names = ("loss", "val_loss", "learning_rate")
        self.history.append(
            {"epoch": epoch + 1, **{name: float((logs or {})[name]) for name in names}}
        )
        self.save(
            State(
                weights=self.model.get_weights(),
                optimizer=[
                    keras.ops.convert_to_numpy(one) for one in self.model.optimizer.variables
                ],
                best=self.schedule.stop.best_weights,
                counters=self.schedule.counters(),
                history=list(self.history),
            )
        )


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Says a line per epoch and, on a terminal, shows a bar over all steps.

    Parameters
    ----------
    epochs
        Most epochs there can be.
    say
        Takes the lines.
    """

    def __init__(self, epochs: int, say: Callable[[str], object]) -> None:
        super().__init__()
        self.epochs = epochs
        self.say = say
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
        """Say losses, learning rate and time."""
        logs = logs or {}
        self.say(
            f"epoch {epoch + 1}/{self.epochs}: loss {logs['loss']:.4f}, "
            f"validation {logs['val_loss']:.4f}, rate {logs['learning_rate']:.0e}, "
            f"{time.monotonic() - self.began:.0f} s"
        )
