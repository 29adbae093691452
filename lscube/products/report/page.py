"""The page: what is known, put into one file that asks for nothing else."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template

import xarray as xr

from lscube.evaluate.cube_picture import words
from lscube.evaluate.page.wording import counted
from lscube.files import appearing, check_writable
from lscube.mapping.opening import manifest_of
from lscube.markup import as_json, bullets, folded, warning
from lscube.paths import StrPath
from lscube.products.report import assets, sections
from lscube.products.report.contents import ReportContents, ReportSettings, ReportSummary
from lscube.products.report.drawn import drawn_content
from lscube.products.report.images import SHOWN_FROM, probability_colours, reason_colours
from lscube.products.report.landslides import Landslides
from lscube.products.report.overview import REASONS, Overview
from lscube.products.report.prepared import Prepared, prepare
from lscube.products.report.totals import landslide_section


def write_report(
    path: StrPath,
    mapped: xr.Dataset,
    contents: ReportContents = ReportContents(),
    settings: ReportSettings = ReportSettings(),
) -> ReportSummary:
    """Write one HTML file about a map that needs, and asks for, nothing beside it.

    The map is read once, tile by tile, so memory does not grow with it.

    Parameters
    ----------
    path
        File to write.
    mapped
        From `lscube.mapping.open_map`.
    contents
        What is shown beside the map.
    settings
        How much goes into the file.

    Raises
    ------
    InventoryError
        The inventory or its summary is of another map or drawn of an unfinished one, or the inventory has
        no CRS or holds something that is no polygon.
    ModelError
        A card is that of another model.
    InputError
        The images are in another CRS, or the libraries that the page is drawn with are not there.
    StoreError
        The file cannot be written.
    """
    path = Path(path)
    assets.check()
    check_writable(path)
    prepared = prepare(mapped, contents, settings)
    data = render(prepared, settings.title).encode()
    with appearing(path) as partial:
        partial.write_bytes(data)
    found = prepared.landslides
    total, drawn = (found.total, found.drawn) if found else (0, 0)
    return ReportSummary(total, drawn, len(data), prepared.notes)


def render(prepared: Prepared, title: str = "", map_only: bool = False) -> str:
    """Make the page's text, in ASCII; with `map_only` nothing but map and list."""
    scripts = assets.scripts()
    page = Template(assets.page_template()).substitute(
        title=escape(title or f"Landslides: {manifest_of(prepared.mapped)['event']}"),
        kind="map-only" if map_only else "full",
        hashes=" ".join(map(assets.hash_of, scripts)),
        style=assets.styles(),
        headline=warning(prepared.warnings) + sections.headline(prepared),
        shown_from=SHOWN_FROM,
        ramp=_ramp(),
        reasons=_legend(prepared.overview),
        list_note=escape(_list_note(prepared.landslides)),
        sections="" if map_only else _sections(prepared),
        content=as_json(drawn_content(prepared)),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _list_note(found: Landslides | None) -> str:
    if found is None:
        return "No inventory was given to this report."
    if not found.total:
        return "The inventory is empty."
    if not found.drawn:
        return f"None of {counted(found.total, 'landslide')} is drawn or listed."
    chosen = "Choose one, here or on the map, to see its attributes."
    if found.drawn < found.total:
        return f"The {found.drawn:,} largest of {found.total:,}. {chosen}"
    return chosen


def _ramp() -> str:
    """The colours of probability as CSS; the clear ones are left out."""
    return ",".join(
        f"rgb({red},{green},{blue})"
        for red, green, blue, opacity in probability_colours()
        if opacity
    )


def _legend(overview: Overview) -> str:
    """The reasons that occur, with their colours."""
    counts = overview.counts.before[1:] + overview.counts.after[1:]
    items = [
        f'<li><span class="swatch" style="background:{colour}"></span>{escape(words(reason))}</li>'
        for reason, colour, count in zip(REASONS, reason_colours(), counts, strict=True)
        if count
    ]
    return "".join(items) or "<li>everything was observed</li>"


ABOUT = (
    "The layer of probability is what the map holds; where the landslides' probabilities are "
    "calibrated, they differ from it.",
    "Coordinates are on the map's grid, whose north is up.",
)


def _sections(prepared: Prepared) -> str:
    """All sections below the map."""
    contents, counts = prepared.contents, prepared.overview.counts
    beside = {
        "What was not observed, and why": sections.observed_section(counts),
        "Landslides by size": landslide_section(prepared),
        "Probability": sections.probability_section(counts),
        "How well the images compare": sections.pair_section(contents.quality),
    }
    below = {
        "How good the map is": sections.scores_section(contents.scores),
        "Where it came from": sections.provenance_section(prepared.mapped, contents),
        "About this page": bullets((*prepared.notes, *ABOUT)) + _licences(),
    }
    columns, rest = (
        "\n".join(_section(title, inside) for title, inside in each.items())
        for each in (beside, below)
    )
    return f'<div class="columns">\n{columns}\n</div>\n{rest}'


def _section(title: str, inside: str) -> str:
    name = "-".join(title.lower().replace(",", "").split())
    head = f'<h2 id="{name}-title">{title}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-title">{head}{inside}</section>'


def _licences() -> str:
    return "".join(
        folded(f"Drawn with {name}: its licence", f"<pre>{escape(text)}</pre>")
        for name, text in assets.licences().items()
    )
