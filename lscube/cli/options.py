"""The options that make a job, and the job they make."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lscube.cli.there import check_there
from lscube.errors import InventoryError, SettingsError
from lscube.paths import split_layer

if TYPE_CHECKING:
    from lscube.settings import Job, TrainSettings

PATH = click.Path(path_type=Path)

# Options of a job and the settings they stand for.
_SHORTCUTS = {
    "source": "source.catalogs",
    "event": "event.id",
    "aoi": "area.aoi",
    "event_time": "event.time",
    "inventory": "labels.inventory",
    "resolution": "area.resolution",
}


@dataclass(frozen=True)
class JobOptions:
    """What was given on the command line to describe a job."""

    job: tuple[Path, ...]
    data: Path | None
    source: tuple[str, ...]
    event: str | None
    aoi: str | None
    event_time: str | None
    inventory: Path | None
    resolution: float | None
    changes: tuple[str, ...]

    @property
    def names_job(self) -> bool:
        """Whether anything of a job was given; an inventory alone is none."""
        return any(getattr(self, field.name) for field in fields(self) if field.name != "inventory")

    def make_map_job(self) -> Job | None:
        """The job that a map was made by, if anything of one was given; `inventory` is the map's own here."""
        if self.inventory is not None:
            check_there(self.inventory, "an inventory", error=InventoryError)
        return replace(self, inventory=None).make() if self.names_job else None

    def make(self, *sections: str) -> Job:
        """The one job; files of these sections have to be there."""
        if len(self.job) > 1:
            raise SettingsError(
                f"Expected one --job, got {len(self.job)}; only `lscube train` takes several."
            )
        return self.make_all(*sections)[0]

    def make_all(self, *sections: str) -> list[Job]:
        """A job for each file; one from the options alone where there is no file. Files are looked for."""
        from lscube.settings import make_job
        from lscube.settings.files import check_files

        jobs = []
        for path in self.job or (None,):
            folder = (self.data or (path.parent if path else Path())).resolve()
            origin = str(path) if path else "the options"
            jobs.append(make_job(self._content(path), folder, origin))
            check_files(jobs[-1], *sections)
        return jobs

    def make_chips_settings(self) -> tuple[TrainSettings, float]:
        """[train] for chips, and their resolution; no scenes are needed."""
        from lscube.settings import make_chips_settings

        if len(self.job) > 1:
            raise SettingsError(f"Expected one --job with --chips, got {len(self.job)}; give one.")
        return make_chips_settings(self._content(self.job[0] if self.job else None))

    def content(self) -> tuple[dict[str, Any], Path]:
        """What was given of one job, unchecked, and where relative paths in it start from."""
        if len(self.job) > 1:
            raise SettingsError(f"Expected one --job, got {len(self.job)}; give one.")
        path = self.job[0] if self.job else None
        return self._content(path), (self.data or (path.parent if path else Path())).resolve()

    def _content(self, path: Path | None) -> dict[str, Any]:
        from lscube.settings import read_content

        content: dict[str, Any] = read_content(path) if path else {}
        for name, setting in _SHORTCUTS.items():
            value = getattr(self, name)
            if value is not None and value != ():
                _put(content, setting, _plain(name, value))
        for change in self.changes:
            name, equals, text = change.partition("=")
            if not equals or "." not in name:
                raise SettingsError(
                    f"Expected --set section.name=value, got {change!r}; correct it."
                )
            _put(content, name, _toml_value(text))
        return content


Command = Callable[..., Any]
"""A function that Click calls with the options it takes."""


def together(
    kind: type[Any], name: str, options: Sequence[Callable[[Command], Command]]
) -> Callable[[Command], Command]:
    """A decorator that gives a command some options, which it takes as one dataclass of this name."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(**given: Any) -> Any:
            own = {field.name: given.pop(field.name) for field in fields(kind)}
            return command(**{name: kind(**own)}, **given)

        taking: Command = run
        for option in reversed(options):
            taking = option(taking)
        return taking

    return decorate


_OPTIONS = [
    click.option(
        "--job",
        type=PATH,
        multiple=True,
        help="TOML file with the job's settings (`train` takes several).",
    ),
    click.option("--data", type=PATH, help="Folder that relative paths in --job start from."),
    click.option(
        "--source",
        multiple=True,
        help="Where scenes and DSM come from: earth-search, planetary-computer, cdse, a STAC API, or "
        "an ItemCollection. Several are asked in order.",
    ),
    click.option("--event", help="Event's name; one of `lscube events` brings time and area."),
    click.option("--aoi", help="Area: vector file, or west,south,east,north in degrees."),
    click.option("--event-time", help="UTC instant or date of the event."),
    click.option("--inventory", type=PATH, help="Vector file with landslide polygons."),
    click.option("--resolution", type=float, help="Pixel size in metres."),
    click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="NAME=VALUE",
        help="Any other setting, such as train.epochs=20; see `lscube settings`.",
    ),
]

job_options = together(JobOptions, "given", _OPTIONS)
"""Gives a command the options of a job; it takes them as `given`, `JobOptions`."""


def _plain(name: str, value: Any) -> Any:
    """A setting from an option; paths on the command line start from the working directory."""
    from lscube.settings import PRESETS

    if name == "source":
        return [
            entry if entry in PRESETS or "://" in entry else str(Path(entry).resolve())
            for entry in value
        ]
    if name == "aoi":
        return _area(value)
    return str(value.resolve()) if isinstance(value, Path) else value


def _area(text: str) -> list[float] | str:
    """Four numbers, or a file."""
    path = Path(text)
    if "," not in text or split_layer(path)[0].exists():
        return str(path.resolve())
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        if text.count(",") != 3:
            return str(path.resolve())
        numbers = []
    if len(numbers) != 4:
        raise SettingsError(
            "Expected --aoi as a file or four numbers (west,south,east,north in degrees), got "
            f"{text!r}; correct it."
        )
    return numbers


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _put(content: dict[str, Any], name: str, value: Any) -> None:
    *sections, last = name.split(".")
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            raise SettingsError(
                f"Expected '{section}' to be a section, it is a value; correct {name!r}."
            )
    content[last] = value
