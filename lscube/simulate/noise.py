"""Fractal noise: the raw material of terrain, stands of trees and clouds."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import scipy.fft
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
"""Array of single-precision numbers."""
BoolArray: TypeAlias = NDArray[np.bool_]
"""Mask."""
IntArray: TypeAlias = NDArray[np.int64]
"""Array of indices or labels."""
Shape: TypeAlias = tuple[int, int]
"""Rows and columns."""


def fractal(
    rng: np.random.Generator, shape: Shape, beta: float, longest: float | None = None
) -> FloatArray:
    """Draw a Gaussian random field with the power spectrum ``k**-beta``.

    Parameters
    ----------
    rng
        Source of randomness.
    shape
        Rows and columns.
    beta
        Slope of the spectrum; 0 is white noise, 2 is cloudy, 4 is smooth and hilly.
    longest
        Wavelength in pixels beyond which the spectrum is flat; by default there is none.

    Returns
    -------
    FloatArray
        Field of mean 0 and standard deviation 1; it does not wrap around at the edges.
    """
    rows, cols = (scipy.fft.next_fast_len(int(n * 1.2) + 4, real=True) for n in shape)
    white = rng.standard_normal((rows, cols), dtype=np.float32)
    ky = scipy.fft.fftfreq(rows)[:, None]
    kx = scipy.fft.rfftfreq(cols)[None, :]
    k = np.hypot(ky, kx)
    corner = 1.0 / longest if longest else 1.0 / max(rows, cols)
    gain = np.maximum(k, corner) ** (-beta / 2)
    gain[0, 0] = 0.0
    spectrum = scipy.fft.rfft2(white) * gain.astype(np.float32)
    field = scipy.fft.irfft2(spectrum, s=(rows, cols))[: shape[0], : shape[1]]
    field = field - field.mean()
    return np.asarray(field / field.std(), dtype=np.float32)


def ranks(field: FloatArray) -> FloatArray:
    """Replace every value by its rank, 0..1, so that a threshold is a share of the area."""
    order = np.empty(field.size, dtype=np.float32)
    order[np.argsort(field, axis=None, kind="stable")] = np.linspace(0.0, 1.0, field.size)
    return order.reshape(field.shape)


def smoothstep(value: FloatArray, low: float, high: float) -> FloatArray:
    """Rise smoothly from 0 at `low` to 1 at `high`."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), dtype=np.float32)


def coarsen(field: FloatArray | BoolArray, factor: int) -> FloatArray:
    """Average blocks of `factor` x `factor` pixels; shape (..., y, x), both multiples of it."""
    if factor == 1:
        return np.asarray(field, dtype=np.float32)
    *rest, rows, cols = field.shape
    blocks = np.asarray(field, dtype=np.float32).reshape(
        *rest, rows // factor, factor, cols // factor, factor
    )
    return np.asarray(blocks.mean(axis=(-3, -1)))
