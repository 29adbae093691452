"""A look at files before a cube is read from them: their headers, and a small sample of their numbers.

What a file and its item say can be wrong; pixels do not lie. From the sample follow the dark pixels,
which tell whether Sentinel-2's offset is in the numbers, and whether what was decided looks like
reflectance or like ground (`lscube.cube.plausible`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pystac
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.warp import transform_bounds
from rasterio.windows import Window
from scipy import ndimage

from lscube.catalog import Band, Scenes, find_band, find_classification, find_elevation
from lscube.cube.decoding import decide, gaps_of, mask_of, read_values
from lscube.cube.opening import read_from
from lscube.cube.plausible import check_slopes, slopes_of
from lscube.cube.raster_fields import state_band
from lscube.cube.reading import Access, check_band
from lscube.cube.stated import Header, Kind, Stated, header_of
from lscube.cube.validity import SATURATED, decide_validity
from lscube.errors import SceneError, SourceError
from lscube.grid import Bounds, bounds_of, epsg_of
from lscube.settings import CubeSettings

LONGEST = 512
"""Pixels along the longer edge of the image that is read: a few blocks of an overview."""

PERCENTILES = (1.0, 25.0, 50.0, 75.0, 99.0)
"""Of the valid pixels. The lowest stands for the dark pixels: robust against single bad pixels, and
against overviews that were averaged."""

DARKEST = ("red", "B04", "blue", "B02", "green", "B03")
"""Bands to look at, the darkest first: vegetation and water are dark in red, and the air
brightens it least."""

FEWEST = 100
"""Valid pixels below which there is no percentile to speak of."""

ZEROS = 0.005
"""Share of the pixels that may be just 0: reflectance is that by chance alone."""

AT_A_TIME = 8
"""Files that are looked at side by side."""


@dataclass(frozen=True)
class Seen:
    """What a look at one band of one file has shown."""

    header: Header
    """What the file says."""
    numbers: tuple[float, ...] | None = None
    """`PERCENTILES` of its valid numbers; None where there are hardly any, or none were looked at."""

    @property
    def dark(self) -> float | None:
        """Number (DN) below which 1 % of the valid pixels lie."""
        return None if self.numbers is None else self.numbers[0]


Looks = Mapping[str, Seen]
"""By `place_of`; without the files that could not be read."""


def place_of(item: pystac.Item, band: Band) -> str:
    """Names one band of one item."""
    return f"{item.id}/{band.key}#{band.number}"


def dark_of(item: pystac.Item, bands: Sequence[str], looks: Looks) -> float | None:
    """Number (DN) of an item's dark pixels, in the darkest of some bands.

    Returns
    -------
    float or None
        None where the item was not looked at, or has hardly any valid pixel.
    """
    name = next((name for name in DARKEST if name in bands), bands[0])
    seen = looks.get(place_of(item, find_band(item, name)))
    return None if seen is None else seen.dark


@dataclass(frozen=True)
class _Look:
    """One file to look at."""

    place: str
    href: str
    band: int
    use: Callable[[rasterio.DatasetReader, int], Seen]


def look_at_scenes(
    items: Iterable[pystac.Item],
    settings: CubeSettings,
    access: Access,
    scl_asset: str | None = None,
    more: Sequence[str] = (),
) -> dict[str, Seen]:
    """Look at the bands of scenes, and at the header of their classification.

    Parameters
    ----------
    items
        Scenes with unsigned addresses.
    settings
        `bands`, and what decides about their numbers.
    access
        How files are opened.
    scl_asset
        Key of the scene classification; None: the usual ones.
    more
        Bands beside those of the settings, for a cloud mask.

    Returns
    -------
    dict
        By `place_of`; without the files that cannot be read: their pixels will be missed, and named,
        when they are read.

    Raises
    ------
    SceneError
        An item lacks a band, or its numbers cannot be read or contradict what is said of them.
    """
    looks = []
    for item in items:
        for name in dict.fromkeys((*settings.bands, *more)):
            band = find_band(item, name)
            stated = state_band(item, band, "reflectance", settings)
            use = partial(_look_at_band, stated=stated)
            looks.append(_Look(place_of(item, band), _href(item, band), band.number, use))
        key = find_classification(item, scl_asset)
        if key is not None:
            band = Band(key)
            stated = state_band(item, band, "classes", settings)
            use = partial(_look_at_header, stated=stated, kind="classes")
            looks.append(_Look(place_of(item, band), _href(item, band), 1, use))
    return _look_at(looks, access)


def look_at_surface(
    scenes: Scenes, grid: GeoBox, settings: CubeSettings, access: Access
) -> dict[str, Seen]:
    """Look at the surface model within a grid: whether it is ground.

    Returns
    -------
    dict
        As of `look_at_scenes`.

    Raises
    ------
    SceneError
        What it holds cannot be decided, or is no ground.
    """
    looks = []
    for item in scenes.dsm:
        band = Band(find_elevation(item, scenes.dsm_asset))
        stated = state_band(item, band, "elevation", settings)
        use = partial(_look_at_ground, stated=stated, grid=grid)
        looks.append(_Look(place_of(item, band), _href(item, band), 1, use))
    return _look_at(looks, access)


def _href(item: pystac.Item, band: Band) -> str:
    return item.assets[band.key].href


def _look_at(looks: Sequence[_Look], access: Access) -> dict[str, Seen]:
    def see(look: _Look) -> Seen | None:
        try:
            return read_from(
                look.href, lambda file: look.use(file, look.band), access.sign, access.patience
            )
        except SourceError:
            # Its pixels will be missed and named when they are read; here nothing is known of them.
            return None

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = list(pool.map(see, looks))
    return {look.place: seen for look, seen in zip(looks, found, strict=True) if seen is not None}


def _look_at_header(file: rasterio.DatasetReader, number: int, stated: Stated, kind: Kind) -> Seen:
    check_band(file, stated.name, number)
    header = header_of(file, number)
    decide(kind, stated, header, None)
    return Seen(header)


def _look_at_band(file: rasterio.DatasetReader, number: int, stated: Stated) -> Seen:
    """A band's numbers, from a small image of it."""
    check_band(file, stated.name, number)
    header = header_of(file, number)
    validity = decide_validity("reflectance", stated, header)
    smaller = min(1.0, LONGEST / max(file.shape))
    rows, columns = (max(1, round(size * smaller)) for size in file.shape)
    # Nearest: no new mixture of pixels with no data, beyond those that the overview has.
    shape = (rows, columns)
    pixels = file.read(number, out_shape=shape, resampling=Resampling.nearest)
    mask = mask_of(file, number, None, validity, shape)
    gaps = gaps_of(pixels, mask, stated.name, validity)
    _check_zeros(pixels, gaps, stated)
    return Seen(header, percentiles(pixels, gaps))


