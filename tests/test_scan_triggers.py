"""Events of the USGS, of GDACS and of a user's list; real ones as recorded, others made (tests/feeds.py)."""

import json
import logging
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from lscube.catalog.web import FetchError
from lscube.errors import RefusedError, SourceError
from lscube.scan.hazard import Hazard, Trigger
from lscube.scan.triggers import Gdacs, OwnList, Usgs, same_event
from lscube.scan.triggers.gdacs import PAGE
from lscube.scan.triggers.usgs_event import hazard_of
from lscube.settings.scan_rules import LimitSettings
from tests.feeds import (
    PLACE,
    collection,
    failure,
    gdacs_feature,
    gdacs_item,
    gdacs_rss,
    shakemap,
    usgs_detail,
    usgs_feature,
)

SINCE = datetime(2027, 1, 15, tzinfo=UTC)
NOW = datetime(2027, 1, 16, tzinfo=UTC)
TIME = datetime(2027, 1, 15, 8, tzinfo=UTC)


def serving(documents, asked=None):
    """A fetcher with documents by the beginning of their address."""

    def fetch(address):
        if asked is not None:
            asked.append(address)
        for start, content in documents.items():
            if address.startswith(start):
                if isinstance(content, Exception):
                    raise content
                return content
        raise FetchError(address, "HTTP 404", 404)

    return fetch


LIST = "https://earthquake.usgs.gov/fdsnws/event/1/query?format="
DETAIL = "https://earthquake.usgs.gov/fdsnws/event/1/query?eventid="


def polled(trigger: Trigger, since=SINCE, now=NOW) -> list[Hazard]:
    return list(trigger.poll(since, now))


# The USGS


def test_an_event_of_the_list_with_its_products():
    asked = []
    documents = {
        LIST: collection(usgs_feature()),
        DETAIL: json.dumps(usgs_detail()).encode(),
    }
    (hazard,) = polled(Usgs(serving(documents, asked)))
    assert (hazard.id, hazard.source, hazard.kind) == ("usgs-us7000fake", "usgs", "earthquake")
    assert (hazard.time, hazard.end) == (TIME, None)
    assert hazard.updated == TIME + timedelta(hours=1)
    assert (hazard.longitude, hazard.latitude, hazard.depth) == (*PLACE, 35.0)
    assert (hazard.magnitude, hazard.mmi) == (6.6, 8.5)
    assert (hazard.alert, hazard.pager) == ("orange", "yellow")
    assert (hazard.landslide_hazard, hazard.landslide_population) == ("orange", "yellow")
    assert hazard.bounds == (141.0, 42.3, 142.4, 43.4)
    assert [one.rpartition("/")[2] for one in hazard.contours] == ["cont_pga.json", "cont_mmi.json"]
    assert hazard.others == ("usgs-at00fake",)
    assert not hazard.deleted
    query = parse_qs(urlsplit(asked[0]).query)
    assert query["updatedafter"] == ["2027-01-14T23:00:00"], "an hour before the last time"
    assert query["includedeleted"] == ["true"]
    assert query["minmagnitude"] == ["5.5"]
    assert query["starttime"] == ["2026-10-18T00:00:00"]


def test_a_detail_is_asked_for_again_when_the_event_was_updated():
    asked = []
    documents = {LIST: collection(usgs_feature()), DETAIL: json.dumps(usgs_detail()).encode()}
    trigger = Usgs(serving(documents, asked))
    assert polled(trigger) == polled(trigger)
    assert [address.startswith(DETAIL) for address in asked] == [False, True, False]
    documents[LIST] = collection(usgs_feature(updated=1_800_003_600_001))
    polled(trigger)
    assert asked[-1].startswith(DETAIL)


def test_the_preferred_product_is_taken():
    """The greatest weight, of several the latest; a deleted one never."""
    entries = [
        failure(158, 1, landslide_hazard_alert_color="green"),
        failure(158, 2, landslide_hazard_alert_color="red"),
        failure(100, 9, landslide_hazard_alert_color="yellow"),
        {**failure(999, 9), "status": "DELETE"},
    ]
    for order in (entries, entries[::-1]):
        hazard = hazard_of(usgs_detail(ground_failure=order, shakemap=[shakemap(version="1")]))
        assert hazard.landslide_hazard == "red"
    maps = [shakemap(200, 9, "old"), shakemap(325, 1, "atlas")]
    assert "/atlas/" in hazard_of(usgs_detail(shakemap=maps)).contours[0]


