"""What is measured on the scenes before a cube is opened as its settings ask."""

from __future__ import annotations

import logging
from dataclasses import replace

from odc.geo.geobox import GeoBox

from lscube.catalog import Scenes
from lscube.cube.anchors import Anchors
from lscube.cube.assemble import open_cube
from lscube.cube.cloud_mask import omni_cloud_mask
from lscube.cube.look import look_at_scenes, look_at_surface
from lscube.cube.normalising import measure_lines
from lscube.cube.pair import measure_pair
from lscube.cube.plan import DIRECT, Reading
from lscube.cube.planned import plan_cube
from lscube.cube.reading import Access
from lscube.errors import SceneError
from lscube.settings import CubeSettings

logger = logging.getLogger("lscube.cube")


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
    _warn_of_strangers(scenes, settings)
    mask = omni_cloud_mask() if settings.cloud_mask != "classification" else None
    optical, more = [*scenes.pre, *scenes.post], mask.bands if mask else ()
    seen = {
        **look_at_scenes(optical, settings, access, scenes.scl_asset, more),
        **look_at_surface(scenes, grid, settings, access),
    }
    reading = Reading(access, mask, seen)
    if not settings.coregister:
        return reading
    quality = measure_pair(open_cube(scenes, grid, settings, reading=reading))
    if quality.shift_east is None or quality.shift_north is None:
        raise SceneError(
            "Expected images whose shift can be measured, for cube.coregister, but "
            f"{'; '.join(quality.warnings)}; choose other scenes, or leave cube.coregister off."
        )
    return replace(reading, shift=(quality.shift_east, quality.shift_north))


def bring_to_reference(
    reading: Reading,
    scenes: Scenes,
    grid: GeoBox,
    settings: CubeSettings,
    reference: Anchors | None,
) -> Reading:
    """Measure what brings each satellite pass to a reference's radiometry.

    Parameters
    ----------
    reading
        From `prepare_reading`.
    scenes, grid, settings
        As `open_cube` will get them; the grid is the area's, whatever part is opened later.
    reference
        None: the scenes keep their reflectance.

    Returns
    -------
    Reading
        With `reference` and `lines`.

    Raises
    ------
    SceneError
        A band has no place in the reference.
    """
    plain = replace(reading, reference=None, lines={})
    if reference is None:
        return plain
    unknown = [band for band in settings.bands if band not in reference.bands]
    if unknown:
        raise SceneError(
            f"Expected bands whose usual values are known ({', '.join(reference.bands)}), got "
            f"{', '.join(unknown)}, too; leave them out of cube.bands, or keep reflectance as it is "
            '(radiometry = "reflectance").'
        )
    plan = plan_cube(scenes, grid, settings, plain)
    both = [*plan.pre.scenes, *plan.post.scenes]
    with_what = (settings.bands, settings.mask_classes, reading.access, reference)
    lines = measure_lines(both, plan.surface, grid, *with_what)
    return replace(plain, reference=reference, lines=lines)


BY_ITEM = ("scale", "offset", "nodata", "elevation_scale", "elevation_offset", "elevation_nodata")
"""Settings that can speak of items by their id."""


def _warn_of_strangers(scenes: Scenes, settings: CubeSettings) -> None:
    """Tell of ids in settings that no item has: a typing error would look like a decision."""
    there = {item.id for item in (*scenes.pre, *scenes.post, *scenes.dsm)}
    for name in BY_ITEM:
        value = getattr(settings, name)
        for strange in sorted(set(value) - there) if isinstance(value, dict) else ():
            logger.warning(
                "cube.%s speaks of item %s, which is not among the scenes", name, strange
            )
