"""Count the tasks per chunk of a cube of 4 and of 60 items; nothing is read."""

from __future__ import annotations

from datetime import timedelta

import dask

from lscube.cube import open_cube
from lscube.grid import snapped_grid
from lscube.settings import CubeSettings
from tests.benchmarks.readers import BANDS, EPSG, EXTENT, items, scenes_of


def tasks_per_chunk(count: int) -> float:
    before, after = items("https://nowhere.example")
    sides = []
    for item in (before, after):
        copies = [item.clone() for _ in range(count // 2)]
        for number, copy in enumerate(copies):
            copy.id = f"{item.id}-{number}"
            assert copy.datetime is not None
            copy.datetime += timedelta(minutes=number)
        sides.append(tuple(copies))
    scenes = scenes_of(*sides)
    cube = open_cube(scenes, snapped_grid(EXTENT, 10.0, EPSG), CubeSettings(bands=BANDS, chunk=512))
    (optimised,) = dask.optimize(cube)
    chunks = cube["observed"].data.npartitions
    return len(dict(optimised.__dask_graph__())) / chunks


if __name__ == "__main__":
    print(tasks_per_chunk(4), tasks_per_chunk(60))
