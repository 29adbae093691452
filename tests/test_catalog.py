import json
from datetime import UTC, datetime, timedelta

import pystac
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from lscube.catalog import (
    Answer,
    Band,
    Sun,
    baseline_of,
    choose_before,
    cloud_cover,
    find_band,
    find_classification,
    find_elevation,
    find_scenes,
    freeze,
    level_of,
    pass_of,
    read_items,
    sun_of,
    tile_of,
)
from lscube.catalog.duplicates import drop_duplicates
from lscube.catalog.season import noon_elevation, unlike
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
    source = SourceSettings(catalogs=(write_items(folder, scenes),), **settings)
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
            scene("two-years-old", "2016-08-25T01:00:00Z", 0),
            scene("too-old", "2015-08-25T01:00:00Z", 0),
            scene("second-after", "2018-10-05T01:00:00Z", 0),
            scene("first-after", "2018-09-06T01:00:00Z", 30),
            DSM,
        ],
    )
    # Of another season is what would be clearer.
    assert names(found.pre) == ["late-clear", "two-years-old", "cloudy-before"]
    assert names(found.post) == ["first-after", "second-after"]
    assert names(found.dsm) == ["surface"]


SEASONS = {
    "winter": ("2018-02-01T01:00:00Z", 0),
    "summer": ("2018-08-20T01:00:00Z", 30),
    "last summer": ("2017-08-20T01:00:00Z", 10),
    "spring": ("2018-05-01T01:00:00Z", 1),
}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["last summer", "summer", "winter"]),
        ({"season_days": 183, "years_before": 0}, ["winter", "spring", "summer"]),
        ({"season_days": 183}, ["winter", "spring", "last summer", "summer"]),
        ({"max_scenes": 1}, ["last summer"]),
        ({"max_scenes": 1, "years_before": 0, "days_before": 100}, ["summer"]),
    ],
)
def test_the_events_season_comes_first(tmp_path, settings, expected):
    """A year of age counts like 15 % of cloud; others help out where there are fewer than three."""
    made = [scene(name, when, cloud) for name, (when, cloud) in SEASONS.items()]
    found = find(tmp_path, [*made, AFTER, DSM], **settings)
    assert names(found.pre) == expected


def item_of(when, latitude, **properties):
    area = shapely.box(10, latitude, 11, latitude + 1)
    when = datetime.fromisoformat(when)
    return pystac.Item("x", shapely.geometry.mapping(area), list(area.bounds), when, properties)


def reasons(event, when, latitude=45, **properties):
    source = SourceSettings(catalogs=("x",))
    return unlike(item_of(when, latitude, **properties), make_event("e", event), source)


def test_a_scene_is_unlike_by_season_sun_or_snow():
    assert reasons("2018-07-01", "2018-06-01T10:00:00Z") == ()
    assert reasons("2018-07-01", "2018-03-01T10:00:00Z") == ("123 days of the year from the event",)
    snowy = {"s2:snow_ice_percentage": 40.0}
    assert reasons("2018-07-01", "2018-06-01T10:00:00Z", **snowy) == ("40 % snow",)
    assert reasons("2018-07-01", "2018-06-01T10:00:00Z", **{"eo:snow_cover": 2, **snowy}) == ()
    low = {"view:sun_elevation": 12.0, "view:sun_azimuth": 160.0}
    assert reasons("2018-07-01", "2018-06-01T10:00:00Z", **low) == ("sun 12 degrees high",)
    # Around the new year, and on both halves of the earth.
    assert reasons("2018-01-05", "2017-12-20T10:00:00Z", -45) == ()
    assert reasons("2020-02-29", "2019-03-20T10:00:00Z") == ()
    assert reasons("2018-12-20", "2017-12-25T10:00:00Z", 62) == ()  # it never stands higher then
    assert "sun" in reasons("2018-11-01", "2017-12-10T10:00:00Z", 62)[0]


