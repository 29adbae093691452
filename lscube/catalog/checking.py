"""Items from JSON: hrefs made absolute, signatures kept for reading alone, what cannot be used left out."""

from __future__ import annotations

import logging
import types
import warnings
from collections.abc import Iterable
from typing import Any

import pystac
import shapely
from pystac.utils import make_absolute_href, str_to_datetime

from lscube.catalog.assets import is_preview
from lscube.catalog.fields import number_of, projection_of
from lscube.catalog.items import extent_of, footprint, item_time
from lscube.catalog.static import Document, is_address, links_of
from lscube.catalog.unsigning import presigned, unsigned, unsigned_content
from lscube.errors import SceneError, SourceError
from lscube.markup import clean_text

log = logging.getLogger("lscube.catalog")

_UNUSABLE = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    SceneError,
    pystac.STACError,
    pystac.STACTypeError,
    shapely.errors.ShapelyError,
    RecursionError,
)


def usable_items(
    documents: Iterable[Document], address: str
) -> tuple[tuple[pystac.Item, ...], tuple[str, ...]]:
    """Make items of documents; those that cannot be used are left out, noted and logged.

    Parameters
    ----------
    documents
        Items as JSON has them.
    address
        Where they came from, for messages.

    Returns
    -------
    tuple
        The items, and a note for each that is left out.

    Raises
    ------
    SourceError
        There is no usable item.
    """
    items, notes = [], []
    for document in documents:
        found: list[str] = []
        try:
            items.append(_checked(_make_item(document, found), found))
        except _UNUSABLE as error:
            found = [f"item {_name(document)} was left out: {_reason(error)}"]
        notes += found
    for note in notes:
        log.warning("%s: %s", unsigned(address), note)
    if not items:
        first = notes[0] if notes else "found none"
        raise SourceError(
            f"Expected usable STAC items in {unsigned(address)}, but {first}; "
            "mend the item or choose another source."
        )
    return tuple(items), tuple(notes)


def _make_item(document: Document, notes: list[str]) -> pystac.Item:
    given = document.content
    _check_core(given)
    content = unsigned_content(given)
    assets, lost = _usable_assets(content["assets"])
    for key in lost:
        said = content["assets"][key]
        if not is_preview(key, said.get("roles") if isinstance(said, dict) else None):
            notes.append(
                f"of item {_name(document)}, asset {clean_text(key, 100)} was left out: "
                "it has no href that can be opened"
            )
    content["assets"] = assets
    content["links"] = links_of(content)
    content["stac_extensions"] = _texts(content.get("stac_extensions"))
    if not isinstance(content.get("stac_version"), str):
        content["stac_version"] = pystac.get_stac_version()
    with warnings.catch_warnings():
        # pystac brings extensions up to date, and warns of what it cannot, as with Earth Search's addresses.
        warnings.simplefilter("ignore", UserWarning)
        item = pystac.Item.from_dict(content, preserve_dict=False)
    for key, asset in item.assets.items():
        asset.href = presigned(make_absolute_href(given["assets"][key]["href"], document.address))
    return item


_CORE: tuple[tuple[str, type | types.UnionType, str], ...] = (
    ("id", str, "text"),
    ("properties", dict, "an object"),
    ("assets", dict, "an object"),
    ("geometry", dict | None, "GeoJSON"),
    ("bbox", list | None, "a list of numbers"),
    ("collection", str | None, "text"),
)


def _check_core(content: Any) -> None:
    """Make sure that an item has what all have, each of its kind."""
    if not isinstance(content, dict):
        raise ValueError(f"it is no object: {content!r:.80}")
    for name, kind, words in _CORE:
        value = content.get(name)
        if not isinstance(value, kind):
            raise ValueError(f"its {name} is {value!r:.80}, not {words}")
    said = content["properties"]
    projection_of(said)
    name = "datetime" if said.get("datetime") is not None else "start_datetime"
    try:
        str_to_datetime(said.get(name))
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise ValueError(f"its {name} is {said.get(name)!r:.80}, not an instant") from None


def _usable_assets(assets: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Assets that can be opened, without nulls and odd descriptions, and keys of the others."""
    usable = {}
    for key, asset in assets.items():
        if isinstance(asset, dict) and is_address(asset.get("href")):
            own = {name: value for name, value in asset.items() if value is not None}
            for name in ("type", "title", "description"):
                if not isinstance(own.get(name, ""), str):
                    del own[name]
            usable[key] = own | ({"roles": _texts(own["roles"])} if "roles" in own else {})
    return usable, [key for key in assets if key not in usable]


def _texts(value: Any) -> list[str]:
    """What is text in a list."""
    return [one for one in (value if isinstance(value, list) else []) if isinstance(one, str)]


def _name(document: Document) -> str:
    content = document.content
    said = content.get("id") if isinstance(content, dict) else None
    return clean_text(said, 100) or "without id"


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return clean_text(f"it has no {error}")
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return clean_text(unsigned(text), 300).rstrip(".")


def _checked(item: pystac.Item, notes: list[str]) -> pystac.Item:
    """Try all that will be asked of an item's metadata; what its assets say is looked at when they are."""
    if footprint(item).is_empty:
        raise ValueError("its footprint is empty")
    extent_of(item)
    item_time(item)
    for name in _NUMBERS:
        value = item.properties.get(name)
        if value is not None and number_of(value) is None:
            shown = clean_text(repr(value), 80)
            notes.append(
                f"of item {clean_text(item.id, 100)}, {name} is not used: it is {shown}, no number"
            )
    return item


_NUMBERS = (
    *("eo:cloud_cover", "s2:processing_baseline"),
    *("view:sun_azimuth", "view:sun_elevation", "s2:mean_solar_azimuth", "s2:mean_solar_zenith"),
)
"""Properties that are numbers where they are said, and that a map can do without."""
