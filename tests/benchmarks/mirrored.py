"""Scenes of any size: one simulated event, mirrored over and over.

Simulating a large area as a whole would take hours and tens of gigabytes. Mirrored, nothing jumps where
two copies meet, and the copies' size has nothing in common with a map's regions.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from lscube.simulate import SimulationSettings, simulate_event
from lscube.simulate.scene import Scene
from lscube.simulate.sky import Sun
from lscube.simulate.spectra import BANDS
from lscube.simulate.write import Acquisition, write_area, write_dsm, write_items, write_scene

TILE = 1998
"""Pixels along an edge of the simulated event."""
RIM = 10
"""Coarse pixels by which a surface model is larger than its scenes."""


def write_mirrored(scenes: Path, settings: SimulationSettings, pixels: int) -> None:
    """Simulate a tile and write scenes, surface model and area of so many pixels along an edge from it."""
    tile = scenes.with_name(f"{scenes.name}-tile")
    if not tile.exists():
        simulate_event(tile, replace(settings, shape=(TILE, TILE)))
    *images, survey = pystac.ItemCollection.from_file(str(tile / "items.json"))
    items = []
    for image in images:
        bands = [mirrored(tile / image.id / f"{band}.tif", pixels) for band in BANDS]
        scene = Scene(np.stack(bands), mirrored(tile / image.id / "scl.tif", pixels // 2))
        sun = Sun(image.properties["view:sun_azimuth"], image.properties["view:sun_elevation"])
        taken = Acquisition(image.id, image.get_datetime() or settings.event_time, sun)
        items.append(write_scene(scenes, scene, grid_like(image, pixels), taken))
    size = -(-pixels // 3) + 2 * RIM
    elevation = mirrored(tile / "dsm" / "data.tif", size, RIM).astype(np.float32)
    when = survey.get_datetime() or settings.event_time
    items.append(write_dsm(scenes, elevation, grid_like(survey, size), when))
    write_area(scenes / "area.geojson", grid_like(images[0], pixels), 600.0)
    write_items(scenes / "items.json", items)


def mirrored(path: Path, pixels: int, rim: int = 0) -> NDArray[Any]:
    """A tile's band without its rim, mirrored at the tile's edges until it is large enough."""
    with rasterio.open(path) as file:
        inner = slice(rim, file.width - rim)
        band = file.read(1)[inner, inner]
    return np.pad(band, (rim, pixels - rim - len(band)), "symmetric")


def grid_like(item: pystac.Item, pixels: int) -> GeoBox:
    """Square grid of the item's pixels that begins where the item does."""
    affine = Affine(*item.properties["proj:transform"])
    return GeoBox((pixels, pixels), affine, item.properties["proj:code"])
