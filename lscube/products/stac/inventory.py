"""Whether an inventory file belongs to a map."""

from __future__ import annotations

from pathlib import Path

import geopandas
import odc.geo.xr  # noqa: F401  (the .odc accessor)
import pyogrio
import xarray as xr
from pyogrio.errors import DataSourceError
from pyproj import CRS

from lscube.errors import InventoryError, MissingExtraError
from lscube.grid import epsg_of
from lscube.mapping.opening import is_unfinished
from lscube.products.inventory.writing import FORMATS
from lscube.products.run import run_id


def check_inventory(path: Path, mapped: xr.Dataset) -> None:
    """Refuse an inventory that is of another run, or neither in the map's CRS nor in EPSG:4326.

    A map has one CRS by the way it is made; an inventory that was made or edited elsewhere is where
    another one could come in.

    Raises
    ------
    InventoryError
        It is missing, cannot be read, or does not belong to the map.
    """
    frame = _first_row(path)
    ours = epsg_of(mapped.odc.geobox)
    theirs = None if frame.crs is None else CRS(frame.crs).to_epsg()
    # GeoParquet's default for degrees is that of GeoJSON.
    if frame.crs is not None and CRS(frame.crs).equals(CRS("OGC:CRS84")):
        theirs = 4326
    if theirs not in (ours, 4326):
        raise InventoryError(
            f"Expected an inventory in the map's CRS (EPSG:{ours}) or in EPSG:4326, {path} is in "
            f"{f'EPSG:{theirs}' if theirs else frame.crs or 'none'}; make it with `lscube inventory`."
        )
    if "run_id" in frame and len(frame) and frame["run_id"].iloc[0] != run_id(mapped):
        raise InventoryError(
            f"Expected an inventory of the map's run {run_id(mapped)}, {path} is of run "
            f"{frame['run_id'].iloc[0]}; make it with `lscube inventory`."
        )
    if (
        "finished" in frame
        and len(frame)
        and not frame["finished"].iloc[0]
        and not is_unfinished(mapped)
    ):
        raise InventoryError(
            f"Expected an inventory of the finished map, {path} was drawn before the run had ended; "
            "make it again with `lscube inventory`."
        )


def _first_row(path: Path) -> geopandas.GeoDataFrame:
    if not path.is_file():
        raise InventoryError(f"Expected an inventory at {path}, found none; check the path.")
    try:
        if FORMATS.get(path.suffix.lower()) == "Parquet":
            return geopandas.read_parquet(path).head(1)
        return pyogrio.read_dataframe(path, max_features=1)
    except ImportError:
        raise MissingExtraError("An inventory as GeoParquet", "parquet") from None
    except (DataSourceError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InventoryError(
            f"Expected an inventory in {path}, but it cannot be read ({reason}); make it with "
            "`lscube inventory`."
        ) from None
