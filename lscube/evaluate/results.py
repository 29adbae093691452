"""What an experiment found, as it is kept in `results.json`: plain numbers, no arrays.

Probabilities are compared with labels on usable pixels only: observed before and after, and labelled.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from lscube.errors import StoreError
from lscube.files import write_json

Interval = tuple[float, float]
"""2.5th and 97.5th percentile."""


@dataclass(frozen=True)
class Curve:
    """Scores at several thresholds; all tuples are of one length. None where a score divides by nothing."""

    thresholds: tuple[float, ...]
    """Probabilities from which a pixel counts as landslide, rising."""
    mcc: tuple[float, ...]
    """Matthews correlation coefficient at each."""
    f1: tuple[float | None, ...]
    """F1 at each."""
    precision: tuple[float | None, ...]
    """Precision at each."""
    recall: tuple[float | None, ...]
    """Recall at each."""


@dataclass(frozen=True)
class Reliability:
    """How often a landslide is where a probability says so; bins without pixels are left out."""

    predicted: tuple[float, ...]
    """Mean probability of each bin."""
    observed: tuple[float, ...]
    """Share of landslide pixels in each bin."""
    pixels: tuple[int, ...]
    """Pixels in each bin."""
    error: float
    """Expected calibration error: mean of |observed - predicted|, weighted by pixels."""


@dataclass(frozen=True)
class SizeClass:
    """Landslides of one size class, and how many of them were found."""

    smallest: float
    """Area in square metres from which a landslide belongs to the class."""
    largest: float | None
    """Area below which it does; None: no limit."""
    landslides: int
    """Landslides of the inventory with at least one usable pixel."""
    found: int
    """Those of which at least half of the usable pixels are mapped."""
    mapped: int
    """Mapped patches (connected pixels) of this size."""
    right: int
    """Those that touch a landslide of the inventory."""


@dataclass(frozen=True)
class MapScores:
    """One model's map of one area against the inventory."""

    model: str
    """Name as the paper writes it, "M_10^ALL"."""
    area: str
    """Letter or short name of the area."""
    region: Literal["test region", "whole area"]
    """What was scored: the part held out from training, or all of an area never trained on."""
    threshold: float
    """Probability from which a pixel counts as landslide."""
    tp: int
    """Landslide in both, pixels."""
    fp: int
    """Mapped, but not in the inventory."""
    fn: int
    """In the inventory, but not mapped."""
    tn: int
    """In neither."""
    mcc: float
    """Matthews correlation coefficient, standard definition."""
    f1: float | None
    """2 TP / (2 TP + FP + FN)."""
    precision: float | None
    """TP / (TP + FP); None where nothing is mapped."""
    recall: float | None
    """TP / (TP + FN)."""
    intervals: dict[str, Interval]
    """Bootstrap intervals of "mcc", "f1", "precision" and "recall" over blocks, as far as they can be had;
    empty where there are too few blocks."""
    curve: Curve
    """Scores at other thresholds."""
    reliability: Reliability
    """Of the probabilities as the network gives them."""
    calibrated: Reliability | None
    """Of the probabilities after the model's calibration; None where it has none, or learnt it here."""
    sizes: tuple[SizeClass, ...]
    """Object-level scores, small to large."""
    seconds: float
    """That mapping took."""
    picture: str = ""
    """Name of the confusion map in the folder of figures."""


@dataclass(frozen=True)
class AreaFacts:
    """An area of the experiment."""

    letter: str
    """Letter or short name."""
    id: str
    """Event's id."""
    name: str
    """What happened and where, in words."""
    trigger: str
    """"earthquake" or "rainfall"."""
    role: Literal["train", "test"]
    """"train": trained on but for its test region; "test": never trained on."""
    square_kilometres: float
    """Of the area of interest."""
    sizes: tuple[float, ...]
    """Areas of the inventory's landslides in square metres, rising."""


@dataclass(frozen=True)
class ModelFacts:
    """A model of the experiment."""

    name: str
    """As the paper writes it, "M_10^ALL"."""
    part: Literal["conventional", "combined", "jackknife", "progressive"]
    """What it is for."""
    resolution: float
    """Pixel size in metres."""
    trained_on: tuple[str, ...]
    """Letters of its areas, in the order of training."""
    status: Literal["done", "too small", "failed"]
    """Whether there is one: "too small" where an area does not hold a patch at this resolution."""
    note: str = ""
    """Why it is not done."""
    epochs: int | None = None
    """Trained."""
    seconds: float | None = None
    """That training took."""
    threshold: float | None = None
    """Best for MCC on the validation patches."""
    calibration: str = ""
    """The calibration in its card, in words."""


@dataclass(frozen=True)
class ExperimentResults:
    """All that an experiment found."""

    name: str
    """Of the configuration."""
    reference_is: str
    """What the labels are: "inventory" or "simulated inventory"."""
    created: str
    """When it was finished, UTC, ISO 8601."""
    command: str
    """What was run."""
    hardware: str
    """On what."""
    seconds: float
    """For all of it, interruptions left out."""
    versions: dict[str, str]
    """Of the libraries."""
    areas: tuple[AreaFacts, ...]
    """Areas, in the configuration's order."""
    models: tuple[ModelFacts, ...]
    """Models, in the order in which they were made."""
    scores: tuple[MapScores, ...]
    """Every map that was scored."""
    width: float = 1.0
    """Scale of the network's filters; 1 is the paper's."""
    __pydantic_config__ = ConfigDict(extra="forbid")


_RESULTS = TypeAdapter(ExperimentResults)


def write_results(path: Path, results: ExperimentResults) -> None:
    """Write results as JSON; nothing half-written stands at `path`."""
    write_json(path, asdict(results))


def read_results(path: Path) -> ExperimentResults:
    """Read what `write_results` wrote.

    Raises
    ------
    StoreError
        There are none, or they are damaged.
    """
    try:
        return _RESULTS.validate_json(path.read_bytes())
    except OSError:
        raise StoreError(
            f"Expected an experiment's results at {path}, found no file; run `lscube experiment run` first."
        ) from None
    except ValidationError as error:
        raise StoreError(
            f"Expected an experiment's results in {path}, but they are damaged "
            f"({error.errors()[0]['msg']}); remove the file and run the experiment again."
        ) from None
