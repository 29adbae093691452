"""Paths as people give them: text or `Path`, and a vector file with the name of one of its layers."""

from __future__ import annotations

import os
from pathlib import Path

StrPath = str | os.PathLike[str]
"""A path: what every public function takes."""

LAYER = "|layername="
"""Between a vector file and one of its layers, as GDAL and QGIS write it."""


def split_layer(path: StrPath) -> tuple[Path, str | None]:
    """A vector file, and the layer whose name stands behind it (`events.gpkg|layername=landslides`)."""
    text = os.fspath(path)
    file, mark, layer = text.partition(LAYER)
    if not mark or Path(text).exists():
        return Path(text), None
    return Path(file), layer


def with_layer(path: StrPath, layer: str | None) -> Path:
    """Put a layer's name behind a vector file's."""
    return Path(path) if layer is None else Path(f"{os.fspath(path)}{LAYER}{layer}")
