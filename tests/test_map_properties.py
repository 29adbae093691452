"""A map does not depend on how it was cut, by whom it was computed, or where it began."""

import json

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from lscube.catalog import find_scenes
from lscube.cube import open_cube
from lscube.errors import TrainingError
from lscube.events import make_event
from lscube.grid import Lattice, make_grid, read_area
from lscube.mapping import Running, map_region, open_map
from lscube.mapping.ensemble import Ensemble
from lscube.mapping.windows import network_input, predict_block
from lscube.settings import PredictSettings, SourceSettings
from tests.map_job import CARD, SETTINGS, StandIn
from tests.scenes import EVENT_TIME, NORTH, WEST, Scene, bands, degrees, surface, write_items
from tests.test_map_runs import content

SHAPE = (150, 180)
EXTENT = (WEST + 200, NORTH - 1300, WEST + 1600, NORTH - 200)


def scenes_of(folder, bounds):
    source = SourceSettings(catalogs=(folder / "items.json",))
    if not isinstance(bounds, BaseGeometry):
        found = read_area(degrees(bounds))
    else:
        # By a file, as a user gives it: in degrees, corner by corner.
        path = folder / "area.geojson"
        rings = [
            [degrees((x, y, x + 1, y + 1))[:2] for x, y in ring.coords]
            for ring in (bounds.exterior, *bounds.interiors)
        ]
        path.write_text(json.dumps({"type": "Polygon", "coordinates": rings}))
        found = read_area(path)
    return find_scenes(found, make_event("e", EVENT_TIME), source)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scenes that differ from pixel to pixel, with a gap, clouds and a surface that rises."""
    folder = tmp_path_factory.mktemp("scenes")
    draw = np.random.default_rng(5)
    before, after = (draw.integers(500, 3000, SHAPE) for _ in range(2))
    before[40:60, 30:90] = 0  # no data
    after[100:104] = 0
    classes = np.full(SHAPE, 4, np.uint8)
    classes[20:50, 120:150] = 9  # cloud
    dsm = surface((SHAPE[0] // 3 + 20, SHAPE[1] // 3 + 20))
    write_items(
        folder,
        [
            Scene("before", "2018-08-01T01:30:00Z", {**gap(before)}),
            Scene("after", "2018-10-01T01:30:00Z", {**gap(after), "scl": classes}),
            Scene("surface", "2016-01-01T00:00:00Z", dsm, "alos-dem", 30.0, offset=(-300.0, 300.0)),
        ],
    )
    return folder


def gap(plane: np.ndarray) -> dict[str, np.ndarray]:
    """Bands; 0 stays 0 in all of them."""
    return {
        name: np.where(plane == 0, 0, own).astype(np.uint16)
        for name, own in bands(plane, SHAPE).items()
    }


def cut(chunk_cores=1, shard_chunks=1, region_shards=1) -> PredictSettings:
    return SETTINGS.model_copy(
        update={
            "chunk_cores": chunk_cores,
            "shard_chunks": shard_chunks,
            "region_shards": region_shards,
        }
    )


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory) -> xr.Dataset:
    """In one piece."""
    scenes = scenes_of(folder, EXTENT)
    store = tmp_path_factory.mktemp("whole") / "map.zarr"
    grid = make_grid(scenes.area, 10.0)
    one = cut(chunk_cores=8)
    mapped = map_region(scenes, grid, StandIn(CARD, folder), store, settings=one).compute()
    known = mapped["probability"].notnull()
    assert 0.35 < known.mean() < 0.48  # of the cores; half of them are outside the area
    assert float(mapped["probability"].std()) > 0.1
    return mapped


@settings(max_examples=24, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    chunk_cores=st.integers(1, 3),
    shard_chunks=st.integers(1, 2),
    region_shards=st.integers(1, 3),
    workers=st.integers(1, 4),
    in_flight=st.integers(1, 3),
    stopped_after=st.integers(0, 12),
    corner=st.tuples(st.integers(0, 60), st.integers(0, 50)),
)
def test_cuts_workers_and_starting_points_do_not_matter(
    folder, whole, tmp_path_factory, chunk_cores, shard_chunks, region_shards, workers, in_flight,
    stopped_after, corner,
):  # fmt: skip
    west, south, east, north = EXTENT
    bounds = (west + 10 * corner[0], south, east, north - 10 * corner[1])
    scenes = scenes_of(folder, bounds)
    grid = make_grid(scenes.area, 10.0)
    store = tmp_path_factory.mktemp("map") / "map.zarr"
    own = cut(chunk_cores=chunk_cores, shard_chunks=shard_chunks, region_shards=region_shards)

    def stop(progress):
        if progress.done > stopped_after:
            raise TrainingError("stopped")

    model = StandIn(CARD, folder)
    with dask.config.set(num_workers=workers):
        try:
            running = Running(in_flight=in_flight, watch=stop)
            map_region(scenes, grid, model, store, settings=own, running=running)
        except TrainingError:
            running = Running(in_flight=in_flight)
            map_region(scenes, grid, model, store, settings=own, running=running)
    mapped = open_map(store).compute()
    reference = whole.reindex(x=mapped.x, y=mapped.y)
    inside = (mapped["area"] & 1) == 0
    assert inside.sum() >= 60 * 80
    for name in ("probability", "observed", "post_date"):
        ours, theirs = (np.asarray(one[name])[inside.values] for one in (mapped, reference))
        np.testing.assert_array_equal(ours, theirs.astype(ours.dtype))
    assert mapped["probability"].where(~inside).isnull().all()


AREAS = {
    "smaller than a window": box(WEST + 400, NORTH - 900, WEST + 480, NORTH - 850),
    "one pixel": box(WEST + 401, NORTH - 849, WEST + 409, NORTH - 841),
    "one pixel wide": box(WEST + 321, NORTH - 1290, WEST + 329, NORTH - 210),
    "one pixel high": box(WEST + 250, NORTH - 709, WEST + 1500, NORTH - 701),
    "with a hole": Polygon(
        box(*EXTENT).exterior.coords, [Point(WEST + 900, NORTH - 800).buffer(300).exterior.coords]
    ),
}


@pytest.mark.parametrize("name", AREAS)
def test_areas_of_any_shape(folder, whole, tmp_path, name):
    scenes = scenes_of(folder, AREAS[name])
    grid = make_grid(scenes.area, 10.0)
    mapped = map_region(
        scenes, grid, StandIn(CARD, folder), tmp_path / "map.zarr", settings=SETTINGS
    ).compute()
    inside = ((mapped["area"] & 1) == 0).values
    expected = AREAS[name].area / 100
    # Pixels that touch the border count as inside or not, by their middle.
    assert abs(inside.sum() - expected) <= max(1, 0.25 * expected)
    reference = whole["probability"].reindex(x=mapped.x, y=mapped.y).values
    np.testing.assert_array_equal(mapped["probability"].values[inside], reference[inside])
    assert np.isnan(mapped["probability"].values[~inside]).all()
    known = mapped["probability"].notnull().values
    assert known[inside].any()
    np.testing.assert_array_equal(known, (mapped["observed"].values == 0) & inside)


@pytest.mark.parametrize("why", ["nothing was seen", "all cloud"])
def test_unobserved_is_never_background(tmp_path, why):
    plane = np.full(SHAPE, 1500)
    empty = {name: np.zeros(SHAPE, np.uint16) for name in ("red", "green", "blue")}
    cloudy = {**bands(plane, SHAPE), "scl": np.full(SHAPE, 9, np.uint8)}
    dsm = surface((SHAPE[0] // 3 + 20, SHAPE[1] // 3 + 20))
    write_items(
        tmp_path,
        [
            Scene("before", "2018-08-01T01:30:00Z", bands(plane, SHAPE)),
            Scene("after", "2018-10-01T01:30:00Z", empty if why == "nothing was seen" else cloudy),
            Scene("surface", "2016-01-01T00:00:00Z", dsm, "alos-dem", 30.0, offset=(-300.0, 300.0)),
        ],
    )
    scenes = scenes_of(tmp_path, EXTENT)
    model = StandIn(CARD, tmp_path)
    store = tmp_path / "map.zarr"
    mapped = map_region(scenes, make_grid(scenes.area, 10.0), model, store, settings=SETTINGS)
    assert mapped["probability"].isnull().all()
    assert (mapped["observed"] != 0).all()
    assert mapped["post_date"].isnull().all() or why == "all cloud"


def test_numpy_and_dask_agree(folder, whole):
    scenes = scenes_of(folder, EXTENT)
    lattice = Lattice(SETTINGS.core, SETTINGS.margin)
    cores = lattice.cover(make_grid(scenes.area, 10.0))
    cube = open_cube(scenes, lattice.padded(cores)).compute()
    block = network_input(cube.chunk(), CARD).compute()
    found = predict_block(block, predict=Ensemble((StandIn(CARD, folder),)), lattice=lattice)[0]
    # To half a step of the stored byte.
    np.testing.assert_allclose(whole["probability"].values, found, atol=0.002 + 1e-6)


def test_a_new_version_takes_over_what_did_not_change(folder, tmp_path):
    """A scene that shows only the east: the west's regions are copied, the east's computed."""
    scenes = scenes_of(folder, EXTENT)
    grid = make_grid(scenes.area, 10.0)
    model = StandIn(CARD, folder)
    first = tmp_path / "first.zarr"
    map_region(scenes, grid, model, first, settings=SETTINGS)
    late = (150, 60)
    patch = bands(np.full(late, 4000), late)
    classes = np.full(late, 4, np.uint8)
    scene = Scene("late", "2018-09-20T01:30:00Z", {**patch, "scl": classes}, offset=(1200.0, 0.0))
    late_items = json.loads(write_items(tmp_path / "late", [scene]).read_text())["features"]
    late_items[0]["assets"] = {
        name: {**asset, "href": str(tmp_path / "late" / "late" / f"{name}.tif")}
        for name, asset in late_items[0]["assets"].items()
    }
    # The first map's scenes where they were, and the new one.
    everything = json.loads((folder / "items.json").read_text())
    for item in everything["features"]:
        for asset in item["assets"].values():
            asset["href"] = str(folder / asset["href"])
    everything["features"] += late_items
    (tmp_path / "all.json").write_text(json.dumps(everything))
    source = SourceSettings(catalogs=(tmp_path / "all.json",))
    wider = find_scenes(read_area(degrees(EXTENT)), make_event("e", EVENT_TIME), source)
    assert {item.id for item in wider.post} == {"after", "late"}
    states = []
    running = Running(watch=states.append)
    second, anew = tmp_path / "second.zarr", tmp_path / "anew.zarr"
    taken = map_region(
        wider, grid, model, second, settings=SETTINGS, running=running, previous=first
    )
    assert 4 <= states[0].done < states[0].regions
    assert states[0].before == states[0].done_square_kilometres
    map_region(wider, grid, model, anew, settings=SETTINGS)
    assert content(second) == content(anew)
    assert not taken["probability"].equals(open_map(first)["probability"])
