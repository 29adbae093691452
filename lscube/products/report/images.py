"""Pictures as addresses that hold them: the page needs no other file."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from lscube.evaluate.cube_picture import COLOURS
from lscube.evaluate.picture import true_colour
from lscube.products.report.overview import REASONS, UNKNOWN, Days, Overview, step_of

if TYPE_CHECKING:
    from PIL.Image import Image

Colour = tuple[int, int, int, int]
"""Red, green, blue and opacity, 0 to 255."""

SHOWN_FROM = 5
"""Percent of probability below which nothing is shown."""

STEPS = 5
"""Percent between two shades of probability; fewer shades make a smaller file."""


@dataclass(frozen=True)
class Photographs:
    """Images before and after on one grid."""

    before: str
    """Address of a WebP."""
    after: str
    """The same after the event."""
    grid: GeoBox
    """Where they lie."""
    days: Days | None
    """Of the image before, where the cube says it."""


def photographs(images: xr.Dataset, edge: int, quality: int) -> Photographs:
    """Before and after with one stretch for both, so that what changed looks changed.

    Parameters
    ----------
    images
        With `pre` and `post`, (band, y, x).
    edge
        Longest edge in pixels; larger images are averaged in blocks.
    quality
        1 to 100.
    """
    both: Any = images[["pre", "post"]].isel(band=slice(0, 3))
    grid: GeoBox = both.odc.geobox
    step = step_of(grid.shape, edge)
    if step > 1:
        both = both.coarsen(y=step, x=step, boundary="pad").mean()
        shape = both.sizes["y"], both.sizes["x"]
        grid = GeoBox(shape, grid.affine @ Affine.scale(step), grid.crs)
    # One below the other they are stretched alike.
    tall = xr.concat([both["pre"], both["post"]], "y", join="override")
    tall, dates = dask.compute(tall, images.get("pre_date"))  # both of the same files
    before, after = np.split(np.rint(255 * true_colour(tall)).astype(np.uint8), 2)
    return Photographs(
        _photograph(before, quality), _photograph(after, quality), grid, _days(dates)
    )


def _days(dates: xr.DataArray | None) -> Days | None:
    """First and last of days since 1970-01-01; negative ones stand for none."""
    if dates is None:
        return None
    days = dates.to_numpy().ravel()
    known = days[~np.isnat(days)] if days.dtype.kind == "M" else days[days >= 0].astype(np.int64)
    if not known.size:
        return None
    return known.min().astype("datetime64[D]"), known.max().astype("datetime64[D]")


def _photograph(pixels: npt.NDArray[np.uint8], quality: int) -> str:
    from PIL import Image

    return _address(Image.fromarray(pixels), "webp", quality=quality, method=4)


def probability_image(overview: Overview) -> str:
    """Probability as PNG, clearer where it is low."""
    shade = overview.probability // STEPS
    shade[overview.probability == UNKNOWN] = UNKNOWN
    return _palette_image(shade, dict(enumerate(probability_colours())))


def probability_colours() -> list[Colour]:
    """Colour of each shade of probability."""
    from matplotlib import colormaps

    shades = 100 // STEPS + 1
    colours: list[Colour] = []
    for shade in range(shades):
        percent = shade * STEPS
        red, green, blue, _ = colormaps["YlOrRd"](0.15 + 0.85 * percent / 100, bytes=True)
        opacity = 0 if percent < SHOWN_FROM else min(255, 90 + round(1.65 * percent))
        colours.append((int(red), int(green), int(blue), opacity))
    return colours


def reason_image(reasons: npt.NDArray[np.uint8]) -> str:
    """Why blocks were not observed as PNG, clear where they were."""
    return _palette_image(reasons, {rank: (*rgb, 210) for rank, rgb in enumerate(_reason_rgb(), 1)})


def _reason_rgb() -> list[tuple[int, int, int]]:
    from matplotlib.colors import to_rgb

    return [
        (round(255 * red), round(255 * green), round(255 * blue))
        for red, green, blue in (to_rgb(COLOURS[reason]) for reason in REASONS)
    ]


def reason_colours() -> list[str]:
    """Colour of each of `REASONS`, as a page writes it."""
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in _reason_rgb()]


def _palette_image(values: npt.NDArray[np.uint8], colours: dict[int, Colour]) -> str:
    """Numbers as PNG: each with its colour, the others clear."""
    from PIL import Image

    palette, opacity = np.zeros((256, 3), np.uint8), bytearray(256)
    for value, (*rgb, alpha) in colours.items():
        palette[value], opacity[value] = rgb, alpha
    image = Image.frombytes("P", values.shape[::-1], np.ascontiguousarray(values).tobytes())
    image.putpalette(palette.tobytes())
    return _address(image, "png", transparency=bytes(opacity), optimize=True)


def _address(image: Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
