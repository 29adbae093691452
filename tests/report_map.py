"""Maps with known pixels, made without scenes or a network, for the tests of reports."""

from __future__ import annotations

import geopandas
import numpy as np
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from shapely.geometry import box

from tests.scenes import EPSG, EVENT_TIME, NORTH, WEST

SHA256 = "a" * 64

CARD = {
    "sha256": SHA256,
    "events": [{"id": "trained-event"}],
    "created": "2026-01-02T03:04:05Z",
    "threshold": 0.6,
    "versions": {"keras": "3.15.1"},
    "calibration": None,
}


def grid_of(shape: tuple[int, int], resolution: float = 10.0) -> GeoBox:
    return GeoBox(shape, Affine(resolution, 0, WEST, 0, -resolution, NORTH), f"EPSG:{EPSG}")


def degrees_of(bounds: tuple[float, float, float, float]) -> str:
    """WKT in degrees of a rectangle in metres."""
    frame = geopandas.GeoSeries([box(*bounds).segmentize(500)], crs=f"EPSG:{EPSG}")
    return frame.to_crs("EPSG:4326").iloc[0].wkt


def made_map(
    probability: np.ndarray,
    observed: np.ndarray | None = None,
    area: np.ndarray | None = None,
    event: str = "an-event",
    bounds: tuple[float, float, float, float] | None = None,
) -> xr.Dataset:
    """A map of these pixels; of all of them where no area is given."""
    grid = grid_of(probability.shape)
    none = np.zeros(probability.shape, np.uint8)
    observed = none.astype(np.uint16) if observed is None else observed.astype(np.uint16)
    days = np.where(observed >> 8, np.datetime64("NaT"), np.datetime64("2018-10-01")).astype(
        "M8[ns]"
    )
    planes = {
        "probability": probability.astype(np.float32),
        "observed": observed,
        "area": none if area is None else area.astype(np.uint8),
        "post_date": days,
    }
    rows, columns = probability.shape
    extent = bounds or (WEST, NORTH - 10 * rows, WEST + 10 * columns, NORTH)
    manifest = {
        "lscube": "0.1.0",
        "model": {"sha256": [SHA256], "trained_on": [{"id": "trained-event"}]},
        "cube": {"bands": ["red", "green", "blue"], "mask": "/home/someone/lakes.gpkg"},
        "predict": {"core": 32, "margin": 16},
        "event": event,
        "event_time": EVENT_TIME,
        "area": degrees_of(extent),
        "radiometry": ["before: reflectance offset 0 (<said so>)"],
        "items": {"before": ["/home/someone/red.tif"], "after": [], "surface": []},
    }
    return xr.Dataset(
        {name: (("y", "x"), plane) for name, plane in planes.items()},
        coords=xr_coords(grid),
        attrs={
            "lscube_manifest": manifest,
            "pre_items": ["before"],
            "post_items": ["after"],
            "dsm_items": ["surface"],
        },
    )


def made_images(shape: tuple[int, int], before: float = 0.1, after: float = 0.2) -> xr.Dataset:
    """Images of one grey each."""
    cube = {
        side: (("band", "y", "x"), np.full((3, *shape), value, np.float32))
        for side, value in (("pre", before), ("post", after))
    }
    dates = (("y", "x"), np.full(shape, 17744, np.int16))  # 2018-08-01
    coords = {"band": ["red", "green", "blue"], **xr_coords(grid_of(shape))}
    return xr.Dataset({**cube, "pre_date": dates}, coords=coords)


def square(column: int, row: int, size: int = 1):
    """A square of pixels by its north-west one."""
    west, north = WEST + 10 * column, NORTH - 10 * row
    return box(west, north - 10 * size, west + 10 * size, north)


def made_inventory(*shapes, **columns) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame(
        {"id": range(1, len(shapes) + 1), **columns}, geometry=list(shapes), crs=f"EPSG:{EPSG}"
    )
