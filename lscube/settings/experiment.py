"""Sections of an experiment's configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from lscube.errors import SettingsError
from lscube.paths import StrPath
from lscube.settings.base import Settings
from lscube.settings.explaining import explain
from lscube.settings.job import read_content, resolve_paths
from lscube.settings.mapping import PredictSettings
from lscube.settings.scenes import CubeSettings
from lscube.settings.training import TrainSettings

Part = Literal["conventional", "combined", "generalisation", "jackknife", "progressive"]


class DesignSettings(Settings):
    """[experiment]: which models are trained on which areas, and where they are scored."""

    name: str = Field(min_length=1)
    """Short name; goes into the results."""
    train: tuple[str, ...] = Field(min_length=1)
    """Areas to train on but for their test regions, in order: letters of simulated twins, or of [areas]."""
    test: tuple[str, ...] = ()
    """Areas that no model is trained on."""
    parts: tuple[Part, ...] = Field(
        ("conventional", "combined", "generalisation", "jackknife"), min_length=1
    )
    """"conventional": a model for each training area; "combined": one of them all; "generalisation": each
    model on the test areas; "jackknife": one model without each training area; "progressive": areas added one
    by one, each training beginning from the weights before."""
    resolutions: tuple[float, ...] = Field((6.0, 10.0, 30.0), min_length=1)
    """Pixel sizes in metres; a model for each."""
    twins: Literal["tiny", "small", "large"] = "small"
    """Size of simulated twins: 2.6, 7.7 or 20 km."""
    threshold: float = Field(0.5, gt=0, lt=1)
    """Probability from which a pixel counts as landslide; the paper's is 0.5."""
    block: float = Field(640.0, gt=0)
    """Edge in metres of the squares that are drawn for intervals."""
    combined_epochs: int | None = Field(None, ge=1)
    """Most epochs of models of several areas; default: `train.epochs`."""
    registry: Path | None = None
    """Events of your own (see `event.registry`), by which an area's role is known."""

    @field_validator("resolutions")
    @classmethod
    def _sensible(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(1 <= resolution <= 1000 for resolution in value):
            raise ValueError(f"pixel sizes must be 1 to 1000 m, not {value}")
        if len(set(value)) < len(value):
            raise ValueError(f"each pixel size can be given once, not {value}")
        return value

    @model_validator(mode="after")
    def _apart(self) -> DesignSettings:
        named = (*self.train, *self.test)
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise ValueError(
                f"each area can be named once, for training or for test, not {', '.join(twice)}"
            )
        fewest = 3 if "conventional" in self.parts else 2
        wrong = [name for name in named if not re.fullmatch(r"\w[\w-]*", name) or name == "ALL"]
        if wrong:
            raise ValueError(
                f"an area's name is made of letters, digits, _ and -, and is not ALL: not {', '.join(wrong)}"
            )
        if set(self.parts) == {"generalisation"}:
            raise ValueError('parts needs one that trains models beside "generalisation"')
        if "progressive" in self.parts and len(self.train) < 2:
            raise ValueError("progressive needs at least two areas in 'train'")
        if "jackknife" in self.parts and len(self.train) < fewest:
            raise ValueError(
                "jackknife needs at least three areas in 'train' beside \"conventional\" (of two areas, both "
                "train the same models), and two without"
            )
        return self


class ExperimentArea(Settings):
    """[areas.NAME]: an area of your own."""

    job: Path
    """Job file with event, area, source, labels and, for an area to train on, the test region in [split]."""
    also: tuple[Path, ...] = ()
    """Job files of further pairs of images of the area, which models of several areas also learn from."""


class Experiment(Settings):
    """An experiment: all sections of its TOML file."""

    experiment: DesignSettings
    areas: dict[str, ExperimentArea] = Field(default_factory=dict)
    """Areas of your own by name; letters A to G are the simulated twins unless they are named here."""
    cube: CubeSettings = CubeSettings()
    """Of the simulated twins; a job file brings its own."""
    train: TrainSettings = TrainSettings()
    predict: PredictSettings = PredictSettings()
    """Of the simulated twins; a job file brings its own."""

    @field_validator("train")
    @classmethod
    def _everywhere(cls, value: TrainSettings) -> TrainSettings:
        if value.area is not None:
            raise ValueError("train.area is an area's own: set it in the area's job")
        return value


def load_experiment(path: StrPath) -> Experiment:
    """Read an experiment from a TOML file; relative paths start from its folder.

    Raises
    ------
    SettingsError
        The file is missing, is not TOML, or a setting is unknown, missing or out of range.
    """
    path = Path(path)
    return make_experiment(read_content(path), path.parent.resolve(), str(path))


def make_experiment(content: dict[str, Any], folder: StrPath, origin: str = "it") -> Experiment:
    """Check an experiment's content; relative paths start from `folder`."""
    folder = Path(folder)
    try:
        experiment = Experiment.model_validate(content)
    except ValidationError as error:
        found = explain(error, Experiment)
        raise SettingsError(
            f"Expected an experiment's configuration, but in {origin}: {found}; see the one in "
            "pipelines/configs."
        ) from None
    resolved: Experiment = resolve_paths(experiment, folder)
    return resolved
