"""Landslides: sizes from an inverse-gamma distribution, sources on steep slopes, run-out downhill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, special
from scipy.spatial import KDTree

from lscube import terrain
from lscube.simulate.drainage import DoubleArray
from lscube.simulate.noise import BoolArray, FloatArray, IntArray, Shape, fractal, ranks
from lscube.simulate.relief import Relief
from lscube.simulate.settings import Trigger

RHO, SCALE, SHIFT = 1.40, 1.28e-3, -1.32e-4
"""Exponent, scale (km2) and shift (km2) of the three-parameter inverse-gamma distribution of
landslide areas: Malamud, Turcotte, Guzzetti and Reichenbach 2004, doi:10.1002/esp.1064."""
_SMALLEST = 6.0
"""Smallest area in pixels; smaller ones cannot be resolved."""
_SOURCE = 0.4
"""Share of the way down that is source."""
_TRIES = 12
"""Places that are tried for a landslide before it is given up."""
_TRIES_ALONE = 400
"""As many for one that is the only one."""
_NEAREST = 2e7
"""Pixels times steps of the way above which a landslide's nearest step is looked up in a tree."""
_CROSS = ndimage.generate_binary_structure(2, 1)


@dataclass(frozen=True)
class Landslides:
    """The landslides of one event."""

    label: IntArray
    """Number of the landslide, from 1; 0 is none. Shape (y, x)."""
    progress: FloatArray
    """Position along the way down, 0 at the crown to 1 at the toe; 0 outside. Shape (y, x)."""

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.label.max())

    @property
    def source(self) -> BoolArray:
        """The part where material broke loose."""
        return (self.label > 0) & (self.progress <= _SOURCE)


@dataclass(frozen=True)
class _Ground:
    """What a landslide needs to know of the ground; all arrays (y, x)."""

    fall: FloatArray
    """Unit vector downhill as (2, y, x): rows, columns."""
    slope: FloatArray
    """Slope in degrees."""
    ragged: FloatArray
    """Fractal field that frays outlines, standard deviation 1."""
    closed: BoolArray
    """Where no landslide may go."""
    runout: float
    """How far one goes on over flat ground, as a share of its length."""
    inertia: float
    """Share of its direction that it keeps from step to step."""
    patience: int | None
    """Steps in which it must get on by a third of them; otherwise it ends, in a hollow. None: it may turn."""


def landslide_areas(
    rng: np.random.Generator, count: int, smallest: float, largest: float
) -> DoubleArray:
    """Draw landslide areas from the inverse-gamma distribution of Malamud et al. (2004).

    ``p(A) = (1 / (a Gamma(rho))) * (a / (A - s))**(rho + 1) * exp(-a / (A - s))``, drawn by the
    inverse of its cumulative distribution ``Q(rho, a / (A - s))`` between two bounds.

    Parameters
    ----------
    rng
        Source of randomness.
    count
        How many.
    smallest, largest
        Bounds in km2: what the pixels can resolve, and what the hillslopes can hold.

    Returns
    -------
    DoubleArray
        Areas in km2.
    """
    low, high = (special.gammaincc(RHO, SCALE / (a - SHIFT)) for a in (smallest, largest))
    share = rng.uniform(low, high, count)
    return np.asarray(SHIFT + SCALE / special.gammainccinv(RHO, share))


