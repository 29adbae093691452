"""Sections on labels, their split, and the training."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from lscube.settings.base import Bounds, Settings, put_layer

Branch = Literal["pre", "post", "topography"]
"""One of the network's inputs."""

BRANCHES: tuple[Branch, ...] = ("pre", "post", "topography")
"""All inputs of the paper's network, in their order."""


class LabelSettings(Settings):
    """[labels]: what training and evaluation compare with; one of `inventory` and `raster`."""

    inventory: Path | None = None
    """Vector file with landslide polygons; `FILE|layername=NAME` is one of its layers, here and wherever a
    vector file can be given."""
    layer: str | None = Field(None, exclude=True)
    """Layer of `inventory`; needed where it has several, unless one is called "landslides"."""
    raster: Path | None = None
    """Raster whose values at or above `threshold` are landslides (for example another model's output)."""
    threshold: float = 50.0
    """Threshold for `raster`, in its own unit."""
    mapped_extent: Path | Bounds | None = None
    """Where labels exist (vector file, or bounds in degrees); all else is ignored. Default: everywhere."""
    boundary: float = Field(0.0, ge=0, le=1_000)
    """Pixels whose centre is within so many metres of a polygon's outline are ignored: outlines are drawn by
    hand."""

    @model_validator(mode="before")
    @classmethod
    def _of_layer(cls, values: Any) -> Any:
        return put_layer(values, "inventory")

    @model_validator(mode="after")
    def _one_reference(self) -> LabelSettings:
        if (self.inventory is None) == (self.raster is None):
            raise ValueError("give exactly one of 'inventory' and 'raster'")
        return self


class SplitSettings(Settings):
    """[split]: which part of the labelled area is for training, validation and test; none shares a pixel."""

    by: Literal["strip", "blocks"] = "strip"
    """"strip": validation is one strip at an end of the labelled part, with a typical share of landslides;
    "blocks": squares of the grid are drawn by `seed`, wherever the area begins."""
    validation_share: float = Field(0.2, gt=0, lt=0.5)
    """Share held out for validation."""
    test_share: float = Field(0.0, ge=0, lt=0.5)
    """Share held out for test, with "blocks"."""
    block: float = Field(4480.0, gt=0)
    """Edge of a block in metres; two patches of the paper by default."""
    seed: int = Field(0, ge=0)
    """Seed of the draw of blocks."""
    validation: Path | Bounds | None = None
    """Validation area (vector file, or bounds in degrees) instead of a strip or blocks."""
    test: Path | Bounds | None = None
    """Test area (vector file, or bounds in degrees): neither trained on nor validated with."""

    @model_validator(mode="after")
    def _shares(self) -> SplitSettings:
        if self.test_share and self.by == "strip":
            raise ValueError("test_share needs by = \"blocks\"; or give the area as 'test'")
        return self


class TrainSettings(Settings):
    """[train]: network, patches and schedule. Defaults are the paper's where it gives a value."""

    area: Bounds | None = None
    """Training part (west, south, east, north in the grid's CRS, metres); default: all that is labelled."""
    branches: tuple[Branch, ...] = Field(("pre", "post", "topography"), min_length=1)
    """What the network looks at: any of "pre", "post" and "topography"."""
    pre_bands: tuple[str, ...] | None = Field(None, min_length=1)
    """Bands of the branch `pre`; default: all of the cube's."""
    post_bands: tuple[str, ...] | None = Field(None, min_length=1)
    """Bands of the branch `post`; default: all of the cube's."""
    radiometry: Literal["reference", "reflectance"] = "reflectance"
    """"reference": each satellite pass is brought to one radiometry, in training and when the model predicts;
    "reflectance": it stays as it is. A training that begins from a model does as that one did."""
    width: float = Field(1.0, gt=0)
    """Scales all filters of the network; 1 is the paper's."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout at 1/16 and spatial dropout before the main head (the paper gives no value)."""
    l2: float = Field(1e-5, ge=0)
    """L2 regularisation of the kernels (the paper gives no value)."""
    window: int = Field(224, ge=32, multiple_of=32)
    """Edge of a patch in pixels."""
    overlap: float = Field(0.5, ge=0, lt=1)
    """Share by which neighbouring patches overlap."""
    min_labelled: float = Field(0.5, gt=0, le=1)
    """A patch needs at least this share of labelled, observed pixels."""
    landslide_share: float | None = Field(None, gt=0, le=1)
    """Share of an epoch's patches that have landslides; default: as they come."""
    geometric: float = Field(1.0, ge=0, le=1)
    """Strength of the geometric augmentation: flips, and rotation, scale, shear and shift."""
    radiometric: float = Field(1.0, ge=0, le=1)
    """Strength of the radiometric augmentation; 0 for one pair that the model is not to go beyond."""
    batch_size: int = Field(8, ge=1)
    """Patches per step."""
    epochs: int = Field(100, ge=1)
    """Most epochs; training stops earlier after `patience` epochs without improvement."""
    learning_rate: float = Field(1e-4, gt=0)
    """Adam's learning rate at the start."""
    plateau: int = Field(3, ge=1)
    """Epochs without improvement after which the learning rate is divided by ten."""
    patience: int = Field(10, ge=1)
    """Epochs without improvement after which training stops."""
    precision: Literal["auto", "float32", "mixed"] = "auto"
    """"mixed": float16 on a GPU, bfloat16 on a CPU, with weights, first layers, heads and loss in float32;
    "auto": mixed where the hardware gains by it."""
    memory: float = Field(4.0, gt=0)
    """GiB of patches' pixels held in memory; what exceeds it is read in blocks, anew in each epoch."""
    seed: int = Field(0, ge=0)
    """Seed of weights, order and augmentation."""

    @field_validator("branches")
    @classmethod
    def _in_order(cls, value: tuple[Branch, ...]) -> tuple[Branch, ...]:
        """Each once, in the order of the network's inputs."""
        if len(set(value)) < len(value):
            raise ValueError(f"each branch can be given once, not {', '.join(value)}")
        return tuple(branch for branch in BRANCHES if branch in value)
