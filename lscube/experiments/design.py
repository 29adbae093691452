"""Which models an experiment trains, and what each is scored on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lscube.settings import DesignSettings

ModelPart = Literal["conventional", "combined", "jackknife", "progressive"]
Region = Literal["test region", "whole area"]


@dataclass(frozen=True)
class ModelPlan:
    """A model to train."""

    name: str
    """As the paper writes it: "M_10^ALL"."""
    part: ModelPart
    """What it is for."""
    resolution: float
    """Pixel size in metres."""
    areas: tuple[str, ...]
    """Names of the areas it is trained on, in order."""
    scored: tuple[tuple[str, Region], ...]
    """Areas it is scored on, and which part of each."""

    @property
    def folder(self) -> str:
        """A name that any file system takes."""
        return self.name.replace("^", "_")


def design_models(design: DesignSettings) -> tuple[ModelPlan, ...]:
    """The models of an experiment, each once, in the order in which they are best made.

    A model of one area, or of all, is scored on the test regions of the areas it was trained on and, where
    generalisation is asked for, on all test areas; a jackknife model on the test areas and on the
    area that it left out.
    """
    models: list[ModelPlan] = []
    for resolution in design.resolutions:
        models += _conventional(design, resolution)
        models += _several(design, resolution)
    return tuple(models)


def _conventional(design: DesignSettings, resolution: float) -> Iterator[ModelPlan]:
    if "conventional" in design.parts:
        for name in design.train:
            scored = (*_own_test((name,)), *_unseen(design))
            model = _name(resolution, name)
            yield ModelPlan(model, "conventional", resolution, (name,), scored)


def _several(design: DesignSettings, resolution: float) -> Iterator[ModelPlan]:
    everything = (*_own_test(design.train), *_unseen(design))
    if "combined" in design.parts:
        name = _name(resolution, "ALL")
        yield ModelPlan(name, "combined", resolution, design.train, everything)
    if "jackknife" in design.parts:
        for left_out in design.train:
            rest = tuple(name for name in design.train if name != left_out)
            scored: tuple[tuple[str, Region], ...] = ((left_out, "whole area"), *_tests(design))
            model = _name(resolution, _joined(rest, ""))
            yield ModelPlan(model, "jackknife", resolution, rest, scored)
    if "progressive" in design.parts:
        model = _name(resolution, _joined(design.train, "+"))
        yield ModelPlan(model, "progressive", resolution, design.train, everything)


def _own_test(names: Sequence[str]) -> tuple[tuple[str, Region], ...]:
    return tuple((name, "test region") for name in names)


def _unseen(design: DesignSettings) -> tuple[tuple[str, Region], ...]:
    return _tests(design) if "generalisation" in design.parts else ()


def _tests(design: DesignSettings) -> tuple[tuple[str, Region], ...]:
    return tuple((name, "whole area") for name in design.test)


def _joined(names: Sequence[str], between: str) -> str:
    """Letters stand side by side, as in the paper; longer names need a sign between them."""
    short = all(len(name) == 1 for name in names)
    return (between if short or between else ".").join(names)


def _name(resolution: float, areas: str) -> str:
    return f"M_{resolution:g}^{areas}"
