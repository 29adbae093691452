"""What is trained: augmentation, the network, what it begins from, and the loss over its five outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lscube.errors import ModelError
from lscube.learn.augment import Augmentation
from lscube.learn.backend import keras
from lscube.learn.bundle import load_model, open_network
from lscube.learn.losses import LOSS_WEIGHTS, LandslideLoss


@keras.saving.register_keras_serializable(package="lscube")
class TrainingModel(keras.Model):  # type: ignore[misc]
    """A network with augmentation before it; labels are one of its inputs, so that they move along.

    It is never saved: the network inside is.

    Parameters
    ----------
    network
        From `build_network`; any model with its kinds of inputs and its five outputs will do.
    augmentation
        Used in training only.
    """

    def __init__(self, network: Any, augmentation: Augmentation) -> None:
        # float32: under a low precision policy a model would cast its inputs, elevation among them.
        super().__init__(name="training", dtype="float32")
        self.network = network
        self.augmentation = augmentation

    def build(self, input_shape: Any) -> None:
        """Nothing is left to make: the network is there already."""

    def call(self, inputs: dict[str, Any], training: bool = False) -> tuple[Any, ...]:
        """Five probabilities and the labels, (n, y, x, 1), of a batch with its `labels`."""
        batch = self.augmentation(inputs) if training else dict(inputs)
        labels = batch.pop("labels")
        return (*self.network(batch, training=training), labels)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Weighted sum of the outputs' losses, and the L2 penalty; labels are the last output."""
        *outputs, labels = y_pred
        return super().compute_loss(
            x=x, y=[labels] * len(outputs), y_pred=outputs, training=training
        )

    def seed_generators(self) -> list[Any]:
        """Sources of randomness: of the augmentation, then of each dropout."""
        found = [getattr(layer, "seed_generator", None) for layer in self.network.layers]
        return [self.augmentation.seed_generator, *(one for one in found if one is not None)]


def make_training_model(
    network: Any, geometric: float, radiometric: float, learning_rate: float
) -> TrainingModel:
    """Wrap a network and compile it for training: Adam, and the paper's loss and weights."""
    model = TrainingModel(network, Augmentation(geometric, radiometric, name="augmentation"))
    optimizer = keras.optimizers.Adam(learning_rate)
    if keras.config.dtype_policy().name == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    compile_for_training(model, optimizer)
    return model


def compile_for_training(model: TrainingModel, optimizer: Any) -> None:
    """Compile a model with the paper's loss and weights.

    All variables are made now, those that sum the losses up too: otherwise the first step is traced twice.
    """
    optimizer.build(model.network.trainable_variables)
    model.compile(
        optimizer=optimizer,
        loss=[LandslideLoss() for _ in LOSS_WEIGHTS],
        loss_weights=list(LOSS_WEIGHTS),
        jit_compile=jit(),
    )
    nothing = keras.ops.zeros((1, 1, 1, 1))
    model.compute_loss(y_pred=[nothing] * (len(LOSS_WEIGHTS) + 1))


def jit() -> bool | str:
    """Whether Keras is to use XLA.

    Not on TensorFlow: on a CPU it made training 2 times slower, and several GPUs want it off. JAX
    needs it.
    """
    return False if keras.backend.backend() == "tensorflow" else "auto"


def adopt_weights(network: Any, parent: Path) -> None:
    """Give a network the weights of a saved model, to begin from.

    Raises
    ------
    ModelError
        The parent is another network, or ends at half resolution.
    """
    found = load_model(parent)
    card = found.card
    if card.head != "main":
        raise ModelError(
            f"Expected a whole network at {parent} to begin from, but it ends at half resolution; begin from "
            'the one that it is a part of (for "light": "standard").'
        )
    theirs = open_network(found).get_weights()
    ours = network.get_weights()
    if [value.shape for value in theirs] != [value.shape for value in ours]:
        raise ModelError(
            f"Expected a model of the same network at {parent} to begin from, but it looks at "
            f"{', '.join(card.branches)} with bands ({', '.join(card.pre_bands)}) and "
            f"({', '.join(card.post_bands)}) at width {card.width:g}; set train.branches, bands and "
            "train.width like that."
        )
    network.set_weights(theirs)
