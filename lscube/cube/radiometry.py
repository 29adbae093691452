"""From digital numbers (DN) to reflectance: one function decides an item's scale and offset.

From processing baseline 04.00 on (25 January 2022) ESA adds 1000 to the digital numbers of
Sentinel-2's L1C and L2A, so that slightly negative reflectance can be stored (S2 Products,
https://sentiwiki.copernicus.eu/web/s2-products). Whether a catalogue has taken them off again is
told by up to three of its fields, which can be wrong: Earth Search's `raster:bands` say -0.1 where
its pixels have it applied, and its flag says false where it is applied (its issues 66 and 71). The
dark pixels do not lie: with 1000 added, no scene has its darkest hundredth far below DN 1000.
"""

from __future__ import annotations

from dataclasses import dataclass

import pystac

from lscube.catalog import find_band
from lscube.cube.encoding import (
    COUNTS,
    FRACTIONS,
    METRES,
    Encoding,
    agreed,
    offset_claims,
    scale_claims,
    unit_claims,
)
from lscube.cube.raster_fields import state_band
from lscube.cube.stated import Claim, Header, Sentinel2, Stated
from lscube.cube.validity import decide_validity
from lscube.errors import SceneError
from lscube.settings import CubeSettings

SCALE = 1e-4
"""Reflectance per digital number of Sentinel-2 L1C and L2A."""

ADDED = 1000
"""What ESA adds to the digital numbers from `ADDING_BASELINE` on."""

ADDING_BASELINE = 4.0
"""The first processing baseline with `ADDED` in its digital numbers (25 January 2022)."""

CLEARLY_NEGATIVE = -0.02
"""Reflectance that the dark pixels (1st percentile) of a scene do not fall below: atmospheric
correction takes off a little too much in shadows and over water, but not this."""

NEGATIVE = -0.05
"""The same for other sensors, whose corrections differ."""

JUST_ABOVE = 0.025
"""Reflectance by which the dark pixels may lie above what ESA adds, for it to be seen in them where no
field tells: snow, haze and deserts have dark pixels of any brightness, and hardly ever just there."""

BRIGHTEST = 0.3
"""Reflectance at 255 in an 8-bit true-colour composite."""

TRUE_COLOUR = "true colour"
"""Level of 8-bit composites."""

LARGEST_FRACTION = 2.5
"""Real numbers up to here can be reflectance themselves."""

SMALLEST_COUNT = 200.0
"""Real numbers whose median lies from here on are digital numbers of 1e-4: 2 % reflectance."""


@dataclass(frozen=True)
class Radiometry:
    """How digital numbers (DN) of one band become reflectance: DN * scale + offset."""

    scale: float
    """Reflectance per DN."""
    offset: float
    """Reflectance at DN 0."""
    reason: str
    """Why, in words; kept in the cube's attributes."""
    level: str | None = None
    """"L1C" (top of atmosphere), "L2A" (surface), "true colour" (8 bits), or None where not known."""
    looked: bool = False
    """Whether a sample of the pixels looks like it."""


def decide_radiometry(
    item: pystac.Item,
    band: str,
    settings: CubeSettings = CubeSettings(),
    dark: float | None = None,
    header: Header | None = None,
) -> Radiometry:
    """Decide an item's scale and offset from settings, flag, `raster:` fields, baseline, file and pixels.

    The settings decide where they speak. 8-bit numbers without a scale are true colour, reflectance
    0.3 * DN / 255; real numbers without a scale are reflectance; a sensor other than Sentinel-2 has
    what its item and file say. For Sentinel-2 (L1C and L2A alike) the question is whether the 1000
    that ESA adds are still in the pixels:

    1. `earthsearch:boa_offset_applied` true: they are not, whatever `raster:bands` says.
    2. Dark pixels clearly below 1000: they are not, whatever the item says.
    3. Offset and baseline agree, or only one of them speaks: as they say. A flag that is false says
       that the pixels are as ESA delivered them, so the baseline tells.
    4. Nothing speaks and the scene is older than baseline 04.00: they are where the dark pixels lie
       just above 1000 (ESA has processed all scenes again), they are not where the dark pixels are
       below 1000 or were not looked at.
    5. Else the item is refused. Bright dark pixels prove nothing: snow, haze and deserts have
       no dark ones.

    Parameters
    ----------
    item
        A STAC item, with the raster extension in either layout or without it.
    band
        Common name of a band, or an asset's key.
    settings
        `scale` and `offset` decide, for all items or by item id.
    dark
        DN of the item's dark pixels, from `lscube.cube.look.look_at_scenes`; None: not looked at.
    header
        What the band's file says; None: not looked at.

    Raises
    ------
    SceneError
        Claims contradict each other and the dark pixels do not resolve it, numbers
        cannot be used, or they make the dark pixels clearly negative.
    """
    stated = state_band(item, find_band(item, band), "reflectance", settings)
    return radiometry_of(stated, header, dark)


