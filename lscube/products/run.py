"""The name of the run that made a map."""

from __future__ import annotations

import hashlib
import json

import xarray as xr

from lscube.mapping.opening import manifest_of
from lscube.products.portable import portable

DIGITS = 12
"""Hexadecimal digits of a run's name."""


def run_id(mapped: xr.Dataset) -> str:
    """Name a map's run after all that determines its pixels.

    Parameters
    ----------
    mapped
        From `lscube.mapping.open_map`.

    Returns
    -------
    str
        The first 12 hexadecimal digits of the sha256 of the map's manifest as canonical JSON: names
        sorted, no blanks, ASCII. Folders do not count: copies of the same files elsewhere give the same.
    """
    text = json.dumps(portable(manifest_of(mapped)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
