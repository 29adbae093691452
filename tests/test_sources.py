"""Catalogues of every kind, and servers that misbehave: the job ends, nothing is silently missing."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import shapely

from lscube.catalog import (
    Patience,
    Query,
    access_options,
    find_scenes,
    freeze,
    open_catalog,
    read_items,
    sign_href,
    unsigned,
)
from lscube.catalog.presets import PRESETS as KNOWN
from lscube.catalog.presets import preset_of
from lscube.errors import AreaError, MissingExtraError, SceneError, SourceError
from lscube.events import make_event
from lscube.settings import PRESETS, SourceSettings
from tests import needs
from tests.stac_api import Trouble, after, first, serve, seven_of_ten_hang

QUICK = Patience(attempts=5, timeout=10, wait=0.001, longest_wait=0.05, pages=50)
# For servers that do not answer.
BRIEF = replace(QUICK, timeout=0.15)
AREA = shapely.box(0.2, 0.2, 0.8, 0.8)
EVENT = make_event("e", "2018-09-05T18:07:00Z")


def content(name, when, collection="sentinel-2-l2a", bbox=(0, 0, 1, 1), **properties):
    """An item as JSON has it."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": collection,
        "geometry": json.loads(shapely.to_geojson(shapely.box(*bbox))),
        "bbox": list(bbox),
        "properties": {"datetime": when, **properties},
        "links": [],
        "assets": {"red": {"href": f"./{name}/red.tif"}},
    }


BEFORE = content("before", "2018-08-01T01:30:00Z")
AFTER = content("after", "2018-10-01T01:30:00Z")
DSM = content("surface", "2016-01-01T00:00:00Z", "alos-dem")
ALL = [BEFORE, AFTER, DSM]


def find(*catalogs, patience=QUICK, area=AREA, **settings):
    def ask(where, _):
        return open_catalog(where, patience)

    return find_scenes(area, EVENT, SourceSettings(catalogs=catalogs, **settings), ask)


def names(items) -> list[str]:
    return [item.id for item in items]


def write(path: Path, document) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def collected(features):
    return {"type": "FeatureCollection", "features": features}


# What a catalogue can be


def test_presets_are_those_of_the_settings():
    assert tuple(KNOWN) == PRESETS
    assert preset_of("cdse", None, None).dsm_collections == ("cop-dem-glo-30-dged-cog",)
    planetary_computer = preset_of("planetary-computer", None, None)
    assert planetary_computer.dsm_collections == ("alos-dem", "cop-dem-glo-30")
    assert planetary_computer.known
    # What the settings name takes precedence; it may not be there, so it is asked for.
    own = preset_of("earth-search", ("sentinel-2-l1c",), None)
    assert own.collections == ("sentinel-2-l1c",)
    assert own.dsm_collections == ("cop-dem-glo-30",)
    assert not own.known


def test_an_api_is_asked_for_the_area_and_the_time():
    asked = []
    with serve(ALL, asked=asked) as address:
        found = find(address, days_before=100, days_after=50, years_before=0)
    assert [names(found.pre), names(found.post), names(found.dsm)] == [
        ["before"],
        ["after"],
        ["surface"],
    ]
    assert asked[0]["datetime"] == "2018-05-28T18:07:00Z/2018-10-25T18:07:00Z"
    assert shapely.geometry.shape(asked[0]["intersects"]).equals(AREA)
    # Two pages of scenes, one of the surface model; collections that are not there are not asked for.
    assert [search["collections"] for search in asked] == [["sentinel-2-l2a"]] * 2 + [["alos-dem"]]
    assert found.notes == ()


def test_an_api_that_takes_get_alone():
    with serve(ALL, method="GET") as address:
        found = find(address)
    assert [*names(found.pre), *names(found.post), *names(found.dsm)] == [
        "before",
        "after",
        "surface",
    ]


