"""What determines a product, as plain JSON; two runs that differ in it must not share one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Manifest = dict[str, Any]
"""All that determines a product, as JSON would give it back: lists, not tuples."""


def differences(
    ours: Manifest, theirs: Manifest, prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Name of each entry that differs, our value and theirs."""
    for name in {**ours, **theirs}:
        mine, other = ours.get(name), theirs.get(name)
        if isinstance(mine, dict) and isinstance(other, dict):
            yield from differences(mine, other, f"{prefix}{name}.")
        elif mine != other:
            yield prefix + name, mine, other


def short(value: object) -> str:
    """A value for a message."""
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."
