"""A cube before its pixels: what is the same for all its parts, decided once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from lscube.attributes import attributes
from lscube.catalog import Scenes
from lscube.cube.anchors import as_attributes
from lscube.cube.notes import surface_notes
from lscube.cube.plan import Described, Reading, describe_side, describe_surface
from lscube.cube.plausible import check_jumps
from lscube.cube.reading import overlaps
from lscube.cube.shadow import REACH
from lscube.cube.surface import Surface
from lscube.grid import Bounds, epsg_of, project, resolution_of
from lscube.settings import CubeSettings


@dataclass(frozen=True)
class CubePlan:
    """What a cube is read from. Parts that are opened from one plan agree where they overlap.

    Order of the scenes, each pass's day and sun, and the places in the lists of items are those of
    the whole cube, whichever part is opened.
    """

    scenes: Scenes
    """Event, area and items."""
    settings: CubeSettings
    """Bands, masks, composites."""
    reading: Reading
    """How files are opened, and what was measured before."""
    pre: Described
    """Scenes before the event that reach the whole grid."""
    post: Described
    """Scenes after the event that reach the whole grid."""
    surface: Surface
    """Tiles of the surface model."""
    elevation: tuple[str, ...]
    """What was decided of the surface model's numbers, and why."""
    area: BaseGeometry
    """Area of interest in the grid's CRS."""
    epsg: int
    """The grid's UTM zone."""
    resolution: float
    """The grid's pixel size in metres."""

    @property
    def context(self) -> float:
        """Metres from beyond a block that masks and a shift may bring in."""
        mask = self.reading.cloud_mask
        halo = mask.halo * self.resolution if mask else 0.0
        return self.settings.dilation + halo + max(abs(value) for value in self.reading.shift)

    def touching(self, bounds: Bounds) -> dict[str, list[Any]]:
        """Scenes and surface tiles that pixels within some bounds may be read from, by side."""
        wide = widened(bounds, self.context)
        found: dict[str, list[Any]] = {
            side: [scene for scene in scenes if overlaps(scene.bands[0].extent, wide)]
            for side, scenes in (("pre", self.pre.scenes), ("post", self.post.scenes))
        }
        wide = widened(bounds, REACH if self.settings.terrain_shadow else self.resolution)
        tiles = (tile for _, tile in self.surface.tiles)
        found["dsm"] = [tile for tile in tiles if overlaps(tile.extent, wide)]
        return found

    def attributes(self) -> dict[str, Any]:
        """Attributes of the cube."""
        event = self.scenes.event
        said = {
            "event_id": event.id,
            "event_time": f"{event.start:%Y-%m-%dT%H:%M:%SZ}",
            "event_end": f"{event.end:%Y-%m-%dT%H:%M:%SZ}",
            **self.pre.attributes("pre"),
            **self.post.attributes("post"),
            "dsm_items": [item.id for item in self.scenes.dsm],
            "dsm_elevation": list(self.elevation),
            "shift": list(self.reading.shift),
            **({} if self.reading.reference is None else as_attributes(self.reading.reference)),
            "notes": list(self.scenes.notes),
        }
        return attributes(said)


def plan_cube(
    scenes: Scenes,
    grid: GeoBox,
    settings: CubeSettings = CubeSettings(),
    reading: Reading = Reading(),
) -> CubePlan:
    """Decide, for all parts of a grid alike, what is read and how; no pixel is read.

    Raises
    ------
    SceneError
        An item lacks an asset or a band, what its numbers mean cannot be decided, or what was decided
        looks neither like reflectance nor like the other scenes.
    AreaError
        No scene reaches the grid.
    """
    pre = describe_side("pre", scenes, grid, settings, reading)
    post = describe_side("post", scenes, grid, settings, reading)
    check_jumps([*pre.samples, *post.samples])
    surface = describe_surface(scenes, grid, settings)
    return CubePlan(
        scenes=scenes,
        settings=settings,
        reading=reading,
        pre=pre,
        post=post,
        surface=surface,
        elevation=surface_notes(scenes, surface, reading.seen),
        area=project(scenes.area, epsg_of(grid)),
        epsg=epsg_of(grid),
        resolution=resolution_of(grid),
    )


def widened(bounds: Bounds, distance: float) -> Bounds:
    """Bounds with so many metres more on each side."""
    west, south, east, north = bounds
    return (west - distance, south - distance, east + distance, north + distance)
