"""One side of the event, block by block: a block's task reads just the scenes that touch it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from lscube.catalog import Sun
from lscube.cube.anchors import Line
from lscube.cube.cloud_mask import CloudMask, run_cloud_mask
from lscube.cube.composite import NONE, Look, Packed, compose
from lscube.cube.masks import Reason, dilate, halo_of
from lscube.cube.radiometry import Radiometry
from lscube.cube.reading import CLASSES, REFLECTANCE, Access, Source, read_scene
from lscube.cube.shadow import shadow_mask
from lscube.cube.surface import Surface
from lscube.cube.user_mask import UserMask
from lscube.errors import SourceError
from lscube.grid import resolution_of
from lscube.settings import Composite

logger = logging.getLogger("lscube.cube")

Bits = npt.NDArray[np.uint8]

BEYOND = np.float32(6.5535)
"""Reflectance of saturated pixels (DN 65535) as cloud masks get it."""


@dataclass(frozen=True)
class Scene:
    """One item, as it is needed for reading."""

    index: int
    """Place in the cube's list of items (attributes `pre_items`, `post_items`)."""
    satellite_pass: str
    """Scenes of one pass are one image, cut into tiles."""
    day: int
    """Acquisition, days since 1970-01-01."""
    bands: tuple[Source, ...]
    """One per band of the cube."""
    mask_bands: tuple[Source, ...]
    """One per band that the cloud mask needs; none if it is not used for this scene."""
    classification: Source | None
    """Scene classification, if there is one."""
    radiometry: tuple[Radiometry, ...]
    """How each band's numbers become reflectance, as far as it is decided before they are read."""
    sun: Sun | None
    """Position of the sun, if terrain shadow is wanted and it is known."""
    line: Line | None = None
    """What brings its reflectance to a reference's radiometry, where that is wanted."""


@dataclass(frozen=True)
class SidePlan:
    """What the blocks of one side have in common."""

    method: Composite
    """How looks become one image."""
    bands: int
    """Number of bands."""
    reasons: Bits
    """Reason of each class of the scene classification, shape (256,)."""
    dilation: float
    """Metres by which clouds and their shadows are widened."""
    cloud_mask: CloudMask | None
    """Finds clouds where the scenes' `mask_bands` are given."""
    user_masks: tuple[UserMask, ...]
    """Where the user says that pixels are unusable."""
    shift: tuple[float, float]
    """Metres east and north by which the scenes lie off the grid."""
    access: Access
    """How files are opened."""


@dataclass(frozen=True)
class Block:
    """What one task reads."""

    grid: GeoBox
    """Pixels to fill."""
    scenes: tuple[Scene, ...]
    """That touch the grid, in order of preference."""
    surface: Surface | None
    """Surface model, where terrain shadow is wanted."""


def read_block(block: Block, plan: SidePlan) -> Packed:
    """Read and composite one block, into the layout of `lscube.cube.composite.compose`."""
    blocked = None
    for mask in plan.user_masks:
        own = mask.read(block.grid)
        blocked = own if blocked is None else blocked | own
    rows, columns = block.grid.shape
    return compose(_looks(block, plan), plan.method, plan.bands, (rows, columns), blocked)


def _looks(block: Block, plan: SidePlan) -> Iterator[Look]:
    """One look per satellite pass, in the order of each pass's first scene."""
    passes: dict[str, list[Scene]] = {}
    for scene in block.scenes:
        passes.setdefault(scene.satellite_pass, []).append(scene)
    for scenes in passes.values():
        yield _look(scenes, block, plan)


