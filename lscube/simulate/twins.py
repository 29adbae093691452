"""Simulated twins of the paper's seven study areas: deterministic, and different as the real ones are.

What is taken over from the real events (Prakash, Manconi and Loew 2021): trigger and its style, date, UTM
zone, relief, vegetation and season, sensors, snow and cloud. What is not: the places themselves, their
geology, their landslides' shapes, and the people who mapped them. All twins come from one generator,
so they are more alike than real events are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from lscube.errors import SettingsError, StoreError
from lscube.simulate.event import SimulatedEvent, event_in, simulate_event
from lscube.simulate.settings import Landscape, Overpass, SimulationSettings, Trigger

Size = Literal["tiny", "small", "large"]

SIZES: Mapping[str, int] = {"tiny": 256, "small": 768, "large": 2048}
"""Edge of a twin in pixels of 10 m."""

_GENERATOR = 2
"""Raised when the same settings give other pixels, so that no cached twin of before is used."""

_EARLY = (
    Overpass("pre-1", -62, 1.3, 1.4, partial=True, baseline="02.06"),
    Overpass("pre-2", -17, 0.7, 0.9, baseline="02.06"),
)
_OVERPASSES = (
    *_EARLY,
    Overpass("post-1", 13, 1.2, 1.2, baseline="02.08"),
    Overpass("post-2", 28, 0.7, 0.7, baseline="02.08"),
)
"""Images as they were delivered before 2022, without an offset."""

_REPROCESSED = (
    *_EARLY,
    Overpass("post-1", 13, 1.2, 1.2, baseline="05.00"),
    Overpass("post-2", 28, 0.7, 0.7, baseline="05.00"),
)
"""Images after the event that were processed again, with an offset."""


def _finer(overpasses: tuple[Overpass, ...]) -> tuple[Overpass, ...]:
    """The same images where the simulation's pixels are half as large."""
    return tuple(replace(overpass, pixel=2) for overpass in overpasses)


@dataclass(frozen=True)
class Twin:
    """A simulated twin of one of the paper's study areas."""

    letter: str
    """The area's letter."""
    event_id: str
    """The event's id in the registry."""
    settings: SimulationSettings
    """What is simulated; its shape, and what depends on it, is the size's."""
    collections: tuple[str, ...] = ("sentinel-2-l2a",)
    """Collections that the main pair of images is taken from."""
    sentinel_pair: bool = False
    """Whether there is a second pair, of Sentinel-2 alone, which the paper adds for combined training."""
    edge: float = 1.0
    """Edge relative to the size's."""

    @property
    def pairs(self) -> tuple[tuple[str, ...], ...]:
        """Collections of each pair of its images."""
        second = (("sentinel-2-l2a",),) if self.sentinel_pair else ()
        return (self.collections, *second)

    def sized(self, size: Size) -> SimulationSettings:
        """Settings of a twin of a size."""
        base = self.settings
        fine = round(10.0 / base.resolution)
        # Whole pixels of the classification of the coarsest image.
        pixels = 8 * round(SIZES[size] * self.edge / 8) * fine
        return replace(base, shape=(pixels, pixels))


