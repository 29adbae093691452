"""Write a cube of a growing area and print the process's peak memory in MB.

The smallest area holds as many pixels as GDAL's cache of decoded blocks, so that the cache's filling is
not taken for growth.

python -m tests.benchmarks.growing ADDRESS EDGE
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import dask
from affine import Affine
from odc.geo.geobox import GeoBox

from lscube.cube import open_cube, write_cube
from lscube.settings import CubeSettings
from tests.benchmarks.readers import BANDS, EPSG, NORTH, THREADS, WEST, items, scenes_of

SIZE = 10_980
"""Edge of a tile of Sentinel-2; a quarter of it is the smallest area's."""


def main(address: str, quarters: str) -> None:
    """Read whole tiles, one file for each band and date."""
    before, after = items(address)
    for item in (before, after):
        for asset in item.assets.values():
            asset.extra_fields["proj:shape"] = [SIZE, SIZE]
    scenes = scenes_of((before,), (after,))
    edge = SIZE // 4 * int(quarters)
    grid = GeoBox((edge, edge), Affine(10, 0, WEST, 0, -10, NORTH), f"EPSG:{EPSG}")
    settings = CubeSettings(bands=BANDS, chunk=512)
    with (
        tempfile.TemporaryDirectory() as folder,
        dask.config.set(scheduler="threads", num_workers=THREADS),
    ):
        write_cube(open_cube(scenes, grid, settings), Path(folder) / "cube.zarr")
    # Not getrusage, which begins with the peak of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    print(next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
