import math
from datetime import datetime
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from lscube.catalog import Patience, read_items
from lscube.cube import Access
from lscube.cube.look import dark_of, look_at_scenes, percentiles
from lscube.cube.radiometry import CLEARLY_NEGATIVE, TRUE_COLOUR, Radiometry, decide_radiometry
from lscube.errors import SceneError
from lscube.settings import CubeSettings
from tests.scenes import Scene, write_items

FLAG = "earthsearch:boa_offset_applied"
BASELINE = "s2:processing_baseline"
MINUS = {"raster:bands": [{"scale": 1e-4, "offset": -0.1}]}
NOUGHT = {"raster:bands": [{"scale": 1e-4, "offset": 0}]}
FLAT = {"raster:scale": 1e-4, "raster:offset": -0.1}
PER_BAND = {"bands": [{"name": "B04", "raster:scale": 1e-4, "raster:offset": -0.1}]}
ONCE = Patience(attempts=1)


def measure_dark(items, bands, patience=ONCE):
    """Dark numbers by item id, None where an item was not seen."""
    looks = look_at_scenes(items, CubeSettings(bands=bands), Access(str, patience))
    return {item.id: dark_of(item, bands, looks) for item in items}


def dark_number(pixels, nodata):
    """The lowest percentile of an image whose 0 and `nodata` are no data."""
    gaps = (pixels == 0) | (False if nodata is None else pixels == nodata)
    found = percentiles(pixels, gaps)
    return None if found is None else found[0]


def item_of(properties=None, fields=None, when="2023-06-01T00:00:00Z", key="red", **rest):
    item = pystac.Item(
        rest.pop("id", "scene"),
        None,
        None,
        datetime.fromisoformat(when),
        properties or {},
        collection=rest.pop("collection", "sentinel-2-l2a"),
    )
    asset = pystac.Asset("./red.tif", extra_fields=fields or {}, roles=rest.pop("roles", ["data"]))
    item.add_asset(key, asset)
    return item


def cdse_item():
    """An item as CDSE gives them.

    Written from the documentation of its catalogue (https://documentation.dataspace.copernicus.eu/APIs/STAC.html)
    and of raster extension 2.0, not recorded.
    """
    item = item_of(
        {
            "platform": "sentinel-2a",
            "constellation": "sentinel-2",
            "proj:code": "EPSG:32633",
            "processing:level": "L2",
            "processing:version": "05.10",
            "product:type": "S2MSI2A",
            "eopf:datatake_id": "GS2A_20240308T100841_045500_N05.10",
        },
        when="2024-03-08T10:08:41Z",
        key="B04_20m",
        id="S2A_MSIL2A_20240308T100841_N0510_R022_T33UVR_20240308T143352",
    )
    del item.assets["B04_20m"]
    for number, name in ((2, "blue"), (3, "green"), (4, "red")):
        for size in (20, 10):
            fields = {
                "bands": [{"name": f"B{number:02}", "eo:common_name": name}],
                "proj:code": "EPSG:32633",
                "gsd": size,
                "nodata": 0,
                "data_type": "uint16",
                **FLAT,
            }
            key = f"B{number:02}_{size}m"
            asset = pystac.Asset(
                f"s3://eodata/{key}.jp2", media_type="image/jp2", extra_fields=fields
            )
            item.add_asset(key, asset)
    return item