def test_noon_is_as_high_as_the_almanac_says():
    """Within a degree: 90 - latitude + 23.4 in June, - 23.4 in December, 90 at the equator in March."""
    assert noon_elevation(item_of("2018-06-21T10:00:00Z", 44.5)) == pytest.approx(68.4, abs=1)
    assert noon_elevation(item_of("2018-12-21T10:00:00Z", 44.5)) == pytest.approx(21.6, abs=1)
    assert noon_elevation(item_of("2018-12-21T10:00:00Z", -45.5)) == pytest.approx(68.4, abs=1)
    assert noon_elevation(item_of("2018-03-21T10:00:00Z", -0.5)) == pytest.approx(90, abs=1)


@given(st.permutations(range(12)), st.integers(0, 3))
def test_the_order_of_the_answer_does_not_matter(order, years):
    event = make_event("e", EVENT_TIME)
    source = SourceSettings(catalogs=("x",), years_before=years)
    items = []
    for index in range(12):
        when = event.start - timedelta(days=97 * index + 3)
        properties = {"eo:cloud_cover": float((index * 37) % 50), "grid:code": f"MGRS-{index % 2}"}
        item = item_of(when.isoformat(), 42, **properties)
        item.id = str(index)
        items.append(item)
    found = choose_before(items, event, source)
    again = choose_before([items[index] for index in order], event, source)
    assert {item.id for item in again} == {item.id for item in found}
    # What was chosen is chosen again: a frozen list stays as it is.
    assert [item.id for item in choose_before(found, event, source)] == [i.id for i in found]


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
    found = find_scenes(area, event, SourceSettings(catalogs=(simple_event(tmp_path),)))
    freeze(found, tmp_path / "frozen.json")
    again = find_scenes(area, event, SourceSettings(catalogs=(tmp_path / "frozen.json",)))
    for side in ("pre", "post", "dsm"):
        ours, theirs = getattr(found, side), getattr(again, side)
        assert [i.to_dict()["assets"] for i in ours] == [i.to_dict()["assets"] for i in theirs]


def test_a_catalogue_is_asked_for_scenes_and_then_for_the_surface_model(tmp_path):
    items = read_items(simple_event(tmp_path))
    asked = []

    def ask(where, patience):
        def search(query):
            asked.append((where, query.collections, query.times))
            return Answer(tuple(i for i in items if i.collection_id in query.collections))

        return search

    source = SourceSettings(
        catalogs=("https://stac.example/v1",),
        collections=("sentinel-2-l2a",),
        dsm_collections=("alos-dem",),
        days_before=100,
        days_after=50,
        years_before=1,
    )
    event = make_event("e", EVENT_TIME)
    found = find_scenes(read_area(inner_area()), event, source, ask)
    assert names(found.pre) == ["before"]
    times = (event.start - timedelta(days=100), event.end + timedelta(days=50))
    year = event.start - timedelta(days=365.2425)
    season = (year - timedelta(days=45), year + timedelta(days=45))
    assert asked == [
        ("https://stac.example/v1", ("sentinel-2-l2a",), times),
        ("https://stac.example/v1", ("sentinel-2-l2a",), season),
        ("https://stac.example/v1", ("alos-dem",), None),
    ]


def recorded(shared_data, file) -> list[pystac.Item]:
    return read_items(shared_data / "fixtures" / "stac" / file)


@pytest.mark.parametrize(
    ("file", "keys", "scl"),
    [
        ("es1_search_multi_0.json", ["red", "green", "blue", "nir", "rededge1", "nir08"], "scl"),
        (
            "es1_sentinel-2-c1-l2a_itemcollection.json",
            ["red", "green", "blue", "nir", "rededge1", "nir08"],
            "scl",
        ),
        ("pc_s2_search_page1.json", ["B04", "B03", "B02", "B08", "B05", "B8A"], "SCL"),
        ("pc_s2_timeseries_35MNM.geojson", ["B04", "B03", "B02", "B08", "B05", "B8A"], "SCL"),
    ],
)
def test_assets_of_recorded_items(shared_data, file, keys, scl):
    items = [i for i in recorded(shared_data, file) if i.collection_id.startswith("sentinel-2")]
    wanted = ["red", "green", "blue", "nir", "rededge1", "nir08"]
    own = ["B04", "B03", "B02", "B08", "B05", "B8A"]
    for item in items:
        assert [find_band(item, name) for name in wanted] == [Band(key) for key in keys]
        assert [find_band(item, name) for name in own] == [Band(key) for key in keys]
        assert find_classification(item) == scl
        assert find_classification(item, "SCL_60m") is None


