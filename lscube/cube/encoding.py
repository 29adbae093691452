"""What a raster's numbers mean: the one place that decides it, for every kind of raster.

A file and the item that points to it both say something: type, no data, mask, alpha band, scale,
offset, unit. Often one is silent, and GDAL's defaults (scale 1, offset 0) look like statements; they
count as none. What both say must agree, else it is refused with both claims. How reflectance is
derived from digital numbers, where Sentinel-2's offset is a question of its own, is decided in
`lscube.cube.radiometry`; what is decided here and there is carried out in `lscube.cube.decoding`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags

from lscube.errors import SceneError

Kind = Literal["reflectance", "elevation", "classes", "mask"]
"""What a raster shows: reflectance (0..1), metres, classes 0..255, or pixels to mask (not 0)."""

TYPES = (
    *("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"),
    *("uint64", "int64", "float16"),
)
"""Types of numbers that can be read."""

SATURATED = 65535.0
"""Digital number of a saturated pixel of Sentinel-2."""

LOWEST, HIGHEST = -500.0, 9000.0
"""Metres between which ground lies: the Dead Sea's shore is at -430, Everest at 8,849."""

METRES = {
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), 1.0),
    **dict.fromkeys(("ft", "foot", "feet", "international foot", "international feet"), 0.3048),
    **dict.fromkeys(
        (
            "us-ft",
            "ftus",
            "us survey foot",
            "us survey feet",
            "u.s. survey foot",
            "foot_us",
            "usft",
        ),
        1200 / 3937,
    ),
    **dict.fromkeys(("dm", "decimetre", "decimetres", "decimeter", "decimeters"), 0.1),
    **dict.fromkeys(("cm", "centimetre", "centimetres", "centimeter", "centimeters"), 0.01),
    **dict.fromkeys(("mm", "millimetre", "millimetres", "millimeter", "millimeters"), 0.001),
    **dict.fromkeys(("km", "kilometre", "kilometres", "kilometer", "kilometers"), 1000.0),
}
"""Metres in the units of length that surface models come in."""

FRACTIONS = {
    **dict.fromkeys(("1", "unitless", "dimensionless", "reflectance", "fraction"), 1.0),
    **dict.fromkeys(("%", "percent", "per cent", "pct"), 0.01),
}
"""Reflectance in the units that reflectance comes in."""

COUNTS = ("dn", "digital number", "digital numbers", "count", "counts", "none", "")
"""Units that say nothing of reflectance."""


@dataclass(frozen=True)
class Claim:
    """One statement about a band's numbers."""

    words: str
    """Who says it: "raster:bands scale", "the file's scale"."""
    value: float
    """What is said; of a unit, how many metres (or how much reflectance) it is."""

    def __str__(self) -> str:
        return f"{self.words} {self.value:g}"


@dataclass(frozen=True)
class Sentinel2:
    """What a Sentinel-2 item says that bears on the 1000 that ESA adds to digital numbers."""

    flag: bool | None
    """Earth Search's `earthsearch:boa_offset_applied`."""
    baseline: float | None
    """Processing baseline."""
    older: bool
    """Whether the scene was taken before baseline 04.00 began."""


@dataclass(frozen=True)
class Stated:
    """What an item and the settings say about one band; it travels with the tasks that read the band."""

    name: str = "the file"
    """For messages: "asset red of item X"."""
    item: str = ""
    """The item's id, by which settings can speak of it."""
    scale: tuple[Claim, ...] = ()
    offset: tuple[Claim, ...] = ()
    nodata: tuple[Claim, ...] = ()
    unit: tuple[tuple[str, str], ...] = ()
    """Who says it, and the unit."""
    types: tuple[str, ...] = ()
    """Data types."""
    picture: bool = False
    """Whether key or role say that it is a picture for the eye."""
    level: str | None = None
    """Processing level of Sentinel-2."""
    sentinel2: Sentinel2 | None = None
    """Set for a Sentinel-2 scene's bands."""
    own_scale: float | None = None
    """Settings decide: `cube.scale`, `cube.elevation_scale`."""
    own_offset: float | None = None
    """Settings decide: `cube.offset`."""
    own_nodata: float | None = None
    """Settings decide: `cube.nodata`, `cube.elevation_nodata`."""


