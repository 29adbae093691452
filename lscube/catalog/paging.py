"""The pages of a STAC API's answer, all of them, or a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import requests
from pystac import Link
from pystac.utils import make_absolute_href
from pystac_client.stac_api_io import StacApiIO

from lscube.catalog.static import links_of
from lscube.catalog.web import FetchError, Patience, fetch_json


class PatientIO(StacApiIO):
    """pystac-client's requests, repeated as a whole where that may help, and bounded.

    pystac-client leaves retries to urllib3, which does not repeat a request whose answer breaks off,
    and takes a page without items for the end of the answer.
    """

    def __init__(self, patience: Patience) -> None:
        super().__init__(max_retries=None)
        self.session = patience.session()
        self.patience = patience
        self._address = ""

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """Get a document."""
        post = (method or "GET").upper() == "POST"
        if self._address:  # links may be relative to the page that they stand on
            href = make_absolute_href(href, self._address)
        if parameters and not post:
            href = str(requests.Request("GET", href, params=parameters).prepare().url)
        if not href.startswith(("http://", "https://")):
            raise FetchError(href, "it is no web address")
        self._address = href
        body = (parameters or {}) if post else None
        return json.dumps(fetch_json(self.session, href, self.patience, body, headers))

    def get_pages(
        self, url: str, method: str | None = None, parameters: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Go through the pages of an answer.

        Raises
        ------
        FetchError
            A page cannot be had or is none, or the pages have no end.
        """
        seen: set[str] = set()
        asked: set[str] = set()
        came, matched, member = 0, 0, ""
        page = self.read_json(url, method=method, parameters=parameters)
        for _ in range(self.patience.pages):
            member = member or _member(page)
            if not isinstance(page, dict) or not isinstance(page.get(member), list):
                raise FetchError(url, f"what came has no {member}")
            fresh = fresh_of(page[member], seen)
            came, matched = came + len(fresh), matched_by(page)
            following = following_of(page, url)
            key = json.dumps(following, sort_keys=True)
            if (page[member] and not fresh) or key in asked:
                raise FetchError(url, "its pages repeat themselves")
            if fresh:
                yield {**page, member: fresh}
            if following is None:
                break
            asked.add(key)
            page = self.read_json(Link.from_dict(following), parameters=parameters or {})
        else:
            raise FetchError(url, f"it has more than {self.patience.pages} pages")
        if came < matched:
            raise FetchError(url, f"it tells of {matched} {member}, but only {came} came")


def _member(page: Any) -> str:
    """What the pages of an answer are of, by its first one."""
    listed = isinstance(page, dict) and "collections" in page and "features" not in page
    return "collections" if listed else "features"


def following_of(page: dict[str, Any], url: str) -> dict[str, Any] | None:
    """The link to the next page, as pystac-client takes it; None after the last."""
    link = next(iter(links_of(page, "next")), None)
    if link is None:
        return None
    said = {name: value for name, value in link.items() if value is not None}
    said["method"] = str(said.get("method", "GET")).upper()
    if not all(isinstance(said.get(name, {}), dict) for name in ("body", "headers")):
        raise FetchError(url, "its link to the next page cannot be followed")
    return said


def matched_by(page: dict[str, Any]) -> int:
    """How many entries all pages have together, 0 where a page does not say."""
    context = page.get("context")
    said = page.get("numberMatched", context.get("matched") if isinstance(context, dict) else None)
    return said if isinstance(said, int) else 0


def fresh_of(entries: list[Any], seen: set[str]) -> list[Any]:
    """Entries that are not among those seen; pages overlap where a catalogue grows meanwhile."""
    fresh = []
    for entry in entries:
        named = isinstance(entry, dict) and entry.get("id") is not None
        key = json.dumps([entry.get("collection"), entry["id"]]) if named else ""
        if not key or key not in seen:
            fresh.append(entry)
        seen.add(key)
    return fresh
