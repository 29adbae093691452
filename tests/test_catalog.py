from datetime import UTC, datetime

import pystac
import pytest

from lscube.catalog import find_asset, find_scenes, freeze, read_items, search_items
from lscube.errors import AreaError, SceneError, SettingsError, SourceError
from lscube.events import make_event
from lscube.grid import read_area
from lscube.settings import SourceSettings
from tests.scenes import EVENT_TIME, Scene, bands, inner_area, simple_event, surface, write_items
from tests.stac_api import serve

SHAPE = (30, 30)


def scene(name: str, when: str, cloud: float = 0.0, tile: str = "") -> Scene:
    properties = {"eo:cloud_cover": cloud, "grid:code": tile}
    return Scene(name, when, bands(1000, SHAPE), properties=properties)


DSM = Scene("surface", "2016-01-01T00:00:00Z", surface((20, 20)), "alos-dem", 30.0)
BEFORE = scene("before", "2018-08-01T01:00:00Z")
AFTER = scene("after", "2018-10-01T01:00:00Z")


def find(folder, scenes, when=EVENT_TIME, area=None, **settings):
    source = SourceSettings(items=write_items(folder, scenes), **settings)
    return find_scenes(read_area(area or inner_area(SHAPE, 50.0)), make_event("e", when), source)


def names(items) -> list[str]:
    return [item.id for item in items]


def test_clearest_before_and_in_order_of_time_after(tmp_path):
    found = find(
        tmp_path,
        [
            scene("cloudy-before", "2018-08-20T01:00:00Z", 40),
            scene("early-clear", "2018-05-01T01:00:00Z", 5),
            scene("late-clear", "2018-08-01T01:00:00Z", 5),
            scene("overcast", "2018-08-25T01:00:00Z", 99),
            scene("too-old", "2016-08-25T01:00:00Z", 0),
            scene("second-after", "2018-10-05T01:00:00Z", 0),
            scene("first-after", "2018-09-06T01:00:00Z", 30),
            DSM,
        ],
    )
    assert names(found.pre) == ["late-clear", "early-clear", "cloudy-before"]
    assert names(found.post) == ["first-after", "second-after"]
    assert names(found.dsm) == ["surface"]


def test_scenes_of_unknown_cloud_cover_come_last(tmp_path):
    unknown = Scene("unknown", "2018-08-20T01:00:00Z", bands(1000, SHAPE))
    found = find(tmp_path, [unknown, scene("hazy", "2018-08-01T01:00:00Z", 50), AFTER, DSM])
    assert names(found.pre) == ["hazy", "unknown"]


def test_at_most_so_many_scenes_on_each_tile(tmp_path):
    scenes = [
        scene(f"{tile}{day}", f"2018-08-0{day}T01:00:00Z", day, tile)
        for tile in "AB"
        for day in (1, 2, 3)
    ]
    found = find(tmp_path, [*scenes, AFTER, DSM], max_scenes=2)
    assert sorted(names(found.pre)) == ["A1", "A2", "B1", "B2"]


def test_scenes_of_the_day_of_a_date_only_event_are_neither(tmp_path):
    same_day = [scene("morning", "2018-09-05T01:00:00Z"), scene("evening", "2018-09-05T20:00:00Z")]
    found = find(tmp_path, [*same_day, BEFORE, AFTER, DSM], when="2018-09-05")
    assert names(found.pre) == ["before"]
    assert names(found.post) == ["after"]
    # With the instant known, both can be told.
    found = find(tmp_path, [*same_day, DSM])
    assert (names(found.pre), names(found.post)) == (["morning"], ["evening"])


def test_event_times():
    event = make_event("e", "2018-09-06T03:07:00+09:00")
    assert event.start == event.end == datetime(2018, 9, 5, 18, 7, tzinfo=UTC)
    with pytest.raises(SettingsError, match=r"Expected the event's time.*'yesterday'"):
        make_event("e", "yesterday")