@pytest.mark.parametrize(
    ("properties", "fields", "offset"),
    [
        # Planetary Computer: nothing but the baseline.
        ({BASELINE: "05.09"}, {}, -0.1),
        ({BASELINE: "04.00"}, {}, -0.1),
        ({BASELINE: "03.01"}, {}, 0.0),
        # Both layouts of the raster extension.
        ({BASELINE: "05.09"}, MINUS, -0.1),
        ({BASELINE: "05.09"}, FLAT, -0.1),
        ({BASELINE: "05.09"}, PER_BAND, -0.1),
        ({BASELINE: "05.09", "raster:scale": 1e-4, "raster:offset": -0.1}, {}, -0.1),
        ({}, MINUS, -0.1),
        ({}, NOUGHT, 0.0),
        ({"processing:version": "05.10"}, FLAT, -0.1),
        # Earth Search: the pixels have it applied, its raster:bands say -0.1 all the same.
        ({BASELINE: "05.09", FLAG: True}, MINUS, 0.0),
        ({BASELINE: "05.09", FLAG: "true"}, MINUS, 0.0),
        ({BASELINE: "05.09", FLAG: True}, NOUGHT, 0.0),
        ({FLAG: True}, {}, 0.0),
        # Not applied: the pixels are as ESA delivered them.
        ({BASELINE: "04.00", FLAG: False}, MINUS, -0.1),
        ({BASELINE: "04.00", FLAG: False}, {}, -0.1),
        ({BASELINE: "02.09", FLAG: False}, NOUGHT, 0.0),
    ],
)
@pytest.mark.parametrize("dark", [None, 1080.0])
def test_consistent_claims_decide(properties, fields, offset, dark):
    decided = decide_radiometry(item_of(properties, fields), "red", dark=dark)
    assert (decided.scale, decided.offset, decided.level) == (1e-4, offset, "L2A")
    bright = "at DN 1080 are bright (0.11), as in snow, cloud, haze or desert"
    words = "not checked" if dark is None else "at DN 1080 agree" if offset else bright
    assert decided.reason.endswith(f"dark pixels {words}")


CONTRADICTIONS = [
    # As ESA delivered it, so with 1000 added; but the raster field says 0.
    ({BASELINE: "05.10", FLAG: False}, NOUGHT),
    # Harmonised, or copied from older items?
    ({BASELINE: "05.10"}, NOUGHT),
    # Processed again without the baseline's being renewed, or copied from newer items?
    ({BASELINE: "03.01"}, MINUS),
    ({BASELINE: "02.09", FLAG: False}, MINUS),
    # Two layouts at odds.
    ({BASELINE: "05.10"}, {**FLAT, **NOUGHT}),
    # Nothing is said of a scene that can be of either kind.
    ({}, {}),
    ({FLAG: False}, {}),
]


@pytest.mark.parametrize(("properties", "fields"), CONTRADICTIONS)
def test_dark_pixels_resolve_a_contradiction(properties, fields):
    decided = decide_radiometry(item_of(properties, fields), "red", dark=230)
    assert decided.offset == 0
    assert "dark pixels at DN 230 cannot have 1000 added, although" in decided.reason


@pytest.mark.parametrize(("properties", "fields"), CONTRADICTIONS)
@pytest.mark.parametrize("dark", [None, 900.0, 1430.0, 6000.0])
def test_what_cannot_be_resolved_is_refused(properties, fields, dark):
    item = item_of(properties, fields)
    with pytest.raises(SceneError) as refused:
        decide_radiometry(item, "red", dark=dark)
    message = str(refused.value)
    assert message.startswith("Expected item scene to tell")
    assert "set cube.offset to -0.1 (added) or 0 (not), as a number or by item id." in message
    assert ("not measured" if dark is None else f"DN {dark:.0f} do not tell") in message
    for words in [str(v) for k, v in properties.items() if k == BASELINE]:
        assert words in message
    for offset in (-0.1, 0.0):
        decided = decide_radiometry(item, "red", CubeSettings(offset={"scene": offset}), dark)
        assert decided.offset == offset


@pytest.mark.parametrize(
    "properties", [{BASELINE: "05.11", FLAG: False}, {BASELINE: "05.11"}, {FLAG: False}, {}]
)
@pytest.mark.parametrize("fields", [MINUS, FLAT, PER_BAND])
def test_dark_pixels_overrule_claims_that_they_disprove(properties, fields):
    """Issues 66 and 71 of Earth Search: the flag says false although the offset is applied."""
    decided = decide_radiometry(item_of(properties, fields), "red", dark=230)
    assert decided.offset == 0
    assert "offset is -0.1" in decided.reason