def test_bounds_beyond_the_antimeridian_and_from_other_fields():
    """Kaikoura's ShakeMap ends at longitude 180.35."""
    own = {"minimum_longitude": "", "landslide_minimum_longitude": 165.6}
    own |= {"landslide_maximum_longitude": 180.35, "landslide_minimum_latitude": -47.25}
    own |= {"landslide_maximum_latitude": -36.65}
    hazard = hazard_of(usgs_detail(ground_failure=[failure(**own)]))
    assert hazard.bounds == pytest.approx((165.6, -47.25, -179.65, -36.65))
    wrong = failure(minimum_latitude=50, maximum_latitude=40)
    assert hazard_of(usgs_detail(ground_failure=[wrong])).bounds is None


def test_a_deleted_event_is_told_without_asking_for_its_detail():
    asked = []
    gone = usgs_feature(status="deleted", mag=None)
    (hazard,) = polled(Usgs(serving({LIST: collection(gone)}, asked)))
    assert hazard.deleted
    assert len(asked) == 1
    # It may have been deleted since the list was made.
    documents = {LIST: collection(usgs_feature()), DETAIL: FetchError(DETAIL, "HTTP 409", 409)}
    assert polled(Usgs(serving(documents)))[0].deleted


def test_what_is_weak_old_or_known_is_not_looked_at():
    features = [
        usgs_feature("us1", mag=5.4),
        usgs_feature("us2", mag=None),
        usgs_feature("us3", updated=1_799_900_000_000),
        usgs_feature("us4", time=1_700_000_000_000),
        usgs_feature("us5", types=",origin,"),
    ]
    asked = []
    hazards = polled(Usgs(serving({LIST: collection(*features)}, asked)))
    assert [one.id for one in hazards] == ["usgs-us5"]
    assert len(asked) == 1


def test_a_first_scan_may_ask_from_the_beginning_of_time():
    ever = datetime.min.replace(tzinfo=UTC)
    asked = []
    feeds = serving({"https://": collection()}, asked)
    assert polled(Usgs(feeds, days=0), ever) == []
    assert polled(Gdacs(feeds, "https://www.gdacs.org/SEARCH"), ever) == []
    assert "starttime=1900-01-01" in asked[0]


def test_a_summary_feed_is_asked_as_it_is():
    address = "https://earthquake.usgs.gov/earthquakes/feed/v1.0/summary/significant_month.geojson"
    asked = []
    feature = usgs_feature(types=",origin,")
    assert polled(Usgs(serving({address: collection(feature)}, asked), address))
    assert asked == [address]


def test_a_detail_that_cannot_be_had_now_is_said_in_the_end(caplog):
    documents = {
        LIST: collection(usgs_feature("us1"), usgs_feature("us2"), usgs_feature("us3")),
        f"{DETAIL}us1": FetchError(DETAIL, "HTTP 503", 503),
        f"{DETAIL}us2": json.dumps(usgs_detail("us2")).encode(),
        f"{DETAIL}us3": RefusedError("Expected a public address."),
    }
    found = []
    with pytest.raises(SourceError, match="1 could not be had"):
        found.extend(Usgs(serving(documents)).poll(SINCE, NOW))
    assert [one.id for one in found] == ["usgs-us2", "usgs-us3"]
    assert not found[1].contours, "what is refused stays so: the list alone speaks"
    assert "usgs-us3: without its products" in caplog.text


def test_a_bad_entry_does_not_stop_the_others(caplog):
    features = [
        *({}, None, "x", {"properties": []}, usgs_feature("us 1"), usgs_feature("../../etc")),
        usgs_feature("us2", time=None),
        usgs_feature("us3", time=10**30),
        {**usgs_feature("us4"), "geometry": {"coordinates": [1, 99]}},
        {**usgs_feature("us5"), "geometry": {"coordinates": [True, None, {}]}},
        usgs_feature("us6", types=None),
    ]
    with caplog.at_level(logging.WARNING):
        hazards = polled(Usgs(serving({LIST: collection(*features)})))
    assert [one.id for one in hazards] == ["usgs-us6"]
    assert "an entry was skipped: its id" in caplog.text


