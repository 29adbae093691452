"""Whatever comes from outside: an error of lscube's own, or something harmless; never anything else."""

import copy
import ipaddress
import json
import socket
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from shapely.geometry import box
from urllib3.util import parse_url

from lscube.catalog import Patience, Query, open_catalog
from lscube.errors import LscubeError, RefusedError, SettingsError
from lscube.scan.area import area_of
from lscube.scan.guard import GuardedAsk, check_address, clean_text, parse_json, parse_xml
from lscube.scan.hazard import SAFE_ID, Hazard
from lscube.scan.rules import wanted
from lscube.scan.triggers import Gdacs, OwnList, Usgs
from lscube.settings import explain
from lscube.settings.scan_rules import (
    AllowSettings,
    LimitSettings,
    RuleSettings,
    ScanAreaSettings,
)
from tests.feeds import (
    PLACE,
    collection,
    contours,
    gdacs_feature,
    gdacs_item,
    gdacs_rss,
    usgs_detail,
    usgs_feature,
)
from tests.test_scan_guard import REFUSED, item_with

NOTHING = AllowSettings()
LIMITS = LimitSettings()
NOW = datetime(2027, 1, 16, tzinfo=UTC)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

fuzzed = partial(
    settings,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

DEEP = json.loads("[" * 100 + "]" * 100)
HOSTILE = st.one_of(
    st.sampled_from(
        [
            *(None, True, False, 0, -1, 1e308, -1e308, 10**40, float("nan"), float("inf"), 90.0001),
            *(
                "",
                " ",
                "x" * 20_000,
                "\ud800",
                "\x00",
                "\u202e",
                "<script>",
                "1e999",
                "NaN",
                "9" * 400,
            ),
            *("../../etc/passwd", "a/b", "2027-13-45", "0000-01-01", "9999-12-31T23:59:59+23:59"),
            *([], {}, [[[]]], {"": {}}, DEEP, [None] * 3, {"type": "Feature"}, "us1,us2,", -0.0),
            *("Mon, 99 Foo 2027 25:61:00 GMT", "Thu, 01 Jan 9999 00:00:00 -2359", 8.64e18),
        ]
    ),
    st.sampled_from(REFUSED),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
)


@st.composite
def mutated(draw, document):
    """A document some of whose parts are something else, absent, or there twice."""
    root = [copy.deepcopy(document)]
    for _ in range(draw(st.integers(1, 4))):
        where, key = root, 0
        while isinstance(where[key], list | dict) and where[key] and draw(st.integers(0, 9)):
            where = where[key]
            keys = list(where) if isinstance(where, dict) else range(len(where))
            key = draw(st.sampled_from(list(keys)))
        change = draw(st.sampled_from(["value", "value", "value", "absent", "twice", "within"]))
        if change == "value":
            where[key] = copy.deepcopy(draw(HOSTILE))
        elif change == "within":
            where[key] = draw(st.sampled_from([[where[key]], {"a": where[key]}]))
        elif change == "twice" and isinstance(where, list):
            where.append(copy.deepcopy(where[key]))
        elif where is not root:
            del where[key]
        if not root:
            root = [None]
    return root[0]


@st.composite
def spliced(draw, content):
    """Bytes some of which are others, absent, or there twice."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = min(start + draw(st.integers(0, 30)), len(content))
        content = content[:start] + draw(st.binary(max_size=12)) + content[stop:]
    return content


def dumped(document):
    return json.dumps(document).encode()


def spoken(error: LscubeError) -> None:
    """An error is one line that can be shown."""
    assert str(error)
    assert "\n" not in str(error)
    str(error).encode()


def harmless(hazard: Hazard) -> None:
    """What others rely on when they make folders, pages and alerts of an event."""
    assert all(SAFE_ID.fullmatch(name) for name in (hazard.id, *hazard.others))
    assert hazard.title.isprintable()
    assert len(hazard.title) <= 200
    assert hazard.url is None or hazard.url.startswith(("http://", "https://"))
    assert hazard.time <= hazard.updated
    hazard.title.encode()
    assert isinstance(wanted(hazard).reason, str)


def tried(poll) -> list[Hazard]:
    """Events until an error of lscube's own; any other fails the test."""
    found = []
    try:
        for hazard in poll(LONG_AGO, NOW):
            harmless(hazard)
            found.append(hazard)
    except LscubeError as error:
        spoken(error)
    return found


# Feeds


def usgs_of(listed, detail):
    def fetch(address):
        return listed if "updatedafter" in address else detail

    return Usgs(fetch)


@fuzzed(max_examples=150)
@given(mutated([usgs_feature(), usgs_feature("us2")]), mutated(usgs_detail()))
def test_lists_and_details_of_the_usgs(features, detail):
    tried(usgs_of(dumped({"type": "FeatureCollection", "features": features}), dumped(detail)).poll)


@fuzzed(max_examples=100)
@given(spliced(collection(usgs_feature())), spliced(dumped(usgs_detail())))
def test_bytes_of_the_usgs(listed, detail):
    tried(usgs_of(listed, detail).poll)


@fuzzed(max_examples=100)
@given(spliced(gdacs_rss(gdacs_item(), gdacs_item(2, "TC"))))
def test_bytes_of_the_rss_feed(content):
    tried(Gdacs(lambda address: content).poll)


@fuzzed(max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from(["fromdate", "todate", "iscurrent", "eventtype", "eventid", "alertlevel"]),
        HOSTILE.filter(lambda v: isinstance(v, str) and v.isprintable()),
    )
)
def test_fields_of_the_rss_feed(fields):
    tried(Gdacs(lambda address: gdacs_rss(gdacs_item(**{"kind": "TC", **fields}))).poll)


