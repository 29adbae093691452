"""Files of one's own as a catalogue: images before and after an event, and a surface model, without STAC."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import pystac
import rasterio
import shapely
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.warp import transform_geom
from shapely.geometry.base import BaseGeometry

from lscube.catalog.assets import SENTINEL2_BANDS
from lscube.errors import AreaError, SceneError, SourceError
from lscube.events import Event
from lscube.paths import StrPath

IMAGES, SURFACE = "own-images", "own-surface-model"
"""Collections of the items that are made."""

Part = Literal["before", "after", "dsm"]

ENOUGH = 0.95
"""Share of the area that a surface model has to cover."""

_COLOURS = {ColorInterp.red: "red", ColorInterp.green: "green", ColorInterp.blue: "blue"}
_NAMES = {own.lower(): common for common, own in reversed(SENTINEL2_BANDS.items())}
_NAMES |= {re.sub("b0", "b", own): common for own, common in _NAMES.items()}
_NAMES |= {common: common for common in SENTINEL2_BANDS}
"""What bands are called in descriptions and names of files."""
_ASSUMED = ("red", "green", "blue")


@dataclass(frozen=True)
class OwnFiles:
    """Rasters of one's own, by path or address."""

    before: tuple[StrPath, ...]
    """Images before the event: parts of one image, or its bands, one in each file."""
    after: tuple[StrPath, ...]
    """Images after it."""
    dsm: tuple[StrPath, ...] = ()
    """Tiles of a surface model."""
    bands: tuple[str, ...] = ()
    """Names of the bands of files of several, in their order; default: what the files say, else red, green,
    blue."""


@dataclass(frozen=True)
class OwnScenes:
    """What own files come to."""

    items: tuple[pystac.Item, ...]
    """Before, after, and the surface model, with nominal times."""
    area: BaseGeometry
    """Where images before and after both are, EPSG:4326."""
    notes: tuple[str, ...]
    """What was taken for granted, in words."""


@dataclass(frozen=True)
class _Raster:
    path: str
    bands: tuple[str, ...]
    """Names of its bands; empty where neither file nor name tells."""
    count: int
    """Bands but for alpha."""
    footprint: BaseGeometry
    epsg: str
    shape: tuple[int, int]
    transform: tuple[float, ...]


def scenes_of_files(files: OwnFiles, event: Event) -> OwnScenes:
    """Make items of own files; no pixel is read.

    Parameters
    ----------
    files
        The files.
    event
        The images' nominal times are a day before and a day after it.

    Raises
    ------
    SourceError
        A file cannot be opened, or has no georeference.
    SceneError
        Bands cannot be told, the image after is the one before, or the surface model leaves much open.
    AreaError
        The images do not overlap.
    """
    notes: list[str] = []
    before, after, surface = (
        [_opened(str(path)) for path in paths] for paths in (files.before, files.after, files.dsm)
    )
    _check_different(files)
    area = _common_area(before, after)
    _check_covers(surface, area)
    day = timedelta(days=1)
    items = [
        *_images(before, "before", event.start - day, files.bands, notes),
        *_images(after, "after", event.end + day, files.bands, notes),
        *(
            _item(f"dsm-{number}-{_stem(one.path)}", [(("data",), one)], event.start - day, SURFACE)
            for number, one in enumerate(surface, 1)
        ),
    ]
    return OwnScenes(tuple(items), area, tuple(dict.fromkeys(notes)))


def _opened(path: str) -> _Raster:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # it is refused below
            source = rasterio.open(path)
        with source:
            if source.crs is None or source.transform.is_identity:
                raise SourceError(
                    f"Expected a georeferenced raster, but {path} has no coordinate system; give it one with "
                    "gdal_translate -a_srs and -a_ullr."
                )
            ring = shapely.segmentize(shapely.box(*source.bounds), _longest(source.bounds) / 20)
            corners = transform_geom(source.crs, "EPSG:4326", shapely.geometry.mapping(ring))
            colours = source.colorinterp
            named = [
                _name_of(text) or _COLOURS.get(colour, "")
                for text, colour in zip(source.descriptions, colours, strict=True)
                if colour != ColorInterp.alpha
            ]
            if len(named) == 1 and not named[0]:
                named = [_name_of(_stem(path))]
            return _Raster(
                path=path if "://" in path else str(Path(path).resolve()),
                bands=tuple(named) if all(named) else (),
                count=len(named),
                footprint=shapely.geometry.shape(corners),
                epsg=source.crs.to_string(),
                shape=source.shape,
                transform=tuple(source.transform)[:6],
            )
    except (RasterioError, OSError) as error:
        raise SourceError(
            f"Expected a raster that GDAL reads at {path}, but {error}; check the path."
        ) from None


def _longest(bounds: tuple[float, float, float, float]) -> float:
    west, south, east, north = bounds
    return max(east - west, north - south)


