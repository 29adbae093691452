"""Map a simulated event in one way and print figures; each way is a process of its own.

python -m tests.benchmarks.predictors WAY WIDTH
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.warp import transform_geom
from shapely.geometry import mapping

from lscube import jobs
from lscube.calibration import calibrate
from lscube.cube import open_part
from lscube.evaluate import within
from lscube.learn import make_labels
from lscube.learn.bundle import _open, open_network, split_channels
from lscube.learn.network import main_only
from lscube.mapping import Design, Machines, design_map, map_region, open_map, plan_map
from lscube.mapping.windows import network_input
from lscube.scores import score
from lscube.settings import Job, PredictSettings
from lscube.simulate import SimulationSettings
from tests.benchmarks.measure import peak_megabytes
from tests.benchmarks.mirrored import write_mirrored
from tests.benchmarks.networks import FOLDER, event_job, trained

Floats = npt.NDArray[np.float32]

CORES = 4
"""Cores of the fast lattice along an edge of the area that is timed."""
ORIGIN = (573_440.0, 4_741_120.0)
"""Its upper left corner: where cores of 1024 pixels of 10 m begin."""
RIM = 128
"""Pixels of the scenes around it."""
TILES = 40
"""Tiles that the notebook's way is timed on."""
EDGE, KEPT = 224, 112
WIDE_MARGIN = 256
"""Pixels; a margin that nothing is expected to reach across."""


def speed_job() -> Job:
    """An area of whole cores, so that every pixel that is predicted counts."""
    folder = FOLDER.resolve() / "speed"
    pixels = CORES * 1024
    (west, north), edge, rim = ORIGIN, pixels * 10.0, RIM * 10.0
    if not folder.exists():
        settings = SimulationSettings(origin=(west - rim, north + rim))
        write_mirrored(folder, settings, pixels + 2 * RIM)
    # Not on the border itself: rounding would bring in the next cores. Nor from corner to corner: a
    # straight line in degrees bends in metres.
    square = shapely.box(west + 15, north - edge + 15, west + edge - 15, north - 15)
    outline = transform_geom("EPSG:32654", "EPSG:4326", mapping(square.segmentize(1000)))
    area = folder.with_name("speed-area.geojson")
    area.write_text(json.dumps(outline))
    job = event_job()
    return job.model_copy(
        update={
            "source": job.source.model_copy(update={"catalogs": (folder / "items.json",)}),
            "area": job.area.model_copy(update={"aoi": area}),
        }
    )


def design_of(job: Job, width: float, settings: PredictSettings) -> Design:
    scenes = jobs.scenes_of(job)
    reading = jobs.reading_of(job, scenes)
    grid = jobs.grid_of(job, scenes)
    return design_map(scenes, grid, trained(width), job.cube, settings, reading)


def run(design: Design, store: Path) -> float:
    """Seconds of a whole map; the network is opened before."""
    model = design.ensemble.models[0]
    model.predict(np.zeros((1, model.card.channels, 32, 32), np.float32))
    plan = design.plan
    start = time.perf_counter()
    map_region(
        plan.scenes, design.layout.cores, model, store, plan.settings, design.settings, plan.reading
    )
    return time.perf_counter() - start


def notebook(width: float) -> list[float]:
    """km2 per second of one tile at a time from memory: float32, 224 pixels, the centre kept."""
    design = design_of(speed_job(), width, PredictSettings(core=KEPT, margin=56))
    edge = EDGE + KEPT * 9
    part = design.layout.lattice.padded(design.layout.cores)[:edge, :edge]
    cube = open_part(design.plan, part)
    card = design.ensemble.models[0].card
    pixels: Floats = network_input(cube, card)[:-1].compute()
    network = main_only(open_network(design.ensemble.models[0]))
    places = [(y, x) for y in range(0, 9 * KEPT, KEPT) for x in range(0, 9 * KEPT, KEPT)]
    out = np.zeros((10 * KEPT, 10 * KEPT), np.float32)
    for number, (y, x) in enumerate(places[: TILES + 2]):
        if number == 2:
            start = time.perf_counter()
        tile = split_channels(pixels[None, :, y : y + EDGE, x : x + EDGE], card)
        found = network.predict(tile, verbose=0)
        out[y : y + KEPT, x : x + KEPT] = found[0, 56 : 56 + KEPT, 56 : 56 + KEPT, 0]
    return [TILES * KEPT**2 / 1e4 / (time.perf_counter() - start)]


