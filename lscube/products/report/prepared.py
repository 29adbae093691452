"""What a page is made from, read and counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr

from lscube.errors import InputError, InventoryError, ModelError
from lscube.grid import resolution_of
from lscube.mapping.opening import manifest_of
from lscube.products.report.contents import ReportContents, ReportSettings
from lscube.products.report.images import Photographs, photographs
from lscube.products.report.landslides import Landslides, collect
from lscube.products.report.overview import Overview, summarise
from lscube.products.run import run_id


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
        return tuple(_notes(self.overview, self.landslides))


def prepare(mapped: xr.Dataset, contents: ReportContents, settings: ReportSettings) -> Prepared:
    """Check that all belongs together, and read it.

    Raises
    ------
    InventoryError
        The inventory is of another map, has no CRS, or holds something that is no polygon.
    ModelError
        A card is that of another model.
    InputError
        The images are in another CRS than the map.
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


def _check(mapped: xr.Dataset, contents: ReportContents) -> None:
    """Refuse what belongs to another map."""
    if contents.inventory is not None and "run_id" in contents.inventory:
        ours = run_id(mapped)
        for other in set(contents.inventory["run_id"].dropna()) - {ours}:
            raise InventoryError(
                f"Expected an inventory of this map (run {ours}), got one of run {other}; make it again with "
                "`lscube inventory`."
            )
    made_by = manifest_of(mapped)["model"]["sha256"]
    for card in contents.cards:
        if card["sha256"] not in made_by:
            raise ModelError(
                f"Expected the model that made the map (sha256 {', '.join(made_by)}), got {card['sha256']}; "
                "give its folder, or none."
            )
    images = contents.images
    if images is not None and images.odc.geobox.crs != mapped.odc.geobox.crs:
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
    if found and found.drawn < found.total:
        yield (
            f"Drawn and listed are the {found.drawn:,} largest of {found.total:,} landslides, with "
            f"{found.drawn_area / found.area:.0%} of their area; the inventory's file has them all."
        )
