"""The registry of known events: where and when, and how that is known."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from lscube.errors import AreaError, SettingsError
from lscube.events.moment import Event, make_event
from lscube.grid import Bounds, read_area

REGISTRY = Path(__file__).with_name("registry.toml")
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
    note: str = ""
    """What else a user should know."""

    @property
    def event(self) -> Event:
        """The event's moment or period."""
        return make_event(self.id, self.time)


_CHECK = TypeAdapter(RegisteredEvent)


def read_registry(path: Path | None = None) -> dict[str, RegisteredEvent]:
    """Read a registry of events.

    Parameters
    ----------
    path
        A TOML file with a table per event, `[iburi-2018]` for example, and the fields of
        `RegisteredEvent` in it; by default the one that comes with lscube.

    Returns
    -------
    dict
        The events by id, in the file's order.

    Raises
    ------
    SettingsError
        The file is missing or no TOML, or an event's field is missing, unknown or wrong.
    """
    path = path or REGISTRY
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise SettingsError(
            f"Expected a registry of events at {path}, found none; check the path."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"Expected TOML in {path}, but {error}; correct the file.") from None
    return {event_id: _check(event_id, fields, path) for event_id, fields in content.items()}


def find_event(event_id: str, path: Path | None = None) -> RegisteredEvent:
    """Find an event in the registry (`path` as in `read_registry`).

    Raises
    ------
    SettingsError
        There is none of that id; the message lists those there are, the nearest spelling first.
    """
    known = read_registry(path)
    if event_id in known:
        return known[event_id]
    near = difflib.get_close_matches(event_id.lower(), known, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]!r}?" if near else "choose one, or give the time and the area."
    listed = ", ".join(known) or "none at all"
    raise SettingsError(
        f"Expected one of the registered events ({listed}), got {event_id!r}; {advice}"
    )


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
