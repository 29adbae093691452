"""The files of a run's item: written beside it, with size, checksum and what their numbers mean."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import odc.geo.xr  # noqa: F401  (the .odc accessor)
import pystac
import rasterio
import xarray as xr
from rasterio.windows import Window

from lscube.errors import StoreError
from lscube.files import write_json
from lscube.grid import resolution_of
from lscube.mapping.opening import manifest_of, store_there
from lscube.paths import StrPath
from lscube.products.inventory.writing import FORMATS
from lscube.products.portable import portable
from lscube.products.pyramid import levels, write_pyramid
from lscube.products.rasters import coding_of, write_cog
from lscube.products.stac.extensions import (
    CLASSIFICATION,
    FILE,
    RASTER,
    band_fields,
    bit_fields,
    file_fields,
)
from lscube.products.stac.facts import Facts
from lscube.products.stac.publication import Publication
from lscube.products.stac.run_item import INPUTS_FILE, MANIFEST_FILE
from lscube.products.stores import copy_store

ZARR = "application/vnd.zarr; version=3"
STORE = "map.zarr"

THUMBNAIL = 512
"""Longer edge of the thumbnail in pixels."""

GREY = (178, 178, 178, 255)
"""Colour of what is not known."""


def add_rasters(item: pystac.Item, folder: Path, mapped: xr.Dataset, facts: Facts) -> None:
    """Add probability and `observed` as cloud-optimised GeoTIFFs, and the thumbnail."""
    item.stac_extensions += [RASTER, CLASSIFICATION, FILE]
    resolution = resolution_of(mapped.odc.geobox)
    for name, title, roles in (
        ("probability", "Landslide probability", ["data"]),
        ("spread", "Standard deviation of the models' probabilities", ["data"]),
        ("observed", "Why a pixel is unusable, 0 = usable before and after", ["data-mask"]),
    ):
        if name not in mapped:
            continue
        path = folder / f"{name}.tif"
        write_cog(path, mapped, name)
        statistics = facts.statistics if name == "probability" else None
        fields = band_fields(coding_of(mapped, name), resolution, statistics)
        if name == "observed":
            fields |= bit_fields(mapped[name].attrs)
        _add(item, name, path, title, pystac.MediaType.COG, roles, fields)
    draw_thumbnail(folder / "thumbnail.png", folder / "probability.tif")
    _add(item, "thumbnail", folder / "thumbnail.png", "Thumbnail", "image/png", ["thumbnail"])


def _add(
    item: pystac.Item,
    key: str,
    path: Path,
    title: str,
    kind: str,
    roles: Sequence[str],
    fields: dict[str, Any] | None = None,
) -> None:
    """Add a file beside the item, with size and checksum."""
    said = {**(fields or {}), **file_fields(path)}
    item.add_asset(
        key, pystac.Asset(f"./{path.name}", title, None, str(kind), list(roles), extra_fields=said)
    )


def draw_thumbnail(path: Path, cog: Path) -> None:
    """Draw the part of a map that is known, from a coarse level of its GeoTIFF; grey where it is not."""
    from matplotlib import colormaps
    from matplotlib.image import imsave

    with rasterio.open(cog) as file:
        window = _known_part(file)
        step = max(1, -(-max(window.height, window.width) // THUMBNAIL))
        shape = (-(-window.height // step), -(-window.width // step))
        shown = file.read(1, window=window, out_shape=shape, masked=True) * (file.scales[0] or 1)
    known = ~np.ma.getmaskarray(shown)
    image = colormaps["magma"](np.ma.filled(shown.astype(float), 0.0), bytes=True)
    image[~known] = GREY
    imsave(path, image, format="png")


def _known_part(file: Any) -> Window:
    """The rectangle of a raster that holds what is known; all of it where nothing is."""
    step = max(1, -(-max(file.shape) // THUMBNAIL))
    coarse = file.read_masks(1, out_shape=tuple(-(-edge // step) for edge in file.shape)) > 0
    if not coarse.any():
        return Window(0, 0, file.width, file.height)
    parts = []
    for axis, edge in ((1, file.height), (0, file.width)):
        places = np.flatnonzero(coarse.any(axis=axis)) * edge / coarse.shape[1 - axis]
        end = places[-1] + edge / coarse.shape[1 - axis]
        parts.append((int(places[0]), min(edge, int(np.ceil(end)))))
    return Window.from_slices(*parts)


def add_store(
    item: pystac.Item,
    folder: Path,
    mapped: xr.Dataset,
    where: StrPath,
    out: Path,
    what: Publication,
) -> None:
    """Add the map in Zarr, and its coarser levels."""
    first, title = 1, "The map with all it knows of each pixel (Zarr, opened with xarray)"
    copied = folder / STORE
    if what.store == "copy":
        first = 0
        copy_store(store_there(where), copied / "0")
    if what.store != "none":
        href = f"./{STORE}/0" if what.store == "copy" else store_href(where, out / item.id)
        item.add_asset("map", pystac.Asset(href, title, None, ZARR, ["data"]))
    if what.pyramid and len(levels(mapped.odc.geobox)) > first:
        write_pyramid(copied, mapped, first)
        title = "Coarser levels of probability and observed (Zarr, convention multiscales)"
        item.add_asset(
            "pyramid", pystac.Asset(f"./{STORE}", title, None, ZARR, ["data", "overview"])
        )


def store_href(where: StrPath, folder: Path) -> str:
    """Address of a map elsewhere; of one in a folder, the way there from the item."""
    if "://" in str(where):
        return str(where)
    path, near = Path(where).resolve(), folder.parent.parent.resolve()
    if not path.is_relative_to(near):
        raise StoreError(
            f"Expected a map in {near} or below, to link to it by a path that moves along, got {path}; copy "
            "it with --zarr copy, or publish beside it."
        )
    return os.path.relpath(path, folder.resolve())


def add_files(item: pystac.Item, folder: Path, mapped: xr.Dataset, what: Publication) -> None:
    """Add inventory, pictures, manifest and input items."""
    if what.inventory is not None:
        copy = folder / f"inventory{Path(what.inventory).suffix.lower()}"
        shutil.copyfile(what.inventory, copy)
        kind = INVENTORY_TYPES.get(FORMATS.get(copy.suffix, ""), "application/octet-stream")
        said = {} if what.summary is None else {"lscube:inventory": portable(what.summary)}
        _add(
            item, "inventory", copy, "Landslides as polygons with attributes", kind, ["data"], said
        )
    for number, picture in enumerate(map(Path, what.pictures), 1):
        copy = folder / f"picture-{number}{picture.suffix.lower()}"
        shutil.copyfile(picture, copy)
        _add(item, f"picture-{number}", copy, picture.stem, "image/png", ["overview"])
    path = folder / MANIFEST_FILE
    write_json(path, portable(manifest_of(mapped)))
    _add(item, "manifest", path, "All that determines the map", "application/json", ["metadata"])
    if what.inputs:
        path = folder / INPUTS_FILE
        frozen = {"type": "FeatureCollection", "features": portable(list(what.inputs))}
        write_json(path, {**frozen, **{f"lscube:{k}": v for k, v in what.assets.items()}})
        title, kind = "The input items, frozen (ItemCollection)", "application/geo+json"
        _add(item, "inputs", path, title, kind, ["metadata"])


INVENTORY_TYPES = {
    "Parquet": "application/vnd.apache.parquet",
    "GPKG": "application/geopackage+sqlite3",
    "FlatGeobuf": "application/vnd.flatgeobuf",
    "GeoJSON": "application/geo+json",
}
"""Media type of an inventory's format."""
