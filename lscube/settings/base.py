"""What all sections of a job have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

Bounds = tuple[float, float, float, float]
"""West, south, east, north."""


class Settings(BaseModel):
    """Base of all sections: frozen, and strict about names."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


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
