"""Items as people write them: a field that is null, missing or of another kind costs a sentence at most."""

import copy
import json
import logging
import math
from typing import Any

import pytest

from lscube.catalog import find_band, find_scenes, read_items
from lscube.cube import open_cube
from lscube.cube.planned import plan_cube
from lscube.errors import LscubeError, SceneError, SourceError
from lscube.events import make_event
from lscube.grid import make_grid, read_area
from lscube.settings import CubeSettings, SourceSettings
from tests.scenes import EVENT_TIME, inner_area, simple_event

EVENT = make_event("e", EVENT_TIME)
SETTINGS = CubeSettings(bands=("red", "green"))

ODD = (None, "text", [], {}, [None], ["text"], -1, math.nan, [1, 2, 3, None, 5, 6])
"""What may stand where something else is expected."""

MISSING = object()

SCENE = {
    "eo:cloud_cover": 3,
    "gsd": 10,
    "platform": "sentinel-2a",
    "constellation": "sentinel-2",
    "grid:code": "MGRS-54TWN",
    "view:sun_azimuth": 150.0,
    "view:sun_elevation": 40.0,
    "s2:mean_solar_azimuth": 150.0,
    "s2:mean_solar_zenith": 50.0,
    "s2:processing_baseline": "02.06",
    "s2:product_type": "S2MSI2A",
    "s2:product_uri": "S2A_MSIL2A_20180801T012651_N0206_R074_T54TWN_20180801T035502.SAFE",
    "s2:datatake_id": "GS2A_20180801T012651_016241_N02.06",
    "s2:datastrip_id": "S2A_OPER_MSI_L2A_DS_EPAE_20180801T035502_S20180801T012901_N02.06",
    "s2:generation_time": "2018-08-01T03:55:02Z",
    "s2:mgrs_tile": "54TWN",
    "sat:absolute_orbit": 16241,
    "created": "2018-08-01T03:55:02Z",
    "earthsearch:boa_offset_applied": True,
    "start_datetime": "2018-08-01T01:30:00Z",
    "end_datetime": "2018-08-01T01:30:00Z",
    "proj:epsg": 32654,
}
RED = {
    "type": "image/tiff; application=geotiff",
    "title": "red",
    "description": "red",
    "roles": ["data"],
    "gsd": 10,
    "eo:bands": [{"name": "B04", "common_name": "red"}],
    "bands": [{"name": "B04", "eo:common_name": "red"}],
    "raster:bands": [{"scale": 1e-4, "offset": 0, "spatial_resolution": 10, "data_type": "uint16"}],
    "raster:spatial_resolution": 10,
    "raster:scale": 1e-4,
    "raster:offset": 0,
    "proj:bbox": [573440, 4734160, 574940, 4735360],
    "proj:code": "EPSG:32654",
    "alternate": {"s3": {"href": "s3://bucket/red.tif"}},
}


@pytest.fixture(scope="module")
def event(tmp_path_factory) -> tuple[Any, Any]:
    """Items with most fields that lscube looks at, and their folder."""
    folder = tmp_path_factory.mktemp("event")
    content = json.loads(simple_event(folder).read_text())
    for item in content["features"][:2]:
        item["properties"] = {**SCENE, **item["properties"]}
        item["assets"]["red"] |= RED
        item["links"] = [{"rel": "self", "href": "https://example.org/item", "type": "text/html"}]
        item["stac_extensions"] = [
            "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
        ]
        item["assets"]["thumbnail"] = {
            "href": "./t.png",
            "roles": ["thumbnail"],
            "type": "image/png",
        }
    return folder, content["features"]


