"""Land cover: what grows where, with texture and season, and what looks like a landslide.

Times are days from the event; the season is the day of the year as the northern hemisphere has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from lscube import terrain
from lscube.simulate import spectra
from lscube.simulate.landslides import Landslides
from lscube.simulate.noise import BoolArray, FloatArray, IntArray, Shape, fractal, ranks, smoothstep
from lscube.simulate.relief import Relief
from lscube.simulate.settings import Landscape
from lscube.simulate.spectra import mix, spectrum


class Kind(IntEnum):
    """Kinds of land cover."""

    BROADLEAF = 0
    CONIFER = 1
    GRASS = 2
    FIELD = 3
    GRAVEL = 4
    WATER = 5
    ROAD = 6
    ROOF = 7


@dataclass(frozen=True)
class Fields:
    """Farmland, one entry per parcel; days are days of the year."""

    parcel: IntArray
    """Parcel number of each pixel, shape (y, x); 0 where there is no field."""
    rows: FloatArray
    """Phase of the plough rows of each pixel in radians, shape (y, x)."""
    sown: FloatArray
    """Day on which the crop begins to show."""
    harvest: FloatArray
    """Day of the harvest."""
    plough: FloatArray
    """Day on which the stubble is ploughed."""
    soil: FloatArray
    """Brightness of the soil, around 1."""


@dataclass(frozen=True)
class Cover:
    """The land cover; all arrays (y, x)."""

    kind: IntArray
    """Number of the `Kind` before any felling."""
    fields: Fields
    """Parcels of farmland."""
    felled: FloatArray
    """Day, from the event, on which the forest was clear-cut; infinite where it never was."""
    flooded: FloatArray
    """Share of fresh gravel and mud that the river leaves right after the event, 0..1."""
    texture: FloatArray
    """Fine texture, standard deviation 1."""
    stands: FloatArray
    """Slow variation from stand to stand, standard deviation 1."""
    scars: FloatArray
    """Share of bare ground on old scars, there before the event and after it, 0..1."""
    evergreen: bool = False
    """Whether broadleaved trees keep their leaves."""


def make_cover(
    rng: np.random.Generator,
    relief: Relief,
    resolution: float,
    scars: Landslides,
    landscape: Landscape = Landscape(),
) -> Cover:
    """Lay out the land cover.

    Parameters
    ----------
    rng
        Source of randomness.
    relief
        The ground.
    resolution
        Pixel size in metres.
    scars
        Landslides of former times, partly overgrown.
    landscape
        What grows.
    """
    shape = relief.elevation.shape
    texture = fractal(rng, shape, 0.8, longest=8)
    stands = fractal(rng, shape, 2.2, longest=90)
    slope = terrain.slope(ndimage.gaussian_filter(relief.elevation, 2.0), resolution)
    kind, farm = _kinds(rng, relief, slope.astype(np.float32), landscape)
    fields = _fields(rng, farm, texture)
    kind = _settle(rng, kind, relief.floor)
    felled = _fell(rng, kind, slope.astype(np.float32), stands)
    banks = relief.river + 14.0 * fractal(rng, shape, 2.0, longest=30)
    flooded = np.where(
        relief.trunk, smoothstep(np.asarray(75.0 - banks, dtype=np.float32), 0.0, 25.0), 0.0
    )
    flooded = np.where(relief.floor & (kind != Kind.WATER), flooded, 0.0)
    bare = np.where(scars.label > 0, np.clip(0.7 + 0.25 * texture, 0.15, 1.0), 0.0)
    return Cover(
        kind=kind,
        fields=fields,
        felled=felled,
        flooded=flooded.astype(np.float32),
        texture=texture,
        stands=stands,
        scars=bare.astype(np.float32),
        evergreen=landscape.evergreen,
    )


def _kinds(
    rng: np.random.Generator, relief: Relief, slope: FloatArray, landscape: Landscape
) -> tuple[IntArray, BoolArray]:
    """Decide forest, grass, farmland and river from relief and chance."""
    shape = slope.shape
    kind = np.full(shape, Kind.BROADLEAF, dtype=np.int64)
    kind[ranks(fractal(rng, shape, 2.6, longest=110)) > 1 - landscape.conifer] = Kind.CONIFER
    meadow = ranks(fractal(rng, shape, 2.4, longest=80)) - 0.012 * slope
    kind[meadow > 1 - landscape.meadow] = Kind.GRASS
    lowland = relief.elevation - ndimage.minimum_filter(relief.elevation, 41) < 25.0
    country = ranks(fractal(rng, shape, 3.0, longest=130)) > 0.5
    gentle = (slope < 12.0) & (lowland | country)
    farm = relief.floor | ndimage.binary_opening(gentle, iterations=3)
    if landscape.bare:
        kind[ranks(relief.elevation) > 1 - landscape.bare] = Kind.GRAVEL
    if not landscape.farmland:
        kind[farm] = Kind.GRASS
        farm = np.zeros_like(farm)
    kind[farm] = Kind.FIELD
    width = 17.0 + 4.0 * fractal(rng, shape, 2.0, longest=40)
    bars = 32.0 + 14.0 * fractal(rng, shape, 2.0, longest=40)
    reach = np.where(relief.trunk, 1.0, 0.45)
    stream = (relief.upstream > 6e5) & ~relief.floor
    kind[stream & (fractal(rng, shape, 1.5, longest=20) > 0.3)] = Kind.GRAVEL
    kind[relief.floor & (relief.river < (bars + 22.0) * reach)] = Kind.GRASS
    kind[relief.floor & (relief.river < bars * reach)] = Kind.GRAVEL
    kind[relief.floor & (relief.river < width * reach)] = Kind.WATER
    return kind, farm


def _settle(rng: np.random.Generator, kind: IntArray, floor: BoolArray) -> IntArray:
    """Build a road along each side of the valley and scatter houses beside it."""
    kind = kind.copy()
    inside = ndimage.distance_transform_edt(floor)
    open_land = (kind == Kind.FIELD) & floor
    village = ranks(fractal(rng, kind.shape, 2.5, longest=60)) > 0.85
    houses = (np.abs(inside - 6.0) < 4.0) & village & (rng.random(kind.shape) < 0.14)
    kind[open_land & houses] = Kind.ROOF
    kind[open_land & (np.abs(inside - 4.0) < 0.5)] = Kind.ROAD
    return kind


def _parcels(
    rng: np.random.Generator, shape: Shape, block: float, sides: tuple[float, float]
) -> tuple[IntArray, FloatArray]:
    """Cut the plane into blocks and each block into rectangles of its own direction and size.

    Returns the parcel number of each pixel and its position across the parcel's rows in pixels.
    """
    count = max(int(shape[0] * shape[1] / block**2), 1)
    seeds = rng.uniform(0.0, 1.0, (count, 2)) * shape
    points = np.indices(shape).reshape(2, -1).T.astype(float)
    _, owner = KDTree(seeds).query(points)
    angle = rng.uniform(0.0, np.pi, count)[owner]
    wide = rng.uniform(*sides, count)[owner]
    long = wide * rng.uniform(1.2, 3.0, count)[owner]
    across = points[:, 1] * np.cos(angle) + points[:, 0] * np.sin(angle)
    along = points[:, 0] * np.cos(angle) - points[:, 1] * np.sin(angle)
    column = np.floor(across / wide).astype(np.int64)
    row = np.floor(along / long + 0.37 * column).astype(np.int64)
    key = (owner.astype(np.int64) * 4096 + column + 2048) * 4096 + row + 2048
    number = np.unique(key, return_inverse=True)[1]
    return number.reshape(shape) + 1, across.reshape(shape).astype(np.float32)


def _fields(rng: np.random.Generator, farm: BoolArray, texture: FloatArray) -> Fields:
    """Divide farmland into parcels and give each its farming year.

    Four farming years: a crop harvested in September (half of the parcels), one
    harvested in late July and ploughed by August, pasture, and a late crop.
    """
    parcel, across = _parcels(rng, farm.shape, 55.0, (6.0, 14.0))
    parcel = np.where(farm, parcel, 0)
    count = int(parcel.max()) + 1
    year = rng.choice(4, size=count, p=(0.6, 0.12, 0.16, 0.12))
    sown = np.choose(year, (158.0, 105.0, 60.0, 172.0)) + rng.normal(0.0, 7.0, count)
    harvest = np.choose(year, (255.0, 206.0, 400.0, 300.0)) + rng.normal(0.0, 12.0, count)
    plough = harvest + rng.uniform(0.0, 45.0, count)
    soil = np.exp(rng.normal(0.0, 0.22, count))
    days = (sown, harvest, plough, soil)
    rows = across * (2.0 * np.pi / 3.3) + 0.6 * texture
    return Fields(parcel, rows.astype(np.float32), *(d.astype(np.float32) for d in days))


def _fell(
    rng: np.random.Generator, kind: IntArray, slope: FloatArray, stands: FloatArray
) -> FloatArray:
    """Clear-cut parcels of forest on gentle to moderate slopes, many around the event."""
    parcel, _ = _parcels(rng, kind.shape, 70.0, (9.0, 20.0))
    count = int(parcel.max()) + 1
    forest = kind <= Kind.CONIFER
    pixels = np.maximum(np.bincount(parcel.ravel(), minlength=count), 1)
    steep = np.bincount(parcel.ravel(), weights=slope.ravel(), minlength=count) / pixels
    wooded = np.bincount(parcel.ravel(), weights=forest.ravel(), minlength=count) / pixels
    chance = np.where((wooded > 0.6) & (steep < 22.0), 0.13, 0.0)
    day = np.where(
        rng.random(count) < 0.55, rng.uniform(-12.0, 12.0, count), rng.uniform(-900.0, 30.0, count)
    )
    day = np.where(rng.random(count) < chance, day, np.inf)
    uncut = np.abs(stands) > 1.9  # a few groups of trees are left standing
    return np.where(forest & ~uncut, day[parcel], np.inf).astype(np.float32)


def surface_reflectance(cover: Cover, day_of_year: float, day: float) -> FloatArray:
    """Reflectance of the ground as if flat, sun-lit and without landslides of the event.

    Parameters
    ----------
    cover
        The land cover.
    day_of_year
        Day of the year, 1..366.
    day
        Days from the event, negative before it.

    Returns
    -------
    FloatArray
        Shape (4, y, x): blue, green, red, near infrared; 0..1.
    """
    result = np.empty((4, *cover.kind.shape), dtype=np.float32)
    for kind in Kind:
        where = cover.kind == kind
        result[:, where] = _of_kind(cover, kind, where, day_of_year, day)
    cut = cover.felled < day
    result[:, cut] = _clear_cut(cover, cut, day)
    scar = cover.scars > 0
    result[:, scar] = mix(result[:, scar], spectra.LOAM, cover.scars[scar])
    if day > 0:
        wet = cover.flooded > 0
        deposit = mix(spectra.GRAVEL, spectra.WET, np.clip(0.35 + 0.3 * cover.texture[wet], 0, 1))
        result[:, wet] = mix(result[:, wet], deposit, cover.flooded[wet])
    return result


def _green(day_of_year: float, shift: FloatArray) -> FloatArray:
    """How far leaves are out, 0..1; `shift` delays the season by days."""
    day = np.asarray(day_of_year - shift, dtype=np.float32)
    return smoothstep(day, 118.0, 148.0) * (1.0 - smoothstep(day, 288.0, 312.0))


def _autumn(day_of_year: float, shift: FloatArray) -> FloatArray:
    """How far leaves have turned, 0..1."""
    return smoothstep(np.asarray(day_of_year - shift, dtype=np.float32), 268.0, 296.0)


def _of_kind(
    cover: Cover, kind: Kind, where: BoolArray, day_of_year: float, day: float
) -> FloatArray:
    """Reflectance of the pixels of one kind, (4, n)."""
    texture, stands = cover.texture[where], cover.stands[where]
    if kind == Kind.BROADLEAF:
        leaves = mix(spectra.BROADLEAF, spectra.AUTUMN, _autumn(day_of_year, 6.0 * stands))
        tree = mix(spectra.LEAFLESS, leaves, _green(day_of_year, 5.0 * stands))
        if cover.evergreen:
            tree = spectrum(spectra.BROADLEAF)
        return tree * np.exp(0.13 * texture + 0.08 * stands)
    if kind == Kind.CONIFER:
        return spectrum(spectra.CONIFER) * np.exp(0.11 * texture + 0.06 * stands)
    if kind == Kind.GRASS:
        dry = np.clip(_autumn(day_of_year, 8.0 * stands - 8.0) + 0.2 * stands, 0.0, 1.0)
        grass = mix(spectra.GRASS, spectra.DRY_GRASS, dry)
        return grass * np.exp(0.10 * texture + 0.06 * stands)
    if kind == Kind.FIELD:
        return _farmland(cover, where, day_of_year)
    if kind == Kind.WATER:
        return mix(spectra.WATER, spectra.MUDDY, np.full(texture.shape, 0.8 if day > 0 else 0.15))
    ground = {
        Kind.GRAVEL: spectra.GRAVEL,
        Kind.ROAD: spectra.ASPHALT,
        Kind.ROOF: spectra.ROOF,
    }[kind]
    return np.asarray(spectrum(ground) * np.exp(0.16 * texture))


def _farmland(cover: Cover, where: BoolArray, day_of_year: float) -> FloatArray:
    """Crop, ripe crop, stubble or ploughed soil, parcel by parcel, with rows."""
    fields, texture = cover.fields, cover.texture[where]
    parcel = fields.parcel[where]
    since = day_of_year - fields.sown[parcel]
    until = fields.harvest[parcel] - day_of_year
    bare = spectrum(spectra.SOIL) * fields.soil[parcel]
    crop = mix(spectra.CROP, spectra.RIPE, 1.0 - smoothstep(until, 4.0, 26.0))
    growing = mix(bare, crop, smoothstep(since, 0.0, 38.0))
    stubble = spectrum(spectra.STUBBLE) * fields.soil[parcel] ** 0.5
    ploughed = smoothstep(day_of_year - fields.plough[parcel], -1.0, 1.0)
    after = mix(stubble, bare, ploughed)
    field = np.where(until > 0, growing, after)
    return np.asarray(field * np.exp(0.05 * texture + 0.05 * np.sin(fields.rows[where])))


def _clear_cut(cover: Cover, cut: BoolArray, day: float) -> FloatArray:
    """Slash and bare soil that grass takes over within a few years."""
    age = day - cover.felled[cut]
    texture = cover.texture[cut]
    fresh = mix(spectra.SLASH, spectra.LOAM, np.clip(0.5 + 0.3 * texture, 0.0, 1.0))
    grown = np.clip(1.0 - np.exp(-age / 400.0), 0.0, 0.85)
    return np.asarray(mix(fresh, spectra.GRASS, grown) * np.exp(0.10 * texture))
