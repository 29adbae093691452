"""What is measured on the scenes before a cube is opened as its settings ask."""

from __future__ import annotations

from dataclasses import replace

from odc.geo.geobox import GeoBox

from lscube.catalog import Scenes
from lscube.cube.assemble import open_cube
from lscube.cube.cloud_mask import omni_cloud_mask
from lscube.cube.look import look_at_scenes, look_at_surface
from lscube.cube.pair import measure_pair
from lscube.cube.plan import DIRECT, Reading
from lscube.cube.reading import Access
from lscube.errors import SceneError
from lscube.settings import CubeSettings


def prepare_reading(
    scenes: Scenes, grid: GeoBox, settings: CubeSettings, access: Access = DIRECT
) -> Reading:
    """Look at the files of scenes, and measure their shift if it is to be undone.

    Parameters
    ----------
    scenes, grid, settings
        As `open_cube` will get them. With `settings.coregister` the whole grid is read.
    access
        How files are opened, now and by the cube.

    Raises
    ------
    SceneError
        An item lacks a band, its numbers cannot be what is said of them, or the shift cannot be measured.
    MissingExtraError
        The settings ask for a cloud mask that is not installed.
    """
    seen = {
        **look_at_scenes([*scenes.pre, *scenes.post], settings, access, scenes.scl_asset),
        **look_at_surface(scenes, grid, settings, access),
    }
    own = settings.cloud_mask != "classification"
    reading = Reading(access, omni_cloud_mask() if own else None, seen)
    if not settings.coregister:
        return reading
    quality = measure_pair(open_cube(scenes, grid, settings, reading=reading))
    if quality.shift_east is None or quality.shift_north is None:
        raise SceneError(
            "Expected images whose shift can be measured, for cube.coregister, but "
            f"{'; '.join(quality.warnings)}; choose other scenes, or leave cube.coregister off."
        )
    return replace(reading, shift=(quality.shift_east, quality.shift_north))
