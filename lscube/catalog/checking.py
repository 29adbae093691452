"""Items from JSON: hrefs made absolute, signatures stripped, what cannot be used left out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from typing import Any

import pystac
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from pystac.utils import make_absolute_href

from lscube.catalog.assets import check_assets
from lscube.catalog.items import footprint, item_time
from lscube.catalog.static import Document
from lscube.catalog.unsigning import unsigned, unsigned_content
from lscube.errors import SceneError, SourceError
from lscube.markup import clean_text

log = logging.getLogger("lscube.catalog")

_UNUSABLE = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    CRSError,
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
        try:
            items.append(_checked(_make_item(document)))
        except _UNUSABLE as error:
            notes.append(f"item {_name(document)} was left out: {_reason(error)}")
            log.warning("%s: %s", unsigned(address), notes[-1])
    if not items:
        found = notes[0] if notes else "found none"
        raise SourceError(
            f"Expected usable STAC items in {unsigned(address)}, but {found}; "
            "mend the item or choose another source."
        )
    return tuple(items), tuple(notes)


def _make_item(document: Document) -> pystac.Item:
    content = unsigned_content(document.content)
    for asset in content["assets"].values():
        asset["href"] = make_absolute_href(asset["href"], document.address)
    with warnings.catch_warnings():
        # pystac brings the storage extension up to date and cannot with Earth Search's addresses.
        warnings.filterwarnings("ignore", "Could not parse bucket", UserWarning)
        return pystac.Item.from_dict(content, preserve_dict=False)


def _name(document: Document) -> str:
    content = document.content
    said = content.get("id") if isinstance(content, dict) else None
    return clean_text(said, 100) or "without id"


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return clean_text(f"it has no {error}")
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return clean_text(unsigned(text), 300).rstrip(".")


def _checked(item: pystac.Item) -> pystac.Item:
    """Try all that will be asked of an item's metadata."""
    if footprint(item).is_empty:
        raise ValueError("its footprint is empty")
    item_time(item)
    check_assets(item)
    for fields in (item.properties, *(asset.extra_fields for asset in item.assets.values())):
        _check_fields(fields)
    return item


def _check_fields(fields: dict[str, Any]) -> None:
    """Try the fields of the projection and raster extensions that a cube relies on."""
    code = fields.get("proj:code") or fields.get("proj:epsg")
    if code:
        CRS.from_user_input(code)
    rows, columns = (int(size) for size in fields.get("proj:shape") or (1, 1))
    transform = [float(value) for value in fields.get("proj:transform") or range(6)]
    if rows < 1 or columns < 1 or len(transform) < 6:
        raise ValueError("its proj:shape and proj:transform make no grid")
    bands = fields.get("raster:bands") or [{}]
    for name in ("scale", "offset"):
        float(bands[0].get(name, 0))
        float(fields.get(f"raster:{name}", 0))
