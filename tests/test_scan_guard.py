"""What comes from outside is checked before it is used."""

import gzip
import json
import pickle
import re
import shutil
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pystac
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from shapely.geometry import box, mapping

from lscube.catalog import Answer, Patience, Query, open_catalog
from lscube.catalog.web import FetchError
from lscube.cube.opening import read_from
from lscube.errors import ModelError, RefusedError, SourceError
from lscube.jobs import scenes_of
from lscube.learn.bundle import NETWORK, digest
from lscube.scan.guard import (
    GuardedAsk,
    GuardedSessions,
    GuardedSign,
    addresses_of,
    allowing_catalogs,
    check_address,
    check_items,
    check_model,
    clean_text,
    guarded_fetch,
    guarded_outside,
    parse_json,
    parse_xml,
)
from lscube.settings import SourceSettings, make_job
from lscube.settings.scan_rules import AllowedModel, AllowSettings, LimitSettings
from tests.answers import answering, content, redirect
from tests.scenes import EVENT_TIME, inner_area, simple_event

NOTHING = AllowSettings()
LIMITS = LimitSettings()
HASTY = Patience(attempts=2, timeout=5.0, wait=0.001)


@pytest.fixture
def server():
    with answering() as answers:
        yield answers


def allowing(server, **more):
    return AllowSettings(hosts=(server.host,), **more)


# Addresses


@pytest.mark.parametrize(
    "href",
    [
        "https://earthquake.usgs.gov/fdsnws/event/1/query?format=geojson&limit=1",
        "https://EARTH-search.aws.element84.com/v1",
        "http://8.8.8.8/scene.tif",
        "https://[2606:4700:4700::1111]/scene.tif",
        "https://x.blob.core.windows.net/c/b.tif?st=2026&sig=a%2Fb%3D",
        "s3://eodata/Sentinel-2/a..b/c.jp2",
        "gs://bucket-1/a.tif",
        "abfs://container/a.tif",
        "abfs://container@account.dfs.core.windows.net/a.tif",
    ],
)
def test_public_addresses_pass(href):
    check_address(href, NOTHING)


