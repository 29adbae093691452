"""The steps of making a model that ships: patches, training, validation, test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lscube.learn import Card, LoadedModel
from lscube.learn.bundle import write_card
from lscube.learn.pretraining.exams import standard_exams
from lscube.learn.pretraining.stock import Stock, join, read_stock
from lscube.learn.work import Work, open_work
from lscube.paths import StrPath
from lscube.settings import Curriculum
from lscube.shipping.appraisal import appraise, settle_card, validate
from lscube.shipping.materials import Materials
from lscube.shipping.sources import Part, make_stock, stocks_of_twin
from lscube.shipping.words import DATA, LIMITS, trained_on
from lscube.shipping.writing import write_model
from lscube.simulate.twins import TWINS

NAMES = {"standard": False, "light": True}
"""Models that are made, and whether they end at half resolution."""

Say = Callable[[dict[str, Any]], object]


def prepare(curriculum: Curriculum, materials: Materials, out: StrPath) -> tuple[Stock, Stock]:
    """Patches to learn from and to choose by; what an earlier call left in `<out>.training` is taken.

    Raises
    ------
    InventoryError
        Chips, pairs or surface models are missing, or are none.
    StoreError
        Something cannot be written, or was left by another training.
    """
    work = _work(curriculum, out)
    parts: tuple[Part, ...] = ("training", "validation")
    made = []
    for part in parts:
        path = work.folder / f"stock-{part}.npz"
        if not path.exists():
            make_stock(curriculum.stock, materials, part).save(path)
        made.append(read_stock(path))
    return made[0], made[1]


def _work(curriculum: Curriculum, out: StrPath) -> Work:
    return open_work(Path(out), {"curriculum": curriculum.model_dump(mode="json")})


def train(
    curriculum: Curriculum,
    stocks: tuple[Stock, Stock],
    out: StrPath,
    say: Say,
    parent: StrPath | None = None,
) -> tuple[LoadedModel, ...]:
    """Train a network; write it, and the part that ends at half resolution, with their cards.

    A training that was interrupted goes on after its last whole epoch.

    Parameters
    ----------
    curriculum, stocks
        How, and from what `prepare` made.
    out
        Folder for the models' folders.
    say
        Told of each examination.
    parent
        Folder of a saved model to begin from.

    Raises
    ------
    ModelError
        The parent is another network.
    StoreError
        Something cannot be written, or was left by another training.
    """
    out = Path(out)
    work = _work(curriculum, out)
    parent = None if parent is None else Path(parent)
    from lscube.learn.pretraining.schooling import Desk

    learnt, held = stocks
    exams = standard_exams(held)
    desk = Desk(learnt, held, exams, curriculum.school, parent)
    desk.train(say, work.state)
    out.mkdir(parents=True, exist_ok=True)
    models = []
    for name, half in NAMES.items():
        width = curriculum.school.width
        model = write_model(desk.network, out / name, width, learnt.window, half, parent)
        tallies = validate(model, held, [exam for exam in exams if exam.counts])
        card = settle_card(_described(model.card, curriculum, stocks), tallies)
        write_card(model.folder, card)
        models.append(replace(model, card=card))
    return tuple(models)


def _described(card: Card, curriculum: Curriculum, stocks: tuple[Stock, Stock]) -> Card:
    """With what it was made from."""
    changes = {
        "events": trained_on(curriculum.stock, *stocks),
        "data": DATA,
        "limits": LIMITS,
        "seed": curriculum.school.seed,
        "precision": curriculum.school.precision,
    }
    return card.model_copy(update=changes)


def test(
    curriculum: Curriculum, models: Sequence[LoadedModel], materials: Materials
) -> tuple[LoadedModel, ...]:
    """Score on what neither training nor choice has seen; the scores go into the cards."""
    said = curriculum.stock
    stock = make_stock(said, materials, "test")
    asked = [(exam.name, stock, exam) for exam in standard_exams(stock)]
    for name in said.test:
        alone = join(stocks_of_twin(name, materials, said))
        whole = next(exam for exam in standard_exams(alone) if exam.name == "twins")
        asked.append((f"twin of {TWINS[name[0]].event_id}", alone, whole))
    done = []
    for model in models:
        found = {name: appraise(model, patches, exam) for name, patches, exam in asked}
        card = model.card.model_copy(update={"evaluations": found})
        write_card(model.folder, card)
        done.append(replace(model, card=card))
    return tuple(done)
