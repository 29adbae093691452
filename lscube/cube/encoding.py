"""What a raster's numbers mean: the one place that decides it, for every kind of raster.

A file and the item that points to it both say something: type, no data, mask, alpha band, scale,
offset, unit. Often one is silent, and GDAL's defaults (scale 1, offset 0) look like statements; they
count as none. What both say must agree, else it is refused with both claims. How reflectance is
derived from digital numbers, where Sentinel-2's offset is a question of its own, is decided in
`lscube.cube.radiometry`; what is decided here and there is carried out in `lscube.cube.decoding`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lscube.cube.stated import Claim, Header, Kind, Stated
from lscube.cube.validity import SATURATED, Validity, decide_validity
from lscube.errors import SceneError

LEAST, MOST = -0.25, 7.0
"""Reflectance that single pixels have: too much is taken off of dark ones, and digital numbers of
Sentinel-2 end at 6.55. What lies beyond is no measurement."""

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
            "foot us",
            "foot (us survey)",
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


LOWEST_CLASS, HIGHEST_CLASS = 0, 11
"""Of Sentinel-2's scene classification (SCL)."""

CLASS_NAMES = (
    ("shadow", (2, 3)),
    ("cloud", (2, 3, 7, 8, 9, 10)),
    ("cirrus", (10,)),
    ("snow", (11,)),
    ("water", (6,)),
    ("vegetation", (4, 5)),
)
"""Words in the names of classes, and the classes of SCL that they can stand in."""


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
    looked: bool = False
    """Whether a sample of the numbers looked like what they are taken for."""

    @property
    def saturated(self) -> float | None:
        """The number of a saturated pixel, if there is one."""
        dtype = self.validity.header.dtype
        wide = np.dtype(dtype).itemsize > 2 and math.isclose(self.scale, 1e-4, rel_tol=0.1)
        spoken_for = SATURATED in self.validity.nodata or self.kind != "reflectance"
        return SATURATED if not spoken_for and (dtype == "uint16" or wide) else None


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
    if header.scale is not None and not (0 < header.scale < math.inf):
        raise SceneError(_not_usable("scale", header.scale, stated))
    return said + ([] if header.scale is None else [Claim("the file's scale", header.scale)])


def offset_claims(stated: Stated, header: Header) -> list[Claim]:
    """What file and item say of the offset; 0 is not said by a file, nor by an item with scale 1."""
    silent = any(claim.value == 1.0 for claim in stated.scale)
    said = [claim for claim in stated.offset if not (silent and claim.value == 0.0)]
    if header.offset is not None and not math.isfinite(header.offset):
        raise SceneError(_not_usable("offset", header.offset, stated))
    return said + ([] if header.offset is None else [Claim("the file's offset", header.offset)])


def _not_usable(name: str, value: float, stated: Stated) -> str:
    return (
        f"Expected a usable {name} in the file of {stated.name}, got {value:g}; set it with cube.{name} or "
        f"cube.elevation_{name}, as a number or by item id."
    )


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
        known = units.get(unit.strip().lower().replace("_", " "))
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

    `cube.elevation_scale` and `cube.elevation_offset` decide where they are set. Else number * scale +
    offset is in the stated unit, metres where none is stated.

    Raises
    ------
    SceneError
        Claims contradict each other, a unit is unknown, or scale and unit say the same thing twice.
    """
    validity = decide_validity("elevation", stated, header)
    plain = Encoding(stated.name, "elevation", validity)
    advice = "cube.elevation_scale"
    offset = stated.own_offset
    if offset is None:
        offset = agreed("offset", stated, offset_claims(stated, header), "cube.elevation_offset")
    if stated.own_scale is not None:
        reason = f"{advice} decides"
        return replace(plain, scale=stated.own_scale, offset=offset or 0.0, reason=reason)
    units = unit_claims(stated, header, METRES, advice)
    scales = scale_claims(stated, header)
    scale = agreed("scale", stated, scales, advice)
    unit = agreed("unit", stated, units, advice)
    if scale is not None and unit not in (None, 1.0) and math.isclose(scale, unit or 1.0):
        raise SceneError(
            f"Expected scale and unit of {stated.name} to say different things, got {scales[0]} and "
            f"{units[0]} metres, which may be one thing said twice; set {advice} to the metres per number."
        )
    words = [*dict.fromkeys(map(str, (*scales, *units)))] or ["no scale or unit told, metres taken"]
    factor = 1.0 if unit is None else unit
    number = 1.0 if scale is None else scale
    if stated.own_offset is None:
        offset = (offset or 0.0) * factor
    return replace(plain, scale=number * factor, offset=offset or 0.0, reason=" and ".join(words))


def decide_classes(stated: Stated, header: Header) -> Encoding:
    """Decide what a scene classification's numbers mean: themselves, whatever scale is told.

    Raises
    ------
    SceneError
        The item's classes are not those of Sentinel-2's scene classification.
    """
    for value, name in stated.classes:
        known = [number for words, numbers in CLASS_NAMES for number in numbers if words in name]
        if not LOWEST_CLASS <= value <= HIGHEST_CLASS or (known and value not in known):
            raise SceneError(
                f"Expected Sentinel-2's scene classification (SCL, 0 to 11) in {stated.name}, but there "
                f"{value} is '{name}'; set source.scl_asset to an SCL, or to a name that no asset has and "
                "give a mask (cube.mask)."
            )
    return Encoding(stated.name, "classes", decide_validity("classes", stated, header))


def decide_mask(stated: Stated, header: Header) -> Encoding:
    """Decide what a user mask's numbers mean: not 0, and not no data, is masked."""
    return Encoding(stated.name, "mask", decide_validity("mask", stated, header))
