"""Files: COGs, STAC items, the inventory and the area of interest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pystac
import rasterio
import rasterio.features
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from lscube.grid import bounds_of, epsg_of
from lscube.simulate.landslides import Landslides
from lscube.simulate.scene import OFFSET, QUANTIFICATION, Scene
from lscube.simulate.sky import Sun
from lscube.simulate.spectra import BANDS

_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
]
_SCENE_EXTENSIONS = [
    "https://stac-extensions.github.io/view/v1.0.0/schema.json",
    "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.1.0/schema.json",
]
_ADDING = 4.0
"""Processing baseline from which digital numbers carry `OFFSET`."""
_SIMULATED = "Simulated by lscube.simulate, not an observation."
_WRITTEN = "2020-01-01T00:00:00Z"
"""Time stamp inside the GeoPackage, fixed so that the same seed gives the same bytes."""


FINE = "fine-optical"
"""Collection of the images of the commercial satellite."""


@dataclass(frozen=True)
class Acquisition:
    """What is known of an image besides its pixels."""

    name: str
    """Folder of its files and beginning of its id."""
    time: datetime
    """UTC instant."""
    sun: Sun
    """Where the sun stood."""
    sensor: str = "sentinel-2"
    """"sentinel-2" or "fine", a commercial satellite without a scene classification."""
    baseline: str = "05.10"
    """Sentinel-2's processing baseline."""

    @property
    def offset(self) -> int:
        """What the digital numbers have added."""
        return OFFSET if self.sensor == "sentinel-2" and float(self.baseline) >= _ADDING else 0


def write_scene(folder: Path, scene: Scene, grid: GeoBox, taken: Acquisition) -> pystac.Item:
    """Write an image's bands and classification, and describe them as a STAC item.

    Parameters
    ----------
    folder
        Where ``items.json`` will be; the files go to a folder of the image's name in it.
    scene
        The pixels.
    grid
        Grid of the bands; the classification's pixels are twice as large.
    taken
        When and under which sun.
    """
    item = _item(taken.name, taken.time, _footprint(scene.dn[2] > 0, grid), grid)
    sentinel2 = taken.sensor == "sentinel-2"
    item.properties.update(_properties(scene, grid, taken) if sentinel2 else _fine(grid, taken))
    item.stac_extensions.extend(_SCENE_EXTENSIONS if sentinel2 else _SCENE_EXTENSIONS[:1])
    item.collection_id = "sentinel-2-l2a" if sentinel2 else FINE
    for band, pixels in zip(BANDS, scene.dn, strict=True):
        asset = _asset(folder, f"{taken.name}/{band}.tif", pixels, grid, 0)
        asset.roles = ["data", "reflectance"]
        asset.extra_fields["raster:bands"][0].update(
            scale=1.0 / QUANTIFICATION, offset=-taken.offset / QUANTIFICATION
        )
        asset.extra_fields["eo:bands"] = [{"name": band, "common_name": band}]
        item.add_asset(band, asset)
    if sentinel2:
        scl = _asset(folder, f"{taken.name}/scl.tif", scene.scl, grid.zoom_out(2), 0)
        scl.roles = ["data"]
        item.add_asset("scl", scl)
    return item


def write_dsm(
    folder: Path, elevation: NDArray[np.float32], grid: GeoBox, time: datetime
) -> pystac.Item:
    """Write the surface model in whole metres and describe it as a STAC item."""
    everywhere = to_degrees(shapely.box(*bounds_of(grid)), epsg_of(grid))
    item = _item("dsm", time, everywhere, grid)
    item.collection_id = "alos-dem"
    item.properties["gsd"] = abs(grid.affine.a)
    pixels = np.rint(elevation).astype(np.int16)
    asset = _asset(folder, "dsm/data.tif", pixels, grid, -32768)
    asset.roles = ["data"]
    asset.extra_fields["raster:bands"][0]["unit"] = "metre"
    item.add_asset("data", asset)
    return item


