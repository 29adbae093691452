"""Lazy reading of assets onto a grid, with stackstac called so that its faults cannot bite."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import dask.array as da
import numpy as np
import numpy.typing as npt
import pystac
import rasterio
import stackstac
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window
from stackstac.raster_spec import RasterSpec

from lscube.errors import SourceError
from lscube.grid import bounds_of, epsg_of, resolution_of

DRIVERS = ("GTiff", "JP2OpenJPEG")
"""Formats that may be opened; a VRT named `.tif` would open other files of its maker's choice."""

GDAL_SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MULTIRANGE": "YES",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "1",
}

Chunks = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Recipe:
    """How one kind of asset is put onto a grid."""

    dtype: Literal["uint8", "uint16", "float32"]
    """Type of the pixels."""
    fill: float
    """Value of pixels that the source does not have."""
    resampling: Resampling
    """How pixels are resampled where source and grid differ."""
    nodata: float
    """The source's no-data value where its file does not say."""


REFLECTANCE = Recipe("uint16", 0, Resampling.bilinear, 0)
CLASSES = Recipe("uint8", 0, Resampling.nearest, 0)
# Of the kernels tried on a 30 m surface at 10 m, the one with the truest slopes.
ELEVATION = Recipe("float32", np.nan, Resampling.cubic_spline, -32768)


def without_query(href: str) -> str:
    """An address as it may be printed: without a signature or token."""
    return href.split("?", 1)[0]


class AssetReader:
    """Reads windows of one asset on the grid's pixels: stackstac's `Reader` protocol.

    Any failure becomes a `SourceError` that names the asset, never silent zeros.
    """

    nodata: float = 0.0
    """Used where the file does not say; a subclass per recipe sets it."""

    def __init__(
        self,
        *,
        url: str,
        spec: RasterSpec,
        resampling: Resampling,
        dtype: np.dtype[Any],
        fill_value: float,
        scale_offset: tuple[float, float],
        gdal_env: object = None,
        errors_as_nodata: tuple[Exception, ...] = (),
    ) -> None:
        scale, offset = scale_offset
        if scale != 1 or offset != 0 or errors_as_nodata:
            raise ValueError("AssetReader neither rescales nor turns errors into no data")
        self.url = url
        self.spec = spec
        self.resampling = resampling
        self.dtype = np.dtype(dtype)
        self.fill_value = fill_value
        self._opened = threading.local()

    def _open(self) -> WarpedVRT:
        """Open, for this thread, a view of the asset on the grid; GDAL datasets are not thread-safe."""
        if not hasattr(self._opened, "view"):
            source = rasterio.DatasetReader(self.url, driver=list(DRIVERS), sharing=False)
            if source.count != 1:
                raise SourceError(
                    f"Expected one band in {without_query(self.url)}, found {source.count}; "
                    "choose an asset with a single band."
                )
            nodata = source.nodata if source.nodata is not None else self.nodata
            # In the grid's own type: an int16 surface would be resampled to whole metres.
            self._opened.source = source
            self._opened.view = WarpedVRT(
                source,
                sharing=False,
                resampling=self.resampling,
                src_nodata=nodata,
                nodata=nodata,
                dtype=self.dtype.name,
                **self.spec.vrt_params,
            )
        view: WarpedVRT = self._opened.view
        return view

    def read(self, window: Window) -> npt.NDArray[Any]:
        """Pixels of a window of the grid, shape (height, width)."""
        try:
            with rasterio.Env(**GDAL_SETTINGS):
                pixels = self._open().read(1, window=window, masked=True)
        except rasterio.errors.RasterioError as error:
            reason = without_query(str(error).splitlines()[0]).rstrip(".")
            raise SourceError(
                f"Expected a GeoTIFF or JPEG 2000 image at {without_query(self.url)}, but reading it "
                f"failed ({reason}); check the file or leave the item out."
            ) from None
        filled: npt.NDArray[Any] = pixels.filled(self.fill_value).astype(self.dtype, copy=False)
        return filled

    def close(self) -> None:
        """Forget this reader's open files."""
        self._opened = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_opened"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._opened = threading.local()