def place_landslides(
    rng: np.random.Generator, relief: Relief, resolution: float, trigger: Trigger = Trigger()
) -> Landslides:
    """Let slopes fail until landslides cover a share of the area.

    Crowns are likelier the steeper the slope (a logistic curve around 27 degrees), on upper
    slopes, and where the event was strongest (a smooth random field).

    Parameters
    ----------
    rng
        Source of randomness.
    relief
        The ground.
    resolution
        Pixel size in metres.
    trigger
        Their share of the area, sizes and shapes. The share that is reached is a little less: a
        landslide that meets another or a river may keep as little as 60 % of its size, and one for
        which no place is found is left out.
    """
    ground, weight = _prepare(rng, relief, resolution, trigger)
    shape = relief.elevation.shape
    label = np.zeros(shape, dtype=np.int64)
    progress = np.zeros(shape, dtype=np.float32)
    if not weight.any() or trigger.share == 0:
        return Landslides(label, progress)
    pixels = _sizes(rng, shape, resolution, trigger)
    each = _TRIES_ALONE if trigger.single else _TRIES
    tries = min(each * pixels.size, int(np.count_nonzero(weight)))
    crowns = rng.choice(weight.size, size=tries, replace=False, p=weight.ravel())
    following = iter(crowns)
    for size in pixels:
        for crown in (c for c, _ in zip(following, range(each), strict=False)):
            place = divmod(int(crown), shape[1])
            if label[place] or ground.closed[place]:
                continue
            elongation = float(np.exp(rng.normal(np.log(trigger.elongation), 0.3)))
            if _fail(ground, label, progress, place, int(size), elongation):
                break
    return Landslides(label, progress)


def _prepare(
    rng: np.random.Generator, relief: Relief, resolution: float, trigger: Trigger
) -> tuple[_Ground, DoubleArray]:
    """Derive slope and descent, and the probability that a pixel is a crown (sum 1)."""
    # A flow does not feel the river's bed from bank to bank.
    smooth = ndimage.gaussian_filter(relief.elevation, 5.0 if trigger.channelled else 1.5)
    east, north = terrain.gradient(smooth, resolution)
    steepness = np.hypot(east, north)
    slope = np.degrees(np.arctan(steepness))
    fall = np.stack([north, -east]) / np.maximum(steepness, 1e-6)
    relative = relief.elevation - ndimage.gaussian_filter(relief.elevation, 10.0)
    upper = np.clip(relative / 15.0, -2.0, 2.0)
    shaking = fractal(rng, slope.shape, 3.0, longest=110)
    weight = np.exp(1.2 * shaking + 0.5 * upper) / (1.0 + np.exp(-(slope - 27.0) / 2.5))
    weight[relief.floor | (slope < 18.0)] = 0.0
    if trigger.highest < 1.0:
        weight[ranks(relief.elevation) < 1.0 - trigger.highest] = 0.0
    ragged = fractal(rng, slope.shape, 2.0, longest=12)
    water = relief.floor & (relief.river < 25.0) & (not trigger.channelled)
    ground = _Ground(
        fall=fall.astype(np.float32),
        slope=slope.astype(np.float32),
        ragged=ragged,
        closed=water,
        runout=trigger.runout,
        inertia=0.85 if trigger.channelled else 0.5,
        patience=24 if trigger.channelled else None,
    )
    total = weight.sum(dtype=np.float64)
    return ground, np.asarray(weight / (total or 1.0), dtype=np.float64)


def _sizes(rng: np.random.Generator, shape: Shape, resolution: float, trigger: Trigger) -> IntArray:
    """Draw sizes in pixels, largest first, whose sum is the wanted share of the area."""
    pixel = (resolution / 1000.0) ** 2
    wanted = trigger.share * shape[0] * shape[1]
    if trigger.single:
        return np.array([round(wanted)], dtype=np.int64)
    largest = min(trigger.largest, 0.02 * shape[0] * shape[1] * pixel)
    count = int(wanted / _SMALLEST) + 1  # more than enough
    smallest = _SMALLEST * pixel
    areas = trigger.size * landslide_areas(
        rng,
        count,
        smallest / trigger.size,
        max(largest, 4 * smallest) / trigger.size,
    )
    pixels = np.rint(areas / pixel).astype(np.int64)
    enough = int(np.searchsorted(np.cumsum(pixels), wanted)) + 1
    return np.sort(pixels[:enough])[::-1]


