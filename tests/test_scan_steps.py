"""What becomes of events, step by step: found, declined, followed, mapped, revised, taken back, ended."""

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import geopandas
import pytest

from lscube.errors import AreaError, SettingsError, SourceError
from lscube.mapping import open_map
from lscube.mapping.opening import manifest_of
from lscube.scan.area import Area
from lscube.scan.record import EventRecord
from lscube.scan.rules import Decision
from lscube.scan.running import one_each, scan_once
from lscube.scan.status import status_lines
from lscube.scan.versions import settings_digest
from lscube.scan.world import World
from tests.needs import LIBRARIES, needs
from tests.scanning import (
    DAY,
    EVENT,
    Catalogue,
    Clock,
    Feed,
    Steps,
    area,
    hazard,
    record_of,
    world_of,
)
from tests.scanning import write_event as write


class StopError(Exception):
    """A scan is killed."""


def stop_at(wanted: str) -> Steps:
    def stop(step: str) -> None:
        if step == wanted:
            raise StopError

    return Steps(do=stop)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("event"))


@pytest.fixture
def catalogue(folder, tmp_path) -> Catalogue:
    return Catalogue(folder, tmp_path.name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_cluster_is_there_only_while_a_map_is_made(folder, catalogue, clock, tmp_path):
    seen = []

    @contextmanager
    def connect():
        seen.append("begun")
        yield None
        seen.append("ended")

    world = world_of(folder, tmp_path, catalogue, Feed(), clock, connect=connect, at=seen.append)
    scan_once(world)  # nothing to map yet
    assert {"begun", "ended"}.isdisjoint(seen)
    catalogue.arrive("after-1")
    scan_once(world)
    during = seen[seen.index("begun") + 1 : seen.index("ended")]
    assert set(during) == {"region usgs-us1 0001"}
    assert seen[-1] != "ended"
    before = seen.count("begun")
    scan_once(world)  # nothing came
    assert seen.count("begun") == before == 1


def test_an_event_becomes_a_map_that_improves_until_all_is_clear(
    folder, catalogue, clock, tmp_path
):
    world = world_of(folder, tmp_path, catalogue, Feed(), clock)
    assert scan_once(world).failures == ()
    waiting = record_of(world)
    assert (waiting.phase, waiting.waits_for) == ("followed", "a scene after the event")

    catalogue.arrive("after-1")
    assert scan_once(world).versions == 1
    first = record_of(world)
    # Of the area's columns 20 to 129, those from 116 on are cloudy.
    assert first.clear == pytest.approx(96 / 110, abs=0.02)
    assert [version.scenes for version in first.versions] == [("after-1",)]
    assert first.versions[0].computed == first.versions[0].regions == 6

    # Nothing came: nothing is done; a scene without anything new: no version either.
    assert scan_once(world).versions == 0
    catalogue.arrive("cloudy")
    assert scan_once(world).versions == 0
    assert record_of(world).versions == first.versions

    catalogue.arrive("after-2")
    assert scan_once(world).versions == 1
    last = record_of(world)
    assert (last.phase, last.reason) == ("ended", "all of its area is clear")
    assert last.versions[1].scenes == ("after-1", "cloudy", "after-2")
    # Two of three columns of regions look at what was cloudy.
    assert (last.versions[1].computed, last.versions[1].regions) == (4, 6)

    place = tmp_path / "events" / "usgs-us1"
    assert (place / "latest").resolve() == place / "versions" / "0002"
    assert json.loads((place / "latest.json").read_text())["version"] == 2
    found = geopandas.read_file(place / "latest" / "landslides.geojson")
    assert len(found) == last.versions[1].summary["landslides"] > 0
    one, two = (open_map(place / "versions" / name / "map.zarr") for name in ("0001", "0002"))
    assert one["probability"].notnull().sum() < two["probability"].notnull().sum()
    clock.now += DAY
    assert scan_once(world).events[0].versions == 0


@needs(LIBRARIES)
def test_products_are_made_of_each_version(folder, catalogue, clock, tmp_path):
    catalogue.arrive("after-1")
    wanted = {"report": True, "publish": True, "inventory": "gpkg"}
    world = world_of(folder, tmp_path, catalogue, Feed(), clock, products=wanted)
    outcome = scan_once(world)
    assert (outcome.versions, outcome.failures) == (1, ())
    latest = tmp_path / "events" / "usgs-us1" / "latest"
    assert sorted(path.name for path in latest.iterdir()) == [
        *("area.geojson", "landslides.gpkg", "map.zarr", "published"),
        *("regions.json", "report.html", "scenes.json", "summary.json"),
    ]
    assert "M 6.6 - Test Island, version 1" in (latest / "report.html").read_text()
    published = json.loads((latest / "published" / "collection.json").read_text())
    assert published["id"].endswith(record_of(world).versions[0].run)


def test_an_event_that_no_rule_wants_is_kept_with_the_reason(folder, catalogue, clock, tmp_path):
    feed = Feed()
    wanted = [False]
    world = world_of(
        folder, tmp_path, catalogue, feed, clock,
        wanted=lambda told: Decision(wanted[0], None, "It is too weak."),
    )  # fmt: skip
    scan_once(world)
    assert record_of(world).phase == "declined"
    assert "It is too weak." in "\n".join(status_lines(world.state.records().values()))
    # Told again, it is the same; revised, it is decided anew.
    wanted[0] = True
    scan_once(world)
    assert record_of(world).phase == "declined"
    feed.hazards = [hazard(updated=EVENT + 2 * DAY, magnitude=7.1)]
    scan_once(world)
    assert record_of(world).phase == "followed"


def test_a_revision_before_the_first_map_can_end_it_and_after_it_does_not(
    folder, catalogue, clock, tmp_path
):
    feed = Feed()
    world = world_of(
        folder, tmp_path, catalogue, feed, clock,
        wanted=lambda told: Decision(told.magnitude > 6, None, "By magnitude."),
    )  # fmt: skip
    scan_once(world)
    feed.hazards = [hazard(updated=EVENT + DAY, magnitude=5.6)]
    scan_once(world)
    assert record_of(world).phase == "declined"
    feed.hazards = [hazard(updated=EVENT + 2 * DAY)]
    catalogue.arrive("after-1")
    assert scan_once(world).versions == 1
    feed.hazards = [hazard(updated=EVENT + 3 * DAY, magnitude=5.6)]
    scan_once(world)
    assert record_of(world).phase == "followed"


def test_an_earlier_state_that_comes_late_is_not_taken(folder, catalogue, clock, tmp_path):
    feed = Feed([hazard(updated=EVENT + 2 * DAY, title="later"), hazard(title="earlier")])
    world = world_of(folder, tmp_path, catalogue, feed, clock)
    scan_once(world)
    feed.hazards = [hazard(title="earlier")]
    scan_once(world)
    assert record_of(world).hazard.title == "later"


def test_another_area_is_mapped_anew(folder, catalogue, clock, tmp_path):
    feed = Feed()
    catalogue.arrive("after-1")
    areas = [area()]
    world = world_of(folder, tmp_path, catalogue, feed, clock, area_of=lambda told: areas[0])
    scan_once(world)
    west, south, east, north = areas[0].geometry.bounds
    areas[0] = area((west, south, (west + east) / 2, north))
    # The same place: the area is not looked for again.
    feed.hazards = [hazard(updated=EVENT + DAY, title="renamed")]
    assert scan_once(world).versions == 0
    feed.hazards = [hazard(updated=EVENT + 2 * DAY, bounds=(141.6, 42.0, 142.4, 43.0))]
    assert scan_once(world).versions == 1
    first, second = record_of(world).versions
    assert first.area != second.area
    assert second.regions < first.regions


def test_a_deleted_event_is_left_alone_and_told_of_once(folder, catalogue, clock, tmp_path):
    feed = Feed()
    catalogue.arrive("after-1")
    world = world_of(folder, tmp_path, catalogue, feed, clock)
    scan_once(world)
    feed.hazards = [hazard(updated=EVENT + DAY, deleted=True)]
    catalogue.arrive("after-2")
    for _ in range(2):
        assert scan_once(world).versions == 0
    gone = record_of(world)
    assert gone.phase == "deleted"
    assert [alert.body["type"] for alert in gone.alerts] == ["map", "withdrawn"]
    # Its source tells of it again.
    feed.hazards = [hazard(updated=EVENT + 2 * DAY)]
    assert scan_once(world).versions == 1


def test_deleted_before_anything_was_mapped_nothing_is_told(folder, catalogue, clock, tmp_path):
    feed = Feed()
    world = world_of(folder, tmp_path, catalogue, feed, clock)
    scan_once(world)
    feed.hazards = [hazard(updated=EVENT + DAY, deleted=True)]
    scan_once(world)
    assert record_of(world).phase == "deleted"
    assert record_of(world).alerts == ()


def test_two_sources_of_one_earthquake_make_one_event(folder, catalogue, clock, tmp_path):
    other = hazard(
        id="gdacs-EQ-1", source="gdacs", time=EVENT + timedelta(seconds=8), longitude=141.99
    )
    far = replace(other, id="gdacs-EQ-2", longitude=100.0)
    feed = Feed([other, far, hazard()])
    world = world_of(folder, tmp_path, catalogue, feed, clock)
    scan_once(world)
    assert {name: one.phase for name, one in world.state.records().items()} == {
        "usgs-us1": "followed",
        "gdacs-EQ-1": "declined",
        "gdacs-EQ-2": "followed",
    }
    assert record_of(world, "gdacs-EQ-1").reason == "it is the same event as usgs-us1"


def both_told(gdacs_first: bool) -> tuple[Feed, Feed]:
    other = hazard(id="gdacs-EQ-1", source="gdacs", time=EVENT + timedelta(seconds=8))
    return Feed([] if gdacs_first else [hazard()]), Feed([other])


def two_fed(folder, scan, catalogue, clock, usgs: Feed, gdacs: Feed, **given) -> World:
    world = world_of(folder, scan, catalogue, usgs, clock, **given)
    return replace(world, triggers={"usgs": usgs, "gdacs": gdacs})


def test_a_preferred_source_that_tells_later_takes_over_what_is_not_mapped(
    folder, catalogue, clock, tmp_path
):
    usgs, gdacs = both_told(gdacs_first=True)
    catalogue.arrive("after-1")
    stop = stop_at("region gdacs-EQ-1 0001")
    killed = two_fed(folder, tmp_path, catalogue, clock, usgs, gdacs, at=stop)
    with pytest.raises(StopError):
        scan_once(killed)
    usgs.hazards = [hazard()]
    world = two_fed(folder, tmp_path, catalogue, clock, usgs, gdacs)
    assert scan_once(world).versions == 1
    assert len(record_of(world).versions) == 1
    left = record_of(world, "gdacs-EQ-1")
    assert (left.phase, left.making) == ("declined", None)
    assert left.reason == "it is the same event as usgs-us1"
    assert not (tmp_path / "events" / "gdacs-EQ-1" / "versions" / "0001").exists()


def test_what_is_mapped_stays_with_the_source_that_told_it_first(
    folder, catalogue, clock, tmp_path
):
    usgs, gdacs = both_told(gdacs_first=True)
    catalogue.arrive("after-1")
    world = two_fed(folder, tmp_path, catalogue, clock, usgs, gdacs)
    assert scan_once(world).versions == 1
    usgs.hazards = [hazard()]
    assert scan_once(world).versions == 0
    assert record_of(world).reason == "it is the same event as gdacs-EQ-1"
    assert record_of(world, "gdacs-EQ-1").phase == "followed"


def nothing(told) -> Area:
    raise AreaError("Expected ground to map, but no ground is steep enough; lower area.slope.")


def test_an_event_without_ground_to_map_is_declined_with_the_reason(
    folder, catalogue, clock, tmp_path
):
    usgs, gdacs = both_told(gdacs_first=False)
    places = {"usgs-us1": nothing, "gdacs-EQ-1": lambda told: area()}
    world = two_fed(
        folder, tmp_path, catalogue, clock, usgs, gdacs, area_of=lambda told: places[told.id](told)
    )
    catalogue.arrive("after-1")
    for _ in range(2):
        outcome = scan_once(world)
        assert (outcome.versions, outcome.failures) == (0, ())
    flat = record_of(world)
    assert (flat.phase, flat.waits_for, flat.trouble) == ("declined", "", None)
    assert "no ground is steep enough" in flat.reason
    # A circle around it is not mapped instead.
    assert record_of(world, "gdacs-EQ-1").reason == "it is the same event as usgs-us1"
    # A better estimate may reach ground that is.
    places["usgs-us1"] = lambda told: area()
    usgs.hazards = [hazard(updated=EVENT + DAY, magnitude=7.1)]
    assert scan_once(world).versions == 1
    assert not record_of(world).nothing_to_map


def test_a_mapped_event_ends_where_its_revision_leaves_nothing_to_map(
    folder, catalogue, clock, tmp_path
):
    feed, places = Feed(), [lambda told: area()]
    world = world_of(folder, tmp_path, catalogue, feed, clock, area_of=lambda told: places[0](told))
    catalogue.arrive("after-1")
    assert scan_once(world).versions == 1
    places[0] = nothing
    feed.hazards = [hazard(updated=EVENT + DAY, magnitude=5.1)]
    for _ in range(2):
        assert scan_once(world).failures == ()
        assert record_of(world).phase == "ended"
    assert len(record_of(world).versions) == 1


def test_what_fails_again_and_again_ends_when_its_days_are_over(folder, catalogue, clock, tmp_path):
    def area_of(told) -> Area:
        raise SourceError("Expected contours, but the server is away; wait.")

    world = world_of(
        folder, tmp_path, catalogue, Feed(), clock, area_of=area_of, watch={"attempts": 3}
    )
    clock.now = EVENT + 59 * DAY
    scan_once(world)
    clock.now = EVENT + 60 * DAY
    # Not at once: what is away for a moment costs no event its last version.
    scan_once(world)
    assert record_of(world).phase == "followed"
    clock.now += DAY
    (failure,) = scan_once(world).failures
    assert failure == "usgs-us1: Expected contours, but the server is away; wait."
    ended = record_of(world)
    assert (ended.phase, ended.trouble) == ("ended", None)
    assert ended.reason.startswith("60 days are over, and it failed 3 times: Expected contours")
    assert scan_once(world).failures == ()


def test_an_event_under_a_new_id_keeps_its_record():
    told = hazard()
    records = {told.id: EventRecord(told, EVENT, phase="followed")}
    gone = replace(told, updated=EVENT + DAY, deleted=True)
    new = hazard(id="usgs-us2", updated=EVENT + DAY, others=("usgs-us1",), magnitude=6.9)
    (one,) = one_each({gone.id: gone, new.id: new}, records)
    assert (one.id, one.magnitude, one.deleted) == ("usgs-us1", 6.9, False)
    # Without the new one it is gone.
    assert one_each({gone.id: gone}, records)[0].deleted


def test_of_two_maps_of_what_is_one_event_by_now_one_is_withdrawn(
    folder, catalogue, clock, tmp_path
):
    """The USGS merges two ids after both were mapped."""
    catalogue.arrive("after-1")
    other = hazard(id="usgs-us2", longitude=10.0)
    feed = Feed([hazard(), other])
    world = world_of(folder, tmp_path, catalogue, feed, clock)
    assert scan_once(world).versions == 2
    feed.hazards = [
        hazard(updated=EVENT + DAY, deleted=True),
        replace(other, updated=EVENT + DAY, others=("usgs-us1",)),
    ]
    scan_once(world)
    gone, kept = record_of(world), record_of(world, "usgs-us2")
    assert (gone.phase, gone.alerts[-1].body["type"]) == ("deleted", "withdrawn")
    assert (kept.phase, len(kept.alerts)) == ("followed", 1)
    # One that was never mapped is the other's.
    declined = {**world.state.records(), "usgs-us1": EventRecord(hazard(), EVENT, phase="declined")}
    assert [one.id for one in one_each(world.state.hazards(), declined)] == ["usgs-us2"]
    world.state.close()


def test_what_fails_is_tried_again_later_and_holds_up_no_other_event(
    folder, catalogue, clock, tmp_path
):
    broken = [True]

    def area_of(told) -> Area:
        if told.id == "usgs-us1" and broken[0]:
            raise SourceError("Expected an area, found none; wait.")
        return area()

    catalogue.arrive("after-1")
    far = hazard(id="usgs-us2", longitude=10.0)
    world = world_of(folder, tmp_path, catalogue, Feed([hazard(), far]), clock, area_of=area_of)
    outcome = scan_once(world)
    assert outcome.versions == 1
    assert outcome.failures == ("usgs-us1: Expected an area, found none; wait.",)
    trouble = record_of(world).trouble
    assert (trouble.attempts, trouble.again - trouble.since) == (1, timedelta(minutes=15))
    # Not before its time, though it is still named; then with twice the pause.
    broken[0] = False
    assert scan_once(world).failures == outcome.failures
    assert record_of(world).trouble == trouble
    broken[0] = True
    clock.now = trouble.again
    scan_once(world)
    assert record_of(world).trouble.again - clock.now == timedelta(minutes=30)
    broken[0] = False
    clock.now += DAY
    assert scan_once(world).failures == ()
    assert record_of(world).trouble is None
    assert len(record_of(world).versions) == 1


def test_a_clock_that_is_set_back_delays_nothing(folder, catalogue, clock, tmp_path):
    calls = []

    def area_of(told) -> Area:
        calls.append(clock.now)
        raise SourceError("Expected contours, but the server is away; wait.")

    world = world_of(folder, tmp_path, catalogue, Feed(), clock, area_of=area_of)
    scan_once(world)
    clock.now -= 10 * DAY
    scan_once(world)
    assert len(calls) == 2


def test_an_event_ends_after_its_time_with_a_last_version(folder, catalogue, clock, tmp_path):
    watch = {"days": 60, "gain": 0.5}
    catalogue.arrive("after-1")
    world = world_of(folder, tmp_path, catalogue, Feed(), clock, watch=watch)
    assert scan_once(world).versions == 1
    # Too little that is new for a version, until it is the last.
    catalogue.arrive("part")
    clock.now = EVENT + 59 * DAY
    assert scan_once(world).versions == 0
    assert record_of(world).waits_for.startswith(
        "scenes in which 99.0% of its area are clear (now 9"
    )
    clock.now = EVENT + 60 * DAY
    assert scan_once(world).versions == 1
    assert record_of(world).phase == "ended"
    assert record_of(world).reason.startswith("60 days are over; it still waited for scenes")


def test_an_event_that_shows_nothing_ends_and_is_reopened_if_only_the_clock_was_wrong(
    folder, catalogue, clock, tmp_path
):
    world = world_of(folder, tmp_path, catalogue, Feed(), clock)
    clock.now = EVENT + 400 * DAY
    scan_once(world)
    ended = record_of(world)
    assert (ended.phase, ended.waits_for) == ("ended", "")
    assert ended.reason == "60 days are over; it still waited for a scene after the event"
    clock.now = EVENT + 20 * DAY
    catalogue.arrive("after-1")
    assert scan_once(world).versions == 1


def test_items_that_cannot_be_read_are_read_again(folder, clock, tmp_path):
    """The map is made without them, says so, and is made anew when they can be read."""
    place = tmp_path / "event"
    write(place)
    red = place / "after-2" / "red.tif"
    content = red.read_bytes()
    red.write_bytes(b"damaged")
    catalogue = Catalogue(place, "catalogue")
    catalogue.arrive("after-1", "after-2")
    world = world_of(place, tmp_path / "scan", catalogue, Feed(), clock)
    assert scan_once(world).versions == 1
    first = record_of(world)
    assert first.versions[0].lost == ("after-2",)
    assert first.waits_for == "items that could not be read: after-2"
    assert "Could not be read, and will be tried again: after-2." in first.alerts[0].text
    assert scan_once(world).versions == 0
    red.write_bytes(content)
    clock.now += timedelta(minutes=15)
    assert scan_once(world).versions == 1
    second = record_of(world).versions[1]
    assert second.lost == ()
    # Only where something could not be read.
    assert 0 < second.computed < second.regions
    assert record_of(world).phase == "ended"


def test_what_can_never_be_read_makes_no_version_more_than_was_asked_for(folder, clock, tmp_path):
    place = write(tmp_path / "event")
    (place / "after-2" / "red.tif").write_bytes(b"damaged")
    catalogue = Catalogue(place, "catalogue")
    catalogue.arrive("after-1", "after-2")
    steps = Steps()
    world = world_of(
        place, tmp_path / "scan", catalogue, Feed(), clock, at=steps, watch={"attempts": 1}
    )

    def stop(step: str) -> None:
        assert steps.names.count("wrote usgs-us1 looked") < 5, "versions without end"

    steps.do = stop
    # Long after the last day: nothing is to be waited for any more.
    clock.now = EVENT + 100 * DAY
    assert scan_once(world).versions == 1
    ended = record_of(world)
    assert ended.phase == "ended"
    assert ended.reason.endswith("items that could not be read: after-2")


@pytest.fixture
def interrupted(folder, catalogue, clock, tmp_path) -> Path:
    """The folder of a version that a scan was killed over."""
    catalogue.arrive("after-1")
    stop = stop_at("region usgs-us1 0001")
    world = world_of(folder, tmp_path, catalogue, Feed(), clock, at=stop)
    with pytest.raises(StopError):
        scan_once(world)
    assert record_of(world).making is not None
    return tmp_path / "events" / "usgs-us1" / "versions" / "0001"


@pytest.mark.parametrize(
    ("told", "given"),
    [
        (hazard(), {"predict": {"dtype": "float32"}}),
        (hazard(updated=EVENT + DAY, time=EVENT + timedelta(seconds=2)), {}),
    ],
    ids=["settings", "time"],
)
def test_other_settings_or_times_drop_a_version_in_the_making(
    interrupted, folder, catalogue, clock, tmp_path, told, given
):
    world = world_of(folder, tmp_path, catalogue, Feed([told]), clock, **given)
    outcome = scan_once(world)
    assert (outcome.versions, outcome.failures) == (1, ())
    assert [path.name for path in interrupted.parent.iterdir()] == ["0001"]
    assert not (interrupted / "map.zarr.partial").exists()
    assert manifest_of(open_map(interrupted / "map.zarr"))["event_time"] == (
        f"{told.time:%Y-%m-%dT%H:%M:%SZ}"
    )


def test_a_version_is_of_the_content_of_the_users_mask(folder, catalogue, clock, tmp_path):
    mask = tmp_path / "lakes.tif"
    world = world_of(folder, tmp_path, catalogue, Feed(), clock, cube={"mask": str(mask)})
    digests = []
    for content in (b"one", b"one", b"other"):
        mask.write_bytes(content)
        digests.append(settings_digest(world, hazard()))
    assert digests[0] == digests[1] != digests[2]
    mask.unlink()
    with pytest.raises(SettingsError, match=r"Expected a mask at .*lakes.tif"):
        settings_digest(world, hazard())


def test_a_map_that_another_lscube_began_is_begun_anew(
    interrupted, folder, catalogue, clock, tmp_path
):
    path = interrupted / "map.zarr.partial" / "zarr.json"
    content = json.loads(path.read_text())
    manifest = json.loads(content["attributes"]["lscube_manifest"])
    content["attributes"]["lscube_manifest"] = json.dumps({**manifest, "pixels": 0})
    path.write_text(json.dumps(content))
    world = world_of(folder, tmp_path, catalogue, Feed(), clock)
    outcome = scan_once(world)
    assert (outcome.versions, outcome.failures) == (1, ())
    assert manifest_of(open_map(interrupted / "map.zarr"))["pixels"] > 0


def test_what_was_not_mapped_is_forgotten_in_the_end(folder, catalogue, clock, tmp_path):
    feed = Feed()
    world = world_of(
        folder, tmp_path, catalogue, feed, clock,
        wanted=lambda told: Decision(False, None, "No."),
    )  # fmt: skip
    scan_once(world)
    feed.hazards = []
    clock.now = EVENT + 89 * DAY
    scan_once(world)
    assert "usgs-us1" in world.state.records()
    clock.now = EVENT + 91 * DAY
    scan_once(world)
    assert world.state.records() == world.state.hazards() == {}


def test_what_ended_without_a_map_is_forgotten_once_nobody_tells_of_it(
    folder, catalogue, clock, tmp_path
):
    feed = Feed()
    world = world_of(folder, tmp_path, catalogue, feed, clock)
    clock.now = EVENT + 61 * DAY
    scan_once(world)
    assert record_of(world).phase == "ended"
    clock.now = EVENT + 91 * DAY
    scan_once(world)
    # A list of one's own tells of it for ever: it would be looked at anew in each pass.
    assert record_of(world).phase == "ended"
    feed.hazards = []
    with world.state.held("usgs-us1"):
        scan_once(world)
    assert "usgs-us1" in world.state.records()
    scan_once(world)
    assert world.state.records() == world.state.hazards() == {}
    assert not (tmp_path / "events" / "usgs-us1").exists()


def test_a_state_of_the_future_does_not_shut_out_later_ones(folder, catalogue, clock, tmp_path):
    feed = Feed([hazard(updated=EVENT + 9999 * DAY)])
    world = world_of(folder, tmp_path, catalogue, feed, clock)
    scan_once(world)
    first, said = clock.now, record_of(world)
    assert said.hazard.updated == first
    clock.now += DAY
    scan_once(world)  # the same again is nothing new
    assert record_of(world).hazard.updated == first
    feed.hazards = [hazard(updated=clock.now, magnitude=7.0)]
    scan_once(world)
    assert record_of(world).hazard.magnitude == 7.0


def test_a_version_is_made_without_the_one_before_if_that_is_gone(
    folder, catalogue, clock, tmp_path, caplog
):
    catalogue.arrive("after-1")
    world = world_of(folder, tmp_path, catalogue, Feed(), clock)
    assert scan_once(world).versions == 1
    shutil.rmtree(tmp_path / "events" / "usgs-us1" / "versions" / "0001" / "map.zarr")
    catalogue.arrive("after-2")
    outcome = scan_once(world)
    assert (outcome.versions, outcome.failures) == (1, ())
    assert record_of(world).versions[1].computed == record_of(world).versions[1].regions
    assert "there is no map of version 1 any more" in caplog.text


def test_feeds_are_asked_from_before_the_last_time(folder, catalogue, clock, tmp_path):
    feed = Feed([])
    world = world_of(folder, tmp_path, catalogue, feed, clock)
    begun = clock.now
    scan_once(world)
    clock.now += 10 * DAY
    feed.broken = True
    (failure,) = scan_once(world).failures
    assert failure == "usgs: Expected a feed, but it is broken; wait."
    clock.now += DAY
    feed.broken = False
    scan_once(world)
    clock.now = begun - 5 * DAY
    scan_once(world)
    since = [asked[0] for asked in feed.asked]
    # First as far back as events are watched; after a failure from the last time that it was not one.
    assert since == [
        begun - 60 * DAY,
        begun - 3 * DAY,
        begun - 3 * DAY,
        begun - 8 * DAY,
    ]