def test_a_silent_item_of_before_the_change_has_no_offset():
    decided = decide_radiometry(item_of(when="2022-01-24T00:00:00Z"), "red")
    assert decided.offset == 0
    assert "older than baseline 04.00" in decided.reason
    with pytest.raises(SceneError, match="no field tells of an offset"):
        decide_radiometry(item_of(when="2022-01-25T00:00:00Z"), "red")


@given(
    st.fixed_dictionaries(
        {},
        optional={BASELINE: st.sampled_from(["02.12", "04.00", "05.11"]), FLAG: st.booleans()},
    ),
    st.sampled_from([{}, MINUS, NOUGHT, FLAT, PER_BAND]),
    st.floats(0, 65534),
)
def test_no_decision_makes_dark_pixels_negative(properties, fields, dark):
    try:
        decided = decide_radiometry(item_of(properties, fields), "red", dark=dark)
    except SceneError:
        return
    assert dark * decided.scale + decided.offset >= CLEARLY_NEGATIVE


def test_settings_decide():
    item = item_of({BASELINE: "05.09"}, MINUS)
    for offset in (0.0, {"scene": 0.0}):
        decided = decide_radiometry(item, "red", CubeSettings(offset=offset), dark=1100)
        assert (decided.scale, decided.offset) == (1e-4, 0)
        assert decided.reason.startswith("cube.offset decides; dark pixels at DN 1100 are bright")
    other = decide_radiometry(item, "red", CubeSettings(offset={"another": 0.0}))
    assert other.offset == -0.1
    negative = decide_radiometry(item, "red", CubeSettings(offset=-0.1), dark=230)
    assert "dark pixels at DN 230 become negative" in negative.reason
    scaled = decide_radiometry(item, "red", CubeSettings(scale={"scene": 2e-4}))
    assert (scaled.scale, scaled.offset) == (2e-4, -0.2)
    assert scaled.reason.startswith("cube.scale decides; raster:bands offset is -0.1 and")
    with pytest.raises(SceneError, match=r"cube\.scale above 0 for item scene, got 0"):
        decide_radiometry(item, "red", CubeSettings(scale=0.0))


def test_another_quantification_is_taken_from_the_item():
    coarse = {"raster:bands": [{"scale": 1e-3, "offset": -1.0}]}
    assert decide_radiometry(item_of({BASELINE: "05.09"}, coarse), "red").offset == -1
    without = {"raster:bands": [{"scale": 1e-3}]}
    decided = decide_radiometry(item_of({BASELINE: "05.09"}, without), "red")
    assert (decided.scale, decided.offset) == (1e-3, -1)


def test_the_entry_of_the_bands_own_number_counts():
    item = item_of(key="image", collection="planet")
    item.assets["image"].extra_fields = {
        "eo:bands": [{"common_name": "blue"}, {"common_name": "red"}],
        "raster:bands": [{"scale": 1e-4, "offset": 0.0}, {"scale": 2e-4, "offset": -0.3}],
    }
    blue, red = (decide_radiometry(item, name) for name in ("blue", "red"))
    assert [(r.scale, r.offset) for r in (blue, red)] == [(1e-4, 0.0), (2e-4, -0.3)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"raster:scale": 0}, "usable scale on asset red of item scene, got raster:scale 0;"),
        ({"raster:bands": [{"scale": -1e-4}]}, "got raster:bands scale -0.0001;"),
        ({"raster:scale": math.nan}, "got raster:scale nan;"),
        (
            {"raster:offset": math.inf},
            "usable offset on asset red of item scene, got raster:offset inf",
        ),
        ({"raster:offset": "none"}, "got raster:offset none;"),
        ({"raster:offset": -1000}, "got raster:offset -1000, neither 0 nor -0.1; set cube.offset"),
        ({"raster:offset": -0.05}, "got raster:offset -0.05, neither 0 nor -0.1"),
        (
            {"raster:scale": 1e-3, **MINUS},
            "got raster:bands scale 0.0001 but raster:scale 0.001; set cube.scale",
        ),
    ],
)
def test_unusable_numbers_are_named(fields, words):
    with pytest.raises(SceneError) as refused:
        decide_radiometry(item_of({BASELINE: "05.09"}, fields), "red")
    assert words in str(refused.value)
    settings = CubeSettings(scale=1e-4, offset=-0.1)
    assert decide_radiometry(item_of(fields=fields), "red", settings).offset == -0.1


