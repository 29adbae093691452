"""A job: all sections, read from one TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import ValidationError, model_validator

from lscube.errors import SettingsError
from lscube.files import read_text
from lscube.paths import StrPath
from lscube.settings.adapting import AdaptSettings
from lscube.settings.base import Settings
from lscube.settings.cluster import ClusterSettings
from lscube.settings.explaining import Missing, describe_setting, explain
from lscube.settings.mapping import EvaluateSettings, PredictSettings
from lscube.settings.models import resolved
from lscube.settings.scenes import AreaSettings, CubeSettings, EventSettings, SourceSettings
from lscube.settings.training import LabelSettings, SplitSettings, TrainSettings

_KNOWN = "or --event (event.id) with one of those that `lscube events` lists"
_NO_TIME = f"the event's time is missing, give --event-time (event.time), {_KNOWN}"
_NO_AREA = f"the area is missing, give --aoi (area.aoi), a file or west,south,east,north in degrees, {_KNOWN}"
_NO_SOURCE = "the source of the scenes is missing, give --source (source.catalogs)"


class Job(Settings):
    """One job: all sections of a TOML file."""

    event: Annotated[EventSettings, Missing(_NO_TIME)]
    area: AreaSettings = AreaSettings()
    source: Annotated[SourceSettings, Missing(_NO_SOURCE)]
    cube: CubeSettings = CubeSettings()
    labels: LabelSettings | None = None
    split: SplitSettings = SplitSettings()
    train: TrainSettings = TrainSettings()
    predict: PredictSettings = PredictSettings()
    adapt: AdaptSettings = AdaptSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    cluster: ClusterSettings = ClusterSettings()

    @model_validator(mode="after")
    def _when_and_where(self) -> Job:
        # An event of no name cannot be looked up.
        if "id" not in self.event.model_fields_set:
            if self.event.time is None:
                raise ValueError(_NO_TIME)
            if self.area.aoi is None:
                raise ValueError(_NO_AREA)
        return self


def resolve_paths(value: Any, folder: Path) -> Any:
    """A value with every relative `Path` in it, also in sections, resolved against `folder`."""
    if isinstance(value, Path):
        return resolved(value, folder)
    if isinstance(value, tuple):
        return tuple(resolve_paths(entry, folder) for entry in value)
    if isinstance(value, dict):
        return {name: resolve_paths(entry, folder) for name, entry in value.items()}
    if isinstance(value, Settings):
        old = {name: getattr(value, name) for name in type(value).model_fields}
        new = {name: resolve_paths(entry, folder) for name, entry in old.items()}
        # What stays as it is stays a default, too: `model_fields_set` tells what was given.
        return value.model_copy(update={n: entry for n, entry in new.items() if entry != old[n]})
    return value


def load_job(path: StrPath, data: StrPath | None = None) -> Job:
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
    path = Path(path)
    data = None if data is None else Path(data)
    return make_job(read_content(path), (data or path.parent).resolve(), origin=str(path))


def read_content(path: StrPath) -> dict[str, Any]:
    """Read a TOML file as it stands; `make_job` checks it."""
    path = Path(path)
    try:
        return tomllib.loads(read_text(path))
    except OSError:
        raise SettingsError(f"Expected a job file at {path}, found none; check the path.") from None
    except ValueError as error:
        raise SettingsError(f"Expected TOML in {path}, but {error}; correct the file.") from None


def make_job(content: dict[str, Any], folder: StrPath, origin: str = "the job") -> Job:
    """Check a job's content; relative paths start from `folder`."""
    folder = Path(folder)
    try:
        job = Job.model_validate(content)
    except ValidationError as error:
        raise SettingsError(f"In {origin}: {explain(error, Job)}; see `lscube settings`.") from None
    resolved: Job = resolve_paths(job, folder)
    return resolved


def make_chips_settings(content: dict[str, Any]) -> tuple[TrainSettings, float]:
    """[train] and the resolution for chips, which need no other section.

    They show the image after alone, so that is the only branch, and need no labels' share; patches
    are 128 pixels unless the content says otherwise.
    """
    given = {"branches": ["post"], "window": 128, **content.get("train", {})}
    try:
        settings = TrainSettings.model_validate(given)
        area = AreaSettings.model_validate(content.get("area", {}))
    except ValidationError as error:
        model = TrainSettings if error.title == TrainSettings.__name__ else AreaSettings
        raise SettingsError(
            f"In [train] or [area]: {explain(error, model)}; see `lscube settings`."
        ) from None
    return settings, area.resolution


def describe() -> str:
    """List every setting with its sentence and its default, by section."""
    lines = []
    for section, field in Job.model_fields.items():
        model = next(kind for kind in _kinds(field.annotation) if issubclass(kind, Settings))
        lines.append(f"[{section}]")
        lines += [describe_setting(name, one) for name, one in model.model_fields.items()]
        lines.append("")
    return "\n".join(lines).rstrip()


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The classes of `X` or `X | None`."""
    return tuple(kind for kind in get_args(annotation) if kind is not type(None)) or (annotation,)
