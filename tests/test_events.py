import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.warp import transform_bounds
from shapely.geometry import box

from lscube.errors import SettingsError
from lscube.events import find_event, known_events, make_event, read_registry
from lscube.grid import bounds_of, epsg_of, make_grid, read_area

KNOWN = read_registry()

# One complete event; each test below spoils a line of it.
OWN = """
[atlantis-2020]
name = "Atlantis"
trigger = "rainfall"
time = 2020-02-01
time_source = "Plato"
aoi = [-31, 36, -30.9, 36.1]
aoi_is = "approximate"
aoi_source = "Plato"
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("when", "start", "end"),
    [
        ("2018-09-05T18:07:00Z", (2018, 9, 5, 18, 7), (2018, 9, 5, 18, 7)),
        ("2018-09-06T03:07:00+09:00", (2018, 9, 5, 18, 7), (2018, 9, 5, 18, 7)),
        ("2018-09-05T18:07:00", (2018, 9, 5, 18, 7), (2018, 9, 5, 18, 7)),
        ("2018-09-06", (2018, 9, 6), (2018, 9, 7)),
        ("2017-08-08/2017-08-10", (2017, 8, 8), (2017, 8, 11)),
        ("2017-08-08/2017-08-08", (2017, 8, 8), (2017, 8, 9)),
        ("2017-08-08/2017-08-08T06:00:00Z", (2017, 8, 8), (2017, 8, 8, 6)),
        ("2017-08-08T06:00:00Z/2017-08-10", (2017, 8, 8, 6), (2017, 8, 11)),
        ("2100-12-31", (2100, 12, 31), (2101, 1, 1)),
    ],
)
def test_moments_and_periods(when, start, end):
    event = make_event("x", when)
    assert event.start == datetime(*start, tzinfo=UTC)
    assert event.end == datetime(*end, tzinfo=UTC)


@pytest.mark.parametrize(
    "when",
    [
        "yesterday",
        "",
        "1971-01-01",
        "2017-08-10/2017-08-08",
        "2017-08-08/",
        "/2017-08-08",
        "2017-08-08/2017-08-09/2017-08-10",
        "2017-08-08/P3D",
        "2017-08-08/2217-08-08",
    ],
)
def test_bad_times(when):
    with pytest.raises(SettingsError, match="Expected the event's time as"):
        make_event("x", when)


@given(st.dates(datetime(1972, 1, 1).date(), datetime(2100, 1, 1).date()), st.integers(0, 300))
def test_a_period_is_its_first_and_its_last_day(first, days):
    last = first.fromordinal(first.toordinal() + days)
    period = make_event("x", f"{first}/{last}")
    assert period.start == make_event("x", str(first)).start
    assert period.end == make_event("x", str(last)).end
    assert (period.end - period.start).days == days + 1


def test_registry_holds_the_papers_areas():
    assert [event.paper_area for event in KNOWN.values()] == list("ABCDEFG")
    assert all(key == event.id for key, event in KNOWN.items())


@pytest.mark.parametrize("event", KNOWN.values(), ids=KNOWN.keys())
def test_every_registered_event_can_be_mapped(event):
    assert event.event.start <= event.event.end
    assert str(event.event.start.year) == event.id[-4:]
    area = read_area(event.aoi)
    grid = make_grid(area, 10.0)
    # Pixels of 100 square metres; the areas are 100 to 10,000 square kilometres: no continent, no dot.
    assert 100e6 < grid.shape[0] * grid.shape[1] * 100 < 10_000e6
    degrees = transform_bounds(f"EPSG:{epsg_of(grid)}", "EPSG:4326", *bounds_of(grid))
    assert box(*degrees).buffer(1e-9).contains(area)
    assert event.time_source
    assert event.aoi_source
    assert event.trigger == "earthquake" or event.usgs_id is None


@pytest.mark.parametrize(
    ("event_id", "file"),
    [
        ("iburi-2018", "iburi_us2000h8ty_detail.json"),
        ("kaikoura-2016", "kaikoura_us1000778i_detail.json"),
    ],
)
def test_times_are_the_geological_surveys(shared_data, event_id, file):
    detail = json.loads((shared_data / "fixtures" / "usgs" / file).read_text())
    event = find_event(event_id)
    assert event.usgs_id == detail["id"]
    known = datetime.fromtimestamp(detail["properties"]["time"] / 1000, UTC)
    assert abs((event.event.start - known).total_seconds()) < 1


def extent(path: Path) -> tuple[float, float, float, float]:
    with rasterio.open(path) as file:
        return transform_bounds(file.crs, "EPSG:4326", *file.bounds)


def test_areas_are_the_datas(shared_data):
    iburi = box(*find_event("iburi-2018").aoi)
    images = box(*extent(shared_data / "iburi-2018" / "post" / "red.tif"))
    assert images.contains(iburi)
    assert iburi.area > 0.95 * images.area
    assert iburi.contains(images.centroid)
    jiuzhaigou = box(*find_event("jiuzhaigou-2017").aoi)
    surface = box(*extent(shared_data / "jiuzhaigou-terrain" / "dsm.tif"))
    assert jiuzhaigou.contains(surface)
    assert surface.area > 0.99 * jiuzhaigou.area


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("iburi2018", "iburi-2018"),
        ("Kaikoura", "kaikoura-2016"),
        ("santa-lucia", "santa-lucia-2017"),
    ],
)
def test_wrong_id_names_the_nearest(wrong, nearest):
    with pytest.raises(SettingsError, match=rf"did you mean '{nearest}'") as caught:
        find_event(wrong)
    assert all(known in str(caught.value) for known in KNOWN)


def test_strange_id_names_them_all():
    with pytest.raises(SettingsError, match=r"\(chin-2015, .*\), got 'zzz'; choose one"):
        find_event("zzz")


def test_own_registry(tmp_path):
    path = write(tmp_path / "own.toml", OWN)
    event = find_event("atlantis-2020", path)
    assert event.time == "2020-02-01"
    assert event.aoi == (-31.0, 36.0, -30.9, 36.1)
    assert event.paper_area is None
    assert find_event("iburi-2018", path) == KNOWN["iburi-2018"]
    assert list(known_events(path)) == [*KNOWN, "atlantis-2020"]
    with pytest.raises(SettingsError, match=r"did you mean 'atlantis-2020'\?"):
        find_event("atlantis", path)


def test_own_events_take_precedence(tmp_path):
    path = write(tmp_path / "own.toml", OWN.replace("atlantis-2020", "iburi-2018"))
    assert find_event("iburi-2018", path).name == "Atlantis"


def test_a_folder_of_registries(tmp_path):
    write(tmp_path / "a.toml", OWN.replace("atlantis-2020", "lemuria-2020"))
    write(tmp_path / "b.toml", OWN)
    write(tmp_path / "notes.txt", "no registry")
    assert list(read_registry(tmp_path)) == ["lemuria-2020", "atlantis-2020"]
    write(tmp_path / "c.toml", OWN)
    with pytest.raises(SettingsError, match=r"found 'atlantis-2020' again in c\.toml"):
        read_registry(tmp_path)


def test_a_folder_without_registries(tmp_path):
    with pytest.raises(SettingsError, match=r"\(\*\.toml\) in .* found none"):
        read_registry(tmp_path)


def test_facts_of_the_paper():
    """Numbers of its text: landslides, areas, and who trains."""
    assert [event.landslides for event in KNOWN.values()] == [2131, 547, 754, 7837, 227, 309, 1]
    areas = [990.0, 490.0, 365.0, 700.0, 200.0, 87.0, None]
    assert [event.square_kilometres for event in KNOWN.values()] == areas
    assert [event.role for event in KNOWN.values()] == ["train and test"] * 4 + ["test"] * 3
    for event in KNOWN.values():
        assert event.smallest_m2 <= event.largest_m2 < 1e7
        assert event.inventory
        assert event.pre_sensors
        assert event.post_sensors
        assert event.dsm == "AW3D30"


@pytest.mark.parametrize(
    ("line", "instead", "words"),
    [
        ('name = "Atlantis"', "", "event 'atlantis-2020' .* the field 'name' is missing"),
        ('name = "Atlantis"', 'nam = "x"\nname = "x"', "unknown field 'nam'"),
        ('"rainfall"', '"storm"', "field 'trigger': .*'earthquake' or 'rainfall'"),
        ("2020-02-01", '"last week"', "field 'time': Expected the event's time"),
        ("2020-02-01", "2020", "field 'time'"),
        ("-31, 36,", "-31, 37,", "field 'aoi': Expected west, south, east, north"),
        ("-31, 36, ", "-31, ", "field 'aoi.3'"),
        (
            "[-31, 36, -30.9, 36.1]",
            "[0, 83, 1, 85]",
            "field 'aoi': Expected an area that UTM covers",
        ),
        ('"approximate"', '"guess"', "field 'aoi_is'"),
        ("[atlantis-2020]", "", "Expected a table"),
        ("[atlantis-2020]", "[atlantis-2020", "Expected TOML in"),
    ],
)
def test_wrong_registry(tmp_path, line, instead, words):
    assert line in OWN
    path = write(tmp_path / "own.toml", OWN.replace(line, instead))
    with pytest.raises(SettingsError, match=words) as caught:
        read_registry(path)
    assert "\n" not in str(caught.value)


def test_registry_that_is_not_there(tmp_path):
    with pytest.raises(SettingsError, match="found none"):
        read_registry(tmp_path / "none.toml")