def test_a_detail_of_another_event_is_not_believed(caplog):
    documents = {LIST: collection(usgs_feature()), DETAIL: json.dumps(usgs_detail("ci1")).encode()}
    assert polled(Usgs(serving(documents))) == []
    merged = usgs_detail("ci1")
    merged["properties"]["ids"] = ",ci1,us7000fake,"
    documents[DETAIL] = json.dumps(merged).encode()
    (hazard,) = polled(Usgs(serving(documents)))
    assert (hazard.id, hazard.others) == ("usgs-ci1", ("usgs-us7000fake",))


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"features": 1}', b"null"])
def test_a_list_that_is_none(content):
    with pytest.raises(SourceError):
        polled(Usgs(serving({LIST: content})))


def test_texts_of_the_feed_do_no_harm():
    feature = usgs_feature(
        title="<script>alert(1)</script>\n\x00" + "x" * 500,
        url="javascript:alert(1)",
        alert="pending",
        mmi="a lot",
        types=",origin,",
        ids=",us7000fake,../../x,ok1,",
    )
    (hazard,) = polled(Usgs(serving({LIST: collection(feature)})))
    assert len(hazard.title) == 200
    assert hazard.title.isprintable()
    assert (hazard.url, hazard.alert, hazard.mmi) == (None, None, None)
    assert hazard.others == ("usgs-ok1",)


def test_a_list_of_unusual_length_is_refused():
    content = collection(*[usgs_feature(f"us{n}") for n in range(5)])
    with pytest.raises(RefusedError, match="at most 3 features"):
        polled(Usgs(serving({LIST: content}), limits=LimitSettings(features=3)))


# GDACS


def test_an_earthquake_of_the_rss_feed():
    (hazard,) = polled(Gdacs(lambda address: gdacs_rss(gdacs_item())))
    assert (hazard.id, hazard.kind, hazard.alert) == ("gdacs-EQ1500001", "earthquake", "orange")
    assert (hazard.time, hazard.end) == (TIME, None)
    assert hazard.updated == TIME + timedelta(hours=1)
    assert (hazard.longitude, hazard.latitude) == PLACE
    assert (hazard.magnitude, hazard.depth) == (6.6, 35.0)
    assert hazard.others == ("usgs-us7000fake",)
    assert hazard.bounds is None, "the feed's are the frame of a map"
    assert hazard.title == "Orange alert in Nowhere & Elsewhere"
    assert hazard.url == "https://www.gdacs.org/report.aspx?eventtype=EQ&eventid=1500001"


def test_a_storm_lasts_until_it_is_no_longer_current():
    dates = {"fromdate": "Tue, 12 Jan 2027 00:00:00 GMT", "todate": "Fri, 15 Jan 2027 06:00:00 GMT"}
    items = [
        gdacs_item(1, "TC", **dates),
        gdacs_item(2, "TC", iscurrent="false", **dates),
        gdacs_item(3, "FL", iscurrent="false", alertlevel="", **dates),
    ]
    going, over, flood = polled(Gdacs(lambda address: gdacs_rss(*items)))
    assert going.end is None
    assert over.end == datetime(2027, 1, 15, 6, tzinfo=UTC)
    assert (over.kind, over.magnitude) == ("cyclone", None)
    assert (flood.kind, flood.alert) == ("flood", "green"), "the episode's where the event has none"


def test_other_kinds_and_bad_items_are_passed_over(caplog):
    items = [
        *(gdacs_item(1, "DR"), gdacs_item(2, "WF"), gdacs_item(3, fromdate="soon")),
        gdacs_item(4).replace("42.69", "north"),
        gdacs_item(5).replace("<gdacs:eventid>5<", "<gdacs:eventid>../5<"),
        *("<item/>", gdacs_item(6)),
    ]
    hazards = polled(Gdacs(lambda address: gdacs_rss(*items)))
    assert [one.id for one in hazards] == ["gdacs-EQ6"]


