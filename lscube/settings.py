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

PRESETS = ("earth-search", "planetary-computer", "cdse")
"""Catalogues that lscube knows by name."""

Composite = Literal["median", "clearest", "first"]
"""How several scenes become one image."""


class Settings(BaseModel):
    """Base of all sections: frozen, and strict about names."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class EventSettings(Settings):
    """[event]: what happened and when."""

    id: str = "event"
    """Short name; becomes the cube's `event_id`. One of `lscube events` brings its time and area."""
    time: str | None = None
    """UTC instant ("2018-09-05T18:07:00Z"), or a date where only that is known ("2018-09-06"); default: the
    registry's, for an event that `lscube events` lists."""

    @field_validator("time", mode="before")
    @classmethod
    def _plain_time(cls, value: Any) -> Any:
        """Take TOML's own dates and times as well as text."""
        return value.isoformat() if isinstance(value, date) else value


class AreaSettings(Settings):
    """[area]: which pixels."""

    aoi: Path | Bounds | None = None
    """Vector file (GeoJSON, GeoPackage, ...), or west, south, east, north in degrees (west > east crosses the
    antimeridian); default: the registry's area of the event."""
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
    """[source]: where the scenes come from."""

    catalogs: tuple[str | Path, ...] = Field(min_length=1)
    """Asked in order until one has scenes (and one a surface model): "earth-search", "planetary-computer",
    "cdse", the address of a STAC API, or an ItemCollection or static catalogue by path or address."""
    collections: tuple[str, ...] | None = None
    """Collections of the optical scenes, the preferred first; default: what the catalogue is known for."""
    dsm_collections: tuple[str, ...] | None = None
    """Collections of the surface model; the first that has items is used. Default: AW3D30, else GLO-30."""
    dsm_asset: str | None = None
    """Asset with the elevation in metres; default: "data", or the only one."""
    scl_asset: str | None = None
    """Asset with the Sentinel-2 scene classification; default: "scl", "SCL" or "SCL_20m"."""
    days_before: int = Field(365, ge=1, le=36_500)
    """Scenes up to this many days before the event can serve as pre-event image."""
    days_after: int = Field(180, ge=1, le=36_500)
    """Scenes up to this many days after the event can serve as post-event image."""
    max_cloud: float = Field(60.0, ge=0, le=100)
    """Scenes with a higher cloud cover (percent) are left out."""
    max_scenes: int = Field(6, ge=1)
    """At most this many scenes on each side of the event and on each tile, the clearest first."""
    optional: tuple[Literal["pre", "post", "dsm"], ...] = ()
    """What may be missing, for example "post" as long as nothing has been seen since the event, or "dsm": its
    pixels are then unobserved, or without elevation."""
    timeout: float = Field(60.0, gt=0, le=3600)
    """Seconds after which one request to a catalogue is given up and tried again."""
    attempts: int = Field(5, ge=1, le=20)
    """Times that a request to a catalogue is made before the next catalogue is asked."""

    @field_validator("catalogs", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        """Take one catalogue as well as a list; what is neither preset nor address is a path."""
        given = [value] if isinstance(value, str | Path) else value
        if not isinstance(given, list | tuple):
            return given
        return tuple(
            Path(entry)
            if isinstance(entry, str) and entry not in PRESETS and "://" not in entry
            else entry
            for entry in given
        )


class CubeSettings(Settings):
    """[cube]: what the pixels say."""

    bands: tuple[str, ...] = Field(("red", "green", "blue"), min_length=1)
    """Common names of the bands (keys of the items' assets, or of their `eo:bands`)."""
    chunk: int = Field(1024, ge=32)
    """Edge of a chunk in pixels when a cube is opened on its own."""
    pre: Composite = "median"
    """Image before the event: "median" of the clear pixels of the `source.max_scenes` clearest scenes,
    "clearest" (one scene), or "first" (the clearest scene that shows the pixel clear)."""
    post: Composite = "first"
    """Image after the event: "first" (the first clear pixel since the event), "clearest", or "median"."""
    mask_classes: tuple[Annotated[int, Field(ge=0, le=11)], ...] = (0, 1, 2, 3, 8, 9, 10, 11)
    """SCL classes that make a pixel unusable."""
    dilation: float = Field(60.0, ge=0, le=5_000)
    """Metres by which clouds and their shadows are widened."""
    terrain_shadow: bool = True
    """Whether pixels that the terrain keeps from the sun (sun position and surface model) are unusable."""
    mask: Path | None = None
    """Raster (not 0: unusable) or vector file (inside: unusable) of your own, for both images."""
    pre_mask: Path | None = None
    """As `mask`, for the image before alone."""
    post_mask: Path | None = None
    """As `mask`, for the image after alone."""
    cloud_mask: Literal["classification", "omnicloudmask", "both"] = "classification"
    """Where clouds come from: the scene classification, OmniCloudMask (extra `clouds`) for scenes without
    one, or both for every scene."""
    scale: float | dict[str, float] | None = None
    """Reflectance per digital number, for all items or by item id, where the items are wrong or silent."""
    offset: float | dict[str, float] | None = None
    """Reflectance at digital number 0 (-0.1 or 0), for all items or by item id; decides contradictions."""
    coregister: bool = False
    """Whether the image after is moved onto the image before by their measured shift."""


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
    area: AreaSettings = AreaSettings()
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
    if isinstance(value, tuple):
        return tuple(_absolute(entry, folder) for entry in value)
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
