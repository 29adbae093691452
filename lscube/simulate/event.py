"""One simulated event from seed to files."""

from __future__ import annotations

import math
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pystac
import shapely
from affine import Affine
from odc.geo import CRS
from odc.geo.geobox import GeoBox

from lscube.errors import SettingsError, StoreError
from lscube.grid import bounds_of
from lscube.simulate.cover import Cover, make_cover
from lscube.simulate.landslides import Landslides, place_landslides
from lscube.simulate.noise import BoolArray, FloatArray, Shape
from lscube.simulate.relief import Relief, make_relief
from lscube.simulate.scene import bare_ground, ground_reflectance, take_image
from lscube.simulate.sky import light_on, make_clouds, sun_position
from lscube.simulate.write import (
    Acquisition,
    to_degrees,
    write_area,
    write_dsm,
    write_inventory,
    write_items,
    write_scene,
)

_RIM = 48
"""Pixels of ground around the scenes: hills that cast shadows into them."""
_DSM_RIM = 30
"""Pixels by which the surface model is larger than the scenes."""
_SCAR_SHARE = 0.004
"""Share of the area that is old scars."""


@dataclass(frozen=True)
class _Overpass:
    """One image to take."""

    name: str
    days: int
    """Days from the event, negative before it."""
    cloud: float
    """Cloud relative to `SimulationSettings.cloud_share`."""
    haze: float
    """Haze relative to a clear day."""
    partial: bool
    """Whether the swath's edge cuts off a corner."""


_OVERPASSES = (
    _Overpass("pre-1", -57, 1.4, 1.6, True),
    _Overpass("pre-2", -14, 0.7, 0.8, False),
    _Overpass("post-1", 14, 1.2, 1.2, False),
    _Overpass("post-2", 31, 0.7, 0.6, False),
)


@dataclass(frozen=True)
class SimulationSettings:
    """What to simulate."""

    seed: int = 7
    """Seed of everything random; the same settings give the same files."""
    shape: tuple[int, int] = (1024, 1024)
    """Rows and columns of the scenes, even, at least 96."""
    resolution: float = 10.0
    """Pixel size of the scenes in metres."""
    epsg: int = 32654
    """UTM zone (EPSG:326xx or 327xx); seasons are the northern hemisphere's."""
    origin: tuple[float, float] = (570000.0, 4740000.0)
    """Easting and northing of the upper-left corner in metres."""
    event_time: datetime = datetime(2018, 9, 5, 18, 7, tzinfo=UTC)
    """UTC instant of the event."""
    landslide_share: float = 0.06
    """Share of the area that landslides cover, 0..0.3."""
    cloud_share: float = 0.08
    """Typical share of cloud in a scene, 0..0.6."""

    def __post_init__(self) -> None:
        if min(self.shape) < 96 or any(n % 2 for n in self.shape):
            raise SettingsError(
                f"Expected an even shape of at least 96 x 96 pixels, got {self.shape}; enlarge it."
            )
        if not (0 <= self.landslide_share <= 0.3 and 0 <= self.cloud_share <= 0.6):
            raise SettingsError(
                "Expected landslide_share in 0..0.3 and cloud_share in 0..0.6, got "
                f"{self.landslide_share} and {self.cloud_share}; lower them."
            )
        if self.event_time.tzinfo is None:
            raise SettingsError(
                f"Expected a UTC instant as event_time, got {self.event_time} without a time zone; "
                "add tzinfo=UTC."
            )


@dataclass(frozen=True)
class SimulatedEvent:
    """Where the files of a simulated event are."""

    items: Path
    """STAC ItemCollection of scenes and surface model; its hrefs are relative to it."""
    inventory: Path
    """GeoPackage with one polygon per landslide, in the grid's CRS."""
    area: Path
    """GeoJSON (EPSG:4326) of the area of interest, inside the scenes' outer edge."""


@dataclass(frozen=True)
class _World:
    """The event before it is seen by a satellite."""

    wide: Relief
    """The ground with its rim."""
    cover: Cover
    slides: Landslides
    bare: tuple[FloatArray, FloatArray]
    """Reflectance and share of the landslides' bare soil."""


