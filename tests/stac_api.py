"""A STAC API on this machine, just large enough to be searched, and able to misbehave on purpose."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from itertools import count
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers.quiet import QuietServer

PAGE = 1
CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
]


@dataclass(frozen=True)
class Trouble:
    """How the answer to one search goes wrong."""

    status: int = 200
    retry_after: str | None = None
    hang: bool = False
    cut: bool = False


Script = Callable[[int], Trouble | None]
"""What happens to search 0, 1, ... (each page is a search); None: nothing."""


def first(number: int, trouble: Trouble) -> Script:
    return lambda search: trouble if search < number else None


def after(number: int, trouble: Trouble) -> Script:
    return lambda search: trouble if search >= number else None


def seven_of_ten_hang(search: int) -> Trouble | None:
    """Of any ten searches seven are never answered, at most three in a row."""
    return None if search % 10 in (2, 5, 9) else Trouble(hang=True)


class Handler(BaseHTTPRequestHandler):
    items: list[dict[str, Any]]
    documents: Mapping[str, Any]
    script: Script
    numbers: Iterator[int]
    asked: list[Any]
    stopping: Event
    method: str
    endless: bool

    def answer(self, content: Any, trouble: Trouble | None = None) -> None:
        trouble = trouble or Trouble()
        if trouble.hang:
            self.stopping.wait(10)
            self.close_connection = True
            return
        body = json.dumps(content).encode()
        self.send_response(trouble.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if trouble.retry_after is not None:
            self.send_header("Retry-After", trouble.retry_after)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if trouble.cut else body)
        self.close_connection = trouble.cut

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path in self.documents:
            self.answer(self.documents[parts.path], self.script(next(self.numbers)))
        elif parts.path.rstrip("/") == "/collections":
            names = sorted({item["collection"] for item in self.items})
            self.answer({"collections": [{"id": name} for name in names], "links": []})
        elif parts.path == "/search":
            given = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self.search({**given, "collections": given["collections"].split(",")})
        elif parts.path == "/":
            self.answer(self.landing_page())
        else:
            self.answer({"detail": "not found"}, Trouble(404))

    def do_POST(self) -> None:
        self.search(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def landing_page(self) -> dict[str, Any]:
        search = {"rel": "search", "href": f"{self.root}/search", "method": self.method}
        return {
            "type": "Catalog",
            "id": "here",
            "stac_version": "1.0.0",
            "description": "test",
            "conformsTo": CONFORMS,
            "links": [{"rel": "data", "href": f"{self.root}/collections"}, search],
        }

    def search(self, asked: dict[str, Any]) -> None:
        self.asked.append(asked)
        start, end = asked.get("datetime", "0000/9999").split("/")
        found = [
            item
            for item in self.items
            if item["collection"] in asked["collections"]
            and start <= item["properties"]["datetime"] <= end
        ]
        begin = int(asked.get("token", 0))
        page = found[begin : begin + PAGE]
        more = begin + PAGE < len(found) or self.endless
        links = [self.next_link(asked, begin + PAGE)] if more else []
        content = {"type": "FeatureCollection", "features": page, "links": links}
        self.answer(content, self.script(next(self.numbers)))

    def next_link(self, asked: dict[str, Any], token: int) -> dict[str, Any]:
        if self.method == "GET":
            given = {**asked, "collections": ",".join(asked["collections"]), "token": token}
            query = "&".join(f"{name}={value}" for name, value in given.items())
            return {"rel": "next", "href": f"{self.root}/search?{query}"}
        body = {"token": token}
        return {"rel": "next", "href": "/search", "method": "POST", "body": body, "merge": True}

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def serve(
    items: list[dict[str, Any]],
    script: Script = lambda search: None,
    *,
    documents: Mapping[str, Any] | None = None,
    asked: list[Any] | None = None,
    method: str = "POST",
    endless: bool = False,
) -> Iterator[str]:
    """Serve items (and other documents by their path) on 127.0.0.1; gives the address.

    `asked` is filled with the searches; `endless` gives every page a next one.
    """
    stopping = Event()
    parts = {
        "items": items,
        "documents": documents or {},
        "script": staticmethod(script),
        "numbers": count(),
        "asked": [] if asked is None else asked,
        "stopping": stopping,
        "method": method,
        "endless": endless,
    }
    server = QuietServer(("127.0.0.1", 0), type("OneHandler", (Handler,), parts))
    server.daemon_threads = False  # so that closing waits for the last answer
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
