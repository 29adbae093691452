"""Training of a general model, in epochs or in minutes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lscube.learn.backend import keras
from lscube.learn.callbacks import Reseed, reseed
from lscube.learn.network import build_network, main_only
from lscube.learn.pretraining.bank import Bank
from lscube.learn.pretraining.exams import Exam, marks, sit
from lscube.learn.pretraining.recipe import Draws, draw, epoch_steps
from lscube.learn.pretraining.stock import Stock
from lscube.learn.state import State, load_state, save_state
from lscube.learn.training import TrainingModel, adopt_weights, compile_for_training, jit
from lscube.settings import School, TrainSettings

Say = Callable[[dict[str, Any]], object]
"""Told of each examination."""


class BankedModel(TrainingModel):
    """A network that makes its batches itself, from numbers of patches."""

    def call(self, inputs: dict[str, Any], training: bool = False) -> tuple[Any, ...]:
        """Five probabilities and the labels, (n, y, x, 1), of what `recipe.draw` drew."""
        batch = self.augmentation(inputs)
        labels = batch.pop("labels")
        return (*self.network(batch, training=training), labels)


class Desk:
    """A stock, its examinations and a compiled step.

    Parameters
    ----------
    stock
        To learn from.
    held, exams
        To be examined with.
    school
        The network's width and dropout, schedule, recipe and seed.
    parent
        Folder of a saved model to begin from.
    """

    def __init__(
        self,
        stock: Stock,
        held: Stock,
        exams: Sequence[Exam],
        school: School,
        parent: Path | None = None,
    ) -> None:
        keras.utils.set_random_seed(school.seed)
        keras.config.set_dtype_policy(school.precision)
        self.stock, self.held, self.exams, self.school = stock, held, exams, school
        settings = TrainSettings(width=school.width, dropout=school.dropout, l2=0.0)
        self.network = build_network(3, 3, school.resolution, settings)
        if parent is not None:
            adopt_weights(self.network, parent)
        self.model = BankedModel(self.network, Bank(stock, school.seed))
        compile_for_training(self.model, _optimizer(school))
        self.looking = main_only(self.network)
        self.looking.compile(jit_compile=jit())

    def train(self, say: Say, path: Path) -> None:
        """Train; the network holds the best weights afterwards.

        Parameters
        ----------
        say
            Told of each examination.
        path
            File of the state after each epoch; an interrupted training goes on from it.

        Raises
        ------
        StoreError
            The state cannot be written, or is damaged.
        """
        state = load_state(path)
        watch = _Watch(self, say, path, state)
        done = state.epoch if state else 0
        if watch.used(done) < 1:
            self.model.fit(
                _batches(self.stock, self.school, done),
                epochs=self.school.epochs,
                initial_epoch=done,
                callbacks=[Reseed(self.school.seed), watch],
                shuffle=False,
                verbose=0,
            )
        for variable, value in zip(self.network.variables, watch.best_weights, strict=True):
            variable.assign(value)
        settle(self.network, self._batches())

    def _batches(self) -> Iterator[dict[str, Any]]:
        """The network's inputs, of the epoch after the last."""
        school = self.school
        reseed(self.model, school.seed, school.epochs)
        drawn = draw(self.stock, school.recipe, school.batch_size, school.seed, school.epochs)
        for batch in drawn[: school.settling]:
            made = self.model.augmentation(as_tensors(batch))
            made.pop("labels")
            yield made

    def predict(self, inputs: dict[str, Any]) -> Any:
        """Main output of a batch."""
        return np.asarray(self.looking.predict_on_batch(inputs), np.float32)

    def examine(self) -> dict[str, Any]:
        """Examine the network as it is; without exams, any is as good as those before."""
        if not self.exams:
            return {"score": 0.0}
        size = self.school.batch_size
        tallies = {e.name: sit(e, self.held, self.predict, size) for e in self.exams}
        return marks(tallies, self.exams)


def as_tensors(batch: Draws) -> dict[str, Any]:
    """A batch's draws as the model takes them."""
    return {name: keras.ops.convert_to_tensor(part) for name, part in batch.items()}


def settle(network: Any, batches: Iterable[dict[str, Any]]) -> None:
    """Let batch normalisation count anew: averaged weights never saw the values that it goes by.

    Parameters
    ----------
    network
        Its moving means and variances become the mean of the batches' own; nothing else changes.
    batches
        The network's inputs; some dozens.
    """
    norms = [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]
    before = [norm.momentum for norm in norms]
    for number, batch in enumerate(batches):
        for norm in norms:
            norm.momentum = number / (number + 1)
        network(batch, training=True)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum


