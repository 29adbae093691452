"""Shaking at a place, from the contours of a ShakeMap of the US Geological Survey.

The products `cont_pga.json` and `cont_mmi.json` of an event hold lines of equal peak ground acceleration
(in percent of g, levels 1, 2, 5, 10, ...) and of equal modified Mercalli intensity (every half), cut
off at the ShakeMap's border (https://usgs.github.io/shakemap/manual4_0/tg_output_formats.html).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import shape

from lscube.errors import InventoryError
from lscube.files import read_text
from lscube.paths import StrPath

Quantity = Literal["pga_percent_g", "mmi"]

_UNITS: dict[str, Quantity] = {
    "pctg": "pga_percent_g",
    "%g": "pga_percent_g",
    "mmi": "mmi",
    "intensity": "mmi",
}
_ADVICE = "give cont_pga.json or cont_mmi.json of the event's ShakeMap"


@dataclass(frozen=True)
class Shaking:
    """Contours of one quantity."""

    quantity: Quantity
    """Peak ground acceleration in percent of g, or modified Mercalli intensity."""
    points: NDArray[np.float64]
    """(n, 2), longitudes and latitudes of the contours' corners."""
    values: NDArray[np.float64]
    """(n,), the contours' values at them."""

    def at(
        self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Shaking at places in degrees; NaN outside all contours.

        Between contours it is interpolated linearly over a triangulation of their corners, of
        acceleration the logarithm; within the innermost contour it is that contour's value, so never
        more than the ShakeMap says.
        """
        if not len(longitude):
            return np.zeros(0)
        from scipy.interpolate import LinearNDInterpolator
        from scipy.spatial import QhullError

        middle = np.array([longitude[0], latitude[0]])
        narrow = np.array([np.cos(np.radians(middle[1])), 1.0])

        def flat(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
            off: NDArray[np.float64] = degrees - middle
            off[:, 0] = (off[:, 0] + 180) % 360 - 180
            off *= narrow
            return off

        logarithmic = self.quantity == "pga_percent_g"
        values = np.log(self.values) if logarithmic else self.values
        corners, places = flat(self.points), flat(np.stack([longitude, latitude], axis=1))
        try:
            field = LinearNDInterpolator(corners, values)
        except QhullError:
            raise InventoryError(
                f"Expected contours that enclose some ground, found points on a line; {_ADVICE}."
            ) from None
        # Outside all triangles it would look through each of them, which is slow.
        hull = shapely.buffer(shapely.convex_hull(shapely.multipoints(corners)), 1e-9)
        shapely.prepare(hull)
        within = shapely.contains_xy(hull, *places.T)
        found = np.full(len(places), np.nan)
        found[within] = field(places[within])
        return np.asarray(np.exp(found) if logarithmic else found)


def read_shaking(path: StrPath) -> Shaking:
    """Read contours of a ShakeMap.

    Parameters
    ----------
    path
        GeoJSON FeatureCollection of (Multi)LineStrings with the properties `value` and `units`
        ("pctg" or "mmi").

    Raises
    ------
    InventoryError
        The file is missing or holds no such contours.
    """
    path = Path(path)
    try:
        content = json.loads(read_text(path))
    except OSError as error:
        raise InventoryError(
            f"Expected contours at {path}, but {error.strerror or error}; {_ADVICE}."
        ) from None
    except (ValueError, RecursionError):
        raise _no_collection(str(path)) from None
    return shaking_of(content, str(path))


def shaking_of(content: Any, origin: str) -> Shaking:
    """Take contours of a ShakeMap from a document's content; as `read_shaking`.

    Parameters
    ----------
    content
        As JSON has it.
    origin
        Path or address, for messages; spectral accelerations are told by its name.
    """
    features = _features(content, origin)
    quantities = {_quantity(origin, feature) for feature in features}
    if len(quantities) != 1:
        raise InventoryError(
            f"Expected contours of one quantity in {origin}, found {len(quantities)}; {_ADVICE}."
        )
    points, values = [], []
    for feature in features:
        line, value = _contour(origin, feature)
        points.append(shapely.get_coordinates(line))
        values.append(np.full(len(points[-1]), value))
    every, place = np.unique(np.concatenate(points), axis=0, return_index=True)
    if len(every) < 3:
        raise InventoryError(
            f"Expected contours in {origin}, found {len(every)} points; {_ADVICE}."
        )
    if np.linalg.matrix_rank(every - every[0], rtol=1e-6) < 2:
        raise InventoryError(
            f"Expected contours that enclose some ground in {origin}, found points on a line; {_ADVICE}."
        )
    return Shaking(quantities.pop(), every, np.concatenate(values)[place])


def check_shaking(shaking: Sequence[Shaking]) -> None:
    """Refuse two ShakeMaps of one quantity.

    Raises
    ------
    InventoryError
        Names the quantity that is there twice.
    """
    quantities = [contours.quantity for contours in shaking]
    for quantity in quantities:
        if quantities.count(quantity) > 1:
            raise InventoryError(
                f"Expected contours of each quantity once, got those of {quantity} "
                f"{quantities.count(quantity)} times; {_ADVICE}."
            )


def _features(content: Any, origin: str) -> list[Any]:
    features = content.get("features") if isinstance(content, dict) else None
    if not isinstance(features, list) or not all(isinstance(each, dict) for each in features):
        raise _no_collection(origin)
    if not features:
        raise InventoryError(f"Expected contours in {origin}, found none; {_ADVICE}.")
    return features


def _no_collection(origin: str) -> InventoryError:
    return InventoryError(
        f"Expected a GeoJSON FeatureCollection in {origin}, found something else; {_ADVICE}."
    )


def _quantity(origin: str, feature: Any) -> Quantity:
    said = feature.get("properties") if isinstance(feature, dict) else None
    units = str(said.get("units", "") if isinstance(said, dict) else "").lower()[:30]
    # Spectral accelerations have the same unit.
    if units not in _UNITS or "psa" in origin.rpartition("/")[2].lower():
        raise InventoryError(
            f"Expected contours of peak ground acceleration or intensity in {origin}, found units "
            f"{units!r}; {_ADVICE}."
        )
    return _UNITS[units]


def _contour(origin: str, feature: dict[str, Any]) -> tuple[Any, float]:
    try:
        value = float(feature["properties"]["value"])
        line = shapely.force_2d(shape(feature["geometry"]))
    except (
        *(KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError),
        shapely.errors.ShapelyError,
    ):
        value, line = np.nan, shapely.Point()
    if not np.isfinite(value) or value <= 0 or "LineString" not in line.geom_type:
        raise InventoryError(
            f"Expected lines with a value above 0 in {origin}, found another feature; {_ADVICE}."
        )
    return line, value
