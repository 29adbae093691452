"""A saved model's card: what it is, what it expects and what it was made from, in JSON.

It is read without Keras or TensorFlow.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lscube.cube.anchors import Anchors
from lscube.errors import ModelError
from lscube.files import read_text
from lscube.markup import table
from lscube.paths import StrPath
from lscube.probabilities import Calibration
from lscube.settings import AdaptSettings, Bounds, Branch, SplitSettings, TrainSettings, explain
from lscube.settings.models import shipped_folder

CARD = "card.json"

_LIBRARIES = ("lscube", "keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class TrainedEvent(_Frozen):
    """One event that a model was trained on."""

    id: str
    """The event's name."""
    sources: tuple[str, ...] = ()
    """Ids of the items, or names of the files, that the pixels came from."""
    labels: str = ""
    """Name of the inventory or raster, and what it is."""
    bounds: Bounds | None = None
    """West, south, east, north of the part that was used, in metres of the grid's CRS."""
    epsg: int | None = None
    """The grid's UTM zone."""
    split: SplitSettings = SplitSettings()
    """How training, validation and test were divided."""
    patches: dict[str, int] = {}
    """Patches kept and dropped, and landslide pixels, for training and validation."""


class Evaluation(_Frozen):
    """Scores of one question, at the card's threshold."""

    scores: dict[str, float | None]
    """MCC, F1, precision (None where nothing was called a landslide), recall; `calibration_error`, the
    expected one once calibrated."""
    intervals: dict[str, tuple[float, float]] = {}
    """2.5th and 97.5th percentile of each, over resampled chips or blocks."""
    pixels: int = Field(0, ge=0)
    """Labelled pixels."""


class Adaptation(_Frozen):
    """What the sure pixels of an event's map taught, without any label."""

    event: str
    """The event's id."""
    settings: AdaptSettings
    """Which pixels were sure, and what had to hold."""
    landslide_pixels: int
    """Sure landslides that were learnt from."""
    other_pixels: int
    """Sure others that were learnt from."""
    squares: int
    """Squares of the map that were read."""
    agreement: float
    """MCC with which half of the squares recognised the other half's sure pixels; the lower of both."""
    growth: float
    """Area at an adapted probability of one half or more, relative to the map's landslide area; the threshold
    is where it is `settings.growth`."""

    def __str__(self) -> str:
        return (
            f"{self.landslide_pixels:,} sure landslide pixels and {self.other_pixels:,} others of "
            f"{self.squares} squares, whose halves agree with MCC {self.agreement:.2f}"
        )


