"""The steps of a job, each from settings to files: what commands and pipelines call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr
from odc.geo.geobox import GeoBox
from tqdm import tqdm

from lscube.calibration import calibrate
from lscube.catalog import Ask, Scenes, find_scenes, open_catalog
from lscube.cluster import check_folder, on_a_worker
from lscube.cube import (
    REFERENCE,
    Anchors,
    PairQuality,
    Reading,
    bring_to_reference,
    measure_pair,
    open_cube,
    prepare_reading,
    read_cube,
    unreadable_items,
    write_cube,
)
from lscube.cube.plan import DIRECT
from lscube.cube.reading import Access
from lscube.errors import ModelError, SettingsError
from lscube.evaluate import draw_chips, draw_quicklook, evaluate_map, score_chips, within
from lscube.events import Event, find_event, make_event
from lscube.files import write_json
from lscube.grid import epsg_of, make_grid, read_area
from lscube.learn import (
    TrainingEvent,
    check_chips,
    check_room,
    fit,
    fit_chips,
    held_out,
    make_labels,
    read_card,
    read_chips,
)
from lscube.mapping import (
    Machines,
    MapPlan,
    Running,
    crop_to_area,
    design_map,
    map_region,
    open_map,
    plan_map,
    trained_on,
)
from lscube.mapping.opening import manifest_of
from lscube.paths import StrPath
from lscube.products.run import name_run
from lscube.progress import map_progress, progress
from lscube.scores import IGNORE
from lscube.settings import Job, LabelSettings, TrainSettings
from lscube.settings.models import SHIPPED, shipped_folder

if TYPE_CHECKING:
    from lscube.learn import LoadedModel


Lost = dict[str, list[str]]
"""Ids of items that could not be read, by side ("pre", "post", "dsm")."""


@dataclass(frozen=True)
class Outside:
    """How a job reaches what lies outside; a scan hands in ways that are guarded."""

    ask: Ask = open_catalog
    """How catalogues are opened."""
    access: Access = DIRECT
    """How files of pixels are opened."""


OUTSIDE = Outside()
"""Directly, as the user may."""


def scenes_of(job: Job, outside: Outside = OUTSIDE) -> Scenes:
    """Search the job's scenes; time and area come from the registry where the job has none."""
    aoi = job.area.aoi
    if aoi is None:
        aoi = find_event(job.event.id, job.event.registry).aoi
    return find_scenes(read_area(aoi), _event_of(job), job.source, outside.ask)


def _event_of(job: Job) -> Event:
    if job.event.time is None:
        return find_event(job.event.id, job.event.registry).event
    return make_event(job.event.id, job.event.time)


def grid_of(job: Job, scenes: Scenes) -> GeoBox:
    """The job's grid."""
    return make_grid(scenes.area, job.area.resolution, job.area.epsg)


def reading_of(job: Job, scenes: Scenes, outside: Outside = OUTSIDE) -> Reading:
    """What has to be measured before a cube is opened: dark pixels, and the shift if it is to be undone."""
    with progress("measuring the scenes"):
        return prepare_reading(scenes, grid_of(job, scenes), job.cube, outside.access)


def cube_of(job: Job, scenes: Scenes | None = None, reference: Anchors | None = None) -> xr.Dataset:
    """Open the job's cube; its files are looked at, all else is lazy.

    Parameters
    ----------
    job
        The job.
    scenes
        Its scenes, where they are known.
    reference
        What each satellite pass is brought to; None: it keeps its reflectance.
    """
    found = scenes or scenes_of(job)
    grid, reading = grid_of(job, found), reading_of(job, found)
    reading = bring_to_reference(reading, found, grid, job.cube, reference)
    return open_cube(found, grid, job.cube, reading=reading)


def make_cube(job: Job, store: StrPath, client: Any = None) -> tuple[xr.Dataset, PairQuality, Lost]:
    """Write the job's cube to a new store; also how well its images compare, and what was unreadable.

    Parameters
    ----------
    job
        The job.
    store
        Folder to make.
    client
        A `distributed.Client` that computes (`lscube.cluster.computing_on`): its workers must see the folder.
    """
    store = Path(store)
    check_folder(client, store.parent)
    lazy = cube_of(job)
    with progress("reading"):
        write_cube(lazy, store)
    cube = read_cube(store)
    return cube, measure_pair(cube), unreadable_items(cube)


