"""From a file's numbers to values, as `lscube.cube.encoding` and `lscube.cube.radiometry` decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.windows import Window

from lscube.cube.encoding import (
    HIGHEST_CLASS,
    LEAST,
    LOWEST_CLASS,
    MOST,
    Encoding,
    decide_classes,
    decide_elevation,
    decide_mask,
)
from lscube.cube.radiometry import Radiometry, decide_reflectance
from lscube.cube.stated import Header, Kind, Stated, header_of
from lscube.cube.validity import HIGHEST, LOWEST, Validity, decide_validity
from lscube.errors import SceneError

Pixels = npt.NDArray[Any]
Gaps = npt.NDArray[np.bool_]

SATURATED_VALUE = np.float32(1e30)
"""Reflectance of a saturated pixel while it is resampled: what has a share of it stays above all others."""


def decide(
    kind: Kind,
    stated: Stated,
    header: Header,
    known: Radiometry | None = None,
    dark: float | None = None,
) -> Encoding:
    """Decide what a band's numbers mean.

    Parameters
    ----------
    kind, stated, header
        What is to be seen, and what is said of it.
    known
        The radiometry, where it was decided before from pixels as well.
    dark
        Else the number of the item's dark pixels, if it was looked at.

    Raises
    ------
    SceneError
        It cannot be decided.
    """
    if kind == "reflectance":
        return decide_reflectance(stated, header, known, dark)
    if kind == "elevation":
        return decide_elevation(stated, header)
    return (decide_classes if kind == "classes" else decide_mask)(stated, header)


def read_values(
    source: rasterio.DatasetReader,
    band: int,
    window: Window,
    encoding: Encoding,
    shape: tuple[int, int] | None = None,
) -> Pixels:
    """Read a window of an open file as values, or the nearest of them on fewer pixels (`shape`).

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
    numbers = source.read(band, window=window, out_shape=shape)
    return decode(numbers, mask_of(source, band, window, encoding.validity, shape), encoding)


def mask_of(
    source: rasterio.DatasetReader,
    band: int,
    window: Window | None,
    validity: Validity,
    shape: tuple[int, int] | None = None,
) -> Pixels | None:
    """The file's mask (0: invalid) where it counts, else None; of another shape, by the nearest pixels."""
    header = validity.header
    if not header.masked:
        return None
    # An alpha band tells for all bands, also where one of them has a no-data value of its own.
    found: Pixels
    if header.alpha is not None:
        found = source.read(header.alpha, window=window, out_shape=shape)
    else:
        found = source.read_masks(band, window=window, out_shape=shape)
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
            raise SceneError(
                f"Expected item and file to agree on what is no data in {name}, got {claims}, and "
                f"{value:g} occurs in {int(found.sum())} pixels; {validity.advice}."
            )
    return gaps


def read_stated(source: rasterio.DatasetReader, band: int, name: str) -> npt.NDArray[np.float64]:
    """Read a whole band as its file alone says: number * scale + offset, NaN where there is no data.

    Raises
    ------
    SceneError
        The type cannot be read.
    """
    stated, header = Stated(name=name), header_of(source, band)
    validity = decide_validity("mask", stated, header)
    numbers = source.read(band)
    gaps = gaps_of(numbers, mask_of(source, band, None, validity), name, validity)
    scale, offset = (1.0 if header.scale is None else header.scale), header.offset or 0.0
    return np.where(gaps, np.nan, numbers.astype(np.float64) * scale + offset)


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
    _drop_beyond(values, encoding)
    return values


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
    wrong = (numbers < LOWEST_CLASS) | (numbers > HIGHEST_CLASS)
    if numbers.dtype.kind == "f":
        wrong |= numbers != np.floor(numbers)
    wrong &= ~gaps
    if wrong.any():
        raise SceneError(
            "Expected Sentinel-2's scene classification (SCL, whole numbers from 0 to 11) in "
            f"{encoding.name}, found {numbers[wrong][0]:g}; set source.scl_asset to one, or mend the item."
        )
    classes = np.where(gaps, 0, numbers).astype(np.uint8)
    return classes


def _drop_beyond(values: npt.NDArray[np.float32], encoding: Encoding) -> None:
    """Make values that cannot be measured NaN: filling that nobody tells of, or all of them by a wrong scale.

    Single ones are no measurement. Of ground, and of reflectance that nobody looked at before, they are
    refused: there may be more of them.
    """
    ground = encoding.kind == "elevation"
    setting, unit = ("cube.elevation_", " m") if ground else ("cube.", "")
    low, high = (LOWEST, HIGHEST) if ground else (LEAST, MOST)
    if _within(encoding, low, high):
        return
    with np.errstate(invalid="ignore"):
        strange: Gaps = (values < low) | ((values > high) & (values < SATURATED_VALUE))
    if strange.any() and (ground or not encoding.looked):
        worst = float(values[strange][0])
        raise SceneError(
            f"Expected {encoding.kind} from {low:g} to {high:g}{unit} in {encoding.name}, found "
            f"{worst:g}{unit} ({encoding.reason}; {encoding.validity.reason}); set {setting}nodata if it is "
            f"no data, or {setting}scale to what one number is."
        )
    values[strange] = np.nan


def _within(encoding: Encoding, low: float, high: float) -> bool:
    """Whether all numbers of the type are within bounds anyway."""
    dtype = np.dtype(encoding.validity.header.dtype)
    if dtype.kind == "f":
        return False
    limits = np.iinfo(dtype)
    ends = (number * encoding.scale + encoding.offset for number in (limits.min, limits.max))
    return all(low <= end <= high for end in ends)
