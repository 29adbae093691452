"""Files that people write, saved by whatever program: byte order marks, UTF-16, spreadsheets' lists."""

import codecs
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lscube.catalog import open_catalog, read_items
from lscube.catalog.web import Patience
from lscube.errors import LscubeError, SettingsError, SourceError
from lscube.events import read_registry
from lscube.files import decoded
from lscube.learn.card import CARD, read_card
from lscube.products.inventory import read_shaking
from lscube.scan.triggers import OwnList
from lscube.settings import load_job
from lscube.settings.experiment import load_experiment
from lscube.settings.scan import load_scan
from lscube.settings.schooling import load_curriculum
from tests.test_sources import content

HERE = Path(__file__).parents[1]
SINCE, NOW = datetime(2010, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)

SAVED = {
    "UTF-8": lambda text: text.encode(),
    "with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "Windows' line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "with a mark and Windows' line ends": lambda text: (
        codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode()
    ),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, the other order": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
}
LATIN = "Hokkaidō: é"

JOB = """[event]
id = "e"  # é
time = "2018-09-05T18:07:00Z"
[area]
aoi = [1, 2, 3, 4]
[source]
catalogs = "i"
"""
REGISTRY = (HERE / "lscube/events/events.toml").read_text(encoding="utf-8")
SCAN = 'folder = "é"\n[triggers]\nusgs = true\n[map]\nmodels = ["m"]\n[source]\ncatalogs = ["i"]\n'
ITEM = json.dumps(content("é", "2018-08-01T01:30:00Z"), ensure_ascii=False)
CATALOG = json.dumps(
    {"type": "Catalog", "id": "é", "links": [{"rel": "item", "href": "item.json"}]}
)
LIST = "id,time,longitude,latitude,title\na,2018-09-05T18:07:00Z,141.5,42.5,é\n"
FEATURES = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"id": "a", "time": "2018-09-05", "title": "é"},
                "geometry": {"type": "Point", "coordinates": [141.5, 42.5]},
            }
        ],
    },
    ensure_ascii=False,
)
SHAKING = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"value": 6, "units": "mmi", "title": "é"},
                "geometry": {
                    "type": "MultiLineString",
                    "coordinates": [[[1, 2], [2, 2], [2, 3], [1, 2]]],
                },
            }
        ],
    },
    ensure_ascii=False,
)


def static(path: Path) -> object:
    (path.parent / "item.json").write_text(ITEM, encoding="utf-16")
    return open_catalog(path, Patience())


READERS = {
    "job": ("job.toml", JOB, load_job),
    "registry": ("registry.toml", REGISTRY, read_registry),
    "scan": ("scan.toml", SCAN, load_scan),
    "experiment": (
        "experiment.toml",
        (HERE / "pipelines/configs/paper-simulated-small.toml").read_text(),
        load_experiment,
    ),
    "schooling": (
        "schooling.toml",
        (HERE / "pipelines/configs/shipped.toml").read_text(),
        load_curriculum,
    ),
    "item": ("item.json", ITEM, read_items),
    "catalogue": ("catalog.json", CATALOG, static),
    "list": ("list.csv", LIST, lambda path: list(OwnList(path).poll(SINCE, NOW))),
    "features": ("list.geojson", FEATURES, lambda path: list(OwnList(path).poll(SINCE, NOW))),
    "shaking": ("cont_mmi.json", SHAKING, read_shaking),
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("saved", SAVED)
def test_every_text_is_read_however_it_was_saved(tmp_path, kind, saved):
    name, text, read = READERS[kind]
    (tmp_path / name).write_bytes(text.encode())
    plain = repr(read(tmp_path / name))
    (tmp_path / name).write_bytes(SAVED[saved](text))
    found = repr(read(tmp_path / name))
    if kind not in ("item", "catalogue"):  # these show where they lie in memory
        assert found == plain


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    "bad", [LATIN.encode("utf-8")[:-1] + b"\xe9", b"\xff\xfea", b"\x00\xd8\x00\x00a"]
)
def test_what_is_no_text_is_refused_in_a_sentence(tmp_path, kind, bad):
    name, text, read = READERS[kind]
    (tmp_path / name).write_bytes(bad + text.encode("latin-1", "replace"))
    with pytest.raises(LscubeError) as refused:
        read(tmp_path / name)
    assert "\n" not in str(refused.value)