def test_an_area_of_many_vertices_is_searched_by_its_hull():
    asked = []
    area = shapely.Point(0.5, 0.5).buffer(0.3, quad_segs=1000)
    with serve(ALL, asked=asked) as address:
        find(address, area=shapely.difference(area, shapely.Point(0.5, 0.5).buffer(0.1)))
    assert shapely.geometry.shape(asked[0]["intersects"]).equals(shapely.convex_hull(area))


def test_collections_that_an_api_does_not_have_are_named():
    with (
        serve([content("x", "2018-08-01T00:00:00Z", "landsat")]) as address,
        pytest.raises(SceneError, match=r"Expected collection mine at .*, found landsat"),
    ):
        find(address, collections=("mine",))


def test_items_by_address():
    documents = {
        "/all/items.json": collected(ALL),
        "/paged": {**collected(ALL[:2]), "links": [{"rel": "next", "href": "/paged/2"}]},
        "/paged/2": collected(ALL[1:]),
    }
    with serve([], documents=documents) as address:
        for path in ("/all/items.json", "/paged"):
            found = find(address + path)
            assert [*names(found.pre), *names(found.post), *names(found.dsm)] == [
                "before",
                "after",
                "surface",
            ]
        one = find(f"{address}/all/items.json").pre[0]
    assert one.assets["red"].href == f"{address}/all/before/red.tif"


def test_an_empty_page_may_come_last_or_in_between():
    def page(features, after=None):
        return {**collected(features), "links": [{"rel": "next", "href": after}] if after else []}

    documents = {"/1": page([BEFORE], "/2"), "/2": page([], "/3"), "/3": page(ALL[1:], "/4")}
    with serve([], documents={**documents, "/4": page([])}) as address:
        found = find(f"{address}/1")
    assert [names(found.pre), names(found.post)] == [["before"], ["after"]]


def catalogue(*links):
    """A static catalogue."""
    return {
        "type": "Catalog",
        "id": "root",
        "stac_version": "1.0.0",
        "description": "static",
        "links": [{"rel": rel, "href": href} for rel, href in links],
    }


def static_documents(prefix=""):
    """A catalogue with two collections below it; its items name no collection."""
    scenes = {**catalogue(("item", "./b/before.json"), ("item", "after.json"), ("root", "../.."))}
    surfaces = catalogue(("item", "surface.json"))
    anonymous = [{**item, "collection": None} for item in ALL]
    return {
        f"{prefix}/catalog.json": catalogue(
            ("child", "./s2/collection.json"), ("child", "dsm/collection.json"), ("self", "x")
        ),
        f"{prefix}/s2/collection.json": {**scenes, "type": "Collection", "id": "sentinel-2-l2a"},
        f"{prefix}/dsm/collection.json": {**surfaces, "type": "Collection", "id": "alos-dem"},
        f"{prefix}/s2/b/before.json": anonymous[0],
        f"{prefix}/s2/after.json": anonymous[1],
        f"{prefix}/dsm/surface.json": anonymous[2],
    }


def test_a_static_catalogue_by_path_and_by_address(tmp_path):
    for path, document in static_documents().items():
        write(tmp_path / path.lstrip("/"), document)
    found = find(tmp_path / "catalog.json")
    assert found.pre[0].assets["red"].href == str(tmp_path / "s2" / "b" / "before" / "red.tif")
    with serve([], documents=static_documents("/static")) as address:
        again = find(f"{address}/static/catalog.json")
    assert again.pre[0].assets["red"].href == f"{address}/static/s2/b/before/red.tif"
    assert names(again.dsm) == names(found.dsm) == ["surface"]


def test_a_single_item_a_list_and_a_catalogue_that_goes_in_circles(tmp_path):
    assert names(read_items(write(tmp_path / "one.json", BEFORE))) == ["before"]
    assert names(read_items(write(tmp_path / "list.json", ALL))) == ["before", "after", "surface"]
    circle = catalogue(("child", "./circle.json"), ("item", "one.json"), ("item", "./one.json"))
    assert names(read_items(write(tmp_path / "circle.json", circle))) == ["before"]


