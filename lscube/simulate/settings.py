"""What to simulate: landscape, trigger, images and inventory of one event."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from lscube.errors import SettingsError


@dataclass(frozen=True)
class Landscape:
    """The ground and what grows on it."""

    steepness: float = 1.0
    """Steepness of channels and slopes relative to the demo's hills, 0.3..2."""
    conifer: float = 0.2
    """Share of the forest that is conifers."""
    meadow: float = 0.34
    """Share of the ground that is grass where it is flat; steep ground has less."""
    farmland: bool = True
    """Whether gentle ground is farmed."""
    bare: float = 0.0
    """Share of the ground, the highest, that is rock and scree."""
    evergreen: bool = False
    """Whether broadleaved trees keep their leaves."""


@dataclass(frozen=True)
class Trigger:
    """What fails, and how far it goes."""

    share: float = 0.06
    """Share of the area that landslides cover, 0..0.3."""
    size: float = 1.0
    """Landslide areas relative to the distribution of Malamud et al. (2004, doi:10.1002/esp.1064)."""
    largest: float = 0.05
    """Largest area in km2."""
    elongation: float = 2.6
    """Length over width, median."""
    runout: float = 0.25
    """How far a landslide goes on over flat ground, as a share of its length."""
    channelled: bool = False
    """Whether it goes on along rivers, which stop it otherwise."""
    single: bool = False
    """Whether there is just one landslide, which covers all of `share`."""
    highest: float = 1.0
    """Share of the ground, the highest, where landslides break loose."""


@dataclass(frozen=True)
class Overpass:
    """One image to take."""

    name: str
    """Its item's id."""
    days: int
    """Days from the event, negative before it."""
    cloud: float = 1.0
    """Cloud relative to `SimulationSettings.cloud_share`."""
    haze: float = 1.0
    """Haze relative to a clear day."""
    partial: bool = False
    """Whether the swath's edge cuts off a corner."""
    snow: float = 0.0
    """Share of the ground, the highest, that is under snow."""
    sensor: Literal["sentinel-2", "fine"] = "sentinel-2"
    """"fine": a commercial satellite, without a scene classification."""
    pixel: int = 1
    """Pixel size as a multiple of the simulation's."""
    baseline: str = "05.10"
    """Sentinel-2's processing baseline; from 04.00 on digital numbers carry 1000 more."""


OVERPASSES = (
    Overpass("pre-1", -57, 1.4, 1.6, True),
    Overpass("pre-2", -14, 0.7, 0.8, False),
    Overpass("post-1", 14, 1.2, 1.2, False),
    Overpass("post-2", 31, 0.7, 0.6, False),
)
"""The demo's images: two before the event and two after it."""


@dataclass(frozen=True)
class SimulationSettings:
    """What to simulate."""

    seed: int = 7
    """Seed of everything random; the same settings give the same files."""
    shape: tuple[int, int] = (1024, 1024)
    """Rows and columns, even, at least 96."""
    resolution: float = 10.0
    """Pixel size in metres, of the finest images."""
    epsg: int = 32654
    """UTM zone (EPSG:326xx or 327xx); in the south, seasons are half a year off."""
    origin: tuple[float, float] = (570000.0, 4740000.0)
    """Easting and northing of the upper-left corner in metres."""
    event_time: datetime = datetime(2018, 9, 5, 18, 7, tzinfo=UTC)
    """UTC instant of the event."""
    cloud_share: float = 0.08
    """Typical share of cloud in a scene, 0..0.6."""
    trigger: Trigger = Trigger()
    """What fails."""
    landscape: Landscape = Landscape()
    """Where."""
    overpasses: tuple[Overpass, ...] = field(default=OVERPASSES)
    """Images that are taken."""
    two_zones: bool = False
    """Whether the images' eastern half comes in the next UTM zone, as beyond a zone's border."""
    inventory_error: float = 0.0
    """Standard deviation, in metres, by which the inventory is shifted as a whole, and half as much each
    polygon."""
    test_share: float = 0.0
    """Share of the area, in the east, that `test.geojson` holds out from training; 0: there is none."""

    def __post_init__(self) -> None:
        step = 2 * max((overpass.pixel for overpass in self.overpasses), default=1)
        if min(self.shape) < 96 or any(n % step for n in self.shape):
            raise SettingsError(
                f"Expected a shape of at least 96 x 96 pixels and multiples of {step}, got {self.shape}; "
                "enlarge it."
            )
        if not (0 <= self.trigger.share <= 0.3 and 0 <= self.cloud_share <= 0.6):
            raise SettingsError(
                "Expected trigger.share in 0..0.3 and cloud_share in 0..0.6, got "
                f"{self.trigger.share} and {self.cloud_share}; lower them."
            )
        if self.event_time.tzinfo is None:
            raise SettingsError(
                f"Expected a UTC instant as event_time, got {self.event_time} without a time zone; "
                "add tzinfo=UTC."
            )

    @property
    def southern(self) -> bool:
        """Whether the zone is one of the southern hemisphere."""
        return self.epsg // 100 == 327
