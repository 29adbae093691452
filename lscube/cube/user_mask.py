"""Masks of the user's own: a raster, or polygons."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import pyproj
import rasterio
import shapely
from odc.geo.geobox import GeoBox
from rasterio.errors import NotGeoreferencedWarning

from lscube.cube.encoding import Stated
from lscube.cube.opening import read_from
from lscube.cube.resampling import MASK, Place, read_onto
from lscube.errors import SettingsError

RASTERS = (".tif", ".tiff", ".jp2")
"""Endings of raster files; all others are read as vector files."""

Masked = npt.NDArray[np.bool_]
Edges = npt.NDArray[np.float64]
Polygons = npt.NDArray[np.object_]


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
                str(self.path), lambda source: read_onto(source, 1, place, MASK, stated), str
            )
            masked: Masked = values != 0
            return masked
        return _inside(_polygon_edges(self.path, self.epsg, self.changed), grid)


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
    if not path.is_file():
        raise SettingsError(f"Expected a mask at {path}, found no file; check the path.")
    mask = UserMask(path, epsg, path.stat().st_mtime_ns)
    if not _is_raster(path):
        _polygon_edges(path, epsg, mask.changed)
    elif not _has_crs(path):
        raise SettingsError(f"Expected a CRS in the mask {path}, found none; georeference it.")
    return mask


def _is_raster(path: Path) -> bool:
    return path.suffix.lower() in RASTERS


def _has_crs(path: Path) -> bool:
    def use(source: rasterio.DatasetReader) -> bool:
        # Also decodes one pixel: a damaged file is to fail here, not in the middle of a run.
        source.read(1, window=((0, 1), (0, 1)))
        return source.crs is not None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return read_from(str(path), use, str)


@lru_cache(maxsize=8)
def _polygon_edges(path: Path, epsg: int, changed: int) -> Edges:
    """Edges of a file's polygons in a UTM zone; see `_edges`."""
    frame = _read_vector(path)
    geometry = frame.geometry[~(frame.geometry.isna() | frame.geometry.is_empty)]
    polygons = _polygons(shapely.make_valid(geometry.to_numpy()))
    if len(geometry) and not len(polygons):
        raise SettingsError(
            f"Expected polygons in the mask {path}, found {geometry.geom_type.iloc[0]}; draw what is to "
            "be masked as polygons."
        )
    return _edges(_to_zone(polygons, frame.crs, epsg))


def _read_vector(path: Path) -> geopandas.GeoDataFrame:
    try:
        frame = geopandas.read_file(path)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise SettingsError(
            f"Expected a GeoTIFF, a JPEG 2000 or a vector file as mask in {path}, but it cannot be read "
            f"({reason}); save the mask as GeoTIFF or GeoJSON."
        ) from None
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise SettingsError(
            f"Expected polygons in the mask {path}, found no geometry; draw what is to be masked as polygons."
        )
    if frame.crs is None:
        raise SettingsError(
            f"Expected a CRS in the mask {path}, found none; assign one, for example EPSG:4326."
        )
    return frame


def _polygons(geometries: Polygons) -> Polygons:
    """The polygons among geometries and their parts."""
    # Twice: a collection can hold multipolygons.
    parts = shapely.get_parts(shapely.get_parts(geometries))
    chosen: Polygons = parts[(shapely.get_type_id(parts) == 3) & ~shapely.is_empty(parts)]
    return chosen


def _to_zone(polygons: Polygons, crs: pyproj.CRS, epsg: int) -> Polygons:
    """Bring polygons to a UTM zone; long edges are divided first, what is far away is cut off."""
    if crs.to_epsg() == epsg:
        return polygons
    divided = shapely.segmentize(polygons, 0.01 if crs.is_geographic else 1000.0)
    degrees = geopandas.GeoSeries(divided, crs=crs).to_crs(4326).to_numpy()
    middle = 6 * (epsg % 100) - 183
    # Longitudes may count from either side of the antimeridian.
    near = [
        shapely.clip_by_rect(degrees, west - 12, -89, west + 12, 89)
        for west in (middle - 360, middle, middle + 360)
    ]
    kept = _polygons(shapely.make_valid(np.concatenate(near)))
    divided = shapely.segmentize(kept, 0.01)
    zone: Polygons = geopandas.GeoSeries(divided, crs=4326).to_crs(epsg).to_numpy()
    return zone


def _edges(polygons: Polygons) -> Edges:
    """Edges x0, y0, x1, y1 as shape (4, n); outer rings turn one way, holes the other."""
    rings = shapely.get_rings(shapely.normalize(polygons))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    joined = ring[1:] == ring[:-1]
    return np.concatenate([points[:-1][joined].T, points[1:][joined].T])


def _inside(edges: Edges, grid: GeoBox) -> Masked:
    """Pixels whose centre lies inside a polygon: those around which the edges wind.

    Along each row of centres, every edge that it crosses adds or takes a turn (Sunday, D., 2001,
    Inclusion of a point in a polygon: the winding number). Unlike with a test per pixel the work
    grows with the outlines' length, not with the area; GDAL's rasteriser would do as well, but is
    not to be shared between threads.
    """
    # Northings grow upwards, rows downwards: count both from the top.
    y = -(grid.affine.f + (np.arange(grid.shape[0]) + 0.5) * grid.affine.e)
    x = grid.affine.c + (np.arange(grid.shape[1]) + 0.5) * grid.affine.a
    low, high = -np.maximum(edges[1], edges[3]), -np.minimum(edges[1], edges[3])
    near = (high > y[0]) & (low <= y[-1]) & (np.minimum(edges[0], edges[2]) <= x[-1])
    if not near.any():
        return np.zeros((y.size, x.size), np.bool_)
    x0, y0, x1, y1 = edges[:, near]
    start, stop = np.searchsorted(y, low[near]), np.searchsorted(y, high[near])
    count = stop - start
    edge = np.repeat(np.arange(count.size), count)
    row = np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count) + start[edge]
    along = (-y[row] - y0[edge]) / (y1[edge] - y0[edge])
    column = np.searchsorted(x, x0[edge] + along * (x1[edge] - x0[edge]))
    turns = np.zeros((y.size, x.size + 1), np.int32)
    np.add.at(turns, (row, column), np.sign(y1 - y0).astype(np.int32)[edge])
    inside: Masked = np.cumsum(turns[:, :-1], axis=1, dtype=np.int32) != 0
    return inside
