"""From files to a report: what `lscube report` calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr

from lscube import jobs
from lscube.cube import PairQuality, measure_pair, open_cube
from lscube.deliveries.inputs import scenes_of_map
from lscube.learn.card import read_card
from lscube.mapping import open_map
from lscube.mapping.opening import is_unfinished, manifest_of
from lscube.paths import StrPath
from lscube.products.report import (
    ReportContents,
    ReportSettings,
    ReportSummary,
    overview_grid,
    write_report,
)
from lscube.products.report.overview import crop
from lscube.products.report.reading import read_inventory, read_scores, read_summary
from lscube.progress import progress
from lscube.settings import CubeSettings

if TYPE_CHECKING:
    from lscube.settings import Job


UNFINISHED = "The map is unfinished: what is not mapped yet counts as not observed."


@dataclass(frozen=True)
class Given:
    """Files that a report is made from."""

    map: StrPath
    """A finished map, by path or address."""
    inventory: StrPath | None = None
    """From `lscube inventory`."""
    scores: StrPath | None = None
    """From `lscube evaluate`."""
    models: Sequence[StrPath] = ()
    """Folders of the models, for their cards."""
    unfinished: bool = False
    """Whether what there is of an unfinished map will do, and an inventory drawn of it."""
    summary: StrPath | None = None
    """From `lscube inventory --summary`."""


def report(
    given: Given,
    out: StrPath,
    job: Job | None = None,
    settings: ReportSettings = ReportSettings(),
    command: str = "",
    outside: jobs.Outside = jobs.OUTSIDE,
) -> ReportSummary:
    """Write a report on a map.

    Parameters
    ----------
    given
        Files.
    out
        HTML file to write.
    job
        The map's job: its images are shown and compared.
    settings
        How much goes into the file.
    command
        What was typed, for the report.
    outside
        How catalogues and files are reached.
    """
    mapped = open_map(given.map, given.unfinished)
    images, quality = pair_of(job, mapped, settings.edge, outside) if job else (None, None)
    contents = ReportContents(
        images=images,
        inventory=read_inventory(given.inventory) if given.inventory else None,
        scores=read_scores(Path(given.scores)) if given.scores else None,
        summary=read_summary(Path(given.summary)) if given.summary else None,
        quality=quality,
        cards=tuple(read_card(Path(folder)).model_dump(mode="json") for folder in given.models),
        warnings=(UNFINISHED,) if is_unfinished(mapped) else (),
        command=command,
        unfinished=given.unfinished,
    )
    with progress("writing the report"):
        return write_report(out, mapped, contents, settings)


def pair_of(
    job: Job, mapped: xr.Dataset, edge: int, outside: jobs.Outside = jobs.OUTSIDE
) -> tuple[xr.Dataset, PairQuality]:
    """A map's images, lazily, in as many pixels as a report shows, and how well they compare.

    Read with the map's own settings, so that they are what the map was made from.

    Raises
    ------
    SceneError
        The job has other scenes than the map.
    """
    scenes = scenes_of_map(job, mapped, outside)
    cube = CubeSettings.model_validate(manifest_of(mapped)["cube"])
    reading = jobs.reading_of(job.model_copy(update={"cube": cube}), scenes, outside)
    small, whole = (
        open_cube(scenes, grid, cube, reading=reading)
        for grid in (overview_grid(mapped, edge), crop(mapped).odc.geobox)
    )
    with progress("comparing the images"):
        return small, measure_pair(whole)
