"""A report's map within a notebook."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

import xarray as xr

from lscube.products.report.contents import ReportContents, ReportSettings
from lscube.products.report.page import render
from lscube.products.report.prepared import prepare

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
    mapped: xr.Dataset,
    contents: ReportContents = ReportContents(),
    settings: ReportSettings = SMALL,
    height: int = 640,
) -> LiveMap:
    """Show a map in a notebook: images, probability, landslides and what was not observed.

    Parameters
    ----------
    mapped
        From `lscube.mapping.open_map` or `lscube.map_region`.
    contents
        What is shown beside the map, for example `ReportContents(images=cube, inventory=frame)`.
    settings
        How much goes into the notebook.
    height
        In pixels.
    """
    return LiveMap(render(prepare(mapped, contents, settings), map_only=True), height)