def test_namespaces_may_move():
    """They are addresses, and such move from http to https; the local names stay."""
    feed = gdacs_rss(gdacs_item(1), gdacs_item(2, "TC"))
    found = polled(Gdacs(lambda address: feed))
    for moved in (
        feed.replace(b'="http://', b'="https://'),
        feed.replace(b"http://www.gdacs.org", b"urn:gdacs"),
        re.sub(rb"(<rss[^>]*)>", rb'\1 xmlns="http://example.org/rss">', feed),
    ):
        assert moved != feed
        assert polled(Gdacs(lambda address, moved=moved: moved)) == found


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("gdacs:eventtype", "gdacs:kind"),
        lambda text: text.replace(">EQ<", ">Earthquake<"),
        lambda text: text.replace("gdacs:eventid", "gdacs:number"),
        lambda text: text.replace("gdacs:fromdate", "gdacs:begin"),
    ],
)
def test_a_feed_of_which_nothing_can_be_understood_is_a_failure(change, caplog):
    """It would look like a quiet day."""
    feed = gdacs_rss(change(gdacs_item(1)), change(gdacs_item(2)))
    with pytest.raises(SourceError, match="none of the 2 entries that came can be understood"):
        polled(Gdacs(lambda address: feed))
    # Partly understood, it is told with numbers.
    caplog.clear()
    feed = gdacs_rss(change(gdacs_item(1)), gdacs_item(2), gdacs_item(3, "DR"))
    assert [one.id for one in polled(Gdacs(lambda address: feed))] == ["gdacs-EQ2"]
    assert "1 of 3 entries could not be understood" in caplog.text


def test_a_quiet_day_is_none():
    assert polled(Gdacs(lambda address: gdacs_rss())) == []
    assert polled(Gdacs(lambda address: gdacs_rss(gdacs_item(1, "DR"), gdacs_item(2, "WF")))) == []
    assert polled(Usgs(serving({LIST: collection()}))) == []
    assert polled(Usgs(serving({LIST: collection(usgs_feature(mag=None))}))) == []


@pytest.mark.parametrize(
    "page", [b"<html><body>Out of order</body></html>", b"<feed><entry/></feed>"]
)
def test_xml_that_is_no_rss_is_a_failure(page):
    with pytest.raises(SourceError, match="found XML whose root is"):
        polled(Gdacs(lambda address: page))


@pytest.mark.parametrize("name", ["time", "mag", "properties", "geometry"])
def test_a_list_of_the_usgs_without_what_decides_is_a_failure(name):
    features = [usgs_feature(), usgs_feature()]
    for feature in features:
        place = feature if name in feature else feature["properties"]
        place[f"{name}s"] = place.pop(name)
    with pytest.raises(SourceError, match="none of the 2 entries"):
        polled(Usgs(serving({LIST: collection(*features)})))


def test_pages_of_the_api_until_the_last():
    features = [gdacs_feature(n) for n in range(PAGE + 3)]
    asked = []

    def fetch(address):
        query = parse_qs(urlsplit(address).query)
        asked.append(query)
        first = (int(query["pagenumber"][0]) - 1) * PAGE
        return collection(*features[first : first + PAGE])

    address = "https://www.gdacs.org/gdacsapi/api/events/geteventlist/SEARCH"
    hazards = polled(Gdacs(fetch, address))
    assert len(hazards) == PAGE + 3
    assert len(asked) == 2
    assert asked[0]["fromdate"] == ["2027-01-13"]
    storm = hazards[0]
    assert (storm.kind, storm.alert, storm.time.day) == ("cyclone", "red", 12)
    assert storm.end == datetime(2027, 1, 15, 6, tzinfo=UTC)
    assert storm.updated == datetime(2027, 1, 15, 7, tzinfo=UTC)
    assert storm.title == "Tropical Cyclone FAKE-27"
    # A server that gives the same page for ever.
    asked.clear()
    endless = Gdacs(lambda address: asked.append(1) or collection(*features[:PAGE]), address)
    assert len(polled(endless)) == PAGE
    assert len(asked) == 2


def test_a_saved_answer_of_the_api_is_a_feed():
    (hazard,) = polled(
        Gdacs(lambda address: collection(gdacs_feature(source="NEIC", sourceid="us1")))
    )
    assert hazard.others == ("usgs-us1",)