def radiometry_of(
    stated: Stated, header: Header | None, dark: float | None, middle: float | None = None
) -> Radiometry:
    """Decide scale and offset from what is stated; see `decide_radiometry`.

    Parameters
    ----------
    stated, header, dark
        As there.
    middle
        The median of the band's numbers, which tells real numbers without a scale apart.
    """
    if header is None:
        eight_bits = stated.picture or set(stated.types) == {"uint8"}
        other = stated.types[0] if stated.types else "uint16"
        header = Header("uint8" if eight_bits else other)
    composite = header.dtype == "uint8" and not _is_scaled(stated, header)
    level = TRUE_COLOUR if composite else stated.level
    scale = _scale(stated, header, composite, middle)
    if stated.own_offset is not None:
        offset = stated.own_offset
        reason = f"cube.offset decides; {_agreement(dark, scale, offset)}"
    elif composite:
        offset, reason = 0.0, f"8-bit true colour, reflectance {255 * scale:.3g} at DN 255"
    elif stated.sentinel2 is not None:
        offset, reason = _sentinel2_offset(stated, stated.sentinel2, header, scale, dark)
    else:
        offset, reason = _other_offset(stated, header, scale, dark)
    if stated.own_scale is not None:
        reason = f"cube.scale decides; {reason}"
    return Radiometry(scale, offset, reason, level)


def decide_reflectance(
    stated: Stated, header: Header, known: Radiometry | None, dark: float | None
) -> Encoding:
    """Decide what a band's numbers mean, given the radiometry if it was decided before."""
    found = known or radiometry_of(stated, header, dark)
    validity = decide_validity("reflectance", stated, header)
    return Encoding(
        stated.name,
        "reflectance",
        validity,
        found.scale,
        found.offset,
        found.reason,
        looked=found.looked,
    )


def _is_scaled(stated: Stated, header: Header) -> bool:
    """Whether anybody tells a scale: then 8 bits are no picture for the eye."""
    own = stated.own_scale is not None
    return own or bool(scale_claims(stated, header) or _units(stated, header))


def _units(stated: Stated, header: Header) -> list[Claim]:
    """What is said of the unit; counts are no statement, nor is the unit of a CRS's heights."""
    said = tuple((words, unit) for words, unit in stated.unit if unit.strip().lower() not in COUNTS)
    file = "" if header.unit.strip().lower() in (*COUNTS, *METRES) else header.unit
    return unit_claims(
        Stated(name=stated.name, unit=said),
        Header(header.dtype, unit=file),
        FRACTIONS,
        "cube.scale",
    )


def _scale(stated: Stated, header: Header, composite: bool, middle: float | None) -> float:
    """Reflectance per DN: as the settings say, else as item and file do, else by the type."""
    if stated.own_scale is not None:
        return stated.own_scale
    if composite:
        return BRIGHTEST / 255
    said = agreed("scale", stated, scale_claims(stated, header), "cube.scale")
    unit = agreed("unit", stated, _units(stated, header), "cube.scale")
    if said is not None or unit is not None:
        return (1.0 if said is None else said) * (1.0 if unit is None else unit)
    counts = middle is not None and middle >= SMALLEST_COUNT
    return SCALE if counts or not _real(header) else 1.0


def _real(header: Header) -> bool:
    return header.dtype.startswith("float")


@dataclass(frozen=True)
class _Claim:
    """What one field says about the digital numbers."""

    words: str
    """The field and its value."""
    added: bool
    """Whether it means that the digital numbers have `ADDED` in them."""


