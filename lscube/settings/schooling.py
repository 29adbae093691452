"""Settings of the training of a general model, as one ships with lscube."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from lscube.errors import SettingsError
from lscube.paths import StrPath
from lscube.settings.base import Settings
from lscube.settings.explaining import explain
from lscube.settings.job import read_content


class Recipe(Settings):
    """Shares and chances; a network sees none of them, so that one compiled step serves all recipes."""

    twin_share: float = Field(0.25, ge=0, le=1)
    """Share of patches of a batch that are a simulated twin's."""
    pair_share: float = Field(0.3, ge=0, le=1)
    """Share of patches of a batch that are of real pairs into which landslides were set."""
    spots: float = Field(0.6, ge=0, le=1)
    """Chance that stable spots of a chip are filled as landslides are; on each side by itself."""
    drop_pre: float = Field(0.35, ge=0, le=1)
    """Chance that a patch has no image before."""
    part_pre: float = Field(0.15, ge=0, le=1)
    """Chance that a part of the image before is missing, beyond a straight edge."""
    drop_topography: float = Field(0.35, ge=0, le=1)
    """Chance that a patch that has terrain, its own or lent, is shown without."""
    lend: float = Field(0.6, ge=0, le=1)
    """Chance that a chip is lent another place's terrain."""
    season: float = Field(1.0, ge=0, le=1)
    """Strength of what else changes between images: season, light, shift, haze, snow, cloud."""
    radiometric: float = Field(0.8, ge=0, le=1)
    """Strength of the changes of each image's appearance."""
    mild: float = Field(0.35, ge=0, le=1)
    """Chance that a patch is changed by a quarter of these strengths only."""


class School(Settings):
    """How a general model is trained."""

    width: float = Field(0.75, gt=0)
    """Scales all filters of the network."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """As in [train]."""
    resolution: float = Field(10.0, gt=0)
    """Pixel size in metres."""
    batch_size: int = Field(64, ge=1)
    """Patches per step."""
    epochs: int = Field(200, ge=1)
    """Most epochs."""
    minutes: float | None = Field(None, gt=0)
    """Most time, after the first step, which compiles; the rate falls with what is used up first."""
    learning_rate: float = Field(1.5e-3, gt=0)
    """AdamW's, at its highest; it rises over the first twentieth, then falls as a cosine to 0."""
    weight_decay: float = Field(0.02, ge=0)
    """AdamW's, of kernels."""
    average: float = Field(0.998, ge=0, lt=1)
    """Momentum of the moving average of weights that is kept."""
    examinations: int = Field(8, ge=1)
    """How often, evenly over the second half, the average is examined; the best is kept."""
    settling: int = Field(24, ge=0)
    """Batches that batch normalisation counts anew on at the end: a short training's averaged weights are far
    from those that it saw."""
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    """Keras policy."""
    seed: int = Field(0, ge=0)
    """Of weights, batches and changes."""
    recipe: Recipe = Recipe()
    """What batches are made of."""


class StockSettings(Settings):
    """[stock]: which patches are learnt from, chosen by, and tested with; no place is in two of them."""

    blocks: tuple[str, ...] = ("A",)
    """Blocks of chips to learn from."""
    validation_blocks: tuple[str, ...] = ("C", "D")
    """Blocks of chips to choose by."""
    test_blocks: tuple[str, ...] = ("B",)
    """Blocks of chips to test with."""
    window: int = Field(224, ge=32, multiple_of=32)
    """Edge of a patch in pixels."""
    validation_pairs: tuple[str, ...] = ()
    """Names of pairs to choose by, where pairs are given; all others are learnt from."""
    surfaces: tuple[str, ...] = ()
    """Names of surface models (files without .tif) that are lent to pairs to learn from."""
    validation_surfaces: tuple[str, ...] = ()
    """The same for pairs to choose by."""
    rounds: int = Field(3, ge=1)
    """How often each pair gets landslides, each time others."""
    training: tuple[str, ...] = ("A", "B", "D", "A-1", "B-1", "D-1")
    """Simulated twins to learn from; "A-1" is another place like A."""
    validation: tuple[str, ...] = ("C",)
    """Twins to choose by."""
    test: tuple[str, ...] = ("E", "F", "G")
    """Twins to test with."""
    twins: Literal["tiny", "small", "large"] = "small"
    """How large they are."""
    seed: int = Field(7, ge=0)
    """Of filling, setting in and lending."""

    @model_validator(mode="after")
    def _apart(self) -> StockSettings:
        for what, parts in (
            ("block", (self.blocks, self.validation_blocks, self.test_blocks)),
            ("surface", (self.surfaces, self.validation_surfaces)),
            ("twin", (self.training, self.validation, self.test)),
        ):
            every = [name for part in parts for name in dict.fromkeys(part)]
            twice = [name for name in every if every.count(name) > 1]
            if twice:
                raise ValueError(f"{what} {twice[0]} is in two of training, validation and test")
        return self


class Curriculum(Settings):
    """A whole training: one TOML file."""

    stock: StockSettings = StockSettings()
    school: School = School()


def load_curriculum(path: StrPath) -> Curriculum:
    """Read a training of a general model from a TOML file.

    Raises
    ------
    SettingsError
        The file is missing, is not TOML, or a setting is unknown or out of range.
    """
    path = Path(path)
    try:
        return Curriculum.model_validate(read_content(path))
    except ValidationError as error:
        raise SettingsError(
            f"Expected [stock] and [school] in {path}, but: {explain(error, Curriculum)}; see "
            "pipelines/configs/shipped.toml."
        ) from None