@pytest.mark.parametrize(
    ("key", "fields", "roles"),
    [
        ("red", {"raster:bands": [{"data_type": "uint8"}]}, ["data"]),
        ("red", {"data_type": "uint8"}, ["data"]),
        ("red", {"bands": [{"data_type": "uint8"}]}, ["data"]),
        ("red", {"raster:bands": [{"data_type": "uint8", "scale": 1, "offset": 0}]}, ["data"]),
        ("visual", {}, ["data"]),
        ("TCI_10m", {}, ["data"]),
        ("picture", {}, ["visual"]),
    ],
)
def test_eight_bit_composites_become_comparable(key, fields, roles):
    item = item_of({BASELINE: "05.09"}, fields, key=key, roles=roles)
    decided = decide_radiometry(item, key, dark=20)
    assert decided.scale * 255 == pytest.approx(0.3)
    assert (decided.offset, decided.level) == (0.0, TRUE_COLOUR)


def test_eight_bits_with_a_scale_of_their_own_keep_it():
    item = item_of(fields={"data_type": "uint8", "raster:scale": 0.004}, collection="rapideye")
    decided = decide_radiometry(item, "red")
    assert (decided.scale, decided.offset, decided.level) == (0.004, 0.0, None)


def test_level_1c_follows_the_same_rule():
    item = item_of({BASELINE: "05.10", "s2:product_type": "S2MSI1C"}, collection="sentinel-2-l1c")
    assert decide_radiometry(item, "red").offset == -0.1
    assert decide_radiometry(item, "red").level == "L1C"
    item.properties[BASELINE] = "02.07"
    assert decide_radiometry(item, "red").offset == 0


def test_other_sensors_are_as_their_fields_say():
    plain = decide_radiometry(item_of(collection="mine"), "red")
    assert plain == Radiometry(
        1e-4, 0.0, "no raster scale, Sentinel-2's taken; no raster offset; dark pixels not checked"
    )
    item = item_of(
        {BASELINE[3:]: "05.00"}, {"raster:scale": 2e-4, "raster:offset": -0.1}, collection="x"
    )
    assert decide_radiometry(item, "red", dark=900).offset == -0.1
    with pytest.raises(
        SceneError, match=r"got -0.1, which means reflectance -0.080 for dark pixels"
    ):
        decide_radiometry(item, "red", dark=100)


@pytest.mark.parametrize("band", ["red", "green", "blue", "B04_20m"])
def test_a_cdse_item(band):
    item = cdse_item()
    decided = decide_radiometry(item, band, dark=1090)
    assert (decided.scale, decided.offset, decided.level) == (1e-4, -0.1, "L2A")
    assert decided.reason == (
        "raster:offset is -0.1 and processing baseline is 05.10; dark pixels at DN 1090 agree"
    )


FIXTURES = [
    ("es1_search_multi_0.json", "sentinel-2-l2a", 0.0),
    ("es1_sentinel-2-c1-l2a_itemcollection.json", "sentinel-2-c1-l2a", -0.1),
    ("pc_s2_search_page1.json", "sentinel-2-l2a", -0.1),
    ("pc_s2_search_page2.json", "sentinel-2-l2a", -0.1),
    ("pc_s2_timeseries_35MNM.geojson", "sentinel-2-l2a", 0.0),
]


@pytest.mark.parametrize(("name", "collection", "offset"), FIXTURES)
def test_recorded_items(shared_data, name, collection, offset):
    """What Earth Search and the Planetary Computer answered (baselines 02.12, 04.00 and 05)."""
    items = read_items(shared_data / "fixtures" / "stac" / name)
    chosen = [item for item in items if item.collection_id == collection]
    assert chosen
    for item in chosen:
        for band in ("red", "green", "blue", "nir"):
            decided = decide_radiometry(item, band)
            assert (decided.scale, decided.offset, decided.level) == (1e-4, offset, "L2A")
        assert decide_radiometry(item, "visual").level == TRUE_COLOUR