NOTHING_STATED = Stated()
"""Of a file that no item points to."""


@dataclass(frozen=True)
class Header:
    """What a file says about one of its bands."""

    dtype: str
    """Type of the numbers."""
    nodata: float | None = None
    scale: float | None = None
    """None where it is 1, GDAL's default."""
    offset: float | None = None
    """None where it is 0, GDAL's default."""
    unit: str = ""
    masked: bool = False
    """Whether an internal mask or an alpha band tells which pixels are valid."""
    alpha: int | None = None
    """Number of the alpha band."""


def header_of(source: rasterio.DatasetReader, band: int) -> Header:
    """What an open file says about a band (from 1)."""
    flags = source.mask_flag_enums[band - 1]
    alpha = _alpha_of(source)
    scale, offset = float(source.scales[band - 1]), float(source.offsets[band - 1])
    return Header(
        dtype=str(source.dtypes[band - 1]),
        nodata=None if source.nodatavals[band - 1] is None else float(source.nodatavals[band - 1]),
        scale=None if scale in (0.0, 1.0) else scale,
        offset=None if offset == 0.0 else offset,
        unit=str(source.units[band - 1] or ""),
        masked=alpha is not None or MaskFlags.per_dataset in flags,
        alpha=alpha,
    )


def _alpha_of(source: rasterio.DatasetReader) -> int | None:
    try:
        colours = source.colorinterp
    except CPLE_BaseError:
        # An earlier failure of this thread, with another file, that GDAL tells only now.
        colours = source.colorinterp
    return next((n for n, kind in enumerate(colours, 1) if kind == ColorInterp.alpha), None)


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


@dataclass(frozen=True)
class Encoding:
    """How one band's numbers become values: number * scale + offset, where they are valid."""

    name: str
    """For messages."""
    kind: Kind
    validity: Validity
    scale: float = 1.0
    """Reflectance, or metres, per number."""
    offset: float = 0.0
    """Reflectance, or metres, at number 0."""
    reason: str = ""
    """Why, in words."""
    untold: bool = False
    """Whether real numbers were taken for reflectance although nobody told, or looked at, their scale."""

    @property
    def saturated(self) -> float | None:
        """The number of a saturated pixel, if there is one."""
        spoken_for = SATURATED in self.validity.nodata
        dtype = self.validity.header.dtype
        found = self.kind == "reflectance" and dtype == "uint16" and not spoken_for
        return SATURATED if found else None


