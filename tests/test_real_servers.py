"""The whole way on real servers: a STAC API on PostgreSQL, COGs over HTTP and in an object store."""

import json
import logging
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cloudpickle
import dask
import numpy as np
import pytest
import rasterio.shutil
import shapely
import xarray as xr

from lscube.catalog import Patience, Query, find_scenes, freeze, open_catalog, read_items
from lscube.cli import main
from lscube.cube import Access, Reading, open_cube, read_cube, unreadable_items, write_cube
from lscube.events import make_event
from lscube.grid import make_grid, read_area
from lscube.settings import CubeSettings, SourceSettings
from tests.needs import POSTGIS, POSTGRES, require
from tests.scenes import (
    EVENT_TIME,
    NORTH,
    WEST,
    Scene,
    degrees,
    inner_area,
    surface,
    write_items,
)
from tests.servers.__main__ import items_at
from tests.servers.catalog import stac_api
from tests.servers.database import postgres
from tests.servers.files import Signer, counts_of, range_server, s3_server
from tests.servers.processes import free_port
from tests.servers.program import Behaviour

BANDS = ("red", "green", "blue")
EVENT = make_event("e", EVENT_TIME)
AREA = read_area(degrees((WEST + 200, NORTH - 1000, WEST + 1600, NORTH - 200)))
SETTINGS = CubeSettings(dilation=0.0, chunk=64)
QUICK = Patience(attempts=3, timeout=20.0, wait=0.001)
TILE_COLUMNS, ROWS = 100, 120
TILES = {"54TWN": 0, "54TXN": 80}
"""First column of each tile; they overlap by 20 columns."""

OTHERS = 230
"""Cloudier scenes of the same place, more than two pages."""


# What is written


