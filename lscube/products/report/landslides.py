"""The inventory as the page holds it: the largest landslides, compactly, and counts of all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely
from odc.geo.geobox import GeoBox

from lscube.errors import InventoryError
from lscube.grid import bounds_of
from lscube.products.report.overview import Overview

if TYPE_CHECKING:
    import geopandas

COLUMNS = (
    ("area_m2", "Area", "m²", 0),
    ("mean_probability", "Mean probability", "", 2),
    ("max_probability", "Highest probability", "", 2),
    ("calibrated", "Probabilities calibrated", "", 0),
    ("mean_slope_deg", "Mean slope", "°", 1),
    ("lowest_m", "Lowest point", "m", 0),
    ("highest_m", "Highest point", "m", 0),
    ("length_m", "Length", "m", 0),
    ("width_m", "Width", "m", 0),
    ("orientation_deg", "Long axis, clockwise from grid north", "°", 0),
    ("pre_date", "Image before", "", 0),
    ("post_date", "Image after", "", 0),
    ("observed_share", "Share observed", "", 2),
    ("pga_percent_g", "Peak ground acceleration", "% g", 1),
    ("mmi", "Shaking intensity (MMI)", "", 1),
)
"""Attributes that are shown: column, words, unit, digits."""

GRAIN = 10
"""Coordinates are whole numbers of tenths of a pixel."""

VERTICES = 400_000
"""Most corners of all polygons that are drawn."""

PER_DECADE = 4
"""Size classes for each factor of ten."""


@dataclass(frozen=True)
class Landslides:
    """An inventory, ready for the page."""

    total: int
    """In the inventory."""
    area: float
    """Of all of them in square metres."""
    drawn_area: float
    """Of those that are drawn."""
    content: dict[str, Any]
    """Shapes and attributes of those that are drawn, the largest first."""
    sizes: tuple[tuple[float, ...], tuple[int, ...]]
    """Area in square metres from which each size class begins, and landslides in it."""

    @property
    def drawn(self) -> int:
        """How many are drawn."""
        return len(self.content["shapes"])


def collect(
    inventory: geopandas.GeoDataFrame, overview: Overview, resolution: float, most: int
) -> Landslides:
    """Choose the largest landslides and put their shapes and attributes into few characters.

    Parameters
    ----------
    inventory
        Polygons in any CRS.
    overview
        Of the map; shapes are simplified by half a block at most where a block has several pixels.
    resolution
        Pixel size in metres.
    most
        Landslides that are drawn.

    Raises
    ------
    InventoryError
        No CRS, or something that is no polygon.
    """
    if inventory.crs is None:
        raise InventoryError(
            "Expected an inventory with a CRS, got one without; assign the CRS it is in."
        )
    kept = inventory[~(inventory.geometry.isna() | inventory.geometry.is_empty)]
    if not kept.geom_type.isin(["Polygon", "MultiPolygon"]).all():
        other = sorted(set(kept.geom_type) - {"Polygon", "MultiPolygon"})
        raise InventoryError(
            f"Expected an inventory of polygons, got also {', '.join(map(str, other))}; leave them out."
        )
    kept = kept.to_crs(str(overview.grid.crs))
    areas = _areas(kept)
    order = np.argsort(-areas, kind="stable")[:most]
    shapes = kept.geometry.to_numpy()[order]
    if overview.step > 1:
        shapes = shapely.simplify(shapes, overview.step * resolution / 2)
    enough = int(np.searchsorted(np.cumsum(shapely.get_num_coordinates(shapes)), VERTICES, "right"))
    shapes, order = shapes[:enough], order[:enough]
    chosen = kept.iloc[order]
    content = {
        "shapes": [in_steps(shape, overview.grid, resolution) for shape in shapes],
        "columns": _columns(chosen.assign(area_m2=areas[order])),
        "ids": [str(value) for value in chosen["id"]] if "id" in chosen else
               [str(place + 1) for place in order],
        "places": _places(chosen),
    }  # fmt: skip
    return Landslides(
        len(kept), float(areas.sum()), float(areas[order].sum()), content, _sizes(areas)
    )


def _areas(frame: geopandas.GeoDataFrame) -> npt.NDArray[np.float64]:
    """Area of each in square metres: as the inventory says, else of the polygon on the grid."""
    areas: npt.NDArray[np.float64] = frame.geometry.area.to_numpy(np.float64)
    if "area_m2" in frame:
        said = frame["area_m2"].to_numpy(np.float64)
        areas = np.where(np.isfinite(said), said, areas)
    return areas


def _sizes(
    areas: npt.NDArray[np.float64],
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Classes of area that are equally wide on a logarithmic axis."""
    known = areas[areas > 0]
    if not known.size:
        return (), ()
    places = np.floor(np.log10(known) * PER_DECADE + 1e-9).astype(int)
    first = int(places.min())
    counts = np.bincount(places - first)
    begins = tuple(float(10 ** ((first + n) / PER_DECADE)) for n in range(counts.size))
    return begins, tuple(counts.tolist())


def in_steps(shape: shapely.Geometry, grid: GeoBox, resolution: float) -> list[list[list[int]]]:
    """Put polygons into few characters.

    Parameters
    ----------
    shape
        A polygon or several, in the grid's CRS.
    grid
        Coordinates are from its north-west corner.
    resolution
        Pixel size in metres.

    Returns
    -------
    list
        Polygons, each of rings, each of x and y in tenths of a pixel: the first corner, then the
        steps from one corner to the next.
    """
    west, _, _, north = bounds_of(grid)
    return [
        [
            _ring(ring, (west, north), GRAIN / resolution)
            for ring in (part.exterior, *part.interiors)
        ]
        for part in shapely.get_parts(shape)
    ]


def _ring(ring: shapely.LinearRing, corner: tuple[float, float], scale: float) -> list[int]:
    corners = shapely.get_coordinates(ring)[:-1]
    whole = np.rint((corners - corner) * scale).astype(int)
    steps: list[int] = np.diff(whole, axis=0, prepend=np.zeros((1, 2), int)).ravel().tolist()
    return steps


def _columns(frame: geopandas.GeoDataFrame) -> list[dict[str, Any]]:
    """Attributes that at least one landslide has."""
    columns = []
    for name, label, unit, digits in COLUMNS:
        values = list(_values(frame[name], digits)) if name in frame else []
        if any(value is not None for value in values):
            columns.append(
                {"name": name, "label": label, "unit": unit, "digits": digits, "values": values}
            )
    return columns


def _values(series: Any, digits: int) -> Iterator[float | str | None]:
    for value in series.tolist():
        if value is None or value != value:  # NaN and NaT differ from themselves
            yield None
        elif isinstance(value, bool):
            yield "yes" if value else "no"
        elif isinstance(value, int | float):
            yield round(value, digits) if math.isfinite(value) else None
        else:
            yield str(value)[:10] if hasattr(value, "year") else str(value)


def _places(frame: geopandas.GeoDataFrame) -> list[list[float]]:
    """A point within each: latitude and longitude in degrees."""
    points = frame.geometry.representative_point().to_crs("EPSG:4326")
    return [[round(point.y, 5), round(point.x, 5)] for point in points]
