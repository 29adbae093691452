"""The dark pixels of an item: what tells whether its digital numbers still have an offset in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pystac
import rasterio
from rasterio.enums import Resampling
from scipy import ndimage

from lscube.catalog import Band, Patience, Sign, find_band, sign_href
from lscube.cube.opening import PATIENCE, read_from
from lscube.errors import SourceError

LONGEST = 512
"""Pixels along the longer edge of the image that is read: a few blocks of an overview."""

DARK_PERCENTILE = 1.0
"""Percentage of the valid pixels that are darker: robust against single bad pixels, and against
overviews that were averaged."""

DARKEST = ("red", "B04", "blue", "B02", "green", "B03")
"""Bands to look at, the darkest first: vegetation and water are dark in red, and the air
brightens it least."""

SATURATED = 65535
FEWEST = 100
"""Valid pixels below which there is no percentile to speak of."""


def measure_dark(
    items: Iterable[pystac.Item],
    bands: Sequence[str],
    sign: Sign = sign_href,
    patience: Patience = PATIENCE,
    workers: int = 8,
) -> dict[str, float | None]:
    """Measure the dark pixels of items, several at a time.

    Parameters
    ----------
    items
        Scenes with unsigned addresses.
    bands
        Names of the bands in use; the one that is darkest on vegetated land is read.
    sign
        Gives the address to open.
    patience
        How often and how long a file is tried.
    workers
        Files that are read at a time.

    Returns
    -------
    dict
        By item id: the digital number (DN) below which 1 % of the valid pixels lie, None where the
        file cannot be read or has hardly any valid pixel.

    Raises
    ------
    SceneError
        An item lacks the band.
    """
    band = next((name for name in DARKEST if name in bands), bands[0])
    places = [(item, find_band(item, band)) for item in items]

    def measure(place: tuple[pystac.Item, Band]) -> float | None:
        item, found = place
        try:
            return read_from(
                item.assets[found.key].href, lambda file: _dark(file, found.number), sign, patience
            )
        except SourceError:
            # Its pixels will be missed and named when they are read; here nothing is known of them.
            return None

    with ThreadPoolExecutor(workers) as pool:
        numbers = list(pool.map(measure, places))
    return {item.id: number for (item, _), number in zip(places, numbers, strict=True)}


def _dark(file: rasterio.DatasetReader, number: int) -> float | None:
    """Dark digital number of a band, from a small image of it."""
    if number > file.count:
        return None
    smaller = min(1.0, LONGEST / max(file.shape))
    shape = tuple(max(1, round(size * smaller)) for size in file.shape)
    # Nearest: no new mixture of pixels with no data, beyond those that the overview has.
    pixels = file.read(number, out_shape=shape, resampling=Resampling.nearest)
    return dark_number(pixels, file.nodata)


def dark_number(pixels: npt.NDArray[np.generic], nodata: float | None) -> float | None:
    """Digital number of the dark pixels of an image.

    Parameters
    ----------
    pixels
        Shape (y, x). 0, 65535 and `nodata` are no data; so are the pixels next to 0 and `nodata`,
        with which an overview may have mixed it.
    nodata
        The file's own value for no data.

    Returns
    -------
    float or None
        The 1st percentile, None where fewer than 100 pixels remain.
    """
    valid = pixels != 0
    if nodata is not None:
        valid &= pixels != nodata
    inner = ndimage.binary_erosion(valid, np.ones((3, 3), np.bool_), iterations=2, border_value=1)
    chosen = pixels[inner & (pixels != SATURATED)]
    return float(np.percentile(chosen, DARK_PERCENTILE)) if chosen.size >= FEWEST else None
