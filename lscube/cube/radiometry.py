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
from datetime import UTC, datetime

import pystac

from lscube.catalog import Band, baseline_of, find_band, item_time, level_of
from lscube.catalog.items import is_sentinel2
from lscube.cube.raster_fields import stated_number, stated_numbers, stated_types, unusable
from lscube.errors import SceneError
from lscube.settings import CubeSettings

SCALE = 1e-4
"""Reflectance per digital number of Sentinel-2 L1C and L2A."""

ADDED = 1000
"""What ESA adds to the digital numbers from `ADDING_BASELINE` on."""

ADDING_BASELINE = 4.0
"""The first processing baseline with `ADDED` in its digital numbers."""

ADDING_SINCE = datetime(2022, 1, 25, tzinfo=UTC)
"""The day from which ESA produced with `ADDING_BASELINE`."""

CLEARLY_NEGATIVE = -0.02
"""Reflectance that the dark pixels (1st percentile) of a scene do not fall below: atmospheric
correction takes off a little too much in shadows and over water, but not this."""

BRIGHTEST = 0.3
"""Reflectance at 255 in an 8-bit true-colour composite."""

TRUE_COLOUR = "true colour"
"""Level of 8-bit composites."""


@dataclass(frozen=True)
class Radiometry:
    """How digital numbers (DN) of one item become reflectance: DN * scale + offset."""

    scale: float
    """Reflectance per DN."""
    offset: float
    """Reflectance at DN 0."""
    reason: str
    """Why, in words; kept in the cube's attributes."""
    level: str | None = None
    """"L1C" (top of atmosphere), "L2A" (surface), "true colour" (8 bits), or None where not known."""


def decide_radiometry(
    item: pystac.Item,
    band: str,
    settings: CubeSettings = CubeSettings(),
    dark: float | None = None,
) -> Radiometry:
    """Decide an item's scale and offset from settings, flag, `raster:` fields, baseline and pixels.

    The settings decide where they speak. An 8-bit true-colour composite has reflectance
    0.3 * DN / 255; a sensor other than Sentinel-2 has what its `raster:` fields say. For Sentinel-2
    (L1C and L2A alike) the question is whether the 1000 that ESA adds are still in the pixels:

    1. `earthsearch:boa_offset_applied` true: they are not, whatever `raster:bands` says.
    2. Dark pixels clearly below 1000: they are not, whatever the item says.
    3. Raster offset and baseline agree, or only one of them speaks: as they say. A flag that is
       false says that the pixels are as ESA delivered them, so the baseline tells.
    4. Nothing speaks and the scene is older than baseline 04.00: they are not.
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
        DN of the item's dark pixels, from `lscube.cube.dark.measure_dark`; None: not measured.

    Raises
    ------
    SceneError
        The item's claims contradict each other and the dark pixels do not resolve it, its numbers
        cannot be used, or they make the dark pixels clearly negative.
    """
    found = find_band(item, band)
    composite = _is_true_colour(item, found)
    level = TRUE_COLOUR if composite else level_of(item)
    scale = _scale(item, found, settings, composite)
    own = _own(settings.offset, item)
    if own is not None:
        offset, reason = own, f"cube.offset decides; {_agreement(dark, scale, own)}"
    elif composite:
        offset, reason = 0.0, f"8-bit true colour, reflectance {255 * scale:.3g} at DN 255"
    elif is_sentinel2(item) or any(name.startswith("s2:") for name in item.properties):
        offset, reason = _sentinel2_offset(item, found, scale, dark)
    else:
        offset, reason = _other_offset(item, found, scale, dark)
    if _own(settings.scale, item) is not None:
        reason = f"cube.scale decides; {reason}"
    return Radiometry(scale, offset, reason, level)


def _own(setting: float | dict[str, float] | None, item: pystac.Item) -> float | None:
    """What the settings say about an item."""
    return setting.get(item.id) if isinstance(setting, dict) else setting


def _is_true_colour(item: pystac.Item, found: Band) -> bool:
    """Whether a band is part of an 8-bit picture, and not of data with a scale of their own."""
    key, roles = found.key.upper(), item.assets[found.key].roles or []
    picture = key == "VISUAL" or key.startswith("TCI") or "visual" in roles
    eight_bits = stated_types(item, found) == {"uint8"}
    return (picture or eight_bits) and stated_number(item, found, "scale") in (None, 1.0)


def _scale(item: pystac.Item, found: Band, settings: CubeSettings, composite: bool) -> float:
    """Reflectance per DN: as the settings say, else as the item does, else Sentinel-2's."""
    own = _own(settings.scale, item)
    if own is not None and own <= 0:
        raise SceneError(
            f"Expected cube.scale above 0 for item {item.id}, got {own:g}; correct it."
        )
    if own is not None:
        return own
    if composite:
        return BRIGHTEST / 255
    said = stated_number(item, found, "scale")
    return SCALE if said is None else said


