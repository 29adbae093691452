"""Fields of STAC extensions that a published run uses."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from lscube.products.rasters import Coding

_BASE = "https://stac-extensions.github.io"
PROJECTION = f"{_BASE}/projection/v2.0.0/schema.json"
RASTER = f"{_BASE}/raster/v1.1.0/schema.json"
CLASSIFICATION = f"{_BASE}/classification/v2.0.0/schema.json"
PROCESSING = f"{_BASE}/processing/v1.2.0/schema.json"
VERSION = f"{_BASE}/version/v1.2.0/schema.json"
FILE = f"{_BASE}/file/v2.1.0/schema.json"
MLM = f"{_BASE}/mlm/v1.4.0/schema.json"

_SHA256 = "1220"
"""A multihash begins with what it is (sha2-256) and its length (32 bytes)."""


def file_fields(path: Path) -> dict[str, Any]:
    """Size and sha256 of a file, as the file extension has them."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file:size": path.stat().st_size, "file:checksum": _SHA256 + digest}


def band_fields(
    coding: Coding, resolution: float, statistics: dict[str, float] | None = None
) -> dict[str, Any]:
    """A band as the raster extension has it."""
    band: dict[str, Any] = {
        "data_type": coding.dtype,
        "sampling": "area",
        "spatial_resolution": resolution,
    }
    if coding.nodata is not None:
        band["nodata"] = "nan" if np.isnan(coding.nodata) else coding.nodata
    if coding.scale is not None:
        band |= {"scale": coding.scale, "offset": 0}
    if statistics:
        band["statistics"] = statistics
    return {"raster:bands": [band]}


def bit_fields(attributes: dict[str, Any]) -> dict[str, Any]:
    """Flags as the classification extension has them, from CF's `flag_masks` and `flag_meanings`."""
    sides = {"pre": "before the event", "post": "after the event"}
    fields = []
    meanings = str(attributes["flag_meanings"]).split()
    for mask, meaning in zip(attributes["flag_masks"], meanings, strict=True):
        side, _, reason = meaning.partition("_")
        words = f"{reason.replace('_', ' ')} {sides[side]}"
        fields.append(
            {
                "name": meaning,
                "description": words.capitalize(),
                "offset": int(mask).bit_length() - 1,
                "length": 1,
                "classes": [
                    {"value": 0, "name": f"not_{meaning}", "description": f"Not so: {words}"},
                    {"value": 1, "name": meaning, "description": words.capitalize()},
                ],
            }
        )
    return {"classification:bitfields": fields}
