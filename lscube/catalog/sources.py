"""Asking one catalogue: a STAC API, or items in files and static catalogues."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pystac

from lscube.catalog.api import Query, search_api
from lscube.catalog.checking import usable_items
from lscube.catalog.paging import PatientIO, following_of, matched_by
from lscube.catalog.static import Document, documents_in, links_of, read_file
from lscube.catalog.unsigning import unsigned
from lscube.catalog.web import Patience, fetch_json
from lscube.errors import SourceError
from lscube.paths import StrPath

log = logging.getLogger("lscube.catalog")


@dataclass(frozen=True)
class Answer:
    """What a catalogue answered, complete."""

    items: tuple[pystac.Item, ...]
    """Items with unsigned, absolute hrefs; those of a file are not narrowed down to the query."""
    notes: tuple[str, ...] = field(default=())
    """What was left out and why."""


Search = Callable[[Query], Answer]
"""Asks a catalogue that was opened."""

Ask = Callable[[str | Path, Patience], Search]
"""Opens a catalogue; tests hand in their own."""


def open_catalog(where: str | Path, patience: Patience) -> Search:
    """Open a catalogue: a STAC API, an ItemCollection, an item, or a static catalogue.

    Parameters
    ----------
    where
        Address (http or https) or path; text without "://" is a path.
    patience
        How long and how often a server is asked.

    Raises
    ------
    SourceError
        There is none, it cannot be reached, or it is no STAC.
    """
    if isinstance(where, Path) or "://" not in where:
        path = Path(where)
        return _static(read_file(path), str(path.resolve()), patience)
    if not where.startswith(("http://", "https://")):
        raise SourceError(
            f"Expected a catalogue's address to begin with https:// or http://, got {unsigned(where)}; "
            "give local files by their path."
        )
    with patience.session() as session:
        content = fetch_json(session, where, patience)
    search = _search_link(content)
    if search is None:
        return _static(content, where, patience)
    return lambda query: _answer(where, *search_api(where, search, content, query, patience))


def _answer(where: str, found: list[dict[str, Any]], address: str) -> Answer:
    documents = [Document(item, address) for item in found]
    return Answer(*usable_items(documents, where)) if documents else Answer(())


def read_items(path: StrPath) -> list[pystac.Item]:
    """Read STAC items from a file: an ItemCollection, a list, an item, or a static catalogue.

    Relative hrefs start from the file's folder; signatures are stripped. Items that cannot be used
    are left out with a warning in the log.

    Raises
    ------
    SourceError
        The file is missing or holds no usable STAC item.
    """
    path = Path(path)
    documents = documents_in(read_file(path), str(path.resolve()), Patience())
    return list(usable_items(documents, str(path))[0])


def _static(content: Any, address: str, patience: Patience) -> Search:
    """Read all items at once; what is asked for is picked from them later."""
    notes: tuple[str, ...] = ()
    if _type_of(content) == "FeatureCollection" and "://" in address:
        pages = PatientIO(patience).get_pages(address)
        documents = [Document(item, address) for page in pages for item in page["features"]]
    else:
        documents = documents_in(content, address, patience)
        notes = _notes_of_part(content, address)
    items, left_out = usable_items(documents, address)
    answer = Answer(items, (*notes, *left_out))
    return lambda query: answer


def _notes_of_part(content: Any, address: str) -> tuple[str, ...]:
    """What to say of a file that holds a page of a search alone; the user may want that."""
    if _type_of(content) != "FeatureCollection":
        return ()
    count = len(content["features"])
    if following_of(content, address) is None and matched_by(content) <= count:
        return ()
    note = (
        f"{unsigned(address)} holds {count} items, a part of what its search found; save all pages"
    )
    log.warning("%s", note)
    return (note,)


def _type_of(content: Any) -> str:
    return str(content.get("type")) if isinstance(content, dict) else ""


def _search_link(content: Any) -> dict[str, Any] | None:
    """The link of a STAC API by which items are searched: by POST where one says so, else by GET."""
    if _type_of(content) != "Catalog":
        return None
    links = links_of(content, "search")
    posts = [link for link in links if str(link.get("method")).upper() == "POST"]
    return next(iter([*posts, *links]), None)
