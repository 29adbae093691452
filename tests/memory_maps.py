"""Maps in memory, with the probabilities that a test wants."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from lscube.cube.masks import AreaFlag
from lscube.mapping.store import MANIFEST

NORTH = 4735360.0
MIDDLE = 500_000.0
"""Easting of a zone's middle, where UTM's scale is 0.9996."""
PIXEL = 100 / 0.9996**2
"""Square metres on the ground of a pixel of 10 m there."""


def grid_of(shape: tuple[int, int], west: float = MIDDLE) -> GeoBox:
    """Pixels of 10 m."""
    return GeoBox(shape, Affine(10, 0, west, 0, -10, NORTH), "EPSG:32654")


def map_of(probability, inside=None, west=MIDDLE, post=None, lazy=True) -> xr.Dataset:
    """A map as `lscube.mapping.open_map` gives it: lazy, unless asked; NaN where not observed."""
    values = np.asarray(probability, float)
    grid = grid_of(values.shape, west)
    within = np.ones(values.shape, bool) if inside is None else np.asarray(inside)
    days = np.full(values.shape, "2018-10-01", "datetime64[ns]") if post is None else post
    manifest = {"lscube": "0", "model": {"sha256": ["f" * 64], "trained_on": []}}
    mapped = xr.Dataset(
        {
            "probability": (("y", "x"), np.where(within, values, np.nan)),
            "area": (("y", "x"), np.where(within, 0, AreaFlag.OUTSIDE_AREA).astype(np.uint8)),
            "post_date": (("y", "x"), days),
        },
        coords=xr_coords(grid),
        attrs={MANIFEST: manifest},
    )
    return mapped.chunk(7) if lazy else mapped


def plane_of(mapped: xr.Dataset, values: Any) -> xr.DataArray:
    """Something else on a map's grid, lazily."""
    whole = np.broadcast_to(values, mapped["probability"].shape)
    plane = xr.DataArray(whole, dims=("y", "x"), coords=xr_coords(mapped.odc.geobox))
    return plane.chunk(5)


def drawn(text: str) -> np.ndarray:
    """Probabilities from a drawing: digits are tenths, # is 1, . is 0, ? is not observed."""
    known = {"#": 1.0, ".": 0.0, "?": np.nan}
    return np.array([[known.get(c, 0.1 * int(c) if c.isdigit() else 0) for c in line]
                     for line in text.split()])  # fmt: skip