def fast(width: float) -> list[float]:
    """km2 per second from scenes to store, the network's share of that time, peak memory in MB."""
    design = design_of(speed_job(), width, PredictSettings())
    with tempfile.TemporaryDirectory() as folder:
        seconds = run(design, Path(folder) / "map.zarr")
    peak = peak_megabytes()
    return [(CORES * 1024) ** 2 / 1e4 / seconds, arithmetic(design) / seconds, peak, seconds]


def arithmetic(design: Design) -> float:
    """Seconds of the network alone on as many windows from memory; a row of them is timed."""
    model = design.ensemble.models[0]
    window = design.layout.lattice.window
    noise = np.random.default_rng(0).uniform(0, 0.3, (1, model.card.channels, window, window))
    inputs = split_channels(noise.astype(np.float32), model.card)
    network = _open(model.folder.resolve(), model.card.sha256, model.policy, model.engine)
    start = time.perf_counter()
    for _ in range(CORES):
        network(inputs)
    return CORES * (time.perf_counter() - start)


def planned(width: float) -> list[float]:
    """Relative errors of the planned seconds and memory, beside a run in this process."""
    design = design_of(speed_job(), width, PredictSettings())
    calibration = calibrate(design)
    expected = plan_map(design, calibration, Machines(1, calibration.cores))
    with tempfile.TemporaryDirectory() as folder:
        seconds = run(design, Path(folder) / "map.zarr")
    peak = peak_megabytes() * 2**20
    print(
        f"planned {expected.wall_seconds:.1f} s, {expected.worker_bytes / 1e9:.2f} GB; took "
        f"{seconds:.1f} s, {peak / 1e9:.2f} GB",
        file=sys.stderr,
    )
    return [abs(expected.wall_seconds / seconds - 1), abs(expected.worker_bytes / peak - 1)]


def modes(width: float) -> list[float]:
    """How the modes differ on the event that the network was trained on, its east and west.

    Mean absolute difference and share of flips at 0.5 where either is at least 0.1; MCC of "fast"
    and of "paper" in the east, which was not trained on; flips of "fast" and of "paper" against windows
    with four times the margin of "fast".
    """
    job = event_job()
    ways = {
        "paper": PredictSettings(mode="paper", dtype="float32"),
        "fast": PredictSettings(dtype="float32"),
        "wide": PredictSettings(margin=WIDE_MARGIN, dtype="float32"),
    }
    with tempfile.TemporaryDirectory() as folder:
        for way, settings in ways.items():
            run(design_of(job, width, settings), Path(folder) / way)
        maps = {way: open_map(Path(folder) / way)["probability"].compute() for way in ways}
    geobox = maps["paper"].odc.geobox
    paper, fast, wide = (
        maps[way].reindex_like(maps["paper"], fill_value=np.nan).values for way in ways
    )
    known = ~np.isnan(paper)
    assert (known == ~np.isnan(fast)).all()
    assert job.labels is not None
    labels = make_labels(job.labels, geobox).values
    east = known & within(geobox, job.evaluate.area)
    scores = [score(found[east], labels[east], 0.5).mcc for found in (fast, paper)]
    rest = [_compared(fast, wide)[1], _compared(paper, wide)[1]]
    return [*_compared(paper, fast), *scores, *rest]


def _compared(one: Floats, other: Floats) -> tuple[float, float]:
    """Mean absolute difference, and share on different sides of 0.5, where either is at least 0.1."""
    high = (one >= 0.1) | (other >= 0.1)  # false where nothing is known
    flips = (one >= 0.5) != (other >= 0.5)
    return float(np.abs(one - other)[high].mean()), float(flips[high].mean())


WAYS = {way.__name__: way for way in (notebook, fast, planned, modes)}

if __name__ == "__main__":
    print(*WAYS[sys.argv[1]](float(sys.argv[2])))
