"""Sections on a map and its scores."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lscube.settings.base import Bounds, Settings


class PredictSettings(Settings):
    """[predict]: the window lattice."""

    core: int = Field(112, ge=1)
    """Edge of the pixels kept of each window."""
    margin: int = Field(56, ge=0)
    """Context around the core on each side; core + 2 * margin is a multiple of 32."""
    chunk_cores: int = Field(8, ge=1)
    """Cores per chunk edge."""

    @model_validator(mode="after")
    def _window(self) -> PredictSettings:
        if (self.core + 2 * self.margin) % 32:
            raise ValueError(
                f"core + 2 * margin must be a multiple of 32, not {self.core + 2 * self.margin}"
            )
        if self.margin > self.core:
            raise ValueError(f"margin ({self.margin}) must not exceed core ({self.core})")
        return self


class EvaluateSettings(Settings):
    """[evaluate]: where and how a map is compared with a reference."""

    area: Bounds | None = None
    """Part to score (west, south, east, north in the grid's CRS, metres); default: all that is labelled."""
    part: Literal["all", "test"] = "all"
    """"test": of that, only what [split] holds out for test."""
    threshold: float = Field(0.5, gt=0, lt=1)
    """Probability from which a pixel counts as landslide."""
    reference_is: Literal["inventory", "simulated inventory", "model output"] = "inventory"
    """What the reference is; written into the scores so that nobody takes it for more."""
