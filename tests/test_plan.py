"""What a map will take, told beforehand, beside what it took."""

import json
from dataclasses import dataclass, replace

import dask
import numpy as np
import pytest
from dask.callbacks import Callback

from lscube.catalog import find_scenes
from lscube.cli import main
from lscube.cube import bytes_to_read
from lscube.errors import SettingsError
from lscube.events import make_event
from lscube.grid import make_grid, read_area
from lscube.mapping import Calibration, Machines, Running, design_map, map_region, plan_map
from lscube.mapping.planning import BUSY
from lscube.settings import CubeSettings, PredictSettings, SourceSettings
from tests.map_job import CARD, SETTINGS, StandIn
from tests.networks import save_tiny
from tests.scenes import EVENT_TIME, NORTH, WEST, Scene, bands, degrees, surface, write_items
from tests.servers.files import counts_of, range_server

SIZE = 1100
CUTS = SETTINGS.model_copy(
    update={"core": 96, "chunk_cores": 1, "shard_chunks": 2, "region_shards": 2}
)
CALIBRATION = Calibration(
    device="CPU",
    cores=2,
    window_seconds=3.0,
    opened_bytes=500_000_000,
    window_bytes=200_000_000,
    look_seconds=1e-6,
    pixel_seconds=2e-6,
)
EXTENT = (WEST + 1500, NORTH - 9000, WEST + 9500, NORTH - 1200)
SOUTH = (WEST + 1500, NORTH - 9000, WEST + 9500, NORTH - 4800)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Noise, which packs badly, as real scenes do."""
    folder = tmp_path_factory.mktemp("scenes")
    draw = np.random.default_rng(2)
    shape = (SIZE, SIZE)

    def noise() -> dict[str, np.ndarray]:
        return bands(draw.integers(500, 3000, shape), shape)

    scenes = [Scene(f"before-{n}", f"2018-08-0{n}T01:30:00Z", noise()) for n in (1, 2)]
    scenes.append(Scene("after", "2018-10-01T01:30:00Z", noise()))
    dsm = surface((SIZE // 3 + 20, SIZE // 3 + 20))
    scenes.append(
        Scene("surface", "2016-01-01T00:00:00Z", dsm, "alos-dem", 30.0, offset=(-300.0, 300.0))
    )
    write_items(folder, scenes)
    return folder


def design_of(items, bounds=EXTENT, settings=CUTS, model=None):
    source = SourceSettings(catalogs=(items,))
    scenes = find_scenes(read_area(degrees(bounds)), make_event("e", EVENT_TIME), source)
    grid = make_grid(scenes.area, 10.0)
    return design_map(scenes, grid, model or StandIn(CARD, items.parent), settings=settings)


@dataclass(frozen=True)
class Counting(StandIn):
    """Notes how many windows it was given."""

    def predict(self, windows):
        with (self.folder / "windows").open("a") as file:
            file.write("w" * len(windows))
        return super().predict(windows)


def test_regions_chunks_windows_and_tasks_are_those_of_the_run(folder, tmp_path):
    design = design_of(folder / "items.json", model=Counting(CARD, tmp_path))
    found = plan_map(design, CALIBRATION)
    states, tasks = [], []
    scenes = design.plan.scenes
    with Callback(start_state=lambda graph, state: tasks.append(len(graph))):
        map_region(
            scenes,
            make_grid(scenes.area, 10.0),
            design.ensemble.models[0],
            tmp_path / "map.zarr",
            settings=CUTS,
            running=Running(watch=states.append),
        )
    assert found.regions == states[-1].regions == 9
    assert found.square_kilometres == states[-1].square_kilometres
    assert found.chunks == 25
    assert found.tasks == sum(tasks)
    assert found.windows == len((tmp_path / "windows").read_text())


def test_bytes_are_those_that_a_server_sends(folder):
    with range_server(folder) as url:
        items = json.loads((folder / "items.json").read_text())
        for item in items["features"]:
            for asset in item["assets"].values():
                asset["href"] = f"{url}/{asset['href']}"
        path = folder / "served.json"
        path.write_text(json.dumps(items))
        # One chunk: several would find blocks of each other, by chance, in what GDAL keeps.
        one = SETTINGS.model_copy(update={"core": 1024, "margin": 0, "region_shards": 1})
        design = design_of(path, SOUTH, settings=one)
        looked = counts_of(url)["sent"]
        found = plan_map(design, CALIBRATION)
        assert found.chunks == 1
        expected = found.read_bytes
        before = counts_of(url)["sent"]
        # Headers alone were asked for, after the look at a small image of each band.
        assert before - looked < 0.2 * expected
        assert looked < 0.3 * expected
        scenes = design.plan.scenes
        model = StandIn(CARD, folder)
        with dask.config.set(scheduler="synchronous"):
            map_region(scenes, make_grid(scenes.area, 10.0), model, folder / "m.zarr", settings=one)
        sent = counts_of(url)["sent"] - before
    assert 0.99 * sent < expected < 1.01 * sent


def test_bytes_of_a_part_and_of_a_file_that_is_gone(folder, tmp_path, caplog):
    design = design_of(folder / "items.json")
    cell = design.layout.cores
    whole = bytes_to_read(design.plan, [cell])
    assert bytes_to_read(design.plan, [cell, cell]) == 2 * whole
    # 1100 pixels are 3 x 3 blocks of 512; an inner one is 1 or 2 of each row.
    assert bytes_to_read(design.plan, [cell[10:100, 10:100]]) < 0.5 * whole
    assert bytes_to_read(design.plan, []) == 0
    extent = design.plan.pre.scenes[0].bands[0].extent
    away = cell.translate_pix(5 * SIZE, 0)
    assert away.boundingbox.left > extent[2]
    assert bytes_to_read(design.plan, [away]) == 0


def test_time_and_cost_follow_from_the_workers(folder):
    design = design_of(folder / "items.json")
    one = plan_map(design, CALIBRATION, Machines(1, 2, None, 0.5))
    # 3 s on 2 cores for each window.
    assert one.network_seconds == 6.0 * one.windows
    assert one.wall_seconds == pytest.approx((3.0 * one.windows + one.other_seconds / 2) / BUSY)
    assert one.cost == pytest.approx(0.5 * 2 * one.wall_seconds / 3600)
    many = plan_map(design, CALIBRATION, Machines(4, 2, None, 0.5))
    assert many.wall_seconds == pytest.approx(one.wall_seconds / 4)
    assert many.cost == pytest.approx(one.cost)
    gpu = plan_map(design, replace(CALIBRATION, device="GPU"), Machines(2, 8, None, 3.0))
    assert gpu.network_seconds == 3.0 * gpu.windows
    assert gpu.cost == pytest.approx(3.0 * 2 * gpu.wall_seconds / 3600)
    # Two looks before (a median), one after; per pixel 1e-6 for each and 2e-6.
    area = design.layout.cores.shape[0] * design.layout.cores.shape[1]
    assert one.other_seconds > 5e-6 * area


def test_what_does_not_fit_is_refused(folder):
    design = design_of(folder / "items.json")
    needed = plan_map(design, CALIBRATION).worker_bytes
    assert needed > 700_000_000
    plan_map(design, CALIBRATION, Machines(memory=needed))
    with pytest.raises(SettingsError, match=r"Expected workers with about 0\.7 GB of memory, got"):
        plan_map(design, CALIBRATION, Machines(memory=0.9 * needed))


def test_windows_outside_the_area_or_the_scenes_are_not_counted(folder):
    west, _, _, north = EXTENT
    small = PredictSettings(core=32, margin=16, engine="keras", precision="float32")
    found = plan_map(
        design_of(folder / "items.json", (west, north - 300, west + 300, north), small), CALIBRATION
    )
    assert 1 <= found.windows <= 9
    # Half of it lies east of all scenes.
    beyond = (WEST + SIZE * 10 - 640, north - 300, WEST + SIZE * 10 + 640, north)
    inside = (WEST + SIZE * 10 - 640, north - 300, WEST + SIZE * 10 - 10, north)
    more, fewer = (
        plan_map(design_of(folder / "items.json", bounds, small), CALIBRATION).windows
        for bounds in (beyond, inside)
    )
    assert more == fewer


def test_the_command_measures_this_machine(tmp_path, folder, capsys, monkeypatch):
    monkeypatch.setattr("lscube.calibration.PIXELS", 256)
    model = save_tiny(tmp_path / "tiny")
    words = ["plan", "--source", str(folder / "items.json"), "--event-time", EVENT_TIME]
    words += ["--aoi", ",".join(map(str, degrees(EXTENT))), "--model", str(model.folder)]
    words += ["--set", "predict.core=96", "--set", "predict.margin=16", "--workers", "3"]
    out = tmp_path / "plan.json"
    assert main([*words, "--price", "0.04", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "in 1 regions" in printed
    assert "with 3 x " in printed
    found = json.loads(out.read_text())
    assert (found["regions"], found["device"]) == (1, "CPU")
    assert 0 < found["network_seconds"] < 30 * found["windows"]
    assert 0 < found["other_seconds"] < 1e-4 * SIZE**2
    # A process with TensorFlow.
    assert 100e6 < found["worker_bytes"] < 4e9
    assert found["cost"] > 0


def test_defaults_of_a_cube_are_planned(folder):
    """What is read of "first" is two passes, of a median all."""
    design = design_of(folder / "items.json")
    first = CubeSettings(pre="first", post="first")
    scenes = design.plan.scenes
    grid = make_grid(scenes.area, 10.0)
    other = design_map(scenes, grid, design.ensemble.models[0], first, CUTS)
    assert plan_map(other, CALIBRATION).read_bytes == plan_map(design, CALIBRATION).read_bytes
