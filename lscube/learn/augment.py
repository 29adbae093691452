"""Random changes of a patch: the same geometry for all its layers, its own colours for each image.

Prakash et al. (2021), Methods: the state of randomness of the geometric augmentation is kept for
a patch's images, elevation and labels; that of the radiometric one differs between pre and post.
Parameters are drawn first, from a generator that belongs to one step, and then applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Geometry:
    """One of the eight ways to lay a square on itself."""

    mirrored: bool
    """Swap west and east first."""
    turns: int
    """Then turn by so many times 90 degrees, anticlockwise."""


@dataclass(frozen=True)
class Radiometry:
    """A change of an image's appearance, in units of reflectance."""

    gain: float
    """Brightness: all values times this."""
    bias: float
    """Haze: this much is added to all values."""
    contrast: float
    """Distance of the values from the image's mean, times this."""
    colour: tuple[float, ...]
    """Gain of each band."""
    noise: float
    """Standard deviation of the noise of each value."""
    seed: int
    """Seed of the noise."""


def draw_geometry(rng: np.random.Generator) -> Geometry:
    """Draw one of the eight geometries, all equally likely."""
    return Geometry(mirrored=bool(rng.integers(2)), turns=int(rng.integers(4)))


def draw_radiometry(rng: np.random.Generator, bands: int, strength: float = 1.0) -> Radiometry:
    """Draw a change that leaves a scene plausible: a fifth in brightness, a tenth in colour.

    Parameters
    ----------
    rng
        Source of randomness.
    bands
        Bands of the image.
    strength
        Scales all ranges; 0 changes nothing.
    """
    return Radiometry(
        gain=float(rng.uniform(0.8, 1.25)) ** strength,
        bias=float(rng.uniform(-0.01, 0.01)) * strength,
        contrast=float(rng.uniform(0.8, 1.25)) ** strength,
        colour=tuple(float(c) ** strength for c in rng.uniform(0.9, 1.1, bands)),
        noise=float(rng.uniform(0.0, 0.005)) * strength,
        seed=int(rng.integers(2**32)),
    )


def apply_geometry(layer: NDArray[T], geometry: Geometry) -> NDArray[T]:
    """Lay a square layer of shape (y, x, channel) another way; values stay as they are."""
    if geometry.mirrored:
        layer = layer[:, ::-1]
    return np.rot90(layer, geometry.turns, axes=(0, 1))


def apply_radiometry(image: Floats, change: Radiometry) -> Floats:
    """Change an image's appearance.

    Parameters
    ----------
    image
        Reflectance, shape (y, x, band), NaN where unobserved.
    change
        What to do.

    Returns
    -------
    reflectance of the same shape, float32
        (m + contrast * (rho - m)) * gain * colour + bias + noise, with m the mean of each band;
        not below 0; NaN where `image` is.
    """
    observed = np.isfinite(image)
    count = np.maximum(observed.sum(axis=(0, 1), dtype=np.float32), 1)
    mean = np.where(observed, image, 0).sum(axis=(0, 1), dtype=np.float32) / count
    gain = np.float32(change.gain) * np.asarray(change.colour, dtype=np.float32)
    result = (mean + np.float32(change.contrast) * (image - mean)) * gain + np.float32(change.bias)
    rng = np.random.default_rng(change.seed)
    result += np.float32(change.noise) * rng.standard_normal(image.shape, dtype=np.float32)
    changed: Floats = np.maximum(result, np.float32(0))
    return changed
