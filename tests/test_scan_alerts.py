"""Messages: what an officer reads, a webhook that fails first, a feed that readers open."""

import json
import re
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lscube.errors import SettingsError
from lscube.scan.alerts.feed import ATOM, MOST, write_feed
from lscube.scan.alerts.message import map_alert, withdrawal
from lscube.scan.alerts.webhook import DeliveryError, Webhook, encode, sign, verify
from lscube.scan.outside import webhook_of
from lscube.scan.record import Alert, EventRecord, Version, from_json, to_json
from lscube.scan.running import scan_once
from tests.answers import answering, content
from tests.scanning import (
    DAY,
    EVENT,
    Catalogue,
    Clock,
    Feed,
    hazard,
    record_of,
    world_of,
    write_event,
)
from tests.scanning import settings_of as settings_in
from tests.servers.quiet import QuietServer

SECRET = b"between the two of us"
NOW = datetime(2018, 10, 5, tzinfo=UTC)

SUMMARY = {
    "landslides": 1234,
    "area_m2": 5.6e6,
    "most_area_m2": 9.1e6,
    "inside_m2": 250e6,
    "observed_m2": 200e6,
    "observed_share": 0.8,
    "calibrated": True,
    "settings": {"threshold": 0.6},
}


def version(number: int = 1, **changes) -> Version:
    plain = Version(number, NOW, ("a", "b"), 0.8, "area", "settings", "run", summary=SUMMARY)
    return replace(plain, **changes)


def settings_of(tmp_path: Path, **alerts):
    return settings_in(tmp_path, tmp_path / "scan", tmp_path / "items.json", alerts=alerts)


def test_an_officer_reads_where_how_many_how_large_what_was_not_seen_how_sure(tmp_path):
    settings = settings_of(tmp_path, link="https://maps.example/scan/")
    alert = map_alert(EventRecord(hazard(), EVENT), version(), settings)
    assert alert.text.splitlines() == [
        "M 6.6 - Test Island (2018-09-05 18:07 UTC), 42.69 N, 141.93 E.",
        "1,234 landslides were found, together 5.6 km2.",
        "20 % of the 250 km2 looked at was not seen (cloud, shadow, no image): nothing is known there; "
        "landslides could come to as much as 9.1 km2.",
        "Made by a computer from calibrated probabilities above 0.6; not checked by a person, and other "
        "changes since the event (harvest, rivers, snow) can look like landslides.",
        "Report: https://maps.example/scan/events/usgs-us1/versions/0001/summary.json",
    ]
    assert alert.body["text"] == alert.text
    assert alert.body["numbers"]["most_area_m2"] == 9.1e6


def test_none_found_is_not_none_there(tmp_path):
    summary = {**SUMMARY, "landslides": 0, "area_m2": 0.0}
    text = map_alert(
        EventRecord(hazard(), EVENT), version(summary=summary), settings_of(tmp_path)
    ).text
    assert "No landslide was found in what was seen." in text
    assert "could come to as much as 9.1 km2" in text


def test_a_later_version_says_what_changed_and_what_could_not_be_read(tmp_path):
    first = version(summary={**SUMMARY, "landslides": 1000, "observed_share": 0.5})
    record = EventRecord(hazard(), EVENT, versions=(first,))
    text = map_alert(record, version(2, lost=("S2A_1",)), settings_of(tmp_path)).text
    assert "Version 1 had 1,000 landslides; +30.0 % of the area are seen since." in text
    assert "Could not be read, and will be tried again: S2A_1." in text
    all_seen = version(summary={**SUMMARY, "observed_share": 1.0})
    text = map_alert(EventRecord(hazard(), EVENT), all_seen, settings_of(tmp_path)).text
    assert "All of the 250 km2 looked at was seen." in text


def test_a_withdrawal_says_that_the_maps_stay():
    alert = withdrawal(EventRecord(hazard(), EVENT, versions=(version(),)))
    assert "took the event usgs-us1 back" in alert.text