REFUSED = [
    # This machine and its networks.
    *("http://127.0.0.1/", "http://127.8.9.1/", "http://localhost/", "http://a.localhost/"),
    *("http://0.0.0.0/", "http://[::1]/", "http://[::]/", "http://10.0.0.1/", "http://172.16.0.1/"),
    *("http://192.168.1.1/", "http://169.254.169.254/latest/meta-data/", "http://100.64.0.1/"),
    *("http://100.100.100.200/", "http://168.63.129.16/", "http://192.0.0.192/"),
    *("http://224.0.0.1/", "http://255.255.255.255/", "http://240.0.0.1/", "http://198.18.0.1/"),
    *(
        "http://[fe80::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[fd00:ec2::254]/",
        "http://[ff02::1]/",
    ),
    *(
        "http://metadata.google.internal/",
        "http://printer.local/",
        "http://intranet/",
        "http://x.lan/",
    ),
    # IPv4 within IPv6: mapped, compatible, 6to4, Teredo, NAT64.
    *("http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/"),
    *("http://[2002:7f00:1::]/", "http://[2001:0:1::80ff:fffe]/", "http://[64:ff9b::7f00:1]/"),
    # Spelled otherwise.
    *("http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0177.0.0.1/"),
    *("http://127.1/", "http://127.0.1/", "http://127.0.0.1./", "http://localhost./"),
    *("http://①②⑦.⓪.⓪.①/", "http://１２７.0.0.1/", "http://127。0。0。1/", "http://%6cocalhost/"),
    *(
        "http://127.0.0.1.0x1/",
        "http://example.1/",
        "http:///etc/passwd",
        "http://[::1",
        "http://[x]/",
    ),
    # Credentials, ports, confusing parts.
    *("http://user:secret@example.org/", "http://example.org@127.0.0.1/", "https://a@example.org/"),
    *("https://example.org:22/", "http://example.org:8080/", "http://example.org:99999/"),
    *("http://example.org\\@127.0.0.1/", "http://example.org /", "http://exa\tmple.org/"),
    *("http://example.org/\r\nHost: x", "http://example.org/\x00", "http://example.org/<a>"),
    *("https:example.org/a", "https:/example.org/a", "//example.org/a", "https//example.org"),
    # Files of this machine.
    *(
        "/etc/passwd",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "file:/etc/passwd",
        "file://host/x",
    ),
    *("../../etc/passwd", "./scene.tif", "scene.tif", "~/x.tif", "C:\\x.tif", "C:/x.tif", ""),
    *(
        "https://example.org/a/../b",
        "https://example.org/%2e%2e/b",
        "https://example.org/%252e%252E/b",
    ),
    *("https://example.org/a#/../b", "s3://bucket#@x/../y", "s3://bucket/a?x/../y"),
    *("s3://bucket/../x", "https://example.org/%25252525252e%25252525252e/x"),
    # GDAL's own ways.
    *("/vsicurl/http://example.org/x", "/vsizip/x.zip/y.tif", "/vsimem/x", "vsicurl/x"),
    *("zip+https://example.org/x.zip!a.tif", "zip://x.zip!a.tif", "tar+file:///x", "gzip+s3://a/b"),
    *("GTIFF_DIR:1:/etc/passwd", "NETCDF:x.nc:v", "vrt:///x.tif", "<VRTDataset/>", "HDF5:x://y"),
    *("ftp://example.org/x", "data:text/plain,x", "javascript:alert(1)", "gopher://example.org/"),
    *(
        "s3:///key",
        "s3://a@bucket/key",
        "s3://../key",
        "s3://b/\x00",
        "gs://x y/z",
        "az://bucket/key",
    ),
    "https://example.org/" + "a" * 5000,
]


@pytest.mark.parametrize("href", REFUSED)
def test_other_addresses_are_refused(href):
    with pytest.raises(RefusedError):
        check_address(href, NOTHING)


def test_files_are_allowed_below_folders_and_never_from_elsewhere(tmp_path):
    inside = tmp_path / "scenes" / "a.tif"
    inside.parent.mkdir()
    inside.touch()
    (tmp_path / "secret").touch()
    (inside.parent / "link.tif").symlink_to(tmp_path / "secret")
    allowed = AllowSettings(folders=(inside.parent,))
    check_address(str(inside), allowed, remote=False)
    check_address(inside.as_uri(), allowed, remote=False)
    for href in (
        *(str(tmp_path / "secret"), str(inside.parent / "link.tif")),
        *(f"{inside.parent}/../secret", f"file://{inside.parent}/%2e%2e/secret"),
        *("a.tif", f"/vsizip/{inside}", f"/{inside}", f"{inside.parent}2/a.tif"),
    ):
        with pytest.raises(RefusedError):
            check_address(href, allowed, remote=False)
    with pytest.raises(RefusedError, match="cannot come from elsewhere"):
        check_address(str(inside), allowed)


def test_hosts_networks_and_buckets_can_be_allowed_and_narrowed():
    own = AllowSettings(
        hosts=("stac.lan", "10.1.0.0/16", "127.0.0.1:8080", "*.example.lan", "[::1]:81")
    )
    for href in (
        *(
            "http://stac.lan/",
            "http://10.1.2.3/",
            "http://127.0.0.1:8080/",
            "http://a.example.lan/",
        ),
        "http://[::1]:81/",
    ):
        check_address(href, own)
    for href in (
        *("http://stac.lan:8080/", "http://10.2.0.1/", "http://127.0.0.1/", "http://127.0.0.1:81/"),
        *("http://example.lan/", "http://[::1]/", "http://10.1.2.3:22/"),
    ):
        with pytest.raises(RefusedError):
            check_address(href, own)
    narrow = AllowSettings(only_hosts=("*.usgs.gov",), only_buckets=("eodata",))
    check_address("https://earthquake.usgs.gov/", narrow)
    check_address("s3://eodata/a", narrow)
    for href in ("https://usgs.gov.example.org/", "https://example.org/", "s3://other/a"):
        with pytest.raises(RefusedError, match="only_"):
            check_address(href, narrow)


