"""From items to what the blocks of a cube read: assets, extents, radiometry, order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pystac
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer
from rasterio.warp import transform_bounds

from lscube.catalog import (
    Band,
    Scenes,
    Sun,
    find_band,
    find_classification,
    find_elevation,
    item_time,
    pass_of,
    sign_href,
    sun_of,
)
from lscube.catalog.fields import projection_of
from lscube.catalog.items import cloudiness, extent_of, footprint
from lscube.cube.anchors import Anchors, Line
from lscube.cube.cloud_mask import CloudMask
from lscube.cube.look import Looks, dark_of, place_of
from lscube.cube.notes import note_of, sample_of
from lscube.cube.plausible import Sample, check_reflectance
from lscube.cube.radiometry import Radiometry, radiometry_of
from lscube.cube.raster_fields import state_band
from lscube.cube.reading import Access, Source, overlaps
from lscube.cube.shadow import sun_on_grid
from lscube.cube.side import Scene
from lscube.cube.stated import Kind
from lscube.cube.surface import Surface
from lscube.errors import AreaError, SceneError
from lscube.grid import Bounds, bounds_of, epsg_of, unwrap
from lscube.settings import CubeSettings

NEAR = 20.0
"""Degrees around a grid's centre within which an extent is looked at: no grid serves as much."""

DIRECT = Access(sign_href)
"""Addresses are signed where their host is known to want it."""


@dataclass(frozen=True)
class Reading:
    """What reading a cube needs from outside: access, a cloud mask, and what was measured before."""

    access: Access = DIRECT
    """How files are opened."""
    cloud_mask: CloudMask | None = None
    """Finds clouds; for scenes without a classification, or all (`cube.cloud_mask = "both"`)."""
    seen: Looks = field(default_factory=dict)
    """What a look at the files has shown, from `lscube.cube.look`; what was not looked at is decided by
    what items, settings and headers say."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Metres east and north by which the scenes after the event lie off those before."""
    reference: Anchors | None = None
    """What the scenes are brought to; None: they keep their reflectance."""
    lines: Mapping[str, Line] = field(default_factory=dict)
    """By satellite pass: what brings it there, from `lscube.cube.normalising`."""


@dataclass(frozen=True)
class Described:
    """The scenes of one side that reach the grid."""

    scenes: tuple[Scene, ...]
    """In order of preference."""
    items: tuple[pystac.Item, ...]
    """The same scenes' items."""
    notes: tuple[str, ...]
    """What was decided for each item, and why."""
    samples: tuple[Sample, ...] = ()
    """Sampled reflectance of the scenes that were looked at."""

    def attributes(self, side: str) -> dict[str, Any]:
        """Attributes of the cube."""
        suns = [sun for sun in map(sun_of, self.items) if sun is not None]
        return {
            f"{side}_items": [item.id for item in self.items],
            f"{side}_radiometry": list(self.notes),
            f"{side}_levels": sorted(
                {str(s.radiometry[0].level or "unknown") for s in self.scenes}
            ),
            f"{side}_sun": _mean_sun(suns),
        }


def _mean_sun(suns: list[Sun]) -> list[float]:
    """Mean azimuth and elevation in degrees; empty where unknown."""
    if not suns:
        return []
    turn = np.deg2rad([sun.azimuth for sun in suns])
    azimuth = np.rad2deg(np.arctan2(np.sin(turn).mean(), np.cos(turn).mean())) % 360
    return [round(float(azimuth), 3), round(float(np.mean([s.elevation for s in suns])), 3)]