def _fail(
    ground: _Ground,
    label: IntArray,
    progress: FloatArray,
    crown: tuple[int, int],
    size: int,
    elongation: float,
) -> bool:
    """Let one landslide go; draws it into `label` and `progress` if there is room for it."""
    length = float(np.sqrt(size * elongation))
    path = _descend(ground, label, crown, length)
    if len(path) < 0.5 * length:
        return False
    half = 0.5 * size / len(path)
    reach = int(np.ceil(2.2 * half)) + 1
    top = np.maximum(np.floor(path.min(axis=0)).astype(int) - reach, 0)
    bottom = np.minimum(np.ceil(path.max(axis=0)).astype(int) + reach + 1, label.shape)
    window = (slice(top[0], bottom[0]), slice(top[1], bottom[1]))
    nearness, along = _profile(path - top, label[window].shape, half)
    nearness = nearness * np.exp(0.22 * ground.ragged[window])
    blocked = (label[window] > 0) | ground.closed[window]
    footprint = _footprint(
        np.where(blocked, np.inf, nearness), size, (crown[0] - top[0], crown[1] - top[1])
    )
    if np.count_nonzero(footprint) < max(0.6 * size, 3):
        return False
    label[window][footprint] = label.max() + 1
    progress[window][footprint] = along[footprint]
    return True


def _descend(
    ground: _Ground, label: IntArray, crown: tuple[int, int], length: float
) -> DoubleArray:
    """Walk downhill pixel by pixel with some inertia; returns rows and columns, (n, 2).

    The way ends at water, at another landslide, and some distance into flat ground.
    """
    rows, cols = ground.slope.shape
    y, x = float(crown[0]), float(crown[1])
    dy = dx = 0.0
    path = [(y, x)]
    runout = 2.0 + ground.runout * length  # how far it goes on where the ground is flat
    while len(path) < length and runout > 0:
        row, col = round(y), round(x)
        dy = ground.inertia * dy + float(ground.fall[0, row, col])
        dx = ground.inertia * dx + float(ground.fall[1, row, col])
        speed = max(float(np.hypot(dy, dx)), 1e-6)
        dy, dx = dy / speed, dx / speed
        y, x = y + dy, x + dx
        if not (0 <= y < rows - 0.5 and 0 <= x < cols - 0.5):
            break
        if ground.closed[round(y), round(x)] or label[round(y), round(x)]:
            break
        if ground.slope[round(y), round(x)] < 12.0:
            runout -= 1.0
        path.append((y, x))
        if ground.patience and len(path) > ground.patience:
            before = path[-ground.patience]
            if np.hypot(y - before[0], x - before[1]) < ground.patience / 3:
                break
    return np.array(path)


def _profile(path: DoubleArray, shape: Shape, half: float) -> tuple[DoubleArray, FloatArray]:
    """Distance to the path as a multiple of its local half width, and the position along it.

    Half widths grow from a rounded crown to the source's widest, narrow along the track and
    widen again at the toe.
    """
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    along = np.linspace(0.0, 1.0, len(path))
    width = np.interp(along, (0.0, 0.2, 0.4, 0.7, 0.9, 1.0), (0.7, 1.15, 1.1, 0.8, 1.0, 0.8))
    width = np.maximum(width * half, 0.6)
    if rows.size * len(path) > _NEAREST:
        distance, nearest = KDTree(path).query(np.stack([rows, cols], axis=-1))
        return np.asarray(distance / width[nearest]), along[nearest].astype(np.float32)
    away = np.hypot(rows[..., None] - path[:, 0], cols[..., None] - path[:, 1]) / width
    nearest = away.argmin(axis=-1)
    return away.min(axis=-1), along[nearest].astype(np.float32)


def _footprint(nearness: DoubleArray, size: int, crown: tuple[int, int]) -> BoolArray:
    """Take the nearest pixels, at most `size`, in one piece with the crown."""
    order = np.sort(nearness, axis=None)
    limit = min(float(order[min(size, order.size) - 1]), 2.0)
    pieces, _ = ndimage.label(nearness <= limit, structure=_CROSS)
    return np.asarray((pieces == pieces[crown]) & (pieces > 0))
