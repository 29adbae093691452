"""What is said of a raster's numbers: by the file itself, by the item that points to it, by the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags

Kind = Literal["reflectance", "elevation", "classes", "mask"]
"""What a raster shows: reflectance (0..1), metres, classes 0..255, or pixels to mask (not 0)."""


@dataclass(frozen=True)
class Claim:
    """One statement about a band's numbers."""

    words: str
    """Who says it: "raster:bands scale", "the file's scale"."""
    value: float
    """What is said; of a unit, how many metres (or how much reflectance) it is."""

    def __str__(self) -> str:
        return f"{self.words} {self.value:g}"


@dataclass(frozen=True)
class Sentinel2:
    """What a Sentinel-2 item says that bears on the 1000 that ESA adds to digital numbers."""

    flag: bool | None
    """Earth Search's `earthsearch:boa_offset_applied`."""
    baseline: float | None
    """Processing baseline."""
    older: bool
    """Whether the scene was taken before baseline 04.00 began."""


@dataclass(frozen=True)
class Stated:
    """What an item and the settings say about one band; it travels with the tasks that read the band."""

    name: str = "the file"
    """For messages: "asset red of item X"."""
    item: str = ""
    """The item's id, by which settings can speak of it."""
    scale: tuple[Claim, ...] = ()
    offset: tuple[Claim, ...] = ()
    nodata: tuple[Claim, ...] = ()
    unit: tuple[tuple[str, str], ...] = ()
    """Who says it, and the unit."""
    types: tuple[str, ...] = ()
    """Data types."""
    classes: tuple[tuple[int, str], ...] = ()
    """Classes and their names in small letters, from STAC's classification extension."""
    picture: bool = False
    """Whether key or role say that it is a picture for the eye."""
    level: str | None = None
    """Processing level of Sentinel-2."""
    sentinel2: Sentinel2 | None = None
    """Set for a Sentinel-2 scene's bands."""
    own_scale: float | None = None
    """Settings decide: `cube.scale`, `cube.elevation_scale`."""
    own_offset: float | None = None
    """Settings decide: `cube.offset`, `cube.elevation_offset`."""
    own_nodata: float | None = None
    """Settings decide: `cube.nodata`, `cube.elevation_nodata`."""


NOTHING_STATED = Stated()
"""Of a file that no item points to."""


@dataclass(frozen=True)
class Header:
    """What a file says about one of its bands."""

    dtype: str
    """Type of the numbers."""
    nodata: float | None = None
    scale: float | None = None
    """None where it is 1, GDAL's default."""
    offset: float | None = None
    """None where it is 0, GDAL's default."""
    unit: str = ""
    masked: bool = False
    """Whether an internal mask or an alpha band tells which pixels are valid."""
    alpha: int | None = None
    """Number of the alpha band."""
    palette: bool = False
    """Whether numbers stand for colours of a table."""


def header_of(source: rasterio.DatasetReader, band: int) -> Header:
    """What an open file says about a band (from 1)."""
    flags = source.mask_flag_enums[band - 1]
    colours = _colours_of(source)
    alpha = next((n for n, kind in enumerate(colours, 1) if kind == ColorInterp.alpha), None)
    scale, offset = float(source.scales[band - 1]), float(source.offsets[band - 1])
    return Header(
        dtype=str(source.dtypes[band - 1]),
        nodata=None if source.nodatavals[band - 1] is None else float(source.nodatavals[band - 1]),
        scale=None if scale == 1.0 else scale,
        offset=None if offset == 0.0 else offset,
        unit=str(source.units[band - 1] or ""),
        masked=alpha is not None or MaskFlags.per_dataset in flags,
        alpha=alpha,
        palette=colours[band - 1] == ColorInterp.palette,
    )


def _colours_of(source: rasterio.DatasetReader) -> tuple[ColorInterp, ...]:
    try:
        return tuple(source.colorinterp)
    except CPLE_BaseError:
        # An earlier failure of this thread, with another file, that GDAL tells only now.
        return tuple(source.colorinterp)
