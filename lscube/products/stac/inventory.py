"""Whether an inventory file belongs to a map."""

from __future__ import annotations

import odc.geo.xr  # noqa: F401  (the .odc accessor)
import xarray as xr
from pyproj import CRS

from lscube.errors import InventoryError
from lscube.grid import epsg_of
from lscube.mapping.opening import is_unfinished
from lscube.paths import StrPath, split_layer
from lscube.products.report.reading import OWN_INVENTORY
from lscube.products.run import run_id
from lscube.vectors import read_table


def check_inventory(path: StrPath, mapped: xr.Dataset) -> None:
    """Refuse an inventory that is of another run, or neither in the map's CRS nor in EPSG:4326.

    A map has one CRS by the way it is made; an inventory that was made or edited elsewhere is where
    another one could come in.

    Raises
    ------
    InventoryError
        It is missing, cannot be read, or does not belong to the map.
    """
    if split_layer(path)[1] is not None:
        raise InventoryError(
            f"Expected a file that holds the inventory alone: it is published whole, got the layer {path}; "
            "save that layer to a file of its own."
        )
    frame = read_table(path, OWN_INVENTORY, ("run_id", "finished"), first=1)
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
