"""Masks of the user's own: a raster, or polygons."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.errors import NotGeoreferencedWarning

from lscube.cube.opening import read_from
from lscube.cube.polygon_mask import inside, polygon_edges
from lscube.cube.resampling import MASK, Place, read_onto
from lscube.cube.stated import Stated
from lscube.errors import SettingsError
from lscube.paths import split_layer

RASTERS = (".tif", ".tiff", ".jp2")
"""Endings of raster files; all others are read as vector files."""

Masked = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _AsOf:
    """Opens a file as it is since a change: files are kept open by how they are opened."""

    changed: int

    def __call__(self, href: str) -> str:
        """The address as it is."""
        return href


@dataclass(frozen=True)
class UserMask:
    """A checked mask file; small enough to travel with every task, its pixels are read where needed."""

    path: Path
    """Raster or vector file."""
    epsg: int
    """UTM zone of the grids that it is read on."""
    changed: int
    """When the file was last changed, in nanoseconds; an edited file is read anew."""

    def read(self, grid: GeoBox) -> Masked:
        """Which pixels are masked.

        Parameters
        ----------
        grid
            Any part of the cube's grid.

        Returns
        -------
        bool array, `grid.shape`
            True where the raster's nearest pixel (first band) is neither 0 nor no data, or where
            the pixel's centre lies inside a polygon. Beyond the file nothing is masked.

        Raises
        ------
        SourceError
            The raster can no longer be read.
        SettingsError
            The vector file can no longer be read.
        """
        if _is_raster(self.path):
            place = Place(self.epsg, grid.affine, (grid.shape[0], grid.shape[1]))
            stated = Stated(name=f"the mask {self.path}")
            values = read_from(
                str(self.path),
                lambda source: read_onto(source, 1, place, MASK, stated),
                _AsOf(self.changed),
            )
            masked: Masked = values != 0
            return masked
        return inside(polygon_edges(self.path, self.epsg, self.changed), grid)


def open_user_mask(path: Path, epsg: int) -> UserMask:
    """Check a mask file.

    Parameters
    ----------
    path
        GeoTIFF or JPEG 2000 (by its ending), else any vector file with polygons; any CRS.
    epsg
        UTM zone of the grids that it will be read on.

    Raises
    ------
    SettingsError
        The file is missing, has no CRS, or is a vector file that cannot be read or has no polygon.
    SourceError
        The raster cannot be read.
    """
    file, _ = split_layer(path)
    if not file.is_file():
        raise SettingsError(f"Expected a mask at {file}, found no file; check the path.")
    mask = UserMask(path, epsg, file.stat().st_mtime_ns)
    if not _is_raster(path):
        polygon_edges(path, epsg, mask.changed)
    elif not _has_crs(path):
        raise SettingsError(f"Expected a CRS in the mask {path}, found none; georeference it.")
    return mask


def _is_raster(path: Path) -> bool:
    return split_layer(path)[0].suffix.lower() in RASTERS


def _has_crs(path: Path) -> bool:
    def use(source: rasterio.DatasetReader) -> bool:
        # Also decodes one pixel: a damaged file is to fail here, not in the middle of a run.
        source.read(1, window=((0, 1), (0, 1)))
        return source.crs is not None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return read_from(str(path), use, str)
