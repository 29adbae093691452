"""Masks by a function: the user's own, or OmniCloudMask (optional extra)."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from lscube.cube.masks import Reason
from lscube.errors import InputError, MissingExtraError

Reflectance = npt.NDArray[np.float32]
Reasons = npt.NDArray[np.uint8]
Predict = Callable[[Reflectance], npt.NDArray[np.integer]]


@dataclass(frozen=True)
class CloudMask:
    """A function that finds clouds, and what it needs to see. To run on a cluster it must pickle."""

    function: Callable[[Reflectance], Reasons]
    """From reflectance (band, y, x), NaN where there is none, to bits of `Reason`, uint8 (y, x). Called
    from several threads at once."""
    bands: tuple[str, ...]
    """Common names of the bands, in the order in which the function takes them."""
    halo: int = 0
    """Pixels of context that it needs on each side."""


def run_cloud_mask(mask: CloudMask, reflectance: Reflectance) -> Reasons:
    """Let a mask's function see a block.

    Parameters
    ----------
    mask
        The function and its halo.
    reflectance
        The block with `mask.halo` pixels more on each side, shape (band, y, x).

    Returns
    -------
    uint8 array, shape (y - 2 * halo, x - 2 * halo)
        Bits of `Reason` for the block alone.

    Raises
    ------
    InputError
        The function returns something else than uint8 bits for every pixel that it was given.
    """
    shape = reflectance.shape[1:]
    reasons = mask.function(reflectance)
    if not isinstance(reasons, np.ndarray) or reasons.dtype != np.uint8 or reasons.shape != shape:
        raise InputError(
            f"Expected bits of Reason from the cloud mask's function, uint8 of shape {shape}, got "
            f"{_in_words(reasons)}; return one value for every pixel that it is given, 0 where clear."
        )
    inner = tuple(slice(mask.halo, size - mask.halo) for size in shape)
    return reasons[inner]


def _in_words(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return type(value).__name__


# OmniCloudMask's classes: clear, thick cloud, thin cloud, cloud shadow.
_REASONS = np.array([0, Reason.CLOUD, Reason.CLOUD, Reason.CLOUD_SHADOW], np.uint8)

_SMALLEST = 64
"""Edge in pixels below which OmniCloudMask warns or refuses; a smaller block is padded with no data."""


def omni_cloud_mask(predict: Predict | None = None) -> CloudMask:
    """Clouds and their shadows by OmniCloudMask, for images without a scene classification.

    Wright, N. et al., 2025, Training sensor-agnostic deep learning models for remote sensing:
    Achieving state-of-the-art cloud and cloud shadow identification with OmniCloudMask, Remote
    Sensing of Environment 322, 114694, doi:10.1016/j.rse.2025.114694. It takes pixels of 10 to
    50 m and fetches its weights from Hugging Face on first use. It scales what it is given by the
    mean and spread of just that, so its answer depends somewhat on how an image is cut into blocks.

    Parameters
    ----------
    predict
        From red, green and near infrared, shape (3, y, x), 0 = no data, to classes 0 to 3, shape
        (1, y, x); default: the package's `predict_from_array`.

    Raises
    ------
    MissingExtraError
        The package is not installed.
    """
    if predict is None:
        if importlib.util.find_spec("omnicloudmask") is None:
            raise MissingExtraError("The cloud mask OmniCloudMask", "clouds")
        predict = _predict
    # Half of the overlap of the package's own patches.
    return CloudMask(partial(_classify, predict=predict), ("red", "green", "nir"), halo=150)


def _predict(reflectance: Reflectance) -> npt.NDArray[np.integer]:
    # PyTorch comes with it: only where it is used.
    from omnicloudmask import predict_from_array

    classes: npt.NDArray[np.integer] = predict_from_array(reflectance)
    return classes


def _classify(reflectance: Reflectance, predict: Predict) -> Reasons:
    """Reasons from OmniCloudMask's classes; none where a band has no data."""
    seen = ~np.isnan(reflectance).any(axis=0)
    reasons = np.zeros(seen.shape, np.uint8)
    if seen.any():
        missing = [(0, max(_SMALLEST - size, 0)) for size in seen.shape]
        padded = np.pad(np.where(seen, reflectance, np.float32(0)), [(0, 0), *missing])
        classes = predict(padded)[0, : seen.shape[0], : seen.shape[1]]
        reasons[seen] = _REASONS[classes[seen]]
    return reasons
