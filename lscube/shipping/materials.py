"""What a general model is made from, as it lies in files: chips and their places, pairs, surface models."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.warp import calculate_default_transform, reproject
from scipy import ndimage

from lscube.errors import InventoryError
from lscube.grid import utm_epsg
from lscube.learn import read_chips
from lscube.learn.pretraining.blocks import DN, Block, put_together, read_places
from lscube.learn.pretraining.pairs import Scenery, scenery
from lscube.paths import StrPath

Floats = NDArray[np.float32]

BANDS = ("B04", "B03", "B02")
"""Red, green and blue."""
COARSE = "wildfire"
"""Pairs whose names begin so have pixels of 20 m; they are enlarged."""


@dataclass(frozen=True)
class Materials:
    """Where everything lies."""

    chips: StrPath
    """Folder of NPZ files of chips."""
    places: StrPath
    """CSV file that says where each chip was cut from."""
    twins: StrPath
    """Folder of simulated twins; what is missing is made."""
    pairs: StrPath | None = None
    """Folder (searched with all below it) of NPZ files with images before and after."""
    surfaces: StrPath | None = None
    """Folder of surface models as GeoTIFF."""


def read_blocks(materials: Materials) -> dict[str, Block]:
    """Read all chips and put them together, by block."""
    files = sorted(Path(materials.chips).glob("*.npz"))
    if not files:
        raise InventoryError(f"Expected NPZ files of chips in {materials.chips}, found none.")
    chips = {path.stem: read_chips(path) for path in files}
    return put_together(chips, read_places(materials.places))


def read_sceneries(folder: StrPath) -> dict[str, Scenery]:
    """Read the pairs of a folder that show something, by the file's name.

    A file holds either `before_B04`, `after_B04`, ... or `before`, `after` (band, y, x) and `bands`: DN at
    the top of the atmosphere or of the surface, 0 where there is no data. Files of other content are left
    out; images of two sizes are brought to the first's.
    """
    found = {}
    for path in sorted(Path(folder).rglob("*.npz")):
        sides = _sides(path)
        if sides is None:
            continue
        before, after = (_enlarged(side, path.stem) for side in sides)
        if before.shape != after.shape:
            scale = [
                1.0,
                *(
                    ours / theirs
                    for ours, theirs in zip(before.shape[1:], after.shape[1:], strict=True)
                ),
            ]
            after = ndimage.zoom(after, scale, order=1)
        made = scenery(path.stem, *(_gaps(side) for side in (before, after)))
        if made is not None:
            found[path.stem] = made
    return found


def _sides(path: Path) -> tuple[Floats, Floats] | None:
    """Red, green and blue before and after, DN."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if f"before_{BANDS[0]}" in file:
                before, after = (
                    np.stack([file[f"{side}_{band}"] for band in BANDS])
                    for side in ("before", "after")
                )
            elif {"before", "after", "bands"} <= set(file.files):
                names = [str(name) for name in file["bands"]]
                chosen = [names.index(band) for band in BANDS]
                before, after = (file[side][chosen] for side in ("before", "after"))
            else:
                return None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InventoryError(
            f"Expected images before and after with {', '.join(BANDS)} in {path}, but {error}; leave the "
            "file out."
        ) from None
    return before.astype(np.float32), after.astype(np.float32)


def _enlarged(image: Floats, name: str) -> Floats:
    if not name.startswith(COARSE):
        return image
    twice: Floats = ndimage.zoom(image, (1, 2, 2), order=1)
    return twice


def _gaps(image: Floats) -> Floats:
    """Reflectance of DN, NaN where there is no data."""
    return np.where((image <= 0).any(axis=0), np.float32(np.nan), image * np.float32(DN))


def read_surfaces(folder: StrPath, names: Sequence[str], resolution: float = 10.0) -> list[Floats]:
    """Read surface models, each in its own UTM zone: metres (y, x), NaN where unknown.

    Raises
    ------
    InventoryError
        One cannot be read.
    """
    return [_surface(Path(folder) / f"{name}.tif", resolution) for name in names]


def _surface(path: Path, resolution: float) -> Floats:
    try:
        with rasterio.open(path) as file:
            numbers = file.read(1).astype(np.float32)
            numbers[file.read_masks(1) == 0] = np.nan
            crs = f"EPSG:{utm_epsg(shapely.Point(file.lnglat()))}"
            transform, width, height = calculate_default_transform(
                file.crs, crs, file.width, file.height, *file.bounds, resolution=resolution
            )
            found = np.full((height, width), np.nan, np.float32)
            reproject(
                numbers,
                found,
                src_transform=file.transform,
                src_crs=file.crs,
                src_nodata=np.nan,
                dst_transform=transform,
                dst_crs=crs,
                dst_nodata=np.nan,
                resampling=Resampling.cubic_spline,
            )
    except RasterioError as error:
        raise InventoryError(
            f"Expected a surface model at {path}, but {error}; check stock.surfaces."
        ) from None
    return found