@pytest.mark.parametrize(
    "file",
    [
        "ALPSMLC30_N041W106_DSM.json",
        "Copernicus_DSM_COG_10_N53_00_W115_00_DEM.json",
        "es1_search_copdem30_1.json",
        "pc_copdem30_4items.json",
        "pc_smoke_alos-dem_0.json",
    ],
)
def test_elevation_of_recorded_surface_models(shared_data, file):
    assert {find_elevation(item) for item in recorded(shared_data, file)} == {"data"}


def test_what_recorded_items_say(shared_data):
    earth_search = recorded(shared_data, "es1_search_multi_0.json")[0]
    planetary_computer = recorded(shared_data, "pc_s2_search_page1.json")[0]
    assert tile_of(earth_search) == "MGRS-13TDE"
    assert tile_of(planetary_computer) == "MGRS-19PHS"
    assert pass_of(earth_search) == "GS2A_20231008T175231_043324"
    assert pass_of(planetary_computer) == "GS2A_20230216T150721_039976"
    assert [baseline_of(i) for i in (earth_search, planetary_computer)] == [5.09, 4.0]
    assert [level_of(i) for i in (earth_search, planetary_computer)] == ["L2A", "L2A"]
    assert cloud_cover(planetary_computer) == 70.125186
    assert sun_of(earth_search) == Sun(164.124647750547, 42.6190810694869)
    # Here the item gives the zenith angle, 34.82 degrees.
    assert sun_of(planetary_computer) == Sun(140.065553624596, 90 - 34.821733290852)
    landsat = recorded(shared_data, "es1_search_multi_0.json")[1]
    assert (level_of(landsat), baseline_of(landsat)) == (None, None)


def test_tiles_of_one_pass_give_the_same_pass(shared_data):
    items = read_items(shared_data / "sentinel2-33T-120m" / "items.json")
    passes = {}
    for item in items:
        passes.setdefault(pass_of(item), set()).add(tile_of(item))
    assert passes["GS2B_20230820T094549_033710"] == {"MGRS-33TWL", "MGRS-33TWM"}
    assert passes["GS2B_20230810T094549_033567"] == {"MGRS-33TWL", "MGRS-33TWM"}
    assert len(passes) == 5


def make(name="item", when="2023-08-15T10:00:00Z", assets=(), bbox=(0, 0, 1, 1), **properties):
    """An item without files; `properties` with "__" for ":"."""
    west, south, east, north = bbox
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item = pystac.Item(
        name,
        {"type": "Polygon", "coordinates": [ring]},
        list(bbox),
        datetime.fromisoformat(when),
        {key.replace("__", ":"): v for key, v in properties.items() if key != "collection"},
        collection=properties.get("collection", "sentinel-2-l2a"),
    )
    for key, (href, fields) in dict(assets).items():
        item.add_asset(key, pystac.Asset(href, extra_fields=fields))
    return item


def cdse_item() -> pystac.Item:
    """An item of the Copernicus Data Space's STAC, written from its documentation, not recorded.

    https://documentation.dataspace.copernicus.eu/APIs/STAC.html; only what is asked for here.
    """

    def band(key, common, size, **fields):
        bands = [{"name": key[:3], "eo:common_name": common}]
        return f"s3://eodata/S2A.SAFE/{key}.jp2", {"gsd": size, "bands": bands, **fields}

    offset = {"raster:scale": 0.0001, "raster:offset": -0.1}
    colours = [{"name": n, "eo:common_name": c} for n, c in (("B04", "red"), ("B03", "green"))]
    return make(
        "S2A_MSIL2A_20240815T095031_N0511_R079_T33TWM_20240815T155057",
        assets={
            "B04_60m": band("B04_60m", "red", 60, **offset),
            "B04_20m": band("B04_20m", "red", 20, **offset),
            "B04_10m": band("B04_10m", "red", 10, **offset),
            "B05_20m": band("B05_20m", "rededge071", 20, **offset),
            "TCI_10m": ("s3://eodata/S2A.SAFE/TCI_10m.jp2", {"gsd": 10, "bands": colours}),
            "SCL_60m": ("s3://eodata/S2A.SAFE/SCL_60m.jp2", {"gsd": 60}),
            "SCL_20m": ("s3://eodata/S2A.SAFE/SCL_20m.jp2", {"gsd": 20}),
        },
        platform="sentinel-2a",
        grid__code="MGRS-33TWM",
        product__type="S2MSI2A",
        processing__level="L2",
        processing__version="05.11",
        eopf__datatake_id="GS2A_20240815T095031_047779_N05.11",
        view__sun_azimuth=150.0,
        view__sun_elevation=55.0,
    )