@fuzzed(max_examples=100)
@given(mutated({"features": [gdacs_feature(), gdacs_feature(2, "EQ")]}))
def test_the_api_of_gdacs(document):
    tried(Gdacs(lambda address: dumped(document)).poll)
    tried(Gdacs(lambda address: dumped(document), "https://www.gdacs.org/SEARCH").poll)


@fuzzed(max_examples=60)
@given(st.binary(max_size=300))
def test_any_bytes(content):
    for trigger in (Usgs(lambda address: content), Gdacs(lambda address: content)):
        tried(trigger.poll)
    for parse in (parse_json, parse_xml):
        try:
            parse(content, "here", LIMITS)
        except LscubeError as error:
            spoken(error)


@fuzzed(max_examples=40)
@given(data=st.data())
def test_recorded_feeds(shared_data, data):
    fixtures = shared_data / "fixtures"
    name = data.draw(st.sampled_from(["gdacs-1.xml", "gdacs-2.xml"]))
    content = data.draw(spliced((fixtures / "gdacs" / name).read_bytes()))
    tried(Gdacs(lambda address: content).poll)
    recorded = json.loads((fixtures / "usgs" / "kaikoura_us1000778i_detail.json").read_text())
    said = recorded["properties"]
    wide = {kind: said["products"][kind] for kind in ("ground-failure", "losspager", "shakemap")}
    detail = data.draw(mutated({**recorded, "properties": {**said, "products": wide}}))
    listed = usgs_feature("us1000778i", ids=",us1000778i,", types=said["types"])
    tried(usgs_of(collection(listed), dumped(detail)).poll)


# Lists of a user, and areas


LISTED = {
    "type": "Feature",
    "properties": {
        "id": "a",
        "time": "2027-01-15",
        "kind": "flood",
        "west": 9.9,
        "south": 44.9,
        "east": 10.1,
        "north": 45.1,
        "radius_km": 10,
        "magnitude": 5,
    },
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[10, 45], [10.1, 45], [10.1, 45.1], [10, 45]]],
    },
}
QUICK = ScanAreaSettings(slope=0, cell=5000, min_km2=0, closing=0)


def placed(hazard, content=b"{}"):
    """The area of an event, or an error of lscube's own; nothing outside the world."""
    try:
        area = area_of(hazard, QUICK, lambda address: content)
    except LscubeError as error:
        spoken(error)
        return
    west, south, east, north = area.geometry.bounds
    assert -180 <= west < east <= 180
    assert -80 <= south < north <= 84
    assert area.geometry.is_valid
    assert 0 < area.km2 <= QUICK.budget_km2


