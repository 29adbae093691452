"""The sections of the results page, in reading order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lscube.evaluate.figures import FIGURES
from lscube.evaluate.figures.lookup import main_combined
from lscube.evaluate.page import tables
from lscube.evaluate.page.document import (
    Block,
    Box,
    Bullets,
    Code,
    Document,
    Heading,
    Paragraph,
    Picture,
    Table,
)
from lscube.evaluate.page.findings import findings
from lscube.evaluate.results import ExperimentResults, MapScores

PAPER = "Prakash, Manconi and Loew (2021), doi:10.1038/s41598-021-89015-8"

SIMULATED_KIND = "simulated inventory"
SIMULATED = Box(
    "The reference is simulated",
    (
        "A simulated twin is named after an event, but its terrain, images, landslides and inventory come "
        "from a generator that follows the paper's design for that area (style of trigger, sensor, snow "
        "and the like). No satellite saw them.",
        "What the numbers can say: that the chain works from scenes to scores, and how the paper's "
        "protocol turns out under these conditions.",
        "What they cannot say: how well a real event would be mapped, or which model, resolution or "
        "training area would be best there. They rank nothing about real events. The scores are "
        "usually too good, because landslides, cover and noise of all twins come from one generator.",
    ),
)

REFERENCES = {
    "inventory": "An inventory has gaps, shifts and merged landslides of its own; where it is wrong, a map "
    "that is right counts as wrong.",
    "model output": "Where the reference is another model's output, the scores say how far two models "
    "agree, not which of them is right.",
}
"""What to bear in mind, by kind of reference."""

CAPTIONS = {
    "spiders_trained.png": (
        "Spider plots of conventional and combined models on the test region of each training area",
        "Conventional (dashed pink) and combined models (solid black) on test regions, as in Figure 2 of "
        f"{PAPER}. An envelope that encloses another one is the better model's.",
    ),
    "spiders_unseen.png": (
        "Spider plots of all conventional models and the combined one on each area never trained on",
        "Models on areas never trained on, as in the paper's Figure 4.",
    ),
    "jackknife.png": (
        "Bars of the change in MCC on each unseen area when one training area is left out",
        "Change in MCC when a training area is left out, as in the paper's Figure 6: green is a gain, red "
        "a loss.",
    ),
    "reliability.png": (
        "Reliability diagrams of the combined model on each unseen area, with pixels per bin",
        "Observed share of landslide pixels against predicted probability; on the diagonal the "
        "probability can be believed. Axes are square-root axes, since landslides are rare; below, the "
        "pixels of each bin: where they are few, the share is uncertain.",
    ),
    "thresholds.png": (
        "Curves of the combined model's MCC over the threshold, one for each area",
        "MCC over the threshold; the dot is the threshold that the scores were counted at.",
    ),
    "frequency.png": (
        "Probability density of landslide areas of each inventory on logarithmic axes",
        "Magnitude and frequency of the inventories, and the general distribution of Malamud et al. (2004), "
        "doi:10.1002/esp.1064, on logarithmic axes.",
    ),
}


def results_document(results: ExperimentResults, folder: Path) -> Document:
    """Put the page together; `folder` is where its `figures` lie."""
    blocks = [
        *_what_was_run(results),
        *_what_they_say(results),
        *_models(results),
        *_scores(results, folder),
        *_closer(results, folder),
        *_maps(results, folder),
        *_reading(),
    ]
    return Document(f"Results of {results.name}", tuple(blocks))


def _what_was_run(results: ExperimentResults) -> Iterator[Block]:
    kinds = results.reference_is.split(" and ")
    if SIMULATED_KIND in kinds:
        yield SIMULATED if len(kinds) == 1 else replace(SIMULATED, title="Part of it is simulated")
    yield Heading("What was run")
    yield tables.run_table(results)
    if results.command:
        yield Paragraph("The command:")
        yield Code(results.command)
    yield Paragraph(f"The reference: {results.reference_is}. The protocol is that of {PAPER}.")
    yield from (Paragraph(REFERENCES[kind]) for kind in kinds if kind in REFERENCES)


def _what_they_say(results: ExperimentResults) -> Iterator[Block]:
    yield Heading("What the numbers say")
    if results.reference_is == SIMULATED_KIND:
        yield Paragraph("About simulated twins, not about the events they are named after:")
    yield Bullets(findings(results) or ("Nothing was scored.",))


def _models(results: ExperimentResults) -> Iterator[Block]:
    yield Heading("Areas and models")
    yield tables.area_table(results)
    yield tables.model_table(results)


def _scores(results: ExperimentResults, folder: Path) -> Iterator[Block]:
    scored = tables.score_tables(results)
    yield Heading("Areas trained on")
    yield from _given(scored["I"], scored["II"])
    yield from _figure(results, folder, "spiders_trained.png")
    yield Heading("Areas never trained on")
    yield from _given(scored["III"])
    yield from _figure(results, folder, "spiders_unseen.png")
    table = tables.jackknife_table(results)
    if table:
        yield Heading("What each training area is good for")
        yield table
        yield from _figure(results, folder, "jackknife.png")


def _closer(results: ExperimentResults, folder: Path) -> Iterator[Block]:
    yield Heading("Landslide by landslide")
    yield from _given(tables.object_table(results))
    yield from _figure(results, folder, "frequency.png")
    yield Heading("Probabilities and thresholds")
    yield from _given(tables.calibration_table(results))
    yield from _figure(results, folder, "reliability.png")
    yield from _figure(results, folder, "thresholds.png")


def _given(*found: Table | None) -> Iterator[Block]:
    given = [table for table in found if table]
    yield from given
    if not given:
        yield Paragraph("No map was scored for this table.")


def _figure(results: ExperimentResults, folder: Path, name: str) -> Iterator[Block]:
    """A standard figure, if the results have content for it."""
    figure = next(figure for figure in FIGURES if figure.name == name)
    if figure.has_content(results):
        yield _picture(folder, name, *CAPTIONS[name])


def _picture(folder: Path, name: str, alt: str, caption: str) -> Block:
    if Path(name).name == name and (folder / "figures" / name).is_file():
        return Picture(f"figures/{name}", alt, caption)
    return Paragraph(f"(Not drawn: {alt}.)")


def _maps(results: ExperimentResults, folder: Path) -> Iterator[Block]:
    """Confusion maps of the combined model with the finest pixels; the others are named."""
    model = main_combined(results)
    drawn = [score for score in results.scores if score.picture]
    shown = [score for score in drawn if model and score.model == model.name] or drawn
    if drawn:
        yield Heading("Right and wrong on the map")
    for score in shown:
        yield _confusion(folder, score)
    others = [score for score in drawn if score not in shown]
    if others:
        yield Paragraph("In the folder of figures there are more of these maps:")
        yield Bullets(tuple(f"{s.model} on area {s.area}: {s.picture}" for s in others))


def _confusion(folder: Path, score: MapScores) -> Block:
    what = f"{score.model} on area {score.area} ({score.region})"
    caption = (
        f"{what}: before, after with the inventory's outlines, and right (green), added (red) and left out "
        f"(blue) at a threshold of {score.threshold:g}; MCC {score.mcc:.3f}."
    )
    return _picture(folder, score.picture, f"Confusion map of {what}", caption)


def _reading() -> Iterator[Block]:
    yield Heading("How to read the numbers")
    yield Bullets(
        (
            "MCC is Matthews' correlation coefficient: 0 is chance, 1 is perfect. Precision is the share of "
            "mapped pixels that are landslides, recall the share of landslide pixels that are mapped, and "
            "F1 their harmonic mean.",
            "Brackets hold 95 % intervals from resampling blocks of the map. They say how much the score "
            "hangs on the part of the area looked at, not how it would change with another training run "
            "or another event.",
            "Scores at different resolutions count different pixels.",
            "A landslide is found if at least half of its usable pixels are mapped; a mapped patch is right "
            "if it touches a landslide.",
            "The expected calibration error is the mean distance between predicted probability and observed "
            "share, weighted by pixels; most pixels are far from landslides, so it is small anyway.",
        )
    )
