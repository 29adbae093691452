"""What surfaces reflect in Sentinel-2's blue, green, red and near infrared.

Typical surface reflectances of sun-lit flat ground, rounded from what Sentinel-2 level-2A shows
over temperate hills.
"""

from __future__ import annotations

import numpy as np

from lscube.simulate.noise import FloatArray

BANDS = ("blue", "green", "red", "nir")
"""Bands in the order in which every spectrum lists them."""

BROADLEAF = (0.022, 0.042, 0.027, 0.350)
AUTUMN = (0.030, 0.046, 0.060, 0.230)
LEAFLESS = (0.042, 0.052, 0.064, 0.150)
CONIFER = (0.017, 0.027, 0.018, 0.210)
GRASS = (0.032, 0.062, 0.045, 0.360)
DRY_GRASS = (0.052, 0.078, 0.092, 0.240)
CROP = (0.030, 0.062, 0.036, 0.420)
RIPE = (0.050, 0.088, 0.092, 0.300)
STUBBLE = (0.076, 0.110, 0.142, 0.250)
SOIL = (0.064, 0.090, 0.122, 0.190)
SLASH = (0.058, 0.078, 0.100, 0.210)
WATER = (0.040, 0.052, 0.034, 0.016)
MUDDY = (0.070, 0.098, 0.100, 0.050)
GRAVEL = (0.105, 0.130, 0.148, 0.195)
ROOF = (0.150, 0.155, 0.160, 0.210)
ASPHALT = (0.078, 0.088, 0.094, 0.135)
PUMICE = (0.082, 0.120, 0.165, 0.255)
LOAM = (0.056, 0.080, 0.114, 0.190)
ROCK = (0.085, 0.105, 0.122, 0.170)
WET = (0.042, 0.056, 0.070, 0.110)
SNOW = (0.80, 0.79, 0.78, 0.72)


def spectrum(of: tuple[float, float, float, float]) -> FloatArray:
    """Shape a spectrum so that it broadcasts over (band, y, x)."""
    return np.array(of, dtype=np.float32)[:, None]


def mix(
    first: FloatArray | tuple[float, float, float, float],
    second: FloatArray | tuple[float, float, float, float],
    share: FloatArray,
) -> FloatArray:
    """Mix two spectra (band, n): `share` (n,) of the second, the rest of the first."""
    a = spectrum(first) if isinstance(first, tuple) else first
    b = spectrum(second) if isinstance(second, tuple) else second
    return np.asarray(a + (b - a) * share, dtype=np.float32)