def describe_side(
    side: Literal["pre", "post"],
    scenes: Scenes,
    grid: GeoBox,
    settings: CubeSettings,
    reading: Reading,
) -> Described:
    """Find what to read of one side's items.

    Raises
    ------
    SceneError, AreaError
        An item lacks a band, its radiometry cannot be decided, or no item reaches the grid.
    """
    items = scenes.pre if side == "pre" else scenes.post
    method = settings.pre if side == "pre" else settings.post
    if method == "clearest":
        items = tuple(sorted(items, key=cloudiness))
    items = _by_pass(items)
    found = [(item, [find_band(item, band) for band in settings.bands]) for item in items]
    near = bounds_of(grid)
    used = [
        (item, bands) for item, bands in found if overlaps(_extent(item, bands[0].key, grid), near)
    ]
    if items and not used:
        raise AreaError(
            f"Expected scenes over the grid {near}, none of "
            f"{', '.join(item.id for item in items)} reaches it; choose another area or source."
        )
    leads = {pass_of(item): item for item in reversed(items)}
    made = [
        _scene(index, item, leads[pass_of(item)], bands, scenes, grid, settings, reading)
        for index, (item, bands) in enumerate(used)
    ]
    notes, samples = [], []
    for (item, bands), scene in zip(used, made, strict=True):
        key = find_classification(item, scenes.scl_asset)
        notes.append(note_of(item, scene, bands, Band(key) if key else None, reading.seen))
        samples.append(sample_of(item, scene, bands, reading.seen))
    return Described(
        tuple(made),
        tuple(item for item, _ in used),
        tuple(notes),
        tuple(sample for sample in samples if sample is not None),
    )


def _by_pass(items: tuple[pystac.Item, ...]) -> tuple[pystac.Item, ...]:
    """Bring the tiles of each satellite pass together, at the place of its best.

    Else a block that has not all of them would prefer another pass than its neighbour.
    """
    rank = {name: number for number, name in enumerate(dict.fromkeys(map(pass_of, items)))}
    return tuple(sorted(items, key=lambda item: rank[pass_of(item)]))


def _scene(
    index: int,
    item: pystac.Item,
    lead: pystac.Item,
    bands: list[Band],
    scenes: Scenes,
    grid: GeoBox,
    settings: CubeSettings,
    reading: Reading,
) -> Scene:
    """Describe an item; day and sun are those of its pass's first item, so that blocks agree."""
    key = find_classification(item, scenes.scl_asset)
    wanted: list[Band] = []
    if reading.cloud_mask is not None and (key is None or settings.cloud_mask == "both"):
        wanted = [find_band(item, band) for band in reading.cloud_mask.bands]
    dark = dark_of(item, settings.bands, reading.seen)

    def optical(band: Band) -> tuple[Source, Radiometry]:
        return _optical(item, band, grid, settings, reading.seen, dark)

    sources, radiometry = zip(*(optical(band) for band in bands), strict=True)
    classes = None
    if key is not None:
        classes = _source(item, Band(key), "classes", grid, settings)
    return Scene(
        index=index,
        satellite_pass=pass_of(item),
        day=_day(lead),
        bands=sources,
        mask_bands=tuple(optical(band)[0] for band in wanted),
        classification=classes,
        radiometry=radiometry,
        sun=_sun(lead, grid) if settings.terrain_shadow else None,
        line=reading.lines.get(pass_of(item)),
    )


def _optical(
    item: pystac.Item,
    band: Band,
    grid: GeoBox,
    settings: CubeSettings,
    looks: Looks,
    dark: float | None,
) -> tuple[Source, Radiometry]:
    """Where a band is read, and how it becomes reflectance; what was looked at must look like it."""
    source = _source(item, band, "reflectance", grid, settings)
    seen = looks.get(place_of(item, band))
    stated = source.stated
    if seen is None:
        return replace(source, dark=dark), radiometry_of(stated, None, dark)
    # What is added to Sentinel-2's is added to all bands; other sensors' have offsets of their own.
    dark = seen.dark if stated.sentinel2 is None else dark
    middle = None if seen.numbers is None else seen.numbers[2]
    known = radiometry_of(stated, seen.header, dark, middle)
    if seen.numbers is None:
        return replace(source, known=known), known
    if stated.own_scale is None or stated.own_offset is None:
        check_reflectance(stated.name, seen.numbers, known)
    return replace(source, known=replace(known, looked=True)), known


