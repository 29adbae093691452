"""One satellite image of the event: light, air, sensor and scene classification."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lscube.simulate import spectra
from lscube.simulate.cover import Cover, surface_reflectance
from lscube.simulate.landslides import Landslides
from lscube.simulate.noise import BoolArray, FloatArray, coarsen, fractal, ranks, smoothstep
from lscube.simulate.sky import Clouds, Light, cover_with, dim
from lscube.simulate.spectra import mix

OFFSET = 1000
"""What the processing baseline adds to a DN."""
QUANTIFICATION = 10000
"""DN per unit of reflectance."""
_HAZE = np.array((0.012, 0.008, 0.005, 0.002), dtype=np.float32)[:, None, None]
"""Light scattered by the air in blue, green, red and near infrared, as reflectance."""


@dataclass(frozen=True)
class Scene:
    """The pixels of one image."""

    dn: NDArray[np.uint16]
    """DN in blue, green, red and near infrared, 0 = no data; shape (4, y, x)."""
    scl: NDArray[np.uint8]
    """Scene classification at half the resolution, 0 = no data; shape (y/2, x/2)."""

    @property
    def cloud_cover(self) -> float:
        """Percentage of the observed pixels that are cloud."""
        observed = max(int(np.count_nonzero(self.scl)), 1)
        return 100.0 * float(np.isin(self.scl, (8, 9, 10)).sum()) / observed


def bare_ground(rng: np.random.Generator, slides: Landslides) -> tuple[FloatArray, FloatArray]:
    """Draw what landslides look like once, for all images after the event.

    Returns
    -------
    reflectance
        Of the soil, blue, green, red, near infrared; shape (4, y, x), 0 outside.
    share
        Share of bare soil, less where trees were left or carried along; shape (y, x).
    """
    shape = slides.label.shape
    count = slides.count + 1
    rough = fractal(rng, shape, 1.4, longest=10)
    patches = fractal(rng, shape, 2.0, longest=15)
    where = slides.label > 0
    number, along = slides.label[where], slides.progress[where]
    pale = rng.beta(2.2, 1.3, count).astype(np.float32)[number]
    stony = (0.5 * rng.beta(1.0, 2.5, count)).astype(np.float32)[number]
    bright = np.exp(rng.normal(0.0, 0.16, count)).astype(np.float32)[number]
    soil = mix(mix(spectra.LOAM, spectra.PUMICE, pale), spectra.ROCK, stony)
    damp = np.clip(0.08 + 0.22 * patches[where] + 0.30 * (along - 0.5), 0.0, 0.75)
    soil = mix(soil, spectra.WET, damp) * bright * np.exp(0.13 * rough[where])
    reflectance = np.zeros((4, *shape), dtype=np.float32)
    reflectance[:, where] = soil
    left = 1.15 - 0.25 * along - 0.22 * np.maximum(patches[where] + 0.4 * rough[where], 0.0)
    share = np.zeros(shape, dtype=np.float32)
    share[where] = np.clip(left, 0.25, 1.0)
    return reflectance, share


def snow_cover(elevation: FloatArray, texture: FloatArray, share: float) -> FloatArray:
    """Snow on the highest `share` of the ground, 0..1 per pixel, patchy at its lower edge; (y, x)."""
    if share == 0:
        return np.zeros(elevation.shape, np.float32)
    height = ranks(elevation + 8.0 * texture)
    return smoothstep(height, 1.0 - 1.25 * share, 1.0 - 0.75 * share)


def ground_reflectance(
    cover: Cover, bare: tuple[FloatArray, FloatArray], day_of_year: float, day: float
) -> FloatArray:
    """Reflectance of flat, sun-lit ground on a day; landslides show from the event on."""
    ground = surface_reflectance(cover, day_of_year, day)
    if day > 0:
        soil, share = bare
        ground = ground + (soil - ground) * share
    return ground


@dataclass(frozen=True)
class View:
    """What a sensor sees, in its own pixels."""

    ground: FloatArray
    """Reflectance of flat, sun-lit ground, (4, y, x)."""
    light: Light
    """What reaches the ground."""
    clouds: Clouds
    """What hides it."""
    snow: FloatArray
    """Share of snow, (y, x)."""
    observed: BoolArray
    """The part inside the swath, (y, x)."""


def take_image(rng: np.random.Generator, view: View, haze: float, offset: int = OFFSET) -> Scene:
    """Take an image and classify it.

    Parameters
    ----------
    rng
        Source of the sensor's noise.
    view
        What there is to see.
    haze
        Haze relative to a clear day.
    offset
        What is added to a DN.
    """
    light, clouds, observed = view.light, view.clouds, view.observed
    snow = np.asarray(spectra.SNOW, np.float32)[:, None, None]
    ground = view.ground + (snow - view.ground) * view.snow
    lit = ground * dim(light, clouds)
    hazy = lit * (1.0 - 0.05 * haze) + _HAZE * haze
    blurred = ndimage.gaussian_filter(cover_with(hazy, clouds), (0.0, 0.55, 0.55))
    noise = rng.standard_normal(blurred.shape, dtype=np.float32)
    measured = blurred + noise * np.sqrt(0.0018**2 + (0.012 * blurred) ** 2)
    dn = np.clip(np.rint(measured * QUANTIFICATION) + offset, 1, 65535)
    dn = np.where(observed, dn, 0).astype(np.uint16)
    return Scene(dn, _classify(lit, view))


def _halve(field: FloatArray | BoolArray) -> FloatArray:
    """Average 2 x 2 pixels; shape (..., y, x), even."""
    return coarsen(field, 2)


def _classify(lit: FloatArray, view: View) -> NDArray[np.uint8]:
    """Classify like Sen2Cor.

    0 no data, 2 terrain shadow, 3 cloud shadow, 4 vegetation, 5 bare, 6 water, 7 unclassified,
    8 and 9 cloud, 11 snow where it covers most of a pixel: patches stay undetected.
    """
    light, clouds, observed = view.light, view.clouds, view.observed
    _, green, red, nir = _halve(lit)
    opacity = ndimage.maximum_filter(_halve(clouds.opacity), 3)
    shadow = ndimage.maximum_filter(_halve(clouds.shadow), 3)
    ndvi = (nir - red) / np.maximum(nir + red, 1e-4)
    ndwi = (green - nir) / np.maximum(green + nir, 1e-4)
    scl = np.full(red.shape, 7, dtype=np.uint8)
    scl[(ndvi < 0.36) & (red > 0.045)] = 5
    scl[ndvi > 0.45] = 4
    scl[(ndwi > 0.15) & (nir < 0.09)] = 6
    scl[_halve(light.shaded) > 0.5] = 2
    scl[_halve(view.snow) > 0.6] = 11
    scl[shadow > 0.25] = 3
    scl[opacity > 0.10] = 8
    scl[opacity > 0.65] = 9
    scl[_halve(observed) < 1.0] = 0
    return scl
