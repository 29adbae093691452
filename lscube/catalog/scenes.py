"""Scenes: what passes from the catalogue to the cube, and its frozen form."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pystac
from shapely.geometry.base import BaseGeometry

from lscube.catalog.items import cloud_cover, item_time
from lscube.catalog.unsigning import unsigned_content
from lscube.events import Event
from lscube.files import appearing
from lscube.markup import bullets, table
from lscube.paths import StrPath


@dataclass(frozen=True)
class Scenes:
    """What a cube is made of: an event, an area and the items that show it."""

    event: Event
    """The event between `pre` and `post`."""
    area: BaseGeometry
    """Area of interest, EPSG:4326."""
    pre: tuple[pystac.Item, ...]
    """Scenes before the event, the preferred first; their hrefs are unsigned."""
    post: tuple[pystac.Item, ...]
    """Scenes after the event, the preferred first."""
    dsm: tuple[pystac.Item, ...]
    """Tiles of the surface model."""
    scl_asset: str | None = None
    """Asset with the scene classification, None to find it; items without it are taken as clear."""
    dsm_asset: str | None = None
    """Asset with the elevation in metres, None to find it."""
    notes: tuple[str, ...] = ()
    """What was left out or skipped on the way here, in words."""

    def _repr_html_(self) -> str:
        """Items and notes, for notebooks."""
        sides = {"before": self.pre, "after": self.post, "surface model": self.dsm}
        rows = [
            (item.id, side, f"{item_time(item):%Y-%m-%d %H:%M}", _cloud(item))
            for side, items in sides.items()
            for item in items
        ]
        caption = f"{self.event.id}, {self.event.start:%Y-%m-%d %H:%M} UTC"
        return table(caption, ("item", "side", "time (UTC)", "cloud"), rows) + bullets(self.notes)


def _cloud(item: pystac.Item) -> str:
    cover = cloud_cover(item)
    return "" if cover is None else f"{cover:.0f} %"


def freeze(scenes: Scenes, path: StrPath) -> None:
    """Write the scenes as an ItemCollection with unsigned hrefs, accepted wherever a catalogue is.

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    path = Path(path)
    items = [
        # Without resolving links: that could ask a server.
        unsigned_content(item.to_dict(transform_hrefs=False))
        for item in (*scenes.pre, *scenes.post, *scenes.dsm)
    ]
    content = {"type": "FeatureCollection", "features": items}
    with appearing(path) as partial:
        partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
