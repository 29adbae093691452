"""STAC items from outside: their sizes, and where their assets lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pystac

from lscube.errors import RefusedError
from lscube.markup import clean_text
from lscube.scan.guard.addresses import check_address
from lscube.scan.guard.documents import check_extent, too_much
from lscube.settings.scan_rules import AllowSettings, LimitSettings


def check_items(
    items: Iterable[pystac.Item],
    allowed: AllowSettings,
    limits: LimitSettings,
    remote: bool = True,
) -> tuple[tuple[pystac.Item, ...], tuple[str, ...]]:
    """Keep what a scan may use of items, and say what was left out.

    An asset or link with an address that is not allowed is left out; as a whole an item that is too large, or
    whose id or collection is no plain line of text: they stand in alerts, logs and products.

    Parameters
    ----------
    items
        With absolute, unsigned hrefs.
    allowed, limits
        What may be used, and how much is taken.
    remote
        Whether they come from elsewhere: then no asset may be a file of this machine.

    Returns
    -------
    tuple
        New items, and a note for each that was left out or lost an asset.

    Raises
    ------
    RefusedError
        There are more items than are taken.
    """
    kept: list[pystac.Item] = []
    notes: list[str] = []
    for count, item in enumerate(items, 1):
        if count > limits.items:
            raise too_much(
                "what a catalogue answered", f"more than {limits.items:,} items", "as many"
            )
        name = clean_text(item.id, 100)
        try:
            _check_size(item, name, limits)
            _check_names(item, limits)
        except RefusedError as error:
            notes.append(f"item {name} was left out: {error}")
            continue
        own, left_out = _with_allowed(item, allowed, remote)
        kept.append(own)
        notes += [f"of item {name}, {what}" for what in left_out]
    return tuple(kept), tuple(notes)


def _check_size(item: pystac.Item, name: str, limits: LimitSettings) -> None:
    """Refuse an item of unusual size."""
    if len(item.assets) > limits.assets:
        raise too_much(f"item {name}", f"{len(item.assets):,} assets", f"{limits.assets} assets")
    content = [item.geometry, item.bbox, item.properties, item.extra_fields]
    content += [asset.extra_fields for asset in item.assets.values()]
    check_extent(content, f"item {name}", limits)
    corners = sum(isinstance(value, int | float) for value in _values(item.geometry)) // 2
    if corners > limits.vertices:
        raise too_much(f"item {name}", f"{corners:,} corners", f"{limits.vertices:,} corners")
    texts = [item.id, item.collection_id, *item.assets, *_values(content)]
    texts += [text for asset in item.assets.values() for text in (asset.title, asset.description)]
    longest = max(len(text) for text in texts if isinstance(text, str))
    if longest > limits.text:
        raise too_much(f"item {name}", f"a text of {longest:,} characters", f"{limits.text:,}")


def _check_names(item: pystac.Item, limits: LimitSettings) -> None:
    """Refuse an item whose names hold line ends, control or direction marks."""
    for text in (item.id, item.collection_id):
        if text is not None and clean_text(text, limits.text) != text:
            raise RefusedError(
                "Expected an id and a collection of one plain line each, got other characters in "
                f"{clean_text(text, 100)!r}; have the catalogue corrected."
            )


def _values(content: Any) -> Iterator[Any]:
    """All that stands in lists and objects, with the objects' names."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list | tuple):
            waiting += value
        else:
            yield value


def _with_allowed(
    item: pystac.Item, allowed: AllowSettings, remote: bool
) -> tuple[pystac.Item, list[str]]:
    """A copy of an item with those of its assets and links that are allowed."""
    own = item.clone()
    left_out = []
    for key, asset in item.assets.items():
        own.assets[key].href = asset.href  # with what it remembers of its signature
        try:
            check_address(asset.href, allowed, remote)
        except RefusedError as error:
            del own.assets[key]
            left_out.append(f"asset {clean_text(key, 100)} was left out: {error}")
    own.links = [link for link in own.links if _is_web(link.href)]
    return own, left_out


def _is_web(href: str) -> bool:
    return href.startswith(("http://", "https://"))
