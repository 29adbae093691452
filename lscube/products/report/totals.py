"""What the page says of landslides in all: number, area, how sure, and the rules they were drawn by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lscube.evaluate.page.wording import NONE, counted
from lscube.markup import facts, folded, paragraph, table
from lscube.products.report.contents import ReportContents
from lscube.products.report.prepared import ANOTHERS, Prepared, says_its_map

RULES = (
    *(("threshold", ""), ("low", ""), ("connectivity", "")),
    *(("min_area", " m2"), ("fill_holes", " m2"), ("simplify", " m")),
)
"""Settings of an inventory that a page tells, and their units."""

NO_INVENTORY = (
    "No inventory was given to this report, so no landslide is drawn; the layer of probability "
    "says where they are likely."
)
EMPTY = "The inventory is empty: nowhere in the observed part of the area is the probability high enough."


def square_kilometres(square_metres: float) -> str:
    """An area in words."""
    return f"{square_metres / 1e6:,.2f} km²"


def interval(summary: Mapping[str, Any]) -> str:
    """The least and the most that a map leaves open, in words."""
    least, most = summary["area_m2"] / 1e6, summary["most_area_m2"] / 1e6
    return f"{least:,.2f} to {most:,.2f} km²"


def rules_of(contents: ReportContents) -> str:
    """What the landslides were drawn at: as the inventory says, else its summary."""
    frame, summary = contents.inventory, contents.summary or {}
    if frame is not None and "rules" in frame and frame["rules"].notna().any():
        return "; ".join(dict.fromkeys(map(str, frame["rules"].dropna())))
    rules = summary.get("settings")
    if not isinstance(rules, Mapping):
        return NONE
    lowest = rules.get("low") or rules.get("threshold")
    said = {**rules, "low": lowest}
    return ", ".join(
        f"{name} {said[name]:g}{unit}"
        for name, unit in RULES
        if isinstance(said.get(name), int | float)
    )


def landslide_section(prepared: Prepared) -> str:
    """How many landslides there are, how sure that is, and their sizes."""
    found, contents = prepared.landslides, prepared.contents
    pieces = [paragraph(_total(prepared))]
    if found is not None and not says_its_map(contents.inventory):
        pieces.append(paragraph(ANOTHERS))
    rules = rules_of(contents)
    if rules != NONE:
        pieces.append(facts([("Landslides drawn at", rules)]))
    if found is not None and found.total:
        rows = [
            (f"{begin:,.0f} m²", f"{count:,}") for begin, count in zip(*found.sizes, strict=True)
        ]
        numbers = table("Landslides by area", ("area from", "landslides"), rows)
        pieces.append('<div class="chart" id="chart-sizes"></div>')
        pieces.append(folded("The chart's numbers", numbers))
    return "".join(pieces)


def _total(prepared: Prepared) -> str:
    """How many landslides, how large together, and what is left open."""
    found, summary = prepared.landslides, prepared.contents.summary
    hidden = square_kilometres(prepared.overview.counts.hidden_m2)
    if found is None:
        said, open_ = NO_INVENTORY, ""
    elif not found.total:
        said, open_ = EMPTY, f" Up to {hidden} may hide where nothing is known."
    else:
        said = f"{counted(found.total, 'landslide')}, together {square_kilometres(found.area)}"
        open_ = f"; up to {hidden} more may hide where nothing is known."
    if summary is None:
        return said + open_
    return (
        f"{said.rstrip('.')}. What was not observed leaves open {interval(summary)} of landslides: the "
        "least if none of it were landslide, the most, by the same rules, if all of it were."
    )