@fuzzed(max_examples=100)
@given(mutated({"features": [LISTED]}))
def test_a_users_geojson_and_its_area(tmp_path, document):
    path = tmp_path / "list.geojson"
    path.write_bytes(dumped(document))
    for hazard in tried(OwnList(path).poll):
        placed(hazard)


@fuzzed(max_examples=60)
@given(spliced(b"id,time,longitude,latitude,kind,radius_km\na,2027-01-15,10,45,flood,10\n"))
def test_a_users_csv(tmp_path, content):
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    tried(OwnList(path).poll)


RINGS = json.loads(contours({10.0: 0.3, 20.0: 0.1}))
for _feature in RINGS["features"]:
    # Fewer corners, so that changes are seen.
    lines = _feature["geometry"]["coordinates"]
    lines[0] = lines[0][::12]


@fuzzed(max_examples=40)
@given(mutated(RINGS), st.sampled_from([PLACE, (179.9, -17.0), (10.0, 83.9), (-90.0, -90.0)]))
def test_contours(document, place):
    (hazard,) = tried(usgs_of(collection(usgs_feature()), dumped(usgs_detail())).poll)
    placed(replace(hazard, longitude=place[0], latitude=place[1]), dumped(document))


@fuzzed(max_examples=30)
@given(
    st.floats(-180, 180),
    st.floats(-90, 90),
    st.none() | st.tuples(*[st.floats(-180, 180), st.floats(-90, 90)] * 2),
    st.none() | st.floats(0.1, 500),
)
def test_places_bounds_and_radii(longitude, latitude, bounds, radius):
    (hazard,) = tried(usgs_of(collection(usgs_feature()), dumped(usgs_detail())).poll)
    placed(
        replace(
            hazard,
            longitude=longitude,
            latitude=latitude,
            bounds=bounds,
            radius=radius,
            contours=(),
        )
    )


# Addresses


@st.composite
def addresses(draw):
    """Addresses put together from parts that make sense and parts that do not."""
    scheme = draw(
        st.sampled_from(
            ["http", "https", "HTTP", "s3", "gs", "abfs", "file", "zip+https", "ftp", ""]
        )
    )
    number = draw(st.integers(0, 2**32 - 1))
    plain = str(ipaddress.IPv4Address(number))
    own = draw(st.sampled_from(["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.9", plain]))
    value = int(ipaddress.IPv4Address(own))
    octets = own.split(".")
    spelled = [
        own,
        str(value),
        hex(value),
        oct(value).replace("o", ""),
        f"[::ffff:{own}]",
        f"{own}.",
        ".".join(hex(int(octet)) for octet in octets),
        ".".join(f"0{int(octet):o}" for octet in octets),
        f"{octets[0]}.{value & 0xFFFFFF}",
        f"[{ipaddress.IPv6Address((0x2002 << 112) | (value << 80))}]",
        f"[64:ff9b::{own}]",
        f"{own}%00.example.org",
        f"example.org@{own}",
        f"{own}#@example.org",
        f"{own}?@example.org",
        f"{own}\\@example.org",
        "localhost",
        "example.org",
        "localhost.example.org",
    ]
    host = draw(st.sampled_from(spelled) | st.text(max_size=12))
    port = draw(st.sampled_from(["", ":80", ":443", ":8080", ":", ":0", ":99999", ":x"]))
    path = draw(st.sampled_from(["/a.tif", "", "/../x", "/%2e%2e/x", "?x=/../y", "/a b", "#x"]))
    return f"{scheme}://{host}{port}{path}" if scheme else f"{host}{path}"


def reached(href):
    """The IP address that a lenient client would connect to, if the host is one."""
    host = (parse_url(href).host or "").strip("[]")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(
            socket.inet_aton(host)
        )  # as C does: decimal, octal, hexadecimal, short
    except (OSError, UnicodeError):
        return None


