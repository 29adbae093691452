"""The loss: binary cross-entropy and a focal Tversky index, over the labelled pixels only.

Prakash et al. (2021), Methods; Abraham, N., Khan, N. M. (2019): A novel focal Tversky loss
function with improved attention U-Net for lesion segmentation, doi:10.1109/ISBI.2019.8759329.
"""

from __future__ import annotations

from typing import Any

from lscube.learn.backend import keras, ops
from lscube.scores import IGNORE

LOSS_WEIGHTS = (5.0, 1.0, 1.0, 1.0, 1.0)
"""Weights of the five outputs, the main one first."""

_TINY = 1e-7


def split_valid(labels: Any, probabilities: Any) -> tuple[Any, Any, Any]:
    """Return labels, probabilities and validity in float32; the first two are 0 where ignored."""
    labels = ops.cast(labels, "float32")
    valid = ops.not_equal(labels, float(IGNORE))
    labels = ops.where(valid, labels, 0.0)
    probabilities = ops.where(valid, ops.cast(probabilities, "float32"), 0.0)
    return labels, probabilities, ops.cast(valid, "float32")


def cross_entropy(labels: Any, probabilities: Any) -> Any:
    """Mean binary cross-entropy of the valid pixels; 0 if there is none.

    Parameters
    ----------
    labels
        0, 1 or `IGNORE`, any shape.
    probabilities
        0..1, of the same shape.

    Returns
    -------
    scalar, float32
        -mean(y ln p + (1 - y) ln(1 - p)), p kept within [1e-7, 1 - 1e-7].
    """
    y, p, valid = split_valid(labels, probabilities)
    p = ops.clip(p, _TINY, 1.0 - _TINY)
    entropy = -(y * ops.log(p) + (1.0 - y) * ops.log(1.0 - p))
    return ops.sum(entropy * valid) / ops.maximum(ops.sum(valid), 1.0)


def focal_tversky(labels: Any, probabilities: Any) -> Any:
    """Focal Tversky loss of the valid pixels of the batch; 0 if there is none.

    TI = (TP + 1) / (TP + 0.7 FN + 0.3 FP + 1) with TP = sum(y p), FN = sum(y (1 - p)) and
    FP = sum((1 - y) p); the loss is (1 - TI)^(3/4). (Keras's own `Tversky` names its alpha and
    beta the other way round.) 1 - TI is kept above 1e-7, where the power's slope is finite.

    Parameters
    ----------
    labels, probabilities
        As in `cross_entropy`.

    Returns
    -------
    scalar, float32
    """
    y, p, valid = split_valid(labels, probabilities)
    hit = ops.sum(y * p)
    missed = 0.7 * ops.sum(y * (1.0 - p) * valid)
    false = 0.3 * ops.sum((1.0 - y) * p * valid)
    distance = (missed + false) / (hit + missed + false + 1.0)  # 1 - TI without cancellation
    loss = ops.power(ops.maximum(distance, _TINY), 0.75)
    return ops.where(ops.sum(valid) > 0, loss, 0.0)


def landslide_loss(labels: Any, probabilities: Any) -> Any:
    """0.2 * `cross_entropy` + 0.8 * `focal_tversky`, a scalar in float32."""
    entropy = cross_entropy(labels, probabilities)
    return 0.2 * entropy + 0.8 * focal_tversky(labels, probabilities)


@keras.saving.register_keras_serializable(package="lscube")
class LandslideLoss(keras.losses.Loss):  # type: ignore[misc]
    """`landslide_loss` for `compile`, over the batch as a whole and always in float32.

    Parameters
    ----------
    name, reduction, dtype
        As for every Keras loss; the loss is a scalar, so that the reduction changes nothing.
    """

    def __init__(
        self,
        name: str = "landslide_loss",
        reduction: str = "sum_over_batch_size",
        dtype: Any = "float32",
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of labels and probabilities (n, y, x, 1)."""
        return landslide_loss(y_true, y_pred)