def test_a_cdse_item_written_from_the_documentation():
    item = cdse_item()
    assert find_band(item, "red") == find_band(item, "B04") == Band("B04_10m")
    assert find_band(item, "rededge1") == Band("B05_20m")
    assert find_band(item, "green") == Band("TCI_10m", 2)  # no file of its own in this item
    assert find_classification(item) == "SCL_20m"
    assert pass_of(item) == "GS2A_20240815T095031_047779"
    assert (level_of(item), baseline_of(item)) == ("L2A", 5.11)
    assert sun_of(item) == Sun(150.0, 55.0)


def test_what_only_the_product_name_says():
    item = make("S2B_MSIL1C_20180805T012659_N0206_R074_T54TWN_20180805T035502", collection=None)
    assert pass_of(item) == "GS2B_20180805T012659"
    assert (tile_of(item), level_of(item), baseline_of(item)) == ("MGRS-54TWN", "L1C", 2.06)


def test_a_colour_image_of_another_sensor():
    colours = [{"common_name": name} for name in ("red", "green", "blue")]
    item = make(assets={"image": ("a.tif", {"eo:bands": colours})}, collection="rapideye")
    assert [find_band(item, c).number for c in ("red", "green", "blue")] == [1, 2, 3]


def test_overviews_are_no_bands():
    item = make(assets={"preview": ("p.tif", {"eo:bands": [{"common_name": "red"}]})})
    with pytest.raises(SceneError, match="band 'red'"):
        find_band(item, "red")


def test_cog_before_jpeg2000():
    red = {"eo:bands": [{"common_name": "red"}], "gsd": 10}
    item = make(assets={"a": ("a.jp2", red), "b": ("b.tif", red)})
    assert find_band(item, "red") == Band("b")


def test_an_elevation_that_cannot_be_told_is_asked_for():
    item = make(assets={"a": ("a.tif", {}), "b": ("b.tif", {})}, collection="my-dsm")
    with pytest.raises(SceneError, match=r"found a, b; set source\.dsm_asset"):
        find_elevation(item)
    assert find_elevation(item, "b") == "b"


def scene_of(strip="S20230815T095630", baseline="05.09", name=None, made="20230815", **given):
    """A scene of one tile and datatake."""
    collection = given.setdefault("collection", "sentinel-2-l2a")
    given.setdefault("s2__product_type", "S2MSI2A")
    return make(
        name or f"{collection}_{strip}_{baseline}_{made}",
        grid__code="MGRS-33TWM",
        s2__datatake_id=f"GS2A_20230815T095031_042547_N{baseline}",
        s2__datastrip_id=f"S2A_OPER_MSI_L2A_DS_2APS_{made}T000000_{strip}_N{baseline}",
        s2__processing_baseline=baseline,
        s2__generation_time=f"{made}T000000Z",
        **given,
    )


BOTH = ("sentinel-2-c1-l2a", "sentinel-2-l2a")


def kept(items, collections=BOTH) -> list[str]:
    return sorted(item.id for item in drop_duplicates(items, collections)[0])


def test_the_newest_baseline_wins():
    old, new = scene_of(baseline="02.12"), scene_of(baseline="05.00")
    # As text 05.10 is before 05.9; as number not.
    ten = scene_of(baseline="05.10")
    assert kept([old, new]) == [new.id]
    assert kept([ten, new, old]) == [ten.id]
    _, notes = drop_duplicates([old, new], BOTH)
    assert [str(note) for note in notes] == [
        f"{old.id} (sentinel-2-l2a) was left out for {new.id} (sentinel-2-l2a), the same "
        "acquisition: it has the newest processing baseline",
    ]