def _optimizer(school: School) -> Any:
    optimizer = keras.optimizers.AdamW(
        school.learning_rate,
        weight_decay=school.weight_decay,
        global_clipnorm=1.0,
        use_ema=True,
        ema_momentum=school.average,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _batches(stock: Stock, school: School, epoch: int) -> Any:
    """Draws of one epoch after the other."""

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(workers=1, use_multiprocessing=False)
            self.epoch = epoch
            self.drawn = self._draw()

        def _draw(self) -> list[Draws]:
            return draw(stock, school.recipe, school.batch_size, school.seed, self.epoch)

        def __len__(self) -> int:
            return epoch_steps(stock, school.batch_size, school.recipe)

        def __getitem__(self, step: int) -> tuple[Draws]:
            return (self.drawn[step],)

        def on_epoch_end(self) -> None:
            self.epoch += 1
            self.drawn = self._draw()

    return Batches()


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Learning rate, examinations, the state after each epoch, and the end."""

    def __init__(self, desk: Desk, say: Say, path: Path, state: State | None) -> None:
        super().__init__()
        self.desk, self.school, self.say, self.path, self.state = (
            desk,
            desk.school,
            say,
            path,
            state,
        )
        counters = state.counters if state else {}
        self.best = counters.get("best", -math.inf)
        self.next = counters.get("next", 0.5)
        self.before = counters.get("seconds", 0.0)
        self.best_weights: list[Any] = state.best if state else []
        self.history = list(state.history) if state else []
        self.epoch = 0
        self.begun: float | None = None

    def used(self, epochs: float) -> float:
        """Share of epochs, or of time, that is used up."""
        share = epochs / self.school.epochs
        if self.school.minutes is not None:
            share = max(share, self.seconds / (60 * self.school.minutes))
        return min(share, 1.0)

    @property
    def seconds(self) -> float:
        """Since the first step, which compiles, ended; an interrupted training's are added."""
        return self.before + (0.0 if self.begun is None else time.monotonic() - self.begun)

    def on_train_begin(self, logs: Any = None) -> None:
        """Take up what an interrupted training left."""
        if self.state is None:
            return
        pairs = (
            (self.desk.network.variables, self.state.weights),
            (self.model.optimizer.variables, self.state.optimizer),
        )
        for variables, values in pairs:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember which epoch it is."""
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the learning rate."""
        used = self.used(self.epoch + batch / self.params["steps"])
        factor = min(1.0, (used + 0.002) / 0.05) * 0.5 * (1 + math.cos(math.pi * used))
        self.model.optimizer.learning_rate = self.school.learning_rate * max(factor, 1e-3)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop when the time is used up."""
        self.begun = time.monotonic() if self.begun is None else self.begun
        self.model.stop_training = self.used(0) >= 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Examine when it is time, and at the end; keep the state."""
        loss = float((logs or {}).get("loss", math.nan))
        self.history.append({"epoch": epoch + 1, "loss": loss})
        used = self.used(epoch + 1)
        if used >= min(self.next, 1.0):
            self.next = used + 0.5 / self.school.examinations
            self._examine(epoch, loss)
        self.model.stop_training = used >= 1
        save_state(
            self.path,
            State(
                weights=_numbers(self.desk.network.variables),
                optimizer=_numbers(self.model.optimizer.variables),
                best=self.best_weights,
                counters={"best": self.best, "next": self.next, "seconds": self.seconds},
                history=self.history,
            ),
        )

    def _examine(self, epoch: int, loss: float) -> None:
        """Examine the averaged weights, and keep them if they are the best so far."""
        variables = self.desk.network.trainable_variables
        raw = _numbers(variables)
        averages = _numbers(self.model.optimizer._model_variables_moving_average)
        for variable, average in zip(variables, averages, strict=True):
            variable.assign(average)
        found = self.desk.examine()
        self.say({"epoch": epoch + 1, "seconds": round(self.seconds, 1), **found, "loss": loss})
        if found["score"] >= self.best:
            self.best = found["score"]
            self.best_weights = _numbers(self.desk.network.variables)
        for variable, value in zip(variables, raw, strict=True):
            variable.assign(value)


def _numbers(variables: Iterable[Any]) -> list[Any]:
    """Copies: a step on JAX takes a variable's buffers with it."""
    return [np.array(keras.ops.convert_to_numpy(one)) for one in variables]