# A user's list


def test_a_csv_list(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(
        "id,time,longitude,latitude,kind,radius_km,west,south,east,north,title,deleted\n"
        "a-1,2027-01-15T08:00:00Z,141.93,42.69,earthquake,30,,,,,One,\n"
        "b_2,2027-01-13/2027-01-14,,,storm,,179,-18,-178,-17,Two,\n"
        "c3,2027-01-10,-70,10,,,,,,,,yes\n"
        "later,2027-03-01,-70,10,,,,,,,,\n"
    )
    one, two, three = polled(OwnList(path))
    assert (one.id, one.kind, one.radius, one.title) == ("own-a-1", "earthquake", 30.0, "One")
    assert (one.time, one.end) == (TIME, None)
    assert (two.time.day, two.end) == (13, datetime(2027, 1, 15, tzinfo=UTC))
    assert two.bounds == (179, -18, -178, -17)
    assert (two.longitude, two.latitude) == (-179.5, -17.5)
    assert (three.kind, three.deleted, three.title) == ("other", True, "c3")
    assert three.end == datetime(2027, 1, 11, tzinfo=UTC)


def test_a_geojson_list(tmp_path):
    path = tmp_path / "events.geojson"
    ring = [[10, 45], [11, 45], [11, 46], [10, 46], [10, 45]]
    features = [
        {
            "type": "Feature",
            "properties": {"id": "drawn", "time": "2027-01-15T08:00:00Z", "kind": "flood"},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        },
        {
            "type": "Feature",
            "id": "point",
            "properties": {"time": "2027-01-14"},
            "geometry": {"type": "Point", "coordinates": [10, 45]},
        },
    ]
    path.write_bytes(collection(*features))
    drawn, point = polled(OwnList(path))
    assert json.loads(drawn.outline)["coordinates"] == [ring]
    assert (drawn.longitude, drawn.latitude) == (10.5, 45.5)
    assert (point.id, point.longitude, point.outline) == ("own-point", 10.0, None)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a b,2027-01-15,1,2,,", "its id"),
        ("../a,2027-01-15,1,2,,", "its id"),
        ("a,soon,1,2,,", "time as 2018"),
        ("a,2027-01-15,1,95,,", "no place"),
        ("a,2027-01-15,,,,", "neither longitude"),
        ("a,2027-01-15,1,2,eruption,", "its kind"),
        ("a,2027-01-15,1,2,,0", "radius_km"),
    ],
)
def test_a_wrong_row_is_named_and_others_count(tmp_path, row, reason):
    path = tmp_path / "events.csv"
    good = "good,2027-01-15,1,2,,"
    path.write_text(f"id,time,longitude,latitude,kind,radius_km\n{row}\n{good}\n")
    found = []
    with pytest.raises(SourceError, match="entry 1") as caught:
        found.extend(OwnList(path).poll(SINCE, NOW))
    assert reason in str(caught.value)
    assert [one.id for one in found] == ["own-good"]


def test_lists_that_are_none(tmp_path):
    with pytest.raises(SourceError, match="check the path"):
        polled(OwnList(tmp_path / "none.csv"))
    (tmp_path / "a.csv").write_text("name,when\nx,y\n")
    with pytest.raises(SourceError, match="columns id and time"):
        polled(OwnList(tmp_path / "a.csv"))
    (tmp_path / "b.csv").write_bytes(b"id,time\n\xff,2027\n")
    with pytest.raises(SourceError, match="UTF-8"):
        polled(OwnList(tmp_path / "b.csv"))
    (tmp_path / "c.geojson").write_text("{}")
    with pytest.raises(SourceError, match="FeatureCollection"):
        polled(OwnList(tmp_path / "c.geojson"))


# One event, two sources


