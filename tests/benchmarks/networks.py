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
EPOCHS = 20
"""At width 1; a narrower network, whose epochs take less, gets as many more of them, and a higher rate."""
NARROW = {"epochs": 3 * EPOCHS, "learning_rate": 1e-3, "plateau": 10}
WIDE = {"epochs": EPOCHS, "learning_rate": 5e-4}
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
    job = event_job()
    train = job.train.model_copy(update={"width": width, **(WIDE if width == 1 else NARROW)})
    return jobs.train([job.model_copy(update={"train": train})], folder)


if __name__ == "__main__":
    for word in sys.argv[1:]:
        print(trained(float(word)).folder)