def write_items(path: Path, items: list[pystac.Item]) -> None:
    """Write an ItemCollection; the hrefs in it are relative to it."""
    pystac.ItemCollection(items).save_object(str(path))


def write_catalog(path: Path, items: list[pystac.Item]) -> None:
    """Write the same items as a static catalogue beside their `items.json`, with relative links."""
    catalog = pystac.Catalog("simulated-event", _SIMULATED)
    for item in items:
        own = item.clone()
        own.set_self_href(str(path.with_name("items.json")))
        own.make_asset_hrefs_absolute()
        catalog.add_item(own)
    # With a slash: pystac takes a last name with a dot for a file.
    catalog.normalize_hrefs(f"{path.parent}/")
    catalog.make_all_asset_hrefs_relative()
    catalog.save(pystac.CatalogType.SELF_CONTAINED)


def write_inventory(
    path: Path,
    slides: Landslides,
    grid: GeoBox,
    elevation: NDArray[np.float32],
    shifts: NDArray[np.float64],
) -> None:
    """Write one polygon per landslide to a GeoPackage, in the grid's CRS.

    `shifts`, (1 + landslides, 2), are metres east and north by which all polygons are moved, and
    then, by half, each.

    Attributes: ``id``, ``area_m2``, ``source_area_m2`` and ``drop_m`` (from the highest to the
    lowest pixel).
    """
    label = slides.label.astype(np.int32)
    shapes = rasterio.features.shapes(label, mask=label > 0, transform=grid.affine)
    outline = {int(number): shapely.geometry.shape(polygon) for polygon, number in shapes}
    pixel = abs(grid.affine.a * grid.affine.e)
    count = slides.count
    source = np.bincount(label[slides.source], minlength=count + 1) * pixel
    high, low = np.full(count + 1, -np.inf), np.full(count + 1, np.inf)
    np.maximum.at(high, label.ravel(), elevation.ravel())
    np.minimum.at(low, label.ravel(), elevation.ravel())
    ids = range(1, count + 1)
    polygons = [translate(outline[i], *(shifts[0] + shifts[i] / 2)) for i in ids]
    frame = geopandas.GeoDataFrame(
        {
            "id": ids,
            "area_m2": [polygon.area for polygon in polygons],
            "source_area_m2": source[1:].astype(float),
            "drop_m": np.round((high - low)[1:], 1),
        },
        geometry=polygons,
        crs=epsg_of(grid),
    )
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _WRITTEN})
    try:
        frame.to_file(path, layer="landslides", driver="GPKG", engine="pyogrio")
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def write_area(path: Path, grid: GeoBox, inset: float, share: float = 1.0) -> None:
    """Write the grid's extent without a rim of `inset` metres, or a share in its east, as GeoJSON."""
    west, south, east, north = bounds_of(grid)
    west, south, east, north = west + inset, south + inset, east - inset, north - inset
    box = shapely.box(east - share * (east - west), south, east, north)
    area = to_degrees(box, epsg_of(grid))
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(area)}
    collection = {"type": "FeatureCollection", "features": [feature]}
    path.write_text(json.dumps(collection, indent=1), encoding="utf-8")


def _footprint(observed: NDArray[np.bool_], grid: GeoBox) -> BaseGeometry:
    """Outline of the observed part as a convex polygon in EPSG:4326."""
    shapes = rasterio.features.shapes(
        observed.astype(np.uint8), mask=observed, transform=grid.affine
    )
    outline = shapely.union_all([shapely.geometry.shape(polygon) for polygon, _ in shapes])
    return to_degrees(outline.convex_hull, epsg_of(grid))


def _item(name: str, time: datetime, geometry: BaseGeometry, grid: GeoBox) -> pystac.Item:
    item = pystac.Item(
        id=name,
        geometry=json.loads(json.dumps(shapely.geometry.mapping(geometry))),
        bbox=list(geometry.bounds),
        datetime=time.astimezone(UTC),
        properties=_projection(grid),
    )
    item.stac_extensions = list(_EXTENSIONS)
    return item


