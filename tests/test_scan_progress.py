"""Progressive maps: a later scene costs only the regions in which it shows something new."""

import json
from collections import Counter
from pathlib import Path

import dask.callbacks
import distributed
import numpy as np
import pytest
import shapely

from lscube.catalog import find_scenes
from lscube.errors import OtherRunError
from lscube.events import make_event
from lscube.grid import make_grid, read_area
from lscube.mapping import Running, map_region, open_map
from lscube.settings import CubeSettings, SourceSettings
from tests.map_job import CARD, SETTINGS, StandIn
from tests.scenes import EVENT_TIME, Scene, bands, inner_area, surface, write_items
from tests.test_map_runs import content

SHAPE = (120, 150)


def seen(value: int, cloud: slice | None = None) -> dict[str, np.ndarray]:
    """A scene that differs from pixel to pixel, cloudy in some columns."""
    draw = np.random.default_rng(value)
    classes = np.full(SHAPE, 4, np.uint8)
    if cloud is not None:
        classes[:, cloud] = 9
    return {**bands(value + draw.integers(0, 500, SHAPE), SHAPE), "scl": classes}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("event")
    write_items(
        folder,
        [
            Scene("before", "2018-08-01T01:30:00Z", seen(1000)),
            Scene("after-1", "2018-09-10T01:30:00Z", seen(2300, slice(116, None))),
            Scene("after-2", "2018-09-20T01:30:00Z", seen(3000)),
            Scene("cloudy", "2018-09-25T01:30:00Z", seen(3500, slice(0, None))),
            Scene("surface", "2016-01-01T00:00:00Z", surface((60, 70)), "alos-dem", 30.0,
                  offset=(-300.0, 300.0)),
        ],
    )  # fmt: skip
    return folder


def scenes_of(folder: Path, *left_out: str):
    content = json.loads((folder / "items.json").read_text())
    content["features"] = [item for item in content["features"] if item["id"] not in left_out]
    path = folder / f"without-{'-'.join(left_out)}.json"
    path.write_text(json.dumps(content))
    source = SourceSettings(catalogs=(path,))
    return find_scenes(read_area(inner_area(SHAPE)), make_event("e", EVENT_TIME), source)


def mapped(folder, scenes, store, previous=None, cube=CubeSettings(dilation=0.0)):
    """Make a map; gives how many regions were computed, and all states."""
    states = []
    map_region(
        scenes,
        make_grid(scenes.area, 10.0),
        StandIn(CARD, folder),
        store,
        cube,
        SETTINGS,
        running=Running(watch=states.append),
        previous=previous,
    )
    return states[-1].done - states[0].done, states


@pytest.fixture(scope="module")
def first(folder, tmp_path_factory) -> Path:
    """The map of the first scene after the event."""
    store = tmp_path_factory.mktemp("first") / "map.zarr"
    mapped(folder, scenes_of(folder, "after-2", "cloudy"), store)
    return store


def test_a_later_scene_costs_only_regions_where_something_was_missing(folder, first, tmp_path):
    second, anew = tmp_path / "second.zarr", tmp_path / "anew.zarr"
    everything = scenes_of(folder, "cloudy")
    computed, states = mapped(folder, everything, second, first)
    # The cloud begins in column 116: of five columns of regions, two look at it.
    assert computed == states[-1].regions * 2 / 5
    assert mapped(folder, everything, anew)[0] == states[-1].regions
    # The same bytes as of a map that was made at once, the ledger's among them.
    assert content(second) == content(anew)


def test_a_scene_that_shows_nothing_new_costs_no_region(folder, first, tmp_path):
    """And what it says of pixels that are still missing gets into the map all the same."""
    second, anew = tmp_path / "second.zarr", tmp_path / "anew.zarr"
    everything = scenes_of(folder, "after-2")
    assert mapped(folder, everything, second, first)[0] == 0
    mapped(folder, everything, anew)
    assert content(second) == content(anew)
    assert content(second) != content(first)


def test_nothing_is_taken_over_where_the_users_mask_was_edited(folder, tmp_path):
    scenes = scenes_of(folder, "after-2", "cloudy")
    west, south, east, north = scenes.area.bounds
    mask = tmp_path / "lakes.geojson"
    names = ("first", "same", "edited")
    first, same, edited = (tmp_path / f"{name}.zarr" for name in names)
    cube = CubeSettings(dilation=0.0, mask=mask)

    def draw(share: float) -> None:
        lake = shapely.box(west, south, west + share * (east - west), north)
        mask.write_text(
            json.dumps({"type": "Feature", "properties": {}, "geometry": lake.__geo_interface__})
        )

    draw(0.2)
    mapped(folder, scenes, first, cube=cube)
    draw(0.2)
    assert mapped(folder, scenes, same, first, cube)[0] == 0
    draw(0.5)
    computed, states = mapped(folder, scenes, edited, first, cube)
    assert computed == states[-1].regions
    less, more = (open_map(path)["probability"].notnull().sum() for path in (edited, first))
    assert less < more
    # And a map that was begun with another content is not gone on with.
    with pytest.raises(OtherRunError, match=r"masks\.mask there is"):
        mapped(folder, scenes, first, cube=cube)


def test_nothing_is_taken_over_where_later_scenes_change_every_pixel(folder, tmp_path):
    cube = CubeSettings(dilation=0.0, post="median")
    first, second = tmp_path / "first.zarr", tmp_path / "second.zarr"
    mapped(folder, scenes_of(folder, "after-2", "cloudy"), first, cube=cube)
    computed, states = mapped(folder, scenes_of(folder, "cloudy"), second, first, cube)
    assert computed == states[-1].regions


def test_a_scene_that_comes_late_but_is_earlier_changes_all_that_it_shows(folder, tmp_path):
    first, second = tmp_path / "first.zarr", tmp_path / "second.zarr"
    mapped(folder, scenes_of(folder, "after-1", "cloudy"), first)
    computed, states = mapped(folder, scenes_of(folder, "cloudy"), second, first)
    assert computed == states[-1].regions


def test_each_chunk_is_read_once_for_its_pixels_and_for_whether_it_is_settled(folder, tmp_path):
    read: Counter[str] = Counter()

    def count(key, *_):
        name = key[0] if isinstance(key, tuple) else key
        read["reading"] += str(name).startswith("_read_packed")

    with dask.callbacks.Callback(pretask=count):
        _, states = mapped(folder, scenes_of(folder, "cloudy"), tmp_path / "map.zarr")
    # One task for each side of the event; a region is one chunk here.
    assert read["reading"] == 2 * states[-1].regions


def test_workers_of_a_cluster_look_again_too(folder, first, tmp_path):
    scenes = scenes_of(folder, "after-2")
    states = []
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        map_region(
            scenes,
            make_grid(scenes.area, 10.0),
            StandIn(CARD, folder),
            tmp_path / "map.zarr",
            CubeSettings(dilation=0.0),
            SETTINGS,
            running=Running(client, watch=states.append),
            previous=first,
        )
    assert states[-1].done == states[0].done == states[-1].regions
