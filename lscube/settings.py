"""The settings of a job: one frozen model per room, one TOML file for all of them.

Every field says what it is; an unknown one is refused by its name. Paths in a file are
relative to the data folder (by default the folder of the file itself).
"""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lscube.errors import SettingsError

Bounds = tuple[float, float, float, float]


class Settings(BaseModel):
    """Base of all sections: frozen, and strict about names."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class EventSettings(Settings):
    """[event]: what happened and when."""

    id: str = "event"
    """Short name; becomes the cube's `event_id`."""
    time: str
    """UTC instant ("2018-09-05T18:07:00Z"), or a date where only that is known ("2018-09-06")."""

    @field_validator("time", mode="before")
    @classmethod
    def _plain_time(cls, value: Any) -> Any:
        """Take TOML's own dates and times as well as text."""
        return value.isoformat() if isinstance(value, date) else value


class AreaSettings(Settings):
    """[area]: which pixels."""

    aoi: Path | Bounds
    """GeoJSON or other vector file, or west, south, east, north in degrees."""
    resolution: float = Field(10.0, ge=1, le=10_000)
    """Pixel size in metres."""
    epsg: int | None = None
    """UTM zone of the grid (EPSG:326xx or 327xx); by default the one of the area's centre."""

    @field_validator("epsg")
    @classmethod
    def _utm(cls, value: int | None) -> int | None:
        if value is not None and not (value // 100 in (326, 327) and 1 <= value % 100 <= 60):
            raise ValueError(f"must be a UTM zone, 32601 to 32660 or 32701 to 32760, not {value}")
        return value


class SourceSettings(Settings):
    """[source]: where the scenes come from; exactly one of `items` and `api`."""

    items: Path | None = None
    """STAC ItemCollection file with the scenes and the surface model."""
    api: str | None = None
    """Address of a STAC API."""
    collections: tuple[str, ...] = ("sentinel-2-l2a", "sentinel-2-l1c")
    """Collections of the optical scenes."""
    dsm_collections: tuple[str, ...] = ("alos-dem", "cop-dem-glo-30")
    """Collections of the surface model; the first that has items is used."""
    dsm_asset: str = "data"
    """Asset with the elevation in metres."""
    scl_asset: str = "scl"
    """Asset with the Sentinel-2 scene classification; scenes without it are taken as clear."""
    days_before: int = Field(365, ge=1, le=36_500)
    """Scenes up to this many days before the event can serve as pre-event image."""
    days_after: int = Field(180, ge=1, le=36_500)
    """Scenes up to this many days after the event can serve as post-event image."""
    max_cloud: float = Field(60.0, ge=0, le=100)
    """Scenes with a higher cloud cover (percent) are left out."""
    max_scenes: int = Field(6, ge=1)
    """At most this many scenes on each side of the event and on each tile, the clearest first."""

    @model_validator(mode="after")
    def _one_source(self) -> SourceSettings:
        if (self.items is None) == (self.api is None):
            raise ValueError("give exactly one of 'items' (a file) and 'api' (an address)")
        return self


class CubeSettings(Settings):
    """[cube]: what the pixels say."""

    bands: tuple[str, ...] = Field(("red", "green", "blue"), min_length=1)
    """Common names of the bands (keys of the items' assets, or of their `eo:bands`)."""
    chunk: int = Field(1024, ge=32)
    """Edge of a chunk in pixels when a cube is opened on its own."""
    mask_classes: tuple[Annotated[int, Field(ge=0, le=11)], ...] = (0, 1, 2, 3, 8, 9, 10, 11)
    """SCL classes that make a pixel unusable."""


class LabelSettings(Settings):
    """[labels]: what training and evaluation compare with; one of `inventory` and `raster`."""

    inventory: Path | None = None
    """Vector file with landslide polygons."""
    raster: Path | None = None
    """Raster whose values at or above `threshold` are landslides (for example another model's output)."""
    threshold: float = 50.0
    """Threshold for `raster`, in its own unit."""
    mapped_extent: Path | Bounds | None = None
    """Where labels exist (vector file, or bounds in degrees); all else is ignored. Default: everywhere."""

    @model_validator(mode="after")
    def _one_reference(self) -> LabelSettings:
        if (self.inventory is None) == (self.raster is None):
            raise ValueError("give exactly one of 'inventory' and 'raster'")
        return self


class TrainSettings(Settings):
    """[train]: network, patches and schedule. Defaults are the paper's where it gives a value."""

    area: Bounds | None = None
    """Training part (west, south, east, north in the grid's CRS, metres); default: all that is labelled."""
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
    validation_share: float = Field(0.2, gt=0, lt=0.5)
    """Share of the labelled part held out for validation: a strip with a typical share of landslides."""
    seed: int = Field(0, ge=0)
    """Seed of weights, order and augmentation."""


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
    threshold: float = Field(0.5, gt=0, lt=1)
    """Probability from which a pixel counts as landslide."""
    reference_is: Literal["inventory", "simulated inventory", "model output"] = "inventory"
    """What the reference is; written into the scores so that nobody takes it for more."""


class Job(Settings):
    """One job: all sections of a TOML file."""

    event: EventSettings
    area: AreaSettings
    source: SourceSettings
    cube: CubeSettings = CubeSettings()
    labels: LabelSettings | None = None
    train: TrainSettings = TrainSettings()
    predict: PredictSettings = PredictSettings()
    evaluate: EvaluateSettings = EvaluateSettings()


def _absolute(value: Any, folder: Path) -> Any:
    """Resolve every relative `Path` in a section against `folder`."""
    if isinstance(value, Path):
        return value if value.is_absolute() else folder / value
    if isinstance(value, Settings):
        names = type(value).model_fields
        return value.model_copy(update={n: _absolute(getattr(value, n), folder) for n in names})
    return value


def explain(error: ValidationError) -> str:
    """Say in one line what pydantic found wrong, naming each setting."""
    parts = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"]) or "the section"
        if problem["type"] == "extra_forbidden":
            parts.append(f"unknown setting '{name}'")
        elif problem["type"] == "missing":
            parts.append(f"setting '{name}' is missing")
        else:
            parts.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(parts)


def load_job(path: Path, data: Path | None = None) -> Job:
    """Read a job from a TOML file.

    Parameters
    ----------
    path
        The TOML file.
    data
        Folder that relative paths in the file start from; by default the file's own.

    Raises
    ------
    SettingsError
        The file is missing, is not TOML, or a setting is unknown, missing or out of range.
    """
    return make_job(read_content(path), (data or path.parent).resolve(), origin=str(path))


def read_content(path: Path) -> dict[str, Any]:
    """Read a TOML file as it stands; `make_job` checks it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise SettingsError(f"Expected a job file at {path}, found none; check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"Expected TOML in {path}, but {error}; correct the file.") from None


def make_job(content: dict[str, Any], folder: Path, origin: str = "the job") -> Job:
    """Check a job's content; relative paths start from `folder`."""
    try:
        job = Job.model_validate(content)
    except ValidationError as error:
        raise SettingsError(f"In {origin}: {explain(error)}; see `lscube settings`.") from None
    resolved: Job = _absolute(job, folder)
    return resolved


def describe() -> str:
    """List every setting with its sentence and its default, by section."""
    lines = []
    for section, field in Job.model_fields.items():
        model = next(kind for kind in _kinds(field.annotation) if issubclass(kind, Settings))
        lines.append(f"[{section}]")
        for name, setting in model.model_fields.items():
            default = "required" if setting.is_required() else f"default {setting.default!r}"
            lines.append(f"{name:18} # {setting.description} ({default})")
        lines.append("")
    return "\n".join(lines).rstrip()


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The classes of `X` or `X | None`."""
    return tuple(kind for kind in get_args(annotation) if kind is not type(None)) or (annotation,)
