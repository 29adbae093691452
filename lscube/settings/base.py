"""What all sections of a job have in common."""

from __future__ import annotations

from os import PathLike
from typing import Any

from pydantic import BaseModel, ConfigDict

from lscube.paths import split_layer, with_layer

Bounds = tuple[float, float, float, float]
"""West, south, east, north."""


class Settings(BaseModel):
    """Base of all sections: frozen, and strict about names."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


def put_layer(values: Any, name: str) -> Any:
    """A section's content in which the setting `layer` stands behind the file of the setting `name`."""
    if not isinstance(values, dict) or values.get("layer") is None:
        return values
    file, layer = values.get(name), values["layer"]
    if not isinstance(file, str | PathLike):
        raise ValueError(f"layer is of a vector file, give one as '{name}'")
    if split_layer(file)[1] not in (None, layer):
        raise ValueError(
            f"layer is {layer!r}, but '{name}' names another, {file}; give one of the two"
        )
    return {**values, name: with_layer(split_layer(file)[0], str(layer))}