def test_the_sentence_says_what_to_do(tmp_path):
    path = tmp_path / "job.toml"
    path.write_bytes(JOB.encode("cp1252"))
    with pytest.raises(SettingsError) as refused:
        load_job(path)
    assert f"Expected TOML in {path}, but it is neither UTF-8 nor UTF-16 (byte 21 is 0xe9)" in str(
        refused.value
    )


def test_a_card_may_have_been_edited(tmp_path):
    light = next((HERE / "lscube" / "models").glob("light"))
    shutil.copy(light / CARD, tmp_path / CARD)
    text = (tmp_path / CARD).read_text()
    (tmp_path / CARD).write_bytes(text.encode("utf-16"))
    assert read_card(tmp_path) == read_card(light)
    (tmp_path / CARD).write_bytes(b"\xff")
    with pytest.raises(LscubeError, match="neither UTF-8 nor UTF-16"):
        read_card(tmp_path)


def test_decoding():
    for text in ("", "a", "ab", "é", "x = 1\n"):
        for saved in SAVED.values():
            if len(text) > 1 or saved is not SAVED["UTF-16 without a mark"]:
                assert decoded(saved(text)).replace("\r\n", "\n") == text


# Lists as spreadsheets save them


ROWS = [
    ("id", "time", "longitude", "latitude", "kind", "radius_km", "title"),
    ("a-2018", "2018-09-05T18:07:00Z", "141.871", "42.753", "earthquake", "1.5", "Quake"),
    ("b-2019", "2019-09-05", "-14.5", "-2.25", "", "", "Two, with a comma"),
]


def saved_list(
    separator: str = ",", decimal: str = ".", quote: str = '"', end: str = "\r\n"
) -> str:
    def cell(text: str) -> str:
        if text[:1] in "-0123456789" and text.replace(".", "").replace("-", "").isdigit():
            text = text.replace(".", decimal)
        return f"{quote}{text}{quote}" if separator in text or quote == '"' else text

    return "".join(separator.join(map(cell, row)) + end for row in ROWS)


@pytest.mark.parametrize(
    "text",
    [
        saved_list(),
        saved_list(";"),
        saved_list("\t"),
        saved_list(";", decimal=","),
        "sep=;\r\n" + saved_list(";", decimal=","),
        saved_list() + ",,,,,,\r\n , ,,,,,\r\n\r\n",
        saved_list().replace("\r\n", ",,,\r\n"),
        "\r\n,,,\r\n" + saved_list(),
        saved_list().replace('"id"', '" ID "').replace('"time"', '"Time\u00a0"'),
        saved_list().replace('"earthquake"', '"earthquake "'),
        saved_list(end="\n").rstrip("\n"),
        saved_list(end="\r"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_of_events_as_spreadsheets_save_it(tmp_path, text, encoding):
    path = tmp_path / "events.csv"
    path.write_bytes(text.encode(encoding))
    first, second = OwnList(path).poll(SINCE, NOW)
    assert (first.id, first.kind, first.title) == ("own-a-2018", "earthquake", "Quake")
    assert (first.longitude, first.latitude, first.radius) == (141.871, 42.753, 1.5)
    assert (second.id, second.title) == ("own-b-2019", "Two, with a comma")
    assert (second.longitude, second.latitude, second.radius) == (-14.5, -2.25, None)


def test_a_separator_that_is_not_known_is_named(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(saved_list("|"))
    with pytest.raises(
        SourceError, match="separated by commas, semicolons or tabs, found no id and time"
    ):
        list(OwnList(path).poll(SINCE, NOW))


def test_a_text_with_a_comma_and_no_quotes_is_named(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(
        "id,time,longitude,latitude,title\na,2018-09-05,1,2,Quake, Hokkaido\nb,2018-09-05,1,2,B\n"
    )
    found = []
    with pytest.raises(SourceError, match="entry 1: it has more cells than there are columns"):
        found.extend(OwnList(path).poll(SINCE, NOW))
    assert [one.id for one in found] == ["own-b"]