def _instant(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


TWINS: Mapping[str, Twin] = {
    twin.letter: twin
    for twin in (
        # Few large flows with long run-out after weeks of rain; finer images of another satellite.
        Twin(
            "A",
            "chin-2015",
            SimulationSettings(
                seed=101,
                resolution=5.0,
                epsg=32646,
                origin=(660000.0, 2580000.0),
                event_time=_instant(2015, 7, 31),
                cloud_share=0.12,
                trigger=Trigger(0.05, 6.0, 0.4, 6.0, 1.2, channelled=True),
                landscape=Landscape(1.1, 0.05, 0.45, True, 0.0, True),
                overpasses=(
                    Overpass("fine-pre", -150, 0.0, 0.8, sensor="fine"),
                    # Sentinel-2 was launched in June 2015.
                    *_finer((replace(_EARLY[0], days=-30), _EARLY[1])),
                    Overpass("fine-post", 40, 0.0, 0.8, sensor="fine"),
                    *_finer(_OVERPASSES[2:]),
                ),
                inventory_error=4.0,
                test_share=0.4,
            ),
            ("fine-optical",),
            True,
        ),
        # Many small slides on steep pasture and bush, on the border of two UTM zones, in spring.
        Twin(
            "B",
            "kaikoura-2016",
            SimulationSettings(
                seed=102,
                epsg=32759,
                origin=(743100.0, 5293000.0),
                event_time=_instant(2016, 11, 13, 11, 2),
                trigger=Trigger(0.035, 0.6, 0.05, 2.4),
                landscape=Landscape(1.35, 0.15, 0.55, False, 0.06),
                overpasses=_OVERPASSES,
                two_zones=True,
                inventory_error=6.0,
                test_share=0.4,
            ),
        ),
        # A volcano's flanks: conifers, dry grass, bare heights; a finer image after the event.
        Twin(
            "C",
            "puebla-2017",
            SimulationSettings(
                seed=103,
                resolution=5.0,
                epsg=32614,
                origin=(536000.0, 2106000.0),
                event_time=_instant(2017, 9, 19, 18, 14),
                cloud_share=0.1,
                trigger=Trigger(0.03, 1.0, 0.1, 4.5, 0.8),
                landscape=Landscape(0.9, 0.6, 0.3, False, 0.12, True),
                overpasses=(
                    *_finer(_REPROCESSED[:2]),
                    Overpass("fine-post", 9, 0.0, 0.8, sensor="fine"),
                    *_finer(_REPROCESSED[2:]),
                ),
                inventory_error=3.0,
                test_share=0.3,
            ),
            ("fine-optical", "sentinel-2-l2a"),
            True,
        ),
        # Very many slides on soft hills under broadleaved forest, farmland between them.
        Twin(
            "D",
            "iburi-2018",
            SimulationSettings(
                seed=104,
                epsg=32654,
                origin=(570000.0, 4740000.0),
                event_time=_instant(2018, 9, 5, 18, 7),
                trigger=Trigger(0.11, 0.9, 0.05, 2.4),
                landscape=Landscape(0.75),
                overpasses=_REPROCESSED,
                inventory_error=5.0,
                test_share=0.3,
            ),
        ),
        # Rockfalls and small slides in a steep valley of conifers with bare heights and early snow.
        Twin(
            "E",
            "jiuzhaigou-2017",
            SimulationSettings(
                seed=105,
                epsg=32648,
                origin=(392000.0, 3690000.0),
                event_time=_instant(2017, 8, 8, 13, 19),
                trigger=Trigger(0.025, 0.8, 0.08, 3.2),
                landscape=Landscape(1.8, 0.6, 0.25, False, 0.15),
                overpasses=(replace(_EARLY[0], snow=0.08), _EARLY[1], *_REPROCESSED[2:]),
                inventory_error=5.0,
            ),
        ),
        # Slides under evergreen forest and much cloud.
        Twin(
            "F",
            "cotabato-2019",
            SimulationSettings(
                seed=106,
                epsg=32651,
                origin=(722000.0, 765000.0),
                event_time=_instant(2019, 10, 31, 1, 11),
                cloud_share=0.25,
                trigger=Trigger(0.05, 1.2, 0.15, 3.0),
                landscape=Landscape(1.0, 0.0, 0.35, True, 0.0, True),
                overpasses=(
                    *_OVERPASSES,
                    Overpass("post-3", 43, 0.5, 0.9, baseline="02.08"),
                ),
                inventory_error=5.0,
            ),
            edge=0.9,
        ),
        # One rockslide that became a debris flow of kilometres; snow on its head before the event.
        Twin(
            "G",
            "santa-lucia-2017",
            SimulationSettings(
                seed=107,
                epsg=32718,
                origin=(704000.0, 5196000.0),
                event_time=_instant(2017, 12, 16, 12),
                trigger=Trigger(
                    0.025, 1.0, 9.0, 12.0, 2.0, channelled=True, single=True, highest=0.12
                ),
                landscape=Landscape(1.4, 0.3, 0.2, False, 0.03, True),
                overpasses=(
                    replace(_OVERPASSES[0], snow=0.4),
                    replace(_OVERPASSES[1], snow=0.3),
                    *_OVERPASSES[2:],
                ),
                inventory_error=5.0,
            ),
        ),
    )
}
"""The twins by letter."""


def make_twin(letter: str, size: Size, cache: Path, number: int = 0) -> SimulatedEvent:
    """Simulate a twin, or take the one that an earlier call left.

    Parameters
    ----------
    letter
        A to G.
    size
        "tiny" for tests (2.6 km wide), "small" (7.7 km), "large" (20 km).
    cache
        Folder of all twins; a twin's own folder is named after its settings.
    number
        Above 0: another place of the same kind, by the same settings with another seed.

    Raises
    ------
    SettingsError
        There is no such twin or size.
    StoreError
        It cannot be written.
    """
    if letter not in TWINS or size not in SIZES:
        raise SettingsError(
            f"Expected a twin {', '.join(TWINS)} and a size {', '.join(SIZES)}, got {letter!r} and "
            f"{size!r}; choose one of each."
        )
    settings = TWINS[letter].sized(size)
    if number:
        settings = replace(settings, seed=settings.seed + 1000 * number)
    folder = cache / f"{letter}-{size}-{_digest(settings)}"
    if not folder.is_dir():
        try:
            return simulate_event(folder, settings)
        except StoreError:
            if not folder.is_dir():  # it is there where another process was quicker
                raise
    return event_in(folder, settings)


def job_content(twin: Twin, made: SimulatedEvent, collections: Sequence[str]) -> dict[str, Any]:
    """The sections of a job that one pair of a twin's images gives: event, area, source, labels."""
    settings = twin.settings
    return {
        "event": {
            "id": f"{twin.event_id}-twin",
            "time": f"{settings.event_time:%Y-%m-%dT%H:%M:%SZ}",
        },
        "area": {"aoi": str(made.area), "epsg": settings.epsg},
        "source": {"catalogs": str(made.catalog), "collections": list(collections)},
        "labels": {"inventory": str(made.inventory)},
    }


def _digest(settings: SimulationSettings) -> str:
    content: dict[str, Any] = {"generator": _GENERATOR, **asdict(settings)}
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