@fuzzed(max_examples=500)
@given(addresses() | st.text(max_size=40))
def test_no_address_that_passes_leads_inwards(href):
    try:
        check_address(href, NOTHING)
    except RefusedError as error:
        spoken(error)
        return
    scheme, _, rest = href.partition("://")
    assert scheme.lower() in NOTHING.schemes
    assert "/../" not in rest.partition("?")[0] + "/"
    if scheme.lower() in ("http", "https"):
        ip = reached(href)
        assert ip is None or ip.is_global
        assert "@" not in rest.partition("/")[0].partition("?")[0]
        assert parse_url(href).host != "localhost"


# Items


SEARCH = Query(box(141, 42, 142, 43), ("sentinel-2-l2a",))
ITEM = item_with(red="https://example.org/r.tif", blue="s3://bucket/b.tif").to_dict()
ITEM["assets"]["red"] |= {
    "proj:code": "EPSG:32654",
    "proj:shape": [10, 10],
    "eo:bands": [{"name": "B04"}],
}
ITEM["properties"] |= {"eo:cloud_cover": 5, "s2:processing_baseline": "05.09"}


@fuzzed(max_examples=150)
@given(mutated([ITEM]), st.booleans())
def test_items(tmp_path, documents, remote):
    path = tmp_path / "items.json"
    path.write_bytes(dumped({"type": "FeatureCollection", "features": documents}))

    def ask(where, patience):
        return open_catalog(path, patience)

    where = "https://example.org/items.json" if remote else path
    try:
        answer = GuardedAsk(NOTHING, LIMITS, ask=ask)(where, Patience(attempts=1))(SEARCH)
    except LscubeError as error:
        spoken(error)
        return
    for item in answer.items:
        for asset in item.assets.values():
            check_address(asset.href, NOTHING)
    assert all(isinstance(note, str) for note in answer.notes)


@fuzzed(max_examples=100)
@given(st.text())
def test_plain_text(text):
    plain = clean_text(text)
    assert plain.isprintable()
    assert len(plain) <= 200
    assert clean_text(plain) == plain
    plain.encode()


# Configuration


SECTIONS = {
    RuleSettings: {
        "name": "a",
        "kinds": ["flood"],
        "alert": "red",
        "magnitude": 6.0,
        "bounds": [1, 2, 3, 4],
    },
    ScanAreaSettings: {"pga": 10.0, "mmi": 6.0, "slope": 5.0, "budget_km2": 100.0, "min_km2": 1.0},
    AllowSettings: {
        "hosts": ["stac.lan", "10.0.0.0/8"],
        "folders": ["scenes"],
        "models": [{"folder": "m", "sha256": "0" * 64}],
    },
    LimitSettings: {"feed_bytes": 100, "depth": 10, "seconds": 1.5},
}


@pytest.mark.parametrize("kind", SECTIONS, ids=lambda kind: kind.__name__)
@fuzzed(max_examples=60)
@given(data=st.data())
def test_sections_of_the_configuration(kind, data):
    content = data.draw(mutated(SECTIONS[kind]))
    try:
        section = kind.model_validate(content)
    except ValidationError as error:
        spoken(SettingsError(explain(error)))
        return
    if kind is AllowSettings:
        # Whatever was allowed, these never are.
        for href in ("http://user:secret@example.org/", "zip+https://example.org/x", "/vsimem/x"):
            with pytest.raises(RefusedError):
                check_address(href, section, remote=False)
    if kind is RuleSettings:
        (hazard,) = tried(usgs_of(collection(usgs_feature()), dumped(usgs_detail())).poll)
        assert wanted(hazard, [section]).reason


def test_a_configuration_in_toml():
    """The documented sections, as they stand in docs/scans.md."""
    text = """
    [[rules]]
    name = "hazardous in Japan"
    landslide_hazard = "orange"
    bounds = [129.0, 30.0, 146.0, 46.0]

    [area]
    pga = 8.0
    budget_km2 = 5000.0

    [allow]
    hosts = ["stac.lan"]

    [[allow.models]]
    folder = "models"
    sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
    """
    found = tomllib.loads(text)
    (rule,) = (RuleSettings.model_validate(one) for one in found["rules"])
    assert rule.bounds == (129.0, 30.0, 146.0, 46.0)
    assert ScanAreaSettings.model_validate(found["area"]).pga == 8
    assert AllowSettings.model_validate(found["allow"]).models[0].folder == Path("models")