@pytest.mark.parametrize("host", ["http://x", "a b", "127.0.0.1:x", "10.0.0.1/8", "", "*", "a..b/"])
def test_a_host_that_is_none_is_refused_as_setting(host):
    with pytest.raises(ValueError, match="host"):
        AllowSettings(hosts=(host,))


def test_one_private_answer_among_public_ones_refuses_a_name():
    def resolve(host, port):
        return ("8.8.8.8", "10.0.0.7")

    with pytest.raises(RefusedError, match="no public address"):
        addresses_of("example.org", 443, NOTHING, resolve)
    allowed = AllowSettings(hosts=("10.0.0.0/8",))
    assert addresses_of("example.org", 443, allowed, resolve) == ("8.8.8.8", "10.0.0.7")
    with pytest.raises(RefusedError):
        addresses_of("example.org", 443, NOTHING, lambda host, port: ("::ffff:10.0.0.7",))
    with pytest.raises(OSError, match="no address"):
        addresses_of("example.org", 443, NOTHING, lambda host, port: ())


# Fetching


def test_a_document_is_fetched_and_redirects_are_followed(server):
    server.replies |= {
        "/a": redirect("/b"),
        "/b": redirect(server.at("/c")),
        "/c": content(b"here"),
    }
    fetch = guarded_fetch(allowing(server), LIMITS)
    assert fetch(server.at("/a")) == b"here"
    assert server.asked == ["/a", "/b", "/c"]


@pytest.mark.parametrize(
    "target",
    [
        "http://localhost:{port}/secret",
        "http://127.0.0.2:{port}/secret",
        "http://[::ffff:127.0.0.1]:{port}/secret",
        "http://2130706433:{port}/secret",
        "http://a:b@127.0.0.1:{port}/secret",
        "file:///etc/passwd",
        "ftp://127.0.0.1/secret",
    ],
)
@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_inwards_is_refused_before_it_is_followed(server, target, status):
    there = target.format(port=server.port)
    server.replies |= {"/a": redirect(there, status), "/secret": content(b"secret")}
    with pytest.raises(SourceError):
        guarded_fetch(allowing(server), LIMITS, patience=HASTY)(server.at("/a"))
    with pytest.raises(RefusedError):
        GuardedSign(allowing(server), LIMITS, patience=HASTY)(server.at("/a"))
    assert "/secret" not in server.asked


def test_a_name_that_leads_inwards_gets_no_connection(server):
    server.replies["/"] = content(b"inside")
    for address in ("127.0.0.1", "::1", "10.0.0.1", "::ffff:127.0.0.1"):
        fetch = guarded_fetch(NOTHING, LIMITS, lambda host, port: (address,), HASTY)  # noqa: B023
        with pytest.raises(RefusedError, match="no public address"):
            fetch("http://example.org/")
    assert server.asked == []


def test_a_name_is_resolved_once_and_the_connection_goes_there(server):
    """A name that leads elsewhere the next time is not asked a next time."""
    server.replies["/"] = content(b"inside")
    allowed = AllowSettings(hosts=(f"stac.example.org:{server.port}",))
    answers = [("127.0.0.1",)]
    fetch = guarded_fetch(allowed, LIMITS, lambda host, port: answers.pop(), HASTY)
    assert fetch(server.at("/", "stac.example.org")) == b"inside"
    assert answers == []