def simulate_event(
    folder: Path, settings: SimulationSettings = SimulationSettings()
) -> SimulatedEvent:
    """Make one event and write it; everything follows from the settings.

    Parameters
    ----------
    folder
        Folder to make; nothing stands there until all files are complete.
    settings
        What to simulate.

    Raises
    ------
    StoreError
        The folder exists already.
    """
    folder = Path(folder)
    if folder.exists():
        raise StoreError(
            f"Expected no folder at {folder}, found one; choose another name or remove it."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write(unfinished, settings)
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return SimulatedEvent(folder / "items.json", folder / "inventory.gpkg", folder / "area.geojson")


def _write(folder: Path, settings: SimulationSettings) -> None:
    """Make the event and write its files."""
    chance = np.random.default_rng(settings.seed)
    world_rng, *scene_rngs = chance.spawn(1 + len(_OVERPASSES))
    grid = _grid(settings, settings.shape, 0, 1)
    world = _make_world(world_rng, settings)
    items = [
        _observe(folder, rng, world, settings, overpass)
        for rng, overpass in zip(scene_rngs, _OVERPASSES, strict=True)
    ]
    items.append(_survey(folder, world, settings))
    write_items(folder / "items.json", items)
    elevation = _inner(world.wide.elevation, settings.shape)
    write_inventory(folder / "inventory.gpkg", world.slides, grid, elevation)
    inset = min(600.0, 0.15 * min(settings.shape) * settings.resolution)
    write_area(folder / "area.geojson", grid, inset)


def _grid(settings: SimulationSettings, shape: Shape, rim: int, factor: int) -> GeoBox:
    """Grid of `shape` that begins `rim` fine pixels before the scenes, `factor` times coarser."""
    west = settings.origin[0] - rim * settings.resolution
    north = settings.origin[1] + rim * settings.resolution
    pixel = settings.resolution * factor
    return GeoBox(shape, Affine(pixel, 0, west, 0, -pixel, north), CRS(f"EPSG:{settings.epsg}"))


def _inner(field: FloatArray, shape: Shape) -> FloatArray:
    """Cut the scenes' part out of a field with its rim, shape (..., y, x)."""
    return field[..., _RIM : _RIM + shape[0], _RIM : _RIM + shape[1]]


def _make_world(rng: np.random.Generator, settings: SimulationSettings) -> _World:
    """Make ground, land cover and landslides; each has its own source of randomness."""
    ground_rng, slide_rng, scar_rng, cover_rng, soil_rng = rng.spawn(5)
    rows, cols = (8 * math.ceil((n + 2 * _RIM) / 8) for n in settings.shape)
    wide = make_relief(ground_rng, (rows, cols), settings.resolution)
    inner = wide.crop(_RIM, settings.shape)
    size = settings.resolution
    slides = place_landslides(slide_rng, inner, size, settings.landslide_share)
    scars = place_landslides(scar_rng, inner, size, _SCAR_SHARE)
    cover = make_cover(cover_rng, inner, size, scars)
    return _World(wide, cover, slides, bare_ground(soil_rng, slides))


def _observe(
    folder: Path,
    rng: np.random.Generator,
    world: _World,
    settings: SimulationSettings,
    overpass: _Overpass,
) -> pystac.Item:
    """Take one image and write it."""
    cloud_rng, noise_rng = rng.spawn(2)
    size, shape = settings.resolution, settings.shape
    grid = _grid(settings, shape, 0, 1)
    taken = _acquisition(settings, grid, overpass)
    day = (taken.time - settings.event_time) / timedelta(days=1)
    light = light_on(world.wide.elevation, size, taken.sun).crop(_RIM, shape)
    clouds = make_clouds(cloud_rng, shape, size, taken.sun, overpass.cloud * settings.cloud_share)
    ground = ground_reflectance(world.cover, world.bare, float(taken.time.timetuple().tm_yday), day)
    observed = _swath(shape) if overpass.partial else np.ones(shape, dtype=bool)
    scene = take_image(noise_rng, ground, light, clouds, observed, overpass.haze)
    return write_scene(folder, scene, grid, taken)


def _acquisition(settings: SimulationSettings, grid: GeoBox, overpass: _Overpass) -> Acquisition:
    """Let the satellite pass at 10:30 mean solar time."""
    west, south, east, north = bounds_of(grid)
    centre = to_degrees(shapely.Point((west + east) / 2, (south + north) / 2), settings.epsg)
    noon = settings.event_time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    hours = (10.5 - centre.x / 15.0) % 24.0
    time = noon + timedelta(days=overpass.days, seconds=round(hours * 3600))
    return Acquisition(overpass.name, time, sun_position(time, centre.x, centre.y))


def _swath(shape: Shape) -> BoolArray:
    """Leave out the north-eastern corner, beyond the edge of the swath."""
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((shape[1] - 1 - cols) / shape[1] + 0.3 * rows / shape[0] > 0.09)


def _survey(folder: Path, world: _World, settings: SimulationSettings) -> pystac.Item:
    """Write the surface model: the same ground averaged to pixels three times as large."""
    rows, cols = (math.ceil((n + 2 * _DSM_RIM) / 3) for n in settings.shape)
    start = _RIM - _DSM_RIM
    fine = world.wide.elevation[start : start + 3 * rows, start : start + 3 * cols]
    coarse = fine.reshape(rows, 3, cols, 3).mean(axis=(1, 3))
    grid = _grid(settings, (rows, cols), _DSM_RIM, 3)
    return write_dsm(folder, coarse, grid, datetime(2011, 1, 1, tzinfo=UTC))