# The webhook


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        status = self.server.answers.pop(0) if self.server.answers else 204
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def receiver(*answers: int):
    """A server that answers with these statuses, then takes all; gives address and what it got."""
    server = QuietServer(("127.0.0.1", 0), Receiver)
    server.got, server.answers = [], list(answers)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook?key=hidden", server.got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """A scan that has mapped an event and told nobody."""
    folder = write_event(tmp_path_factory.mktemp("event"))
    scan = tmp_path_factory.mktemp("scan")
    catalogue = Catalogue(folder)
    catalogue.arrive("after-1")
    clock = Clock()
    world = world_of(folder, scan, catalogue, Feed(), clock)
    assert scan_once(world).versions == 1
    return world


def untold(mapped, **given):
    """The scan as it was before anybody was told."""
    record, mark = record_of(mapped), mapped.state.read("usgs-us1").mark
    alerts = tuple(replace(alert, delivered=False) for alert in record.alerts)
    mapped.state.write(replace(record, alerts=alerts), mark)
    return replace(mapped, **given)


def test_a_message_is_posted_again_until_it_is_taken(mapped):
    pauses = []
    with receiver(503, 500) as (address, got):
        world = untold(mapped, post=Webhook(address, 5), secret=SECRET, sleep=pauses.append)
        assert scan_once(world).failures == ()
        assert pauses == [1.0, 2.0]
        assert [headers["X-Lscube-Delivery"] for headers, _ in got] == ["usgs-us1-v1"] * 3
        scan_once(world)
        assert len(got) == 3
    headers, body = got[-1]
    assert verify(headers["X-Lscube-Signature"], body, SECRET, world.clock())
    content = json.loads(body)
    assert (content["id"], content["type"], content["version"]) == ("usgs-us1-v1", "map", 1)
    assert content["links"]["inventory"] == "events/usgs-us1/versions/0001/landslides.geojson"


def test_what_is_not_taken_in_one_pass_is_kept_for_the_next(mapped, caplog):
    with receiver(*[500] * 3) as (address, got):
        # The path of a Slack webhook, say, is all that is needed to post there.
        post = Webhook(f"{address.partition('?')[0].rstrip('/')}/T0/B0/hidden", 5)
        world = untold(mapped, post=post, secret=SECRET)
        (failure,) = scan_once(world).failures
        assert re.search(r"the webhook at http://127\.0\.0\.1:\d+ to take a message", failure)
        assert "HTTP 500" in failure
        assert not record_of(world).alerts[0].delivered
        assert scan_once(world).failures == ()
        assert record_of(world).alerts[0].delivered
        assert len(got) == 4
    said = caplog.text + failure
    assert "hidden" not in said
    assert SECRET.decode() not in said


def test_a_webhook_that_is_away_or_sends_elsewhere_is_named(mapped):
    with receiver(302) as (address, got):
        with pytest.raises(DeliveryError, match="HTTP 302"):
            Webhook(address, 5)(b"{}", {})
        assert len(got) == 1
    with pytest.raises(DeliveryError, match="ConnectionError"):
        Webhook(address, 5)(b"{}", {})


def test_a_webhooks_path_is_a_secret_and_the_environment_is_not_used(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with receiver(204, 500) as (address, got):
        address = address.replace("//", "//me:word@").replace("/hook", "/services/T0/B0/XYZ")
        Webhook(address.replace("me:word@", ""), 5)(b"{}", {})
        assert "Authorization" not in got[0][0]
        with pytest.raises(DeliveryError) as caught:
            Webhook(address, 5)(b"{}", {})
    for secret in ("XYZ", "T0", "word", "hidden"):
        assert secret not in str(caught.value)
    assert "http://127.0.0.1:" in str(caught.value)


def test_a_webhook_goes_through_the_proxy_unless_its_host_is_ones_own(tmp_path):
    asked = []
    with answering() as server:
        server.replies["http://hook.example/a"] = content(b"taken")
        Webhook("http://hook.example/a", 5, server.at(""))(b"{}", {})
        asked += server.asked
    assert asked == ["http://hook.example/a"]
    allow = {"proxy": "http://10.0.0.1:3128", "hosts": ["hook.lan"]}
    for address, proxy in (
        ("https://hook.example/a", allow["proxy"]),
        ("https://hook.lan/a", None),
    ):
        settings = settings_in(
            tmp_path, tmp_path / "scan", tmp_path / "items.json", allow=allow,
            alerts={"webhook": address, "secret": "HOOK"},
        )  # fmt: skip
        assert webhook_of(settings, {"HOOK": "s"})[0].proxy == proxy


def test_a_webhook_that_drips_does_not_hold_the_scan():
    def drip(handler):
        handler.close_connection = True
        try:
            handler.wfile.write(b"HTTP/1.1 204 No Content\r\nX-A: ")
            for _ in range(100):
                handler.wfile.write(b"x")
                time.sleep(0.05)
        except OSError:
            pass

    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000000")
        handler.end_headers()
        handler.wfile.write(b"ok")
        handler.close_connection = True

    with answering() as server:
        server.replies |= {"/drip": drip, "/endless": endless}
        begun = time.monotonic()
        with pytest.raises(DeliveryError, match="takes too long"):
            Webhook(server.at("/drip"), 0.3)(b"", {})
        Webhook(server.at("/endless"), 5)(b"", {})  # only the status is waited for
        assert time.monotonic() - begun < 3


@pytest.mark.parametrize("time", ["9" * 400, "-" + "9" * 400, "9" * 5000, "1e9", ""])
def test_no_time_that_no_clock_has_is_taken(time):
    assert not verify(f"t={time},v1=00", b"body", SECRET, NOW)


@given(body=st.binary(), secret=st.binary(min_size=1), late=st.integers(0, 300))
def test_a_signature_is_of_this_body_this_secret_and_this_time(body, secret, late):
    header = sign(body, secret, NOW)
    assert verify(header, body, secret, NOW + timedelta(seconds=late))
    assert not verify(header, body + b" ", secret, NOW)
    assert not verify(header, body, secret + b"x", NOW)
    assert not verify(header, body, secret, NOW + timedelta(seconds=301))
    later = header.replace(f"t={int(NOW.timestamp())}", f"t={int(NOW.timestamp()) + 1}")
    assert not verify(later, body, secret, NOW)


@given(st.text())
def test_any_other_header_is_no_signature(header):
    assert not verify(header, b"body", SECRET, NOW)


def test_the_signature_is_hmac_of_time_stop_and_body():
    """As `printf '1538697600.{}' | openssl dgst -sha256 -hmac 'key'` gives it."""
    digest = "9657220d32584977e436232abd051411a5d7fe0a7bcdb800d163a571011147f4"
    assert sign(b"{}", b"key", NOW) == f"t=1538697600,v1={digest}"


def test_the_secret_comes_from_the_environment_by_name(tmp_path):
    settings = settings_of(tmp_path, webhook="https://hook.example", secret="HOOK")
    assert webhook_of(settings, {"HOOK": "s"})[1] == b"s"
    with pytest.raises(SettingsError, match="environment variable HOOK, found none"):
        webhook_of(settings, {})
    assert webhook_of(settings_of(tmp_path), {}) == (None, None)


# The feed


def test_the_feed_has_each_message_with_its_links(mapped):
    scan_once(mapped)
    root = ElementTree.parse(mapped.home.scratch / "feed.xml").getroot()
    names = {"a": ATOM, "g": "http://www.georss.org/georss"}
    (entry,) = root.findall("a:entry", names)
    assert entry.findtext("a:id", None, names) == "urn:lscube:scan:usgs-us1-v1"
    assert entry.findtext("a:summary", None, names) == record_of(mapped).alerts[0].text
    assert entry.findtext("g:point", None, names) == "42.6900 141.9300"
    links = {link.get("title"): link.get("href") for link in entry.findall("a:link", names)}
    assert links["summary"] == "events/usgs-us1/versions/0001/summary.json"


@given(title=st.text(max_size=50), text=st.text(max_size=50))
def test_any_words_make_a_feed_that_can_be_parsed(tmp_path_factory, title, text):
    path = tmp_path_factory.getbasetemp() / "feed.xml"
    alert = Alert("id", NOW, title, text, {"links": {}})
    write_feed(path, [EventRecord(hazard(), EVENT, alerts=(alert,))])
    assert len(ElementTree.parse(path).getroot().findall(f"{{{ATOM}}}entry")) == 1


def test_the_feed_has_the_latest_messages_first(tmp_path):
    alerts = tuple(Alert(f"{n:04d}", NOW + n * DAY, "t", "t", {}) for n in range(MOST + 5))
    write_feed(tmp_path / "feed.xml", [EventRecord(hazard(), EVENT, alerts=alerts)])
    found = [one.text for one in ElementTree.parse(tmp_path / "feed.xml").iter(f"{{{ATOM}}}id")]
    assert found[1].endswith(alerts[-1].id)
    assert len(found) == MOST + 1
    write_feed(tmp_path / "feed.xml", [])


def test_a_message_is_the_same_after_it_was_stored(tmp_path):
    alert = map_alert(EventRecord(hazard(), EVENT), version(), settings_of(tmp_path))
    record = EventRecord(hazard(), EVENT, alerts=(alert,))
    assert encode(from_json(to_json(record), "memory").alerts[0]) == encode(alert)
