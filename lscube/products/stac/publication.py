"""What is published along with a map, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from lscube.paths import StrPath
from lscube.products.stac.model_item import SavedModel
from lscube.products.stac.run_item import Input


@dataclass(frozen=True)
class Publication:
    """What is published along with a map, and how."""

    inventory: StrPath | None = None
    """File that `lscube.products.write_inventory` wrote."""
    summary: Mapping[str, Any] | None = None
    """What `write_inventory` returned, as JSON has it: rules, totals and their interval."""
    models: tuple[SavedModel, ...] = ()
    """Those that made the map; copied."""
    pictures: tuple[StrPath, ...] = ()
    """PNG files to copy."""
    inputs: tuple[Input, ...] = ()
    """The map's input items; what is not known of them is taken from the manifest."""
    assets: Mapping[str, str] = field(default_factory=dict)
    """Settings that name assets of the inputs: "scl_asset", "dsm_asset"."""
    store: Literal["copy", "link", "none"] = "copy"
    """The map itself: copied; linked to, by its address or by a path from the folder; or left out."""
    pyramid: bool = True
    """Whether coarser levels are written in Zarr."""
    license: str = "other"
    """SPDX identifier or expression, or "other"."""
    facility: str = ""
    """Who ran it."""
    unfinished: bool = False
    """Whether a map that is not finished may be published."""
    now: datetime | None = None
    """When; None: now."""
