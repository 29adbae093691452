"""A map as one HTML file, for people who never see Zarr."""

from lscube.products.report.contents import ReportContents as ReportContents
from lscube.products.report.contents import ReportSettings as ReportSettings
from lscube.products.report.contents import ReportSummary as ReportSummary
from lscube.products.report.live import LiveMap as LiveMap
from lscube.products.report.live import explore as explore
from lscube.products.report.overview import overview_grid as overview_grid
from lscube.products.report.page import write_report as write_report

__all__ = [
    "LiveMap",
    "ReportContents",
    "ReportSettings",
    "ReportSummary",
    "explore",
    "overview_grid",
    "write_report",
]
