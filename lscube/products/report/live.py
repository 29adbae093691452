"""A report's map within a notebook."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from html import escape
from os import PathLike
from typing import TYPE_CHECKING, Any

import xarray as xr

from lscube.mapping import open_map
from lscube.paths import StrPath
from lscube.products.report.contents import ReportContents, ReportSettings
from lscube.products.report.page import render
from lscube.products.report.prepared import prepare
from lscube.products.report.reading import read_inventory

if TYPE_CHECKING:
    import geopandas

SMALL = ReportSettings(edge=1024, polygons=2000)
"""A notebook keeps what it shows."""


@dataclass(frozen=True)
class LiveMap:
    """A map that a notebook shows, in a frame of its own that can reach nothing outside."""

    page: str = field(repr=False)
    """The whole page."""
    height: int = 640
    """Of the frame in pixels."""

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{escape(self.page)}" sandbox="allow-scripts" title="Map of landslides" '
            f'style="width:100%;height:{self.height}px;border:0"></iframe>'
        )


def explore(
    mapped: xr.Dataset | StrPath,
    contents: ReportContents = ReportContents(),
    settings: ReportSettings = SMALL,
    height: int = 640,
    images: xr.Dataset | None = None,
    inventory: geopandas.GeoDataFrame | StrPath | None = None,
) -> LiveMap:
    """Show a map in a notebook: images, probability, landslides and what was not observed.

    Parameters
    ----------
    mapped
        From `lscube.mapping.open_map` or `lscube.map_region`, or a finished map by path or address.
    contents
        What is shown beside the map; for images and landslides alone the two below are shorter.
    settings
        How much goes into the notebook.
    height
        In pixels.
    images
        Cube with `pre` and `post`, on pixels of any size; `lscube.products.overview_grid` has as many as
        are shown.
    inventory
        Landslides: from `lscube.products.inventory.make_inventory(mapped).frame`, or the path of a file
        from `lscube inventory`.

    Raises
    ------
    InputError
        As `lscube.products.write_report`.

    Examples
    --------
    >>> lscube.explore(mapped, images=cube, inventory="landslides.gpkg")  # doctest: +SKIP
    """
    if isinstance(mapped, str | PathLike):
        mapped = open_map(mapped)
    if isinstance(inventory, str | PathLike):
        inventory = read_inventory(inventory)
    given = {"images": images, "inventory": inventory}
    shown: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    contents = replace(contents, **shown)
    return LiveMap(render(prepare(mapped, contents, settings), map_only=True), height)
