"""One simulated event from seed to files."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pystac
import shapely
from affine import Affine
from odc.geo import CRS
from odc.geo.geobox import GeoBox

from lscube.errors import StoreError
from lscube.files import appearing_folder
from lscube.grid import bounds_of, epsg_of
from lscube.paths import StrPath
from lscube.simulate.cover import Cover, make_cover
from lscube.simulate.landslides import Landslides, place_landslides
from lscube.simulate.noise import BoolArray, FloatArray, Shape, coarsen
from lscube.simulate.relief import Relief, make_relief
from lscube.simulate.scene import View, bare_ground, ground_reflectance, snow_cover, take_image
from lscube.simulate.settings import Overpass, SimulationSettings, Trigger
from lscube.simulate.sky import Light, light_on, make_clouds, sun_position
from lscube.simulate.write import (
    Acquisition,
    to_degrees,
    write_area,
    write_catalog,
    write_dsm,
    write_inventory,
    write_items,
    write_scene,
)
from lscube.simulate.zones import split_zones

_RIM = 48
"""Pixels of ground around the scenes: hills that cast shadows into them."""
_DSM_RIM = 30
"""Pixels by which the surface model is larger than the scenes."""
_DSM_PIXEL = 30.0
"""Its pixel size in metres."""
_SCAR_SHARE = 0.004
"""Share of the area that is old scars."""


@dataclass(frozen=True)
class SimulatedEvent:
    """Where the files of a simulated event are."""

    items: Path
    """STAC ItemCollection of scenes and surface model; its hrefs are relative to it."""
    inventory: Path
    """GeoPackage with one polygon per landslide, in the grid's CRS."""
    area: Path
    """GeoJSON (EPSG:4326) of the area of interest, inside the scenes' outer edge."""
    test: Path | None = None
    """GeoJSON of the part that is held out from training, where the settings ask for one."""

    @property
    def catalog(self) -> Path:
        """The same items as a static STAC catalogue."""
        return self.items.with_name("catalog.json")