def train(
    jobs: Sequence[Job], folder: StrPath, parent: StrPath | None = None, client: Any = None
) -> LoadedModel:
    """Train one model on the areas and labels of several jobs, and save it to a new folder.

    Parameters
    ----------
    jobs
        One for each event; their [train] sections agree but for `area`.
    folder
        New folder for the model.
    parent
        Folder of a saved model to begin from, or the name of one that comes with lscube.
    client
        A `distributed.Client`, one of whose workers trains; None: this process.
    """
    folder = Path(folder)
    parent = None if parent is None else Path(parent)
    if client is not None:
        parts = (list(jobs), folder.absolute(), _at_hand(parent))
        return on_a_worker(client, folder, train, *parts)
    check_room(folder)
    settings = _common_settings(jobs)
    reference = REFERENCE if settings.radiometry == "reference" else None
    if parent is not None:
        reference = read_card(parent).reference
    events = [_training_event(job, reference) for job in jobs]
    with progress("reading"):
        return fit(events, folder, settings, parent=parent, say=tqdm.write)


def _at_hand(parent: Path | None) -> Path | None:
    """A model's folder as workers see it, which start elsewhere."""
    return None if parent is None else shipped_folder(parent).absolute()


def _common_settings(jobs: Sequence[Job]) -> TrainSettings:
    """The [train] section that all jobs share."""
    first, *others = (job.train.model_dump(exclude={"area"}) for job in jobs)
    for other in others:
        for name, value in first.items():
            if other[name] != value:
                raise SettingsError(
                    f"Expected the same [train] settings in all jobs of one training, but train.{name} is "
                    f"{value} in one and {other[name]} in another; set one value with --set."
                )
    return jobs[0].train


def _training_event(job: Job, reference: Anchors | None) -> TrainingEvent:
    settings = _labels_of(job)
    scenes = scenes_of(job)
    cube = cube_of(job, scenes, reference)
    return TrainingEvent(
        id=job.event.id,
        cube=cube,
        labels=make_labels(settings, cube.odc.geobox),
        split=job.split,
        area=job.train.area,
        sources=tuple(item.id for item in (*scenes.pre, *scenes.post, *scenes.dsm)),
        reference=(settings.inventory or settings.raster or Path()).name,
    )


def train_chips(
    folder: StrPath,
    settings: TrainSettings,
    resolution: float,
    out: StrPath,
    parent: StrPath | None = None,
    client: Any = None,
) -> LoadedModel:
    """Train a model on `train.npz` and `validation.npz` of a folder, and save it; see `train`."""
    folder, out = Path(folder), Path(out)
    parent = None if parent is None else Path(parent)
    if client is not None:
        files = (folder.absolute(), settings, resolution, out.absolute())
        return on_a_worker(client, out, train_chips, *files, _at_hand(parent))
    check_room(out)
    training, validation = (read_chips(folder / f"{name}.npz") for name in ("train", "validation"))
    return fit_chips(training, validation, out, settings, resolution, parent=parent, say=tqdm.write)


def evaluate_chips(
    chips: StrPath, model: LoadedModel, scores: StrPath, picture: StrPath
) -> dict[str, Any]:
    """Score a model on chips that it has not seen; write the scores and a picture."""
    chips, scores, picture = Path(chips), Path(scores), Path(picture)
    held = read_chips(chips)
    check_chips(model.card)
    parts = [slice(start, start + CHIPS_AT_ONCE) for start in range(0, len(held), CHIPS_AT_ONCE)]
    found = np.concatenate(
        [model.predict(np.moveaxis(held.reflectance(part), -1, 1)) for part in parts]
    )
    result = score_chips(found, held.masks, model.card.threshold)
    draw_chips(picture, held, found, model.card.threshold)
    write_json(scores, {"file": held.origin, "model": model.card.sha256, **result})
    return result


CHIPS_AT_ONCE = 32
"""Chips that are given to the network at once."""


def predict(
    job: Job,
    models: LoadedModel | Sequence[LoadedModel],
    store: StrPath,
    client: Any = None,
    previous: StrPath | None = None,
    outside: Outside = OUTSIDE,
) -> xr.Dataset:
    """Map the job's area with one model, or the mean of several.

    Parameters
    ----------
    job
        The job.
    models
        From `lscube.load_model`.
    store
        Path or address; see `lscube.map_region`.
    client
        A `distributed.Client`; None: threads of this process.
    previous
        An earlier map whose unchanged regions are taken over.
    outside
        How catalogues and files are reached.
    """
    scenes = scenes_of(job, outside)
    reading = reading_of(job, scenes, outside)
    grid = grid_of(job, scenes)
    with map_progress() as watch:
        running = Running(client, watch=watch, begun=name_run)
        return map_region(
            scenes, grid, models, store, job.cube, job.predict, reading, running, previous
        )


