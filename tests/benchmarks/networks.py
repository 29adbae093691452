"""A simulated event, and networks of any width trained on its west: made once, then kept in `runs/`.

Training goes on where it was interrupted. At width 1 it takes most of an hour on two cores.

python -m tests.benchmarks.networks WIDTH...
"""

from __future__ import annotations

import sys
from pathlib import Path

from lscube import jobs
from lscube.demo import demo_job
from lscube.learn import LoadedModel, load_model
from lscube.settings import Job
from lscube.simulate import SimulatedEvent, SimulationSettings, simulate_event

FOLDER = Path("runs/benchmark")
WIDE = {"epochs": 20, "learning_rate": 5e-4}
"""Of width 1."""
NARROW = {"epochs": 60, "learning_rate": 1e-3, "plateau": 10}
"""Of narrower networks, whose epochs take less time, ..."""
FINE = {"epochs": 20, "learning_rate": 1e-4}
"""... which are tuned after that."""
SETTINGS = SimulationSettings()


def event_job() -> Job:
    """The demo's job: trained in the west, scored in the east."""
    scenes = FOLDER.resolve() / "scenes"
    event = (
        SimulatedEvent(scenes / "items.json", scenes / "inventory.gpkg", scenes / "area.geojson")
        if scenes.exists()
        else simulate_event(scenes, SETTINGS)
    )
    return demo_job(event, SETTINGS)


def trained(width: float) -> LoadedModel:
    """A network of a width, trained on the same patches as all others."""
    folder = FOLDER.resolve() / f"width-{width:g}"
    if folder.exists():
        return load_model(folder)
    if width == 1:
        return _train(width, WIDE, folder)
    first = folder.with_name(f"{folder.name}-first")
    if not first.exists():
        _train(width, NARROW, first)
    return _train(width, FINE, folder, first)


def _train(
    width: float, how: dict[str, float], folder: Path, parent: Path | None = None
) -> LoadedModel:
    job = event_job()
    settings = job.train.model_copy(update={"width": width, **how})
    return jobs.train([job.model_copy(update={"train": settings})], folder, parent)


if __name__ == "__main__":
    for word in sys.argv[1:]:
        print(trained(float(word)).folder)
