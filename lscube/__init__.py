"""lscube maps landslides: STAC scenes to lazy cubes, a generalised U-Net, probabilities in Zarr.

The verbs below are imported when they are first used, so `import lscube` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lscube import plot as plot
    from lscube.cube import open_cube as open_cube
    from lscube.evaluate import score as score
    from lscube.learn import fit as fit
    from lscube.learn import load_model as load_model
    from lscube.mapping import map_region as map_region
    from lscube.products import explore as explore
    from lscube.products import write_inventory as write_inventory
    from lscube.settings import load_job as load_job

__version__ = "0.1.0"

_VERBS = {
    "open_cube": "lscube.cube",
    "fit": "lscube.learn",
    "load_model": "lscube.learn",
    "map_region": "lscube.mapping",
    "score": "lscube.evaluate",
    "write_inventory": "lscube.products",
    "explore": "lscube.products",
    "load_job": "lscube.settings",
}

_MODULES = ("plot",)
"""Modules that need no import of their own: `lscube.plot.rgb(cube)`."""

__all__ = [*_VERBS, *_MODULES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"lscube.{name}")
    if name not in _VERBS:
        raise AttributeError(f"module 'lscube' has no attribute {name!r}")
    return getattr(importlib.import_module(_VERBS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_VERBS, *_MODULES])