def _look(scenes: Sequence[Scene], block: Block, plan: SidePlan) -> Look:
    """Mosaic the tiles of one pass, and say where and why it does not show the ground."""
    grid = block.grid.translate_pix(*_pixels(plan.shift, block.grid))
    halo = halo_of(plan.dilation, resolution_of(grid))
    wide = grid.pad(halo) if halo else grid
    classes = np.full(wide.shape, Reason.NO_DATA, np.uint8)
    mosaic = _Mosaic(plan.bands, grid)
    for scene in scenes:
        try:
            found = _classify(scene, wide, plan)
            image = read_scene(scene.bands, REFLECTANCE, grid, plan.access)
            mosaic.add(image if scene.line is None else scene.line.applied(image))
        except SourceError as error:
            logger.warning("%s", error)
            mosaic.lose(scene)
        else:
            np.copyto(classes, found, where=(classes & Reason.NO_DATA) != 0)
    widened = Reason.CLOUD | Reason.CLOUD_SHADOW
    classes = dilate(classes, widened, plan.dilation / resolution_of(grid))
    rows, columns = grid.shape
    reason = mosaic.reason(classes[halo : halo + rows, halo : halo + columns])
    sun = scenes[0].sun
    if sun is not None and block.surface is not None and mosaic.filled.any():
        dark = shadow_mask(block.grid, sun, block.surface.reader(plan.access))
        reason |= (dark & mosaic.filled) * np.uint8(Reason.TERRAIN_SHADOW)
    return Look(mosaic.reflectance, reason, mosaic.unreadable, scenes[0].day)


def _pixels(shift: tuple[float, float], grid: GeoBox) -> tuple[float, float]:
    """A shift in metres (east, north) as columns and rows."""
    return shift[0] / resolution_of(grid), -shift[1] / resolution_of(grid)


def _classify(scene: Scene, grid: GeoBox, plan: SidePlan) -> Bits:
    """Reasons from a scene's classification and from the cloud mask, within the scene's extent."""
    reason = np.zeros(grid.shape, np.uint8)
    if scene.classification is not None:
        reason = plan.reasons[read_scene([scene.classification], CLASSES, grid, plan.access)[0]]
    if scene.mask_bands and plan.cloud_mask is not None:
        halo = plan.cloud_mask.halo
        context = grid.pad(halo) if halo else grid
        image = read_scene(scene.mask_bands, REFLECTANCE, context, plan.access)
        image[:, np.isnan(image).any(axis=0)] = np.nan
        np.minimum(image, BEYOND, out=image)
        reason = reason | run_cloud_mask(plan.cloud_mask, image)
        if scene.classification is None:
            rows, columns = grid.shape
            own = image[:, halo : halo + rows, halo : halo + columns]
            # Another tile of the pass may know.
            reason[np.isnan(own).any(axis=0)] = Reason.NO_DATA
    reason[~_covered(scene, grid)] = Reason.NO_DATA
    return reason


def _covered(scene: Scene, grid: GeoBox) -> npt.NDArray[np.bool_]:
    """Whether each pixel's centre lies in the scene's raster."""
    west, south, east, north = scene.bands[0].extent
    transform: Affine = grid.affine
    x = transform.c + (np.arange(grid.shape[1]) + 0.5) * transform.a
    y = transform.f + (np.arange(grid.shape[0]) + 0.5) * transform.e
    inside: npt.NDArray[np.bool_] = ((y > south) & (y < north))[:, None] & ((x > west) & (x < east))
    return inside


class _Mosaic:
    """The tiles of one pass on one grid; the first that has data at a pixel is taken."""

    def __init__(self, bands: int, grid: GeoBox) -> None:
        self.grid = grid
        self.reflectance = np.empty((bands, *grid.shape), np.float32)
        self.filled = np.zeros(grid.shape, bool)
        self.saturated = np.zeros(grid.shape, bool)
        self.unreadable = np.full(grid.shape, NONE, np.int16)

    def add(self, scene: npt.NDArray[np.float32]) -> None:
        """Fill from reflectance (band, y, x): NaN where there is no data, inf where saturated."""
        take = ~np.isnan(scene).any(axis=0)
        if self.filled.any():
            take &= ~self.filled
            np.copyto(self.reflectance, scene, where=take)
        else:
            self.reflectance = scene
        self.saturated |= take & np.isposinf(scene).any(axis=0)
        self.filled |= take

    def lose(self, scene: Scene) -> None:
        """Say that a scene cannot be read."""
        self.unreadable[_covered(scene, self.grid)] = scene.index

    def reason(self, classes: Bits) -> Bits:
        """Why each pixel is unusable, given the reasons from classification and cloud mask."""
        reason = classes | self.saturated * np.uint8(Reason.SATURATED)
        if not self.filled.all():
            reason[~self.filled] = Reason.NO_DATA
            reason[~self.filled & (self.unreadable != NONE)] = Reason.UNREADABLE_SOURCE
        return reason
