"""The registry of known events: where and when, and how that is known."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from lscube.errors import AreaError, SettingsError
from lscube.events.moment import Event, make_event
from lscube.files import read_text
from lscube.grid import Bounds, read_area
from lscube.hints import did_you_mean
from lscube.paths import StrPath

REGISTRY = Path(__file__).with_name("events.toml")
"""The registry that comes with lscube: the paper's study areas A to G."""


@dataclass(frozen=True)
class RegisteredEvent:
    """A known landslide event."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    id: str
    """Short name: the table's name in the file."""
    name: str
    """What happened and where, in words."""
    trigger: Literal["earthquake", "rainfall"]
    """What set the landslides off."""
    time: str
    """UTC instant, date or period, as `make_event` takes it."""
    time_source: str
    """How the time is known."""
    aoi: Bounds
    """Area of interest: west, south, east, north in degrees (west > east crosses the antimeridian)."""
    aoi_is: Literal["outline", "part", "approximate"]
    """What `aoi` is of the area that was studied: its bounds, a published part of it, or a box that
    was drawn from a description and ought to hold it."""
    aoi_source: str
    """How the area is known."""
    paper_area: Literal["A", "B", "C", "D", "E", "F", "G"] | None = None
    """Letter of the study area in Prakash, Manconi and Loew (2021), for one of theirs."""
    usgs_id: str | None = None
    """Event id in the catalogue of the United States Geological Survey, for an earthquake."""
    role: Literal["train and test", "test"] | None = None
    """Its role in the paper: trained on but for a held-out part, or never trained on."""
    square_kilometres: float | None = None
    """Of the area that was studied; `aoi` may be larger."""
    landslides: int | None = None
    """Landslides in the inventory."""
    smallest_m2: float | None = None
    """Area of the inventory's smallest landslide, in square metres."""
    largest_m2: float | None = None
    """Area of the inventory's largest landslide, in square metres."""
    inventory: str = ""
    """Who mapped the landslides, from what, and where that is published."""
    pre_sensors: tuple[str, ...] = ()
    """Satellites whose images before the event were used."""
    post_sensors: tuple[str, ...] = ()
    """Satellites whose images after the event were used."""
    dsm: str = ""
    """The surface model."""
    note: str = ""
    """What else a user should know."""

    @property
    def event(self) -> Event:
        """The event's moment or period."""
        return make_event(self.id, self.time)


_CHECK = TypeAdapter(RegisteredEvent)


def read_registry(path: StrPath | None = None) -> dict[str, RegisteredEvent]:
    """Read a registry of events.

    Parameters
    ----------
    path
        A TOML file with a table per event, `[iburi-2018]` for example, and the fields of
        `RegisteredEvent` in it, or a folder of such files; by default the one that comes with lscube.

    Returns
    -------
    dict
        The events by id, in the order of the file, or of the files' names.

    Raises
    ------
    SettingsError
        There is no file, it is no TOML, an event's field is missing, unknown or wrong, or two files
        have an event of the same id.
    """
    path = None if path is None else Path(path)
    path = path or REGISTRY
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not files:
        raise SettingsError(
            f"Expected registries of events (*.toml) in {path}, found none; check the path."
        )
    events: dict[str, RegisteredEvent] = {}
    for file in files:
        found = _read_file(file)
        for twice in events.keys() & found.keys():
            raise SettingsError(
                f"Expected every event once in {path}, found {twice!r} again in {file.name}; rename one."
            )
        events.update(found)
    return events


def known_events(own: StrPath | None = None) -> dict[str, RegisteredEvent]:
    """Events that come with lscube and a user's own (file or folder), which take precedence."""
    own = None if own is None else Path(own)
    return {**read_registry(), **(read_registry(own) if own else {})}


def find_event(event_id: str, own: StrPath | None = None) -> RegisteredEvent:
    """Find an event among those that come with lscube and a user's own (file or folder).

    Raises
    ------
    SettingsError
        There is none of that id; the message lists those there are, the nearest spelling first.
    """
    own = None if own is None else Path(own)
    known = known_events(own)
    if event_id in known:
        return known[event_id]
    advice = did_you_mean(event_id, known) or "choose one, or give the time and the area."
    listed = ", ".join(known)
    raise SettingsError(
        f"Expected one of the registered events ({listed}), got {event_id!r}; {advice}"
    )


def _read_file(path: Path) -> dict[str, RegisteredEvent]:
    """The events of one file."""
    try:
        content = tomllib.loads(read_text(path))
    except OSError:
        raise SettingsError(
            f"Expected a registry of events at {path}, found none; check the path."
        ) from None
    except ValueError as error:
        raise SettingsError(f"Expected TOML in {path}, but {error}; correct the file.") from None
    return {event_id: _check(event_id, fields, path) for event_id, fields in content.items()}


def _check(event_id: str, fields: Any, path: Path) -> RegisteredEvent:
    """One event of a file, or a sentence that names the event and the field."""
    where = f"event {event_id!r} of {path}"
    if not isinstance(fields, dict) or "id" in fields:
        raise SettingsError(
            f"Expected a table [{event_id}] with the event's fields (its id is the table's name), "
            f"found something else as {where}; see {REGISTRY.name} of lscube."
        )
    # TOML's own dates and times, as well as text.
    plain = {k: v.isoformat() if isinstance(v, date) else v for k, v in fields.items()}
    try:
        event = _CHECK.validate_python({"id": event_id, **plain})
    except ValidationError as error:
        raise SettingsError(f"In {where}, {_first_problem(error)}; correct the file.") from None
    try:
        make_event(event_id, event.time)
        read_area(event.aoi)
    except (SettingsError, AreaError) as error:
        field = "time" if isinstance(error, SettingsError) else "aoi"
        raise SettingsError(f"In {where}, field {field!r}: {error}") from None
    return event


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    field = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "unexpected_keyword_argument":
        return f"there is an unknown field {field!r}"
    if problem["type"] in ("missing", "missing_argument"):
        return f"the field {field!r} is missing"
    return f"field {field!r}: {problem['msg']}"
