"""Sections on a map and its scores."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lscube.settings.base import Bounds, Settings
from lscube.settings.training import Branch

Precision = Literal["auto", "float32", "bfloat16"]
Engine = Literal["auto", "keras", "openvino"]
Views = Literal["one", "flips", "all"]

WINDOWS = {"paper": (112, 56), "fast": (1024, 64)}
"""Core and margin of each mode: the paper's overlap-tile protocol, and large windows."""

CHUNK = 1024
"""Pixels along the edge of a chunk, unless the settings say otherwise; at least a core."""


class PredictSettings(Settings):
    """[predict]: the window lattice, the store's layout, and how windows are predicted."""

    mode: Literal["fast", "paper"] = "fast"
    """"paper": windows of 224 of which the inner 112 are kept; "fast": 1152 and 1024, same weights."""
    core: int | None = Field(None, ge=1)
    """Edge of the pixels kept of each window; default: the mode's."""
    margin: int | None = Field(None, ge=0)
    """Context around the core on each side; core + 2 * margin is a multiple of 32. Default: the mode's."""
    precision: Precision = "auto"
    """Arithmetic; "auto": bfloat16 in fast mode on a GPU and on processors with AMX, else float32."""
    engine: Engine = "auto"
    """What computes the network; "auto": in fast mode without a GPU OpenVINO (extra `openvino`) where it is
    installed, else Keras."""
    views: Views = "one"
    """Mean over each window as it is, over its 4 flips, or over all 8 flips and turns."""
    without: tuple[Branch, ...] = ()
    """Images that a pixel may lack and still be mapped, for example "pre" where snow hid it; the models must
    have learnt to go without (`optional_branches` in their cards). `observed` says what was not seen."""
    radiometry: Literal["reference", "reflectance"] = "reference"
    """"reference": each satellite pass is brought to the radiometry that the models have learnt from, where
    their cards tell of one; "reflectance": it stays as it is."""
    dtype: Literal["uint8", "float32"] = "uint8"
    """Type of the stored probability; uint8 has steps of 0.004."""
    chunk_cores: int | None = Field(None, ge=1)
    """Cores per chunk edge; default: about 1024 pixels."""
    shard_chunks: int = Field(2, ge=1)
    """Chunks per shard edge; a shard is one file, and one task."""
    region_shards: int = Field(4, ge=1)
    """Shards per region edge; a region is what is done again after an interruption."""

    @property
    def window(self) -> tuple[int, int]:
        """Core and margin in pixels."""
        core, margin = WINDOWS[self.mode]
        return (
            core if self.core is None else self.core,
            margin if self.margin is None else self.margin,
        )

    @property
    def chunk(self) -> int:
        """Edge of a chunk in pixels."""
        core, _ = self.window
        return core * (self.chunk_cores or max(1, CHUNK // core))

    @model_validator(mode="after")
    def _window(self) -> PredictSettings:
        core, margin = self.window
        if (core + 2 * margin) % 32:
            raise ValueError(f"core + 2 * margin must be a multiple of 32, not {core + 2 * margin}")
        if margin > core:
            raise ValueError(f"margin ({margin}) must not exceed core ({core})")
        return self


class EvaluateSettings(Settings):
    """[evaluate]: where and how a map is compared with a reference."""

    area: Bounds | None = None
    """Part to score (west, south, east, north in the grid's CRS, metres); default: all that is labelled."""
    part: Literal["all", "test"] = "all"
    """"test": of that, only what [split] holds out for test."""
    threshold: float | None = Field(None, gt=0, lt=1)
    """Probability from which a pixel counts as landslide; default: the map's model's own, where it is given
    or comes with lscube, else 0.5."""
    reference_is: str = Field("inventory", min_length=1, max_length=200)
    """What the reference is ("masks drawn by people", "model output"); written into the scores so that nobody
    takes it for more."""
