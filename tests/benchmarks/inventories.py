"""Polygons of a large map: `lscube.write_inventory` beside rasterio and geopandas on the whole raster.

python -m tests.benchmarks.inventories ours|whole STORE OUT
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import geopandas
import numpy as np
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import rasterio.features
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from lscube.mapping import open_map
from lscube.mapping.store import FILLS, MANIFEST, NOT_MAPPED, STEP
from lscube.products.inventory import write_inventory
from tests.benchmarks.measure import Row, at_least, at_most, peak_megabytes

PIXELS, LANDSLIDES, CELL = 10_000, 22_500, 64
"""Edge of the map; landslides before the gaps, one in a cell of so many pixels."""
CHUNK, SHARD = 1024, 2048
RUNS = 3


def probabilities() -> NDArray[np.uint8]:
    """Ellipses of 0.5 and more on noise below, with gaps where nothing was observed; as bytes."""
    draw = np.random.default_rng(20)
    values = draw.integers(0, 60, (PIXELS, PIXELS), dtype=np.uint8)
    cells = PIXELS // CELL
    for number in draw.permutation(cells**2)[:LANDSLIDES].tolist():
        row, column = (CELL * place for place in divmod(number, cells))
        long = draw.uniform(3, 29)
        wide, turn = long * draw.uniform(0.2, 0.8), draw.uniform(0, np.pi)
        y, x = np.mgrid[:CELL, :CELL] - (CELL - 1) / 2
        along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        inner = 1 - (along / long) ** 2 - (across / wide) ** 2
        own = values[row : row + CELL, column : column + CELL]
        np.maximum(
            own, np.rint((0.5 + 0.5 * inner) / STEP).astype(np.uint8), out=own, where=inner >= 0
        )
    for top, left in draw.integers(0, PIXELS - 400, (60, 2)).tolist():
        values[top : top + 400, left : left + 400] = NOT_MAPPED
    return values


def write_map(path: Path) -> None:
    """Write a store as `lscube predict` lays it out; what an inventory does not look at is left out."""
    grid = GeoBox((PIXELS, PIXELS), Affine(10, 0, 500_000, 0, -10, 4_800_000), "EPSG:32654")
    whole = {"chunks": (CHUNK, CHUNK), "shards": (SHARD, SHARD)}
    fills = {"_FillValue": NOT_MAPPED, "scale_factor": np.float64(STEP)}
    days = {"units": "days since 1970-01-01", "_FillValue": FILLS["post_date"]}
    plane = ("y", "x")
    mapped = xr.Dataset(
        {
            "probability": (plane, probabilities(), {**fills, "grid_mapping": "spatial_ref"}),
            "area": (plane, np.zeros(grid.shape, np.uint8)),
            "post_date": (plane, np.full(grid.shape, 17805, np.int16), days),
        },
        coords=xr_coords(grid),
        attrs={MANIFEST: {"model": {"sha256": ["none"]}}},
    )
    mapped.to_zarr(
        path, zarr_format=3, consolidated=False, encoding=dict.fromkeys(mapped.data_vars, whole)
    )


def with_shapes(store: Path, out: Path) -> int:
    """The whole raster at once: polygons by GDAL, their areas, their mean probabilities."""
    mapped = open_map(store)
    grid = mapped.odc.geobox
    probability = mapped["probability"].to_numpy()
    mask = probability >= 0.5
    shapes = rasterio.features.shapes(
        mask.astype(np.uint8), mask=mask, connectivity=8, transform=grid.affine
    )
    features = ({"geometry": geometry, "properties": {}} for geometry, _ in shapes)
    frame = geopandas.GeoDataFrame.from_features(features, crs=32654)
    frame["area_m2"] = frame.area
    numbers = rasterio.features.rasterize(
        zip(frame.geometry, range(1, len(frame) + 1), strict=True),
        out_shape=grid.shape,
        transform=grid.affine,
        dtype="int32",
    )
    sums, pixels = (
        np.bincount(numbers[mask], weights, len(frame) + 1)[1:]
        for weights in (probability[mask], None)
    )
    frame["mean_probability"] = sums / pixels
    frame.to_file(out, driver="GPKG")
    return len(frame)


def ours(store: Path, out: Path) -> int:
    """All attributes that the store alone gives, and the interval of the total."""
    return write_inventory(store, out).landslides


@functools.cache
def measured(kind: str) -> tuple[tuple[float, float], ...]:
    """Seconds and peak megabytes of processes of their own, each of a fresh interpreter."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        store = _store()
        for _ in range(RUNS):
            words = [kind, str(store), f"{folder}/{kind}.gpkg"]
            done = subprocess.run(
                [sys.executable, "-m", __name__, *words], check=True, capture_output=True, text=True
            )
            count, seconds, peak = json.loads(done.stdout)
            assert count >= 20_000, count
            found.append((seconds, peak))
    return tuple(found)


@functools.cache
def _store() -> Path:
    """The map, made once and removed with this process."""
    folder = tempfile.TemporaryDirectory()
    _kept.append(folder)
    store = Path(folder.name) / "map.zarr"
    write_map(store)
    return store


_kept: list[tempfile.TemporaryDirectory[str]] = []


def inventory_vs_shapes() -> Row:
    """Seconds of the whole raster at once, over ours: more than 1 is quicker.

    Ours makes more of it (a second pass for the most that unobserved pixels could add, areas on the
    ellipsoid, dates, extents) in bounded memory, and may take twice the time.
    """
    pairs = zip(measured("whole"), measured("ours"), strict=True)
    return at_least("inventory_vs_shapes", "x", 0.5, [whole[0] / own[0] for whole, own in pairs])


def inventory_seconds() -> Row:
    """Polygons with all attributes, from store to GeoPackage."""
    return at_most("inventory_seconds", "s", 60, [seconds for seconds, _ in measured("ours")])


def inventory_memory() -> Row:
    """Peak memory of that process."""
    return at_most("inventory_memory", "MB", 2000, [peak for _, peak in measured("ours")])


def inventory_memory_vs_shapes() -> Row:
    """Peak memory of the whole raster at once, over ours."""
    pairs = zip(measured("whole"), measured("ours"), strict=True)
    ratios = [whole[1] / own[1] for whole, own in pairs]
    return at_least("inventory_memory_vs_shapes", "x", 1.0, ratios)


if __name__ == "__main__":
    kind, store, out = sys.argv[1:]
    start = time.perf_counter()
    count = {"ours": ours, "whole": with_shapes}[kind](Path(store), Path(out))
    print(json.dumps([count, time.perf_counter() - start, peak_megabytes()]))