def check_type(stated: Stated, header: Header) -> None:
    """Refuse numbers that cannot be read.

    Raises
    ------
    SceneError
        They are complex, or of a type unknown here.
    """
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
    model. 0 is no data in Sentinel-2's unsigned digital numbers whatever else is said (ESA's
    `SPECIAL_VALUE_TEXT NODATA`).

    Raises
    ------
    SceneError
        The type cannot be read.
    """
    check_type(stated, header)
    if stated.own_nodata is not None:
        setting = "cube.elevation_nodata" if kind == "elevation" else "cube.nodata"
        own = Claim(f"{setting} decides, no data is", stated.own_nodata)
        found = _distinct(claim.value for claim in _possible([own], header))
        return Validity(found, (), header, str(own))
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
    if kind == "reflectance" and stated.sentinel2 and header.dtype in ("uint16", "uint8"):
        unmasked = header.dtype == "uint16" or not header.masked
        values = _distinct((*values, 0.0)) if unmasked else values
    return Validity(
        tuple(v for v in values if v not in [number for number, _ in contested]),
        contested,
        header,
        words,
    )


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


def agreed(name: str, stated: Stated, claims: Sequence[Claim], advice: str) -> float | None:
    """The one value that all claims agree on, None where there is none.

    Raises
    ------
    SceneError
        They contradict each other.
    """
    for claim in claims[1:]:
        if not math.isclose(claim.value, claims[0].value, rel_tol=1e-5, abs_tol=1e-12):
            got = " but ".join(str(claim) for claim in claims)
            raise SceneError(
                f"Expected a usable {name} on {stated.name}, got {got}; set {advice}, as a number or "
                "by item id."
            )
    return claims[0].value if claims else None


def scale_claims(stated: Stated, header: Header) -> list[Claim]:
    """What file and item say of the scale; 1, a default everywhere, is not said."""
    said = [claim for claim in stated.scale if claim.value != 1.0]
    return said + ([] if header.scale is None else [Claim("the file's scale", header.scale)])


def offset_claims(stated: Stated, header: Header) -> list[Claim]:
    """What file and item say of the offset; 0 is not said by a file, nor by an item with scale 1."""
    silent = any(claim.value == 1.0 for claim in stated.scale)
    said = [claim for claim in stated.offset if not (silent and claim.value == 0.0)]
    return said + ([] if header.offset is None else [Claim("the file's offset", header.offset)])


def unit_claims(
    stated: Stated, header: Header, units: dict[str, float], advice: str
) -> list[Claim]:
    """What file and item say of the unit.

    Raises
    ------
    SceneError
        A unit is unknown.
    """
    file = [("the file's unit", header.unit)] if header.unit.strip() else []
    claims = []
    for words, unit in (*stated.unit, *file):
        known = units.get(unit.strip().lower())
        if known is None:
            usual = "metres or feet" if units is METRES else "reflectance or percent"
            raise SceneError(
                f"Expected {usual} as the unit of {stated.name}, got {words} '{unit}'; set {advice} to what "
                "one number is, or choose another asset."
            )
        claims.append(Claim(f"{words} '{unit}' of", known))
    return claims


def decide_elevation(stated: Stated, header: Header) -> Encoding:
    """Decide what a surface model's numbers mean, in metres.

    `cube.elevation_scale` decides where it is set. Else number * scale + offset is in the stated
    unit, metres where none is stated.

    Raises
    ------
    SceneError
        Claims contradict each other, a unit is unknown, or scale and unit say the same thing twice.
    """
    validity = decide_validity("elevation", stated, header)
    plain = Encoding(stated.name, "elevation", validity)
    advice = "cube.elevation_scale"
    if stated.own_scale is not None:
        return replace(plain, scale=stated.own_scale, reason=f"{advice} decides")
    units = unit_claims(stated, header, METRES, advice)
    scales = scale_claims(stated, header)
    scale = agreed("scale", stated, scales, advice)
    unit = agreed("unit", stated, units, advice)
    offset = agreed("offset", stated, offset_claims(stated, header), advice) or 0.0
    if scale is not None and unit not in (None, 1.0) and math.isclose(scale, unit or 1.0):
        raise SceneError(
            f"Expected scale and unit of {stated.name} to say different things, got {scales[0]} and "
            f"{units[0]} metres, which may be one thing said twice; set {advice} to the metres per number."
        )
    words = [*dict.fromkeys(map(str, (*scales, *units)))] or ["no scale or unit told, metres taken"]
    factor = 1.0 if unit is None else unit
    number = 1.0 if scale is None else scale
    return replace(plain, scale=number * factor, offset=offset * factor, reason=" and ".join(words))


def decide_classes(stated: Stated, header: Header) -> Encoding:
    """Decide what a scene classification's numbers mean: themselves.

    Raises
    ------
    SceneError
        A scale or offset is stated: then they are no classes.
    """
    claims = [*scale_claims(stated, header), *(c for c in offset_claims(stated, header) if c.value)]
    if claims:
        raise SceneError(
            f"Expected classes without scale or offset in {stated.name}, got {claims[0]}; "
            "set source.scl_asset to the scene classification, or mend the item."
        )
    return Encoding(stated.name, "classes", decide_validity("classes", stated, header))


def decide_mask(stated: Stated, header: Header) -> Encoding:
    """Decide what a user mask's numbers mean: not 0, and not no data, is masked."""
    return Encoding(stated.name, "mask", decide_validity("mask", stated, header))