@pytest.mark.parametrize(
    ("scenes", "options", "error", "words"),
    [
        ([AFTER, DSM], {}, SceneError, "a scene before the event"),
        ([BEFORE, DSM], {}, SceneError, "a scene after the event"),
        ([BEFORE, AFTER, DSM], {"when": "2031-01-01"}, SceneError, "a scene before the event"),
        ([BEFORE, AFTER], {}, SceneError, "a surface model"),
        ([BEFORE, AFTER, DSM], {"area": (10, 10, 11, 11)}, AreaError, "longitude 10.000 to 11.000"),
        ([DSM], {}, SceneError, "found items of alos-dem"),
    ],
)
def test_what_is_missing_is_named(tmp_path, scenes, options, error, words):
    with pytest.raises(error, match=words):
        find(tmp_path, scenes, **options)


def test_unreadable_collections(tmp_path):
    with pytest.raises(SourceError, match="found no file"):
        read_items(tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    broken.write_text('{"type": "FeatureCollection"')
    with pytest.raises(SourceError, match="ItemCollection"):
        read_items(broken)


def test_frozen_scenes_are_found_again(tmp_path):
    area, event = read_area(inner_area()), make_event("e", EVENT_TIME)
    found = find_scenes(area, event, SourceSettings(items=simple_event(tmp_path)))
    freeze(found, tmp_path / "frozen.json")
    again = find_scenes(area, event, SourceSettings(items=tmp_path / "frozen.json"))
    for side in ("pre", "post", "dsm"):
        ours, theirs = getattr(found, side), getattr(again, side)
        assert [i.to_dict()["assets"] for i in ours] == [i.to_dict()["assets"] for i in theirs]


def test_an_api_is_asked_for_scenes_and_then_for_the_surface_model(tmp_path):
    items = read_items(simple_event(tmp_path))
    asked = []

    def search(api, area, collections, interval):
        asked.append((api, tuple(collections), interval))
        return [item for item in items if item.collection_id in collections]

    source = SourceSettings(api="https://stac.example/v1", days_before=10, days_after=5)
    source = source.model_copy(update={"days_before": 100, "days_after": 50})
    found = find_scenes(read_area(inner_area()), make_event("e", EVENT_TIME), source, search)
    assert names(found.pre) == ["before"]
    assert asked == [
        (
            "https://stac.example/v1",
            source.collections,
            "2018-05-28T18:07:00Z/2018-10-25T18:07:00Z",
        ),
        ("https://stac.example/v1", source.dsm_collections, None),
    ]


def test_an_api_that_is_not_there_is_named():
    # Port 9 (discard) on this machine: nothing listens there.
    with pytest.raises(SourceError, match=r"STAC API at http://127.0.0.1:9"):
        search_items("http://127.0.0.1:9", read_area((0, 0, 1, 1)), ["any"], None)


@pytest.mark.parametrize("file", ["es1_search_multi_0.json", "pc_s2_search_page1.json"])
def test_bands_of_recorded_items_by_common_name(shared_data, file):
    for item in read_items(shared_data / "fixtures" / "stac" / file):
        if not item.collection_id.startswith("sentinel-2"):
            continue
        keys = [find_asset(item, band) for band in ("red", "green", "blue", "nir")]
        assert keys in (["red", "green", "blue", "nir"], ["B04", "B03", "B02", "B08"])


def test_a_missing_band_is_named(tmp_path):
    item: pystac.Item = read_items(simple_event(tmp_path))[0]
    with pytest.raises(SceneError, match=r"band 'nir' on item before, found blue, green, red"):
        find_asset(item, "nir")


def test_a_real_api_is_paged_through(tmp_path):
    items = [item.to_dict() for item in read_items(simple_event(tmp_path))]
    more = [scene(f"extra-{day}", f"2018-08-1{day}T01:00:00Z") for day in range(3)]
    items += [item.to_dict() for item in read_items(write_items(tmp_path / "more", more))]
    with serve(items) as address:
        source = SourceSettings(api=address, days_before=60)
        found = find_scenes(read_area(inner_area()), make_event("e", EVENT_TIME), source)
    assert sorted(names(found.pre)) == ["before", "extra-0", "extra-1", "extra-2"]
    assert names(found.post) == ["after"]
    assert names(found.dsm) == ["surface"]