def test_the_next_address_is_tried_and_none_is_said(server):
    server.replies["/"] = content(b"inside")
    allowed = AllowSettings(hosts=(f"stac.example.org:{server.port}",))
    several = ("127.0.0.250", "127.0.0.1")
    fetch = guarded_fetch(allowed, LIMITS, lambda host, port: several, HASTY)
    assert fetch(server.at("/", "stac.example.org")) == b"inside"

    def unknown(host, port):
        raise socket.gaierror("Name or service not known")

    with pytest.raises(FetchError, match="not known"):
        guarded_fetch(NOTHING, LIMITS, unknown, HASTY)("https://example.org/")


def test_certificates_are_checked_against_the_name(tmp_path, monkeypatch):
    certificate = self_signed(tmp_path, "stac.example.org")
    with answering(certificate) as server:
        server.replies["/"] = content(b"inside")
        names = ("stac.example.org", "other.example.org")
        allowed = AllowSettings(hosts=tuple(f"{name}:{server.port}" for name in names))
        fetch = guarded_fetch(allowed, LIMITS, lambda host, port: ("127.0.0.1",), HASTY)
        good, other = (f"https://{name}:{server.port}/" for name in names)
        with pytest.raises(FetchError, match="certificate"):
            fetch(good)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert fetch(good) == b"inside"
        with pytest.raises(FetchError):
            fetch(other)


