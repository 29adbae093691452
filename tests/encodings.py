"""One simulated pair of scenes, written in any encoding that reflectance, ground and classes come in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import xarray as xr
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.warp import transform_bounds
from shapely.geometry import box, mapping

from lscube.catalog import Scenes, find_scenes
from lscube.cube import open_cube, prepare_reading
from lscube.events import make_event
from lscube.grid import read_area, snapped_grid
from lscube.settings import CubeSettings, SourceSettings
from tests.scenes import EPSG, EVENT_TIME, NORTH, WEST

SIZE, RESOLUTION = 96, 10.0
BANDS = ("red", "green", "blue")
SIDES = {"before": "2018-08-20T01:26:00Z", "after": "2018-09-20T01:26:00Z"}
FILLING = 7777
"""What stands where a mask, not a number, says that there is no data."""
FEET, SURVEY_FEET = 0.3048, 1200 / 3937


@dataclass(frozen=True)
class Encoding:
    """How one kind of raster is written: number = (value - offset) / scale, and who tells what."""

    dtype: str = "uint16"
    scale: float = 1e-4
    offset: float = 0.0
    nodata: float | None = 0
    """Number of the pixels without data; None: `FILLING`, and a mask or an alpha band tells."""
    validity: str = "file"
    """Who tells no data: "file", "item", "both", "mask", "alpha", or nobody ("")."""
    told: str = ""
    """Who tells scale and offset: "file", "item", "both", "v2" (STAC 1.1's fields) or nobody."""
    item: dict[str, Any] = field(default_factory=dict)
    """Fields of the band's entry in `raster:bands`, over all that is told."""
    asset: dict[str, Any] = field(default_factory=dict)
    """Fields of the asset."""
    file: dict[str, Any] = field(default_factory=dict)
    """What the file tells over all: "scale", "offset", "unit", "nodata"."""
    driver: str = "GTiff"
    several: bool = False
    """Whether all bands stand in one file."""
    south_up: bool = False
    padded: int = 0
    """Rows and columns without data around the scene."""
    properties: dict[str, Any] = field(default_factory=lambda: {"s2:processing_baseline": "02.08"})
    collection: str = "sentinel-2-l2a"


def reflectance() -> dict[str, dict[str, np.ndarray]]:
    """By side and band (y, x); NaN in the east, and in one corner of red alone."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    base = 0.06 + 0.035 * np.sin(9 * x + 3 * y) + 0.004 * rng.standard_normal((SIZE, SIZE))
    base = np.maximum(base, 0.012)
    base[:, 80:] = np.nan
    sides = {}
    for side in SIDES:
        bands = {name: base * f for name, f in zip(BANDS, (1.0, 1.3, 0.9), strict=True)}
        if side == "after":
            for plane in bands.values():
                plane[40:55, 30:50] += 0.15
        bands["red"][:10, :10] = np.nan
        sides[side] = bands
    return sides


def ground() -> np.ndarray:
    """Elevation in metres with hills of 8 degrees, a void in the middle."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    heights = 300 + 40 * np.sin(5 * x) * np.cos(4 * y) + 30 * y
    heights[60:70, 60:70] = np.nan
    return heights


def classes() -> np.ndarray:
    """A scene classification: vegetation, a cloud, and no data in the south."""
    found = np.full((SIZE, SIZE), 4.0)
    found[20:26, 60:68] = 9
    found[90:] = np.nan
    return found


REFLECTANCE = Encoding()
GROUND = Encoding("float32", 1.0, nodata=-9999, properties={}, collection="alos-dem")
CLASSES = Encoding("uint8", 1.0)


def numbers_of(values: np.ndarray, encoding: Encoding) -> np.ndarray:
    filling = FILLING if encoding.nodata is None else encoding.nodata
    dtype = np.dtype(encoding.dtype)
    raw = (values - encoding.offset) / encoding.scale
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        raw = np.clip(np.rint(raw), limits.min, limits.max)
        filling = min(filling, limits.max)
    return np.where(np.isnan(values), filling, raw).astype(dtype)


def write_bands(path: Path, planes: list[np.ndarray], encoding: Encoding) -> None:
    """Write values as bands of one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pad = encoding.padded
    planes = [np.pad(plane, pad, constant_values=np.nan) for plane in planes]
    pixels = np.stack([numbers_of(plane, encoding) for plane in planes])
    gaps = np.isnan(np.stack(planes)).any(axis=0)
    place = Affine(RESOLUTION, 0, WEST, 0, -RESOLUTION, NORTH) @ Affine.translation(-pad, -pad)
    if encoding.south_up:
        place = place @ Affine(1, 0, 0, 0, -1, gaps.shape[0])
        pixels, gaps = pixels[:, ::-1], gaps[::-1]
    alpha = encoding.validity == "alpha"
    if alpha:
        opaque = np.where(gaps, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
        pixels = np.concatenate([pixels, opaque[None]])
    tells = encoding.validity in ("file", "both")
    profile = {
        "driver": "GTiff" if encoding.driver == "COG" else encoding.driver,
        "dtype": encoding.dtype,
        "count": len(pixels),
        "height": pixels.shape[1],
        "width": pixels.shape[2],
        "crs": f"EPSG:{EPSG}",
        "transform": place,
        "nodata": encoding.file.get("nodata", encoding.nodata if tells else None),
    }
    if encoding.driver == "JP2OpenJPEG":
        profile |= {"QUALITY": "100", "REVERSIBLE": "YES"}
    if encoding.driver == "COG":
        profile["driver"] = "COG"
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **profile) as file,
    ):
        if alpha:
            file.colorinterp = [*[ColorInterp.gray] * (len(pixels) - 1), ColorInterp.alpha]
        file.write(pixels)
        told = encoding.told in ("file", "both")
        scale = encoding.file.get("scale", encoding.scale if told else None)
        offset = encoding.file.get("offset", encoding.offset if told else None)
        if scale is not None:
            file.scales = (scale,) * len(pixels)
        if offset is not None:
            file.offsets = (offset,) * len(pixels)
        if "unit" in encoding.file:
            file.units = (encoding.file["unit"],) * len(pixels)
        if encoding.validity == "mask":
            file.write_mask(np.where(gaps, 0, 255).astype(np.uint8))


def asset_of(href: str, encoding: Encoding, names: list[str]) -> dict[str, Any]:
    """An asset, and what the item says of its bands."""
    size = SIZE + 2 * encoding.padded
    corner = (WEST - encoding.padded * RESOLUTION, NORTH + encoding.padded * RESOLUTION)
    fields = dict(encoding.item)
    if encoding.told in ("item", "both"):
        fields = {"scale": encoding.scale, "offset": encoding.offset, **fields}
    if encoding.validity in ("item", "both"):
        value = encoding.nodata
        fields = {"nodata": "nan" if value is not None and np.isnan(value) else value, **fields}
    asset: dict[str, Any] = {
        "href": href,
        "proj:shape": [size, size],
        "proj:transform": [RESOLUTION, 0, corner[0], 0, -RESOLUTION, corner[1]],
        **encoding.asset,
    }
    if fields:
        asset["raster:bands"] = [fields] * len(names)
    if len(names) > 1:
        asset["eo:bands"] = [{"name": name, "common_name": name} for name in names]
    if encoding.told == "v2":
        told = {"raster:scale": encoding.scale, "raster:offset": encoding.offset}
        asset["bands"] = [{"name": name, "eo:common_name": name, **told} for name in names]
    return asset


def item_of(name: str, when: str, assets: dict[str, Any], encoding: Encoding) -> dict[str, Any]:
    extent = (WEST, NORTH - SIZE * RESOLUTION, WEST + SIZE * RESOLUTION, NORTH)
    degrees = transform_bounds(f"EPSG:{EPSG}", "EPSG:4326", *extent)
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": encoding.collection,
        "bbox": list(degrees), "geometry": mapping(box(*degrees)), "links": [], "stac_extensions": [],
        "properties": {"datetime": when, "proj:code": f"EPSG:{EPSG}", "eo:cloud_cover": 1,
                       **encoding.properties},
        "assets": assets,
    }  # fmt: skip


def write_pair(
    folder: Path,
    optical: Encoding = REFLECTANCE,
    surface: Encoding = GROUND,
    classification: Encoding = CLASSES,
) -> Path:
    """Write both scenes and the surface model, and the items that point to them."""
    ending = ".jp2" if optical.driver == "JP2OpenJPEG" else ".tif"
    items = []
    for side, bands in reflectance().items():
        assets = {}
        if optical.several:
            write_bands(folder / side / f"image{ending}", list(bands.values()), optical)
            assets["image"] = asset_of(f"{side}/image{ending}", optical, list(bands))
        else:
            for name, plane in bands.items():
                write_bands(folder / side / f"{name}{ending}", [plane], optical)
                assets[name] = asset_of(f"{side}/{name}{ending}", optical, [name])
        write_bands(folder / side / "scl.tif", [classes()], classification)
        assets["scl"] = asset_of(f"{side}/scl.tif", classification, ["scl"])
        items.append(item_of(side, SIDES[side], assets, optical))
    write_bands(folder / "ground.tif", [ground()], surface)
    assets = {"data": asset_of("ground.tif", surface, ["data"])}
    items.append(item_of("ground", "2015-01-01T00:00:00Z", assets, GROUND))
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


GRIDS = {
    "native": snapped_grid((WEST, NORTH - 960, WEST + 960, NORTH), 10.0, EPSG),
    "coarse": snapped_grid((WEST, NORTH - 960, WEST + 960, NORTH), 20.0, EPSG),
    "finer": snapped_grid((WEST, NORTH - 960, WEST + 960, NORTH), 6.0, EPSG),
    # The neighbouring zone: warped.
    "other zone": snapped_grid(
        transform_bounds(f"EPSG:{EPSG}", f"EPSG:{EPSG - 1}", WEST, NORTH - 960, WEST + 960, NORTH),
        10.0,
        EPSG - 1,
    ),
}


def scenes_in(items: Path) -> Scenes:
    """The pair's scenes and surface model."""
    west, south, east, north = transform_bounds(
        f"EPSG:{EPSG}", "EPSG:4326", WEST, NORTH - 960, WEST + 960, NORTH
    )
    return find_scenes(
        read_area((west, south, east, north)),
        make_event("e", EVENT_TIME),
        SourceSettings(catalogs=(items,), collections=("sentinel-2-l2a", "planet")),
    )


def cube_of(
    items: Path, route: str = "native", settings: CubeSettings | None = None, look: bool = True
) -> xr.Dataset:
    """The cube of a pair, in memory."""
    settings = settings or CubeSettings(dilation=0.0, terrain_shadow=False)
    scenes = scenes_in(items)
    grid = GRIDS[route]
    if not look:
        return open_cube(scenes, grid, settings).compute()
    return open_cube(
        scenes, grid, settings, reading=prepare_reading(scenes, grid, settings)
    ).compute()