def _projection(grid: GeoBox) -> dict[str, Any]:
    """Properties of the projection extension."""
    return {
        "proj:code": f"EPSG:{epsg_of(grid)}",
        "proj:shape": list(grid.shape),
        "proj:transform": [float(value) for value in grid.affine[:6]],
    }


def _properties(scene: Scene, grid: GeoBox, taken: Acquisition) -> dict[str, Any]:
    """Properties of a Sentinel-2 level-2A item."""
    west, south, east, north = bounds_of(grid)
    unit = "AB"[taken.time.toordinal() // 5 % 2]
    return {
        "platform": f"sentinel-2{unit.lower()}",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "gsd": abs(grid.affine.a),
        "eo:cloud_cover": round(scene.cloud_cover, 4),
        "view:sun_azimuth": round(taken.sun.azimuth, 4),
        "view:sun_elevation": round(taken.sun.elevation, 4),
        "grid:code": "MGRS-" + mgrs_tile(epsg_of(grid), (west + east) / 2, (south + north) / 2),
        "s2:processing_baseline": taken.baseline,
        "processing:version": taken.baseline,
        "processing:level": "L2A",
        "s2:datatake_id": f"GS2{unit}_{taken.time:%Y%m%dT%H%M%S}_012345_N{taken.baseline}",
        "description": _SIMULATED,
    }


def _fine(grid: GeoBox, taken: Acquisition) -> dict[str, Any]:
    """Properties of an item of the commercial satellite."""
    return {
        "platform": "simulated-fine",
        "gsd": abs(grid.affine.a),
        "eo:cloud_cover": 0.0,
        "view:sun_azimuth": round(taken.sun.azimuth, 4),
        "view:sun_elevation": round(taken.sun.elevation, 4),
        "description": _SIMULATED,
    }


def to_degrees(geometry: BaseGeometry, epsg: int) -> BaseGeometry:
    """Bring a geometry from a UTM zone to EPSG:4326; long edges are divided first."""
    divided = shapely.segmentize(geometry, 5000.0)
    degrees: BaseGeometry = geopandas.GeoSeries([divided], crs=epsg).to_crs(4326).iloc[0]
    return degrees


def mgrs_tile(epsg: int, easting: float, northing: float) -> str:
    """Name of the 100 km square of a point in a UTM zone, such as ``54TWN``.

    Parameters
    ----------
    epsg
        UTM zone, EPSG:326xx or EPSG:327xx.
    easting, northing
        Metres.
    """
    zone = epsg % 100
    latitude = to_degrees(shapely.Point(easting, northing), epsg).y
    band = "CDEFGHJKLMNPQRSTUVWX"[min(max(int((latitude + 80) // 8), 0), 19)]
    column = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")[zone % 3][int(easting // 1e5) - 1]
    start = 0 if zone % 2 else 5
    row = "ABCDEFGHJKLMNPQRSTUV"[(int(northing // 1e5) + start) % 20]
    return f"{zone:02d}{band}{column}{row}"


def _asset(
    folder: Path, name: str, pixels: NDArray[Any], grid: GeoBox, nodata: int
) -> pystac.Asset:
    """Write one band as a COG and describe it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="COG",
        height=pixels.shape[0],
        width=pixels.shape[1],
        count=1,
        dtype=pixels.dtype.name,
        crs=f"EPSG:{epsg_of(grid)}",
        transform=grid.affine,
        nodata=nodata,
        compress="DEFLATE",
        predictor="YES",
        blocksize=512 if min(pixels.shape) >= 512 else 256,
        overview_resampling="nearest" if pixels.dtype == np.uint8 else "average",
    ) as file:
        file.write(pixels, 1)
    fields = {
        **_projection(grid),
        "raster:bands": [{"nodata": nodata, "data_type": pixels.dtype.name}],
        "gsd": abs(grid.affine.a),
    }
    return pystac.Asset(f"./{name}", media_type=_COG, extra_fields=fields)
