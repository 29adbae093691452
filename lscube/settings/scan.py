"""A scan: all sections of its TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import Field, ValidationError, field_validator, model_validator

from lscube.errors import SettingsError
from lscube.settings.base import Settings
from lscube.settings.cluster import ClusterSettings
from lscube.settings.explaining import describe_setting, explain
from lscube.settings.inventory import InventorySettings
from lscube.settings.job import read_content, resolve_paths
from lscube.settings.mapping import PredictSettings
from lscube.settings.models import ModelFolder
from lscube.settings.scan_rules import (
    DEFAULT_RULES,
    AllowSettings,
    LimitSettings,
    RuleSettings,
    ScanAreaSettings,
)
from lscube.settings.scenes import CubeSettings, SourceSettings


class TriggerSettings(Settings):
    """[triggers]: who tells of events."""

    usgs: bool | str = True
    """Whether the USGS is asked for earthquakes; or the address of its FDSN service or of a GeoJSON feed."""
    min_magnitude: float = Field(5.5, ge=0, le=10)
    """Weaker earthquakes are not asked for."""
    gdacs: bool | str = True
    """Whether GDACS is asked for earthquakes, cyclones and floods; or the address of its feed."""
    own: Path | None = None
    """A list of your own: CSV or GeoJSON."""
    lookback_days: float = Field(3.0, gt=0, le=365)
    """Days before the last time that feeds were asked from which events are taken again, so that none is
    lost; to take one again does no harm."""


class MapSettings(Settings):
    """[map]: with which models, and how finely, events are mapped."""

    models: tuple[ModelFolder, ...] = Field(
        (Path("standard"),), min_length=1, validate_default=True
    )
    """Folders of saved models, or "standard" or "light", which come with lscube; several give their mean.
    Each folder must be among `[[allow.models]]`."""
    resolution: float = Field(10.0, ge=1, le=10_000)
    """Pixel size in metres."""


class WatchSettings(Settings):
    """[watch]: when an event is mapped, and for how long it is watched."""

    every: float = Field(30.0, gt=0, le=10_080)
    """Minutes between two passes of `lscube scan --watch`."""
    days: float = Field(60.0, gt=0, le=36_500)
    """Days after an event for which new scenes are looked for."""
    clear_share: float = Field(0.3, ge=0, le=1)
    """Share of the area that must be clear, before and after the event, for the first map."""
    gain: float = Field(0.02, ge=0, le=1)
    """Share of the area that must have become clear since the last version for a new one."""
    complete: float = Field(0.99, gt=0, le=1)
    """Share of the area from which on an event is done with."""
    pixels: int = Field(512, ge=16, le=8192)
    """Pixels along the longer edge of the coarse grid on which these shares are measured."""
    retry: float = Field(15.0, gt=0, le=10_080)
    """Minutes until what failed is tried again; doubled each time, up to a day."""
    attempts: int = Field(8, ge=1, le=100)
    """Times that a version is made anew because items could not be read; also failures in a row after which
    an event whose days are over ends."""


class ProductSettings(Settings):
    """[products]: what is made of each version."""

    inventory: Literal["gpkg", "geojson", "fgb"] = "gpkg"
    """Format of the landslides' outlines."""
    report: bool = True
    """Whether a page is made that opens in any browser."""
    publish: bool = True
    """Whether a STAC collection is made."""
    license: str = "other"
    """SPDX identifier of what is published."""
    facility: str = ""
    """Who runs the scan."""


class AlertSettings(Settings):
    """[alerts]: who is told."""

    webhook: str | None = Field(None, pattern=r"^https?://")
    """Address that a JSON message is posted to for each version."""
    secret: str = Field("LSCUBE_WEBHOOK_SECRET", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds the secret with which messages are signed."""
    timeout: float = Field(20.0, gt=0, le=600)
    """Seconds that the webhook has to answer."""
    attempts: int = Field(3, ge=1, le=20)
    """Times that a message is posted in one pass; what remains goes out in the next ones."""
    feed: bool = True
    """Whether `feed.xml` (Atom) is kept among the products."""
    link: str | None = Field(None, pattern=r"^https?://")
    """Address at which the scan's folder is served, for links; default: paths from the folder."""


class ScanSettings(Settings):
    """A scan: all sections of its TOML file."""

    folder: Path | str
    """Where state and products are: a folder, or an address such as s3://bucket/scan."""
    map: MapSettings = MapSettings()
    source: SourceSettings
    cluster: ClusterSettings = ClusterSettings()
    triggers: TriggerSettings = TriggerSettings()
    rules: tuple[RuleSettings, ...] = DEFAULT_RULES
    area: ScanAreaSettings = ScanAreaSettings()
    allow: AllowSettings = AllowSettings()
    limits: LimitSettings = LimitSettings()
    cube: CubeSettings = CubeSettings()
    predict: PredictSettings = PredictSettings()
    inventory: InventorySettings | None = None
    products: ProductSettings = ProductSettings()
    watch: WatchSettings = WatchSettings()
    alerts: AlertSettings = AlertSettings()

    @field_validator("folder", mode="before")
    @classmethod
    def _path_or_address(cls, value: Any) -> Any:
        return Path(value) if isinstance(value, str) and "://" not in value else value

    @model_validator(mode="after")
    def _has_triggers(self) -> ScanSettings:
        if not (self.triggers.usgs or self.triggers.gdacs or self.triggers.own):
            raise ValueError("switch on one of triggers.usgs, triggers.gdacs and triggers.own")
        return self


def load_scan(path: Path) -> ScanSettings:
    """Read a scan from a TOML file; relative paths in it start from its folder.

    Raises
    ------
    SettingsError
        The file is missing, is not TOML, or a setting is unknown, missing or out of range.
    """
    return make_scan(read_content(path), path.parent.resolve(), str(path))


def make_scan(content: dict[str, Any], folder: Path, origin: str = "the scan") -> ScanSettings:
    """Check a scan's content; relative paths start from `folder`."""
    try:
        settings = ScanSettings.model_validate(content)
    except ValidationError as error:
        raise SettingsError(
            f"In {origin}: {explain(error, ScanSettings)}; see `lscube scan --settings`."
        ) from None
    resolved: ScanSettings = resolve_paths(settings, folder)
    return resolved


def describe_scan() -> str:
    """List every setting of a scan with its sentence and its default, by section."""
    lines = []
    for section, field in ScanSettings.model_fields.items():
        kinds = [
            kind for kind in (field.annotation, *get_args(field.annotation)) if _is_section(kind)
        ]
        if not kinds:
            lines += [describe_setting(section, field), ""]
            continue
        many = get_origin(field.annotation) is tuple
        lines.append(f"[[{section}]]" if many else f"[{section}]")
        lines += [describe_setting(name, one) for name, one in kinds[0].model_fields.items()]
        lines.append("")
    return "\n".join(lines).rstrip()


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Settings)