def event_in(folder: Path, settings: SimulationSettings) -> SimulatedEvent:
    """Where `simulate_event` put the files of an event."""
    test = folder / "test.geojson" if settings.test_share else None
    return SimulatedEvent(
        folder / "items.json", folder / "inventory.gpkg", folder / "area.geojson", test
    )


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
    folder: StrPath, settings: SimulationSettings = SimulationSettings()
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
        The folder exists already, or cannot be written.
    """
    folder = Path(folder)
    folder = Path(folder)
    if folder.exists():
        raise StoreError(
            f"Expected no folder at {folder}, found one; choose another name or remove it."
        )
    with appearing_folder(folder) as unfinished:
        _write(unfinished, settings)
    return event_in(folder, settings)


def _write(folder: Path, settings: SimulationSettings) -> None:
    """Make the event and write its files."""
    chance = np.random.default_rng(settings.seed)
    count = len(settings.overpasses)
    # The last draws the inventory's errors, so that an event does not depend on them.
    world_rng, *scene_rngs, error_rng = chance.spawn(2 + count)
    grid = _grid(settings, settings.shape, 0, 1)
    world = _make_world(world_rng, settings)
    items = [
        item
        for rng, overpass in zip(scene_rngs, settings.overpasses, strict=True)
        for item in _observe(folder, rng, world, settings, overpass)
    ]
    items.append(_survey(folder, world, settings))
    write_items(folder / "items.json", items)
    write_catalog(folder / "catalog.json", items)
    elevation = _inner(world.wide.elevation, settings.shape)
    shifts = error_rng.normal(0.0, settings.inventory_error, (1 + world.slides.count, 2))
    write_inventory(folder / "inventory.gpkg", world.slides, grid, elevation, shifts)
    inset = min(600.0, 0.15 * min(settings.shape) * settings.resolution)
    write_area(folder / "area.geojson", grid, inset)
    if settings.test_share:
        write_area(folder / "test.geojson", grid, inset, settings.test_share)


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
    landscape = settings.landscape
    wide = make_relief(ground_rng, (rows, cols), settings.resolution, landscape.steepness)
    inner = wide.crop(_RIM, settings.shape)
    size = settings.resolution
    slides = place_landslides(slide_rng, inner, size, settings.trigger)
    scars = place_landslides(scar_rng, inner, size, Trigger(share=_SCAR_SHARE))
    cover = make_cover(cover_rng, inner, size, scars, landscape)
    return _World(wide, cover, slides, bare_ground(soil_rng, slides))


def _observe(
    folder: Path,
    rng: np.random.Generator,
    world: _World,
    settings: SimulationSettings,
    overpass: Overpass,
) -> list[pystac.Item]:
    """Take one image and write it: one item, or one in each of two UTM zones."""
    cloud_rng, noise_rng = rng.spawn(2)
    shape = (settings.shape[0] // overpass.pixel, settings.shape[1] // overpass.pixel)
    grid = _grid(settings, shape, 0, overpass.pixel)
    taken = _acquisition(settings, grid, overpass)
    view = _view(cloud_rng, world, settings, overpass, taken)
    scene = take_image(noise_rng, view, overpass.haze, taken.offset)
    if not settings.two_zones:
        return [write_scene(folder, scene, grid, taken)]
    zones = split_zones(scene, grid)
    return [
        write_scene(
            folder, part, where, replace(taken, name=f"{taken.name}-{epsg_of(where) % 100}")
        )
        for part, where in zones
    ]


def _view(
    rng: np.random.Generator,
    world: _World,
    settings: SimulationSettings,
    overpass: Overpass,
    taken: Acquisition,
) -> View:
    """What the sensor sees of the world, averaged to its pixels."""
    size, pixel = settings.resolution, overpass.pixel
    day = (taken.time - settings.event_time) / timedelta(days=1)
    season = (taken.time.timetuple().tm_yday + (182.5 if settings.southern else 0.0)) % 365.25
    light = light_on(world.wide.elevation, size, taken.sun).crop(_RIM, settings.shape)
    ground = ground_reflectance(world.cover, world.bare, season, day)
    elevation = _inner(world.wide.elevation, settings.shape)
    snow = snow_cover(elevation, world.cover.texture, overpass.snow)
    shape = (settings.shape[0] // pixel, settings.shape[1] // pixel)
    share = overpass.cloud * settings.cloud_share
    return View(
        ground=coarsen(ground, pixel),
        light=Light(coarsen(light.gain, pixel), coarsen(light.shaded, pixel) > 0.5),
        clouds=make_clouds(rng, shape, size * pixel, taken.sun, share),
        snow=coarsen(snow, pixel),
        observed=_swath(shape) if overpass.partial else np.ones(shape, dtype=bool),
    )


def _acquisition(settings: SimulationSettings, grid: GeoBox, overpass: Overpass) -> Acquisition:
    """Let the satellite pass at 10:30 mean solar time."""
    west, south, east, north = bounds_of(grid)
    centre = to_degrees(shapely.Point((west + east) / 2, (south + north) / 2), settings.epsg)
    noon = settings.event_time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    hours = (10.5 - centre.x / 15.0) % 24.0
    time = noon + timedelta(days=overpass.days, seconds=round(hours * 3600))
    sun = sun_position(time, centre.x, centre.y)
    return Acquisition(overpass.name, time, sun, overpass.sensor, overpass.baseline)


def _swath(shape: Shape) -> BoolArray:
    """Leave out the north-eastern corner, beyond the edge of the swath."""
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((shape[1] - 1 - cols) / shape[1] + 0.3 * rows / shape[0] > 0.09)


def _survey(folder: Path, world: _World, settings: SimulationSettings) -> pystac.Item:
    """Write the surface model: the same ground averaged to pixels of 30 m."""
    factor = max(1, round(_DSM_PIXEL / settings.resolution))
    rows, cols = (math.ceil((n + 2 * _DSM_RIM) / factor) for n in settings.shape)
    start = _RIM - _DSM_RIM
    fine = world.wide.elevation[start : start + factor * rows, start : start + factor * cols]
    grid = _grid(settings, (rows, cols), _DSM_RIM, factor)
    return write_dsm(folder, coarsen(fine, factor), grid, datetime(2011, 1, 1, tzinfo=UTC))
