"""How fast this machine maps, measured in half a minute in a process of its own.

The network predicts a few windows of noise; reading, masks and writing are timed on a small simulated
event. No pixel of the area to be mapped is read.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import dask
import numpy as np
import numpy.typing as npt

from lscube import machine
from lscube.catalog import Scenes, find_scenes
from lscube.events import make_event
from lscube.grid import make_grid, read_area
from lscube.learn import Card, LoadedModel
from lscube.mapping.design import Design, design_map
from lscube.mapping.ensemble import Ensemble
from lscube.mapping.planning import Calibration, empty_store
from lscube.mapping.region import open_region
from lscube.mapping.store import write_region
from lscube.mapping.windows import BATCH_PIXELS
from lscube.settings import CubeSettings, PredictSettings, SourceSettings

Floats = npt.NDArray[np.float32]

RGB = ("red", "green", "blue")
PIXELS = 512
"""Edge of the simulated event."""
ENOUGH = 6.0
"""Seconds after which no further window is timed."""
MOST = 5
"""Windows that are timed at most."""


def calibrate(design: Design) -> Calibration:
    """Measure this machine with a map's models, windows and masks.

    Parameters
    ----------
    design
        From `lscube.mapping.design_map`.
    """
    ensemble = design.ensemble
    window = design.layout.lattice.window
    # Not forked: TensorFlow is not fork-safe. Of its own: memory is measured from its beginning.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(_measure, ensemble, window, design.plan.settings, PIXELS).result()


def _measure(ensemble: Ensemble, window: int, settings: CubeSettings, edge: int) -> Calibration:
    """In the process of its own."""
    look_seconds, pixel_seconds = _reading(settings, ensemble.models[0].card.resolution, edge)
    batch = max(1, BATCH_PIXELS // window**2)
    channels = ensemble.models[0].card.channels
    noise = np.random.default_rng(0).uniform(0, 0.3, (batch, channels, window, window))
    windows = noise.astype(np.float32)
    ensemble(windows[:1, :, :32, :32])
    opened = _memory("VmRSS")
    ensemble(windows)
    seconds: list[float] = []
    while sum(seconds) < ENOUGH and len(seconds) < MOST:
        start = time.perf_counter()
        ensemble(windows)
        seconds.append((time.perf_counter() - start) / batch)
    from lscube.learn.hardware import gpus

    return Calibration(
        device="GPU" if gpus() else "CPU",
        cores=machine.cores(),
        window_seconds=min(seconds),  # others on the machine can only add to it
        opened_bytes=opened,
        window_bytes=max(0, _memory("VmHWM") - opened),
        look_seconds=look_seconds,
        pixel_seconds=pixel_seconds,
    )


def _memory(field: str) -> int:
    """Bytes of this process from the kernel: "VmRSS" now, "VmHWM" at most."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if field in line)


@dataclass(frozen=True)
class _Nothing(LoadedModel):
    """Predicts at once, so that what is around it can be timed."""

    def predict(self, windows: Floats) -> Floats:
        """Nothing, everywhere."""
        return np.zeros((len(windows), *windows.shape[2:]), np.float32)


def _reading(settings: CubeSettings, resolution: float, edge: int) -> tuple[float, float]:
    """Core-seconds per pixel: of each satellite pass, and of all else; `edge` is the event's, in pixels."""
    from lscube.simulate import SimulationSettings, simulate_event

    with tempfile.TemporaryDirectory() as folder:
        own = SimulationSettings(shape=(edge, edge), resolution=resolution)
        event = simulate_event(Path(folder) / "scenes", own)
        source = SourceSettings(catalogs=(event.items,))
        when = make_event("calibration", f"{own.event_time:%Y-%m-%dT%H:%M:%SZ}")
        scenes = find_scenes(read_area(event.area), when, source)
        plain = CubeSettings(
            bands=RGB,
            pre="median",
            post="median",
            dilation=settings.dilation,
            terrain_shadow=settings.terrain_shadow,
        )
        one = replace(scenes, pre=scenes.pre[:1], post=scenes.post[:1])
        few, many = (_seconds(chosen, plain, resolution, edge) for chosen in (one, scenes))
    more = len(scenes.pre) + len(scenes.post) - 2
    # Bands and classification are read; the paper's three bands were timed.
    bands = (len(settings.bands) + 1) / (len(RGB) + 1)
    look = max(0.0, many - few) / more
    return look * bands, max(0.0, few - 2 * look)


def _seconds(scenes: Scenes, settings: CubeSettings, resolution: float, edge: int) -> float:
    """Core-seconds per pixel to map these scenes with a network that takes no time."""
    card = Card(
        branches=("pre", "post", "topography"),
        pre_bands=RGB,
        post_bands=RGB,
        resolution=resolution,
        full_scale=0.3,
        window=64,
        width=1.0,
        sha256="none",
    )
    model = _Nothing(card, Path())
    windows = PredictSettings(
        core=edge, margin=64, chunk_cores=1, engine="keras", precision="float32"
    )
    design = design_map(scenes, make_grid(scenes.area, resolution), model, settings, windows)
    region, store = next(design.layout.regions()), empty_store(design)
    pixels = 1
    for size in design.layout.lattice.padded(design.layout.grid(region)).shape:
        pixels *= size

    def map_once() -> None:
        dataset = open_region(design.plan, design.layout, design.ensemble, region)
        dask.compute(write_region(dataset, store, region), scheduler="synchronous")

    return min(_core_seconds(map_once) for _ in range(3)) / pixels


def _core_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start
