"""One model of an experiment: trained, its areas mapped, its maps scored. What is done is not done again."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import dask
import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr

from lscube import jobs
from lscube.attributes import content
from lscube.cube import read_cube, unreadable_items
from lscube.errors import InventoryError, LscubeError, SourceError, StoreError
from lscube.evaluate.blocks import block_counts
from lscube.evaluate.objects import find_landslides, number_landslides
from lscube.evaluate.results import ModelFacts, SizeClass
from lscube.experiments.areas import Area
from lscube.experiments.design import ModelPlan, Region
from lscube.experiments.folder import Folder, read_json
from lscube.experiments.sides import why_too_small
from lscube.files import write_json
from lscube.learn import TrainingEvent, fit, held_out, load_model, make_labels
from lscube.learn.bundle import HISTORY
from lscube.learn.fitting import Say
from lscube.learn.labels import read_polygons
from lscube.mapping import open_map
from lscube.mapping.places.folder import only_run
from lscube.scores import IGNORE, Tally
from lscube.settings import Experiment, Job, TrainSettings

if TYPE_CHECKING:
    from lscube.learn import LoadedModel

Fit = Callable[..., "LoadedModel"]
"""Trains and saves a model as `lscube.fit` does."""

_ONE_AT_A_TIME = threading.Lock()
"""Keras's seeds and policies are the process's: two trainings in one would disturb each other."""


@dataclass(frozen=True)
class Making:
    """What any model of an experiment needs; travels to a cluster's workers, who share the file system."""

    experiment: Experiment
    """Its configuration."""
    areas: dict[str, Area]
    """By name."""
    folder: Folder
    """Where everything is written."""
    fit: Fit = fit
    """Trains a model."""

    def job(self, area: str, resolution: float, pair: int = 0) -> Job:
        """The job of a pair of images of an area, at a resolution, with what was found and fixed."""
        found = self.areas[area]
        job = (found.job, *found.also)[pair]
        frozen = self.folder.scenes(area, resolution, pair)
        validation = self.folder.validation(area, resolution)
        source, split = job.source, found.job.split  # one split for all pairs: they show one ground
        if frozen.exists():
            source = source.model_copy(update={"catalogs": (frozen,)})
        if validation.exists():
            split = split.model_copy(update={"validation": validation})
        return job.model_copy(
            update={
                "source": source,
                "split": split,
                "area": job.area.model_copy(update={"resolution": resolution}),
                # Steps of 1/254 would hide how sure the network is of most pixels, which are near 0.
                "predict": job.predict.model_copy(update={"dtype": "float32"}),
            }
        )

    def pairs(self, area: str) -> int:
        """Pairs of images that are read."""
        found = self.areas[area]
        return 1 + len(found.also) if found.role == "train" else 1

    def training(self, several: bool) -> TrainSettings:
        """Settings of a training."""
        epochs = self.experiment.experiment.combined_epochs
        train = self.experiment.train
        return train.model_copy(update={"epochs": epochs}) if several and epochs else train

    def too_small(self, area: str, resolution: float) -> str:
        """Why an area does not hold a patch at a resolution; empty where it does."""
        cube = read_cube(self.folder.cube(area, resolution))
        role, train = self.areas[area].role, self.experiment.train
        return why_too_small(cube, self.job(area, resolution), role, train)


def make_model(making: Making, plan: ModelPlan, say: Say = print) -> ModelFacts:
    """Train a model, map and score its areas.

    Returns
    -------
    ModelFacts
        A model whose training fails for a reason that lscube knows has the status "failed" and that
        reason; what else happens is raised.

    Raises
    ------
    StoreError
        Something cannot be written or read back.
    """
    lock = making.folder.score(plan, "").parent
    # On a worker Dask would send the arrays' tasks to the cluster, which may be waiting for this one.
    with _ONE_AT_A_TIME, dask.config.set(scheduler="threads"), only_run(lock, plan.name):
        return _make(making, plan, say)


def _make(making: Making, plan: ModelPlan, say: Say) -> ModelFacts:
    small = {name: making.too_small(name, plan.resolution) for name in plan.areas}
    used = tuple(name for name in plan.areas if not small[name])
    note = "; ".join(reason for reason in small.values() if reason)
    if not used:
        return _facts(plan, "too small", note)
    try:
        model, facts = _trained(making, plan, used, note, say)
        for area, region in plan.scored:
            if not making.too_small(area, plan.resolution):
                _score(making, plan, model, area, region, say)
    except StoreError:
        raise
    except LscubeError as error:
        return _facts(plan, "failed", str(error))
    return facts


def _facts(plan: ModelPlan, status: Literal["too small", "failed"], note: str) -> ModelFacts:
    return ModelFacts(plan.name, plan.part, plan.resolution, plan.areas, status, note)


def _trained(
    making: Making, plan: ModelPlan, used: tuple[str, ...], note: str, say: Say
) -> tuple[LoadedModel, ModelFacts]:
    """The model, trained now or before."""
    folder, known = making.folder.model(plan), making.folder.facts(plan)
    spent = None  # not known of one that was trained by a run that ended before it could say so
    if not folder.exists():
        known.unlink(missing_ok=True)
        start = time.monotonic()
        if plan.part == "progressive":
            _progressive(making, plan, used, say)
        else:
            _fit(making, plan, used, folder, None, say)
        spent = time.monotonic() - start
    model = load_model(folder)
    if not known.exists():
        write_json(known, {"part": plan.part, "areas": list(used), "seconds": spent})
    kept = read_json(known)
    if (kept.get("part"), kept.get("areas")) != (plan.part, list(used)):
        raise StoreError(
            f"Expected {folder} to be a {plan.part} model of {', '.join(used)}, but {known.name} says "
            f"{kept.get('part')} of {', '.join(kept.get('areas') or [])}; remove both to make it anew."
        )
    facts = ModelFacts(
        plan.name,
        plan.part,
        plan.resolution,
        used,
        "done",
        note,
        epochs=_epochs(folder),
        seconds=kept.get("seconds"),
        threshold=model.card.threshold,
    )
    return model, facts


