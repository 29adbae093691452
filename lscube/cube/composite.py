"""One image from several looks: for each pixel the first clear one, the clearest scene's, or the median."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lscube.cube.masks import Reason
from lscube.settings import Composite

NO_DATE = -32768
"""`pre_date` and `post_date` of a pixel that no scene shows."""

NONE = -1
"""`unreadable` of a pixel whose scenes could all be read."""


Counts = npt.NDArray[Any]


@dataclass(frozen=True)
class Look:
    """What one satellite pass shows of a block."""

    reflectance: npt.NDArray[np.float32]
    """(band, y, x); anything where `reason` is not 0."""
    reason: npt.NDArray[np.uint8]
    """(y, x): 0 where usable, else bits of `Reason`."""
    unreadable: npt.NDArray[np.int16]
    """(y, x): index of a scene that could not be read there, else `NONE`."""
    day: int
    """Days since 1970-01-01."""


Packed = npt.NDArray[np.float32]
"""One side of the event within a block, (band + 3, y, x): the bands' reflectance (NaN where unusable),
then `REASON`, `DATE` and `UNREADABLE` (small whole numbers, exact in float32)."""

REASON, DATE, UNREADABLE = -3, -2, -1
"""Planes after the bands. Reason: 0 where usable, else the bits of all looks. Date: days since 1970-01-01,
`NO_DATE` where unusable; of a median the latest. Unreadable: index of a scene that could not be read
there, else `NONE`."""


@dataclass
class _Image:
    """What has been composed so far."""

    reflectance: npt.NDArray[np.float32]
    reason: npt.NDArray[np.uint8]
    date: npt.NDArray[np.int16]
    unreadable: npt.NDArray[np.int16]


def compose(
    looks: Iterable[Look],
    method: Composite,
    bands: int,
    shape: tuple[int, int],
    blocked: npt.NDArray[np.bool_] | None = None,
) -> Packed:
    """Composite looks in their order of preference.

    Parameters
    ----------
    looks
        Drawn one by one; with "first" and "clearest" no more than are needed.
    method
        "first": the first look that shows a pixel clear. "clearest": the first that has data there,
        clear or not. "median": of all that are clear.
    bands, shape
        Of the image.
    blocked
        (y, x): pixels that the user has masked.
    """
    packed = np.full((bands + 3, *shape), np.nan, np.float32)
    image = _Image(
        packed[:bands],
        np.zeros(shape, np.uint8),
        np.full(shape, NO_DATE, np.int16),
        np.full(shape, NONE, np.int16),
    )
    wanted = np.ones(shape, bool) if blocked is None else ~blocked
    if wanted.any():
        if method == "median":
            missing = _median(looks, image, wanted)
        else:
            missing = _first(looks, image, wanted, any_data=method == "clearest")
        image.reason[~missing] = 0
        image.reason[missing & (image.reason == 0)] = Reason.NO_DATA
    if blocked is not None:
        image.reason[blocked] = Reason.MASKED_BY_USER
    packed[REASON], packed[DATE], packed[UNREADABLE] = image.reason, image.date, image.unreadable
    return packed


def _first(
    looks: Iterable[Look], image: _Image, wanted: npt.NDArray[np.bool_], any_data: bool
) -> npt.NDArray[np.bool_]:
    """Fill pixel by pixel until nothing is open; gives where nothing was found."""
    open_ = wanted.copy()
    missing = wanted.copy()
    for look in looks:
        clear = look.reason == 0
        take = open_ & clear
        _note(look, image, open_)
        np.copyto(image.reflectance, look.reflectance, where=take)
        np.copyto(image.date, np.int16(look.day), where=take)
        missing &= ~take
        closed = (look.reason & NOT_SEEN) == 0 if any_data else clear
        open_ &= ~closed
        if not open_.any():
            break
    return missing


NOT_SEEN = np.uint8(Reason.NO_DATA | Reason.UNREADABLE_SOURCE)
"""Reasons for which a scene says nothing of a pixel, not even that it is cloudy."""


def _median(
    looks: Iterable[Look], image: _Image, wanted: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Median of the clear looks; gives where there is none."""
    seen = []
    for look in looks:
        clear = wanted & (look.reason == 0)
        _note(look, image, wanted)
        np.maximum(image.date, np.where(clear, look.day, NO_DATE).astype(np.int16), out=image.date)
        if clear.any():
            seen.append((look.reflectance, clear))
    if not seen:
        return wanted.copy()
    count: Counts = np.stack([clear for _, clear in seen]).sum(axis=0, dtype=np.int16)
    for band in range(image.reflectance.shape[0]):
        # What is not clear sorts to the end.
        values = np.stack([np.where(clear, plane[band], np.inf) for plane, clear in seen])
        image.reflectance[band] = _middle(values, count)
    missing: npt.NDArray[np.bool_] = wanted & (count == 0)
    return missing


def _middle(values: npt.NDArray[np.float32], count: Counts) -> npt.NDArray[np.float32]:
    """Median of the first `count` of the sorted values, NaN where there are none."""
    values.sort(axis=0)
    low = np.take_along_axis(values, np.maximum(count - 1, 0)[None] // 2, 0)[0]
    high = np.take_along_axis(values, np.minimum(count // 2, len(values) - 1)[None], 0)[0]
    even = count % 2 == 0
    middle = np.where(even & (count > 0), (low + high) / 2, low)
    return np.where(count > 0, middle, np.nan).astype(np.float32)


SHARE = 31
"""Of so many pixels, one is left to each further scene that cannot be read."""


def _note(look: Look, image: _Image, where: npt.NDArray[np.bool_]) -> None:
    """Keep a look's reasons, and which of its scenes could not be read."""
    np.bitwise_or(image.reason, look.reason, out=image.reason, where=where)
    lost = where & (look.unreadable != NONE)
    if lost.any():
        # Where several cannot be read, each has some pixels to its name.
        turn = np.arange(lost.size).reshape(lost.shape) % SHARE == look.unreadable % SHARE
        np.copyto(
            image.unreadable, look.unreadable, where=lost & ((image.unreadable == NONE) | turn)
        )
