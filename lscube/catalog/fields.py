"""Fields of items and assets as people write them: null is as good as missing, what is wrong is named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pyproj import CRS
from pyproj.exceptions import CRSError

BAND_LISTS = ("raster:bands", "eo:bands", "bands")
"""Fields with an entry per band."""


_CODES = {"proj:code", "proj:epsg"}


@dataclass(frozen=True)
class Projection:
    """Where an item says that a raster lies; None for what it does not say."""

    crs: str | None
    """As pyproj and rasterio take it ("EPSG:32654")."""
    shape: tuple[int, int] | None
    """Rows and columns."""
    transform: tuple[float, ...] | None
    """The affine transform's six numbers."""
    bbox: tuple[float, float, float, float] | None
    """West, south, east, north in `crs`."""


def number_of(value: Any) -> float | None:
    """A finite number, also one written as text; None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and not isinstance(value, bool) else None


def projection_of(fields: Mapping[str, Any], item: Mapping[str, Any] | None = None) -> Projection:
    """Read the fields of the projection extension.

    Parameters
    ----------
    fields
        Of an asset, or of an item.
    item
        The properties of the asset's item, which say what the asset does not.

    Raises
    ------
    ValueError
        One of them cannot be used; the message names it.
    """
    own = {name: value for name, value in fields.items() if value is not None}
    crs = own.keys() & _CODES
    shared = {name: v for name, v in (item or {}).items() if not (crs and name in _CODES)}
    fields = {**shared, **own}
    shape = _numbers(fields, "proj:shape", 2)
    if shape is not None and (min(shape) < 1 or any(size % 1 for size in shape)):
        raise _wrong("proj:shape", "two whole numbers above 0", fields["proj:shape"])
    transform = _numbers(fields, "proj:transform", 6, 9)
    bbox = _numbers(fields, "proj:bbox", 4, 6)
    return Projection(
        _crs(fields),
        None if shape is None else (int(shape[0]), int(shape[1])),
        None if transform is None else transform[:6],
        None if bbox is None else (*bbox[:2], *bbox[len(bbox) // 2 :][:2]),  # type: ignore[arg-type]
    )


def check_band_lists(fields: Mapping[str, Any]) -> None:
    """Make sure that what is to have an entry per band does.

    Raises
    ------
    ValueError
        It does not; the message names the field.
    """
    for name in BAND_LISTS:
        bands = fields.get(name)
        if bands is None:
            continue
        if not isinstance(bands, list) or not all(isinstance(b, dict | None) for b in bands):
            raise _wrong(name, "a list of objects", bands)


def entries_of(fields: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The entries of a list that has one per band, empty where there is none that can be used."""
    bands = fields.get(name)
    entries = bands if isinstance(bands, list) else []
    return [entry if isinstance(entry, dict) else {} for entry in entries]


def _numbers(fields: Mapping[str, Any], name: str, *counts: int) -> tuple[float, ...] | None:
    """As many finite numbers as a field must have, None where it says nothing."""
    value = fields.get(name)
    if value is None or value == []:
        return None
    found = [number_of(one) for one in value] if isinstance(value, list | tuple) else []
    numbers = tuple(one for one in found if one is not None)
    if len(numbers) != len(found) or len(found) not in counts:
        raise _wrong(name, f"{' or '.join(map(str, counts))} numbers", value)
    return numbers


def _crs(fields: Mapping[str, Any]) -> str | None:
    """The CRS of `proj:code` or, before version 2 of the extension, of `proj:epsg`."""
    said = {}
    for name in ("proj:code", "proj:epsg"):
        if fields.get(name):
            number = number_of(fields[name])
            said[name] = str(fields[name]) if number is None else f"EPSG:{number:.0f}"
            if not _is_known(said[name]):
                raise _wrong(name, "a known CRS, as EPSG:32654", fields[name])
    codes = list(said.values())
    if len({code.upper() for code in codes}) > 1:
        raise ValueError(f"its proj:code is {codes[0]} and its proj:epsg {codes[1]}")
    return codes[0] if codes else None


@lru_cache
def _is_known(code: str) -> bool:
    try:
        CRS.from_user_input(code)
    except CRSError:
        return False
    return True


def _wrong(name: str, expected: str, value: Any) -> ValueError:
    return ValueError(f"its {name} is {value!r:.80}, not {expected}")
