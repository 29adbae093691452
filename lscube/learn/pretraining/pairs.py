"""Pairs that are half real: two real images of a place, and landslides of chips set into the later one.

What else differs between two images (season, haze, light, part of a pixel's shift, fields, building, fires)
is the pair's own, and no landslide: nothing teaches a network better what not to map. The landslides are
real, too, with the pixels and outlines that they have in their chip; they are laid where a real surface
model is as steep as landslides want it, with their long side down the slope, lit by it, and blended in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lscube import terrain
from lscube.cube.anchors import REFERENCE, measure_anchors
from lscube.errors import InventoryError
from lscube.learn.chips import reflectance_of
from lscube.learn.pretraining.stock import (
    PAIR,
    Bytes,
    Stock,
    as_bytes,
    in_reference,
    of_places,
    turn,
    window_corners,
)
from lscube.scores import IGNORE

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]

SIZES = (25, 4000)
"""Pixels that a landslide has, to be set into another image."""
LONGEST = 96
"""Pixels that it is high and wide at most."""
RING = 5
"""Pixels around a landslide by which its surroundings are known."""
STEEP = 15.0
"""Degrees that the ground has, on average, under a landslide."""
TRIES = 40
"""Places that are looked at for a landslide."""
ADAPT = 0.35
"""How far a landslide takes on the brightness of its new surroundings (as a power of their ratio)."""
SUN = (35.0, 60.0)
"""Degrees above the horizon between which the sun stands that lights a landslide on its new slope."""


@dataclass(frozen=True)
class Scenery:
    """Two images of one place, in the reference's radiometry."""

    name: str
    before: Bytes
    """(y, x, band), 8 bit: 255 is 0.3, 0 is unobserved."""
    after: Bytes
    """Likewise, on the same grid."""


@dataclass(frozen=True)
class Landslide:
    """A landslide cut out of a chip's scene."""

    pixels: Floats
    """Reflectance, (y, x, band), with `RING` pixels around it."""
    mask: Bools
    """(y, x)."""
    around: Floats
    """(band,): median of the ring."""
    direction: float
    """Of its long side, radians from the column axis towards rows; the sign does not matter."""
    length: float
    """Its long side over its short one."""


def scenery(name: str, before: Floats, after: Floats) -> Scenery | None:
    """Bring a pair's images (band, y, x), reflectance, NaN where unobserved, to one radiometry.

    Returns
    -------
    Scenery or None
        None where one of them shows too little.
    """
    sides = []
    for image in (before, after):
        anchors, _ = measure_anchors(image, REFERENCE.bands)
        if anchors is None:
            return None
        sides.append(in_reference(image, anchors))
    return Scenery(name, *sides)


def cut_landslides(after: Bytes, labels: NDArray[np.uint8]) -> list[Landslide]:
    """Cut out all landslides of a scene that are wholly seen and neither tiny nor vast.

    Parameters
    ----------
    after
        (y, x, band), 8 bit in the reference's radiometry.
    labels
        (y, x): 0, 1 or `IGNORE`.
    """
    numbers, _ = ndimage.label(labels == 1)
    found = []
    for number, place in enumerate(ndimage.find_objects(numbers), start=1):
        rows, columns = (slice(max(s.start - RING, 0), s.stop + RING) for s in place)
        mask = numbers[rows, columns] == number
        pixels = after[rows, columns]
        ring = ndimage.binary_dilation(mask, iterations=RING) & (labels[rows, columns] == 0)
        whole = (pixels > 0).all() and (labels[rows, columns] != IGNORE).all()
        if not whole or not SIZES[0] <= mask.sum() <= SIZES[1] or max(mask.shape) > LONGEST:
            continue
        if not ring.any():
            continue
        values = reflectance_of(pixels)
        found.append(Landslide(values, mask, np.median(values[ring], axis=0), *_axis(mask)))
    return found


def _axis(mask: Bools) -> tuple[float, float]:
    """Direction of a shape's long side, and its elongation."""
    points = np.argwhere(mask).astype(np.float64)
    spread, directions = np.linalg.eigh(np.cov(points.T) + 1e-6 * np.eye(2))
    along = directions[:, 1]
    return float(np.arctan2(along[0], along[1])), float(np.sqrt(spread[1] / spread[0]))


def turned(landslide: Landslide, how: int) -> Landslide:
    """Lay it on itself in one of 8 ways, as `lscube.learn.pretraining.stock.turn` does."""
    bands = np.moveaxis(landslide.pixels, -1, 0)
    mask = turn(landslide.mask[np.newaxis], how)[0]
    pixels = np.moveaxis(turn(bands, how), 0, -1)
    return Landslide(pixels, mask, landslide.around, *_axis(mask))


def stock_of_pairs(
    sceneries: Sequence[Scenery],
    surfaces: Sequence[Floats],
    landslides: Sequence[Landslide],
    window: int,
    seed: int,
    density: float = 12.0,
    resolution: float = 10.0,
) -> Stock:
    """Cut sceneries into windows, lend each a surface, and set landslides into most of them.

    Parameters
    ----------
    sceneries
        Places.
    surfaces
        Elevations (y, x) in metres at the pixels' size, NaN where unknown; a piece of one is lent to each
        window.
    landslides
        From `cut_landslides`.
    window
        Edge of a patch in pixels.
    seed
        Of all draws; each window has its own.
    density
        Landslides that are tried for a window of 224 pixels, on average; a fifth of the windows get none.
    resolution
        Pixel size in metres.

    Raises
    ------
    InventoryError
        No surface is large enough, or there are no landslides.
    """
    wide = [one for one in surfaces if min(one.shape) >= window]
    if not wide or not landslides:
        raise InventoryError(
            f"Expected surface models of at least {window} x {window} pixels, and landslides to set into the "
            f"pairs, got {len(wide)} and {len(landslides)}; give others."
        )
    patches = [
        _patch(one, corner, wide, landslides, (window, density, resolution), seed)
        for one in sceneries
        for corner in window_corners(one.after.shape[:2], window, window)
    ]
    before, after, labels, elevation = (np.stack(part) for part in zip(*patches, strict=True))
    return of_places(before, after, labels, elevation, PAIR)


