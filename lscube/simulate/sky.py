"""The sky: the sun's position, light on the ground, clouds and their shadows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from scipy import ndimage

from lscube import terrain
from lscube.simulate.noise import BoolArray, FloatArray, Shape, fractal, ranks, smoothstep

_DIFFUSE = np.array((0.38, 0.32, 0.26, 0.18), dtype=np.float32)[:, None, None]
"""Share of the light that comes from the sky, in blue, green, red and near infrared."""
_CLOUD = np.array((0.62, 0.60, 0.61, 0.64), dtype=np.float32)[:, None, None]
"""Reflectance of a thick cloud."""
_CLOUD_HEIGHT = 1100.0
"""Height of clouds above the ground in metres."""


@dataclass(frozen=True)
class Sun:
    """Where the sun stands, in degrees."""

    azimuth: float
    """Clockwise from north."""
    elevation: float
    """Above the horizon."""


@dataclass(frozen=True)
class Light:
    """Light on the ground."""

    gain: FloatArray
    """Light relative to flat open ground, shape (4, y, x)."""
    shaded: BoolArray
    """Where terrain hides the sun, shape (y, x)."""

    def crop(self, rim: int, shape: Shape) -> Light:
        """Cut out `shape` pixels that begin `rim` pixels from the upper-left corner."""
        part = (..., slice(rim, rim + shape[0]), slice(rim, rim + shape[1]))
        return Light(self.gain[part], self.shaded[part])


@dataclass(frozen=True)
class Clouds:
    """Clouds of one scene; all arrays (y, x)."""

    opacity: FloatArray
    """Share of the ground hidden, 0..1."""
    brightness: FloatArray
    """Brightness relative to a thick cloud."""
    shadow: FloatArray
    """Share of the direct sunlight taken away, 0..1."""


def sun_position(time: datetime, longitude: float, latitude: float) -> Sun:
    """Where the sun stands at a UTC instant, to about a degree.

    Declination by Cooper's formula (1969), mean solar time (the equation of time is left out).

    Parameters
    ----------
    time
        UTC instant.
    longitude, latitude
        Degrees.
    """
    day = time.timetuple().tm_yday
    declination = math.radians(23.45) * math.sin(2.0 * math.pi * (284 + day) / 365.0)
    hour = time.hour + time.minute / 60.0 + longitude / 15.0
    angle = math.radians(15.0 * (hour - 12.0))
    phi = math.radians(latitude)
    up = math.sin(phi) * math.sin(declination)
    up += math.cos(phi) * math.cos(declination) * math.cos(angle)
    east = -math.cos(declination) * math.sin(angle)
    north = math.cos(phi) * math.sin(declination)
    north -= math.sin(phi) * math.cos(declination) * math.cos(angle)
    return Sun(math.degrees(math.atan2(east, north)) % 360.0, math.degrees(math.asin(up)))


def _cast_shadow(elevation: FloatArray, resolution: float, sun: Sun) -> BoolArray:
    """Find where higher ground towards the sun hides it."""
    azimuth = math.radians(sun.azimuth)
    climb = resolution * math.tan(math.radians(sun.elevation))
    highest = float(np.ptp(elevation))
    hidden = np.zeros(elevation.shape, dtype=bool)
    rows, cols = elevation.shape
    for step in range(1, min(int(highest / climb) + 1, 60)):
        dy = round(-step * math.cos(azimuth))
        dx = round(step * math.sin(azimuth))
        here = (_span(rows, -dy), _span(cols, -dx))
        there = (_span(rows, dy), _span(cols, dx))
        hidden[here] |= elevation[there] > elevation[here] + step * climb
    return hidden


def _span(size: int, shift: int) -> slice:
    """Rows (or columns) that remain when an array is moved by `shift`."""
    return slice(min(max(shift, 0), size), max(min(size, size + shift), 0))


def light_on(elevation: FloatArray, resolution: float, sun: Sun) -> Light:
    """Light the ground: direct light by the cosine of incidence, and light from the sky.

    Parameters
    ----------
    elevation
        Metres, (y, x).
    resolution
        Pixel size in metres.
    sun
        Where the sun stands.
    """
    east, north = terrain.gradient(elevation, resolution)
    azimuth, height = math.radians(sun.azimuth), math.radians(sun.elevation)
    facing = north * math.cos(azimuth) + east * math.sin(azimuth)
    level = 1.0 / np.sqrt(1.0 + east * east + north * north)
    incidence = (math.sin(height) - math.cos(height) * facing) * level
    hidden = _cast_shadow(elevation, resolution, sun)
    visible = 1.0 - ndimage.gaussian_filter(hidden.astype(np.float32), 0.6)
    direct = np.maximum(incidence, 0.0) / math.sin(height) * visible
    gain = _DIFFUSE * 0.5 * (1.0 + level) + (1.0 - _DIFFUSE) * direct
    shaded = (hidden & (visible < 0.5)) | (incidence <= 0.02)
    return Light(gain.astype(np.float32), shaded)


def make_clouds(
    rng: np.random.Generator, shape: Shape, resolution: float, sun: Sun, share: float
) -> Clouds:
    """Draw clouds and lay their shadows away from the sun.

    Parameters
    ----------
    rng
        Source of randomness.
    shape
        Rows and columns.
    resolution
        Pixel size in metres.
    sun
        Where the sun stands.
    share
        Share of the sky that is cloud, 0..1.
    """
    away = min(_CLOUD_HEIGHT / math.tan(math.radians(sun.elevation)), 0.3 * min(shape) * resolution)
    azimuth = math.radians(sun.azimuth)
    dy = round(away * math.cos(azimuth) / resolution)
    dx = round(-away * math.sin(azimuth) / resolution)
    pad = max(abs(dy), abs(dx))
    wide = (shape[0] + 2 * pad, shape[1] + 2 * pad)
    field = ranks(fractal(rng, wide, 3.3, longest=0.35 * min(shape)))
    opacity = (
        smoothstep(field, 1.0 - 1.15 * share, 1.0 - 0.55 * share) if share > 0 else 0.0 * field
    )
    thickness = 0.8 + 0.1 * fractal(rng, wide, 2.0, longest=40) + 0.25 * opacity
    shadow = ndimage.gaussian_filter(opacity, 1.5)

    def window(field: FloatArray, down: int, right: int) -> FloatArray:
        top, left = pad - down, pad - right
        return field[top : top + shape[0], left : left + shape[1]]

    return Clouds(window(opacity, 0, 0), window(thickness, 0, 0), window(shadow, dy, dx))


def dim(light: Light, clouds: Clouds) -> FloatArray:
    """Light under clouds: their shadows take direct light; shape (4, y, x)."""
    under = light.gain * (1.0 - (1.0 - 0.9 * _DIFFUSE) * clouds.shadow)
    return np.asarray(under, dtype=np.float32)


def cover_with(ground: FloatArray, clouds: Clouds) -> FloatArray:
    """Lay clouds over a scene, (4, y, x)."""
    cloud = _CLOUD * np.clip(clouds.brightness, 0.5, 1.3)
    return np.asarray(ground + (cloud - ground) * clouds.opacity, dtype=np.float32)
