"""All that is handed over of a map: its landslides, a collection for catalogues, a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lscube.deliveries.inventory import cards_of, context_of, default_rules
from lscube.deliveries.publishing import publish
from lscube.deliveries.reporting import Given, report
from lscube.mapping import open_map
from lscube.paths import StrPath
from lscube.products.inventory import InventorySummary, write_inventory, write_summary
from lscube.products.report import ReportSummary
from lscube.products.report.assets import check
from lscube.products.stac import Publication
from lscube.settings import Job

NAMES = ("landslides.gpkg", "landslides.json", "published", "report.html")
"""What is made in a folder, in this order."""


@dataclass(frozen=True)
class Delivered:
    """What was handed over."""

    inventory: InventorySummary
    """How many landslides, and their area."""
    report: ReportSummary | None
    """How large the page is, and what it leaves out; None without one."""


def deliver(
    job: Job,
    store: StrPath,
    models: Sequence[StrPath],
    folder: StrPath,
    scores: StrPath | None = None,
    page: bool = True,
) -> Delivered:
    """Draw a map's inventory, publish it and make its page, as the commands of these names do by default.

    Parameters
    ----------
    job
        The job that the map was made by.
    store
        The map, finished.
    models
        Folders of its models.
    folder
        Where `NAMES` are made.
    scores
        From `lscube evaluate`, for the page.
    page
        Whether there is to be one: it needs libraries that only an installed wheel, or npm, brings.

    Raises
    ------
    StoreError
        There is no finished map, or one of the products cannot be written.
    InputError
        The libraries that the page is drawn with are missing; nothing was made then.
    """
    folder = Path(folder)
    scores = None if scores is None else Path(scores)
    if page:
        check()
    inventory, summary, published, html = (folder / name for name in NAMES)
    mapped = open_map(store)
    cards = cards_of(mapped, [Path(model) for model in models])
    context = context_of(mapped, job, cards)
    found = write_inventory(mapped, inventory, default_rules(cards), context)
    write_summary(summary, found)
    what = Publication(inventory=inventory, summary=found.as_dict())
    publish(store, published, what, models, job)
    given = Given(store, inventory, scores, models, summary=summary)
    return Delivered(found, report(given, html, job) if page else None)