def test_recorded_files_that_are_no_search_results(shared_data):
    folder = shared_data / "fixtures" / "stac"
    assert len(read_items(folder / "pc_copdem30_4items.json")) == 4
    # A surface model's item without a collection is known by its name.
    tile = read_items(folder / "ALPSMLC30_N041W106_DSM.json")[0]
    assert tile.collection_id is None
    with pytest.raises(SourceError, match="usable STAC items"):
        read_items(folder / "pc_s2_collection.json")


def test_items_without_a_collection_are_told_by_their_names(tmp_path):
    product = "S2A_MSIL2A_2018{}T012651_N0208_R074_T54TWN_2018{}T035502"
    scenes = [
        {**item, "id": product.format(day, day), "collection": None}
        for item, day in ((BEFORE, "0801"), (AFTER, "1001"))
    ]
    dsm = {**DSM, "id": "ALPSMLC30_N000E000_DSM", "collection": None}
    found = find(write(tmp_path / "items.json", collected([*scenes, dsm])))
    assert names(found.dsm) == ["ALPSMLC30_N000E000_DSM"]
    # Others are not guessed at.
    other = write(tmp_path / "other.json", collected([{**BEFORE, "collection": None}]))
    with pytest.raises(SceneError, match="found items of no collection"):
        find(other)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("file:///etc/hosts", r"begin with https:// or http://, got file:///etc/hosts;"),
        ("s3://bucket/items.json", "begin with https"),
        (Path("/nowhere/items.json"), "found no file"),
    ],
)
def test_what_is_no_catalogue_is_refused(where, words):
    with pytest.raises(SourceError, match=words) as caught:
        find(where)
    assert str(caught.value).count(". ") == 0


def test_a_catalogue_on_the_web_does_not_lead_to_files_here(tmp_path):
    write(tmp_path / "before.json", BEFORE)
    documents = {"/c": catalogue(("item", f"file://{tmp_path}/before.json"))}
    with (
        serve([], documents=documents) as address,
        pytest.raises(SourceError, match="it links to file://"),
    ):
        find(f"{address}/c")


@pytest.mark.parametrize(
    "document", [{}, [], 3, {"type": "FeatureCollection"}, {"type": "Catalog", "links": [3]}]
)
def test_other_documents_are_refused(tmp_path, document):
    with pytest.raises(SourceError):
        read_items(write(tmp_path / "x.json", document))
    with serve([], documents={"/x": document}) as address, pytest.raises(SourceError):
        find(f"{address}/x")


# Several catalogues


def test_scenes_and_surface_model_come_from_the_first_that_has_them(tmp_path, caplog):
    no_after = write(tmp_path / "a.json", collected([BEFORE, DSM]))
    no_dsm = write(tmp_path / "b.json", collected([BEFORE, AFTER]))
    found = find("http://127.0.0.1:9", no_after, no_dsm)
    assert names(found.post) == ["after"]
    assert names(found.dsm) == ["surface"]
    assert len(found.notes) == 3
    assert found.notes[0].startswith("http://127.0.0.1:9 was passed over for scenes: ")
    assert "Connection refused, asked 5 times" in found.notes[0]
    assert "a scene after the event" in found.notes[1]
    assert found.notes[2].startswith("http://127.0.0.1:9 was passed over for a surface model: ")
    assert caplog.text.count("was passed over") == 3


def test_where_none_serves_each_reason_is_named(tmp_path):
    nothing = write(tmp_path / "a.json", collected([DSM]))
    elsewhere = [content("far", "2018-08-01T00:00:00Z", bbox=(50, 50, 51, 51))]
    far = write(tmp_path / "b.json", collected(elsewhere))
    with pytest.raises(AreaError, match=r"none serves \(.*a\.json: .*alos-dem; .*b\.json: .*50\.0"):
        find(nothing, far)
    with pytest.raises(SceneError, match=r"127\.0\.0\.1:9: .*refused.*a\.json: .*alos-dem"):
        find("http://127.0.0.1:9", nothing)
    with pytest.raises(SourceError, match=r"one of 2 catalogues.*127\.0\.0\.1:9.*none\.json"):
        find("http://127.0.0.1:9", tmp_path / "none.json")
    scenes = write(tmp_path / "c.json", collected([BEFORE, AFTER]))
    with pytest.raises(SceneError, match=r"Expected a surface model from one of 2.*b\.json"):
        find(scenes, far)


