"""The rows of an inventory: what is said of each landslide."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas
import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from lscube.grid import epsg_of
from lscube.mapping.opening import is_unfinished, manifest_of
from lscube.probabilities import Calibration
from lscube.products.inventory.landslides import Landslides
from lscube.products.inventory.outlines import Outlines
from lscube.products.inventory.shaking import Quantity, Shaking
from lscube.products.inventory.table import NO_DAY, PROBABILITY, SLOPE, Column, Integers
from lscube.products.run import run_id
from lscube.settings.inventory import InventorySettings

ATTRIBUTES = {
    "id": "number in the order of the first pixels, row by row from the north-west; from 1",
    "area_m2": "area on the ellipsoid (equal area), with the holes that were filled",
    "mean_probability": "mean landslide probability of its pixels",
    "max_probability": "highest landslide probability of its pixels",
    "calibrated": "whether probabilities are calibrated, or the network's own",
    "mean_slope_deg": "mean slope (Horn) of its pixels before the event, degrees",
    "lowest_m": "lowest elevation of its pixels' centres, metres",
    "highest_m": "highest elevation of its pixels' centres, metres",
    "length_m": "long side of the smallest rectangle around it, metres on the ground",
    "width_m": "short side of that rectangle, metres on the ground",
    "orientation_deg": "direction of the long side, degrees clockwise from grid north, 0 to below 180",
    "pre_date": "latest day of the images before, of its pixels",
    "post_date": "earliest day of the images after, of its pixels",
    "observed_share": "share of its outline beyond which pixels were observed; below 1 it may go on there",
    "rules": "what counted as a landslide: the settings of the inventory",
    "finished": "whether the map's run had come to its end",
    "model_sha256": "of the network's file; of several, with commas",
    "run_id": "name of the run that made the map",
}
"""Columns of an inventory, in their order, and what they say; empty where it is not known."""

SHAKING: dict[Quantity, str] = {
    "pga_percent_g": "peak ground acceleration at a point within it, percent of g, from a ShakeMap",
    "mmi": "modified Mercalli intensity at a point within it, from a ShakeMap",
}
"""Further columns where a ShakeMap is given."""


def to_map(outlines: Outlines, grid: GeoBox) -> Outlines:
    """Outlines in pixels of a grid as outlines in its CRS."""
    a, _, west, _, e, north, *_ = grid.affine
    moved = shapely.transform(outlines, lambda points: points * (a, e) + (west, north))
    normal: Outlines = shapely.normalize(moved)
    return normal


def make_frame(
    found: Landslides,
    outlines: Outlines,
    mapped: xr.Dataset,
    settings: InventorySettings,
    calibration: Calibration | None = None,
    shaking: Sequence[Shaking] = (),
) -> geopandas.GeoDataFrame:
    """Put an inventory together.

    Parameters
    ----------
    found
        Landslides.
    outlines
        Theirs, in the map's CRS.
    mapped
        The map.
    settings
        What counted.
    calibration
        That their mean probabilities were calibrated with.
    shaking
        Contours of ShakeMaps.

    Returns
    -------
    GeoDataFrame
        In the map's CRS, with the columns of `ATTRIBUTES`, those of `SHAKING` that are given, and the
        outlines.
    """
    table, area = found.table, found.square_metres
    most = table["most_probable"]
    seen = 1 - table["unobserved_edges"] / table["edges"]
    length, width, orientation = _extent(outlines, area)
    count = len(area)
    columns = {
        "id": np.arange(1, count + 1),
        "area_m2": area.round(1),
        "mean_probability": (table["probability"] / table["pixels"] / PROBABILITY).round(4),
        "max_probability": (most if calibration is None else calibration.apply(most)).round(4),
        "calibrated": np.full(count, calibration is not None),
        "mean_slope_deg": _mean(table["slope"] / SLOPE, table["sloped"]).round(2),
        "lowest_m": _known(table["lowest"]),
        "highest_m": _known(table["highest"]),
        "length_m": length.round(1),
        "width_m": width.round(1),
        "orientation_deg": orientation.round(1) % 180,
        "pre_date": _dates(table["before"], NO_DAY[0]),
        "post_date": _dates(table["after"], NO_DAY[1]),
        "observed_share": seen.round(4),
        "rules": _same(settings.rules, count),
        "finished": np.full(count, not is_unfinished(mapped)),
        "model_sha256": _same(",".join(manifest_of(mapped)["model"]["sha256"]), count),
        "run_id": _same(run_id(mapped), count),
    }
    frame = geopandas.GeoDataFrame(columns, geometry=outlines, crs=epsg_of(mapped.odc.geobox))
    if shaking:
        inner = geopandas.GeoSeries(shapely.point_on_surface(outlines), crs=frame.crs).to_crs(4326)
        for contours in shaking:
            there = contours.at(inner.x.to_numpy(), inner.y.to_numpy())
            frame.insert(frame.shape[1] - 1, contours.quantity, there.round(2))
    return frame


def _extent(
    outlines: Outlines, areas: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Length, width and direction of the smallest rectangle around each outline.

    UTM keeps angles, so lengths on the ground are to those in the grid as the roots of the areas.
    """
    if not len(outlines):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    corners = shapely.get_coordinates(shapely.oriented_envelope(outlines)).reshape(-1, 5, 2)
    sides = np.diff(corners[:, :3], axis=1)
    lengths = np.hypot(sides[..., 0], sides[..., 1])
    scale = np.sqrt(areas / shapely.area(outlines))
    long = np.where(lengths[:, 0] >= lengths[:, 1], 0, 1)
    along = sides[np.arange(len(long)), long]
    direction = np.degrees(np.arctan2(along[:, 0], along[:, 1])) % 180
    return lengths.max(axis=1) * scale, lengths.min(axis=1) * scale, direction


def _mean(total: NDArray[np.float64], count: Integers) -> NDArray[np.float64]:
    mean = np.full(len(count), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def _known(metres: Column) -> NDArray[np.float64]:
    return np.where(np.isfinite(metres), metres, np.nan).round(1)


def _dates(days: Integers, unknown: int) -> NDArray[np.object_]:
    """Days since 1970-01-01 as ISO dates; None where unknown."""
    there = days != unknown
    found = np.full(len(days), None, object)
    found[there] = np.datetime_as_string(days[there].astype("datetime64[D]"))
    return found


def _same(text: str, count: int) -> NDArray[np.object_]:
    return np.full(count, text, object)