@dataclass(frozen=True)
class _Claim:
    """What one field says about the digital numbers."""

    words: str
    """The field and its value."""
    added: bool
    """Whether it means that the digital numbers have `ADDED` in them."""


def _sentinel2_offset(
    item: pystac.Item, found: Band, scale: float, dark: float | None
) -> tuple[float, str]:
    """Offset of a Sentinel-2 item and why; see `decide_radiometry`."""
    flag = _flag(item)
    if flag:
        words = "earthsearch:boa_offset_applied is true"
        return 0.0, f"{words}; {_agreement(dark, scale, 0.0)}"
    claims = _claims(item, found, scale, flag)
    words = " and ".join(claim.words for claim in claims) or "no field tells of an offset"
    verdicts = {claim.added for claim in claims}
    dark_enough = dark is not None and _clearly_negative(dark, scale, -ADDED * scale)
    if dark_enough and verdicts != {False}:
        return 0.0, f"dark pixels at DN {dark:.0f} cannot have {ADDED} added, although {words}"
    if not verdicts and item_time(item) < ADDING_SINCE:
        verdicts, words = {False}, f"{words} and the scene is older than baseline 04.00"
    if len(verdicts) != 1:
        raise SceneError(_contradiction(item, words, dark))
    offset = -ADDED * scale if True in verdicts else 0.0
    return offset, f"{words}; {_agreement(dark, scale, offset)}"


def _flag(item: pystac.Item) -> bool | None:
    """Earth Search's word on whether its pixels have the offset applied."""
    value = item.properties.get("earthsearch:boa_offset_applied")
    return {"true": True, "false": False}.get(str(value).lower())


def _claims(item: pystac.Item, found: Band, scale: float, flag: bool | None) -> list[_Claim]:
    """What raster offsets and baseline say."""
    # The item's offset goes with its own scale, also where the settings have another one.
    step = ADDED * next((value for _, value in stated_numbers(item, found, "scale")), scale)
    claims = []
    for name, offset in stated_numbers(item, found, "offset"):
        if min(abs(offset), abs(offset + step)) > 0.01 * step:
            got = f"{name} {offset:g}, neither 0 nor {-step:g}"
            raise SceneError(unusable(item, found, "offset", got))
        claims.append(_Claim(f"{name} is {offset:g}", offset < -step / 2))
    baseline = baseline_of(item)
    if baseline is not None:
        applied = " (earthsearch:boa_offset_applied is false)" if flag is False else ""
        words = f"processing baseline is {baseline:05.2f}{applied}"
        claims.append(_Claim(words, baseline >= ADDING_BASELINE))
    return claims


def _other_offset(
    item: pystac.Item, found: Band, scale: float, dark: float | None
) -> tuple[float, str]:
    """Offset of another sensor's item, from its raster fields as they are."""
    said = stated_number(item, found, "offset")
    offset = 0.0 if said is None else said
    if dark is not None and _clearly_negative(dark, scale, offset):
        reflectance = f"reflectance {dark * scale + offset:.3f} for dark pixels at DN {dark:.0f}"
        raise SceneError(unusable(item, found, "offset", f"{offset:g}, which means {reflectance}"))
    words = "no raster offset" if said is None else f"raster offset is {offset:g}"
    if stated_number(item, found, "scale") is None:
        words = f"no raster scale, Sentinel-2's taken; {words}"
    return offset, f"{words}; {_agreement(dark, scale, offset)}"


def _clearly_negative(dark: float, scale: float, offset: float) -> bool:
    """Whether dark pixels have a reflectance that does not occur."""
    return dark * scale + offset < CLEARLY_NEGATIVE


def _agreement(dark: float | None, scale: float, offset: float) -> str:
    """What the dark pixels say about an offset: they agree if they are as dark as scenes have them."""
    if dark is None:
        return "dark pixels not checked"
    if _clearly_negative(dark, scale, offset):
        return f"dark pixels at DN {dark:.0f} become negative"
    agree = dark * scale + offset < ADDED * SCALE
    return f"dark pixels at DN {dark:.0f} {'agree' if agree else 'do not tell'}"


def _contradiction(item: pystac.Item, words: str, dark: float | None) -> str:
    if dark is None:
        seen = "its dark pixels were not measured"
    else:
        seen = f"its dark pixels at DN {dark:.0f} do not tell"
    return (
        f"Expected item {item.id} to tell whether its digital numbers have ESA's {ADDED} added, but "
        f"{words}, and {seen}; set cube.offset to -0.1 (added) or 0 (not), as a number or by item id."
    )