def test_an_api_with_an_unusable_item_is_used_without_it():
    odd = {**content("odd", "2018-08-02T01:30:00Z"), "geometry": {"type": "Polygon"}}
    with serve([*ALL, odd]) as address:
        found = find(address)
    assert names(found.pre) == ["before"]
    assert found.notes[0].startswith("item odd was left out: ")


# Servers that misbehave


MANY = [content(f"b{day:02}", f"2018-08-{day:02}T01:30:00Z") for day in range(1, 7)]


@pytest.mark.parametrize(
    "script",
    [
        first(3, Trouble(503)),
        first(2, Trouble(429, retry_after="0")),
        first(2, Trouble(cut=True)),
        first(1, Trouble(hang=True)),
        seven_of_ten_hang,
    ],
    ids=["503", "429", "half an answer", "no answer", "70 % never answered"],
)
def test_passing_trouble_is_waited_out(script):
    with serve([*MANY, *ALL], script) as address:
        found = find(address, patience=replace(BRIEF, attempts=10), max_scenes=10)
    assert sorted(names(found.pre)) == sorted(["before", *names_of(MANY)])
    assert names(found.post) == ["after"]
    assert found.notes == ()


def names_of(contents) -> list[str]:
    return [item["id"] for item in contents]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (after(2, Trouble(403)), "HTTP 403, asked once"),
        (after(2, Trouble(503)), "HTTP 503, asked 5 times"),
        (after(2, Trouble(hang=True)), "no answer in time, asked 5 times"),
        (after(2, Trouble(cut=True)), "asked 5 times"),
        (
            after(2, Trouble(429, retry_after="86400")),
            "HTTP 429, it asks to wait 86400 s, asked once",
        ),
        (
            after(2, Trouble(429, retry_after="Fri, 31 Dec 2100 23:59:59 GMT")),
            "HTTP 429, it asks to wait .* s, asked once",
        ),
    ],
    ids=["403", "503", "no answer", "half an answer", "a day", "a date"],
)
def test_part_of_an_answer_is_never_used(tmp_path, script, words):
    patience = BRIEF if "no answer" in words else QUICK
    with serve([*MANY, *ALL], script) as address, pytest.raises(SourceError, match=words):
        find(address, patience=patience)
    # The next catalogue is asked instead, and nothing of the first one is among what is found.
    other = write(tmp_path / "items.json", collected(ALL))
    with serve([*MANY, *ALL], script) as address:
        found = find(address, other, patience=patience)
    assert names(found.pre) == ["before"]
    assert found.pre[0].assets["red"].href == str(tmp_path / "before" / "red.tif")
    assert found.notes[0].startswith(f"{address} was passed over for scenes: ")


def test_too_little_patience_for_a_bad_server_is_an_error():
    once = replace(BRIEF, attempts=2)
    with (
        serve([*MANY, *ALL], seven_of_ten_hang) as address,
        pytest.raises(SourceError, match="no answer in time, asked 2 times"),
    ):
        find(address, patience=once)


def test_pages_without_end_are_given_up():
    with serve(ALL, endless=True) as address:
        with pytest.raises(SourceError, match="it has more than 50 pages"):
            find(address)
        search = open_catalog(address, QUICK)
        with pytest.raises(SourceError, match="more than 50 pages"):
            search(Query(AREA, ("sentinel-2-l2a",)))
    repeated = {**collected(ALL), "links": [{"rel": "next", "href": "/again"}]}
    with (
        serve([], documents={"/again": repeated}) as address,
        pytest.raises(SourceError, match="its pages repeat themselves"),
    ):
        find(f"{address}/again")


