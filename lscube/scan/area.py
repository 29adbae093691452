"""Where an event is mapped: hit hard enough and steep enough, in few pieces, within a budget."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from lscube.errors import AreaError, SceneError
from lscube.files import write_json
from lscube.grid import arrange_area, epsg_of, project, snapped_grid, unwrap, utm_epsg
from lscube.scan.hazard import Fetch, Hazard
from lscube.scan.pieces import Cells, choose_pieces
from lscube.scan.region import EARTH, Region, region_of, within_reach
from lscube.scan.steepness import Elevation, steepness
from lscube.settings.scan_rules import DEFAULT_LIMITS, LimitSettings, ScanAreaSettings

MOST_CELLS = 1_000_000
"""Cells of one event; beyond that they are made larger."""


@dataclass(frozen=True)
class Area:
    """Where an event is mapped."""

    geometry: BaseGeometry
    """Polygon or multipolygon, EPSG:4326, as `lscube.grid.read_area` gives it."""
    km2: float
    """Its area on the ellipsoid."""
    why: tuple[str, ...]
    """How it came about, in sentences."""
    cut: bool
    """Whether the budget, or the reach of one grid, left something out."""
    pieces: tuple[BaseGeometry, ...]
    """Its pieces, EPSG:4326, the most hazardous first."""


def area_of(
    hazard: Hazard,
    settings: ScanAreaSettings,
    fetch: Fetch,
    elevation: Elevation | None = None,
    limits: LimitSettings = DEFAULT_LIMITS,
) -> Area:
    """Find where to map an event.

    Where it was hit hard enough (contours of shaking at a threshold, else the product's bounds, else a radius
    around the centre; see `lscube.scan.region`) and is steep enough; cleaned into few simple
    pieces, and cut to the budget: hazard is shaking times the tangent of the slope. An outline that a user
    drew stays as it is, as long as the budget holds it.

    Parameters
    ----------
    hazard
        The event.
    settings
        [area] of the scan.
    fetch
        Gives contours; guarded.
    elevation
        Gives the surface model on a grid, when it is needed; None: slopes are not looked at.
    limits
        How much of contours is taken.

    Raises
    ------
    AreaError
        There is nothing to map: too weak, too flat, too small, or beyond what UTM covers.
    SourceError
        Contours or surface model cannot be had now; try again later.
    """
    region = region_of(hazard, settings, fetch, limits)
    size = _km2(region.area)
    if region.given and size <= settings.budget_km2:
        parts = tuple(shapely.get_parts(region.area))
        return Area(region.area, size, region.why, region.cut, parts)
    cells, why = _cells(region, settings, elevation)
    if not cells.reached.any():
        raise _nothing(hazard, "no cell was hit hard enough; lower area.pga or area.mmi")
    if not cells.steep.any():
        raise _nothing(hazard, "no ground is steep enough; lower area.slope or area.steep_share")
    outlines, geometry, cut = _drawn(hazard, cells, settings)
    if cut:
        why += (f"Cut to {settings.budget_km2:,.0f} km2, the most hazardous first.",)
    return Area(geometry, _km2(geometry), (*region.why, *why), cut or region.cut, outlines)


_TRIES = 8
"""Times that the budget is lowered until it holds on the ellipsoid."""


def _drawn(
    hazard: Hazard, cells: Cells, settings: ScanAreaSettings
) -> tuple[tuple[BaseGeometry, ...], BaseGeometry, bool]:
    """Outlines of the pieces, all of them together, and whether the budget cut them."""
    epsg, budget = epsg_of(cells.grid), settings.budget_km2
    for _ in range(_TRIES):
        pieces, cut = choose_pieces(cells, settings.model_copy(update={"budget_km2": budget}))
        if not pieces:
            raise _nothing(hazard, "all pieces are small; lower area.min_km2")
        outlines = tuple(_to_degrees(piece.outline, epsg, hazard) for piece in pieces)
        # Cells reach a little beyond what they are drawn from.
        geometry = within_reach(arrange_area(outlines, f"the area of {hazard.id}"), hazard)
        size = _km2(geometry)
        if size <= settings.budget_km2:
            break
        # Far from a zone's middle the grid's own areas are not those on the ellipsoid.
        budget *= 0.98 * settings.budget_km2 / size
    return outlines, geometry, cut


def save_area(area: Area, path: Path) -> None:
    """Write an area as GeoJSON, a feature for each piece: what `area.aoi` of a job takes.

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    features: list[dict[str, Any]] = [
        {
            "type": "Feature",
            "properties": {"rank": rank, "km2": round(_km2(piece), 2)},
            "geometry": json.loads(shapely.to_geojson(shapely.set_precision(piece, 1e-7))),
        }
        for rank, piece in enumerate(area.pieces, 1)
    ]
    write_json(path, {"type": "FeatureCollection", "features": features})