def _patch(
    scene: Scenery,
    corner: tuple[int, int],
    surfaces: Sequence[Floats],
    landslides: Sequence[Landslide],
    how: tuple[int, float, float],
    seed: int,
) -> tuple[Bytes, Bytes, NDArray[np.uint8], Floats]:
    """Before, after, labels, and elevation in metres."""
    window, density, resolution = how
    rng = np.random.default_rng((seed, *scene.name.encode(), *corner))
    before, after = (_window(image, corner, window) for image in (scene.before, scene.after))
    elevation = _piece(surfaces, window, rng)
    labels = np.where((after > 0).all(axis=-1), 0, IGNORE).astype(np.uint8)
    tries = rng.poisson(density * (window / 224) ** 2) if rng.random() > 0.2 else 0
    values = reflectance_of(after)
    ground = _Ground(elevation, resolution, rng)
    for _ in range(tries):
        one = turned(landslides[int(rng.integers(len(landslides)))], int(rng.integers(8)))
        place = ground.place_for(one, labels, values, rng)
        if place is not None:
            _set_into(values, labels, one, place, ground.light)
    shown = np.where((after > 0).all(axis=-1, keepdims=True), as_bytes(values), 0)
    return before, shown.astype(np.uint8), labels, elevation


def _window(image: Bytes, corner: tuple[int, int], window: int) -> Bytes:
    """A window of an image, 0 where the image ends."""
    cut = image[corner[0] : corner[0] + window, corner[1] : corner[1] + window]
    missing = [(0, window - n) for n in cut.shape[:2]]
    return np.pad(cut, [*missing, (0, 0)])


def _piece(surfaces: Sequence[Floats], window: int, rng: np.random.Generator) -> Floats:
    """A piece of a surface without gaps, laid in any of 8 ways."""
    for _ in range(200):
        surface = surfaces[int(rng.integers(len(surfaces)))]
        y, x = (int(rng.integers(0, n - window + 1)) for n in surface.shape)
        piece = surface[y : y + window, x : x + window]
        if np.isfinite(piece).all():
            laid: Floats = turn(piece[np.newaxis], int(rng.integers(8)))[0]
            return laid
    raise InventoryError(
        f"Expected surface models with pieces of {window} x {window} pixels without gaps, found none; give "
        "others."
    )


class _Ground:
    """A surface, and what it does to a landslide."""

    def __init__(self, elevation: Floats, resolution: float, rng: np.random.Generator) -> None:
        east, north = terrain.gradient(elevation, resolution)
        self.slope = terrain.slope(elevation, resolution)
        # Rows run to the south: the way up in (row, column).
        self.up = np.arctan2(-north, east)
        azimuth, height = rng.uniform(0, 360), rng.uniform(*SUN)
        lit = terrain.hillshade(elevation, resolution, azimuth=azimuth, altitude=height)
        flat = 1 + 254 * np.sin(np.deg2rad(height))
        self.light = np.clip(lit / flat, 0.55, 1.25).astype(np.float32)

    def place_for(
        self, one: Landslide, labels: NDArray[np.uint8], values: Floats, rng: np.random.Generator
    ) -> tuple[int, int] | None:
        """Where its ground is steep and it lies down the slope; None where no such place was found."""
        height, width = one.mask.shape
        rows, columns = labels.shape
        if height >= rows or width >= columns:
            return None
        best, place = 0.0, None
        for _ in range(TRIES):
            y, x = int(rng.integers(0, rows - height)), int(rng.integers(0, columns - width))
            part = (slice(y, y + height), slice(x, x + width))
            if (labels[part][one.mask] != 0).any():
                continue
            steep = float(self.slope[part][one.mask].mean())
            up = self.up[part][one.mask]
            # Directions are axes: twice the angle, then averaged.
            apart = 0.5 * np.angle(np.exp(2j * (up - one.direction)).mean())
            fits = np.cos(apart) ** 2 if one.length > 1.5 else 1.0
            worth = fits * min(steep / 35.0, 1.0) if steep >= STEEP else 0.0
            # On bare ground nothing would be seen to have changed.
            bare = float(np.median(values[part][one.mask][:, 0])) > 0.06
            if worth > best and not bare:
                best, place = worth, (y, x)
        return place if best > 0.3 else None


def _set_into(
    values: Floats, labels: NDArray[np.uint8], one: Landslide, place: tuple[int, int], light: Floats
) -> None:
    """Set a landslide into an image and its labels, in place."""
    part = tuple(slice(p, p + n) for p, n in zip(place, one.mask.shape, strict=True))
    ring = ndimage.binary_dilation(one.mask, iterations=RING) & ~one.mask & (labels[part] == 0)
    around = np.median(values[part][ring], axis=0) if ring.any() else one.around
    adapted = np.clip((around + 0.005) / (one.around + 0.005), 0.4, 2.5) ** ADAPT
    lit = one.pixels * adapted * light[part][..., np.newaxis]
    soft = ndimage.gaussian_filter(one.mask.astype(np.float32), 0.8)
    weight = np.where(one.mask, np.maximum(soft, 0.6), np.minimum(soft, 0.4))[..., np.newaxis]
    values[part] = values[part] * (1 - weight) + lit * weight
    labels[part][one.mask] = 1