def _day(item: pystac.Item) -> int:
    """Days since 1970-01-01."""
    return int(np.datetime64(item_time(item).replace(tzinfo=None), "D").astype(int))


def _sun(item: pystac.Item, grid: GeoBox) -> Sun | None:
    """The sun over an item, its azimuth from the grid's north."""
    sun = sun_of(item)
    if sun is None:
        return None
    centre = unwrap(footprint(item)).centroid
    return sun_on_grid(sun, centre.x, centre.y, epsg_of(grid))


def _source(
    item: pystac.Item, band: Band, kind: Kind, grid: GeoBox, settings: CubeSettings
) -> Source:
    return Source(
        item.assets[band.key].href,
        band.number,
        _extent(item, band.key, grid),
        state_band(item, band, kind, settings),
    )


def _extent(item: pystac.Item, key: str, grid: GeoBox) -> Bounds:
    """Bounds of an asset's raster in the grid's CRS: from its shape and transform, else the item's."""
    try:
        said = projection_of(item.assets[key].extra_fields, item.properties)
    except ValueError as error:
        raise SceneError(
            f"Expected item {item.id} to say where asset {key} lies, but {error}; "
            "mend the item or leave it out."
        ) from None
    bounds, crs = said.bbox, said.crs
    if said.shape and said.transform:
        rows, columns = said.shape
        transform = Affine(*said.transform)
        corners = [transform @ (x, y) for x in (0, columns) for y in (0, rows)]
        east, north = zip(*corners, strict=True)
        bounds = (min(east), min(north), max(east), max(north))
    if crs is None or bounds is None:
        crs, bounds = "EPSG:4326", extent_of(item)
    ours = f"EPSG:{epsg_of(grid)}"
    if crs == ours:
        return bounds
    if CRS.from_user_input(crs).is_geographic:
        bounds = _near(bounds, grid)
    west, south, east_, north_ = transform_bounds(crs, ours, *bounds)
    return (west, south, east_, north_)


def _near(bounds: Bounds, grid: GeoBox) -> Bounds:
    """Of bounds in degrees, the part around the grid: UTM folds what is as wide as the world."""
    west, south, east, north = bounds
    x, y = _centre(grid)
    turn = 360 * round((x - (west + east) / 2) / 360)
    near = (
        max(west + turn, x - NEAR), max(south, y - NEAR, -89.0),
        min(east + turn, x + NEAR), min(north, y + NEAR, 89.0),
    )  # fmt: skip
    return near if near[0] < near[2] and near[1] < near[3] else bounds


def _centre(grid: GeoBox) -> tuple[float, float]:
    """Longitude and latitude of a grid's centre."""
    west, south, east, north = bounds_of(grid)
    to_degrees = Transformer.from_crs(epsg_of(grid), 4326, always_xy=True)
    x, y = to_degrees.transform((west + east) / 2, (south + north) / 2)
    return float(x), float(y)


def describe_surface(scenes: Scenes, grid: GeoBox, settings: CubeSettings) -> Surface:
    """Find what to read of the surface model.

    Raises
    ------
    SceneError
        An item lacks the asset, or none reaches the grid.
    """
    bands = [Band(find_elevation(item, scenes.dsm_asset)) for item in scenes.dsm]
    tiles = [
        (index, _source(item, band, "elevation", grid, settings))
        for index, (item, band) in enumerate(zip(scenes.dsm, bands, strict=True))
    ]
    if tiles and not any(overlaps(source.extent, bounds_of(grid)) for _, source in tiles):
        raise SceneError(
            f"Expected a surface model over the grid {bounds_of(grid)}, none of "
            f"{', '.join(item.id for item in scenes.dsm)} reaches it; add its items to the source."
        )
    return Surface(tuple(tiles))