def test_one_event_of_two_sources_is_recognised():
    usgs = hazard_of(usgs_detail())
    (by_id,) = polled(Gdacs(lambda address: gdacs_rss(gdacs_item())))
    assert same_event(usgs, by_id)
    other_name = gdacs_item().replace("us7000fake", "")
    (by_place,) = polled(Gdacs(lambda address: gdacs_rss(other_name)))
    assert not by_place.others
    assert same_event(by_place, usgs)
    (far,) = polled(Gdacs(lambda address: gdacs_rss(other_name.replace("42.69", "44.69"))))
    assert not same_event(usgs, far)
    (later,) = polled(Gdacs(lambda address: gdacs_rss(other_name.replace("08:00:00", "08:02:00"))))
    assert not same_event(usgs, later)
    (storm,) = polled(
        Gdacs(lambda address: gdacs_rss(gdacs_item(1, "TC").replace("us7000fake", "")))
    )
    assert not same_event(usgs, storm)
    aftershock = hazard_of(usgs_detail("us7000next"))
    assert same_event(usgs, aftershock), "they share at00fake"
    aftershock = hazard_of(usgs_feature("us7000next", ids=",us7000next,"))
    assert not same_event(usgs, aftershock), "a source does not tell one event twice"


def test_an_events_id_is_safe():
    with pytest.raises(SourceError, match="letters, digits"):
        hazard_of(usgs_feature()).__class__(
            **{**vars(hazard_of(usgs_feature())), "id": "usgs-../x"}
        )


# As recorded


@pytest.fixture
def recorded(shared_data):
    return shared_data / "fixtures"


def test_kaikoura_and_iburi_as_recorded(recorded):
    def detail(name):
        return json.loads((recorded / "usgs" / f"{name}_detail.json").read_text())

    kaikoura = hazard_of(detail("kaikoura_us1000778i"))
    iburi = hazard_of(detail("iburi_us2000h8ty"))
    assert (kaikoura.landslide_hazard, iburi.landslide_hazard) == ("red", "orange")
    assert (kaikoura.landslide_population, iburi.landslide_population) == ("yellow", "yellow")
    assert (kaikoura.pager, iburi.pager) == ("orange", "orange")
    assert (kaikoura.magnitude, iburi.magnitude) == (7.8, 6.6)
    assert iburi.time == datetime(2018, 9, 5, 18, 7, 59, 150_000, UTC)
    assert kaikoura.bounds == pytest.approx((172.31, -43.07, 175.18, -41.09), abs=0.01)
    assert iburi.bounds == pytest.approx((140.98, 42.33, 142.37, 43.45), abs=0.01)
    root = "https://earthquake.usgs.gov/product/shakemap/us2000h8ty/atlas/1594401324136/download"
    assert iburi.contours == (f"{root}/cont_pga.json", f"{root}/cont_mmi.json")
    assert iburi.others == ("usgs-pt18248000", "usgs-at00pelgzo")


@pytest.mark.parametrize(("count", "found"), [("85", 85), ("109", 0)])
def test_lists_as_recorded(recorded, count, found):
    """Great earthquakes of 1904 to 1912, and tiny ones of January 2017."""
    content = (recorded / "usgs" / f"fdsn_list_{count}.json").read_bytes()
    trigger = Usgs(serving({LIST: content}), days=0)
    hazards = polled(trigger, datetime(2000, 1, 1, tzinfo=UTC))
    assert len(hazards) == len({one.id for one in hazards}) == found
    assert all(one.magnitude >= 5.9 for one in hazards)
    everything = polled(
        Usgs(serving({LIST: content}), days=0, min_magnitude=-9), SINCE - timedelta(9999)
    )
    assert len(everything) == int(count)


def test_gdacs_as_recorded(recorded, caplog):
    content = (recorded / "gdacs" / "gdacs-1.xml").read_bytes()
    storm, quake = polled(Gdacs(lambda address: content))
    assert (storm.id, storm.kind, storm.alert) == ("gdacs-TC1000643", "cyclone", "green")
    assert (storm.longitude, storm.latitude, storm.end) == (59.8, -19.4, None)
    assert (quake.id, quake.magnitude, quake.depth) == ("gdacs-EQ1199929", 5.5, 10.0)
    assert quake.others == ("usgs-us70006rx5",)
    assert quake.time == datetime(2019, 12, 28, 15, 36, 35, tzinfo=UTC)
    # The other recording has a single item, without type and id: no quiet day, but an unknown feed.
    content = (recorded / "gdacs" / "gdacs-2.xml").read_bytes()
    with pytest.raises(SourceError, match="none of the 1 entries"):
        polled(Gdacs(lambda address: content))
