"""Which scenes: the only room that talks to a STAC API or reads an ItemCollection."""

from lscube.catalog.api import Query
from lscube.catalog.assets import Band, find_band, find_classification, find_elevation
from lscube.catalog.choosing import choose_before, find_scenes, find_surface
from lscube.catalog.items import (
    Sun,
    baseline_of,
    cloud_cover,
    item_time,
    level_of,
    pass_of,
    sun_of,
    tile_of,
)
from lscube.catalog.scenes import Scenes, freeze
from lscube.catalog.signing import Sign, access_options, sign_href
from lscube.catalog.sources import Answer, Ask, open_catalog, read_items
from lscube.catalog.unsigning import unsigned
from lscube.catalog.web import Patience

__all__ = [
    "Answer",
    "Ask",
    "Band",
    "Patience",
    "Query",
    "Scenes",
    "Sign",
    "Sun",
    "access_options",
    "baseline_of",
    "choose_before",
    "cloud_cover",
    "find_band",
    "find_classification",
    "find_elevation",
    "find_scenes",
    "find_surface",
    "freeze",
    "item_time",
    "level_of",
    "open_catalog",
    "pass_of",
    "read_items",
    "sign_href",
    "sun_of",
    "tile_of",
    "unsigned",
]
