"""From files to a report: what `lscube report` calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr

from lscube import jobs
from lscube.cube import PairQuality, measure_pair, open_cube
from lscube.deliveries.inputs import scenes_of_map
from lscube.errors import InputError, InventoryError, MissingExtraError, StoreError
from lscube.learn.card import read_card
from lscube.mapping import open_map
from lscube.mapping.opening import manifest_of, open_unfinished
from lscube.products.report import (
    ReportContents,
    ReportSettings,
    ReportSummary,
    overview_grid,
    write_report,
)
from lscube.products.report.overview import crop
from lscube.progress import progress
from lscube.settings import CubeSettings

if TYPE_CHECKING:
    from lscube.settings import Job


UNFINISHED = "The map is unfinished: what is not mapped yet counts as not observed."


@dataclass(frozen=True)
class Given:
    """Files that a report is made from."""

    map: Path | str
    """A finished map, by path or address."""
    inventory: Path | None = None
    """From `lscube inventory`."""
    scores: Path | None = None
    """From `lscube evaluate`."""
    models: Sequence[Path] = ()
    """Folders of the models, for their cards."""
    unfinished: bool = False
    """Whether what there is of an unfinished map will do."""


def report(
    given: Given,
    out: Path,
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
    mapped, finished = _open(given)
    images, quality = pair_of(job, mapped, settings.edge, outside) if job else (None, None)
    contents = ReportContents(
        images=images,
        inventory=read_inventory(given.inventory) if given.inventory else None,
        scores=read_scores(given.scores) if given.scores else None,
        quality=quality,
        cards=tuple(read_card(folder).model_dump(mode="json") for folder in given.models),
        warnings=() if finished else (UNFINISHED,),
        command=command,
    )
    with progress("writing the report"):
        return write_report(out, mapped, contents, settings)


def _open(given: Given) -> tuple[xr.Dataset, bool]:
    """The map, and whether it is finished."""
    try:
        return open_map(given.map), True
    except StoreError:
        if not given.unfinished:
            raise
    return open_unfinished(given.map), False


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


def read_inventory(path: Path) -> geopandas.GeoDataFrame:
    """Read an inventory of any vector format; an empty one is an inventory too.

    Raises
    ------
    InventoryError
        There is none, or it cannot be read.
    """
    try:
        if path.suffix.lower() in {".parquet", ".geoparquet"}:
            return geopandas.read_parquet(path)
        return geopandas.read_file(path)
    except ImportError:
        raise MissingExtraError("Reading GeoParquet", "parquet") from None
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InventoryError(
            f"Expected an inventory at {path}, but it cannot be read ({reason}); check the path, or make one "
            "with `lscube inventory`."
        ) from None


def read_scores(path: Path) -> dict[str, Any]:
    """Read what `lscube evaluate` wrote.

    Raises
    ------
    InputError
        There is nothing, or something else.
    """
    try:
        scores = json.loads(path.read_bytes())
    except (OSError, ValueError):
        scores = None
    if not isinstance(scores, dict) or "mcc" not in scores:
        raise InputError(
            f"Expected a map's scores at {path}, found no such file; make it with `lscube evaluate`."
        )
    return scores
