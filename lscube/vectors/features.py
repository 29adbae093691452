"""Features with polygons of a vector file, and what came instead of polygons."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import geopandas
import numpy as np
import pandas
import pyproj

from lscube.errors import AreaError, InventoryError, SettingsError
from lscube.paths import StrPath
from lscube.vectors.rings import kind_of, polygons_in, take_rings
from lscube.vectors.tables import Layer, Use, choose_layers, find_file, read_binaries

logger = logging.getLogger(__name__)

AREA = Use(
    AreaError,
    what="an area of interest",
    form="GeoJSON or another vector file",
    save="save the area as GeoJSON",
    draw="draw the area as a polygon",
)
"""All of a file's polygons together are the area."""

INVENTORY = Use(
    InventoryError,
    what="polygons",
    form="a vector file with polygons",
    save="save it as GeoPackage or GeoJSON",
    draw="draw landslides as polygons",
    several=False,
    usual="landslides",
)
"""Each feature is a landslide; a study area in a layer beside them is none."""

EXTENT = Use(
    InventoryError,
    what="polygons",
    form="a vector file with polygons",
    save="save it as GeoPackage or GeoJSON",
    draw="draw the area as a polygon",
)
"""Where labels exist, or what is held out."""

MASK = Use(
    SettingsError,
    what="a mask",
    form="a GeoTIFF, a JPEG 2000 or a vector file as mask",
    save="save the mask as GeoTIFF or GeoJSON",
    draw="draw what is to be masked as polygons",
    name="the mask ",
    may_be_empty=True,
)
"""What is inside is unusable."""


class Features(NamedTuple):
    """Features with polygons."""

    frame: geopandas.GeoDataFrame
    """A row for each: a polygon, a multipolygon, or a collection with some, as they are drawn (rings may
    cross), in the file's CRS. All rings are closed, all coordinates finite. `repaired` is true where an
    open ring was closed or a ring left out for that."""
    dropped: int
    """Features without: empty ones, points, lines, and those of which no ring could be used."""


def read_features(path: StrPath, use: Use) -> Features:
    """Read what has polygons in a vector file (GeoPackage, GeoJSON, Shapefile, GeoParquet, ...) of any CRS.

    Attributes are not looked at. What had to be repaired or left out is counted in a warning.

    Parameters
    ----------
    path
        The file, also in gzip or ZIP; `|layername=NAME` behind it names one of its layers. Without,
        all layers count together, or, where the use says so, one of several has to be named, unless
        one alone has the usual name or can hold polygons. Layers that differ in CRS come in EPSG:4326.
    use
        What the polygons are for.

    Raises
    ------
    InputError
        Of the use's kind: the file is missing or cannot be read, a layer has to be named, there is no
        polygon, or they have no CRS.
    MissingExtraError
        The format needs a library that is not installed.
    """
    file, named = find_file(path, use)
    layers = choose_layers(file, named, use)
    if not layers:
        raise use.error(f"Expected polygons in {use.name}{path}, found no geometry; {use.draw}.")
    told = _Told()
    frame = _together([_read_layer(file, layer, use, told) for layer in layers])
    if told.features and frame.empty:
        raise use.error(
            f"Expected polygons in {use.name}{path}, found none, found {told.dropped_as()} instead; "
            f"{use.draw} (points and lines: put a buffer around them)."
        )
    if frame.empty and not use.may_be_empty:
        raise use.error(
            f"Expected polygons in {use.name}{path}, found none: it has no geometry; {use.draw}."
        )
    told.warn(use, path)
    return Features(frame, sum(told.dropped.values()))


class _Told:
    """What has to be told of a file."""

    def __init__(self) -> None:
        self.features = self.closed = self.lost = 0
        self.dropped: Counter[str] = Counter()

    def dropped_as(self) -> str:
        """What came instead of polygons."""
        return ", ".join(
            f"{kind} ({count:,})" if count > 1 else kind for kind, count in self.dropped.items()
        )

    def warn(self, use: Use, path: StrPath) -> None:
        """Say what was done, if anything was."""
        done = []
        if self.closed:
            done.append(f"closed open rings of {self.closed:,}")
        if self.lost:
            done.append(
                f"left out rings of {self.lost:,} that enclose nothing or have coordinates that are no "
                "numbers"
            )
        if self.dropped:
            done.append(
                f"left out {sum(self.dropped.values()):,} that are no polygons: {self.dropped_as()}"
            )
        if done:
            logger.warning(
                "Of %s features in %s%s, %s", f"{self.features:,}", use.name, path, "; ".join(done)
            )


def _read_layer(file: Path, layer: Layer, use: Use, told: _Told) -> geopandas.GeoDataFrame:
    """A layer's features with polygons; adds to what is told."""
    binaries, crs = read_binaries(file, layer, use)
    rings = take_rings(binaries)
    has = np.zeros(len(binaries), bool)
    has[polygons_in(rings.geometries)[1]] = True
    told.features += len(binaries)
    told.closed += int((rings.closed & has).sum())
    told.lost += int((rings.lost & has).sum())
    told.dropped.update(
        _kind(binaries[place], bool(rings.lost[place])) for place in np.flatnonzero(~has)
    )
    if has.any():
        _check_crs(crs, use, f"{use.name}{file}")
    repaired = (rings.closed | rings.lost)[has]
    return geopandas.GeoDataFrame(
        {"repaired": repaired}, geometry=rings.geometries[has], crs=crs if has.any() else None
    )


def _kind(binary: bytes | None, lost: bool) -> str:
    """What came instead of a polygon."""
    if binary is None:
        return "nothing"
    kind = kind_of(binary)
    if "Polygon" not in kind:
        return kind
    return f"{kind} without a ring of three points" if lost else f"empty {kind}"


def _check_crs(crs: pyproj.CRS | None, use: Use, where: str) -> None:
    """Refuse polygons that cannot be brought to degrees."""
    if crs is None:
        raise use.error(
            f"Expected a CRS in {where}, found none; assign one, for example EPSG:4326."
        )
    try:
        pyproj.Transformer.from_crs(crs, 4326)
    except pyproj.exceptions.ProjError:
        raise use.error(
            f"Expected a CRS of the Earth in {where}, found {crs.name!r}; assign the one that its "
            "coordinates are in."
        ) from None


def _together(frames: list[geopandas.GeoDataFrame]) -> geopandas.GeoDataFrame:
    """Layers as one, in their CRS, or, where they differ in that, in EPSG:4326."""
    filled = [frame for frame in frames if not frame.empty] or frames[:1]
    if any(frame.crs != filled[0].crs for frame in filled):
        filled = [frame.to_crs(4326) for frame in filled]
    return pandas.concat(filled, ignore_index=True)