def self_signed(folder, name):
    """A certificate with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    owner = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(owner)
        .issuer_name(owner)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "certificate.pem"
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


def test_the_environments_proxies_and_passwords_are_not_used(server, monkeypatch, tmp_path):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    sent = []

    def reply(handler):
        sent.append(handler.headers.get("Authorization"))
        content(b"here")(handler)

    server.replies["/"] = reply
    assert guarded_fetch(allowing(server), LIMITS)(server.at("/")) == b"here"
    assert sent == [None]


def test_a_proxy_that_is_allowed_is_used_for_all_but_own_hosts(server):
    server.replies |= {"http://example.org/a": content(b"by proxy"), "/own": content(b"direct")}
    allowed = allowing(server, proxy=server.at(""))
    fetch = guarded_fetch(allowed, LIMITS, lambda host, port: pytest.fail("not resolved"), HASTY)
    assert fetch("http://example.org/a") == b"by proxy"
    assert fetch(server.at("/own")) == b"direct"
    with pytest.raises(RefusedError):
        fetch("http://169.254.169.254/")
    assert server.asked == ["http://example.org/a", "/own"]


def test_too_large_too_many_and_missing(server):
    bomb = gzip.compress(bytes(1_000_000))
    server.replies |= {
        "/large": content(bytes(2000)),
        "/bomb": content(bomb, Content_Encoding="gzip"),
        "/round": redirect("/round"),
    }
    fetch = guarded_fetch(allowing(server), LimitSettings(feed_bytes=1500), patience=HASTY)
    for path in ("/large", "/bomb"):
        with pytest.raises(RefusedError, match="more than 1,500 bytes"):
            fetch(server.at(path))
    assert len(bomb) < 1500
    with pytest.raises(FetchError, match="redirects"):
        fetch(server.at("/round"))
    with pytest.raises(FetchError, match="HTTP 404") as caught:
        fetch(server.at("/missing"))
    assert caught.value.status == 404


def test_an_answer_that_trickles_is_cut_off(server):
    def trickle(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        try:
            for _ in range(200):
                handler.wfile.write(b"x" * 5000)
                handler.wfile.flush()
                time.sleep(0.02)
        except OSError:
            pass

    server.replies["/"] = trickle
    fetch = guarded_fetch(allowing(server), LimitSettings(seconds=0.1), patience=HASTY)
    with pytest.raises(RefusedError, match=r"more than 0.1 s"):
        fetch(server.at("/"))


def dripping(first: bytes):
    """Sends `first`, then a byte now and then, and never ends."""

    def drip(handler):
        handler.close_connection = True
        try:
            handler.wfile.write(first)
            for _ in range(100):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass

    return drip


@pytest.mark.parametrize(
    "first",
    [
        *(b"H", b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\n\r\n"),
        *(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 5000\r\n\r\n",
        ),
    ],
)
def test_a_byte_now_and_then_does_not_hold_the_scan(server, first):
    """In the status, the headers, a body of any kind: less than one part that is read at once."""
    server.replies["/"] = dripping(first)
    allowed, limits = allowing(server), LimitSettings(seconds=0.3)
    begun = time.monotonic()
    with pytest.raises(RefusedError, match=r"more than 0.3 s"):
        guarded_fetch(allowed, limits, patience=HASTY)(server.at("/"))
    by_proxy = AllowSettings(proxy=server.at(""))
    server.replies["http://example.org/"] = dripping(first)
    with pytest.raises(RefusedError, match=r"more than 0.3 s"):
        guarded_fetch(by_proxy, limits, patience=HASTY)("http://example.org/")
    assert time.monotonic() - begun < 3


def test_tls_and_connections_that_are_used_again_end_in_time_too(tmp_path, monkeypatch):
    certificate = self_signed(tmp_path, "stac.example.org")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with answering(certificate) as server:
        server.replies |= {"/": dripping(b"HTTP/1.1 200 OK\r\n\r\n"), "/a": content(b"here")}
        allowed = AllowSettings(hosts=(f"stac.example.org:{server.port}",))
        limits = LimitSettings(seconds=1.0)
        sessions = GuardedSessions(allowed, limits, 99, lambda host, port: ("127.0.0.1",))
        with sessions() as session:
            for _ in range(2):
                assert session.get(f"https://stac.example.org:{server.port}/a").content == b"here"
            with pytest.raises(RefusedError, match="more than 1 s"):
                session.get(f"https://stac.example.org:{server.port}/")


@pytest.mark.parametrize("whole", [b"", gzip.compress(bytes(200_000), 0)])
def test_a_redirect_that_cannot_be_unpacked_is_bounded_too(server, whole):
    """requests reads such a body as it is, all of it."""
    body = whole[:150_000] + b"\xff" * 500_000
    server.replies |= {
        "/a": content(body, 302, Location="/b", Content_Encoding="gzip"),
        "/b": content(b"here"),
    }
    fetch = guarded_fetch(allowing(server), LimitSettings(feed_bytes=400_000), patience=HASTY)
    with pytest.raises(RefusedError, match=r"400,000 bytes|unpacked"):
        fetch(server.at("/a"))
    assert server.asked == ["/a"]


def test_all_pages_together_are_bounded(server):
    def page(handler):
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        number = int(re.search(r"page=(\d+)", handler.path)[1])
        item = {**item_with().to_dict(), "id": f"scene-{number}"}
        following = {"rel": "next", "href": server.at(f"/search?page={number + 1}")}
        found = {"type": "FeatureCollection", "features": [item], "links": [following]}
        content(json.dumps(found).encode())(handler)

    links = [{"rel": "search", "href": server.at("/search?page=0"), "type": "application/geo+json"}]
    conforms = [
        "https://api.stacspec.org/v1.0.0/core",
        "https://api.stacspec.org/v1.0.0/item-search",
    ]
    landing = {
        **{"type": "Catalog", "id": "x", "stac_version": "1.0.0", "description": "x"},
        **{"links": links, "conformsTo": conforms},
    }
    server.replies |= {"/": content(json.dumps(landing).encode()), "/search": page}
    for limits, message in (
        (LimitSettings(items=5), "more than 5 pages"),
        (LimitSettings(search_bytes=5000), "more than 5,000 bytes"),
    ):
        server.asked.clear()
        ask = GuardedAsk(allowing(server), limits)
        with pytest.raises(SourceError, match=message):
            ask(server.at("/"), HASTY)(replace(QUERY, known=True))
        assert 3 < len(server.asked) < 20


# Documents


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "[1, NaN]", "[Infinity]", '{"a": 1e999}', "\xff", "1" * 5000, "[" * 100_000),
        "[" * 60 + "]" * 60,
    ],
)
def test_json_that_is_none_or_boundless(text):
    with pytest.raises(SourceError):
        parse_json(text.encode("latin-1"), "https://example.org/", LIMITS)


def test_json_is_bounded_by_bytes_and_values():
    assert parse_json(b'\xef\xbb\xbf{"a": [1, 2]}', "here", LIMITS) == {"a": [1, 2]}
    with pytest.raises(RefusedError, match="bytes"):
        parse_json(b"[1, 2, 3]", "here", LimitSettings(feed_bytes=5))
    with pytest.raises(RefusedError, match="values"):
        parse_json(b"[1, 2, 3]", "here", LimitSettings(values=3))


LAUGHS = (
    """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><r>&b;</r>"""
)
READS = """<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>"""


@pytest.mark.parametrize(
    "text", [LAUGHS, READS, '<!DOCTYPE r SYSTEM "http://127.0.0.1/x.dtd"><r/>']
)
def test_xml_with_entities_is_refused(text):
    with pytest.raises(SourceError, match="document type"):
        parse_xml(text.encode(), "here", LIMITS)


@pytest.mark.parametrize(
    "content",
    [b"", b"<r>", b"<r>\x00</r>", b'<?xml version="1.0" encoding="nope"?><r/>', b"\xff<r/>"],
)
def test_xml_that_is_none(content):
    with pytest.raises(SourceError):
        parse_xml(content, "here", LIMITS)


def test_xml_is_bounded():
    assert parse_xml(b"<r><a/></r>", "here", LIMITS).tag == "r"
    with pytest.raises(RefusedError, match="deep"):
        parse_xml(b"<a>" * 500 + b"</a>" * 500, "here", LIMITS)
    with pytest.raises(RefusedError, match="elements"):
        parse_xml(b"<r><a/><a/></r>", "here", LimitSettings(values=2))


def test_text_of_a_feed_is_one_plain_line():
    told = "M 6.6\n\x1b[31m - <b>Chitose</b>\u202e\ud800\x00\u2028 Japan"
    assert clean_text(told) == "M 6.6 [31m - <b>Chitose</b> Japan"
    assert clean_text("x" * 300) == "x" * 199 + "…"
    assert clean_text(None) == ""


# Items


def item_with(**hrefs):
    there = box(141, 42, 142, 43)
    when = datetime(2018, 9, 10, tzinfo=UTC)
    item = pystac.Item("scene", mapping(there), list(there.bounds), when, {})
    for key, href in hrefs.items():
        item.add_asset(key, pystac.Asset(href))
    return item


def test_assets_that_are_not_allowed_are_left_out_and_named():
    item = item_with(red="https://example.org/red.tif", blue="file:///etc/passwd", scl="/vsimem/x")
    item.add_link(pystac.Link("via", "/etc/passwd"))
    item.add_link(pystac.Link("self", "https://example.org/scene.json"))
    (kept,), notes = check_items([item], NOTHING, LIMITS)
    assert set(kept.assets) == {"red"}
    assert [link.rel for link in kept.links] == ["self"]
    assert len(notes) == 2
    assert "asset blue was left out" in notes[0]
    assert set(item.assets) == {"red", "blue", "scl"}, "the item itself stays as it is"


@pytest.mark.parametrize(
    ("change", "limits"),
    [
        ({"title": "x" * 101}, LimitSettings(text=100)),
        ({"x" * 101: 1}, LimitSettings(text=100)),
        ({"deep": [[[[[[[[[[1]]]]]]]]]]}, LimitSettings(depth=8)),
        ({"many": list(range(1000))}, LimitSettings(values=500)),
        ({}, LimitSettings(vertices=4)),
        ({}, LimitSettings(assets=1)),
        ({"cloud": float("nan")}, LIMITS),
    ],
)
def test_an_item_of_unusual_size_is_left_out_and_others_are_kept(change, limits):
    large = item_with(red="https://example.org/r.tif", blue="https://example.org/b.tif")
    large.properties.update(change)
    small = item_with()
    small.geometry = None
    kept, notes = check_items([large, small], NOTHING, limits)
    assert len(kept) == len(notes) == 1
    assert "item scene was left out: Expected at most" in notes[0]


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31ma", "a\u202eb", " a", "a\u2028b", ""])
def test_an_item_whose_names_are_no_plain_line_is_left_out(name):
    """They go into alerts, the feed, the log and the terminal."""
    strange, elsewhere = item_with(), item_with()
    strange.id, elsewhere.collection_id = f"{name}\t", name or "\r"
    kept, notes = check_items([strange, item_with(), elsewhere], NOTHING, LIMITS)
    assert [item.id for item in kept] == ["scene"]
    assert len(notes) == 2
    assert all(note.isprintable() and "plain line" in note for note in notes)


def test_there_may_not_be_any_number_of_items():
    with pytest.raises(RefusedError, match="more than 3 items"):
        check_items([item_with()] * 4, NOTHING, LimitSettings(items=3))


# Where it is put in


QUERY = Query(box(141, 42, 142, 43), ("sentinel-2-l2a",))


def test_a_catalogue_is_asked_through_the_guard(server):
    item = item_with(red="https://example.org/r.tif", blue="http://169.254.169.254/")
    body = json.dumps({"type": "FeatureCollection", "features": [item.to_dict()]}).encode()
    server.replies["/items.json"] = content(body)
    answer = GuardedAsk(allowing(server), LIMITS)(server.at("/items.json"), HASTY)(QUERY)
    assert set(answer.items[0].assets) == {"red"}
    assert "169.254.169.254" in answer.notes[0]
    with pytest.raises(RefusedError):
        GuardedAsk(NOTHING, LIMITS)(server.at("/items.json"), HASTY)
    with pytest.raises(RefusedError, match="bytes"):
        GuardedAsk(allowing(server), LimitSettings(catalog_bytes=100))(
            server.at("/items.json"), HASTY
        )


def test_a_static_catalogue_cannot_send_the_scan_inwards(server):
    links = [{"rel": "item", "href": f"http://localhost:{server.port}/secret"}]
    body = json.dumps({"type": "Catalog", "id": "x", "links": links}).encode()
    server.replies |= {"/catalog.json": content(body), "/secret": content(b"{}")}
    with pytest.raises(RefusedError):
        GuardedAsk(allowing(server), LIMITS)(server.at("/catalog.json"), HASTY)
    assert server.asked == ["/catalog.json"]
    # Without the guard it would have been asked.
    with pytest.raises(SourceError):
        open_catalog(server.at("/catalog.json"), HASTY)
    assert server.asked[-1] == "/secret"


def test_a_remote_items_path_is_left_out_and_a_local_files_is_not(tmp_path):
    item = item_with(red=str(tmp_path / "red.tif"))
    source = SourceSettings(catalogs=tmp_path / "items.json")
    allowed = allowing_catalogs(NOTHING, source)

    def ask(where, patience):
        return lambda query: Answer((item,))

    guarded = GuardedAsk(allowed, LIMITS, ask=ask)
    assert set(guarded(tmp_path / "items.json", HASTY)(QUERY).items[0].assets) == {"red"}
    assert not guarded("https://example.org/items.json", HASTY)(QUERY).items[0].assets


def test_gdal_gets_the_address_at_the_end_of_the_redirects(server, tmp_path):
    simple_event(tmp_path)
    picture = (tmp_path / "before" / "red.tif").read_bytes()
    server.replies |= {"/old.tif": redirect("/new.tif"), "/new.tif": content(picture)}
    sign = pickle.loads(pickle.dumps(GuardedSign(allowing(server), LIMITS, patience=HASTY)))
    assert sign(server.at("/new.tif")) == server.at("/new.tif")
    assert sign(server.at("/old.tif")) == server.at("/new.tif")
    server.asked.clear()
    shape = read_from(server.at("/old.tif"), lambda file: file.shape, sign, HASTY)
    assert shape == (120, 150)
    assert server.asked.count("/old.tif") == 1, "GDAL itself never asks the first address"
    assert sign("s3://eodata/a.tif") == "s3://eodata/a.tif"
    with pytest.raises(RefusedError):
        sign("/etc/passwd")


def test_a_server_that_fails_is_asked_again_and_then_named(server):
    replies = iter([content(b"", 503), content(b"x")])
    server.replies["/"] = lambda handler: next(replies)(handler)
    sign = GuardedSign(allowing(server), LIMITS, patience=HASTY)
    assert sign(server.at("/")) == server.at("/")
    server.replies["/"] = content(b"", 503)
    with pytest.raises(FetchError, match="503"):
        sign(server.at("/"))


def test_a_job_runs_through_the_guard(tmp_path):
    items = simple_event(tmp_path / "scenes")
    found = {
        "event": {"time": EVENT_TIME},
        "area": {"aoi": inner_area()},
        "source": {"catalogs": str(items)},
    }
    job = make_job(found, tmp_path)
    outside = guarded_outside(NOTHING, LIMITS, job.source)
    scenes = scenes_of(job, outside)
    assert [item.id for item in scenes.pre] == ["before"]
    assert "red" in scenes.pre[0].assets
    href = scenes.pre[0].assets["red"].href
    assert outside.access.sign(href) == href
    shutil.move(items, tmp_path / "items.json")
    moved = make_job({**found, "source": {"catalogs": str(tmp_path / "items.json")}}, tmp_path)
    elsewhere = json.loads((tmp_path / "items.json").read_text())
    for feature in elsewhere["features"]:
        for asset in feature["assets"].values():
            asset["href"] = "/etc/hostname"
    (tmp_path / "items.json").write_text(json.dumps(elsewhere))
    refused = scenes_of(moved, guarded_outside(NOTHING, LIMITS, moved.source))
    assert all("etc" not in asset.href for item in refused.pre for asset in item.assets.values())
    assert not refused.pre[0].assets


# Models


def saved_model(folder):
    """A folder with a card and a file for its network; it is never opened."""
    from lscube.learn.card import CARD, Card

    folder.mkdir(parents=True)
    (folder / NETWORK).write_bytes(b"weights")
    card = Card(
        branches=("post",),
        post_bands=("red",),
        resolution=10.0,
        full_scale=0.3,
        window=64,
        width=0.1,
        sha256=digest(folder / NETWORK),
    )
    (folder / CARD).write_text(card.model_dump_json())
    return card.sha256


def test_a_model_from_an_allowed_place_with_its_hash(tmp_path):
    sha256 = saved_model(tmp_path / "models" / "one")
    allowed = AllowedModel(folder=tmp_path / "models", sha256=sha256)
    assert check_model(tmp_path / "models" / "one", [allowed]).card.sha256 == sha256
    other = AllowedModel(folder=tmp_path / "models", sha256="0" * 64)
    with pytest.raises(ModelError, match="copy the model again"):
        check_model(tmp_path / "models" / "one", [other])
    with pytest.raises(ModelError, match="places"):
        check_model(tmp_path / "models" / "one", [])
    saved_model(tmp_path / "outside")
    (tmp_path / "models" / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(ModelError, match="places"):
        check_model(tmp_path / "models" / "link", [allowed])
    (tmp_path / "models" / "one" / NETWORK).write_bytes(b"others")
    with pytest.raises(ModelError):
        check_model(tmp_path / "models" / "one", [allowed])
