"""Count the tasks per chunk of a cube of 4 and of 60 items; nothing is read."""

from __future__ import annotations

from datetime import timedelta

import dask

from lscube.catalog import Scenes
from lscube.cube import open_cube
from lscube.grid import snapped_grid
from lscube.settings import CubeSettings
from tests.benchmarks.readers import BANDS, EPSG, EXTENT, SIZE, items, scenes_of


def scenes_of_many(count: int, pixels: int = SIZE) -> Scenes:
    """So many items with as many pixels along an edge, half of them before and half after."""
    sides = []
    for item in items("https://nowhere.example"):
        for asset in item.assets.values():
            asset.extra_fields["proj:shape"] = [pixels, pixels]
        copies = [item.clone() for _ in range(count // 2)]
        for number, copy in enumerate(copies):
            copy.id = f"{item.id}-{number}"
            assert copy.datetime is not None
            copy.datetime += timedelta(minutes=number)
        sides.append(tuple(copies))
    return scenes_of(*sides)


def tasks_per_chunk(count: int) -> float:
    scenes = scenes_of_many(count)
    cube = open_cube(scenes, snapped_grid(EXTENT, 10.0, EPSG), CubeSettings(bands=BANDS, chunk=512))
    (optimised,) = dask.optimize(cube)
    chunks = cube["observed"].data.npartitions
    return len(dict(optimised.__dask_graph__())) / chunks


if __name__ == "__main__":
    print(tasks_per_chunk(4), tasks_per_chunk(60))
