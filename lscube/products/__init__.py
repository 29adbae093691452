"""What an agency opens after the run: inventories, STAC collections, reports.

The names below are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lscube.products.inventory import MapContext as MapContext
    from lscube.products.inventory import make_inventory as make_inventory
    from lscube.products.inventory import read_shaking as read_shaking
    from lscube.products.inventory import write_inventory as write_inventory
    from lscube.products.pyramid import write_pyramid as write_pyramid
    from lscube.products.rasters import write_cog as write_cog
    from lscube.products.report import ReportContents as ReportContents
    from lscube.products.report import ReportSettings as ReportSettings
    from lscube.products.report import explore as explore
    from lscube.products.report import overview_grid as overview_grid
    from lscube.products.report import write_report as write_report
    from lscube.products.run import run_id as run_id
    from lscube.products.stac import Publication as Publication
    from lscube.products.stac import SavedModel as SavedModel
    from lscube.products.stac import publish_map as publish_map

_NAMES = {
    "MapContext": "inventory",
    "Publication": "stac",
    "ReportContents": "report",
    "ReportSettings": "report",
    "SavedModel": "stac",
    "explore": "report",
    "make_inventory": "inventory",
    "overview_grid": "report",
    "publish_map": "stac",
    "read_shaking": "inventory",
    "run_id": "run",
    "write_cog": "rasters",
    "write_inventory": "inventory",
    "write_pyramid": "pyramid",
    "write_report": "report",
}
"""Name and the module that it is in."""

__all__ = [*_NAMES]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'lscube.products' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lscube.products.{_NAMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