def paths_in(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a document, however deep."""
    inside = content.items() if isinstance(content, dict) else ()
    inside = enumerate(content) if isinstance(content, list) and len(content) < 3 else inside
    found = [(*path, name) for name, _ in inside]
    deeper = content.items() if isinstance(content, dict) else enumerate(content) if found else ()
    return found + [one for name, value in deeper for one in paths_in(value, (*path, name))]


def changed(item: Any, path: tuple[Any, ...], value: Any) -> Any:
    own = copy.deepcopy(item)
    place = own
    for name in path[:-1]:
        place = place[name]
    if value is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return own


def planned(folder, items) -> None:
    """Search, and plan a cube."""
    path = folder / "changed.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    area = read_area(inner_area())
    scenes = find_scenes(area, EVENT, SourceSettings(catalogs=(path,)))
    plan = plan_cube(scenes, make_grid(area, 10.0), SETTINGS)
    plan.pre.attributes("pre")
    json.dumps(scenes._repr_html_())


def refusal(folder, items) -> str:
    """What a search and a plan are refused with; any other exception is a failure."""
    try:
        planned(folder, items)
    except LscubeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("number", [0, 2], ids=["scene", "surface model"])
def test_any_field_may_be_anything(event, number, caplog):
    """A walk over all fields of an item: it is used, or named in one sentence; never a traceback."""
    folder, items = event
    caplog.set_level(logging.WARNING)
    planned(folder, items)
    name = items[number]["id"]
    wrong = 0
    for path in paths_in(items[number]):
        for value in (*ODD, MISSING):
            caplog.clear()
            own = changed(items[number], path, value)
            told = refusal(folder, [*items[:number], own, *items[number + 1 :]])
            wrong += bool(told)
            assert "\n" not in told
            told_of = name in f"{told}{caplog.text}" or path[0] in ("id", "collection", "type")
            assert not told or told_of or path[-1] == "datetime", (path, value, told)
    assert wrong > 50, "the walk finds what matters"


def test_a_useless_asset_costs_nothing(event):
    folder, items = event
    for odd in (
        None,
        {},
        [],
        "text",
        {"href": None},
        {"href": 5},
        {"title": "made later"},
        {"href": "http://[x"},
    ):
        own = changed(items[0], ("assets", "thumbnail"), odd)
        planned(folder, [own, *items[1:]])
    # Nor does one that could not be read, as long as nobody reads it.
    own = changed(items[0], ("assets", "blue", "proj:shape"), "text")
    planned(folder, [own, *items[1:]])


def test_what_is_null_is_as_good_as_missing(event):
    folder, items = event
    for name in (
        "raster:bands",
        "eo:bands",
        "bands",
        "roles",
        "gsd",
        "type",
        "proj:code",
        "proj:bbox",
    ):
        planned(folder, [changed(items[0], ("assets", "red", name), None), *items[1:]])
    for name in ("eo:bands", "bands"):
        path = ("assets", "red", name)
        planned(folder, [changed(items[0], path, [None]), *items[1:]])


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("proj:shape", "text", "its proj:shape is 'text', not 2 numbers"),
        ("proj:shape", [0, 5], "its proj:shape is [0, 5], not two whole numbers above 0"),
        ("proj:transform", [1, 2, None, 4, 5, 6], "its proj:transform is [1, 2, None"),
        ("proj:code", "EPSG:no", "its proj:code is 'EPSG:no', not a known CRS"),
        ("proj:bbox", [1, 2], "its proj:bbox is [1, 2], not 4 or 6 numbers"),
        ("raster:bands", "text", "its raster:bands is 'text', not a list of objects"),
        ("eo:bands", [5], "its eo:bands is [5], not a list of objects"),
    ],
)
def test_a_field_of_an_asset_that_is_read_is_named(event, field, value, words):
    folder, items = event
    path = folder / "one.json"
    path.write_text(json.dumps([changed(items[0], ("assets", "red", field), value)]))
    (item,) = read_items(path)
    with pytest.raises(SceneError) as refused:
        find_band(item, "red")
    assert f"Expected asset red of item before to say how it can be read, but {words}" in str(
        refused.value
    )
    assert find_band(item, "green").key == "green"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("id",), 5, "its id is 5, not text"),
        (("properties",), None, "its properties is None, not an object"),
        (("assets",), [], "its assets is [], not an object"),
        (("geometry",), {"type": "Polygon"}, "its geometry is no GeoJSON"),
        (("properties", "datetime"), "soon", "its datetime is 'soon', not an instant"),
        (("properties", "datetime"), 5, "its datetime is 5, not an instant"),
        (("properties", "proj:shape"), "text", "its proj:shape is 'text'"),
        (("collection",), 5, "its collection is 5, not text"),
        (("bbox",), ["a", 1, 2, 3], "its bbox is ['a', 1, 2, 3], not west"),
    ],
)
def test_a_field_of_an_item_is_named(event, path, value, words):
    folder, items = event
    where = folder / "one.json"
    where.write_text(json.dumps([changed(items[0], path, value)]))
    with pytest.raises(SourceError) as refused:
        read_items(where)
    assert words in str(refused.value)
    assert "item " in str(refused.value)


def test_text_where_a_number_is_expected_is_told_of(event):
    folder, items = event
    where = folder / "noted.json"
    own = changed(items[0], ("properties", "eo:cloud_cover"), "low")
    own = changed(own, ("assets", "green"), {"title": "later"})
    where.write_text(json.dumps({"type": "FeatureCollection", "features": [own, *items[1:]]}))
    scenes = find_scenes(read_area(inner_area()), EVENT, SourceSettings(catalogs=(where,)))
    told = "\n".join(scenes.notes)
    assert "of item before, eo:cloud_cover is not used: it is 'low', no number" in told
    assert "of item before, asset green was left out: it has no href" in told


def test_an_item_without_projection_is_read_by_its_bounds(event):
    folder, items = event
    bare = copy.deepcopy(items)
    for item in bare:
        for name in [key for key in item["properties"] if key.startswith("proj:")]:
            del item["properties"][name]
        for asset in item["assets"].values():
            for name in [key for key in asset if key.startswith("proj:")]:
                del asset[name]
    where = folder / "bare.json"
    where.write_text(json.dumps({"type": "FeatureCollection", "features": bare}))
    area = read_area(inner_area())
    scenes = find_scenes(area, EVENT, SourceSettings(catalogs=(where,)))
    cube = open_cube(scenes, make_grid(area, 10.0), SETTINGS)
    assert float(cube["pre"].isel(band=0).mean()) == pytest.approx(0.1)
