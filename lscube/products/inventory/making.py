"""An inventory from a map, in memory and as a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import geopandas
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr

from lscube.errors import SettingsError
from lscube.files import check_writable, write_json
from lscube.grid import resolution_of
from lscube.mapping import open_map
from lscube.mapping.opening import is_unfinished, manifest_of
from lscube.paths import StrPath
from lscube.products.inventory.attributes import make_frame, to_map
from lscube.products.inventory.blocks import BLOCK, MapContext, Measure, read_blocks
from lscube.products.inventory.coverage import Coverage
from lscube.products.inventory.density import write_density
from lscube.products.inventory.landslides import assume_landslides, find_landslides
from lscube.products.inventory.outlines import Outlines, simplify
from lscube.products.inventory.shaking import Shaking, check_shaking
from lscube.products.inventory.writing import format_of, write_frame
from lscube.products.run import run_id
from lscube.settings.inventory import InventorySettings


@dataclass(frozen=True)
class InventorySummary:
    """An inventory in numbers; areas in square metres on the ellipsoid."""

    landslides: int
    """How many."""
    area_m2: float
    """Their area: the least that the map leaves open, had unobserved pixels no landslide."""
    most_area_m2: float
    """The most that it leaves open: by the same rules, were all unobserved pixels landslide."""
    inside_m2: float
    """The area of interest."""
    observed_m2: float
    """What was observed of it."""
    calibrated: bool
    """Whether the inventory's probabilities are calibrated."""
    run_id: str
    """The run that made the map."""
    model_sha256: tuple[str, ...]
    """Of its models."""
    settings: InventorySettings
    """What counted as a landslide."""
    finished: bool = True
    """Whether the map's run had come to its end."""

    @property
    def observed_share(self) -> float:
        """Share of the area of interest that was observed; 0 where it has no pixel."""
        return self.observed_m2 / self.inside_m2 if self.inside_m2 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        plain = {**asdict(self), "observed_share": round(self.observed_share, 6)}
        areas = {name: round(value, 1) for name, value in plain.items() if name.endswith("_m2")}
        return {**plain, **areas, "settings": self.settings.model_dump(mode="json")}


@dataclass(frozen=True)
class Inventory:
    """Landslides of a map."""

    frame: geopandas.GeoDataFrame
    """A row each; columns of `lscube.products.inventory.ATTRIBUTES`."""
    summary: InventorySummary
    """In numbers."""
    outlines: Outlines
    """Before they were simplified, in the map's CRS."""
    coverage: Coverage
    """What was observed, for the density grid."""


def make_inventory(
    mapped: xr.Dataset,
    settings: InventorySettings = InventorySettings(),
    context: MapContext = MapContext(),
    shaking: Sequence[Shaking] = (),
    block: int = BLOCK,
) -> Inventory:
    """Draw an inventory from a map; the map is read block by block.

    Parameters
    ----------
    mapped
        From `lscube.mapping.open_map`.
    settings
        What counts as a landslide.
    context
        What the map does not hold.
    shaking
        Contours of ShakeMaps, from `read_shaking`.
    block
        Pixels along the edge of what is read at once; the result does not depend on it.

    Raises
    ------
    AreaError
        The context lies on another grid.
    SettingsError
        The density grid's cells are smaller than pixels.
    """
    check_shaking(shaking)
    grid = mapped.odc.geobox
    _check_cell(settings, resolution_of(grid))
    coverage, measure = Coverage(grid, settings.cell), Measure(mapped, context)
    found = find_landslides(coverage.watch(read_blocks(mapped, block)), grid, settings, measure)
    least = float(found.square_metres.sum())
    inside, observed = coverage.square_metres
    most = least if observed == inside else _most_area(mapped, settings, measure, block)
    outlines = to_map(found.outlines, grid)
    frame = make_frame(found, outlines, mapped, settings, context.calibration, shaking)
    summary = InventorySummary(
        landslides=len(frame),
        area_m2=least,
        most_area_m2=max(least, most),
        inside_m2=inside,
        observed_m2=observed,
        calibrated=context.calibration is not None,
        run_id=run_id(mapped),
        model_sha256=tuple(manifest_of(mapped)["model"]["sha256"]),
        settings=settings,
        finished=not is_unfinished(mapped),
    )
    simple = frame.set_geometry(simplify(outlines, settings.simplify), crs=frame.crs)
    return Inventory(simple, summary, outlines, coverage)


def _most_area(
    mapped: xr.Dataset, settings: InventorySettings, measure: Measure, block: int
) -> float:
    """Area of landslides, by the same rules, if all that was not observed were landslide.

    More mapped pixels, or more probable ones, never make the sum less: so it is the most that any
    content of the unobserved pixels could give.
    """
    blocks = assume_landslides(read_blocks(mapped, block))
    found = find_landslides(blocks, mapped.odc.geobox, settings, measure.areas, draw=False)
    return float(found.square_metres.sum())


def write_inventory(
    store: StrPath | xr.Dataset,
    out: StrPath,
    settings: InventorySettings = InventorySettings(),
    context: MapContext = MapContext(),
    shaking: Sequence[Shaking] = (),
    density: StrPath | None = None,
) -> InventorySummary:
    """Write the landslides of a map as polygons with attributes.

    Parameters
    ----------
    store
        A finished map by path or address, or one that is open already.
    out
        File to write: GeoPackage (.gpkg), FlatGeobuf (.fgb) or GeoParquet (.parquet) in the map's CRS, or
        GeoJSON (.geojson), in degrees. A map without landslides gives a valid file without rows.
    settings
        What counts as a landslide.
    context
        What the map does not hold: elevations, days of the images before, the model's calibration.
    shaking
        Contours of ShakeMaps, from `lscube.products.read_shaking`.
    density
        GeoTIFF to write the density grid to.

    Returns
    -------
    InventorySummary
        How many landslides, their area and how much more it could be.

    Raises
    ------
    StoreError
        There is no finished map, or a file cannot be written.
    SettingsError
        The file's ending is that of no format.
    AreaError
        The context lies on another grid than the map.
    """
    out = Path(out)
    density = None if density is None else Path(density)
    format_of(out)
    for path in (out, density):
        if path is not None:
            check_writable(path)
    mapped = store if isinstance(store, xr.Dataset) else open_map(store)
    made = make_inventory(mapped, settings, context, shaking)
    if density is not None:
        write_density(density, made.outlines, made.coverage)
    write_frame(out, made.frame)
    return made.summary


def write_summary(path: StrPath, summary: InventorySummary) -> None:
    """Write an inventory's numbers as JSON."""
    path = Path(path)
    write_json(path, summary.as_dict())


def _check_cell(settings: InventorySettings, resolution: float) -> None:
    if settings.cell < resolution:
        raise SettingsError(
            f"Expected cells of the density grid of {resolution:g} m at least, the map's pixels, got "
            f"{settings.cell:g}; set a larger one."
        )
