"""One image from several scenes: for each pixel the first scene, in their order, that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt

from lscube.cube.masks import Reason
from lscube.cube.radiometry import Radiometry

NO_DATE = -32768
"""`pre_date` and `post_date` of a pixel that no scene shows."""


@dataclass(frozen=True)
class Composite:
    """One side of the event, lazily."""

    reflectance: da.Array
    """float32 (band, y, x), NaN where unusable."""
    reason: da.Array
    """uint8 (y, x): 0 where usable, else the reasons of all scenes."""
    date: da.Array
    """int16 (y, x), days since 1970-01-01; `NO_DATE` where unusable."""


def compose(
    numbers: da.Array,
    classes: da.Array,
    radiometry: tuple[Radiometry, ...],
    days: tuple[int, ...],
    reasons: npt.NDArray[np.uint8],
) -> Composite:
    """Composite scenes in their order of preference.

    Parameters
    ----------
    numbers
        Digital numbers, uint16 (item, band, y, x), 0 = no data, one chunk per item.
    classes
        Scene classification, uint8 (item, y, x), chunked alike.
    radiometry, days
        For each item its scale and offset, and its day since 1970-01-01.
    reasons
        Reason of each class, shape (256,).
    """
    bands = numbers.shape[1]
    # One task and one array per chunk: reflectance, then reason and date (small whole numbers,
    # exact in float32).
    packed = da.blockwise(
        _compose_block,
        "byx",
        numbers,
        "tbyx",
        classes,
        "tyx",
        adjust_chunks={"b": bands + 2},
        concatenate=False,
        dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
        radiometry=radiometry,
        days=days,
        reasons=reasons,
    )
    return Composite(
        packed[:bands], packed[bands].astype(np.uint8), packed[bands + 1].astype(np.int16)
    )


def _compose_block(
    numbers: list[npt.NDArray[np.uint16]],
    classes: list[npt.NDArray[np.uint8]],
    *,
    radiometry: tuple[Radiometry, ...],
    days: tuple[int, ...],
    reasons: npt.NDArray[np.uint8],
) -> npt.NDArray[np.float32]:
    _, bands, *shape = _first(numbers).shape
    out = np.full((bands + 2, *shape), np.nan, np.float32)
    missing = np.ones(shape, bool)
    why = np.zeros(shape, np.uint8)
    date = np.full(shape, NO_DATE, np.float32)
    for dn, scl, item, day in zip(_one(numbers), _one(classes), radiometry, days, strict=True):
        item_why = reasons[scl[0]] | np.where((dn[0] == 0).any(axis=0), Reason.NO_DATA, 0).astype(
            np.uint8
        )
        take = missing & (item_why == 0)
        values = dn[0] * np.float32(item.scale) + np.float32(item.offset)
        np.copyto(out[:bands], values, where=take)
        date[take] = day
        why |= item_why
        missing &= ~take
    out[bands] = np.where(missing, why, 0)
    out[bands + 1] = date
    return out


def _one(blocks: Any) -> list[Any]:
    """Blocks along the contracted item axis: a list, or a single array where there is one item."""
    return blocks if isinstance(blocks, list) else [blocks]


def _first(blocks: Any) -> Any:
    return _one(blocks)[0]


def first_finite(surfaces: da.Array) -> da.Array:
    """For each pixel the first value that is not NaN: (item, y, x) to (y, x)."""
    return da.blockwise(
        _first_finite_block,
        "yx",
        surfaces,
        "tyx",
        concatenate=False,
        dtype=surfaces.dtype,
        meta=np.empty((0, 0), surfaces.dtype),
    )


def _first_finite_block(surfaces: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    out: npt.NDArray[np.float32] = _first(surfaces)[0].copy()
    for surface in _one(surfaces)[1:]:
        np.copyto(out, surface[0], where=np.isnan(out))
    return out