def test_a_static_catalogue_without_bound_is_given_up(tmp_path):
    many = [("item", f"{number}.json") for number in range(60)]
    for _, name in many:
        write(tmp_path / name, BEFORE)
    with pytest.raises(SourceError, match="it has more than 50 documents"):
        find(write(tmp_path / "catalog.json", catalogue(*many)))


def test_a_broken_document_below_a_catalogue_is_an_error():
    documents = {**static_documents()}
    del documents["/s2/after.json"]
    with (
        serve([], documents=documents) as address,
        pytest.raises(SourceError, match=r"after\.json.*HTTP 404, asked once"),
    ):
        find(f"{address}/catalog.json")


def test_an_answer_that_is_no_page_is_an_error():
    with (
        serve([], documents={"/search": {}, "/": {"type": "Catalog"}}) as address,
        pytest.raises(SourceError, match="usable STAC items"),
    ):
        find(f"{address}/")


def test_the_wait_grows_and_is_bounded():
    patience = Patience(wait=1.0, longest_wait=5.0)
    pauses = [[patience.pause(attempt) for _ in range(50)] for attempt in range(10)]
    for attempt, some in enumerate(pauses):
        assert all(min(0.5 * 2**attempt, 5.0) <= pause <= 5.0 for pause in some)
        assert all(pause <= 1.5 * 2**attempt for pause in some)
    assert len(set(pauses[0])) > 1  # clients do not all come back at once


# Signatures


SECRET = "c2VjcmV0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a.b/x.tif", "https://a.b/x.tif"),
        ("https://a.b/x.tif?v=2&se=east", "https://a.b/x.tif?v=2&se=east"),
        (f"https://a.b/x.tif?st=1&se=2&sp=rl&sv=3&sr=c&sig={SECRET}%3D", "https://a.b/x.tif"),
        (f"https://a.b/x.tif?v=2&sig={SECRET}&sp=r", "https://a.b/x.tif?v=2"),
        (f"https://a.b/x?X-Amz-Signature={SECRET}&X-Amz-Date=1&v=2#f", "https://a.b/x?v=2#f"),
        (f"https://a.b/x?Policy=1&Key-Pair-Id={SECRET}&Signature={SECRET}", "https://a.b/x"),
        (f"https://user:{SECRET}@a.b/x.tif", "https://a.b/x.tif"),
        ("https://a.b?mail=c@d.e", "https://a.b?mail=c@d.e"),
        (f"https://a.b/x?subscription-key={SECRET}", "https://a.b/x"),
        (
            f"'/vsicurl/https://a.b/x?sig={SECRET}' failed (see https://c.d/?q=1), url: /y?token={SECRET}.",
            "'/vsicurl/https://a.b/x' failed (see https://c.d/?q=1), url: /y.",
        ),
    ],
)
def test_signatures_are_stripped_and_nothing_else(text, shown):
    assert unsigned(text) == shown
    assert unsigned(shown) == shown


def test_an_address_with_a_password_is_not_shown(caplog):
    with serve(ALL, first(1, Trouble(503))) as address:
        secret = address.replace("http://", f"http://user:{SECRET}@") + f"/?token={SECRET}"
        found = find(secret, write_nothing := Path("/nowhere.json"))
        assert names(found.pre) == ["before"]
    with pytest.raises(SourceError) as caught:
        find(secret, write_nothing)
    assert SECRET not in f"{caught.value} {found.notes} {caplog.text}"