def _cells(
    region: Region, settings: ScanAreaSettings, elevation: Elevation | None
) -> tuple[Cells, tuple[str, ...]]:
    """What is known of the cells of a coarse grid over a region."""
    grid = _coarse_grid(region.area, settings.cell)
    inside = rasterize([project(region.area, epsg_of(grid))], grid.shape, transform=grid.affine)
    strength = np.full(grid.shape, np.nan)
    strength[inside == 1] = region.strength(*_centres(grid, inside == 1))
    reached = np.isfinite(strength)
    hazard = np.where(reached, strength, 0.0)
    everywhere = Cells(grid, reached, reached, hazard)
    if elevation is None or settings.slope == 0 or not reached.any():
        return everywhere, ("Slopes were not looked at.",)
    try:
        ground = steepness(grid, settings.dsm_resolution, settings.slope, elevation)
    except (SceneError, AreaError) as error:
        return everywhere, (f"Slopes were not looked at: {error}",)
    steep = reached & (ground.share >= settings.steep_share)
    said = (
        f"Of {reached.sum():,} cells, {steep.sum():,} have {settings.steep_share:.0%} or more that is "
        f"steeper than {settings.slope:g} degrees."
    )
    return Cells(grid, reached, steep, hazard * ground.tangent), (said,)


def _coarse_grid(area: BaseGeometry, cell: float) -> GeoBox:
    """Cells over an area, larger than asked for where there would be too many."""
    epsg = utm_epsg(area)
    bounds = project(area, epsg).bounds
    west, south, east, north = bounds
    while (east - west) * (north - south) / cell**2 > MOST_CELLS:
        cell *= 2
    return snapped_grid(bounds, cell, epsg)


def _centres(grid: GeoBox, chosen: Any) -> tuple[Any, Any]:
    """Longitudes and latitudes of the centres of chosen cells."""
    rows, columns = np.nonzero(chosen)
    x = grid.affine.c + (columns + 0.5) * grid.affine.a
    y = grid.affine.f + (rows + 0.5) * grid.affine.e
    to_degrees = Transformer.from_crs(epsg_of(grid), 4326, always_xy=True)
    longitude, latitude = to_degrees.transform(x, y)
    return np.asarray(longitude), np.asarray(latitude)


def _to_degrees(outline: BaseGeometry, epsg: int, hazard: Hazard) -> BaseGeometry:
    degrees = geopandas.GeoSeries([outline], crs=epsg).to_crs(4326)
    return arrange_area(degrees, f"the area of {hazard.id}")


def _km2(area: BaseGeometry) -> float:
    """Area on the ellipsoid; edges follow geodesics."""
    metres2, _ = EARTH.geometry_area_perimeter(shapely.orient_polygons(unwrap(area)))
    return abs(float(metres2)) / 1e6


def _nothing(hazard: Hazard, why: str) -> AreaError:
    return AreaError(f"Expected ground to map around {hazard.id}, but {why}.")
