"""The training loop: a network, patches to learn from, patches to validate with.

Schedule and weights as in Prakash et al. (2021), Methods: Adam; the learning rate falls to a tenth
when the validation loss does not; training stops when that does not help; the best weights count.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lscube.learn.backend import keras
from lscube.learn.callbacks import Keep, Progress, Reseed, Schedule, StopAtNaN
from lscube.learn.network import main_only
from lscube.learn.reader import Reader, as_py_dataset, as_tf_data
from lscube.learn.state import State
from lscube.learn.training import make_training_model
from lscube.scores import Tally
from lscube.settings import TrainSettings

History = list[dict[str, float]]


def train(
    network: Any,
    training: Reader,
    validation: Reader,
    settings: TrainSettings,
    *,
    state: State | None = None,
    save: Callable[[State], object] = lambda state: None,
    say: Callable[[str], object] = lambda line: None,
    logs: Path | None = None,
) -> History:
    """Train a network in place, up to its best weights, and return a row of losses per epoch.

    Parameters
    ----------
    network
        Any Keras model with the inputs and the five outputs of `build_network`.
    training, validation
        Batches.
    settings
        Schedule and augmentation.
    state
        Of an interrupted training, to go on from.
    save
        Takes the state after each epoch.
    say
        Takes a line per epoch.
    logs
        Folder for TensorBoard, where it is installed and Keras runs on TensorFlow.

    Raises
    ------
    TrainingError
        The loss is not a number.
    """
    schedule = Schedule(settings)
    done = state.epoch if state else 0
    if state and (done >= settings.epochs or state.counters["stop_wait"] >= settings.patience):
        network.set_weights(state.best)  # of the model around it, which has no others
        return state.history
    model = make_training_model(
        network, settings.geometric, settings.radiometric, settings.learning_rate
    )
    keep = Keep(schedule, state, save)
    model.fit(
        **_data(training, validation, done, settings.epochs),
        epochs=settings.epochs,
        initial_epoch=done,
        callbacks=[
            StopAtNaN(training),
            Reseed(settings.seed),
            schedule.plateau,
            schedule.stop,
            keep,
            Progress(settings.epochs, say),
            *_tensorboard(logs),
        ],
        shuffle=False,
        verbose=0,
    )
    return keep.history


def _data(training: Reader, validation: Reader, done: int, epochs: int) -> dict[str, Any]:
    """Where `fit` takes its batches from, on this backend."""
    if keras.backend.backend() == "tensorflow":
        return {
            "x": as_tf_data(training, done, epochs),
            "steps_per_epoch": training.steps,
            "validation_data": as_tf_data(validation, 0, 1),
        }
    return {"x": as_py_dataset(training, done), "validation_data": as_py_dataset(validation, 0)}


def _tensorboard(logs: Path | None) -> list[Any]:
    there = importlib.util.find_spec("tensorboard") is not None
    if logs is None or not there or keras.backend.backend() != "tensorflow":
        return []
    return [keras.callbacks.TensorBoard(logs, write_graph=False)]


def validate(network: Any, validation: Reader) -> Tally:
    """Count the validation pixels by the main output's probability."""
    model = main_only(network)
    model.compile(jit_compile=False)
    tally = Tally()
    for step in range(validation.steps):
        batch = validation.batch(0, step)
        labels = batch.pop("labels")
        tally.add(model.predict_on_batch(batch), labels)
    return tally
