"""What the page says beside the map: sentences and tables made from what is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import xarray as xr

from lscube.attributes import content
from lscube.cube import PairQuality
from lscube.cube.pair import describe_pair
from lscube.evaluate.cube_picture import words
from lscube.evaluate.page.wording import NONE, number
from lscube.grid import epsg_of, resolution_of
from lscube.manifest import Manifest
from lscube.mapping.opening import manifest_of
from lscube.markup import bullets, facts, folded, paragraph, table, warning
from lscube.products.portable import portable
from lscube.products.report.contents import ReportContents
from lscube.products.report.overview import REASONS, Counts, Days
from lscube.products.report.prepared import Prepared
from lscube.products.report.totals import interval, rules_of, square_kilometres
from lscube.products.run import run_id


def headline(prepared: Prepared) -> str:
    """The few numbers that everybody asks for."""
    counts, taken, found = prepared.overview.counts, prepared.photographs, prepared.landslides
    when = manifest_of(prepared.mapped)["event_time"]
    rows = [
        ("Event", when.replace("T", " ").replace("Z", " UTC")),
        ("Area", square_kilometres(counts.inside_m2)),
        ("Mapped", share_of(counts.mapped, counts.pixels) + " of it"),
        ("Image before", _days(taken.days if taken else None)),
        ("Image after", _days(counts.days)),
    ]
    if found is not None:
        rows.append(("Landslides", f"{found.total:,}, together {square_kilometres(found.area)}"))
    if prepared.contents.summary is not None:
        rows.append(("Area of landslides", interval(prepared.contents.summary)))
    return facts(row for row in rows if row[1] != NONE)


def _days(days: Days | None) -> str:
    if days is None:
        return NONE
    first, last = (str(day)[:10] for day in days)
    return first if first == last else f"{first} to {last}"


def observed_section(counts: Counts) -> str:
    """What was not observed and why, with shares."""
    rows = [
        (words(reason), share_of(before, counts.pixels), share_of(after, counts.pixels))
        for reason, before, after in zip(
            REASONS, counts.before[1:].tolist(), counts.after[1:].tolist(), strict=True
        )
    ]
    usable = (int(counts.before[0]), int(counts.after[0]))
    first = ("usable", *(share_of(count, counts.pixels) for count in usable))
    gap = counts.pixels - counts.mapped
    text = (
        f"{share_of(counts.both, counts.pixels)} of the area is usable both before and after; "
        f"{square_kilometres(counts.hidden_m2)} ({share_of(gap, counts.pixels)}) have no probability: there "
        "landslides cannot be excluded. On the map these pixels are coloured by reason, on either side of "
        "the divider for its own image. A pixel with several reasons counts for the first in this table."
    )
    pieces = [
        paragraph(text),
        table("Share of the area", ("pixels", "before", "after"), [first, *rows]),
    ]
    if counts.no_elevation:
        said = f"{share_of(counts.no_elevation, counts.pixels)} of the area has no elevation."
        pieces.append(paragraph(said))
    return "".join(pieces)


def share_of(part: int, whole: int) -> str:
    """A share in percent with a digit, and never nothing for something."""
    if not whole:
        return NONE
    percent = 100 * part / whole
    return "below 0.1 %" if 0 < percent < 0.05 else f"{percent:.1f} %"


def probability_section(counts: Counts) -> str:
    """How many pixels have which probability."""
    bins = counts.probability.tolist()
    rows = [
        (f"{place / len(bins):.2f} to {(place + 1) / len(bins):.2f}", f"{count:,}",
         share_of(count, counts.mapped))
        for place, count in enumerate(bins)
    ]  # fmt: skip
    return '<div class="chart" id="chart-probability"></div>' + folded(
        "The chart's numbers",
        table("Pixels by probability", ("probability", "pixels", "share"), rows),
    )


SCORES = (
    ("mcc", "MCC", "Matthews' correlation coefficient: 0 is chance, 1 is perfect"),
    ("f1", "F1", "harmonic mean of precision and recall"),
    ("precision", "Precision", "share of mapped pixels that are landslides"),
    ("recall", "Recall", "share of landslide pixels that are mapped"),
)


SEEN: Mapping[object, str] = {
    True: "none of them was seen in training",
    False: "SOME OF THEM WERE SEEN IN TRAINING",
}


def scores_section(scores: Mapping[str, Any] | None) -> str:
    """Scores against a reference."""
    if scores is None:
        return paragraph(
            "No scores were given to this report: nothing is said here of how good the map is. Where an "
            "inventory of the event exists, `lscube evaluate` makes them."
        )
    hindsight = (scores.get("baseline") or {}).get("in_hindsight")
    where = ", in hindsight" if hindsight else " of the training part" if hindsight is False else ""
    kinds = {"the map": scores, f"the map, at the best threshold{where}": scores.get("tuned"),
             f"the best threshold on brightness change{where}": scores.get("baseline")}  # fmt: skip
    rows = [
        (
            label,
            *(number(kind.get(name)) for name in ("threshold", *(name for name, _, _ in SCORES))),
        )
        for label, kind in kinds.items()
        if kind
    ]
    seen = SEEN.get(scores.get("held_out"), "whether they were seen in training is not known")
    text = (
        f"Counted on {scores.get('pixels', 0):,} pixels ({seen}); the reference is: "
        f"{scores.get('reference_is', 'not said')}."
    )
    names = tuple(label for _, label, _ in SCORES)
    return (
        paragraph(text)
        + table("Scores against the reference", ("what was scored", "threshold", *names), rows)
        + bullets(f"{label}: {meaning}." for _, label, meaning in SCORES)
    )


def pair_section(quality: PairQuality | None) -> str:
    """How well the images before and after compare."""
    if quality is None:
        return paragraph(
            "The images were not given to this report, so how well they compare was not measured."
        )
    lines = describe_pair(quality)
    plain = [line.partition(": ") for line in lines if not line.startswith("warning")]
    pieces = [facts((name.capitalize(), value) for name, _, value in plain)]
    pieces.append(warning(f"{text[:1].upper()}{text[1:]}." for text in quality.warnings))
    return "".join(pieces)


def provenance_section(mapped: xr.Dataset, contents: ReportContents) -> str:
    """Where every number came from."""
    manifest, grid = portable(manifest_of(mapped)), mapped.odc.geobox
    rows = [
        ("Run", run_id(mapped)),
        ("Event", f"{manifest['event']}, {manifest['event_time']}"),
        ("Grid", f"EPSG:{epsg_of(grid)}, {resolution_of(grid):g} m"),
        *_items(mapped),
        ("Settings of the images", _settings(manifest["cube"])),
        ("Settings of the map", _settings(manifest["predict"])),
        ("Mapped by", f"lscube {manifest['lscube']}"),
        *_models(manifest, contents.cards),
        ("Landslides drawn at", rules_of(contents)),
    ]
    if contents.command:
        rows.append(("Command", portable(contents.command)))
    notes = folded("Radiometry of the images", bullets(manifest["radiometry"]))
    return facts(rows) + (notes if manifest["radiometry"] else "")


def _items(mapped: xr.Dataset) -> Iterator[tuple[str, str]]:
    for side, name in (("pre", "Items before"), ("post", "Items after"), ("dsm", "Surface model")):
        ids: Sequence[str] = content(mapped.attrs.get(f"{side}_items", ()))
        yield name, ", ".join(ids) or NONE


def _settings(section: Mapping[str, Any]) -> str:
    """Settings in one line; lists without their brackets."""
    said = {
        name: " ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in section.items()
    }
    return ", ".join(f"{name} {value}" for name, value in said.items() if value not in (None, ""))


def _models(manifest: Manifest, cards: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    known = {card["sha256"]: card for card in cards}
    for sha256 in manifest["model"]["sha256"]:
        yield "Model", f"sha256 {sha256}" + ("" if sha256 in known else " (no card was given)")
        yield from _card(known.get(sha256, {}))
    trained_on = [event["id"] for event in manifest["model"]["trained_on"]]
    yield "Trained on", ", ".join(dict.fromkeys(trained_on)) or NONE


def _card(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a card says that the map does not; nothing of an empty one."""
    if not card:
        return
    made = (card.get("created", ""), card.get("origin", ""))
    yield "Model made", ", ".join(filter(None, made)) or NONE
    versions = [f"{name} {version}" for name, version in card.get("versions", {}).items()]
    commit = [f"commit {card['commit']}"] if card.get("commit") else []
    yield "Model made with", ", ".join([*versions, *commit]) or NONE
    yield "Threshold", f"{card.get('threshold', 0.5):g}, the best on its validation patches"
    yield "Calibration", "there is one in the card" if card.get("calibration") else "none"
