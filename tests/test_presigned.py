"""Addresses that a catalogue signed: used as given for reading, and nowhere else."""

import copy
import json
import logging
import pickle
import re
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import cloudpickle
import dask
import pytest

from lscube.catalog import Patience, find_scenes, freeze, sign_href
from lscube.catalog.signing import FRESH
from lscube.catalog.unsigning import Presigned, ends_at, presigned
from lscube.cli import main
from lscube.cube import open_cube
from lscube.cube.opening import read_from
from lscube.cube.reading import Source
from lscube.errors import SourceError
from lscube.events import make_event
from lscube.grid import make_grid, read_area
from lscube.mapping import map_region
from lscube.scan.guard.hooks import GuardedAsk, GuardedSign
from lscube.settings import SourceSettings
from lscube.settings.scan_rules import AllowSettings, LimitSettings
from tests.map_job import CARD, SETTINGS, StandIn
from tests.scenes import EVENT_TIME, inner_area, simple_event

SECRET = "c2VjcmV0LXNpZ25hdHVyZQ"
LATER = datetime.now(UTC) + timedelta(days=1)

KINDS = {
    "S3": "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2Fs3&X-Amz-Date={made}"
    "&X-Amz-Expires=90000&X-Amz-SignedHeaders=host&X-Amz-Signature={secret}",
    "S3 of before": "AWSAccessKeyId=AKIA&Expires={seconds}&Signature={secret}",
    "CloudFront": "Expires={seconds}&Signature={secret}&Key-Pair-Id=K1",
    "CloudFront with a policy": "Policy={secret}&Signature={secret}&Key-Pair-Id=K1",
    "Google": "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=a&X-Goog-Date={made}"
    "&X-Goog-Expires=90000&X-Goog-SignedHeaders=host&X-Goog-Signature={secret}",
    "Azure": "sv=2021-06-08&se={instant}&sr=c&sp=rl&sig={secret}",
    "Alibaba": "OSSAccessKeyId=a&Expires={seconds}&Signature={secret}",
    "a token": "v=2&token={secret}",
}