def test_the_collection_listed_first_wins_within_a_baseline_and_between_levels():
    first, second = scene_of(collection="sentinel-2-c1-l2a"), scene_of()
    assert kept([second, first]) == [first.id]
    assert kept([second, first], BOTH[::-1]) == [second.id]
    top = scene_of(baseline="05.11", collection="sentinel-2-l1c", s2__product_type="S2MSI1C")
    assert kept([second, top], ("sentinel-2-l2a", "sentinel-2-l1c")) == [second.id]
    assert kept([second, top], ("sentinel-2-l1c", "sentinel-2-l2a")) == [top.id]


def test_the_latest_generation_wins_within_a_datastrip():
    early, late = scene_of(made="20230815"), scene_of(made="20230817")
    assert kept([late, early]) == [late.id]


def test_datastrips_are_parts_and_stay():
    west = scene_of("S20230815T095630", bbox=(0, 0, 0.6, 1))
    east = scene_of("S20230815T095800", bbox=(0.5, 0, 1, 1))
    assert kept([west, east]) == sorted([west.id, east.id])
    # Processed again in one part: it replaces what it covers.
    whole = scene_of("S20230815T095631", baseline="05.10")
    assert kept([west, whole, east]) == [whole.id]
    half = scene_of("S20230815T095631", baseline="05.10", bbox=(0, 0, 0.6, 1))
    assert kept([west, half, east]) == sorted([half.id, east.id])


def test_scenes_without_a_datatake_are_told_by_platform_tile_and_time():
    def unnamed(name, when, **given):
        given = {"platform": "Sentinel-2A", "s2__mgrs_tile": "33TWM", **given}
        return make(name, when, **given)

    old = unnamed("old", "2023-08-15T09:59:59Z", s2__processing_baseline="02.00")
    # Across the turn of the hour: no border between buckets of time.
    new = unnamed("new", "2023-08-15T10:00:03Z", s2__processing_baseline="05.00")
    other_tile = unnamed("tile", "2023-08-15T10:00:03Z", s2__mgrs_tile="33TWL")
    other_platform = unnamed("platform", "2023-08-15T10:00:03Z", platform="sentinel-2b")
    next_pass = unnamed("next", "2023-08-15T11:40:00Z")
    rest = [other_tile, other_platform, next_pass]
    assert kept([old, new, *rest]) == ["new", "next", "platform", "tile"]
    # Nothing says which is the better one: both stay.
    equal = unnamed("equal", "2023-08-15T10:00:00Z", s2__processing_baseline="05.00")
    assert kept([equal, new]) == ["equal", "new"]
    # One with a datatake is of the same pass.
    assert kept([scene_of(name="named", platform="sentinel-2a"), old]) == ["named"]


