"""Files of an inventory: GeoPackage, FlatGeobuf, GeoJSON, GeoParquet."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import geopandas
import pyogrio

from lscube.errors import MissingExtraError, SettingsError, StoreError
from lscube.files import appearing

LAYER = "landslides"
"""Name of the layer in formats that have names."""

FORMATS = {
    ".gpkg": "GPKG",
    ".fgb": "FlatGeobuf",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".parquet": "Parquet",
    ".geoparquet": "Parquet",
}
"""Format of each ending; GeoJSON is in degrees and as RFC 7946 wants it, the others in the map's CRS."""


def format_of(path: Path) -> str:
    """Format of an inventory's file, by its ending.

    Raises
    ------
    SettingsError
        The ending is another.
    MissingExtraError
        The format needs a library that is not installed.
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise SettingsError(
            f"Expected an inventory's file that ends in {', '.join(FORMATS)}, got {path.name}; rename it."
        )
    if found == "Parquet" and find_spec("pyarrow") is None:
        raise MissingExtraError("Writing GeoParquet", "parquet")
    return found


def write_frame(path: Path, frame: geopandas.GeoDataFrame) -> None:
    """Write an inventory; the file appears complete or not at all.

    Raises
    ------
    StoreError
        The file cannot be written.
    SettingsError, MissingExtraError
        As `format_of`.
    """
    form = format_of(path)
    with appearing(path) as partial:
        if form == "Parquet":
            frame.to_parquet(partial, index=False)
            return
        options: dict[str, Any] = {"layer": LAYER, "promote_to_multi": True}
        if form == "GeoJSON":
            frame = frame.to_crs(4326)
            options |= {"RFC7946": "YES"}
        else:
            options |= {"geometry_type": "MultiPolygon"}
        try:
            pyogrio.write_dataframe(frame, partial, driver=form, **options)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
            reason = str(error).splitlines()[0]
            raise StoreError(
                f"Expected to write {path}, but {reason}; free space or choose another place."
            ) from None
