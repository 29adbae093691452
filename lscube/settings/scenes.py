"""Sections on what happened, where, and what the scenes say."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from lscube.settings.base import Bounds, Settings, put_layer

PRESETS = ("earth-search", "planetary-computer", "cdse")
"""Catalogues that lscube knows by name."""

Composite = Literal["median", "clearest", "first"]
"""How several scenes become one image."""


class EventSettings(Settings):
    """[event]: what happened and when."""

    id: str = "event"
    """Short name; becomes the cube's `event_id`. One of `lscube events` brings its time and area."""
    time: str | None = None
    """UTC instant ("2018-09-05T18:07:00Z"), or a date where only that is known ("2018-09-06"); default: the
    registry's, for an event that `lscube events` lists."""
    registry: Path | None = None
    """Events of your own beside those that lscube knows: a TOML file or a folder of them."""

    @field_validator("time", mode="before")
    @classmethod
    def _plain_time(cls, value: Any) -> Any:
        """Take TOML's own dates and times as well as text."""
        return value.isoformat() if isinstance(value, date) else value


class AreaSettings(Settings):
    """[area]: which pixels."""

    aoi: Path | Bounds | None = None
    """Vector file (GeoJSON, GeoPackage, ...), or west, south, east, north in degrees (west > east crosses the
    antimeridian); default: the registry's area of the event."""
    layer: str | None = Field(None, exclude=True)
    """Layer of the vector file `aoi`; default: all its layers together."""
    resolution: float = Field(10.0, ge=1, le=10_000)
    """Pixel size in metres."""
    epsg: int | None = None
    """UTM zone of the grid (EPSG:326xx or 327xx); by default the one of the area's centre."""

    @model_validator(mode="before")
    @classmethod
    def _of_layer(cls, values: Any) -> Any:
        return put_layer(values, "aoi")

    @field_validator("epsg")
    @classmethod
    def _utm(cls, value: int | None) -> int | None:
        if value is not None and not (value // 100 in (326, 327) and 1 <= value % 100 <= 60):
            raise ValueError(f"must be a UTM zone, 32601 to 32660 or 32701 to 32760, not {value}")
        return value


class SourceSettings(Settings):
    """[source]: where the scenes come from."""

    catalogs: tuple[str | Path, ...] = Field(min_length=1)
    """Asked in order until one has scenes (and one a surface model): "earth-search", "planetary-computer",
    "cdse", the address of a STAC API, or an ItemCollection or static catalogue by path or address."""
    collections: tuple[str, ...] | None = None
    """Collections of the optical scenes, the preferred first; default: what the catalogue is known for."""
    dsm_collections: tuple[str, ...] | None = None
    """Collections of the surface model; the first that has items is used. Default: AW3D30, else GLO-30."""
    dsm_asset: str | None = None
    """Asset with the elevation in metres; default: "data", or the only one."""
    scl_asset: str | None = None
    """Asset with the Sentinel-2 scene classification; default: "scl", "SCL" or "SCL_20m"."""
    days_before: int = Field(365, ge=1, le=36_500)
    """Scenes up to this many days before the event can serve as pre-event image."""
    days_after: int = Field(180, ge=1, le=36_500)
    """Scenes up to this many days after the event can serve as post-event image."""
    max_cloud: float = Field(60.0, ge=0, le=100)
    """Scenes with a higher cloud cover (percent) are left out."""
    max_scenes: int = Field(6, ge=1)
    """At most this many scenes on each side of the event and on each tile, the clearest first."""
    season_days: int = Field(45, ge=1, le=183)
    """Scenes before the event count as of its season up to so many days of the year from it; they come first,
    and others only where there are fewer than three. 183: the clearest of any season."""
    years_before: int = Field(2, ge=0, le=20)
    """Years before the event of which scenes of its season are looked for, beyond `days_before`."""
    min_sun: float = Field(20.0, ge=0, lt=90)
    """Elevation of the sun in degrees below which a scene before the event comes after others."""
    max_snow: float = Field(10.0, ge=0, le=100)
    """Snow and ice (percent of the scene, where the item tells) above which a scene before the event does."""
    optional: tuple[Literal["pre", "post", "dsm"], ...] = ()
    """What may be missing, for example "post" as long as nothing has been seen since the event, or "dsm": its
    pixels are then unobserved, or without elevation."""
    timeout: float = Field(60.0, gt=0, le=3600)
    """Seconds after which one request to a catalogue is given up and tried again."""
    attempts: int = Field(5, ge=1, le=20)
    """Times that a request to a catalogue is made before the next catalogue is asked."""

    @field_validator("catalogs", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        """Take one catalogue as well as a list; what is neither preset nor address is a path."""
        given = [value] if isinstance(value, str | Path) else value
        if not isinstance(given, list | tuple):
            return given
        return tuple(
            Path(entry)
            if isinstance(entry, str) and entry not in PRESETS and "://" not in entry
            else entry
            for entry in given
        )


class CubeSettings(Settings):
    """[cube]: what the pixels say."""

    bands: tuple[str, ...] = Field(("red", "green", "blue"), min_length=1)
    """Common names of the bands (keys of the items' assets, or of their `eo:bands`)."""
    chunk: int = Field(1024, ge=32)
    """Edge of a chunk in pixels when a cube is opened on its own."""
    pre: Composite = "median"
    """Image before the event: "median" of the clear pixels of the `source.max_scenes` clearest scenes,
    "clearest" (one scene), or "first" (the clearest scene that shows the pixel clear)."""
    post: Composite = "first"
    """Image after the event: "first" (the first clear pixel since the event), "clearest", or "median"."""
    mask_classes: tuple[Annotated[int, Field(ge=0, le=11)], ...] = (0, 1, 2, 3, 8, 9, 10, 11)
    """SCL classes that make a pixel unusable."""
    dilation: float = Field(60.0, ge=0, le=5_000)
    """Metres by which clouds and their shadows are widened."""
    terrain_shadow: bool = True
    """Whether pixels that the terrain keeps from the sun (sun position and surface model) are unusable."""
    mask: Path | None = None
    """Raster (not 0: unusable) or vector file (inside: unusable) of your own, for both images; all layers of
    a file count together."""
    pre_mask: Path | None = None
    """As `mask`, for the image before alone."""
    post_mask: Path | None = None
    """As `mask`, for the image after alone."""
    cloud_mask: Literal["classification", "omnicloudmask", "both"] = "classification"
    """Where clouds come from: the scene classification, OmniCloudMask (extra `clouds`) for scenes without
    one, or both for every scene."""
    scale: float | dict[str, float] | None = None
    """Reflectance per digital number, for all items or by item id, where the items are wrong or silent."""
    offset: float | dict[str, float] | None = None
    """Reflectance at digital number 0 (-0.1 or 0), for all items or by item id; decides contradictions."""
    nodata: float | dict[str, float] | None = None
    """Number that is no data in the bands, for all items or by item id, where files and items are wrong,
    silent or contradict each other."""
    elevation_scale: float | dict[str, float] | None = None
    """Metres per number of the surface model (0.1: decimetres, 0.3048: feet), as `scale`."""
    elevation_offset: float | dict[str, float] | None = None
    """Metres at number 0 of the surface model, as `offset`."""
    elevation_nodata: float | dict[str, float] | None = None
    """Number that is no data in the surface model, as `nodata`."""
    coregister: bool = False
    """Whether the image after is moved onto the image before by their measured shift."""