def signature(kind: str, end: datetime = LATER, secret: str = SECRET) -> str:
    made = end - timedelta(seconds=90000)
    return KINDS[kind].format(
        made=f"{made:%Y%m%dT%H%M%SZ}",
        seconds=round(end.timestamp()),
        instant=f"{end:%Y-%m-%dT%H%%3A%M%%3A%SZ}",
        secret=secret,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Files for who knows the secret, in any of the parameters; gives folder and address."""
    folder = tmp_path_factory.mktemp("signed")
    simple_event(folder)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            values = [value for one in parse_qs(parts.query).values() for value in one]
            path = folder / parts.path.lstrip("/")
            known = any(SECRET in value for value in values)
            content = path.read_bytes() if known and path.is_file() else b""
            found = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            first, last = (int(found[1]), int(found[2] or 1 << 40)) if found else (0, 1 << 40)
            part = content[first : last + 1]
            self.send_response((206 if found else 200) if content else 403 if not known else 404)
            if content and found:
                end = first + len(part) - 1
                self.send_header("Content-Range", f"bytes {first}-{end}/{len(content)}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(part)

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield folder, f"http://127.0.0.1:{running.server_address[1]}"
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


def signed_items(server, query: str, path: Path) -> Path:
    folder, root = server
    content = json.loads((folder / "items.json").read_text())
    for item in content["features"]:
        for asset in item["assets"].values():
            asset["href"] = f"{root}/{asset['href'].removeprefix('./')}?{query}"
        item["links"] = [{"rel": "self", "href": f"{root}/{item['id']}?{query}"}]
    path.write_text(json.dumps(content))
    return path


def scenes_in(path: Path, **settings):
    area, event = read_area(inner_area()), make_event("e", EVENT_TIME)
    return find_scenes(area, event, SourceSettings(catalogs=(path,)), **settings)


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_is_used_as_it_was_given_and_shown_nowhere(
    server, tmp_path, kind, capfd, caplog
):
    caplog.set_level(logging.DEBUG)
    scenes = scenes_in(signed_items(server, signature(kind), tmp_path / "in.json"))
    red = scenes.pre[0].assets["red"].href
    assert red == f"{server[1]}/before/red.tif{'?v=2' if kind == 'a token' else ''}"
    assert sign_href(red) == f"{server[1]}/before/red.tif?{signature(kind)}"
    assert read_from(red, lambda file: file.shape, sign_href) == (120, 150)
    (tmp_path / "in.json").unlink()
    freeze(scenes, tmp_path / "frozen.json")
    logged = [record.getMessage() for record in caplog.records]
    written = (tmp_path / "frozen.json").read_text()
    for text in (
        *logged,
        *capfd.readouterr(),
        written,
        repr(scenes),
        scenes._repr_html_(),
        repr(red),
    ):
        assert SECRET not in text
        assert "AKIA" not in text


def test_nothing_that_commands_write_holds_a_signature(server, tmp_path, capfd, caplog):
    """A search, a cube and a map, with all logs; then a walk through everything they left."""
    caplog.set_level(logging.DEBUG)
    items = signed_items(server, signature("S3"), tmp_path / "in.json")
    out = tmp_path / "out"
    out.mkdir()
    area = ",".join(str(value) for value in inner_area())
    given = ["--source", str(items), "--aoi", area, "--event-time", EVENT_TIME]
    logs = ["--log", "json", "--log-level", "debug", "--metrics", str(out / "lscube.prom")]
    assert main([*logs, "search", *given, "--out", str(out / "scenes.json")]) == 0
    assert main([*logs, "cube", *given, "--out", str(out / "cube.zarr")]) == 0
    scenes = scenes_in(items)
    grid = make_grid(scenes.area, 10.0)
    map_region(scenes, grid, StandIn(CARD, tmp_path), out / "map.zarr", settings=SETTINGS)
    texts = [record.getMessage() for record in caplog.records]
    texts += [*capfd.readouterr()]
    files = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    assert len(files) > 10
    for content in (*files, *(text.encode() for text in texts)):
        assert SECRET.encode() not in content
        assert b"X-Amz-" not in content
        assert b"AKIA" not in content


def test_signatures_travel_with_the_tasks(server, tmp_path):
    scenes = scenes_in(signed_items(server, signature("Google"), tmp_path / "in.json"))
    cube = open_cube(scenes, make_grid(scenes.area, 10.0))
    sent = cloudpickle.loads(cloudpickle.dumps(cube))
    with dask.config.set(scheduler="synchronous"):
        assert float(sent["pre"].mean()) == pytest.approx(0.11, abs=1e-3)


def test_a_run_goes_on_with_fresh_signatures(server, tmp_path):
    """The map knows its items by their unsigned addresses."""
    store = tmp_path / "map.zarr"
    made = []
    for end in (LATER, LATER + timedelta(hours=1)):
        scenes = scenes_in(signed_items(server, signature("S3", end), tmp_path / "in.json"))
        grid = make_grid(scenes.area, 10.0)
        made.append(map_region(scenes, grid, StandIn(CARD, tmp_path), store, settings=SETTINGS))
    assert made[0].attrs == made[1].attrs


def test_what_was_frozen_is_read_with_the_signature_of_the_search_before(server, tmp_path):
    """As a scan does: it maps what it froze a moment ago."""
    query = signature("S3", secret=f"{SECRET}frozen")
    scenes = scenes_in(signed_items(server, query, tmp_path / "in.json"))
    freeze(scenes, tmp_path / "frozen.json")
    again = scenes_in(tmp_path / "frozen.json")
    assert sign_href(again.pre[0].assets["red"].href).endswith(query)


def test_a_scan_uses_signatures_too(server, tmp_path):
    items = signed_items(server, signature("CloudFront"), tmp_path / "in.json")
    allowed = AllowSettings(hosts=(server[1].removeprefix("http://"),))
    scenes = scenes_in(items, ask=GuardedAsk(allowed, LimitSettings()))
    sign = pickle.loads(pickle.dumps(GuardedSign(allowed, LimitSettings())))
    red = scenes.pre[0].assets["red"].href
    assert read_from(red, lambda file: file.shape, sign) == (120, 150)


@pytest.mark.parametrize("kind", ["S3", "S3 of before", "CloudFront", "Google", "Azure"])
def test_a_signature_that_ended_is_told(server, kind):
    ended = signature(kind, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), secret="wrong")
    href = presigned(f"{server[1]}/before/ended.tif?{ended}")
    assert ends_at(sign_href(href)) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    with pytest.raises(SourceError) as refused:
        read_from(href, lambda file: file.shape, sign_href, Patience(attempts=1))
    assert (
        "it is refused (HTTP response code: 403) and its signature ended at 2026-01-02 03:04:05"
        in (str(refused.value))
    )
    assert "wrong" not in str(refused.value)


def test_a_catalogue_whose_own_signature_ended_says_so(server):
    query = signature("S3", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), secret="wrong")
    with pytest.raises(SourceError, match="HTTP 403, its signature ended at 2026-01-02") as refused:
        find_scenes(
            read_area(inner_area()),
            make_event("e", EVENT_TIME),
            SourceSettings(catalogs=(f"{server[1]}/items.json?{query}",)),
        )
    assert "wrong" not in str(refused.value)


@pytest.mark.parametrize(
    "query", ["", "?v=2", "?Expires=soon&Signature=a", "?se=x&sig=a", "?X-Amz-Date=a"]
)
def test_what_does_not_say_when_it_ends(query):
    assert ends_at(f"https://example.org/a.tif{query}") is None


def test_the_planetary_computers_own_signatures_are_renewed(monkeypatch):
    """A token of its own lives for less than an hour: one that ends soon is asked for anew."""
    monkeypatch.setattr("lscube.catalog.signing._azure_token", lambda *_: "sig=fresh")
    address = "https://account.blob.core.windows.net/container/a.tif"
    now = datetime.now(UTC)
    valid = f"{address}?{signature('Azure', now + timedelta(seconds=3 * FRESH))}"
    assert sign_href(presigned(valid)) == valid
    stale = f"{address}?{signature('Azure', now + timedelta(seconds=FRESH / 2))}"
    assert sign_href(presigned(stale)) == f"{address}?sig=fresh"


def test_an_address_remembers_through_copies_and_pickles():
    href = Presigned(f"https://example.org/a.tif?sig={SECRET}")
    for same in (
        copy.deepcopy(href),
        pickle.loads(pickle.dumps(href)),
        Source(href, 1, (0, 0, 1, 1)).href,
    ):
        assert isinstance(same, Presigned)
        assert same.given == href.given
    assert json.dumps([href]) == '["https://example.org/a.tif"]'
    assert f"{href}" == str(href) == "https://example.org/a.tif"
    assert {href: 1}["https://example.org/a.tif"] == 1
