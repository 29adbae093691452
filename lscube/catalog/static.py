"""Items in files: ItemCollections, single items, lists, and static catalogues with their links."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from pystac.utils import make_absolute_href

from lscube.catalog.unsigning import unsigned
from lscube.catalog.web import Patience, fetch_json
from lscube.errors import SourceError
from lscube.files import read_text


@dataclass(frozen=True)
class Document:
    """The content of an item, and where relative hrefs in it start from."""

    content: Any
    """An item as JSON has it."""
    address: str
    """Path or address of the document that it was in."""


def read_file(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    SourceError
        The file is missing or no JSON.
    """
    try:
        return json.loads(read_text(path))
    except OSError:
        raise SourceError(
            f"Expected STAC items at {path}, found no file; check the path."
        ) from None
    except (ValueError, RecursionError) as error:
        raise _no_stac(str(path), str(error)) from None


def documents_in(content: Any, address: str, patience: Patience) -> list[Document]:
    """Find the items in a document, following the links of a static catalogue.

    Parameters
    ----------
    content
        A list of items, an ItemCollection, an item, a catalogue or a collection.
    address
        Path or address of the document.
    patience
        How other documents are asked for; bounds their number.

    Raises
    ------
    SourceError
        It is none of these, or a linked document cannot be read.
    """
    if isinstance(content, list):
        return [Document(item, address) for item in content]
    kind = content.get("type") if isinstance(content, dict) else None
    if kind == "FeatureCollection" and isinstance(content.get("features"), list):
        return [Document(item, address) for item in content["features"]]
    if kind == "Feature":
        return [Document(content, address)]
    if kind in ("Catalog", "Collection"):
        return _walk(content, address, patience)
    raise _no_stac(address, f"its type is {kind!r}")


def _walk(content: dict[str, Any], address: str, patience: Patience) -> list[Document]:
    """Follow the links to children and items, each document once."""
    found = []
    seen = {address}
    waiting = deque([Document(content, address)])
    with patience.session() as session:
        while waiting:
            document = waiting.popleft()
            for href in _children(document):
                if href in seen:
                    continue
                seen.add(href)
                if len(seen) > patience.pages:
                    raise _no_stac(address, f"it has more than {patience.pages} documents")
                child = _linked(session, href, address, patience)
                if _is_item(child):
                    found.append(Document(_in_collection(child, document.content), href))
                elif isinstance(child, dict) and isinstance(child.get("links"), list):
                    waiting.append(Document(child, href))
                else:
                    raise _no_stac(href, "it is neither an item nor a catalogue with links")
    return found


def links_of(content: Any, *relations: str) -> list[dict[str, Any]]:
    """Links of some relations in a document, all by default; what is no link is passed over.

    Raises
    ------
    SourceError
        One of the relations leads nowhere.
    """
    links = content.get("links") if isinstance(content, dict) else None
    found = [
        link
        for link in (links if isinstance(links, list) else [])
        if isinstance(link, dict)
        and isinstance(link.get("rel"), str)
        and (not relations or link["rel"] in relations)
        and isinstance(link.get("href"), str)
    ]
    broken = next((link["href"] for link in found if not is_address(link["href"])), None)
    if relations and broken is not None:
        raise SourceError(
            f"Expected addresses in a catalogue's links, got {unsigned(broken)!r:.100}; have it corrected."
        )
    return [link for link in found if is_address(link["href"])]


def is_address(href: Any) -> bool:
    """Whether this is an address, or a path, as far as its spelling goes."""
    try:
        return isinstance(href, str) and bool(urlsplit(href).geturl())
    except ValueError:
        return False


def _children(document: Document) -> Iterator[str]:
    """Addresses of the documents below one."""
    for link in links_of(document.content, "child", "item"):
        yield make_absolute_href(link["href"], document.address)


def _linked(session: requests.Session, href: str, root: str, patience: Patience) -> Any:
    """Read a linked document; one on the web must not lead to files of this machine."""
    if href.startswith(("http://", "https://")):
        return fetch_json(session, href, patience)
    if "://" in root or "://" in href:
        raise _no_stac(root, f"it links to {unsigned(href)}")
    return read_file(Path(href))


def _is_item(content: Any) -> bool:
    return isinstance(content, dict) and content.get("type") == "Feature"


def _in_collection(item: dict[str, Any], parent: dict[str, Any]) -> dict[str, Any]:
    """Give an item that names no collection the one that links to it."""
    if item.get("collection") or parent.get("type") != "Collection":
        return item
    return {**item, "collection": parent.get("id")}


def _no_stac(address: str, reason: str) -> SourceError:
    return SourceError(
        f"Expected a STAC ItemCollection, item or catalogue in {unsigned(address)}, but it cannot be read "
        f"as one ({unsigned(reason)}); save the result of a STAC search."
    )
