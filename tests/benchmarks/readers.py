"""One way of reading the benchmark's scenes, as a process of its own: prints its seconds.

python -m tests.benchmarks.readers WAY ADDRESS RESOLUTION
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import local
from typing import Any

import dask
import dask.array as da
import numpy as np
import pystac
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.warp import transform_bounds
from rasterio.windows import Window
from shapely.geometry import box, mapping

from lscube.catalog import Scenes
from lscube.cube import Access, open_cube
from lscube.cube.reading import Source, stack_assets
from lscube.cube.resampling import REFLECTANCE
from lscube.events import Event
from lscube.grid import snapped_grid
from lscube.settings import CubeSettings

EPSG, WEST, NORTH, SIZE = 32654, 500_000.0, 4_800_000.0, 5490
EXTENT = (WEST, NORTH - SIZE * 10, WEST + SIZE * 10, NORTH)
DATES, BANDS = 2, ("red", "green", "blue", "nir")
CHUNK, THREADS = 2048, 2
EVENT = datetime(2018, 9, 5, tzinfo=UTC)


def name_of(date: int, band: str) -> str:
    """File of one band of one date."""
    return f"{date}_{band}.tif"


def items(address: str) -> list[pystac.Item]:
    """The scenes as STAC items: one before and one after the event."""
    degrees = transform_bounds(f"EPSG:{EPSG}", "EPSG:4326", *EXTENT)
    made = []
    for date in range(DATES):
        when = EVENT + timedelta(days=30 * date - 15)
        plain = {
            "proj:code": f"EPSG:{EPSG}",
            "eo:cloud_cover": 0,
            "s2:processing_baseline": "03.01",
        }
        item = pystac.Item(str(date), mapping(box(*degrees)), list(degrees), when, plain)
        for band in BANDS:
            fields = {
                "proj:shape": [SIZE, SIZE],
                "proj:transform": [10, 0, WEST, 0, -10, NORTH],
                "raster:bands": [{"nodata": 0, "data_type": "uint16"}],
            }
            href = f"{address}/{name_of(date, band)}"
            item.add_asset(band, pystac.Asset(href, extra_fields=fields))
        made.append(item)
    return made


def scenes_of(before: tuple[pystac.Item, ...], after: tuple[pystac.Item, ...]) -> Scenes:
    """Scenes of a cube whose elevation is of no interest: a band stands in for the surface model."""
    event = Event("benchmark", EVENT, EVENT)
    return Scenes(event, box(*before[0].bbox), before, after, before[:1], dsm_asset="red")


def stored(array: da.Array) -> np.ndarray[Any, Any]:
    """Compute into memory."""
    out = np.zeros(array.shape, array.dtype)
    array.store(out, lock=False)
    return out


def lscube_stack(address: str, grid: GeoBox) -> object:
    """What lscube reads with: stackstac with its own reader."""
    scenes = [
        [Source(f"{address}/{name_of(date, band)}", 1, EXTENT) for band in BANDS]
        for date in range(DATES)
    ]
    chunks = da.core.normalize_chunks(CHUNK, grid.shape)
    return stored(stack_assets(scenes, REFLECTANCE, grid, Access(str), chunks))


def odc(address: str, grid: GeoBox) -> object:
    """odc-stac, bilinear."""
    return stored(odc_array(address, grid))


def odc_array(address: str, grid: GeoBox) -> da.Array:
    import odc.stac

    loaded = odc.stac.load(
        items(address),
        bands=BANDS,
        geobox=grid,
        chunks={"x": CHUNK, "y": CHUNK},
        resampling="bilinear",
    )
    return loaded.to_array().data


def stackstac_warp(address: str, grid: GeoBox) -> object:
    """stackstac with its own reader and warp."""
    import stackstac

    west, south, east, north = tuple(grid.boundingbox)
    plain = [item.to_dict() for item in items(address)]
    for item in plain:
        item["properties"]["proj:epsg"] = EPSG
    stack = stackstac.stack(
        plain,
        assets=list(BANDS),
        epsg=EPSG,
        bounds=(west, south, east, north),
        resolution=abs(grid.affine.a),
        snap_bounds=False,
        dtype=np.dtype("uint16"),
        fill_value=np.uint16(0),
        rescale=False,
        resampling=Resampling.bilinear,
        chunksize=CHUNK,
        errors_as_nodata=(),
    )
    return stored(stack.data)


def rasterio_windows(address: str, grid: GeoBox) -> object:
    """Plain rasterio: the same windows in as many threads, each file open once per thread."""
    opened = local()
    out = np.zeros((DATES, len(BANDS), *grid.shape), np.uint16)

    def read(job: tuple[int, int, int, int]) -> None:
        date, band, top, left = job
        files = opened.__dict__.setdefault("files", {})
        if (date, band) not in files:
            files[date, band] = rasterio.open(f"{address}/{name_of(date, BANDS[band])}")
        bottom, right = min(top + CHUNK, SIZE), min(left + CHUNK, SIZE)
        window = Window(left, top, right - left, bottom - top)
        out[date, band, top:bottom, left:right] = files[date, band].read(1, window=window)

    jobs = [
        (date, band, top, left)
        for date in range(DATES)
        for top in range(0, SIZE, CHUNK)
        for left in range(0, SIZE, CHUNK)
        for band in range(len(BANDS))
    ]
    with (
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
        ThreadPoolExecutor(THREADS) as pool,
    ):
        list(pool.map(read, jobs))
    return out


def lscube_cube(address: str, grid: GeoBox) -> object:
    """lscube's cube: reflectance before and after, NaN where unusable, reasons and dates."""
    before, after = items(address)
    scenes = scenes_of((before,), (after,))
    settings = CubeSettings(bands=BANDS, chunk=CHUNK, pre="first", terrain_shadow=False)
    cube = open_cube(scenes, grid, settings)
    return stored(cube["pre"].data), stored(cube["post"].data)


def odc_cube(address: str, grid: GeoBox) -> object:
    """The same reflectance from odc-stac."""
    numbers = odc_array(address, grid)
    return stored(da.where(numbers == 0, np.float32(np.nan), numbers * np.float32(1e-4)))


WAYS: dict[str, Callable[[str, GeoBox], object]] = {
    way.__name__: way
    for way in (lscube_stack, odc, stackstac_warp, rasterio_windows, lscube_cube, odc_cube)
}


def main(way: str, address: str, resolution: str) -> None:
    grid = snapped_grid(EXTENT, 10.0, EPSG)
    if float(resolution) != 10:
        # The same place, in finer pixels.
        step = float(resolution)
        shape = (int(SIZE * 10 / step), int(SIZE * 10 / step))
        grid = GeoBox(shape, Affine(step, 0, WEST, 0, -step, NORTH), f"EPSG:{EPSG}")
    with dask.config.set(scheduler="threads", num_workers=THREADS):
        start = time.perf_counter()
        WAYS[way](address, grid)
        seconds = time.perf_counter() - start
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main(*sys.argv[1:])
