"""Which line brings each satellite pass to a reference's radiometry: measured once, on a coarse image of it.

A pass is one image, whatever tiles it is cut into: it is measured as a whole, around the area, where its
classification shows ground. So no cut of a map changes a pixel, and a pass that comes later changes none of
those before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.windows import Window
from rasterio.windows import transform as window_transform

from lscube import terrain
from lscube.cube.anchors import Anchors, Line, line_between, measure_anchors
from lscube.cube.decoding import decide, read_values
from lscube.cube.look import AT_A_TIME, LONGEST, window_of
from lscube.cube.masks import reason_table
from lscube.cube.opening import read_from
from lscube.cube.reading import Access, Source
from lscube.cube.side import Scene
from lscube.cube.stated import Kind, header_of
from lscube.cube.surface import Surface
from lscube.errors import SourceError
from lscube.grid import bounds_of, epsg_of, resolution_of

LEAST = 20_000.0
"""Metres along each edge of what is looked at: a small area is measured with what lies around it."""
WATER = 6
"""Class of a scene classification that is no ground, beside those that are masked."""
Floats = npt.NDArray[np.float32]
Found = TypeVar("Found")


def coarse_grid(grid: GeoBox) -> GeoBox:
    """The area's surroundings on at most `LONGEST` pixels along an edge."""
    west, south, east, north = bounds_of(grid)
    width, height = max(east - west, LEAST), max(north - south, LEAST)
    own = resolution_of(grid)
    step = own * math.ceil(max(width, height) / LONGEST / own)

    def snapped(middle: float, length: float) -> tuple[float, float]:
        first, last = (math.floor((middle + sign * length / 2) / step) for sign in (-1, 1))
        return first * step, (last + 1) * step

    left, right = snapped((west + east) / 2, width)
    bottom, top = snapped((south + north) / 2, height)
    bounds = (left, bottom, right, top)
    return GeoBox.from_bbox(bounds, crs=f"EPSG:{epsg_of(grid)}", resolution=step)


def measure_lines(
    scenes: Sequence[Scene],
    surface: Surface,
    grid: GeoBox,
    bands: Sequence[str],
    masked: tuple[int, ...],
    access: Access,
    reference: Anchors,
) -> dict[str, Line]:
    """Measure each pass's line.

    Parameters
    ----------
    scenes
        Of all passes, both sides.
    surface
        Tiles of the surface model; may be none.
    grid
        The area's.
    bands
        Names of the scenes' bands.
    masked
        Classes of the scene classification that are unusable.
    access
        How files are opened.
    reference
        What the passes are brought to.

    Returns
    -------
    dict
        By pass.
    """
    coarse = coarse_grid(grid)
    elevation, _ = surface.read(coarse, access)
    slope = terrain.slope(elevation, resolution_of(coarse)).astype(np.float32)
    passes: dict[str, list[Scene]] = {}
    for scene in scenes:
        passes.setdefault(scene.satellite_pass, []).append(scene)
    ground = _Ground(coarse, slope, (*masked, WATER), access)

    def measure(members: Sequence[Scene]) -> Line:
        parts = [part for scene in members if (part := ground.look(scene)) is not None]
        if not parts:
            return Line(reason="left as it is: none of its files could be looked at")
        image, slopes = (np.concatenate(x, axis=-1) for x in zip(*parts, strict=True))
        anchors, why = measure_anchors(image[:, np.newaxis], bands, slopes[np.newaxis])
        if anchors is None:
            return Line(reason=f"left as it is: {why}")
        return line_between(anchors, reference, f"brought to the reference's radiometry by {why}")

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return dict(zip(passes, pool.map(measure, passes.values()), strict=True))


@dataclass(frozen=True)
class _Ground:
    """What is looked at, and what counts as ground."""

    coarse: GeoBox
    slope: Floats
    masked: tuple[int, ...]
    access: Access

    def look(self, scene: Scene) -> tuple[Floats, Floats] | None:
        """Reflectance (band, n) of a scene's ground and its slope (n,); None where a file cannot be read."""
        try:
            return self._look(scene)
        except SourceError:
            return None  # it will be missed, and named, when it is read

    def _look(self, scene: Scene) -> tuple[Floats, Floats] | None:
        slope = self._read(scene.bands[0], self._slope)
        if slope is None:
            return None
        planes = [self._values(band, "reflectance", slope.shape) for band in scene.bands]
        found = [plane for plane in planes if plane is not None]
        if len(found) < len(planes):
            return None
        image = np.stack(found)
        if scene.classification is not None:
            classes = self._values(scene.classification, "classes", slope.shape)
            if classes is None:
                return None
            image[:, reason_table(self.masked)[classes] != 0] = np.nan
        return image.reshape(len(image), -1), slope.ravel()

    def _read(
        self, source: Source, see: Callable[[rasterio.DatasetReader, Window], Found]
    ) -> Found | None:
        """What is seen in the part of a file that reaches the coarse grid; None where there is none."""

        def use(file: rasterio.DatasetReader) -> Found | None:
            window = window_of(file, bounds_of(self.coarse), epsg_of(self.coarse))
            return None if window is None else see(file, window)

        return read_from(source.href, use, self.access.sign, self.access.patience)

    def _values(
        self, source: Source, kind: Kind, shape: tuple[int, int]
    ) -> npt.NDArray[Any] | None:
        """Values of that part on so many pixels, by the nearest."""

        def see(file: rasterio.DatasetReader, window: Window) -> npt.NDArray[Any]:
            header = header_of(file, source.band)
            encoding = decide(kind, source.stated, header, source.known, source.dark)
            return read_values(file, source.band, window, encoding, shape)

        return self._read(source, see)

    def _slope(self, file: rasterio.DatasetReader, window: Window) -> Floats:
        """Slope at the pixels that a window is read as."""
        smaller = min(1.0, LONGEST / max(window.height, window.width))
        rows, columns = (
            (np.arange(n) + 0.5) * length / n
            for length in (window.height, window.width)
            for n in (max(1, round(length * smaller)),)
        )
        x, y = np.meshgrid(columns, rows)
        own = window_transform(window, file.transform)
        x, y = own.a * x + own.b * y + own.c, own.d * x + own.e * y + own.f
        there = Transformer.from_crs(file.crs, epsg_of(self.coarse), always_xy=True)
        x, y = there.transform(x, y)
        ours = ~self.coarse.affine
        column, row = ours.a * x + ours.c, ours.e * y + ours.f
        height, width = self.slope.shape
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        at = (
            np.clip(row, 0, height - 1).astype(np.intp),
            np.clip(column, 0, width - 1).astype(np.intp),
        )
        return np.where(inside, self.slope[at], np.float32(np.nan))
