"""A map's variables as cloud-optimised GeoTIFFs, streamed block by block.

Memory does not grow with the map: a block is a shard of the map's store, and GDAL's cache is bounded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import odc.geo.xr  # noqa: F401  (the .odc accessor)
import rasterio
import rasterio.shutil
import xarray as xr
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # what a copy raises on a full disk; no public name of it
from rasterio.errors import RasterioError
from rasterio.windows import Window

from lscube.errors import StoreError
from lscube.files import appearing
from lscube.mapping.opening import manifest_of
from lscube.mapping.store import NOT_MAPPED, STEP
from lscube.paths import StrPath

Block = tuple[slice, slice]
"""Rows and columns."""

CACHE = 128_000_000
"""Bytes of GDAL's cache; its default is a share of the machine's memory."""

TILE = 512
"""Edge of a GeoTIFF's tiles in pixels."""


@dataclass(frozen=True)
class Coding:
    """How a variable is stored."""

    dtype: str
    """Of the stored number."""
    nodata: float | None = None
    """Stored where nothing is known; None where every pixel has a value."""
    scale: float | None = None
    """Value of one step; None: the value itself is stored."""
    overviews: str = "nearest"
    """How GDAL makes coarser levels."""

    def encode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values as they are stored."""
        kind = np.dtype(self.dtype)
        if self.scale is None or self.nodata is None:
            return np.asarray(values, kind)
        missing = np.isnan(values)
        steps = np.rint(np.where(missing, 0, values) / self.scale)
        return np.where(missing, self.nodata, steps).astype(kind)


def coding_of(mapped: xr.Dataset, name: str) -> Coding:
    """How a map's variable is stored: as in the map."""
    if name not in ("probability", "spread"):
        return Coding(mapped[name].dtype.name)
    if manifest_of(mapped)["predict"]["dtype"] == "uint8":
        return Coding("uint8", NOT_MAPPED, STEP, "average")
    return Coding("float32", np.nan, None, "average")


def blocks_of(shape: tuple[int, ...], edge: int) -> Iterator[Block]:
    """Blocks of an image, from the north-west; the last may be smaller."""
    rows, columns = shape
    for top in range(0, rows, edge):
        for left in range(0, columns, edge):
            yield (
                slice(top, min(top + edge, rows)),
                slice(left, min(left + edge, columns)),
            )


def shard_of(mapped: xr.Dataset) -> int:
    """Edge of the blocks in which a map is stored, and so best read."""
    return int(manifest_of(mapped)["layout"]["shard"])


def read_block(plane: xr.DataArray, block: Block) -> NDArray[Any]:
    """Values of a block."""
    rows, columns = block
    values: NDArray[Any] = plane.isel(y=rows, x=columns).to_numpy()
    return values


PLAIN = Coding("float32", np.nan, None, "average")
"""The value itself, NaN where there is none: for programs that know neither scale nor offset."""


def write_cog(path: StrPath, mapped: xr.Dataset, name: str, coding: Coding | None = None) -> None:
    """Write a map's variable as cloud-optimised GeoTIFF with overviews, as it is stored in the map.

    Probabilities keep their steps (a byte of 0..250 with scale 0.004 and no-data value 255, or float32);
    coarser levels are the mean of what is known. Flags keep their bits; coarser levels are samples.

    Parameters
    ----------
    path
        File to write.
    mapped
        From `lscube.mapping.open_map`.
    name
        Of the variable, (y, x).
    coding
        How numbers are stored, where not as in the map.

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    path = Path(path)
    coding = coding or coding_of(mapped, name)
    with appearing(path) as partial, rasterio.Env(GDAL_CACHEMAX=CACHE):
        plain = partial.with_name(f"{partial.name}.plain")
        try:
            _write_plain(plain, mapped, name, coding)
            rasterio.shutil.copy(
                plain,
                partial,
                driver="COG",
                compress="deflate",
                predictor="yes",
                blocksize=TILE,
                bigtiff="if_safer",
                overview_resampling=coding.overviews,
            )
        except (RasterioError, CPLE_BaseError) as error:
            raise _failed(path, error) from None


def _failed(path: Path, error: Exception) -> StoreError:
    reason = str(error).splitlines()[0]
    return StoreError(
        f"Expected to write {path}, but {reason}; free space or choose another place."
    )


def _write_plain(path: Path, mapped: xr.Dataset, name: str, coding: Coding) -> None:
    """A tiled GeoTIFF without overviews, which GDAL's COG driver needs to start from."""
    plane, grid = mapped[name], mapped.odc.geobox
    profile = {
        "driver": "GTiff",
        "count": 1,
        "dtype": coding.dtype,
        "height": grid.shape[0],
        "width": grid.shape[1],
        "crs": str(grid.crs),
        "transform": grid.affine,
        "nodata": coding.nodata,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "compress": "deflate",
        "zlevel": 1,
        "bigtiff": "if_safer",
    }
    with rasterio.open(path, "w", **profile) as file:
        if coding.scale is not None:
            file.scales, file.offsets = (coding.scale,), (0.0,)
        file.set_band_description(1, name)
        file.update_tags(1, long_name=str(plane.attrs.get("long_name", name)))
        for rows, columns in blocks_of(plane.shape, shard_of(mapped)):
            values = coding.encode(read_block(plane, (rows, columns)))
            file.write(values, 1, window=Window.from_slices(rows, columns))


def digest_pixels(
    mapped: xr.Dataset, watch: Callable[[str, NDArray[Any]], object] = lambda name, values: None
) -> dict[str, str]:
    """sha256 of each of a map's variables, of its values as they are stored, block by block.

    Parameters
    ----------
    mapped
        From `lscube.mapping.open_map`; the edge of the blocks is the shard's in its manifest.
    watch
        Told the values of each block, decoded, by variable: so that a map is read once.

    Returns
    -------
    dict
        Hexadecimal digest by name, of the variables over (y, x); those over another dimension as well
        (which items could not be read) say how the run went, not what the pixels are.
    """
    found = {}
    for name, plane in mapped.data_vars.items():
        if plane.dims != ("y", "x"):
            continue
        seen, coding = hashlib.sha256(), coding_of(mapped, str(name))
        for block in blocks_of(plane.shape, shard_of(mapped)):
            values = read_block(plane, block)
            watch(str(name), values)
            seen.update(_bytes(values, coding))
        found[str(name)] = seen.hexdigest()
    return found


def _bytes(values: NDArray[Any], coding: Coding) -> bytes:
    """The same on every machine; days since 1970 for dates, one number for all that is not known."""
    if values.dtype.kind == "M":
        return values.astype("datetime64[D]").astype("<i8").tobytes()
    stored = coding.encode(values)
    if stored.dtype.kind == "f":
        stored = np.where(np.isnan(stored), np.float32(np.nan), stored)
    return stored.astype(stored.dtype.newbyteorder("<")).tobytes()
