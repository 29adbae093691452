"""A STAC API on this machine, just large enough for pystac-client: pages, and filters by time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

PAGE = 1
CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
]


class Handler(BaseHTTPRequestHandler):
    items: list[dict[str, Any]]

    def answer(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def do_GET(self) -> None:
        if self.path.rstrip("/") == "/collections":
            names = sorted({item["collection"] for item in self.items})
            self.answer({"collections": [self.collection(name) for name in names], "links": []})
        else:
            links = [
                {"rel": "data", "href": f"{self.root}/collections", "type": "application/json"},
                {
                    "rel": "search",
                    "href": f"{self.root}/search",
                    "method": "POST",
                    "type": "application/geo+json",
                },
                {"rel": "self", "href": self.root},
            ]
            self.answer(
                {
                    "type": "Catalog",
                    "id": "here",
                    "stac_version": "1.0.0",
                    "description": "test",
                    "conformsTo": CONFORMS,
                    "links": links,
                }
            )

    def collection(self, name: str) -> dict[str, Any]:
        extent = {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [[None, None]]},
        }
        return {
            "type": "Collection",
            "id": name,
            "stac_version": "1.0.0",
            "description": name,
            "license": "other",
            "extent": extent,
            "links": [],
        }

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        start, end = asked.get("datetime", "0000/9999").split("/")
        found = [
            item
            for item in self.items
            if item["collection"] in asked["collections"]
            and start <= item["properties"]["datetime"] <= end
        ]
        first = asked.get("token", 0)
        links = []
        if first + PAGE < len(found):
            body = {**asked, "token": first + PAGE}
            link = {"rel": "next", "href": f"{self.root}/search", "method": "POST", "body": body}
            links.append(link)
        page = found[first : first + PAGE]
        self.answer({"type": "FeatureCollection", "features": page, "links": links})

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def serve(items: list[dict[str, Any]]) -> Iterator[str]:
    """Serve items on 127.0.0.1; gives the address."""
    handler = type("OneHandler", (Handler,), {"items": items})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