def _name_of(text: str | None) -> str:
    """Common name of the band that a description, or the last word of a file's name, tells of."""
    for word in reversed(re.findall(r"[a-z]+\d*[a-z]?", (text or "").lower())):
        if word in _NAMES:
            return _NAMES[word]
    return ""


def _stem(path: str) -> str:
    return re.sub(r"[^\w-]+", "-", Path(path).name.split(".")[0])


def _check_different(files: OwnFiles) -> None:
    """Refuse one image as both."""
    seen = {_digest(path): path for path in map(str, files.before) if Path(path).is_file()}
    for path in map(str, files.after):
        if Path(path).is_file() and (other := seen.get(_digest(path))) is not None:
            raise SceneError(
                f"Expected two images, but {path} holds the same bytes as {other}; give the image after the "
                "event as --after."
            )


def _digest(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _common_area(before: Sequence[_Raster], after: Sequence[_Raster]) -> BaseGeometry:
    """Where both sides are."""
    sides = [shapely.union_all([one.footprint for one in side]) for side in (before, after)]
    common = shapely.intersection(*sides)
    if common.area == 0:
        one, other = (", ".join(f"{value:.4f}" for value in side.bounds) for side in sides)
        raise AreaError(
            f"Expected images of one place, but the image before lies within {one} and the image after "
            f"within {other} (degrees: west, south, east, north); check the files and their coordinate "
            "systems."
        )
    return common


def _check_covers(surface: Sequence[_Raster], area: BaseGeometry) -> None:
    """Refuse a surface model without which much of the area would not be mapped."""
    if not surface:
        return
    covered = shapely.union_all([one.footprint for one in surface])
    share = covered.intersection(area).area / area.area
    if share < ENOUGH:
        raise SceneError(
            f"Expected a surface model of the whole area, got one of {share:.0%} of it; give further tiles "
            "with --dsm, cut the area with --aoi, or leave --dsm out where the model can go without terrain."
        )


def _images(
    rasters: Sequence[_Raster],
    part: Part,
    when: datetime,
    bands: tuple[str, ...],
    notes: list[str],
) -> list[pystac.Item]:
    """Items of one side: one for each file of several bands, and one for each place of single bands."""
    single: dict[tuple[object, ...], list[tuple[tuple[str, ...], _Raster]]] = {}
    found = []
    for raster in rasters:
        names = _bands_of(raster, bands, notes)
        if len(names) > 1:
            found.append([(names, raster)])
            continue
        same = single.setdefault((raster.epsg, raster.footprint.wkt), [])
        if any(names == others for others, _ in same):
            raise SceneError(
                f"Expected one file for each band, but {raster.path} is another one of band {names[0]} at "
                "the same place; give images of several days one after the other."
            )
        same.append((names, raster))
    found += single.values()
    return [
        _item(f"{part}-{number}-{_stem(assets[0][1].path)}", assets, when, IMAGES)
        for number, assets in enumerate(found, 1)
    ]


def _bands_of(raster: _Raster, given: tuple[str, ...], notes: list[str]) -> tuple[str, ...]:
    """Names of a file's bands: as given, as the file says, or red, green, blue."""
    if given and raster.count > 1:
        if len(given) != raster.count:
            raise SceneError(
                f"Expected a name for each of the {raster.count} bands of {raster.path}, got {len(given)} "
                f"({', '.join(given)}); correct --bands."
            )
        return given
    if raster.bands:
        return raster.bands
    if raster.count == len(_ASSUMED):
        notes.append(
            f"{Path(raster.path).name} does not say what its bands are; they are taken for red, green, blue "
            "(--bands says otherwise)"
        )
        return _ASSUMED
    raise SceneError(
        f"Expected to be told what the {raster.count} band(s) of {raster.path} are; name them in their "
        "order, for example --bands blue,green,red,nir, or call files of one band after it (red.tif)."
    )


def _item(
    name: str,
    assets: Sequence[tuple[tuple[str, ...], _Raster]],
    when: datetime,
    collection: str,
) -> pystac.Item:
    footprint = shapely.union_all([raster.footprint for _, raster in assets])
    item = pystac.Item(
        name,
        shapely.geometry.mapping(footprint),
        list(footprint.bounds),
        when,
        {"description": "A file of the user's own; its time is nominal."},
        collection=collection,
    )
    for names, raster in assets:
        bands = [{"name": one, "common_name": one} for one in names]
        fields = {
            "proj:code": raster.epsg,
            "proj:shape": list(raster.shape),
            "proj:transform": list(raster.transform),
            **({} if collection == SURFACE else {"eo:bands": bands}),
        }
        key = names[0] if len(names) == 1 else "image"
        item.add_asset(key, pystac.Asset(raster.path, roles=["data"], extra_fields=fields))
    return item