def _sentinel2_offset(
    stated: Stated, fields: Sentinel2, header: Header, scale: float, dark: float | None
) -> tuple[float, str]:
    """Offset of a Sentinel-2 band and why; see `decide_radiometry`."""
    if fields.flag:
        words = "earthsearch:boa_offset_applied is true"
        return 0.0, f"{words}; {_agreement(dark, scale, 0.0)}"
    # Whoever made real numbers of them has divided what was added as well.
    step = ADDED * (SCALE if _real(header) else scale)
    claims = _claims(stated, fields, header, step)
    words = " and ".join(claim.words for claim in claims) or "no field tells of an offset"
    verdicts = {claim.added for claim in claims}
    if dark is not None and _clearly_negative(dark, scale, -step) and verdicts != {False}:
        return (
            0.0,
            f"dark pixels at DN {_plain(dark)} cannot have {step / scale:g} added, although {words}",
        )
    if not verdicts and fields.older:
        if dark is not None and 0 <= dark * scale - step <= JUST_ABOVE:
            near = f"dark pixels at DN {_plain(dark)} lie just above the {step / scale:g} that ESA adds"
            return -step, f"{words}, but {near}"
        if dark is None or dark * scale < step:
            verdicts, words = {False}, f"{words} and the scene is older than baseline 04.00"
    if len(verdicts) != 1:
        raise SceneError(_contradiction(stated, words, dark))
    offset = -step if True in verdicts else 0.0
    return offset, f"{words}; {_agreement(dark, scale, offset)}"


def _claims(stated: Stated, fields: Sentinel2, header: Header, step: float) -> list[_Claim]:
    """What offsets and baseline say; `step` is what `ADDED` comes to in reflectance."""
    # The item's offset goes with its own scale, also where the settings have another one.
    own = scale_claims(stated, header)
    theirs = ADDED * own[0].value if own and not _real(header) else step
    claims = []
    for claim in offset_claims(stated, header):
        known = (0.0, theirs, step) if stated.own_scale is not None else (0.0, theirs)
        if min(abs(claim.value + value) for value in known) > 0.01 * min(theirs, step):
            raise SceneError(
                f"Expected a usable offset on {stated.name}, got {claim}, neither 0 nor {-theirs:g}; "
                "set cube.offset, as a number or by item id."
            )
        claims.append(
            _Claim(f"{claim.words} is {claim.value:g}", claim.value < -min(theirs, step) / 2)
        )
    if fields.baseline is not None:
        applied = " (earthsearch:boa_offset_applied is false)" if fields.flag is False else ""
        words = f"processing baseline is {fields.baseline:05.2f}{applied}"
        claims.append(_Claim(words, fields.baseline >= ADDING_BASELINE))
    return claims


def _other_offset(
    stated: Stated, header: Header, scale: float, dark: float | None
) -> tuple[float, str]:
    """Offset of another sensor's band, as item and file say."""
    said = agreed("offset", stated, offset_claims(stated, header), "cube.offset")
    offset = 0.0 if said is None else said
    if dark is not None and dark * scale + offset < NEGATIVE:
        raise SceneError(
            f"Expected a usable offset on {stated.name}, got {offset:g}, which means reflectance "
            f"{dark * scale + offset:.3f} for dark pixels at DN {_plain(dark)}; set cube.offset, as a number "
            "or by item id."
        )
    words = "no raster offset" if said is None else f"raster offset is {offset:g}"
    if stated.own_scale is None and scale == SCALE and not scale_claims(stated, header):
        words = f"no raster scale, Sentinel-2's taken; {words}"
    return offset, f"{words}; {_agreement(dark, scale, offset)}"


def _plain(number: float) -> str:
    """A digital number as a person writes it: whole, or a fraction."""
    return f"{number:.0f}" if abs(number) >= 10 else f"{number:.3g}"


def _clearly_negative(dark: float, scale: float, offset: float) -> bool:
    """Whether dark pixels have a reflectance that does not occur."""
    return dark * scale + offset < CLEARLY_NEGATIVE


def _agreement(dark: float | None, scale: float, offset: float) -> str:
    """What the dark pixels say about an offset: they agree if they are as dark as scenes have them."""
    if dark is None:
        return "dark pixels not checked"
    seen = dark * scale + offset
    if _clearly_negative(dark, scale, offset):
        return f"dark pixels at DN {_plain(dark)} become negative"
    if seen < ADDED * SCALE:
        return f"dark pixels at DN {_plain(dark)} agree"
    return f"dark pixels at DN {_plain(dark)} are bright ({seen:.2f}), as in snow, cloud, haze or desert"


def _contradiction(stated: Stated, words: str, dark: float | None) -> str:
    if dark is None:
        seen = "its dark pixels were not measured"
    else:
        seen = f"its dark pixels at DN {_plain(dark)} do not tell"
    return (
        f"Expected item {stated.item} to tell whether its digital numbers have ESA's {ADDED} added, but "
        f"{words}, and {seen}; set cube.offset to -0.1 (added) or 0 (not), as a number or by item id."
    )