def test_recorded_landsat(shared_data):
    items = read_items(shared_data / "fixtures" / "stac" / "es1_search_multi_0.json")
    (landsat,) = (item for item in items if item.collection_id == "landsat-c2-l2")
    decided = decide_radiometry(landsat, "red", dark=8000)
    assert (decided.scale, decided.offset) == (2.75e-5, -0.2)


def test_real_scenes_keep_their_dark_pixels(shared_data):
    """Their `raster:bands` say -0.1 although the pixels have it applied."""
    items = read_items(shared_data / "sentinel2-33T-120m" / "items.json")
    dark = measure_dark(items, ("red", "green", "blue"))
    for item in items:
        with rasterio.open(item.assets["red"].href) as source:
            seen = np.percentile(source.read(1, masked=True).compressed(), 1)
        assert dark[item.id] == pytest.approx(seen, abs=50)
        flagged = decide_radiometry(item, "red", dark=dark[item.id])
        assert flagged.offset == 0
        assert flagged.reason.endswith("agree")
        assert decide_radiometry(item, "red").offset == 0
        for flag in (None, False):
            item.properties[FLAG] = flag
            resolved = decide_radiometry(item, "red", dark=dark[item.id])
            assert resolved.offset == 0
            assert "cannot have 1000 added, although raster:bands offset is -0.1" in resolved.reason


def test_iburi_is_top_of_atmosphere(shared_data):
    items = read_items(shared_data / "iburi-2018" / "items.json")
    scenes = [item for item in items if "red" in item.assets]
    dark = measure_dark(scenes, ("blue", "green", "red"))
    for item in scenes:
        decided = decide_radiometry(item, "red", dark=dark[item.id])
        assert (decided.offset, decided.level) == (0.0, "L1C")
        assert decided.reason.startswith("raster:bands offset is 0; dark pixels at DN")


def written(folder: Path, pixels: np.ndarray, name: str = "scene") -> pystac.Item:
    blue = np.where((pixels > 0) & (pixels < 65535), pixels + 5, pixels).astype(np.uint16)
    scene = Scene(name, "2023-06-01T00:00:00Z", {"red": pixels, "blue": blue})
    return read_items(write_items(folder, [scene]))[0]


def test_the_dark_number_is_the_darkest_hundredth(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(1200, 3000, (1500, 1100)).astype(np.uint16)
    pixels[:400, :400] = 0
    pixels[1000:1100, :300] = 65535
    pixels[700:900, 500:700] = 1010
    item = written(tmp_path, pixels)
    assert measure_dark([item], ("blue", "red")) == {"scene": 1010}
    assert measure_dark([item], ("blue",)) == {"scene": 1015}


def test_pixels_mixed_with_no_data_do_not_count():
    """An overview made by averaging has dark pixels along the edge of a swath."""
    pixels = np.full((200, 200), 1100, np.uint16)
    edge = np.add.outer(np.arange(200), np.arange(200))
    pixels[edge < 150] = 0
    pixels[(edge >= 150) & (edge < 154)] = 300
    assert dark_number(pixels, 0) == 1100


def test_hardly_any_pixels_prove_nothing():
    pixels = np.zeros((50, 50), np.uint16)
    assert dark_number(pixels, None) is None
    pixels[:10, :10] = 200
    assert dark_number(pixels, None) is None
    assert dark_number(np.full((50, 50), 7, np.uint16), 7) is None


def test_unreadable_items_have_no_dark_number(tmp_path):
    good = written(tmp_path / "a", np.full((60, 60), 400, np.uint16), "good")
    bad = written(tmp_path / "b", np.full((60, 60), 400, np.uint16), "bad")
    Path(bad.assets["red"].href).write_bytes(b"this is no GeoTIFF")
    assert measure_dark([good, bad], ("red",), patience=ONCE) == {"good": 400, "bad": None}
    assert measure_dark([], ("red",)) == {}
    with pytest.raises(SceneError, match="band 'nir'"):
        measure_dark([good], ("nir",))
