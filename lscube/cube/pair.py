"""How well the images before and after an event can be compared: clear pixels, shift, light, season."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

from lscube.attributes import content
from lscube.cube.masks import inside_area
from lscube.cube.shift import Shift, chip_shift, combine_shifts
from lscube.markup import bullets

LARGEST_SHIFT = 0.5
"""Pixels above which a shift is warned of."""

LOW_CLEAR = 50.0
"""Percentage of pixels clear in both images below which is warned."""

CHIPS = 12
"""Chips that are compared at most."""

CHIP_SIZES = (256, 128, 64)
"""Edges of a chip in pixels, multiples of the last; the largest that gives `ENOUGH` chips is taken."""

ENOUGH = 6
"""Chips that should be compared: some show clouds that were missed, or water."""

CLEAR_CHIP = 0.4
"""Share of a chip that must be clear in both images."""

OTHER_SEASON = 75
"""Days of the year apart above which is warned: `source.season_days` and a month until the image after."""

OTHER_SUN = 15.0
"""Degrees of the sun's elevation apart above which is warned."""

YEAR = 365.2425
"""Days of a year."""


@dataclass(frozen=True)
class PairQuality:
    """How well the images before and after an event can be compared."""

    pre_clear: float
    """Percentage of the area of interest's pixels that are usable before the event."""
    post_clear: float
    """The same after the event."""
    both_clear: float
    """The same in both images."""
    shift_east: float | None
    """Metres by which the image after lies east of the image before: reading it at x + `shift_east`,
    y + `shift_north` aligns it; None where it could not be measured."""
    shift_north: float | None
    """Metres by which the image after lies north of the image before."""
    shift_pixels: float | None
    """Length of the shift in pixels."""
    shift_spread: float | None
    """Median distance of the single chips' shifts from the whole one, in pixels."""
    chips: int
    """Chips on whose agreement the shift rests."""
    sun_azimuth_difference: float | None
    """Degrees, 0 to 180; None where the sun's direction is not known."""
    sun_elevation_difference: float | None
    """Degrees; None where the sun's direction is not known."""
    season_difference: int | None
    """Days of the year between the median dates, 0 to 183; None where an image has no pixel."""
    warnings: tuple[str, ...]
    """What a reader should know before trusting a comparison."""

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON takes them."""
        return {**asdict(self), "warnings": list(self.warnings)}

    def _repr_html_(self) -> str:
        """The lines of `describe_pair`, for notebooks."""
        return bullets(describe_pair(self))


def measure_pair(cube: xr.Dataset) -> PairQuality:
    """Measure how well a cube's two images can be compared.

    Reads all of `observed`, `area` and the dates chunk by chunk, and of `pre` and `post` the chunks
    that up to 12 chips touch.

    Parameters
    ----------
    cube
        From `lscube.cube.open_cube`, lazy or computed.

    Returns
    -------
    PairQuality
        Percentages, the sub-pixel shift by phase correlation of chips, and differences of sun
        and season.
    """
    clear, dates, share = _overview(cube)
    places, size = _choose_chips(share)
    shifts = [shift for shift in _chip_shifts(cube, places, size) if shift is not None]
    shift = combine_shifts(shifts)
    step_x, step_y = _step(cube, "x"), _step(cube, "y")
    length = None if shift is None else math.hypot(shift.rows, shift.columns)
    said = {
        name: content(cube.attrs.get(name, ()))
        for name in ("pre_sun", "post_sun", "pre_levels", "post_levels")
    }
    sun = _sun_difference(said["pre_sun"], said["post_sun"])
    warnings = (
        *_clear_warnings(clear[2]),
        *_shift_warnings(shift, length, len(places), len(shifts)),
        *_level_warnings(said["pre_levels"], said["post_levels"]),
        *_season_warnings(_season_difference(*dates), sun),
    )
    return PairQuality(
        *clear,
        shift_east=None if shift is None else shift.columns * step_x,
        shift_north=None if shift is None else shift.rows * step_y,
        shift_pixels=length,
        shift_spread=None if shift is None else shift.spread,
        chips=0 if shift is None else shift.chips,
        sun_azimuth_difference=None if sun is None else sun[0],
        sun_elevation_difference=None if sun is None else sun[1],
        season_difference=_season_difference(*dates),
        warnings=warnings,
    )


def describe_pair(quality: PairQuality) -> list[str]:
    """Lines that say it in words, the warnings last."""
    q = quality
    lines = [
        f"clear: {q.pre_clear:.1f} % before, {q.post_clear:.1f} % after, {q.both_clear:.1f} % in both"
    ]
    if q.shift_east is None or q.shift_north is None:
        lines.append("shift: not measured")
    else:
        lines.append(
            f"shift: {q.shift_pixels:.2f} pixels ({q.shift_east:+.1f} m east, {q.shift_north:+.1f} m north; "
            f"{q.chips} chips, spread {q.shift_spread:.2f} pixels)"
        )
    if q.sun_azimuth_difference is None:
        lines.append("sun: not known")
    else:
        lines.append(
            f"sun: {q.sun_azimuth_difference:.1f} degrees apart in azimuth, "
            f"{q.sun_elevation_difference:.1f} in elevation"
        )
    days = "not known" if q.season_difference is None else f"{q.season_difference} days apart"
    return [*lines, f"season: {days}", *(f"warning: {text}" for text in q.warnings)]


def _step(cube: xr.Dataset, name: str) -> float:
    """Metres from one pixel to the next along a dimension, with sign."""
    places = cube[name].values
    return float(places[1] - places[0]) if len(places) > 1 else 0.0


Dates = tuple[float | None, float | None]


def _overview(
    cube: xr.Dataset,
) -> tuple[tuple[float, float, float], Dates, npt.NDArray[np.float64]]:
    """Clear percentages, median dates, and the share of clear pixels of each smallest chip."""
    observed, area = da.asarray(cube["observed"].data), da.asarray(cube["area"].data)
    inside = inside_area(area)
    sides = [inside & ((observed & mask) == 0) for mask in (0x00FF, 0xFF00, 0xFFFF)]
    days = [_day_counts(cube[name], inside) for name in ("pre_date", "post_date")]
    count, *usable, pre_days, post_days, share = dask.compute(
        inside.sum(), *(side.sum() for side in sides), *days, _shares(sides[2])
    )
    pre, post, both = (100.0 * float(number) / max(int(count), 1) for number in usable)
    return (pre, post, both), (_median_day(pre_days), _median_day(post_days)), share


def _shares(clear: da.Array) -> da.Array:
    """Share of clear pixels in each smallest chip; what is left over at the edges is left out."""
    size = CHIP_SIZES[-1]
    rows, columns = (length // size for length in clear.shape)
    if not rows or not columns:
        return da.zeros((rows, columns))
    return da.coarsen(np.mean, clear[: rows * size, : columns * size], {0: size, 1: size})


def _day_counts(dates: xr.DataArray, inside: da.Array) -> da.Array:
    """Pixels inside the area on each day since 1970-01-01; days before are no data."""
    days = da.where(inside, da.asarray(dates.data), -1)
    counts, _ = da.histogram(days, bins=np.iinfo(np.int16).max + 1, range=(-0.5, 32767.5))
    return counts


def _median_day(counts: npt.NDArray[np.int64]) -> float | None:
    """Median of the days, None where no pixel has one."""
    below = np.cumsum(counts)
    return float(np.searchsorted(below, below[-1] / 2)) if below[-1] else None


def _season_difference(pre: float | None, post: float | None) -> int | None:
    if pre is None or post is None:
        return None
    apart = abs(post - pre) % YEAR
    return round(min(apart, YEAR - apart))


def _choose_chips(share: npt.NDArray[np.float64]) -> tuple[list[tuple[int, int]], int]:
    """First row and column of the chips to compare, and their size."""
    for size in CHIP_SIZES:
        cells = size // CHIP_SIZES[-1]
        rows, columns = (length // cells for length in share.shape)
        whole = share[: rows * cells, : columns * cells]
        places = _spread_out(whole.reshape(rows, cells, columns, cells).mean(axis=(1, 3)), size)
        if len(places) >= ENOUGH:
            break
    return places, size


def _spread_out(share: npt.NDArray[np.float64], size: int) -> list[tuple[int, int]]:
    """First row and column of clear chips, far from each other."""
    free = [tuple(place) for place in np.argwhere(share >= CLEAR_CHIP)]
    chosen: list[tuple[int, ...]] = []
    while free and len(chosen) < CHIPS:
        best = max(free, key=lambda place: share[place] * _distance(place, chosen))
        chosen.append(best)
        free.remove(best)
    return [(int(row) * size, int(column) * size) for row, column in chosen]


def _distance(place: tuple[int, ...], others: list[tuple[int, ...]]) -> float:
    return min((math.dist(place, other) for other in others), default=1.0)


def _chip_shifts(
    cube: xr.Dataset, places: Sequence[tuple[int, int]], size: int
) -> list[tuple[float, float] | None]:
    """Shift of each chip, None where it shows nothing; all are read at once."""
    images = [cube[name].mean("band", skipna=False) for name in ("pre", "post")]
    pairs = dask.compute(
        [
            [image[row : row + size, column : column + size].data for image in images]
            for row, column in places
        ]
    )[0]
    return [chip_shift(*(np.asarray(chip, np.float64) for chip in pair)) for pair in pairs]


def _sun_difference(pre: Sequence[float], post: Sequence[float]) -> tuple[float, float] | None:
    if len(pre) != 2 or len(post) != 2:
        return None
    azimuth = abs((post[0] - pre[0] + 180) % 360 - 180)
    return float(azimuth), float(abs(post[1] - pre[1]))


def _clear_warnings(both: float) -> list[str]:
    if both >= LOW_CLEAR:
        return []
    return [f"only {both:.0f} % of the area is clear in both images"]


def _shift_warnings(
    shift: Shift | None, length: float | None, chips: int, textured: int
) -> list[str]:
    if shift is None or length is None:
        return [
            "the shift between the images could not be measured: "
            f"{chips} parts of the area are clear, {textured} of them show contrast, too few agree"
        ]
    if length <= LARGEST_SHIFT:
        return []
    return [
        f"the image after lies {length:.1f} pixels off the image before; "
        "cube.coregister = true moves it back"
    ]


def _season_warnings(days: int | None, sun: tuple[float, float] | None) -> list[str]:
    """What a better image before would be."""
    found = []
    if days is not None and days > OTHER_SEASON:
        found.append(
            f"the images are {days} days of the year apart: plants, snow and fields differ for that alone, "
            "and can look like landslides; source.years_before looks for the same season of more years"
        )
    if sun is not None and sun[1] > OTHER_SUN:
        found.append(
            f"the sun stood {sun[1]:.0f} degrees higher in one image: shadows of another length can look "
            "like change"
        )
    return found


def _level_warnings(pre: Sequence[str], post: Sequence[str]) -> list[str]:
    """Levels are comparable only with themselves: the atmosphere brightens L1C, above all in blue."""
    sides = [sorted({str(level) for level in levels if level}) for levels in (pre, post)]
    if len({*sides[0], *sides[1]}) <= 1:
        return []
    before, after = (" and ".join(levels) or "unknown" for levels in sides)
    return [
        f"the images have different levels (before: {before}, after: {after}), "
        "their reflectance is not comparable; choose collections of one level"
    ]
