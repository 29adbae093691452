"""The name of the run that made a map."""

from __future__ import annotations

import hashlib
import json

import xarray as xr

from lscube.logs import belongs_to
from lscube.manifest import Manifest
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
    return _name_of(manifest_of(mapped))


def name_run(manifest: Manifest) -> None:
    """Put the name of a map's run into this process's logs and metrics, before the map is made."""
    belongs_to(_name_of(manifest))


def _name_of(manifest: Manifest) -> str:
    text = json.dumps(portable(manifest), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
