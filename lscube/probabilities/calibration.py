"""A calibration, as it is kept in a model's card and applied to a map."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Numbers = NDArray[np.float64]
Floats = NDArray[np.float32]

MOST = 1 - 2.0**-24
"""The highest probability: 1 in float32 is what was rounded to it, at least this."""

_BLOCK = 1 << 16
"""Pixels computed at once: double precision, but not for a whole map."""


class Calibration(BaseModel):
    """A rising curve from the network's probability to the calibrated one.

    Thresholds, the card's among them, are on the network's probability.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    kind: Literal["temperature", "isotonic"]
    """What the curve is."""
    temperature: float | None = Field(default=None, gt=0)
    """Divides the log-odds; above 1 the network was too sure. For "temperature" alone."""
    knots: tuple[float, ...] = ()
    """Probabilities of the network, rising; straight lines between. For "isotonic" alone."""
    values: tuple[float, ...] = ()
    """Calibrated probability at each knot, never falling."""
    fitted_on: tuple[str, ...] = ()
    """Areas, held out from training, that it was fitted on."""
    pixels: int = Field(ge=0)
    """Labelled pixels of them."""
    error_before: float = Field(ge=0, le=1)
    """Expected calibration error of the network's probabilities, mean over the areas."""
    error_after: float = Field(ge=0, le=1)
    """The same of calibrated ones: where there are several areas, each by a curve fitted on the others;
    else by this curve, on the pixels it was fitted on."""

    @model_validator(mode="after")
    def _is_a_curve(self) -> Calibration:
        if self.kind == "temperature":
            right = self.temperature is not None and not (self.knots or self.values)
        else:
            rising = all(np.diff(self.knots) >= 0) and all(np.diff(self.values) >= 0)
            inside = all(0 <= v <= 1 for v in (*self.knots, *self.values))
            known = len(self.knots) == len(self.values) > 0 and self.temperature is None
            right = known and rising and inside
        if not right:
            raise ValueError(
                "expected a temperature, or else knots and as many values, both rising within 0..1"
            )
        return self

    def apply(self, probabilities: NDArray[np.floating]) -> Floats:
        """Calibrate probabilities; those of a Dask array with its `map_blocks`.

        Parameters
        ----------
        probabilities
            0..1, any shape; NaN stays NaN. What is beyond by rounding counts as 0 or 1.

        Returns
        -------
        of the same shape, float32
            A higher probability never becomes a lower one.
        """
        given = np.asarray(probabilities)
        flat = given.reshape(-1)
        made = np.empty(flat.shape, np.float32)
        for start in range(0, flat.size, _BLOCK):
            part = slice(start, start + _BLOCK)
            made[part] = self.curve(flat[part].astype(np.float64))
        return made.reshape(given.shape)

    def curve(self, probabilities: Numbers) -> Numbers:
        """As `apply`, in double precision and all at once."""
        from scipy.special import expit, logit

        inside = np.clip(probabilities, 0.0, MOST)
        if self.temperature is not None:
            tempered: Numbers = expit(logit(inside) / self.temperature)
            return tempered
        # Values that float32 holds: rounding at a knot cannot make a curve fall.
        return np.interp(inside, self.knots, np.asarray(self.values, np.float32))

    def describe(self) -> str:
        """What it is, what it was fitted on and what it does, in one line."""
        what = (
            f"isotonic, {len(self.knots)} knots"
            if self.temperature is None
            else f"temperature {self.temperature:.3g}"
        )
        where = f", fitted on {', '.join(self.fitted_on)}" if self.fitted_on else ""
        return (
            f"{what}{where} ({self.pixels:,} pixels): expected calibration error "
            f"{self.error_before:.4f} before, {self.error_after:.4f} after"
        )
