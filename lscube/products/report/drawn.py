"""What the page's script draws: pictures, shapes and bars, as plain JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from lscube.grid import bounds_of, epsg_of
from lscube.mapping.opening import area_of
from lscube.products.report.images import probability_image, reason_image
from lscube.products.report.landslides import GRAIN, Landslides, in_steps
from lscube.products.report.overview import Overview, bounds_within
from lscube.products.report.prepared import Prepared

NO_LANDSLIDES: dict[str, Any] = {"shapes": [], "columns": [], "ids": [], "places": []}


def drawn_content(prepared: Prepared) -> dict[str, Any]:
    """What the page's script draws."""
    mapped, overview, found = prepared.mapped, prepared.overview, prepared.landslides
    grid, resolution = overview.grid, prepared.resolution
    west, _, _, north = bounds_of(grid)
    area = area_of(mapped)
    left, bottom, right, top = area.bounds
    return {
        "resolution": resolution,
        "grain": GRAIN,
        "epsg": epsg_of(grid),
        "corner": [west, north],
        "bounds": bounds_within(grid, grid),
        "focus": [left - west, bottom - north, right - west, top - north],
        "layers": _layers(prepared),
        "area": in_steps(shapely.simplify(area, resolution / 2), overview.grid, resolution),
        "landslides": found.content if found else NO_LANDSLIDES,
        "charts": _charts(overview, found),
    }


def _layers(prepared: Prepared) -> dict[str, Any]:
    """Pictures, and their bounds."""
    overview, taken = prepared.overview, prepared.photographs
    whole = bounds_within(overview.grid, overview.grid)
    layers: dict[str, Any] = {
        "before_gaps": {"src": reason_image(overview.before), "bounds": whole},
        "after_gaps": {"src": reason_image(overview.after), "bounds": whole},
        "probability": {"src": probability_image(overview), "bounds": whole},
    }
    if taken is not None:
        where = bounds_within(taken.grid, overview.grid)
        layers["before"] = {"src": taken.before, "bounds": where}
        layers["after"] = {"src": taken.after, "bounds": where}
    return layers


def _charts(overview: Overview, found: Landslides | None) -> dict[str, Any]:
    counts = overview.counts.probability
    edges = np.linspace(0, 1, counts.size + 1)[:-1]
    charts = {
        "chart-probability": {
            "labels": [f"{edge:.2f}" for edge in edges],
            "counts": counts.tolist(),
            "x": "probability, from",
            "y": "pixels",
        }
    }
    if found is not None:
        begins, numbers = found.sizes
        charts["chart-sizes"] = {
            "labels": [_short_area(begin) for begin in begins],
            "counts": list(numbers),
            "x": "area, from",
            "y": "landslides",
        }
    return charts


def _short_area(square_metres: float) -> str:
    if square_metres >= 1e6:
        return f"{square_metres / 1e6:.2g} km²"
    digits = max(0, int(np.floor(np.log10(max(square_metres, 1)))) - 1)
    return f"{round(square_metres, -digits):,.0f} m²"