def test_options_of_public_buckets(monkeypatch):
    for name in ("AWS_NO_SIGN_REQUEST", "AWS_REGION", "AWS_S3_ENDPOINT", "AWS_VIRTUAL_HOSTING"):
        monkeypatch.delenv(name, raising=False)
    assert access_options("s3://copernicus-dem-30m/a.tif")["AWS_NO_SIGN_REQUEST"] == "YES"
    assert access_options("s3://sentinel-cogs/a.tif")["AWS_REGION"] == "us-west-2"
    cdse = access_options("s3://eodata/a.jp2")
    assert cdse["AWS_S3_ENDPOINT"] == "eodata.dataspace.copernicus.eu"
    assert cdse["AWS_VIRTUAL_HOSTING"] == "FALSE"
    for other in ("s3://mine/a.tif", "https://eodata/a.tif", "/data/a.tif"):
        assert access_options(other) == {}
    monkeypatch.setenv("AWS_S3_ENDPOINT", "127.0.0.1:9")
    assert "AWS_S3_ENDPOINT" not in access_options("s3://eodata/a.jp2")


def blob(account: str) -> str:
    return f"https://{account}.blob.core.windows.net/container/a/b.tif"


@pytest.fixture
def signing_service(monkeypatch):
    """The Planetary Computer's signing service, on this machine."""
    needs.module("planetary_computer")
    from planetary_computer import sas
    from planetary_computer.settings import Settings

    token = {"msft:expiry": "2100-01-01T00:00:00Z", "token": f"st=1&se=2&sp=rl&sig={SECRET}"}
    stale = {**token, "msft:expiry": "2020-01-01T00:00:00Z"}
    documents = {
        "/known/container": token,
        "/stale/container": stale,
        "/odd/container": {"token": SECRET},
        "/refused/container": token,
    }
    asked = []

    def script(search):
        asked.append(search)
        return Trouble(403) if refusing.is_set() else None

    refusing = threading.Event()
    with serve([], script, documents=documents) as address:
        monkeypatch.setenv("PC_SDK_SAS_URL", address)
        Settings.get.cache_clear()
        yield asked, refusing
    Settings.get.cache_clear()
    sas.TOKEN_CACHE.clear()


def test_addresses_are_signed_by_their_host(signing_service):
    asked, _ = signing_service
    signed = sign_href(blob("known"))
    assert signed == f"{blob('known')}?st=1&se=2&sp=rl&sig={SECRET}"
    assert unsigned(signed) == blob("known")
    # Never twice; the token serves all files of its container.
    assert sign_href(signed) == signed
    assert sign_href(blob("known") + "?v=2").startswith(blob("known") + "?v=2&st=1")
    assert len(asked) == 1
    for other in ("s3://eodata/a.jp2", "https://a.b/c.tif", "/data/a.tif", blob("stranger")):
        assert sign_href(other) == other


def test_a_token_that_is_about_to_expire_is_renewed(signing_service):
    asked, _ = signing_service
    sign_href(blob("stale"))
    sign_href(blob("stale"))
    assert len(asked) == 2


def test_a_signing_service_that_fails_is_named_without_the_token(signing_service):
    asked, refusing = signing_service
    refusing.set()
    for _ in range(3):  # asked once: the failure is remembered for a while
        with pytest.raises(SourceError, match=r"refused/container.*HTTP 403"):
            sign_href(blob("refused"))
    assert len(asked) == 1
    refusing.clear()
    with pytest.raises(SourceError, match="Expected a token") as caught:
        sign_href(blob("odd"))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_without_the_package_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "planetary_computer", None)
    with pytest.raises(MissingExtraError, match=r"lscube\[planetary-computer\]"):
        sign_href(blob("any"))


def test_what_was_found_at_an_api_can_be_frozen(tmp_path):
    signed = json.loads(json.dumps(ALL))
    for item in signed:
        item["assets"]["red"]["href"] = f"{blob('a')}?se=1&sig={SECRET}"
    with serve(signed) as address:
        found = find(address)
    freeze(found, tmp_path / "frozen.json")
    assert SECRET not in (tmp_path / "frozen.json").read_text()
    again = find(tmp_path / "frozen.json")
    assert again.pre[0].assets["red"].href == blob("a")