def plan(
    job: Job,
    models: LoadedModel | Sequence[LoadedModel],
    machines: Machines = Machines(),
    outside: Outside = OUTSIDE,
) -> MapPlan:
    """Tell what `predict` will take, from a quick calibration on this machine; no pixel is mapped.

    Parameters
    ----------
    job, models
        As for `predict`.
    machines
        Who will do it.
    outside
        How catalogues and files are reached.
    """
    scenes = scenes_of(job, outside)
    reading = reading_of(job, scenes, outside)
    grid = grid_of(job, scenes)
    design = design_map(scenes, grid, models, job.cube, job.predict, reading)
    with progress("measuring this machine"):
        calibration = calibrate(design)
    return plan_map(design, calibration, machines)


def evaluate(
    job: Job,
    store: StrPath,
    scores: StrPath,
    picture: StrPath,
    models: Sequence[StrPath] = (),
) -> dict[str, Any]:
    """Score a map against the job's labels; write the scores and a picture.

    Parameters
    ----------
    job
        With [labels].
    store
        The map.
    scores, picture
        Files to write.
    models
        Folders of the map's models, of which one alone has a threshold; those of lscube need not be given.
    """
    scores, picture = Path(scores), Path(picture)
    settings = _labels_of(job)
    mapped = crop_to_area(open_map(store))
    threshold = job.evaluate.threshold or threshold_of(mapped, models) or 0.5
    own = job.evaluate.model_copy(update={"threshold": threshold})
    grid = mapped.odc.geobox
    labels = make_labels(settings, grid)
    scenes = scenes_of(job)
    lazy = open_cube(scenes, grid, job.cube, reading=reading_of(job, scenes))
    with progress("reading"):
        cube = lazy[["pre", "post"]].compute()
    probability = mapped["probability"].compute()
    if job.evaluate.part == "test":
        labels = labels.where(held_out(grid, job.split), IGNORE)
    result = evaluate_map(probability, cube, labels, job.train.area, own, _seen(job, mapped))
    title = (
        f"{job.event.id}: MCC {result['mcc']:.2f} on the evaluated part "
        f"(brightness threshold {result['baseline']['mcc']:.2f}; reference: {result['reference_is']})"
    )
    draw_quicklook(picture, cube, probability, labels, threshold, title, job.evaluate.area)
    write_json(scores, result)
    return result


def threshold_of(mapped: xr.Dataset, models: Sequence[StrPath] = ()) -> float | None:
    """The threshold of the one model that made a map, among those given and those that come with lscube.

    None where it is not known, or several made the map.

    Raises
    ------
    ModelError
        A model that is given is missing, or did not make the map.
    """
    theirs = manifest_of(mapped)["model"]["sha256"]
    given = {card.sha256: card for card in map(read_card, models)}
    if not set(given) <= set(theirs):
        raise ModelError(
            f"Expected the model that made the map ({', '.join(one[:12] for one in theirs)}), got "
            f"{', '.join(one[:12] for one in given)}; give that one with --model."
        )
    known = given | {card.sha256: card for card in map(read_card, SHIPPED)}
    card = known.get(theirs[0]) if len(theirs) == 1 else None
    return None if card is None else card.threshold


def _seen(job: Job, mapped: xr.Dataset) -> npt.NDArray[np.bool_] | None:
    """Pixels, (y, x), that the map's model was trained or validated on; None where that is not known."""
    grid = mapped.odc.geobox
    seen = np.zeros(grid.shape, bool)
    events = trained_on(mapped)
    for event in events:
        if event.bounds is None or event.epsg is None:
            return None
        if event.id == job.event.id:
            if event.epsg != epsg_of(grid):
                return None
            seen |= within(grid, event.bounds) & ~held_out(grid, event.split)
    return seen if events else None


def _labels_of(job: Job) -> LabelSettings:
    if job.labels is None:
        raise SettingsError(
            "Expected labels (an inventory or a raster) in the job, found none; add a section [labels] "
            "or give --inventory."
        )
    return job.labels