@given(
    st.lists(
        st.builds(
            scene_of,
            strip=st.sampled_from(["S20230815T095630", "S20230815T095800"]),
            baseline=st.sampled_from(["02.12", "05.00", "05.10"]),
            made=st.sampled_from(["20230815", "20230817"]),
            collection=st.sampled_from(BOTH),
            bbox=st.sampled_from([(0, 0, 1, 1), (0, 0, 0.5, 1), (0.4, 0, 1, 1)]),
        ),
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)
def test_what_stays_does_not_depend_on_the_order(items, random):
    shuffled = random.sample(items, len(items))
    stays, notes = drop_duplicates(items, BOTH)
    again, notes_again = drop_duplicates(shuffled, BOTH)
    assert [(i.id, i.bbox) for i in stays] == [(i.id, i.bbox) for i in again]
    assert [str(note) for note in notes] == [str(note) for note in notes_again]
    assert len(stays) + len(notes) == len(items)
    assert bool(stays) == bool(items)
    assert drop_duplicates(stays, BOTH)[0] == stays


def test_duplicates_are_noted(tmp_path):
    def twice(name, baseline):
        extra = {"s2:processing_baseline": baseline, "s2:datatake_id": f"GS2A_x_1_N{baseline}"}
        return Scene(name, "2018-08-01T01:00:00Z", bands(1000, SHAPE), properties=extra)

    found = find(tmp_path, [twice("old", "02.06"), twice("new", "05.00"), AFTER, DSM])
    assert names(found.pre) == ["new"]
    assert len(found.notes) == 1
    assert "old (sentinel-2-l2a) was left out for new" in found.notes[0]


def test_parts_of_one_pass_count_as_one_scene(tmp_path):
    def part(name, strip):
        extra = {
            "grid:code": "A",
            "s2:datatake_id": "GS2A_x_1_N05.09",
            "s2:datastrip_id": f"S2A_DS_{strip}_N05.09",
        }
        return Scene(name, "2018-08-01T01:00:00Z", bands(1000, SHAPE), properties=extra)

    parts = [part("one", "S20180801T010000"), part("two", "S20180801T010130")]
    found = find(tmp_path, [*parts, AFTER, DSM], max_scenes=1)
    assert sorted(names(found.pre)) == ["one", "two"]


def test_an_unusable_item_is_left_out_and_named(tmp_path, caplog):
    path = write_items(tmp_path, [BEFORE, AFTER, DSM, scene("odd", "2018-08-02T01:00:00Z")])
    content = json.loads(path.read_text())
    content["features"][3]["properties"]["proj:code"] = "EPSG:no"
    path.write_text(json.dumps(content))
    area, event = read_area(inner_area(SHAPE, 50.0)), make_event("e", EVENT_TIME)
    found = find_scenes(area, event, SourceSettings(catalogs=(path,)))
    assert names(found.pre) == ["before"]
    assert found.notes[0].startswith("item odd was left out: ")
    assert "item odd was left out" in caplog.text
    # Where nothing usable is left, it is refused by its name.
    path.write_text(json.dumps({**content, "features": content["features"][3:]}))
    with pytest.raises(SourceError, match="item odd was left out"):
        read_items(path)


SECRET = "sig=abc%2Bdef%3D"


def test_nothing_signed_is_read_or_frozen(tmp_path):
    path = simple_event(tmp_path)
    content = json.loads(path.read_text())
    for item in content["features"]:
        item["links"] = [{"rel": "self", "href": f"https://stac.example/{item['id']}?{SECRET}"}]
        item["properties"]["msft:expiry"] = "2026-01-01T00:00:00Z"
        for asset in item["assets"].values():
            asset["href"] = f"https://store.example/{asset['href']}?v=2&se=2026&sp=rl&{SECRET}"
            asset["alternate"] = {"s3": {"href": f"https://other.example/a.tif?{SECRET}"}}
            asset["xarray:storage_options"] = {"account_name": "a", "credential": SECRET}
    path.write_text(json.dumps(content))
    area, event = read_area(inner_area()), make_event("e", EVENT_TIME)
    found = find_scenes(area, event, SourceSettings(catalogs=(path,)))
    assert found.pre[0].assets["red"].href.endswith("red.tif?v=2")
    freeze(found, tmp_path / "frozen.json")
    # Signed after the search, as other packages do.
    for item in found.pre:
        item.assets["red"].href += f"&{SECRET}"
    freeze(found, tmp_path / "signed-later.json")
    for name in ("frozen.json", "signed-later.json"):
        text = (tmp_path / name).read_text()
        assert "sig=" not in text
        assert "abc" not in text
        assert "msft:expiry" not in text


def test_a_missing_band_is_named(tmp_path):
    item: pystac.Item = read_items(simple_event(tmp_path))[0]
    with pytest.raises(SceneError, match=r"band 'nir' on item before, found blue, green, red"):
        find_band(item, "nir")


def test_a_real_api_is_paged_through(tmp_path):
    items = [item.to_dict() for item in read_items(simple_event(tmp_path))]
    more = [scene(f"extra-{day}", f"2018-08-1{day}T01:00:00Z") for day in range(3)]
    items += [item.to_dict() for item in read_items(write_items(tmp_path / "more", more))]
    with serve(items) as address:
        source = SourceSettings(catalogs=(address,), days_before=60)
        found = find_scenes(read_area(inner_area()), make_event("e", EVENT_TIME), source)
    assert sorted(names(found.pre)) == ["before", "extra-0", "extra-1", "extra-2"]
    assert names(found.post) == ["after"]
    assert names(found.dsm) == ["surface"]
