"""Lazy reading of assets onto a grid, with stackstac called so that its faults cannot bite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
import rasterio
import stackstac
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.windows import Window
from stackstac.raster_spec import RasterSpec

from lscube.catalog import Patience, Sign, unsigned
from lscube.cube.opening import PATIENCE, read_from
from lscube.cube.radiometry import Radiometry
from lscube.cube.resampling import CLASSES as CLASSES
from lscube.cube.resampling import ELEVATION as ELEVATION
from lscube.cube.resampling import REFLECTANCE as REFLECTANCE
from lscube.cube.resampling import Place, Recipe, read_onto
from lscube.cube.stated import NOTHING_STATED, Stated
from lscube.errors import SourceError
from lscube.grid import Bounds, bounds_of, epsg_of, resolution_of

Chunks = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Source:
    """One band of one file, as it is needed for reading."""

    href: str
    """Unsigned address or path."""
    band: int
    """Number of the band in the file, from 1."""
    extent: Bounds
    """In the grid's CRS: west, south, east, north."""
    stated: Stated = NOTHING_STATED
    """What item and settings say about its numbers."""
    known: Radiometry | None = None
    """How its numbers become reflectance, where file and pixels were looked at; else it is decided by what
    is stated and the file's header when the file is opened."""
    dark: float | None = None
    """Number of the item's dark pixels, where other bands were looked at."""


def overlaps(one: Bounds, other: Bounds) -> bool:
    """Whether two extents share some area."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@dataclass(frozen=True)
class Access:
    """How files are opened."""

    sign: Sign
    """Gives the address to open, just before reading."""
    patience: Patience = PATIENCE
    """How often a file is tried."""


class AssetReader:
    """Reads windows of one asset on the grid's pixels: stackstac's `Reader` protocol.

    A file that cannot be read becomes a `SourceError` that names the asset, never silent zeros; numbers
    that cannot be what they are said to be, a `SceneError`.
    """

    def __init__(
        self,
        *,
        access: Access,
        recipe: Recipe,
        sources: Sequence[Source],
        url: str,
        spec: RasterSpec,
        resampling: object,
        dtype: np.dtype[Any],
        fill_value: float,
        scale_offset: tuple[float, float],
        gdal_env: object = None,
        errors_as_nodata: tuple[Exception, ...] = (),
    ) -> None:
        if tuple(scale_offset) != (1, 0) or errors_as_nodata:
            raise ValueError("AssetReader neither rescales nor turns errors into no data")
        self.access = access
        self.recipe = recipe
        self.source = sources[int(url)]
        self.spec = spec

    def read(self, window: Window) -> npt.NDArray[Any]:
        """Pixels of a window of the grid, shape (height, width)."""
        corner = Affine.translation(window.col_off, window.row_off)
        place = Place(self.spec.epsg, self.spec.transform @ corner, (window.height, window.width))
        return read_from(
            self.source.href, partial(self._read, place), self.access.sign, self.access.patience
        )

    def _read(self, place: Place, file: rasterio.DatasetReader) -> npt.NDArray[Any]:
        source = self.source
        check_band(file, source.href, source.band)
        return read_onto(
            file, source.band, place, self.recipe, source.stated, source.known, source.dark
        )

    def close(self) -> None:
        """Nothing: files are kept open, and closed, by `lscube.cube.opening`."""


def check_band(file: rasterio.DatasetReader, href: str, band: int) -> None:
    """Refuse a file that lacks a band.

    Raises
    ------
    SourceError
        It has fewer bands.
    """
    if band > file.count:
        raise SourceError(
            f"Expected at least {band} bands in {unsigned(href)}, found {file.count}; choose other bands."
        )


def stack_assets(
    scenes: Sequence[Sequence[Source]],
    recipe: Recipe,
    grid: GeoBox,
    access: Access,
    chunks: Chunks | None = None,
) -> da.Array:
    """Lazily read assets of several scenes onto one grid.

    Parameters
    ----------
    scenes
        For each scene its sources, for example one per band; all of one length. All touch the grid.
    recipe, grid, access
        How, where, and with whose leave.
    chunks
        Along y and x; by default one chunk.

    Returns
    -------
    dask array, shape (scene, source, y, x), chunks (1, all, ...)
        Of `recipe.dtype`; values as `lscube.cube.resampling.read_onto` gives them.
    """
    epsg = epsg_of(grid)
    stack = stackstac.stack(
        [_plain_item(index, sources, epsg) for index, sources in enumerate(scenes)],
        assets=[str(number) for number in range(len(scenes[0]))],
        epsg=epsg,
        bounds=bounds_of(grid),
        resolution=resolution_of(grid),
        snap_bounds=False,
        dtype=np.dtype(recipe.dtype),
        fill_value=np.dtype(recipe.dtype).type(recipe.fill),
        rescale=False,
        resampling=recipe.resampling,
        chunksize=((1,) * len(scenes), (len(scenes[0]),), *(chunks or _one_chunk(grid))),
        sortby_date=False,
        xy_coords=False,
        properties=False,
        band_coords=False,
        errors_as_nodata=(),
        reader=partial(
            AssetReader,
            access=access,
            recipe=recipe,
            sources=[s for scene in scenes for s in scene],
        ),
    )
    if stack.shape[2:] != grid.shape or not stack.attrs["transform"].almost_equals(grid.affine):
        raise SourceError(
            f"Expected a stack on {grid.shape} pixels at {tuple(grid.affine)[:6]}, stackstac gave "
            f"{stack.shape[2:]} at {tuple(stack.attrs['transform'])[:6]}; please report this."
        )
    return stack.data


def read_scene(
    sources: Sequence[Source], recipe: Recipe, grid: GeoBox, access: Access
) -> npt.NDArray[Any]:
    """Read the assets of one scene now, within the task that needs them: (source, y, x)."""
    if not all(overlaps(source.extent, bounds_of(grid)) for source in sources):
        # stackstac leaves out what does not reach the grid.
        return np.full((len(sources), *grid.shape), recipe.fill, recipe.dtype)
    stack = stack_assets([sources], recipe, grid, access)
    # Not `compute`, which optimises, and copies its result.
    pixels: npt.NDArray[Any] = dask.get(stack.__dask_graph__(), (stack.name, 0, 0, 0, 0))[0]
    return pixels


def _one_chunk(grid: GeoBox) -> Chunks:
    return (grid.shape[0],), (grid.shape[1],)


def _plain_item(index: int, sources: Sequence[Source], epsg: int) -> dict[str, Any]:
    """The least that stackstac needs of an item, in the layout that it reads."""
    assets = {
        str(number): {
            # The reader finds the source by its number: an address can remember a signature.
            "href": str(index * len(sources) + number),
            "proj:epsg": epsg,
            "proj:bbox": source.extent,
        }
        for number, source in enumerate(sources)
    }
    # stackstac insists on a date; order and dates are lscube's own business.
    when = {"datetime": "1970-01-01T00:00:00Z"}
    return {"id": str(index), "bbox": [-180, -90, 180, 90], "properties": when, "assets": assets}
