"""The main job on a simulated event: what `lscube demo` runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lscube import jobs
from lscube.deliveries import deliver
from lscube.deliveries.everything import NAMES
from lscube.errors import InputError, StoreError
from lscube.files import cannot_write
from lscube.paths import StrPath
from lscube.products.report.assets import check
from lscube.settings import Job, make_job
from lscube.simulate import SimulatedEvent, SimulationSettings, simulate_event

PRODUCTS = (
    *("scenes", "model", "probability.zarr", "quicklook.png", "scores.json"),
    *NAMES,
)
"""What a demo folder holds, in the order in which it is made."""

MARK = ".lscube-demo"
"""Tells an earlier demo from a folder of the user's."""

TRAIN_SHARE = 0.6
"""Western part of the simulated area that is trained on; the rest is never seen in training."""


def demo_job(event: SimulatedEvent, settings: SimulationSettings) -> Job:
    """The job that maps a simulated event: trained in the west, evaluated in the east."""
    rows, columns = settings.shape
    west, north = settings.origin
    east = west + columns * settings.resolution
    south = north - rows * settings.resolution
    border = west + TRAIN_SHARE * (east - west)
    content = {
        "event": {"id": "simulated", "time": f"{settings.event_time:%Y-%m-%dT%H:%M:%SZ}"},
        "area": {"aoi": str(event.area), "resolution": settings.resolution, "epsg": settings.epsg},
        "source": {"catalogs": str(event.items)},
        "labels": {"inventory": str(event.inventory)},
        "train": {
            "area": [west, south, border, north],
            # Small and quick: a fifth of the paper's filters, a higher rate, few patches per step.
            "width": 0.2,
            "learning_rate": 1e-3,
            "batch_size": 4,
            "epochs": 20,
            "plateau": 5,
        },
        "evaluate": {"area": [border, south, east, north], "reference_is": "simulated inventory"},
    }
    return make_job(content, event.items.parent)


def run_demo(
    folder: StrPath,
    overwrite: bool = False,
    settings: SimulationSettings = SimulationSettings(),
    changes: dict[str, Any] | None = None,
    say: Callable[[str], object] = print,
) -> dict[str, Any]:
    """Simulate an event, train, map, evaluate, and make the products.

    Parameters
    ----------
    folder
        Folder to make; see `PRODUCTS`.
    overwrite
        Whether the products of an earlier demo may be removed.
    settings
        The event.
    changes
        Training settings that differ from the demo's.
    say
        Told what is being done.

    Returns
    -------
    dict
        The content of `scores.json`.

    Raises
    ------
    StoreError
        The folder is not empty, or cannot be written.
    """
    folder = Path(folder)
    folder = folder.resolve()
    _make_room(folder, overwrite)
    say("Simulating an event: terrain, land cover, landslides, four scenes")
    event = simulate_event(folder / "scenes", settings)
    job = demo_job(event, settings)
    job = job.model_copy(update={"train": job.train.model_copy(update=changes or {})})
    say("Training in the west (preparing the network takes a minute)")
    model = jobs.train([job], folder / "model")
    store = folder / "probability.zarr"
    say("Mapping the whole area")
    jobs.predict(job, model, store)
    say("Comparing with the inventory in the east")
    scores = folder / "scores.json"
    found = jobs.evaluate(job, store, scores, folder / "quicklook.png")
    say("Drawing the landslides, publishing the run, making its page")
    deliver(job, store, [model.folder], folder, scores, _can_make_page(say))
    return found


def _can_make_page(say: Callable[[str], object]) -> bool:
    """Whether the page's libraries are there; the demo goes on without."""
    try:
        check()
    except InputError as error:
        say(f"No page is made. {error}")
        return False
    return True


def _make_room(folder: Path, overwrite: bool) -> None:
    """Make a new demo folder, or clear the products of an earlier one; nothing else is touched."""
    try:
        if overwrite and (folder / MARK).is_file():
            for name in PRODUCTS:
                product = folder / name
                if product.is_dir():
                    shutil.rmtree(product)
                else:
                    product.unlink(missing_ok=True)
        elif folder.exists() and any(folder.iterdir()):
            raise StoreError(
                f"Expected an empty folder for the demo, {folder} is not; remove it, give another one "
                "with --out, or add --overwrite for an earlier demo."
            )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).touch()
    except OSError as error:
        raise cannot_write(folder, error) from None
