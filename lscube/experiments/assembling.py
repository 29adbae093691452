"""From the counts of all maps to results, calibration, figures and the page."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import odc.geo.xr  # noqa: F401 - registers the .odc accessor

from lscube import machine
from lscube.cube import read_cube
from lscube.cube.masks import inside_area
from lscube.errors import InventoryError
from lscube.evaluate.blocks import as_confusion, intervals_of
from lscube.evaluate.curves import curve_of
from lscube.evaluate.figures import draw_figures
from lscube.evaluate.figures.confusion import draw_confusion
from lscube.evaluate.page import write_page
from lscube.evaluate.reliability import reliability_of
from lscube.evaluate.results import (
    AreaFacts,
    ExperimentResults,
    MapScores,
    ModelFacts,
    SizeClass,
    write_results,
)
from lscube.experiments.design import ModelPlan
from lscube.experiments.folder import read_json
from lscube.experiments.making import Making, compared, tally_of
from lscube.learn import read_card
from lscube.learn.bundle import add_calibration
from lscube.learn.card import versions
from lscube.learn.fitting import Say
from lscube.learn.labels import read_polygons
from lscube.probabilities import Calibration, fit_calibration
from lscube.scores import or_none


@dataclass(frozen=True)
class Circumstances:
    """How an experiment came about."""

    command: str
    """What was run."""
    hardware: str
    """On what."""
    seconds: float
    """For all of it up to here, interruptions left out."""


def assemble(
    making: Making,
    plans: Sequence[ModelPlan],
    facts: Sequence[ModelFacts],
    circumstances: Circumstances,
    say: Say = print,
) -> ExperimentResults:
    """Put an experiment's results together, and write them with figures and page."""
    say("Putting the results together")
    design, folder = making.experiment.experiment, making.folder
    done = [plan for plan, fact in zip(plans, facts, strict=True) if fact.status == "done"]
    calibrations = _calibrate(making, done)
    models = tuple(
        replace(fact, calibration=calibrations[fact.name].describe())
        if fact.name in calibrations
        else fact
        for fact in facts
    )
    scores = [
        _scores(making, plan, area, calibrations.get(plan.name))
        for plan in done
        for area, _ in plan.scored
        if folder.score(plan, area).exists()
    ]
    jobs = [area.job for area in making.areas.values()]
    results = ExperimentResults(
        name=design.name,
        reference_is=" and ".join(dict.fromkeys(job.evaluate.reference_is for job in jobs)),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=circumstances.command,
        hardware=circumstances.hardware,
        seconds=circumstances.seconds,
        versions=versions(),
        areas=tuple(_area(making, name) for name in making.areas),
        models=models,
        scores=tuple(scores),
        width=making.experiment.train.width,
    )
    results = _illustrate(making, done, results)
    write_results(folder.results, results)
    draw_figures(folder.root / "figures", results)
    write_page(folder.root, results)
    return results


def _calibrate(making: Making, done: Sequence[ModelPlan]) -> dict[str, Calibration]:
    """Learn each combined model's calibration from the jackknife's maps of what they left out."""
    found = {}
    for plan in done:
        if plan.part != "combined":
            continue
        tallies = {}
        for other in done:
            if other.part == "jackknife" and other.resolution == plan.resolution:
                area = other.scored[0][0]
                path = making.folder.score(other, area)
                if path.exists():
                    tallies[area] = tally_of(read_json(path))
        try:
            calibration = fit_calibration(tallies) if tallies else None
        except InventoryError:  # no landslide among them: nothing to learn from
            continue
        if calibration is None:
            continue
        if read_card(making.folder.model(plan)).calibration != calibration:
            add_calibration(making.folder.model(plan), calibration)
        found[plan.name] = calibration
    return found


def _scores(
    making: Making, plan: ModelPlan, area: str, calibration: Calibration | None
) -> MapScores:
    """Scores of one map from its counts."""
    content = read_json(making.folder.score(plan, area))
    tally, blocks = tally_of(content), np.asarray(content["blocks"], np.int64)
    found = as_confusion(blocks.sum(axis=0))
    # Where a calibration was learnt from an area's labels, it proves nothing there.
    independent = calibration is not None and area not in calibration.fitted_on
    calibrated = reliability_of(tally, calibration=calibration) if independent else None
    return MapScores(
        model=plan.name,
        area=area,
        region=content["region"],
        threshold=making.experiment.experiment.threshold,
        tp=found.tp,
        fp=found.fp,
        fn=found.fn,
        tn=found.tn,
        mcc=found.mcc,
        f1=or_none(found.f1),
        precision=or_none(found.precision),
        recall=or_none(found.recall),
        intervals=intervals_of(blocks),
        curve=curve_of(tally),
        reliability=reliability_of(tally),
        calibrated=calibrated,
        sizes=tuple(SizeClass(**size) for size in content["sizes"]),
        seconds=content["seconds"],
    )


def _area(making: Making, name: str) -> AreaFacts:
    """What is known of an area."""
    area = making.areas[name]
    resolution = making.experiment.experiment.resolutions[0]
    cube = read_cube(making.folder.cube(name, resolution))
    inside = int(inside_area(cube["area"].to_numpy()).sum())
    assert area.job.labels is not None
    inventory = area.job.labels.inventory
    return AreaFacts(
        letter=name,
        id=area.job.event.id,
        name=area.what,
        trigger=area.trigger,
        role=area.role,
        square_kilometres=inside * (resolution / 1000) ** 2,
        sizes=_sizes(inventory, str(cube.odc.geobox.crs)) if inventory else (),
    )


def _sizes(inventory: Path, crs: str) -> tuple[float, ...]:
    """Areas of an inventory's landslides in square metres, rising."""
    frame: geopandas.GeoDataFrame = read_polygons(inventory).frame.to_crs(crs)
    areas = frame.area.groupby(level=0).sum()
    return tuple(sorted(float(area) for area in areas if area > 0))


def _illustrate(
    making: Making, done: Sequence[ModelPlan], results: ExperimentResults
) -> ExperimentResults:
    """Draw the maps of the combined model with the finest pixels; without one, those of the last model."""
    combined = [plan for plan in done if plan.part == "combined"] or list(done[-1:])
    if not combined:
        return results
    plan, scores = min(combined, key=lambda each: each.resolution), []
    for score in results.scores:
        if score.model == plan.name:
            name = f"map-{plan.folder}-{score.area}.png"
            _draw(making, plan, score, making.folder.root / "figures" / name)
            score = replace(score, picture=name)
        scores.append(score)
    return replace(results, scores=tuple(scores))


def _draw(making: Making, plan: ModelPlan, score: MapScores, path: Path) -> None:
    cube = read_cube(making.folder.cube(score.area, plan.resolution))
    probability, labels = compared(making, plan, score.area, score.region)
    place: dict[str, Any] = {"method": "nearest", "tolerance": plan.resolution / 4}
    there = {"y": cube["y"], "x": cube["x"]}
    on_grid = [field.sel(there, **place) for field in (probability, labels)]
    title = f"{plan.name} in {score.area}, {score.region}: MCC {score.mcc:.2f}"
    draw_confusion(path, cube, on_grid[0], on_grid[1], score.threshold, title)


def describe_hardware() -> str:
    """Processor, cores and memory of this machine, in a line."""
    memory = machine.memory() / 2**30
    return f"{_processor()}, {machine.cores()} cores, {memory:.0f} GiB"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
