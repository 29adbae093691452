"""What a scan remembers: in SQLite, in an object store, in memory; and a whole scan in an object store."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import from_url

from lscube.errors import InUseError, StoreError
from lscube.mapping import open_map
from lscube.mapping.places.lease import Timing
from lscube.scan.home import ObjectHome
from lscube.scan.record import FORMAT, Alert, EventRecord, Trouble, Version, from_json, to_json
from lscube.scan.running import scan_once
from lscube.scan.state import ConflictError, MemoryState, ObjectState, SqliteState
from lscube.scan.state.sqlite import FILE, MIGRATIONS
from tests.scanning import (
    DAY,
    EVENT,
    Catalogue,
    Clock,
    Feed,
    Steps,
    hazard,
    record_of,
    world_of,
    write_event,
)
from tests.servers.files import s3_bucket

BUCKET = "scans"
QUICK = Timing(beat=0.2, stale=1.0)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """An object store, as the environment tells of it."""
    with s3_bucket(BUCKET, tmp_path_factory.mktemp("nothing")) as address:
        yield address


@pytest.fixture(params=["sqlite", "objects"])
def opening(request, tmp_path):
    """Opens the same memory as often as it is called."""
    if request.param == "objects":
        bucket = request.getfixturevalue("bucket")
        yield lambda: ObjectState(f"{bucket}/{tmp_path.name}", QUICK)
        return
    opened = []

    def open_one() -> SqliteState:
        opened.append(SqliteState(tmp_path))
        return opened[-1]

    yield open_one
    for state in opened:
        state.close()


def full_record(**changes) -> EventRecord:
    """A record in which nothing is left out."""
    version = Version(1, EVENT, ("a",), 0.5, "area", "settings", "run", 3, 9, ("b",), {"n": 1.5})
    alert = Alert("id", EVENT, "title", "text", {"links": {"report": "r"}}, True)
    plain = EventRecord(
        hazard=hazard(contours=("https://x.example/c.json",), others=("usgs-b",)),
        first_seen=EVENT,
        phase="followed",
        area="POINT (1 2)",
        area_why=("why",),
        making=replace(version, number=2),
        versions=(version,),
        alerts=(alert,),
        trouble=Trouble(2, EVENT, EVENT + DAY, "reason"),
    )
    return replace(plain, **changes)


def test_what_is_written_is_read(opening):
    opening().write(full_record(), None)
    stored = opening().read("usgs-us1")
    assert stored.record == full_record()
    assert opening().records() == {"usgs-us1": full_record()}
    assert opening().read("usgs-other").record is None


def test_a_record_is_written_only_over_the_one_that_was_read(opening):
    state = opening()
    first = state.write(full_record(), None)
    second = state.write(full_record(reason="second"), first)
    for late in (None, first):
        with pytest.raises(ConflictError, match="another one wrote its record"):
            opening().write(full_record(reason="late"), late)
    state.write(full_record(reason="third"), second)
    assert opening().read("usgs-us1").record.reason == "third"


def test_of_a_hazard_the_latest_state_is_kept(opening):
    later = hazard(updated=EVENT + DAY, title="later")
    for told in (hazard(), later, hazard(), later):
        opening().tell(told)
    assert opening().hazards() == {"usgs-us1": later}
    # Taken back without another time of change.
    gone = replace(later, deleted=True)
    opening().tell(gone)
    assert opening().hazards() == {"usgs-us1": gone}


def test_an_event_is_held_by_one(opening):
    one, other = opening(), opening()
    with one.held("usgs-us1"):
        with other.held("usgs-us2"):
            pass
        with pytest.raises(InUseError), other.held("usgs-us1"):
            pass
    with other.held("usgs-us1"):
        pass


def test_notes_are_kept_and_events_forgotten(opening):
    state = opening()
    assert state.note("asked") is None
    for text in ("one", "two"):
        state.set_note("asked", text)
    assert opening().note("asked") == "two"
    state.tell(hazard())
    state.write(full_record(), None)
    state.forget("usgs-us1")
    assert opening().hazards() == opening().records() == {}


def test_a_dry_run_begins_as_the_memory_stands_and_leaves_it(opening):
    state = opening()
    mark = state.write(full_record(), None)
    state.set_note("asked", "then")
    dry = MemoryState(state)
    dry.tell(hazard(id="usgs-new"))
    read = dry.read("usgs-us1")
    # All but what is in the making: that is the other scan's.
    assert (read.record, dry.note("asked")) == (full_record(making=None), "then")
    dry.write(full_record(reason="dry"), read.mark)
    with pytest.raises(ConflictError):
        dry.write(full_record(reason="late"), read.mark)
    assert opening().read("usgs-us1").record == full_record()
    assert opening().hazards() == {}
    state.write(full_record(reason="on"), mark)


# SQLite alone


def open_and_close(folder: Path) -> None:
    SqliteState(folder).close()


def test_tables_are_made_once_though_many_begin_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(open_and_close, [tmp_path] * 16)) == [None] * 16
    connection = sqlite3.connect(tmp_path / FILE)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_tables_of_a_later_lscube_are_left_alone(tmp_path):
    open_and_close(tmp_path)
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match=r"found 99, of a later lscube; update this one\."):
        SqliteState(tmp_path)


def test_a_file_that_is_no_memory_is_named(tmp_path):
    (tmp_path / FILE).write_bytes(b"something else" * 100)
    with pytest.raises(StoreError, match=r"scan\.sqlite, but file is not a database"):
        SqliteState(tmp_path)


def test_a_damaged_record_is_named():
    later = b'{"format": %d, "record": {}}' % (FORMAT + 1)
    with pytest.raises(StoreError, match="of a later lscube"):
        from_json(later, "memory")
    for damaged in (b"", b"[]", b'{"format": 1}', b'{"format": 1, "record": {"hazard": 3}}'):
        with pytest.raises(StoreError, match="in memory, but it is damaged"):
            from_json(damaged, "memory")


@given(st.data())
def test_any_cut_of_a_record_is_damaged(data):
    whole = to_json(full_record())
    end = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(StoreError):
        from_json(whole[:end], "memory")


# A whole scan in an object store


class StopError(Exception):
    """The machine is gone."""


def test_a_scan_in_an_object_store_goes_on_on_another_machine(bucket, tmp_path):
    folder = write_event(tmp_path / "event")
    catalogue, clock = Catalogue(folder), Clock()
    address = f"{bucket}/whole"

    def on_machine(name: str, **given):
        home = ObjectHome(address, tmp_path / name)
        return world_of(
            folder, tmp_path / name, catalogue, Feed(), clock,
            state=ObjectState(address, QUICK), home=home, lease=QUICK, **given,
        )  # fmt: skip

    def stop(step: str) -> None:
        if step.startswith("drew"):
            raise StopError

    catalogue.arrive("after-1")
    with pytest.raises(StopError):
        scan_once(on_machine("first", at=Steps(do=stop)))
    world = on_machine("second")
    outcome = scan_once(world)
    assert (outcome.versions, outcome.failures) == (1, ())
    catalogue.arrive("after-2")
    third = on_machine("third")
    assert scan_once(third).versions == 1
    one, two = record_of(third).versions
    assert (one.computed, one.regions, two.computed, two.regions) == (6, 6, 4, 6)

    store = from_url(address)
    keys = {entry["path"] for page in store.list() for entry in page}
    place = "events/usgs-us1"
    files = ("area.geojson", "landslides.geojson", "scenes.json", "summary.json")
    assert {f"{place}/versions/000{n}/{name}" for n in (1, 2) for name in files} < keys
    assert {f"{place}/latest.json", "feed.xml", "metrics.prom"} < keys
    assert json.loads(bytes(store.get(f"{place}/latest.json").bytes()))["version"] == 2
    # The leases are given back.
    assert not any(key.endswith(".lock") for key in keys)
    assert open_map(f"{address}/{place}/versions/0002/map.zarr")["probability"].notnull().any()