class Card(_Frozen):
    """What a saved model is, expects and was made from."""

    format: Literal[2] = 2
    """Version of this layout."""
    branches: tuple[Branch, ...]
    """What the network looks at."""
    pre_bands: tuple[str, ...] = ()
    """Common names of the bands before the event, in their order; none without that branch."""
    post_bands: tuple[str, ...] = ()
    """Common names of the bands after the event, in their order; none without that branch."""
    resolution: float
    """Pixel size in metres; the slope was computed with it."""
    full_scale: float
    """Reflectance that a true-colour composite shows as 255."""
    reference: Anchors | None = None
    """Radiometry that its images were brought to (`lscube.cube.anchors`); None: reflectance as it is."""
    window: int
    """Edge of the training patches in pixels."""
    width: float
    """Scale of all filters; 1 is the paper's."""
    head: Literal["main", "deep_2"] = "main"
    """The output that counts: at full resolution, or that of deep supervision at half of it, enlarged: less
    than half the arithmetic, and outlines a pixel or two off."""
    settings: TrainSettings | None = None
    """All settings of the training; None for imported weights."""
    events: tuple[TrainedEvent, ...] = ()
    """What it was trained on."""
    seed: int | None = None
    """Seed of weights, order and augmentation."""
    precision: str = "float32"
    """Policy that it was trained with; the saved network computes in float32."""
    scores: dict[str, float] = {}
    """Of the epoch whose weights were kept: its number, losses, and validation scores at the threshold."""
    threshold: float = 0.5
    """Probability from which a pixel counts as landslide: the best for MCC on the validation patches."""
    calibration: Calibration | None = None
    """From its probabilities to the share of landslide pixels, fitted on areas held out from training."""
    optional_branches: tuple[Branch, ...] = ()
    """Branches that it has learnt to go without: they were left out at random in training."""
    data: tuple[str, ...] = ()
    """Where the training data came from, and their licences as far as known."""
    evaluations: dict[str, Evaluation] = {}
    """Scores on data that neither training nor choice had seen, by what was asked, in words."""
    limits: tuple[str, ...] = ()
    """What it was not tested on."""
    parent: str = ""
    """sha256 of the network that this one was fine-tuned from."""
    adapted: Adaptation | None = None
    """To which event it was adapted without labels, and what that rests on."""
    origin: str = ""
    """Where imported weights came from."""
    versions: dict[str, str] = {}
    """Versions of the libraries that made it."""
    commit: str = ""
    """git commit of lscube, where it ran from a checkout."""
    created: str = ""
    """When, in UTC (ISO 8601)."""
    sha256: str = ""
    """Of the network's file."""

    @property
    def channels(self) -> int:
        """Channels of a window: bands before, bands after, and elevation, where it looks at them."""
        return len(self.pre_bands) + len(self.post_bands) + ("topography" in self.branches)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the network's inputs, in the order of a window's channels."""
        return tuple("elevation" if branch == "topography" else branch for branch in self.branches)

    def _repr_html_(self) -> str:
        """What matters most, for notebooks."""
        rows = (
            ("looks at", ", ".join(self.branches)),
            ("bands", ", ".join(dict.fromkeys((*self.pre_bands, *self.post_bands)))),
            ("resolution", f"{self.resolution:g} m"),
            ("trained on", ", ".join(event.id for event in self.events) or self.origin),
            ("threshold", f"{self.threshold:g}"),
            ("calibrated", "no" if self.calibration is None else "yes"),
            ("made", self.created),
            ("sha256", self.sha256),
        )
        return table("Model", ("", ""), rows)


def read_card(folder: StrPath) -> Card:
    """Read a saved model's card, or by its name one of lscube's own; the network is not touched."""
    path = shipped_folder(folder) / CARD
    try:
        return Card.model_validate_json(read_text(path))
    except FileNotFoundError:
        raise ModelError(
            f"Expected a saved model in {folder}, found no {CARD} in it; check the path."
        ) from None
    except ValidationError as error:
        raise ModelError(
            f"Expected a model's card in {path}, but it is damaged or of another version of lscube "
            f"({explain(error, Card)}); copy the model again, or train it with this version."
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"Expected a card in {path}, but {error}; check the path.") from None


def check_cube(card: Card, bands: Sequence[str], resolution: float) -> None:
    """Refuse a cube that a model was not made for.

    Parameters
    ----------
    card
        The model's.
    bands
        The cube's bands; more than the model needs, and another order, do no harm.
    resolution
        The cube's pixel size in metres.

    Raises
    ------
    ModelError
        A band is missing, or the resolution is another.
    """
    needed = tuple(dict.fromkeys((*card.pre_bands, *card.post_bands)))
    if not set(needed) <= set(bands):
        raise ModelError(
            f"Expected a cube with the model's bands ({', '.join(needed)}), got "
            f"({', '.join(bands)}); set [cube] bands, or use another model."
        )
    if abs(resolution - card.resolution) > 1e-6 * card.resolution:
        raise ModelError(
            f"Expected a cube with the model's resolution, {card.resolution:g} m, got "
            f"{resolution:g} m; set [area] resolution, or use another model."
        )


def check_chips(card: Card) -> None:
    """Refuse a model that looks at more than an image after the event, in red, green and blue."""
    if card.branches != ("post",) or card.post_bands != ("red", "green", "blue"):
        raise ModelError(
            "Expected a model that looks at red, green and blue after the event alone, got one that looks "
            f"at {', '.join(card.branches)} with bands ({', '.join((*card.pre_bands, *card.post_bands))}); "
            "train one with --chips."
        )


def versions() -> dict[str, str]:
    """Versions of those libraries that are installed."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@cache
def commit() -> str:
    """Git commit of the checkout that lscube runs from, "+" where it was changed since; else ""."""
    here = Path(__file__).parents[2]
    if not (here / ".git").exists():
        return ""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.stdout.strip()
