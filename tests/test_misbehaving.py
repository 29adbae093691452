"""Files and servers that go wrong: the job ends, and what cannot be read is named, never a zero."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

from lscube.catalog import (
    Patience,
    Scenes,
    find_scenes,
    freeze,
    open_catalog,
    read_items,
    sign_href,
)
from lscube.cli import main
from lscube.cube import Access, Reading, open_cube, read_cube, unreadable_items
from lscube.cube.masks import AreaFlag, Reason
from lscube.errors import SourceError
from lscube.events import make_event
from lscube.grid import make_grid, read_area
from lscube.settings import CubeSettings, SourceSettings
from tests.scenes import EVENT_TIME, Scene, inner_area, surface, write_items
from tests.servers.files import range_server
from tests.servers.program import Behaviour, Trouble
from tests.stac_api import serve, seven_of_ten_hang

SHAPE = (600, 700)
"""More than one of the COG's tiles in each direction."""

RIM = 300.0
CHUNK = 192
EVENT = make_event("e", EVENT_TIME)
QUICK = Patience(attempts=2, wait=0.001)
LONG = Patience(attempts=8, wait=0.001)
SETTINGS = CubeSettings(dilation=0.0, chunk=CHUNK)
BANDS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Scenes:
    """One scene before and one after, of noise, which does not compress."""
    folder = tmp_path_factory.mktemp("scenes")
    draw = np.random.default_rng(1)
    dsm = surface((SHAPE[0] // 3 + 20, SHAPE[1] // 3 + 20))
    clear = np.full((SHAPE[0] // 2, SHAPE[1] // 2), 4, np.uint8)
    # A classification is coarser than the bands, so it is an item's file of its own making.
    path = write_items(
        folder,
        [
            Scene(name, when, {band: noise(draw) for band in BANDS})
            for name, when in (
                ("before", "2018-08-01T01:30:00Z"),
                ("after", "2018-10-01T01:30:00Z"),
            )
        ]
        + [Scene("surface", "2016-01-01T00:00:00Z", dsm, "alos-dem", 30.0, offset=(-300.0, 300.0))]
        + [Scene("classes", "2016-01-01T00:00:00Z", {"scl": clear}, "classes", 20.0)],
    )
    items = {item["id"]: item for item in json.loads(path.read_text())["features"]}
    for name in ("before", "after"):
        items[name]["assets"]["scl"] = items["classes"]["assets"]["scl"]
    return save_and_find(path, [items[name] for name in ("before", "after", "surface")])


def noise(draw: np.random.Generator) -> np.ndarray:
    return draw.integers(500, 5000, SHAPE).astype(np.uint16)


def save_and_find(path: Path, items: list[dict]) -> Scenes:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    area = read_area(inner_area(SHAPE, RIM))
    return find_scenes(area, EVENT, SourceSettings(catalogs=(path,)))


@pytest.fixture(scope="module")
def folder(scenes) -> Path:
    return Path(scenes.pre[0].assets["red"].href).parents[1]


@pytest.fixture(scope="module")
def clean(scenes) -> xr.Dataset:
    """The cube when nothing goes wrong, checked against the files' own pixels."""
    cube = compute(scenes)
    for side, items in (("pre", scenes.pre), ("post", scenes.post)):
        for band in BANDS:
            with rasterio.open(items[0].assets[band].href) as source:
                left, top = ~source.transform @ (cube.x.values[0], cube.y.values[0])
                pixels = source.read(1)[int(top) :, int(left) :][: cube.y.size, : cube.x.size]
            np.testing.assert_allclose(cube[side].sel(band=band), pixels * 1e-4, rtol=1e-6)
    assert unreadable_items(cube) == {}
    return cube


def grid_of(scenes: Scenes):
    return make_grid(scenes.area, 10.0)


def compute(scenes: Scenes, patience: Patience = QUICK) -> xr.Dataset:
    reading = Reading(Access(sign_href, patience))
    return open_cube(scenes, grid_of(scenes), SETTINGS, reading=reading).compute()


def moved(scenes: Scenes, change: Callable[[str], str]) -> Scenes:
    """The same scenes with other addresses."""

    def move(items):
        copies = tuple(item.clone() for item in items)
        for item in copies:
            for asset in item.assets.values():
                asset.href = change(asset.href)
        return copies

    return Scenes(scenes.event, scenes.area, move(scenes.pre), move(scenes.post), move(scenes.dsm))


def served(scenes: Scenes, folder: Path, url: str) -> Scenes:
    return moved(scenes, lambda href: href.replace(str(folder), url))


def troubled_server(folder: Path, *troubles: Trouble):
    return range_server(folder, Behaviour(troubles))


def seen(cube: xr.Dataset, side: str) -> np.ndarray:
    """(y, x): where one side is observed."""
    return (cube["observed"].values >> (0 if side == "pre" else 8)) & 0xFF == 0


def lost(cube: xr.Dataset, side: str) -> np.ndarray:
    """(y, x): where one side is unobserved because of a source."""
    bits = cube["observed"].values >> (0 if side == "pre" else 8)
    return (bits & Reason.UNREADABLE_SOURCE) != 0


def assert_right_or_lost(
    cube: xr.Dataset, clean: xr.Dataset, sides: Iterable[str] = ("pre", "post")
):
    """Each pixel is what it should be, or NaN with the reason and the item."""
    for side in sides:
        there, gone = seen(cube, side), lost(cube, side)
        np.testing.assert_array_equal(there, ~gone)
        np.testing.assert_array_equal(cube[side].values[:, there], clean[side].values[:, there])
        assert np.isnan(cube[side].values[:, gone]).all()
        np.testing.assert_array_equal(cube["unreadable"].sel(side=side).values >= 0, gone)


# What can be retried


@pytest.mark.parametrize(
    "troubles",
    [
        [Trouble(429, end=2)],
        [Trouble(503, end=3)],
        [Trouble(503, begin=2, end=4)],
        [Trouble(403, begin=1, end=3)],
        [Trouble(None, end=1), Trouble(None, begin=3, end=4)],
    ],
    ids=["429 first", "503 first", "503 between", "403 between", "connection closed"],
)
def test_passing_trouble_leaves_no_trace(scenes, folder, clean, troubles):
    with troubled_server(folder, *troubles) as url:
        cube = compute(served(scenes, folder, url), LONG)
    xr.testing.assert_identical(cube.drop_attrs(), clean.drop_attrs())


def test_an_address_that_holds_404_is_tried_again(scenes, folder, clean, tmp_path):
    """GDAL's words for a file whose first bytes failed hold the address, not the status."""
    (tmp_path / "404").symlink_to(folder)
    with troubled_server(tmp_path, Trouble(503, begin=1, end=2)) as url:
        cube = compute(served(scenes, folder, f"{url}/404"), LONG)
    xr.testing.assert_identical(cube.drop_attrs(), clean.drop_attrs())


def test_a_search_that_mostly_times_out_and_a_server_that_mostly_refuses(scenes, folder, clean):
    """Of ten searches seven are not answered; of ten requests for a file three fail, each its own way."""
    ways = [Trouble(s, n, n + 1, every=10) for n, s in ((1, 429), (4, None), (8, 503))]
    patience = Patience(attempts=8, timeout=0.2, wait=0.001)
    with troubled_server(folder, *ways) as files:
        at_server = served(scenes, folder, files)
        items = [item.to_dict() for item in (*at_server.pre, *at_server.post, *at_server.dsm)]
        with serve(items, seven_of_ten_hang) as api:
            found = find_scenes(
                scenes.area,
                EVENT,
                SourceSettings(catalogs=(api,)),
                lambda where, _: open_catalog(where, patience),
            )
        cube = compute(found, patience)
    xr.testing.assert_identical(cube.drop_attrs(), clean.drop_attrs())


# What cannot


def test_a_server_that_refuses_for_good_after_a_while(scenes, folder, clean):
    """What was read before the refusals is right, the rest is unobserved and its item named."""

    with troubled_server(folder, Trouble(403, begin=2, files="after/green.tif")) as url:
        cube = compute(served(scenes, folder, url))
    assert lost(cube, "post").any()
    assert_right_or_lost(cube, clean)
    assert unreadable_items(cube) == {"post": ["after"]}
    assert seen(cube, "pre").all()


def test_a_file_that_is_not_there(scenes, folder, clean):
    with range_server(folder) as url:
        there = served(scenes, folder, url)
        cube = compute(moved(there, lambda href: href.replace("before/blue", "before/none")))
    assert lost(cube, "pre").all()
    assert_right_or_lost(cube, clean)
    assert unreadable_items(cube) == {"pre": ["before"]}


@pytest.fixture(params=["local", "http"])
def place(request, tmp_path):
    """A folder, and what its files are called there."""
    if request.param == "local":
        yield tmp_path, str(tmp_path)
    else:
        with range_server(tmp_path) as url:
            yield tmp_path, url


def shorten(path: Path, to: Path, share: float) -> None:
    content = path.read_bytes()
    to.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_truncated_tiff(scenes, folder, clean, place, share):
    where, name = place
    shorten(folder / "after" / "red.tif", where / "short.tif", share)
    cube = compute(
        moved(scenes, lambda href: href.replace(f"{folder}/after/red.tif", f"{name}/short.tif"))
    )
    assert lost(cube, "post").any()
    assert_right_or_lost(cube, clean)
    assert unreadable_items(cube) == {"post": ["after"]}
    assert seen(cube, "pre").all()


def write_jpeg2000(path: Path, to: Path) -> None:
    with rasterio.open(path) as source:
        profile = {
            "driver": "JP2OpenJPEG",
            **{key: source.profile[key] for key in ("width", "height", "count", "dtype", "crs")},
            "transform": source.transform,
        }
        # Many tiles, as Sentinel-2's own files have: GDAL decodes them in threads of its own.
        exact = {"quality": 100, "reversible": "YES", "blockxsize": 256, "blockysize": 256}
        with rasterio.open(to, "w", **profile, **exact) as copy:
            copy.write(source.read())


@pytest.mark.parametrize("share", [0.5, 0.99, 1.0])
def test_a_truncated_jpeg_2000(scenes, folder, clean, place, share):
    where, name = place
    write_jpeg2000(folder / "after" / "red.tif", where / "whole.jp2")
    shorten(where / "whole.jp2", where / "short.jp2", share)
    cube = compute(
        moved(scenes, lambda href: href.replace(f"{folder}/after/red.tif", f"{name}/short.jp2"))
    )
    assert lost(cube, "post").any() == (share < 1)
    assert_right_or_lost(cube, clean)
    assert unreadable_items(cube) == ({"post": ["after"]} if share < 1 else {})


def test_a_jpeg_2000_from_a_server_that_refuses_midway(scenes, folder, clean, tmp_path):
    """GDAL's own threads would give such a read back as if nothing had happened."""
    write_jpeg2000(folder / "after" / "red.tif", tmp_path / "red.jp2")
    with troubled_server(tmp_path, Trouble(503, begin=4)) as url:
        there = f"{folder}/after/red.tif"
        cube = compute(moved(scenes, lambda href: href.replace(there, f"{url}/red.jp2")))
    assert lost(cube, "post").any()
    assert_right_or_lost(cube, clean)
    assert unreadable_items(cube) == {"post": ["after"]}


def test_without_its_classification_a_scene_is_not_taken_as_clear(scenes, folder, clean, tmp_path):
    shorten(folder / "classes" / "scl.tif", tmp_path / "scl.tif", 0.3)
    broken = moved(scenes, lambda href: href.replace(f"{folder}/classes", str(tmp_path)))
    cube = compute(Scenes(scenes.event, scenes.area, scenes.pre, broken.post, scenes.dsm))
    assert lost(cube, "post").all()
    assert_right_or_lost(cube, clean)
    assert unreadable_items(cube) == {"post": ["after"]}


def test_a_truncated_surface_model(scenes, folder, clean, tmp_path):
    (tmp_path / "surface").mkdir()
    shorten(folder / "surface" / "data.tif", tmp_path / "surface" / "data.tif", 0.5)
    cube = compute(
        moved(scenes, lambda href: href.replace(f"{folder}/surface", f"{tmp_path}/surface"))
    )
    gone = np.isnan(cube["elevation"].values)
    assert gone.any()
    np.testing.assert_array_equal((cube["area"].values & AreaFlag.UNREADABLE_ELEVATION) != 0, gone)
    np.testing.assert_array_equal(cube["elevation"].values[~gone], clean["elevation"].values[~gone])
    assert unreadable_items(cube) == {"dsm": ["surface"]}
    assert_right_or_lost(cube, clean)


def test_another_scene_shows_what_one_cannot(scenes, folder, clean, tmp_path):
    """The day and the pixels are those of the scene that could be read; the other is still named."""
    shorten(folder / "after" / "red.tif", tmp_path / "short.tif", 0.5)
    (bad,) = moved(
        scenes, lambda href: href.replace(f"{folder}/after/red.tif", f"{tmp_path}/short.tif")
    ).post
    bad.id = "broken"
    good = scenes.post[0]
    cube = compute(Scenes(scenes.event, scenes.area, scenes.pre, (bad, good), scenes.dsm))
    assert seen(cube, "post").all()
    np.testing.assert_array_equal(cube["post"].values, clean["post"].values)
    assert unreadable_items(cube) == {"post": ["broken"]}


def test_jobs_end_when_nothing_answers(scenes, folder):
    """Not even the catalogue: an error in words, after as many attempts as were asked for."""
    with troubled_server(folder, Trouble(503)) as url:
        source = SourceSettings(catalogs=(f"{url}/items.json",))
        with pytest.raises(SourceError, match="HTTP 503, asked 2 times"):
            find_scenes(scenes.area, EVENT, source, lambda where, _: open_catalog(where, QUICK))
        cube = compute(served(scenes, folder, url))
    assert lost(cube, "pre").all()
    assert lost(cube, "post").all()
    assert np.isnan(cube["elevation"]).all()
    assert unreadable_items(cube) == {"pre": ["before"], "post": ["after"], "dsm": ["surface"]}


def test_the_command_line_names_the_item_and_ends_with_3(scenes, folder, clean, tmp_path, capsys):
    shorten(folder / "after" / "red.tif", tmp_path / "short.tif", 0.5)
    frozen, store = tmp_path / "frozen.json", tmp_path / "cube.zarr"
    freeze(
        moved(
            scenes, lambda href: href.replace(f"{folder}/after/red.tif", f"{tmp_path}/short.tif")
        ),
        frozen,
    )
    assert [item.id for item in read_items(frozen)] == ["before", "after", "surface"]
    area = ",".join(map(str, inner_area(SHAPE, RIM)))
    options = ["--source", str(frozen), "--aoi", area, "--event-time", EVENT_TIME]
    changes = ["--set", "cube.dilation=0", "--set", f"cube.chunk={CHUNK}"]
    assert main(["cube", *options, *changes, "--out", str(store)]) == 3
    assert "after" in capsys.readouterr().err
    cube = read_cube(store)
    assert unreadable_items(cube) == {"post": ["after"]}
    assert_right_or_lost(cube.load(), clean)
