"""From a file's numbers to values, as `lscube.cube.encoding` and `lscube.cube.radiometry` decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.windows import Window

from lscube.cube.encoding import (
    HIGHEST,
    LOWEST,
    Encoding,
    Header,
    Kind,
    Stated,
    Validity,
    decide_classes,
    decide_elevation,
    decide_mask,
)
from lscube.cube.radiometry import Radiometry, decide_reflectance
from lscube.errors import SceneError

Pixels = npt.NDArray[Any]
Gaps = npt.NDArray[np.bool_]

SATURATED_VALUE = np.float32(1e30)
"""Reflectance of a saturated pixel while it is resampled: what has a share of it stays above all others."""

UNTOLD = 10.0
"""Median reflectance of a block above which the scale must be wrong, where nobody told or looked at it."""


def decide(kind: Kind, stated: Stated, header: Header, known: Radiometry | None) -> Encoding:
    """Decide what a band's numbers mean.

    Parameters
    ----------
    kind, stated, header
        What is to be seen, and what is said of it.
    known
        The radiometry, where it was decided before from pixels as well.

    Raises
    ------
    SceneError
        It cannot be decided.
    """
    if kind == "reflectance":
        return decide_reflectance(stated, header, known)
    if kind == "elevation":
        return decide_elevation(stated, header)
    return (decide_classes if kind == "classes" else decide_mask)(stated, header)


def read_values(
    source: rasterio.DatasetReader, band: int, window: Window, encoding: Encoding
) -> Pixels:
    """Read a window of an open file as values.

    Returns
    -------
    array (y, x)
        Reflectance and elevation: float32, NaN where there is no data, `SATURATED_VALUE` where a pixel
        is saturated. Classes: uint8, 0 where there is none. Masks: uint8, 1 where masked.

    Raises
    ------
    SceneError
        A number occurs that cannot be what it is said to be.
    """
    numbers = source.read(band, window=window)
    values = decode(numbers, mask_of(source, band, window, encoding.validity), encoding)
    if encoding.untold:
        _check_untold(values, encoding)
    return values


def mask_of(
    source: rasterio.DatasetReader,
    band: int,
    window: Window | None,
    validity: Validity,
    **size: Any,
) -> Pixels | None:
    """The file's mask (0: invalid) where it counts, else None."""
    header = validity.header
    if not header.masked:
        return None
    # An alpha band tells for all bands, also where one of them has a no-data value of its own.
    found: Pixels
    if header.alpha is not None:
        found = source.read(header.alpha, window=window, **size)
    else:
        found = source.read_masks(band, window=window, **size)
    return found


def gaps_of(numbers: Pixels, mask: Pixels | None, name: str, validity: Validity) -> Gaps:
    """Where numbers are no measurements.

    Raises
    ------
    SceneError
        A number occurs of which file and item say different things.
    """
    gaps: Gaps = np.zeros(numbers.shape, np.bool_) if mask is None else mask == 0
    for value in validity.nodata:
        gaps |= numbers == numbers.dtype.type(value)
    if numbers.dtype.kind == "f":
        gaps |= ~np.isfinite(numbers)
    for value, claims in validity.contested:
        found = (numbers == numbers.dtype.type(value)) & ~gaps
        if found.any():
            setting = "cube.nodata or cube.elevation_nodata"
            raise SceneError(
                f"Expected item and file to agree on what is no data in {name}, got {claims}, and "
                f"{value:g} occurs in {int(found.sum())} pixels; set {setting}, as a number or by item id."
            )
    return gaps


def decode(numbers: Pixels, mask: Pixels | None, encoding: Encoding) -> Pixels:
    """Turn numbers into values; see `read_values`."""
    gaps = gaps_of(numbers, mask, encoding.name, encoding.validity)
    if encoding.kind == "mask":
        masked: Pixels = ((numbers != 0) & ~gaps).astype(np.uint8)
        return masked
    if encoding.kind == "classes":
        return _classes(numbers, gaps, encoding)
    values = _scaled(numbers, encoding)
    if encoding.saturated is not None:
        values[numbers == encoding.saturated] = SATURATED_VALUE
    values[gaps] = np.nan
    if encoding.kind == "elevation":
        _check_ground(values, gaps, encoding)
    return values


def _check_untold(values: Pixels, encoding: Encoding) -> None:
    """Refuse a block of real numbers that are no reflectance, though nobody told another scale."""
    known = values[np.isfinite(values)]
    if known.size and (middle := float(np.median(known))) > UNTOLD:
        raise SceneError(
            f"Expected reflectance (0 to 1) in {encoding.name}, found {middle:g} at the median of a block "
            "and no scale told by file or item; set cube.scale, as a number or by item id."
        )


def _scaled(numbers: Pixels, encoding: Encoding) -> npt.NDArray[np.float32]:
    """Numbers times scale, plus offset, in float32; from wide types by way of float64."""
    wide = encoding.kind == "elevation" or numbers.dtype.itemsize > 2
    kind: type[np.floating[Any]] = np.float64 if wide else np.float32
    with np.errstate(invalid="ignore", over="ignore"):
        values: npt.NDArray[np.floating[Any]] = numbers.astype(kind)
        if encoding.scale != 1.0:
            np.multiply(values, kind(encoding.scale), out=values)
        if encoding.offset:
            np.add(values, kind(encoding.offset), out=values)
        return values.astype(np.float32, copy=False)


def _classes(numbers: Pixels, gaps: Gaps, encoding: Encoding) -> Pixels:
    if numbers.dtype != np.uint8:
        known = numbers[~gaps]
        strange = known[(known < 0) | (known > 255) | (known != np.floor(known))]
        if strange.size:
            raise SceneError(
                f"Expected classes (whole numbers from 0 to 255) in {encoding.name}, found {strange[0]:g}; "
                "set source.scl_asset to the scene classification, or mend the item."
            )
    classes = np.where(gaps, 0, numbers).astype(np.uint8)
    return classes


def _check_ground(values: npt.NDArray[np.float32], gaps: Gaps, encoding: Encoding) -> None:
    """Refuse a surface model with what no ground has: void that nobody tells of, or a wrong scale."""
    with np.errstate(invalid="ignore"):
        strange = (values < LOWEST) | (values > HIGHEST)
    if strange.any():
        worst = float(values[strange][0])
        raise SceneError(
            f"Expected elevations from {LOWEST:g} to {HIGHEST:,.0f} m in {encoding.name}, found {worst:g} m "
            f"({encoding.reason}; {encoding.validity.reason}); set cube.elevation_nodata if it is no data, "
            "or cube.elevation_scale to the metres per number."
        )
