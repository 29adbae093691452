"""Small scenes with known pixels, written as COGs and STAC items."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import rasterio
from affine import Affine
from rasterio.warp import transform_bounds
from shapely.geometry import box, mapping

EPSG = 32654
WEST, NORTH = 573440.0, 4735360.0
EVENT_TIME = "2018-09-05T18:07:00Z"


@dataclass
class Scene:
    """One item to write; `pixels` are digital numbers by asset."""

    id: str
    when: str
    pixels: dict[str, np.ndarray]
    collection: str = "sentinel-2-l2a"
    resolution: float = 10.0
    properties: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    offset: tuple[float, float] = (0.0, 0.0)


def write_raster(path: Path, pixels: np.ndarray, transform: Affine, nodata: float | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "COG",
        "dtype": pixels.dtype.name,
        "count": 1,
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "crs": f"EPSG:{EPSG}",
        "transform": transform,
        "nodata": nodata,
        "compress": "deflate",
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels, 1)


def write_scene(folder: Path, scene: Scene) -> pystac.Item:
    west, north = WEST + scene.offset[0], NORTH + scene.offset[1]
    transform = Affine(scene.resolution, 0, west, 0, -scene.resolution, north)
    rows, columns = next(iter(scene.pixels.values())).shape
    bounds = (west, north - rows * scene.resolution, west + columns * scene.resolution, north)
    degrees = transform_bounds(f"EPSG:{EPSG}", "EPSG:4326", *bounds)
    # Their pixels are of any brightness: only the item can tell that nothing is added to them.
    old = scene.collection == "sentinel-2-l2a" and scene.when < "2022"
    told = {"s2:processing_baseline": "02.06"} if old else {}
    item = pystac.Item(
        scene.id,
        mapping(box(*degrees)),
        list(degrees),
        datetime.fromisoformat(scene.when),
        {"proj:code": f"EPSG:{EPSG}", **told, **scene.properties},
        collection=scene.collection,
    )
    for name, pixels in scene.pixels.items():
        nodata = -32768 if pixels.dtype == np.int16 else 0
        write_raster(folder / scene.id / f"{name}.tif", pixels, transform, nodata)
        item.add_asset(
            name,
            pystac.Asset(
                f"./{scene.id}/{name}.tif",
                extra_fields={
                    "proj:shape": list(pixels.shape),
                    "proj:transform": list(transform)[:6],
                    **scene.fields,
                },
            ),
        )
    return item


def write_items(folder: Path, scenes: list[Scene]) -> Path:
    items = [write_scene(folder, scene) for scene in scenes]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "items.json"
    path.write_text(json.dumps(pystac.ItemCollection(items).to_dict()))
    return path


def bands(value: int | np.ndarray, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Red, green and blue with `value`, 100 and 200 more."""
    plane = np.broadcast_to(np.asarray(value), shape)
    return {
        name: (plane + extra).astype(np.uint16)
        for name, extra in (("red", 0), ("green", 100), ("blue", 200))
    }


def surface(shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """A plane that rises by 10 m per 30 m to the east."""
    return {"data": np.broadcast_to(np.arange(shape[1]) * 10 + 100, shape).astype(np.int16)}


def simple_event(folder: Path, shape: tuple[int, int] = (120, 150)) -> Path:
    """One scene before (0.1), one after (0.2), and a surface model with some margin."""
    dsm = (shape[0] // 3 + 20, shape[1] // 3 + 20)
    return write_items(
        folder,
        [
            Scene(
                "before",
                "2018-08-01T01:30:00Z",
                bands(1000, shape),
                properties={"eo:cloud_cover": 3},
            ),
            Scene(
                "after",
                "2018-10-01T01:30:00Z",
                bands(2000, shape),
                properties={"eo:cloud_cover": 4},
            ),
            Scene(
                "surface",
                "2016-01-01T00:00:00Z",
                surface(dsm),
                "alos-dem",
                30.0,
                offset=(-300.0, 300.0),
            ),
        ],
    )


def degrees(bounds: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Bounds in degrees of bounds on the scenes' grid."""
    return transform_bounds(f"EPSG:{EPSG}", "EPSG:4326", *bounds)


def inner_area(shape: tuple[int, int] = (120, 150), rim: float = 200.0) -> tuple[float, ...]:
    """The scenes' extent without a rim, in degrees."""
    return degrees(
        (WEST + rim, NORTH - shape[0] * 10 + rim, WEST + shape[1] * 10 - rim, NORTH - rim)
    )