def _epochs(folder: Path) -> int:
    """Epochs that a model was trained."""
    return len((folder / HISTORY).read_text(encoding="utf-8").splitlines()) - 1


def _progressive(making: Making, plan: ModelPlan, used: tuple[str, ...], say: Say) -> None:
    """Add the areas one by one, each training beginning from the weights before."""
    folder = making.folder.model(plan)
    parent: Path | None = None
    for count in range(1, len(used) + 1):
        last = count == len(used)
        stage = folder if last else folder.with_name(f"{folder.name}-after-{count}")
        if not stage.exists():
            _fit(making, plan, used[:count], stage, parent, say)
        parent = stage


def _fit(
    making: Making,
    plan: ModelPlan,
    areas: tuple[str, ...],
    folder: Path,
    parent: Path | None,
    say: Say,
) -> None:
    say(f"{plan.name}: training on {', '.join(areas)}")
    several = plan.part != "conventional"
    events = [event for area in areas for event in _events(making, area, plan.resolution, several)]
    making.fit(events, folder, making.training(several), parent=parent, say=say)


def _events(making: Making, area: str, resolution: float, all_pairs: bool) -> list[TrainingEvent]:
    """An area's pairs of images; a model of one area learns from the first alone, as in the paper."""
    events = []
    for pair in range(making.pairs(area) if all_pairs else 1):
        job = making.job(area, resolution, pair)
        assert job.labels is not None
        cube = read_cube(making.folder.cube(area, resolution, pair))
        event = TrainingEvent(
            id=job.event.id if not pair else f"{job.event.id}, pair {pair + 1}",
            cube=cube,
            labels=make_labels(job.labels, cube.odc.geobox),
            split=job.split,
            area=job.train.area,
            sources=(*content(cube.attrs["pre_items"]), *content(cube.attrs["post_items"])),
            reference=(job.labels.inventory or job.labels.raster or Path()).name,
        )
        events.append(event)
    return events


def _score(
    making: Making, plan: ModelPlan, model: LoadedModel, area: str, region: Region, say: Say
) -> None:
    """Map an area and count, unless that is done."""
    path, store = making.folder.score(plan, area), making.folder.map(plan, area)
    if path.exists():
        if read_json(path).get("model") == model.card.sha256:
            return
        # The model was made anew.
        shutil.rmtree(store, ignore_errors=True)
        path.unlink()
    say(f"{plan.name}: mapping {area}")
    start = time.monotonic()
    mapped = jobs.predict(making.job(area, plan.resolution), model, store)
    seconds = time.monotonic() - start
    lost = [item for items in unreadable_items(mapped).values() for item in items]
    if lost:
        shutil.rmtree(store)
        raise SourceError(
            f"Expected all scenes of {area}, but {', '.join(lost)} cannot be read; run the same command "
            "again when they can."
        )
    content = {"model": model.card.sha256, "region": region, "seconds": seconds}
    write_json(path, {**content, **_counts(making, plan, area, region)})


def _counts(making: Making, plan: ModelPlan, area: str, region: Region) -> dict[str, Any]:
    """Pixels by probability, and right and wrong ones by block and by size."""
    probability, labels = compared(making, plan, area, region)
    design, job = making.experiment.experiment, making.job(area, plan.resolution)
    tally = Tally()
    tally.add(probability.to_numpy(), labels.to_numpy())
    block = max(1, round(design.block / plan.resolution))
    blocks = block_counts(probability.to_numpy(), labels.to_numpy(), design.threshold, block)
    if not blocks.size:
        raise InventoryError(
            f"Expected observed and labelled pixels in the {region} of {area}, found none; check its "
            "scenes, and the labels' mapped extent."
        )
    return {
        "tally": {name: value.tolist() for name, value in vars(tally).items()},
        "blocks": blocks.tolist(),
        "sizes": [asdict(size) for size in _sizes(job, probability, labels, design.threshold)],
    }


def compared(
    making: Making, plan: ModelPlan, area: str, region: Region
) -> tuple[xr.DataArray, xr.DataArray]:
    """Probability and labels of a map that was made, (y, x); labels outside the region are `IGNORE`."""
    mapped = open_map(making.folder.map(plan, area))
    job = making.job(area, plan.resolution)
    assert job.labels is not None
    labels = make_labels(job.labels, mapped.odc.geobox)
    if region == "test region":
        labels = labels.where(held_out(mapped.odc.geobox, job.split), IGNORE)
    return mapped["probability"].compute(), labels.astype(np.uint8)


def tally_of(content: dict[str, Any]) -> Tally:
    """The tally of a map's counts, as `write_json` kept them."""
    tally = Tally()
    for name, values in content["tally"].items():
        setattr(tally, name, np.asarray(values, np.int64))
    return tally


def _sizes(
    job: Job, probability: xr.DataArray, labels: xr.DataArray, threshold: float
) -> tuple[SizeClass, ...]:
    """Landslides found by size; none where the labels are a raster."""
    if job.labels is None or job.labels.inventory is None:
        return ()
    frame = read_polygons(job.labels.inventory).frame
    numbers = number_landslides(frame, probability.odc.geobox)
    values: npt.NDArray[np.floating] = probability.to_numpy()
    return find_landslides(values, numbers, labels.to_numpy(), job.area.resolution, threshold)
