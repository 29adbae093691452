"""What pydantic finds wrong with settings, in words of who gave them."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from lscube.hints import did_you_mean
from lscube.settings.base import Bounds

_WORDS = {
    Path: "a file",
    str: "text",
    float: "a number",
    Bounds: "four numbers (west, south, east, north)",
    dict[str, float]: "a table of numbers",
}
"""Types whose alternatives are told together."""

_PLAIN = {
    "bool": "expected true or false",
    "float": "expected a number",
    "int": "expected a whole number",
    "string": "expected text",
    "path": "expected a path",
    "tuple": "expected a list",
    "dict": "expected a table",
    "model": "expected a section",
}
"""Pydantic's kinds of errors about types ("bool_parsing", "float_type", ...)."""

Place = tuple[str, ...]


@dataclass(frozen=True)
class Missing:
    """Goes with a setting that has no default, in `Annotated`."""

    words: str
    """What is missing, and how it is given."""


def explain(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Say in one line what pydantic found wrong, naming each setting, and the name that was probably meant.

    Parameters
    ----------
    error
        What pydantic says.
    model
        What was checked: its settings' names are known then.
    """
    parts: dict[Place, str] = {}
    for problem in error.errors():
        place, annotation = _place(problem["loc"], model)
        name = ".".join(place) or "the section"
        if place in parts:  # of a setting that takes this or that, each is told of
            continue
        itself = len(place) == len(problem["loc"])
        if annotation is not None and not (problem["type"] == "missing" and itself):
            wanted = " or ".join(_WORDS[kind] for kind in _kinds(annotation))
            parts[place] = f"{name}: expected {wanted}, got {reprlib.repr(problem['input'])}"
        elif problem["type"] == "extra_forbidden":
            parts[place] = _with(f"unknown setting '{name}'", _meant(place, model))
        elif problem["type"] == "missing":
            parts[place] = _missing(place, model) or f"setting '{name}' is missing"
        else:
            parts[place] = f"{name}: {_said(problem)}" if place else _said(problem)
    return "; ".join(parts.values())


def _said(problem: Any) -> str:
    """What pydantic says, and what came; the sentences of lscube's own checks say that themselves."""
    message, kind = str(problem["msg"]), str(problem["type"])
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind.endswith(("_type", "_parsing")):
        message = _PLAIN.get(kind.split("_")[0], message)
    told = f"{message}, got {reprlib.repr(problem['input'])}"
    if kind != "literal_error":
        return told
    known = re.findall(r"'([^']+)'", problem["ctx"]["expected"])
    return _with(told, did_you_mean(str(problem["input"]), known))


def _missing(place: Place, model: type[BaseModel] | None) -> str:
    """Words that go with a setting of the whole, where it has any."""
    field = model.model_fields.get(place[0]) if model and len(place) == 1 else None
    said = [one.words for one in field.metadata if isinstance(one, Missing)] if field else []
    return said[0] if said else ""


def _with(text: str, hint: str) -> str:
    return f"{text}, {hint}" if hint else text


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """Alternatives of a type but None."""
    if annotation in _WORDS:
        return (annotation,)
    return tuple(kind for kind in get_args(annotation) if kind is not type(None))


def _place(location: Sequence[int | str], model: type[BaseModel] | None) -> tuple[Place, Any]:
    """A setting's name, without what pydantic adds, and its type where its alternatives are told together."""
    place: Place = ()
    annotation: Any = model
    for part in location:
        place = (*place, str(part))
        field = model.model_fields.get(str(part)) if model else None
        if field is not None:
            annotation = field.annotation
            model = next(_models(annotation), None)
        elif isinstance(part, int):  # of a list
            annotation = next(iter(get_args(annotation)), None)
        kinds = _kinds(annotation)
        if (Bounds in kinds or len(kinds) > 1) and set(kinds) <= set(_WORDS):
            return place, annotation
    return place, None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Sections within a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _meant(place: Place, model: type[BaseModel] | None) -> str:
    """A hint at the name that is like an unknown one, or at the section that has it."""
    *sections, last = place
    root = model
    for section in sections:
        field = model.model_fields.get(section) if model else None
        model = next(_models(field.annotation), None) if field else model
    if model is None or root is None:
        return ""
    homes = [
        f"{section}.{last}"
        for section, field in root.model_fields.items()
        if any(last in one.model_fields for one in _models(field.annotation))
    ]
    hint = did_you_mean(last, model.model_fields, 0.6)
    return did_you_mean(".".join(place), homes, 0.1) or hint


def describe_setting(name: str, field: FieldInfo) -> str:
    """A setting, its sentence and its default, in a line."""
    given = field.get_default(call_default_factory=True)
    default = "required" if field.is_required() else f"default {given!r}"
    return f"{name:18} # {field.description} ({default})"