@dataclass(frozen=True)
class Pass:
    """One satellite pass over both tiles."""

    day: str
    base: int
    """Digital number of red at row 0, column 0; one more per column, two more per row."""
    cloudy: tuple[int, int] | None = None
    """First column that is cloudy and first that is clear again."""

    def values(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return self.base + columns + 2 * rows


PASSES = (
    Pass("2018-07-30", 1100, (0, 40)),
    Pass("2018-08-10", 1300),
    Pass("2018-08-20", 1000),
    Pass("2018-09-10", 2600, (120, 180)),
    Pass("2018-09-20", 2800),
)


def scenes_of(one: Pass, collection: str) -> Iterator[Scene]:
    for tile, first in TILES.items():
        columns = np.arange(first, first + TILE_COLUMNS)[None, :]
        red = one.values(np.arange(ROWS)[:, None], columns)
        pixels = {band: (red + 100 * i).astype(np.uint16) for i, band in enumerate(BANDS)}
        classes = np.full(red.shape, 4, np.uint8)
        if one.cloudy:
            classes[:, (columns[0] >= one.cloudy[0]) & (columns[0] < one.cloudy[1])] = 9
        yield Scene(
            f"S2A_{tile}_{one.day}",
            f"{one.day}T01:30:00Z",
            {**pixels, "scl": classes},
            collection,
            properties={
                "eo:cloud_cover": 5.0,
                "platform": "sentinel-2a",
                "grid:code": f"MGRS-{tile}",
                "s2:datatake_id": f"GS2A_{one.day.replace('-', '')}T013000_012345_N02.08",
            },
            offset=(first * 10.0, 0.0),
        )


def expected(cube: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Red before, red after, and elevation, as they were written."""
    columns = (cube.x.values[None, :] - WEST) / 10 - 0.5
    rows = (NORTH - cube.y.values[:, None]) / 10 - 0.5
    one, two, three, first, second = (p.values(rows, columns) for p in PASSES)
    seen = columns >= 40
    before = np.where(seen, np.median([one, two, three], axis=0), (two + three) / 2)
    after = np.where(columns < 120, first, second)
    # The surface model rises by 10 m per 30 m; its first pixel's centre is 285 m west.
    elevation = 100 + (columns * 10 + 5 + 285) / 3 + 0 * rows
    return before * 1e-4, after * 1e-4, elevation


def assert_as_written(cube: xr.Dataset) -> None:
    before, after, elevation = expected(cube)
    assert cube["elevation"].shape == before.shape
    assert min(before.shape) >= 80
    for index, band in enumerate(BANDS):
        for side, red in (("pre", before), ("post", after)):
            pixels = cube[side].sel(band=band).values
            np.testing.assert_allclose(pixels, red + index * 0.01, atol=1e-6)
    np.testing.assert_allclose(cube["elevation"].values, elevation, atol=0.05)
    assert not cube["observed"].any()
    days = (np.datetime64("2018-09-10"), np.datetime64("2018-09-20"))
    found = np.unique(cube["post_date"].values).astype("datetime64[D]")
    np.testing.assert_array_equal(found, days)
    assert unreadable_items(cube) == {}


def contents(path: Path, address: str, suffix: str = "") -> list[dict[str, Any]]:
    """The items of a file, their files at an address, in collections of their own."""
    items = items_at(path.parent, address)
    for item in items:
        item["collection"] += suffix
    return items


def others(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Light items that point to the files of one scene: cloudier ones of other days."""
    start = datetime(2018, 8, 19, 3, tzinfo=UTC)
    made = []
    for number in range(OTHERS):
        when = start - timedelta(days=number)
        own = {
            "datetime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
            "eo:cloud_cover": 40.0 + number % 15,
            "s2:datatake_id": f"GS2B_{when:%Y%m%dT%H%M%S}_000001_N02.08",
        }
        made.append({**item, "id": f"other-{number}", "properties": {**item["properties"], **own}})
    return made


def elsewhere(item: dict[str, Any]) -> list[dict[str, Any]]:
    """What a search must not find: another place, another time, another collection."""
    far = shapely.box(-70.0, -30.0, -69.0, -29.0)
    place = {"geometry": shapely.geometry.mapping(far), "bbox": list(far.bounds)}
    time = {"properties": {**item["properties"], "datetime": "2012-01-01T00:00:00Z"}}
    return [
        {**item, "id": "elsewhere", **place},
        {**item, "id": "long-ago", **time},
        {**item, "id": "another", "collection": "landsat-c2-l2"},
    ]


# The servers


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    optical = [scene for one in PASSES for scene in scenes_of(one, "sentinel-2-l2a")]
    dsm = surface((70, 100))
    model = Scene("model", "2016-01-01T00:00:00Z", dsm, "alos-dem", 30.0, offset=(-300.0, 300.0))
    write_items(folder, [*optical, model])
    return folder


@pytest.fixture(scope="module")
def recorded() -> list[dict[str, Any]]:
    """Answers of Earth Search and the Planetary Computer, none where they are not at hand."""
    stac = Path(__file__).resolve().parents[2] / "shared" / "data" / "fixtures" / "stac"
    names = ("es1_search_multi_0.json", "es1_sentinel-2-c1-l2a_itemcollection.json")
    pages = ("pc_s2_search_page1.json", "pc_s2_search_page2.json", "pc_copdem30_4items.json")
    there = [stac / name for name in (*names, *pages) if (stac / name).is_file()]
    found = [item for path in there for item in features_of(json.loads(path.read_text()))]
    return list({(item["collection"], item["id"]): item for item in found}.values())


def features_of(document: Any) -> list[dict[str, Any]]:
    """The items of an ItemCollection or of a list."""
    return list(document if isinstance(document, list) else document["features"])


@dataclass(frozen=True)
class Servers:
    """What runs while these tests do."""

    api: str
    s3: dict[str, str]
    """Environment that reads the object store."""


@pytest.fixture(scope="module")
def servers(folder, recorded) -> Iterator[Servers]:
    require(POSTGRES, POSTGIS)
    with ExitStack() as stack:
        dsn = stack.enter_context(postgres())
        files = stack.enter_context(range_server(folder))
        s3 = stack.enter_context(s3_server("scenes", folder))
        over_http = contents(folder / "items.json", files)
        in_store = contents(folder / "items.json", "s3://scenes", "-in-store")
        light = [*others(over_http[0]), *elsewhere(over_http[0])]
        items = [*over_http, *in_store, *light, *recorded]
        yield Servers(stack.enter_context(stac_api(dsn, items)), s3)


def names(items) -> list[str]:
    return sorted(item.id for item in items)


def ask(api: str, *collections: str, area=AREA, times: tuple[str, str] | None = None):
    days = None if times is None else tuple(datetime.fromisoformat(f"{t}T00Z") for t in times)
    return open_catalog(api, QUICK)(Query(area, collections, days)).items


# Searching


def test_every_page_is_read_and_every_item_comes_once(servers):
    items = ask(servers.api, "sentinel-2-l2a", times=("2017-09-01", "2018-12-31"))
    own = [f"S2A_{tile}_{one.day}" for tile in TILES for one in PASSES]
    assert names(items) == sorted([*own, *(f"other-{number}" for number in range(OTHERS))])


@pytest.mark.parametrize(
    ("collection", "times", "found"),
    [
        (
            "sentinel-2-l2a",
            ("2018-09-01", "2018-09-15"),
            ["S2A_54TWN_2018-09-10", "S2A_54TXN_2018-09-10"],
        ),
        ("sentinel-2-l2a", ("2011-12-31", "2012-01-02"), ["long-ago"]),
        ("landsat-c2-l2", ("2018-01-01", "2018-12-31"), ["another"]),
        ("alos-dem", None, ["model"]),
        ("sentinel-2-l2a", ("2019-01-01", "2019-12-31"), []),
    ],
)
def test_collection_and_time_are_asked_for(servers, collection, times, found):
    assert names(ask(servers.api, collection, times=times)) == found


def test_the_area_is_asked_for_and_not_its_bounding_box(servers):
    days = ("2018-07-01", "2018-12-31")
    chile = ask(
        servers.api, "sentinel-2-l2a", area=shapely.box(-69.6, -29.6, -69.4, -29.4), times=days
    )
    assert names(chile) == ["elsewhere"]
    # The scenes lie in the opening of this U.
    frame = AREA.buffer(2.0).difference(AREA.buffer(1.0)).difference(shapely.box(100, 43, 180, 60))
    assert frame.envelope.contains(AREA)
    assert ask(servers.api, "sentinel-2-l2a", area=frame, times=days) == ()


def test_recorded_items_come_back_as_they_were(servers, shared_data, recorded, tmp_path):
    """An answer of the API is the same to lscube as the recorded file."""
    file = tmp_path / "recorded.json"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": recorded}))
    items = read_items(file)
    assert len(items) == len(recorded) > 10
    for item, raw in zip(items, recorded, strict=True):
        area, day = shapely.box(*raw["bbox"]).centroid.buffer(0.01), item.datetime
        times = tuple(f"{day + timedelta(days=n):%Y-%m-%d}" for n in (-1, 2))
        answer = ask(servers.api, raw["collection"], area=area, times=times)
        (same,) = (found for found in answer if found.id == item.id)
        assert same.properties == item.properties
        assert {key: asset.to_dict() for key, asset in same.assets.items()} == {
            key: asset.to_dict() for key, asset in item.assets.items()
        }
        assert all(same.assets[key].href in raw["assets"][key]["href"] for key in same.assets)


# The whole way


@pytest.fixture(params=["http", "s3"])
def source(request, servers, monkeypatch) -> SourceSettings:
    if request.param == "http":
        return SourceSettings(catalogs=(servers.api,), max_scenes=3)
    for name, value in servers.s3.items():
        monkeypatch.setenv(name, value)
    return SourceSettings(
        catalogs=(servers.api,),
        collections=("sentinel-2-l2a-in-store",),
        dsm_collections=("alos-dem-in-store",),
        max_scenes=3,
    )


def test_from_a_search_to_the_values_that_were_written(source, tmp_path):
    scenes = find_scenes(AREA, EVENT, source)
    assert len(scenes.pre) == 6
    assert len(scenes.post) == 4
    freeze(scenes, tmp_path / "frozen.json")
    again = find_scenes(
        AREA, EVENT, source.model_copy(update={"catalogs": (tmp_path / "frozen.json",)})
    )
    for side in ("pre", "post", "dsm"):
        before, after = ([item.to_dict() for item in getattr(s, side)] for s in (scenes, again))
        assert [(i["id"], i["properties"], i["assets"]) for i in before] == [
            (i["id"], i["properties"], i["assets"]) for i in after
        ]
    cube = open_cube(again, make_grid(AREA, 10.0), SETTINGS)
    assert_as_written(cube.compute())


def test_a_catalogue_that_is_down_is_passed_over(servers):
    down = f"http://127.0.0.1:{free_port()}"
    settings = SourceSettings(catalogs=(down, servers.api), max_scenes=3)
    scenes = find_scenes(AREA, EVENT, settings, lambda where, _: open_catalog(where, QUICK))
    assert any(down in note and "passed over" in note for note in scenes.notes)
    cube = open_cube(scenes, make_grid(AREA, 10.0), SETTINGS)
    assert_as_written(cube.compute())


def test_the_command_line(servers, tmp_path, capsys):
    area = ",".join(map(str, AREA.bounds))
    options = ["--aoi", area, "--event-time", EVENT_TIME, "--set", "source.max_scenes=3"]
    frozen, store = tmp_path / "frozen.json", tmp_path / "cube.zarr"
    assert main(["search", "--source", servers.api, *options, "--out", str(frozen)]) == 0
    shown = capsys.readouterr().out
    assert "S2A_54TWN_2018-08-20" in shown
    assert "other-" not in shown
    assert len(read_items(frozen)) == 11
    changes = ["--set", "cube.dilation=0"]
    assert main(["cube", "--source", str(frozen), *options, *changes, "--out", str(store)]) == 0
    assert_as_written(read_cube(store).load())


def test_the_servers_can_be_started_by_hand(servers, folder, tmp_path):
    """As the README tells contributors; Ctrl-C ends them."""
    command = [sys.executable, "-m", "tests.servers", str(folder)]
    root = Path(__file__).parents[1]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            command, cwd=root, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            first = process.stdout.readline()
            api = re.search(r"http://[\d.:]+", first)[0]
            scenes = find_scenes(AREA, EVENT, SourceSettings(catalogs=(api,)))
            assert len(scenes.pre) == 6
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


# Signing


LARGE = (320, 360)
LARGE_AREA = read_area(inner_area(LARGE, 200.0))
LARGE_SETTINGS = CubeSettings(bands=("red",), chunk=128)


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """Noise in small tiles, so that reading a file takes many requests."""
    folder = tmp_path_factory.mktemp("large")
    draw = np.random.default_rng(2)
    pair = [
        Scene(name, when, {"red": draw.integers(500, 5000, LARGE).astype(np.uint16)})
        for name, when in (("before", "2018-08-01T01:30:00Z"), ("after", "2018-10-01T01:30:00Z"))
    ]
    dsm = Scene("model", "2016-01-01T00:00:00Z", surface((120, 140)), "alos-dem", 30.0)
    path = write_items(folder, [*pair, dsm])
    for name in ("before", "after"):
        whole, tiled = folder / name / "red.tif", folder / name / "tiled.tif"
        rasterio.shutil.copy(whole, tiled, driver="COG", blocksize=128, compress="deflate")
        tiled.replace(whole)
    return path


GIVEN = b"secret-of-the-catalogue"


def open_signed(path: Path, url: str, tmp_path: Path, attempts: int) -> tuple[xr.Dataset, Path]:
    """The cube, and the frozen items that it was made from."""
    features = contents(path, url)
    # A catalogue may sign what it gives out; that must get nowhere but to the tasks that read.
    for item in features:
        for asset in item["assets"].values():
            asset["href"] += f"?token={GIVEN.decode()}"
    at_server, frozen = tmp_path / "items.json", tmp_path / "frozen.json"
    at_server.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    scenes = find_scenes(LARGE_AREA, EVENT, SourceSettings(catalogs=(at_server,)))
    freeze(scenes, frozen)
    reading = Reading(Access(Signer(url), Patience(attempts=attempts, wait=0.001)))
    grid = make_grid(LARGE_AREA, 10.0)
    return open_cube(scenes, grid, LARGE_SETTINGS, reading=reading), frozen


@pytest.fixture
def silent(caplog, capfd) -> Iterator[pytest.LogCaptureFixture]:
    """Nothing that is logged or printed holds a token, at any level."""
    caplog.set_level(logging.DEBUG)
    yield caplog
    # By now `caplog.text` is empty again: it is of the phase that runs.
    logged = [record.getMessage() for record in caplog.get_records("call")]
    assert any("rasterio" in record.name for record in caplog.get_records("call"))
    for text in (*logged, *capfd.readouterr()):
        assert "secret" not in text


def test_tokens_are_asked_for_at_reading_and_stay_nowhere(large, tmp_path, silent):
    local = find_scenes(LARGE_AREA, EVENT, SourceSettings(catalogs=(large,)))
    truth = open_cube(local, make_grid(LARGE_AREA, 10.0), LARGE_SETTINGS).compute()
    store = tmp_path / "cube.zarr"
    with range_server(large.parent, Behaviour(token_lasts=9)) as url:
        cube, frozen = open_signed(large, url, tmp_path, attempts=6)
        assert counts_of(url) == {"tokens": 0, "refused": 0, "asked": 0, "sent": 0}
        graph = cloudpickle.dumps(cube.__dask_graph__())
        with dask.config.set(scheduler="synchronous"):
            write_cube(cube, store)
        counts = counts_of(url)
    written = read_cube(store).load()
    xr.testing.assert_equal(written, truth)
    assert unreadable_items(written) == {}
    # Tokens ran out while files were open, and new ones were asked for.
    assert counts["refused"] > 0
    assert counts["tokens"] > 3
    assert url.encode() in graph
    assert b"secret" not in graph.replace(GIVEN, b"")
    assert "secret" not in frozen.read_text()
    files = [path.read_bytes() for path in store.rglob("*") if path.is_file()]
    assert files
    assert not any(b"secret" in content for content in files)


def test_a_refusal_does_not_show_its_token(large, tmp_path, silent):
    with range_server(large.parent, Behaviour(token_lasts=3)) as url:
        cube, _ = open_signed(large, url, tmp_path, attempts=1)
        lost = unreadable_items(cube.compute())
        assert counts_of(url)["refused"] > 0
    assert "post" in lost
    assert "after/red.tif" in silent.text
