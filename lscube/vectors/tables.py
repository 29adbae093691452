"""Layers of vector files, read by GDAL, or by Arrow for GeoParquet."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pyogrio
import pyproj
import shapely

from lscube.errors import InputError, MissingExtraError
from lscube.paths import StrPath, split_layer, with_layer

logger = logging.getLogger(__name__)

_PARQUET = (".parquet", ".geoparquet")


@dataclass(frozen=True)
class Use:
    """What a vector file is for, in words for messages."""

    error: type[InputError]
    """What is raised."""
    what: str
    """"an area of interest"."""
    form: str
    """Which files may come."""
    save: str
    """What to do about one that cannot be read."""
    draw: str = ""
    """What to do where there is no polygon."""
    name: str = ""
    """What stands before the file's path."""
    absent: str = "no file"
    """What is found where there is none."""
    several: bool = True
    """Whether all layers count together; else one is to be named."""
    usual: str = ""
    """Name of the layer that needs no naming: as lscube writes it."""
    may_be_empty: bool = False
    """Whether nothing at all is fine."""


@dataclass(frozen=True)
class Layer:
    """A layer of a vector file."""

    name: str
    """Its name."""
    kind: str
    """Kind of geometry that it says it has; "Unknown" where anything can come."""

    @property
    def may_hold_polygons(self) -> bool:
        """Whether it is not said to hold points or lines alone."""
        return not any(word in self.kind for word in ("Point", "Line", "Curve"))


def find_file(path: StrPath, use: Use) -> tuple[Path, str | None]:
    """The file of a path, and the layer that it names.

    Raises
    ------
    InputError
        Of the use's kind: there is no file.
    """
    file, layer = split_layer(path)
    if not file.exists():
        raise use.error(f"Expected {use.what} at {file}, found {use.absent}; check the path.")
    return file, layer


def choose_layers(file: Path, named: str | None, use: Use) -> list[Layer]:
    """Layers to read: the one named, or all, or the one of the usual name or that alone can hold polygons.

    Raises
    ------
    InputError
        Of the use's kind: there is none of that name, or one of several is to be named.
    """
    with _readable(file, use):
        layers = _layers(file)
    told = ", ".join(f"{layer.name} ({layer.kind})" for layer in layers)
    if named is not None:
        chosen = [layer for layer in layers if layer.name == named]
        if not chosen:
            raise use.error(
                f"Expected a layer {named!r} with geometry in {file}, found {told or 'none'}; name one of "
                "these."
            )
        return chosen
    if use.several or len(layers) < 2:
        return layers
    chosen = [layer for layer in layers if layer.may_hold_polygons] or layers
    chosen = [layer for layer in chosen if layer.name == use.usual] or chosen
    if len(chosen) > 1:
        raise use.error(
            f"Expected one layer in {file}, found {told}; say which one, as in "
            f"'{with_layer(file.name, chosen[0].name)}'."
        )
    logger.warning("Of the layers of %s, %s, %s is read", file, told, chosen[0].name)
    return chosen


def read_binaries(
    file: Path, layer: Layer, use: Use
) -> tuple[npt.NDArray[np.object_], pyproj.CRS | None]:
    """Geometries as well-known binary, and their CRS; no attribute is looked at."""
    with _readable(file, use):
        if _is_parquet(file):
            binaries, crs = _parquet_binaries(file)
        else:
            # What GDAL says of an open ring is told with what is done about it.
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Non closed ring", RuntimeWarning)
                meta, _, binaries, _ = pyogrio.raw.read(
                    _source(file), layer=layer.name, columns=[], force_2d=True
                )
            crs = meta["crs"]
        return binaries, None if crs is None else pyproj.CRS.from_user_input(crs)


def read_table(
    path: StrPath, use: Use, columns: Sequence[str] | None = None, first: int | None = None
) -> geopandas.GeoDataFrame:
    """Read one layer with attributes.

    Parameters
    ----------
    path
        Vector file, with `|layername=...` behind it where there are several layers.
    use
        What it is for.
    columns
        Attributes to read, of those that are there; None: all.
    first
        Features to read; None: all.

    Raises
    ------
    InputError
        Of the use's kind: there is no file, it cannot be read, or it has several layers.
    MissingExtraError
        The format needs a library that is not installed.
    """
    file, named = find_file(path, use)
    layers = choose_layers(file, named, use)
    if not layers:
        raise use.error(
            f"Expected {use.what} in {file}, found a table without geometry; {use.save}."
        )
    with _readable(file, use):
        if _is_parquet(file):
            return geopandas.read_parquet(file).head(first)
        return pyogrio.read_dataframe(
            _source(file), layer=layers[0].name, columns=columns, max_features=first
        )


@contextmanager
def _readable(file: Path, use: Use) -> Iterator[None]:
    """Whatever a library says of a file it cannot read becomes the one sentence."""
    try:
        yield
    except ImportError as error:
        raise MissingExtraError("Reading GeoParquet", "parquet") from error
    except (
        OSError,
        ValueError,
        RuntimeError,
        TypeError,
        KeyError,
        shapely.errors.ShapelyError,
    ) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise use.error(
            f"Expected {use.form} in {file}, but it cannot be read ({reason}); {use.save}."
        ) from None


def _is_parquet(file: Path) -> bool:
    return file.suffix.lower() in _PARQUET


def _source(file: Path) -> str:
    """A file's name for GDAL, which looks into a gzip file only where it is told to."""
    return f"/vsigzip/{file}" if file.suffix.lower() == ".gz" else str(file)


def _layers(file: Path) -> list[Layer]:
    if _is_parquet(file):
        return [Layer(file.stem, "Unknown")]
    listed = pyogrio.list_layers(_source(file))
    return [Layer(str(name), str(kind)) for name, kind in listed if kind is not None]


def _parquet_binaries(file: Path) -> tuple[npt.NDArray[np.object_], Any]:
    """The same of GeoParquet (its specification 1.1); what is not well-known binary becomes so."""
    import pyarrow.parquet

    said = (pyarrow.parquet.read_schema(file).metadata or {}).get(b"geo")
    if said is None:
        raise ValueError("it says of no column that it is a geometry")
    geo = json.loads(said)
    column = geo["primary_column"]
    if geo["columns"][column]["encoding"] != "WKB":
        frame = geopandas.read_parquet(file, columns=[column])
        return shapely.to_wkb(frame.geometry.to_numpy()), frame.crs
    table = pyarrow.parquet.read_table(file, columns=[column])
    crs = geo["columns"][column].get("crs", "OGC:CRS84")
    return np.asarray(table[column].to_pylist(), object), crs
