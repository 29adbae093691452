"""Which of a raster's numbers are no measurements: no data, by whoever says so."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lscube.cube.stated import Claim, Header, Kind, Stated
from lscube.errors import SceneError

TYPES = (
    *("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"),
    *("uint64", "int64", "float16"),
)
"""Types of numbers that can be read."""

SATURATED = 65535.0
"""Digital number of a saturated pixel of Sentinel-2."""

LOWEST, HIGHEST = -500.0, 9000.0
"""Metres between which ground lies: the Dead Sea's shore is at -430, Everest at 8,849."""


@dataclass(frozen=True)
class Validity:
    """Which of a band's numbers are no measurements."""

    nodata: tuple[float, ...]
    """Numbers that are no data; NaN and infinity never are data."""
    contested: tuple[tuple[float, str], ...]
    """Numbers that one says are no data and another does not, and that can be measurements: they must not
    occur. Each with the claims in words."""
    header: Header
    """What the file says: its mask or alpha band counts as well."""
    reason: str
    """In words; kept in the cube's attributes."""
    advice: str = "mend the item"
    """What to do where a contested number occurs."""


def check_type(kind: Kind, stated: Stated, header: Header) -> None:
    """Refuse numbers that cannot be read.

    Raises
    ------
    SceneError
        They are complex, of a type unknown here, or stand for colours of a table.
    """
    if header.palette and kind in ("reflectance", "elevation"):
        raise SceneError(
            f"Expected numbers that are measured in {stated.name}, found a palette of colours; convert the "
            "file to red, green and blue, or leave the item out."
        )
    if header.dtype not in TYPES:
        raise SceneError(
            f"Expected whole or real numbers in {stated.name}, found the type {header.dtype}; "
            "convert the file, for example to float32, or leave the item out."
        )


def decide_validity(kind: Kind, stated: Stated, header: Header) -> Validity:
    """Decide which numbers are no data.

    The settings decide where they speak. Otherwise all that file and item call no data is none, and
    what the file's mask or alpha band leaves out; a number outside the type's range cannot occur and
    counts as not said. If nobody says anything: 0 for reflectance and classes, -32768 for a surface
    model. 0 is no data in Sentinel-2's digital numbers whatever else is said (ESA's
    `SPECIAL_VALUE_TEXT NODATA`).

    Raises
    ------
    SceneError
        The type cannot be read, or a setting names a number that it has not.
    """
    check_type(kind, stated, header)
    setting = "cube.elevation_nodata" if kind == "elevation" else "cube.nodata"
    zero = _zero_is_none(kind, stated, header)
    if stated.own_nodata is not None:
        own = Claim(f"{setting} decides, no data is", stated.own_nodata)
        possible = [claim.value for claim in _possible([own], header)]
        if not possible:
            raise SceneError(
                f"Expected {setting} to be a number that {header.dtype} can hold, for {stated.name}, got "
                f"{stated.own_nodata:g}; correct it, as a number or by item id."
            )
        return Validity(_distinct((*possible, *zero)), (), header, str(own))
    file = [] if header.nodata is None else [Claim("the file's nodata", header.nodata)]
    theirs, ours = _possible(file, header), _possible(stated.nodata, header)
    claims = [*theirs, *ours]
    values = _distinct(claim.value for claim in claims)
    contested = _contested(kind, stated, theirs, ours) if theirs and ours else ()
    words = " and ".join(dict.fromkeys(map(str, claims)))
    if header.masked:
        words = " and ".join(filter(None, (words, "the file's mask")))
    if not words and kind != "mask":
        usual = Claim("nobody tells no data, taken is", -32768.0 if kind == "elevation" else 0.0)
        values, words = _distinct(c.value for c in _possible([usual], header)), str(usual)
    elif kind == "mask" and not words:
        words = "not 0 is masked"
    doubtful = [number for number, _ in contested]
    known = tuple(v for v in _distinct((*values, *zero)) if v not in doubtful)
    measured = kind in ("reflectance", "elevation")
    advice = f"set {setting}, as a number or by item id" if measured else "mend the item"
    return Validity(known, contested, header, words, advice)


def _zero_is_none(kind: Kind, stated: Stated, header: Header) -> tuple[float, ...]:
    """0 where it is no data whatever is said: in Sentinel-2's digital numbers, in pictures without a mask."""
    if kind != "reflectance" or stated.sentinel2 is None:
        return ()
    return () if header.dtype == "uint8" and header.masked else (0.0,)


def _possible(claims: Iterable[Claim], header: Header) -> list[Claim]:
    """Claims about numbers that the type has; as the type has them."""
    kept = []
    for claim in claims:
        value = claim.value
        if header.dtype.startswith("float"):
            with np.errstate(over="ignore"):
                kept.append(Claim(claim.words, float(np.dtype(header.dtype).type(value))))
        elif math.isfinite(value) and value == int(value):
            limits = np.iinfo(header.dtype)
            if limits.min <= value <= limits.max:
                kept.append(claim)
    return kept


def _distinct(values: Iterable[float]) -> tuple[float, ...]:
    """Without repetition, and without NaN, which never is data."""
    return tuple(dict.fromkeys(value for value in values if not math.isnan(value)))


def _contested(
    kind: Kind, stated: Stated, theirs: Sequence[Claim], ours: Sequence[Claim]
) -> tuple[tuple[float, str], ...]:
    """Numbers that file and item disagree on, as far as they can be measurements."""
    both = [{claim.value for claim in claims} for claims in (theirs, ours)]
    words = f"{' and '.join(map(str, theirs))}, but {' and '.join(map(str, ours))}"
    return tuple(
        (value, words)
        for value in _distinct(claim.value for claim in (*theirs, *ours))
        if not all(value in values for values in both) and _measurable(kind, stated, value)
    )


def _measurable(kind: Kind, stated: Stated, number: float) -> bool:
    """Whether a number can be a measurement, and not filling alone."""
    if kind == "elevation":
        return LOWEST <= number <= HIGHEST
    if kind == "classes":
        return 1 <= number <= 11
    if kind == "reflectance":
        # Generously, as the scale is decided elsewhere; 0 is filling as a rule.
        return -200 <= number < SATURATED and number != 0
    return False
