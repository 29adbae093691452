"""Sections of a scan: which events are mapped, where, and what from outside is let in."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from lscube.settings.base import Bounds, Settings
from lscube.settings.models import ModelFolder

Colour = Literal["green", "yellow", "orange", "red"]
Kind = Literal["earthquake", "cyclone", "flood", "storm", "other"]

_HOST = re.compile(
    r"(\*\.)?[a-z0-9_]([a-z0-9._-]*[a-z0-9])?(:[0-9]{1,5})?|\[[0-9a-f:.]+\](:[0-9]{1,5})?"
)


class RuleSettings(Settings):
    """[[rules]]: an event is mapped where all that one rule says holds; the first such rule wins."""

    name: str = Field(min_length=1, max_length=80)
    """What the rule is called in reasons and alerts."""
    sources: tuple[Literal["usgs", "gdacs", "own"], ...] = ()
    """Who must tell of the event; empty: any."""
    kinds: tuple[Kind, ...] = ()
    """What must have happened; empty: anything."""
    alert: Colour | None = None
    """Least overall alert level of the source (GDACS has no yellow)."""
    pager: Colour | None = None
    """Least alert level of the USGS PAGER."""
    landslide_hazard: Colour | None = None
    """Least alert colour of the USGS ground-failure product for landslides as such."""
    landslide_population: Colour | None = None
    """Least alert colour of that product for people exposed to landslides."""
    magnitude: float | None = Field(None, ge=0, le=10)
    """Least magnitude."""
    mmi: float | None = Field(None, ge=1, le=12)
    """Least highest intensity of the ShakeMap (modified Mercalli)."""
    max_depth: float | None = Field(None, ge=0, le=800)
    """Greatest depth of an earthquake in kilometres."""
    bounds: Bounds | None = None
    """West, south, east, north in degrees of the region that the centre must lie in (west > east crosses the
    antimeridian)."""

    @field_validator("bounds")
    @classmethod
    def _region(cls, value: Bounds | None) -> Bounds | None:
        if value is not None:
            west, south, east, north = value
            if not (abs(west) <= 180 and abs(east) <= 180 and -90 <= south < north <= 90):
                raise ValueError("must be west, south, east, north in degrees, south < north")
        return value


DEFAULT_RULES = (
    RuleSettings(name="own list", sources=("own",)),
    RuleSettings(name="landslides expected", landslide_hazard="orange"),
    RuleSettings(
        name="strong shallow earthquake", kinds=("earthquake",), magnitude=6.5, mmi=7, max_depth=70
    ),
    RuleSettings(name="orange alert", kinds=("earthquake", "cyclone", "flood"), alert="orange"),
)
"""What is mapped where a scan has no rules of its own."""


class ScanAreaSettings(Settings):
    """[area]: where an event is mapped."""

    shaking: tuple[Literal["pga", "mmi"], ...] = ("pga", "mmi")
    """Contours of a ShakeMap to go by, the preferred first; empty: none."""
    pga: float = Field(10.0, gt=0, le=500)
    """Percent of g of peak ground acceleration from which landslides are looked for."""
    mmi: float = Field(6.0, ge=1, le=12)
    """Modified Mercalli intensity from which they are, where the event has no contours of acceleration."""
    slope: float = Field(10.0, ge=0, lt=90)
    """Degrees from which ground counts as steep; 0: any."""
    steep_share: float = Field(0.1, gt=0, le=1)
    """Share of a cell that must be steep."""
    dsm_resolution: float = Field(90.0, ge=10, le=1000)
    """Metres between the elevations that slopes are taken from; coarser where the region is large."""
    cell: float = Field(1000.0, ge=100, le=10_000)
    """Edge of the cells in metres of which an area is put together."""
    closing: float = Field(2000.0, ge=0, le=50_000)
    """Metres up to which gaps between and in pieces are closed."""
    min_km2: float = Field(25.0, ge=0)
    """Pieces smaller than this are left out."""
    budget_km2: float = Field(10_000.0, gt=0, le=500_000)
    """Largest area of one event; what is most hazardous is kept."""
    radius_km: float = Field(50.0, gt=0, le=500)
    """Around the centre of an event of which no more is known."""

    @model_validator(mode="after")
    def _ordered(self) -> ScanAreaSettings:
        if self.min_km2 > self.budget_km2:
            raise ValueError(
                f"min_km2 ({self.min_km2:g}) must not exceed budget_km2 ({self.budget_km2:g})"
            )
        return self


class AllowedModel(Settings):
    """[[allow.models]]: a model that a scan may use."""

    folder: ModelFolder
    """Its folder, or one above it."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of its network, as `lscube model show` prints it."""


class AllowSettings(Settings):
    """[allow]: which addresses, files and models a scan may use."""

    schemes: tuple[Literal["https", "http", "s3", "gs", "abfs", "az"], ...] = (
        *("https", "http", "s3", "gs", "abfs"),
    )
    """How addresses may begin."""
    folders: tuple[Path, ...] = ()
    """Folders of this machine below which files may be read, for catalogues on this machine."""
    hosts: tuple[str, ...] = ()
    """Hosts ("stac.lan", "127.0.0.1:8080", "*.example.org") and networks ("10.1.0.0/16") that may be private
    addresses; other ports than 80 and 443 are given with the host. All others must be public."""
    only_hosts: tuple[str, ...] = ()
    """If given, the only hosts of http and https ("*.example.org": and all below)."""
    only_buckets: tuple[str, ...] = ()
    """If given, the only buckets or containers of s3, gs, abfs and az."""
    proxy: str | None = Field(None, pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$")
    """HTTP proxy for all but `hosts`; it then resolves names, and must keep from private addresses itself."""
    models: tuple[AllowedModel, ...] = ()
    """Models that may be used beside those that come with lscube."""

    @field_validator("hosts", "only_hosts")
    @classmethod
    def _plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        lower = tuple(entry.lower() for entry in value)
        for entry in lower:
            if "/" in entry:
                ipaddress.ip_network(entry)
            elif not _HOST.fullmatch(entry):
                raise ValueError(f"{entry!r} is no host, host:port or network")
        return lower


Count = Annotated[int, Field(gt=0)]


class LimitSettings(Settings):
    """[limits]: how much of what comes from outside is taken."""

    feed_bytes: Count = 20_000_000
    """Of one answer of a feed (an event's detail of the USGS has up to 2 MB)."""
    catalog_bytes: Count = 100_000_000
    """Of one answer (page, document) of a catalogue."""
    search_bytes: Count = 1_000_000_000
    """Of all answers of a catalogue in one search."""
    seconds: float = Field(120.0, gt=0, le=3600)
    """For one answer, from connecting to its last byte."""
    redirects: int = Field(5, ge=0, le=20)
    """Of one request."""
    features: Count = 20_000
    """Events in one feed, contours in one file."""
    items: Count = 5_000
    """STAC items of one search."""
    assets: Count = 200
    """Assets of one item."""
    vertices: Count = 200_000
    """Corners of one geometry, or of all contours together."""
    depth: int = Field(40, ge=5, le=200)
    """Of lists and objects in one another."""
    text: Count = 10_000
    """Characters of one text or name in an item."""
    values: Count = 2_000_000
    """Numbers, texts, lists and objects in one document."""


DEFAULT_LIMITS = LimitSettings()
"""The limits of a scan without [limits]."""
