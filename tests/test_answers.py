"""STAC APIs as they are met: GET alone, redirects, and answers that are not whole."""

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import shapely

from lscube.catalog import Query, open_catalog
from lscube.errors import SourceError
from lscube.scan.guard.hooks import GuardedAsk
from lscube.settings.scan_rules import AllowSettings, LimitSettings
from tests.test_sources import QUICK, content

SCENES = [content(f"scene-{day}", f"2018-08-0{day}T01:30:00Z") for day in range(1, 5)]
QUERY = Query(shapely.box(0.2, 0.2, 0.8, 0.8), ("sentinel-2-l2a",), known=True)


@dataclass
class Api:
    """How an API behaves, and what it was asked."""

    method: str | None = None
    """The method that the landing page names."""
    post: int = 200
    """Status that answers a POST, 200 for an answer."""
    redirect: int | None = None
    """Status by which /search leads to /there."""
    matched: int | None = None
    """What it says as numberMatched."""
    second: Any = None
    """The second page; None: the rest."""
    items: list[dict[str, Any]] = field(default_factory=lambda: SCENES)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    """Method, path and body or query."""


@contextmanager
def serving(api: Api):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

        def send(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if api.post != 200:
                self.send(api.post, b"{}")
            else:
                self.search(body, "second" in body)

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/":
                search = {"rel": "search", "href": f"{root}/search"}
                search |= {"method": api.method} if api.method else {}
                self.send(
                    200, json.dumps({"type": "Catalog", "id": "x", "links": [search]}).encode()
                )
            else:
                self.search(parse_qs(parts.query), "second" in parts.query)

        def search(self, asked: Any, second: bool) -> None:
            api.asked.append((self.command, self.path.partition("?")[0], asked))
            if api.redirect and self.path.startswith("/search"):
                self.send(api.redirect, b"", Location=self.path.replace("/search", "/there"))
                return
            if second and api.second is not None:
                self.send(
                    200,
                    api.second
                    if isinstance(api.second, bytes)
                    else json.dumps(api.second).encode(),
                )
                return
            again: dict[str, Any] = {"rel": "next", "href": f"{root}/search?second=1"}
            if self.command == "POST":
                again = {**again, "href": f"{root}/search", "method": "POST", "merge": True}
                again["body"] = {"second": 1}
            found = api.items[2:] if second else api.items[:2]
            page = {
                "type": "FeatureCollection",
                "features": found,
                "links": [] if second else [again],
            }
            if api.matched is not None:
                page["numberMatched"] = api.matched
            self.send(200, json.dumps(page).encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    root = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    try:
        yield root
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ids(api: Api, guarded: bool = False) -> list[str]:
    with serving(api) as root:
        allowed = AllowSettings(hosts=(root.removeprefix("http://"),))
        ask = GuardedAsk(allowed, LimitSettings()) if guarded else open_catalog
        return [item.id for item in ask(root, QUICK)(QUERY).items]


ALL = [item["id"] for item in SCENES]


@pytest.mark.parametrize(("method", "used"), [(None, "GET"), ("GET", "GET"), ("POST", "POST")])
def test_the_landing_page_says_how_to_search(method, used):
    api = Api(method)
    assert ids(api) == ALL
    assert {asked[0] for asked in api.asked} == {used}


@pytest.mark.parametrize("status", [403, 404, 405, 501])
def test_an_api_that_refuses_a_post_is_asked_by_get(status):
    api = Api("POST", post=status)
    assert ids(api) == ALL
    assert all("bbox" in asked[2] for asked in api.asked if "second" not in asked[2])


def test_another_refusal_stays_one():
    with pytest.raises(SourceError, match="HTTP 400"):
        ids(Api("POST", post=400))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("guarded", [False, True])
def test_a_redirected_post_is_repeated_with_its_body(status, guarded):
    api = Api("POST", redirect=status)
    assert ids(api, guarded) == ALL
    assert [asked[:2] for asked in api.asked] == [("POST", "/search"), ("POST", "/there")] * 2
    bodies = [asked[2] for asked in api.asked]
    assert bodies[0] == bodies[1]
    assert bodies[2] == bodies[3] == {**bodies[0], "second": 1}


def test_a_post_that_became_a_get_is_a_failure():
    with pytest.raises(SourceError, match="turned its POST into a GET"):
        ids(Api("POST", redirect=303))


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (b"<html>out of order</html>", "no JSON came"),
        (b'{"type": "FeatureCollection", "features": [{"id"', "no JSON came"),
        ({"code": "Error"}, "what came has no features"),
        ([], "what came has no features"),
        (b"5", "what came has no features"),
        (b"null", "what came has no features"),
        ({"collections": []}, "what came has no features"),
        ({"features": [], "links": [{"rel": "next", "href": "/search?second=1"}]}, "repeat"),
        (
            {"features": [], "links": [{"rel": "next", "href": "/x", "body": 5}]},
            "cannot be followed",
        ),
        ({"features": [], "links": [{"rel": "next", "href": "http://[x"}]}, "Expected addresses"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_next_page_that_is_none_is_a_failure(method, second, words):
    with pytest.raises(SourceError, match=words):
        ids(Api(method, second=second))


def test_fewer_items_than_it_tells_of_are_a_failure():
    with pytest.raises(SourceError, match="it tells of 7 features, but only 4 came"):
        ids(Api(matched=7))
    assert ids(Api(matched=4)) == ALL
    assert ids(Api(matched=0)) == ALL


def test_items_that_were_not_asked_for_are_a_failure():
    """As where a proxy forgets the body of a POST, or the query of a GET."""
    other = content("other", "2018-08-01T01:30:00Z", "landsat-c2-l2")
    with pytest.raises(SourceError, match="items of landsat-c2-l2, which were not asked for"):
        ids(Api(items=[*SCENES, other]))
    far = [content(f"far-{n}", "2018-08-01T01:30:00Z", bbox=(50, 50, 51, 51)) for n in range(5)]
    with pytest.raises(SourceError, match="5 of the 9 items that it gives lie elsewhere"):
        ids(Api(items=[*SCENES, *far]))
    assert set(ALL) <= set(ids(Api(items=[*SCENES, *far[:2]])))


def test_items_without_an_id_are_not_taken_for_each_other(caplog):
    nameless = [{key: v for key, v in one.items() if key != "id"} for one in SCENES[2:]]
    assert ids(Api(items=[*SCENES[:2], *nameless])) == ALL[:2]
    assert caplog.text.count("was left out") == 2


def test_a_file_with_one_page_of_a_search_says_so(tmp_path, caplog):
    path = tmp_path / "page.json"
    page = {"type": "FeatureCollection", "features": SCENES, "links": []}
    for more, told in (
        ({}, 0),
        ({"numberMatched": 4}, 0),
        ({"numberMatched": 100}, 1),
        ({"links": [{"rel": "next", "href": "https://example.org/search?page=2"}]}, 1),
    ):
        caplog.clear()
        path.write_text(json.dumps({**page, **more}))
        answer = open_catalog(path, QUICK)(QUERY)
        assert len(answer.items) == 4
        assert sum("a part of what its search found" in note for note in answer.notes) == told
        assert caplog.text.count("a part of what its search found") == told