class SurfaceReader(AssetReader):
    """Reads surface models, whose files often do not say which value is no data."""

    nodata = ELEVATION.nodata


def stack_assets(
    items: Sequence[pystac.Item],
    keys: Sequence[Sequence[str]],
    names: Sequence[str],
    recipe: Recipe,
    grid: GeoBox,
    chunks: Chunks,
) -> da.Array:
    """Lazily read assets of several items onto one grid.

    Parameters
    ----------
    items
        At least one.
    keys
        For each item its assets' keys, in the order of `names`.
    names
        One name per asset, for example the bands.
    recipe, grid, chunks
        How and where.

    Returns
    -------
    dask array, shape (item, name, y, x), chunks (1, all, ...)
        Items that do not reach the grid are all fill value.
    """
    plain = [
        _plain_item(item, own, names, index)
        for index, (item, own) in enumerate(zip(items, keys, strict=True))
    ]
    resolution = resolution_of(grid)
    stack = stackstac.stack(
        plain,
        assets=list(names),
        epsg=epsg_of(grid),
        bounds=bounds_of(grid),
        resolution=resolution,
        snap_bounds=False,
        dtype=np.dtype(recipe.dtype),
        fill_value=np.dtype(recipe.dtype).type(recipe.fill),
        rescale=False,
        resampling=recipe.resampling,
        chunksize=((1,) * len(plain), (len(names),), *chunks),
        sortby_date=False,
        xy_coords=False,
        properties=False,
        band_coords=False,
        errors_as_nodata=(),
        reader=SurfaceReader if recipe is ELEVATION else AssetReader,
    )
    if stack.shape[2:] != grid.shape or not stack.attrs["transform"].almost_equals(grid.affine):
        raise SourceError(
            f"Expected a stack on {grid.shape} pixels at {tuple(grid.affine)[:6]}, stackstac gave "
            f"{stack.shape[2:]} at {tuple(stack.attrs['transform'])[:6]}; please report this."
        )
    return stack.data


def reaches(item: pystac.Item, key: str, grid: GeoBox) -> bool:
    """Whether an asset's extent overlaps a grid (as stackstac sees it, which drops the others)."""
    from stackstac.prepare import prepare_items

    plain = _plain_item(item, [key], ["asset"], 0)
    table, *_ = prepare_items(
        [plain],
        assets=["asset"],
        epsg=epsg_of(grid),
        bounds=bounds_of(grid),
        resolution=resolution_of(grid),
        snap_bounds=False,
        rescale=False,
        dtype=np.dtype("float32"),
    )
    return bool(table.size)


def _plain_item(
    item: pystac.Item, keys: Sequence[str], names: Sequence[str], index: int
) -> dict[str, Any]:
    """The least that stackstac needs of an item, in the layout that it reads (`proj:epsg`)."""
    assets = {}
    for key, name in zip(keys, names, strict=True):
        asset = item.assets[key]
        fields = {f: asset.extra_fields[f] for f in _PROJECTION if f in asset.extra_fields}
        assets[name] = {"href": asset.href, "proj:epsg": _epsg(asset.extra_fields, item), **fields}
    properties = {f: item.properties[f] for f in _PROJECTION if f in item.properties}
    # stackstac insists on a date; order and dates are lscube's own business.
    return {
        "id": f"{index}",
        "bbox": item.bbox,
        "properties": {"datetime": "1970-01-01T00:00:00Z", **properties},
        "assets": assets,
    }


_PROJECTION = ("proj:bbox", "proj:shape", "proj:transform")


def _epsg(fields: dict[str, Any], item: pystac.Item) -> int | None:
    for source in (fields, item.properties):
        if source.get("proj:epsg"):
            return int(source["proj:epsg"])
        code = str(source.get("proj:code") or "")
        if code.startswith("EPSG:"):
            return int(code.removeprefix("EPSG:"))
    return None
