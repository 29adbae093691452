"""How one kind of raster is put onto a grid, and onto which pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from affine import Affine
from rasterio.enums import Resampling

from lscube.cube.stated import Kind


@dataclass(frozen=True)
class Recipe:
    """How one kind of asset is put onto a grid."""

    kind: Kind
    """What it shows."""
    dtype: Literal["uint8", "float32"]
    """Type of the values."""
    fill: float
    """Value of pixels that the source does not have."""
    resampling: Resampling
    """How pixels are resampled where source and grid differ."""


REFLECTANCE = Recipe("reflectance", "float32", np.nan, Resampling.bilinear)
CLASSES = Recipe("classes", "uint8", 0, Resampling.nearest)
MASK = Recipe("mask", "uint8", 0, Resampling.nearest)
# Of the kernels tried on a 30 m surface at 10 m, the one with the truest slopes.
ELEVATION = Recipe("elevation", "float32", np.nan, Resampling.cubic_spline)


@dataclass(frozen=True)
class Place:
    """The pixels to fill."""

    epsg: int
    """Of the grid."""
    transform: Affine
    """Of the grid's upper left corner; north up."""
    shape: tuple[int, int]
    """Rows and columns."""
