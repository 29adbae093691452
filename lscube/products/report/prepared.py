"""What a page is made from, read and counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr

from lscube.errors import InputError, InventoryError, ModelError
from lscube.evaluate.page.wording import counted
from lscube.grid import resolution_of
from lscube.mapping.opening import manifest_of
from lscube.mapping.store import MANIFEST
from lscube.products.report.contents import ReportContents, ReportSettings
from lscube.products.report.images import Photographs, photographs
from lscube.products.report.landslides import Landslides, collect
from lscube.products.report.overview import Overview, summarise
from lscube.products.report.reading import is_summary
from lscube.products.run import run_id

if TYPE_CHECKING:
    import geopandas

ANOTHERS = "The inventory does not say which map it was drawn from."
"""Of an inventory without the runs of its landslides."""

EARLY = "The inventory was drawn before the map's run had come to its end: what was mapped later is missing."


@dataclass(frozen=True)
class Prepared:
    """All that a page says and draws."""

    mapped: xr.Dataset
    """The map, lazily."""
    contents: ReportContents
    """As they were given."""
    overview: Overview
    """Of the map."""
    landslides: Landslides | None
    """Of the inventory, where there is one."""
    photographs: Photographs | None
    """Of the images, where there are any."""

    @property
    def resolution(self) -> float:
        """The map's pixel size in metres."""
        return resolution_of(self.mapped.odc.geobox)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the page shows otherwise than the files have it, a sentence each."""
        notes = list(_notes(self.overview, self.landslides))
        if not says_its_map(self.contents.inventory):
            notes.append(ANOTHERS)
        return tuple(notes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know first, a sentence each."""
        early = (EARLY,) if _is_early(self.contents.inventory) else ()
        return (*self.contents.warnings, *early)


def prepare(mapped: xr.Dataset, contents: ReportContents, settings: ReportSettings) -> Prepared:
    """Check that all belongs together, and read it.

    Raises
    ------
    InventoryError
        The inventory or its summary is of another map or drawn of an unfinished one, or the inventory has
        no CRS or holds something that is no polygon.
    ModelError
        A card is that of another model.
    InputError
        The map is none, or the images are none or in another CRS.
    """
    _check(mapped, contents)
    overview = summarise(mapped, settings.edge)
    landslides = taken = None
    if contents.inventory is not None:
        resolution = resolution_of(mapped.odc.geobox)
        landslides = collect(contents.inventory, overview, resolution, settings.polygons)
    if contents.images is not None:
        taken = photographs(contents.images, settings.edge, settings.quality)
    return Prepared(mapped, contents, overview, landslides, taken)


def says_its_map(frame: geopandas.GeoDataFrame | None) -> bool:
    """Whether an inventory tells which run's map it was drawn from; there may be none."""
    return frame is None or ("run_id" in frame and bool(frame["run_id"].notna().all()))


def _is_early(frame: geopandas.GeoDataFrame | None) -> bool:
    """Whether an inventory was drawn before the map's run had come to its end."""
    return frame is not None and "finished" in frame and bool(frame["finished"].eq(False).any())


def _check(mapped: xr.Dataset, contents: ReportContents) -> None:
    """Refuse what is of another kind, or belongs to another map."""
    if MANIFEST not in mapped.attrs or "probability" not in mapped:
        raise InputError(
            "Expected a map, with its manifest and `probability`, got a dataset of "
            f"{', '.join(map(str, mapped)) or 'nothing'}; open one with `lscube.mapping.open_map`."
        )
    _check_inventory(mapped, contents)
    made_by = manifest_of(mapped)["model"]["sha256"]
    for card in contents.cards:
        if card["sha256"] not in made_by:
            raise ModelError(
                f"Expected the model that made the map (sha256 {', '.join(made_by)}), got {card['sha256']}; "
                "give its folder, or none."
            )
    if contents.images is not None:
        _check_images(mapped, contents.images)


def _check_inventory(mapped: xr.Dataset, contents: ReportContents) -> None:
    frame, summary, ours = contents.inventory, contents.summary, run_id(mapped)
    runs = set(frame["run_id"].dropna()) if frame is not None and "run_id" in frame else set()
    for other in runs - {ours}:
        raise InventoryError(
            f"Expected an inventory of this map (run {ours}), got one of run {other}; make it again with "
            "`lscube inventory`."
        )
    if _is_early(frame) and not contents.unfinished:
        raise InventoryError(
            "Expected an inventory of the finished map, got one that was drawn before the map's run had come "
            "to its end; make it again with `lscube inventory`, or take it as it is with --unfinished "
            "(`unfinished=True`)."
        )
    if summary is not None:
        _check_summary(summary, None if frame is None else len(frame), ours)


def _check_summary(summary: Mapping[str, Any], landslides: int | None, ours: str) -> None:
    again = "make both again with `lscube inventory --summary`"
    if not is_summary(summary):
        raise InventoryError(f"Expected an inventory's summary, got something else; {again}.")
    if summary["run_id"] != ours:
        raise InventoryError(
            f"Expected a summary of this map's inventory (run {ours}), got one of run "
            f"{summary['run_id']}; {again}."
        )
    if landslides not in (None, summary["landslides"]):
        raise InventoryError(
            f"Expected the summary of this inventory ({landslides:,} landslides), got one of "
            f"{summary['landslides']:,}; {again}."
        )


def _check_images(mapped: xr.Dataset, images: xr.Dataset) -> None:
    if not {"pre", "post"} <= set(images):
        there = ", ".join(map(str, images)) or "nothing"
        raise InputError(
            f"Expected images with `pre` and `post`, got a dataset of {there}; open "
            "the cube on `overview_grid` of the map."
        )
    if images.odc.geobox.crs != mapped.odc.geobox.crs:
        raise InputError(
            f"Expected images in the map's CRS, {mapped.odc.geobox.crs}, got {images.odc.geobox.crs}; open "
            "the cube on `overview_grid` of the map."
        )


def _notes(overview: Overview, found: Landslides | None) -> Iterator[str]:
    if overview.step > 1:
        yield (
            f"The map is shown in blocks of {overview.step} x {overview.step} pixels: the highest "
            "probability of each block, and why its middle pixel was not observed; all shares and "
            "counts are of single pixels."
        )
        if found and found.drawn:
            yield "The outlines of landslides are simplified by half a block at most."
    if found and found.total and not found.drawn:
        yield (
            f"None of {counted(found.total, 'landslide')} is drawn or listed; the inventory's file has "
            "them all."
        )
    elif found and found.drawn < found.total:
        yield (
            f"Drawn and listed are the {found.drawn:,} largest of {found.total:,} landslides, with "
            f"{found.drawn_area / found.area:.0%} of their area; the inventory's file has them all."
        )
