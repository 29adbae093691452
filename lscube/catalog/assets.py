"""Which file of an item holds what: bands, scene classification, elevation."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import pystac

from lscube.catalog.fields import check_band_lists, entries_of, number_of, projection_of
from lscube.catalog.items import is_sentinel2
from lscube.errors import SceneError

SENTINEL2_BANDS = {
    "coastal": "B01",
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "rededge1": "B05",
    "rededge071": "B05",
    "rededge2": "B06",
    "rededge075": "B06",
    "rededge3": "B07",
    "rededge078": "B07",
    "nir": "B08",
    "nir08": "B8A",
    "nir09": "B09",
    "cirrus": "B10",
    "swir16": "B11",
    "swir22": "B12",
}
"""Common names (STAC eo extension; Earth Search's for the red edge) and Sentinel-2's own."""

_PREVIEWS = {"overview", "thumbnail", "preview", "tiles"}
_NO_RASTER = re.compile(r"(image/(png|jpeg|webp)|application/json|application/xml|text/.*)\b")


@dataclass(frozen=True)
class Band:
    """Where the pixels of a band are."""

    key: str
    """Key of the asset."""
    number: int = 1
    """Number of the band within the asset's file, from 1."""


def find_band(item: pystac.Item, name: str) -> Band:
    """Find a band by its asset's key, its common name or Sentinel-2's name for it.

    A key that is the name itself comes first. Otherwise files of one band come before those of
    several (true-colour images), finer before coarser ones, and GeoTIFF before JPEG 2000;
    overviews and thumbnails are never taken.

    Parameters
    ----------
    item
        An item; band names from `eo:bands` or from STAC 1.1's `bands`.
    name
        "red", "B04", ...

    Raises
    ------
    SceneError
        The item has no such band, or what it says of it cannot be used.
    """
    if name in item.assets:
        return Band(_checked(item, name))
    found = [
        (_rank(key, asset, len(names)), Band(key, number))
        for key, asset in _rasters(item).items()
        for names in [_band_names(asset)]
        for number, said in enumerate(names, 1)
        if name in said
    ]
    found += _by_sentinel2_name(item, name)
    if not found:
        raise SceneError(
            f"Expected an asset with band '{name}' on item {item.id}, found {_listed(item)}; "
            "choose other bands or another collection."
        )
    best = min(found, key=lambda pair: pair[0])[1]
    return Band(_checked(item, best.key), best.number)


def find_classification(item: pystac.Item, name: str | None = None) -> str | None:
    """Key of the asset with the Sentinel-2 scene classification (SCL).

    Parameters
    ----------
    item
        An item.
    name
        Key to take; None: "scl" in either case, with or without a resolution ("SCL_20m").

    Returns
    -------
    str or None
        None where the item has none.

    Raises
    ------
    SceneError
        What the item says of it cannot be used.
    """
    found = _best_key(item, r"scl") if name is None else name
    return _checked(item, found) if found in item.assets else None


def find_elevation(item: pystac.Item, name: str | None = None) -> str:
    """Key of the asset with the elevation in metres.

    Parameters
    ----------
    item
        A tile of a surface model.
    name
        Key to take; None: "data", one that is called after an elevation model, or the only one.

    Raises
    ------
    SceneError
        The item has no such asset, several that could be meant, or what it says of it cannot be used.
    """
    keys = list(_rasters(item))
    if name is None:
        found = _best_key(item, r"data") or _best_key(item, r"(dem|dsm|elevation)")
        found = found or (keys[0] if len(keys) == 1 else None)
    else:
        found = name if name in item.assets else None
    if found is None:
        wanted = f"asset '{name}'" if name else "one asset with the elevation (as 'data')"
        raise SceneError(
            f"Expected {wanted} on item {item.id}, found {_listed(item)}; set source.dsm_asset."
        )
    return _checked(item, found)


def _by_sentinel2_name(item: pystac.Item, name: str) -> list[tuple[tuple[Any, ...], Band]]:
    """Bands whose key is the other name of the same Sentinel-2 band: B04 for red, red for B04."""
    if not is_sentinel2(item):
        return []
    others = {SENTINEL2_BANDS.get(name), name}
    others |= {common for common, own in SENTINEL2_BANDS.items() if own == name}
    return [
        (_rank(key, asset, 1), Band(key))
        for key, asset in _rasters(item).items()
        if re.sub(r"_\d+m$", "", key) in others
    ]


def _best_key(item: pystac.Item, pattern: str) -> str | None:
    """The finest raster whose key is the pattern, in either case, with or without a resolution."""
    matching = {
        key: asset
        for key, asset in _rasters(item).items()
        if re.fullmatch(rf"{pattern}(_\d+m|-jp2)?", key, re.IGNORECASE)
    }
    return min(matching, key=lambda key: _rank(key, matching[key], 1), default=None)


def _rasters(item: pystac.Item) -> dict[str, pystac.Asset]:
    """Assets that can be files of pixels at full size."""
    return {
        key: asset
        for key, asset in item.assets.items()
        if not is_preview(key, asset.roles) and not _NO_RASTER.match(asset.media_type or "")
    }


def is_preview(key: str, roles: list[str] | None) -> bool:
    """Whether an asset is for looking at alone."""
    return bool(_PREVIEWS & {key.lower(), *(roles or [])})


def _rank(key: str, asset: pystac.Asset, bands: int) -> tuple[Any, ...]:
    """What to take first: single bands, fine ones, GeoTIFF; the key makes it definite."""
    jpeg2000 = "jp2" in (asset.media_type or "") or asset.href.endswith(".jp2")
    return (bands > 1, _pixel_size(key, asset), jpeg2000, key)


def _pixel_size(key: str, asset: pystac.Asset) -> float:
    """Pixel size by which assets of one item are compared, infinite where it is not said."""
    fields = asset.extra_fields
    bands, transform = entries_of(fields, "raster:bands"), fields.get("proj:transform")
    said = [
        fields.get("gsd"),
        fields.get("raster:spatial_resolution"),
        bands[0].get("spatial_resolution") if bands else None,
        transform[0] if isinstance(transform, list) and transform else None,
    ]
    suffix = re.search(r"_(\d+)m$", key)
    said.append(suffix[1] if suffix else None)
    return next((abs(size) for size in map(number_of, said) if size), math.inf)


def _band_names(asset: pystac.Asset) -> list[set[str]]:
    """Names of each band of an asset, in the layout of STAC 1.0 or 1.1."""
    bands = entries_of(asset.extra_fields, "bands") or entries_of(asset.extra_fields, "eo:bands")
    names = ("eo:common_name", "common_name", "name")
    return [{str(band[name]) for name in names if band.get(name)} for band in bands]


def _listed(item: pystac.Item) -> str:
    return ", ".join(sorted(item.assets)) or "none"


def _checked(item: pystac.Item, key: str) -> str:
    """The key of an asset that is to be read, whose fields say what they are to say."""
    fields = item.assets[key].extra_fields
    try:
        check_band_lists(fields)
        projection_of(fields)
    except ValueError as error:
        raise SceneError(
            f"Expected asset {key} of item {item.id} to say how it can be read, but {error}; "
            "mend the item or leave it out."
        ) from None
    return key