def _check_zeros(
    pixels: npt.NDArray[np.generic], gaps: npt.NDArray[np.bool_], stated: Stated
) -> None:
    """Refuse a band in which many pixels are just 0 though nobody says that 0 is no data."""
    zeros, valid = int(((pixels == 0) & ~gaps).sum()), int((~gaps).sum())
    if pixels.dtype != np.uint8 and zeros > ZEROS * valid:
        raise SceneError(
            f"Expected measurements in {stated.name}, found just 0 in {zeros / valid:.1%} of the pixels that "
            "are said to have data; set cube.nodata to 0, or mend the file's mask."
        )


def percentiles(
    pixels: npt.NDArray[np.generic], gaps: npt.NDArray[np.bool_]
) -> tuple[float, ...] | None:
    """`PERCENTILES` of an image's numbers.

    Parameters
    ----------
    pixels, gaps
        Shape (y, x): the numbers, and where they are no data. Saturated pixels do not count, nor those
        next to no data, with which an overview may have mixed it.

    Returns
    -------
    tuple of float, or None
        None where fewer than 100 pixels remain.
    """
    inner = ndimage.binary_erosion(~gaps, np.ones((3, 3), np.bool_), iterations=2, border_value=1)
    chosen = pixels[inner & (pixels != SATURATED)]
    if chosen.size < FEWEST:
        return None
    return tuple(float(value) for value in np.percentile(chosen, PERCENTILES))


def _look_at_ground(
    file: rasterio.DatasetReader, number: int, stated: Stated, grid: GeoBox
) -> Seen:
    """Decode a part of a surface model in the middle of a grid, and look at its slopes."""
    check_band(file, stated.name, number)
    header = header_of(file, number)
    encoding = decide("elevation", stated, header, None)
    window = _middle(file, grid)
    if window is not None:
        ground = read_values(file, number, window, encoding)
        check_slopes(slopes_of(ground, _cells(file, window)), encoding)
    return Seen(header)


def _middle(file: rasterio.DatasetReader, grid: GeoBox) -> Window | None:
    """At most `LONGEST` x `LONGEST` pixels of a file, in the middle of what it shares with a grid."""
    shared = window_of(file, bounds_of(grid), epsg_of(grid))
    if shared is None:
        return None
    width, height = (min(length, LONGEST) for length in (shared.width, shared.height))
    left = shared.col_off + (shared.width - width) // 2
    top = shared.row_off + (shared.height - height) // 2
    return Window(left, top, width, height)


def window_of(file: rasterio.DatasetReader, bounds: Bounds, epsg: int) -> Window | None:
    """Whole pixels of a file that reach into some bounds; None where there are none."""
    if file.crs is None or file.transform.is_degenerate:
        return None  # reading will say so
    theirs = transform_bounds(f"EPSG:{epsg}", file.crs, *bounds)
    corners = [~file.transform @ (x, y) for x in theirs[::2] for y in theirs[1::2]]
    spans = []
    for found, length in zip(zip(*corners, strict=True), (file.width, file.height), strict=True):
        if not np.isfinite(found).all():
            return None
        first, last = max(0, int(min(found))), min(length, int(max(found)) + 1)
        if first >= last:
            return None
        spans.append((first, last))
    (left, right), (top, bottom) = spans
    return Window(left, top, right - left, bottom - top)


def _cells(file: rasterio.DatasetReader, window: Window) -> tuple[float, float]:
    """Height and width of a pixel in metres."""
    transform = file.window_transform(window)
    height, width = abs(transform.e) or abs(transform.d), abs(transform.a) or abs(transform.b)
    if file.crs.is_geographic:
        latitude = transform.f + transform.e * window.height / 2
        return height * 110_574.0, width * 111_320.0 * max(np.cos(np.deg2rad(latitude)), 0.01)
    metres = file.crs.linear_units_factor[1]
    return height * metres, width * metres
