"""One training: events or chips in, a saved model out."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import odc.geo.xr  # noqa: F401  (gives a Dataset its `.odc`)
import xarray as xr

from lscube.cube.anchors import Anchors, reference_of
from lscube.errors import InventoryError, ModelError
from lscube.grid import resolution_of
from lscube.learn.bundle import LoadedModel, check_room, load_model, save_model
from lscube.learn.card import Card, TrainedEvent, commit, versions
from lscube.learn.chips import FULL_SCALE, ChipPatches, Chips
from lscube.learn.patches import BlockCache, EventPatches, JoinedPatches, PatchSource
from lscube.learn.splits import Side
from lscube.learn.store import open_training_store, write_training_store
from lscube.learn.work import Work, open_work
from lscube.manifest import Manifest
from lscube.paths import StrPath
from lscube.settings import Bounds, SplitSettings, TrainSettings

Say = Callable[[str], object]

_GIB = 2.0**30


@dataclass(frozen=True)
class TrainingEvent:
    """An event to learn from."""

    id: str
    """Its name."""
    cube: xr.Dataset
    """`pre`, `post` (band, y, x), `elevation`, `observed` and `area` (y, x); best lazy."""
    labels: xr.DataArray
    """0, 1 or `IGNORE`, (y, x) on the cube's grid, from `make_labels`."""
    split: SplitSettings = field(default_factory=SplitSettings)
    """How training, validation and test are divided."""
    area: Bounds | None = None
    """Training part: west, south, east, north in the grid's CRS, metres; default: all."""
    sources: tuple[str, ...] = ()
    """Ids of the items that the pixels come from; go into the model's card."""
    reference: str = ""
    """Name of the inventory or raster; goes into the model's card."""


@dataclass(frozen=True)
class _Task:
    """All that a training needs, whatever its patches come from."""

    training: PatchSource
    validation: PatchSource
    events: tuple[TrainedEvent, ...]
    pre_bands: tuple[str, ...]
    post_bands: tuple[str, ...]
    resolution: float
    settings: TrainSettings
    reference: Anchors | None = None


def fit(
    events: Sequence[TrainingEvent],
    folder: StrPath,
    settings: TrainSettings,
    *,
    parent: StrPath | None = None,
    say: Say = print,
) -> LoadedModel:
    """Train one network on one or several events and save it.

    Seeds Python's, NumPy's and Keras's global generators: the same seed gives the same model on the
    same machine. Until the model is saved, `<folder>.training` holds the events' pixels and the
    state after each epoch; the same call goes on from there, to the same result, after an
    interruption.

    Parameters
    ----------
    events
        At one resolution, with the same bands.
    folder
        New folder for the model.
    settings
        Network, patches and schedule; `area` is each event's own.
    parent
        Folder of a saved model to begin from (fine-tuning), of the same network: its width, window,
        branches and bands are taken where `settings` were made without them.
    say
        Told what is being done, and a line per epoch.

    Returns
    -------
    LoadedModel

    Raises
    ------
    InventoryError
        An event has no landslides to learn from or to validate with.
    ModelError
        The parent is another network.
    StoreError
        The folder exists or cannot be written, or an interrupted training differs from this one.
    TrainingError
        The loss is not a number.
    """
    folder = Path(folder)
    parent = None if parent is None else Path(parent)
    check_room(folder)
    from lscube.learn import backend  # noqa: F401  (before hours of reading: is Keras there?)

    settings = _like(parent, settings)
    bands, resolution, reference = _common(events)
    _check_reference(parent, reference)
    chosen = settings.model_copy(
        update={
            name: (getattr(settings, name) or bands) if branch in settings.branches else None
            for branch, name in (("pre", "pre_bands"), ("post", "post_bands"))
        }
    )
    _check_bands(chosen, bands)
    plan = _plan(chosen, parent, [_describe(event) for event in events], resolution)
    work = open_work(folder, plan)
    cache = BlockCache(chosen.memory * _GIB)
    sides: dict[Side, list[PatchSource]] = {Side.TRAINING: [], Side.VALIDATION: []}
    trained = []
    for number, event in enumerate(events):
        store = _store_of(event, work.store(number), chosen, say)
        cut = {side: EventPatches(store, side, chosen, event.id, cache) for side in sides}
        for side, patches in cut.items():
            _check_side(event.id, side, patches, chosen)
            sides[side].append(patches)
        trained.append(_trained(event, store, cut))
    task = _Task(
        JoinedPatches(sides[Side.TRAINING]),
        JoinedPatches(sides[Side.VALIDATION]),
        tuple(trained),
        chosen.pre_bands or (),
        chosen.post_bands or (),
        resolution,
        chosen,
        reference,
    )
    return _run(task, work, folder, parent, say)


def fit_chips(
    training: Chips,
    validation: Chips,
    folder: StrPath,
    settings: TrainSettings,
    resolution: float,
    *,
    parent: StrPath | None = None,
    say: Say = print,
) -> LoadedModel:
    """Train a network that looks at the image after alone on chips with masks, and save it.

    Parameters
    ----------
    training, validation
        Red, green, blue chips of the same size.
    folder, parent, say
        As in `fit`.
    settings
        `branches` is ("post",), `window` the chips' edge.
    resolution
        The chips' pixel size in metres.
    """
    folder = Path(folder)
    parent = None if parent is None else Path(parent)
    check_room(folder)
    bands = ("red", "green", "blue")
    settings = _like(parent, settings)
    _check_chips(training, validation, settings)
    chosen = settings.model_copy(update={"pre_bands": None, "post_bands": bands})
    sides = {"training": ChipPatches(training), "validation": ChipPatches(validation)}
    described = {
        name: {
            "file": patches.chips.origin,
            "sha256": _digest(patches.chips.images, patches.chips.masks),
        }
        for name, patches in sides.items()
    }
    work = open_work(folder, _plan(chosen, parent, [described], resolution))
    counts = {f"{name}_kept": len(patches) for name, patches in sides.items()}
    for name, patches in sides.items():
        counts[f"{name}_landslide_pixels"] = int((patches.chips.masks == 1).sum())
        if not counts[f"{name}_landslide_pixels"]:
            raise InventoryError(
                f"Expected landslides in the {name} chips, found no landslide pixel in "
                f"{patches.chips.origin}; give another file."
            )
    event = TrainedEvent(
        id="chips",
        sources=(training.origin, validation.origin),
        labels="masks of the chips",
        patches=counts,
    )
    task = _Task(sides["training"], sides["validation"], (event,), (), bands, resolution, chosen)
    return _run(task, work, folder, parent, say)


def _like(parent: Path | None, settings: TrainSettings) -> TrainSettings:
    """With those of the network that a training begins from, where none are given."""
    if parent is None:
        return settings
    card = load_model(parent).card
    theirs = {
        "width": card.width,
        "window": card.window,
        "branches": card.branches,
        "pre_bands": card.pre_bands or None,
        "post_bands": card.post_bands or None,
    }
    given = settings.model_fields_set
    new = {name: value for name, value in theirs.items() if name not in given}
    return settings.model_copy(update=new)


def _common(events: Sequence[TrainingEvent]) -> tuple[tuple[str, ...], float, Anchors | None]:
    """Bands, resolution and radiometry that all events have."""
    found = {
        event.id: (
            tuple(str(band) for band in event.cube["band"].values),
            resolution_of(event.cube.odc.geobox),
        )
        for event in events
    }
    if len(set(found.values())) != 1 or len(found) != len(events):
        told = "; ".join(f"{name}: {', '.join(b)} at {r:g} m" for name, (b, r) in found.items())
        raise InventoryError(
            "Expected events with different names, the same bands and the same resolution, got "
            f"{len(events)}: {told}; set [event] id, [cube] bands and [area] resolution."
        )
    references = {event.id: reference_of(event.cube.attrs) for event in events}
    if len(set(references.values())) != 1:
        told = ", ".join(
            f"{name}: {'no' if r is None else 'yes'}" for name, r in references.items()
        )
        raise InventoryError(
            "Expected cubes that were all brought to one reference's radiometry, or none of them, got "
            f"{told}; open them alike."
        )
    bands, resolution = next(iter(found.values()))
    return bands, resolution, references[events[0].id]


def _check_reference(parent: Path | None, reference: Anchors | None) -> None:
    """Refuse to go on from a model that has learnt from another radiometry."""
    if parent is None or (theirs := load_model(parent).card.reference) == reference:
        return
    wanted = "reflectance as it is" if theirs is None else "the radiometry in its card (reference)"
    raise ModelError(
        f"Expected cubes with {wanted}, as {parent.name} has learnt from, got others; open the cubes so, or "
        "begin from another model."
    )


def _check_bands(settings: TrainSettings, bands: tuple[str, ...]) -> None:
    wanted = {*(settings.pre_bands or ()), *(settings.post_bands or ())}
    if not wanted <= set(bands):
        raise ModelError(
            f"Expected a cube with the bands that the network is to look at ({', '.join(sorted(wanted))}), "
            f"got ({', '.join(bands)}); set [cube] bands, or train.pre_bands and train.post_bands."
        )


def _check_chips(training: Chips, validation: Chips, settings: TrainSettings) -> None:
    edges = {chips.images.shape[1:3] for chips in (training, validation)}
    if edges != {(settings.window, settings.window)}:
        told = ", ".join(f"{height} x {width}" for height, width in sorted(edges))
        raise InventoryError(
            f"Expected chips of {settings.window} x {settings.window} pixels for training and validation, "
            f"got {told}; set train.window, or give other chips."
        )
    if settings.branches != ("post",):
        raise InventoryError(
            'Expected train.branches = ["post"] with chips, which show the image after alone, got '
            f"{', '.join(settings.branches)}; change the setting."
        )


def _plan(
    settings: TrainSettings, parent: Path | None, events: list[Manifest], resolution: float
) -> Manifest:
    """All that determines a training's result; how many epochs it may take can change."""
    return {
        "train": settings.model_dump(
            mode="json", exclude={"epochs", "memory", "area", "radiometry"}
        ),
        "resolution": resolution,
        "parent": load_model(parent).card.sha256 if parent else "",
        "events": dict(enumerate(events)),
    }


def _describe(event: TrainingEvent) -> Manifest:
    grid = event.cube.odc.geobox
    return {
        "id": event.id,
        "sources": list(event.sources),
        "grid": [str(grid.crs), *grid.shape, *list(grid.affine)[:6]],
        "labels": _digest(event.labels.values),
        "split": event.split.model_dump(mode="json"),
        "area": event.area,
        # Only where there is one: trainings of before can be gone on with.
        **({} if (brought := reference_of(event.cube.attrs)) is None else {"to": asdict(brought)}),
    }


def _digest(*arrays: Any) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _store_of(event: TrainingEvent, path: Path, settings: TrainSettings, say: Say) -> xr.Dataset:
    """The event's training Zarr, written if an interrupted training has not done it."""
    if not path.exists():
        say(f"Reading {event.id}")
        write_training_store(path, event.cube, event.labels, settings, event.split, event.area)
    return open_training_store(path)


def _check_side(event: str, side: Side, patches: EventPatches, settings: TrainSettings) -> None:
    """Refuse a side that nothing can be learnt from."""
    name = side.name.lower()
    if not len(patches):
        raise InventoryError(
            f"Expected {name} patches of {settings.window} pixels with at least "
            f"{settings.min_labelled:.0%} labelled and observed in {event}, found none among "
            f"{patches.windows.dropped}; lower train.min_labelled or train.window, or widen the area."
        )
    if not patches.landslide_pixels():
        raise InventoryError(
            f"Expected landslides in the {name} patches of {event}, found no landslide pixel in "
            f"{len(patches)} patches; change train.area or [split]."
        )


def _trained(
    event: TrainingEvent, store: xr.Dataset, cut: dict[Side, EventPatches]
) -> TrainedEvent:
    counts = {}
    for side, patches in cut.items():
        name = side.name.lower()
        counts[f"{name}_kept"] = len(patches)
        counts[f"{name}_dropped"] = patches.windows.dropped
        counts[f"{name}_landslide_pixels"] = patches.landslide_pixels()
    return TrainedEvent(
        id=event.id,
        sources=event.sources,
        labels=event.reference,
        bounds=event.area or tuple(store.attrs["bounds"]),
        epsg=store.attrs["epsg"],
        split=event.split,
        patches=counts,
    )


def _run(task: _Task, work: Work, folder: Path, parent: Path | None, say: Say) -> LoadedModel:
    """Train, validate, save, and remove the working folder."""
    from lscube.learn.backend import keras
    from lscube.learn.hardware import choose_policy, gpus, policy, processor_flags, spread
    from lscube.learn.loop import train, validate
    from lscube.learn.network import build_network
    from lscube.learn.reader import Reader
    from lscube.learn.state import load_state, save_state
    from lscube.learn.training import adopt_weights

    settings = task.settings
    precision = choose_policy(settings.precision, gpus(), processor_flags())
    memory = settings.memory * _GIB
    shape = (len(task.pre_bands), len(task.post_bands), task.resolution, settings)
    keras.utils.set_random_seed(settings.seed)
    say(
        f"Training on {len(task.training)} patches, validating on {len(task.validation)}, in {precision} "
        "(the first step takes a minute)"
    )
    with spread() as devices, policy(precision):
        held_out = Reader(
            task.validation, settings.batch_size, shuffle=False, memory=memory, multiple=devices
        )
        seen = Reader(
            task.training,
            settings.batch_size,
            settings.seed,
            shuffle=True,
            landslide_share=settings.landslide_share,
            memory=memory,
            multiple=devices,
        )
        network = build_network(*shape)
        if parent is not None:
            adopt_weights(network, parent)
        history = train(
            network,
            seen,
            held_out,
            settings,
            state=load_state(work.state),
            save=lambda state: save_state(work.state, state),
            say=say,
            logs=work.logs,
        )
    every = Reader(task.validation, settings.batch_size, shuffle=False, memory=memory)
    plain = build_network(*shape)  # in float32, whatever it was trained in
    plain.set_weights(network.get_weights())
    card = _card(task, precision, parent, history, _scores(validate(plain, every), history))
    save_model(plain, folder, card, history, lambda part: _add_pictures(part, task, history, work))
    shutil.rmtree(work.folder, ignore_errors=True)
    return load_model(folder)


def _scores(tally: Any, history: list[dict[str, float]]) -> tuple[float, dict[str, float]]:
    """Threshold with the best MCC on the validation patches; scores there, and the epoch's losses."""
    threshold = tally.best()
    found = tally.at(threshold)
    best = min(history, key=lambda row: row["val_loss"])
    scores = {name: getattr(found, name) for name in ("mcc", "f1", "precision", "recall")}
    return threshold, {**best, **{name: s for name, s in scores.items() if s == s}}


def _card(
    task: _Task,
    precision: str,
    parent: Path | None,
    history: list[dict[str, float]],
    scored: tuple[float, dict[str, float]],
) -> Card:
    """Card of a network that was just trained."""
    threshold, scores = scored
    return Card(
        branches=task.settings.branches,
        pre_bands=task.pre_bands,
        post_bands=task.post_bands,
        resolution=task.resolution,
        full_scale=FULL_SCALE,
        reference=task.reference,
        window=task.settings.window,
        width=task.settings.width,
        settings=task.settings,
        events=task.events,
        seed=task.settings.seed,
        precision=precision,
        scores=scores,
        threshold=threshold,
        parent=load_model(parent).card.sha256 if parent else "",
        versions=versions(),
        commit=commit(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _add_pictures(part: Path, task: _Task, history: list[dict[str, float]], work: Work) -> None:
    """Curves, the augmentation's sheet and TensorBoard's logs, beside the model."""
    from lscube.learn.augment import Augmentation
    from lscube.learn.pictures import draw_augmentation, draw_curves

    settings = task.settings
    draw_curves(part / "curves.png", history)
    layer = Augmentation(settings.geometric, settings.radiometric, settings.seed)
    draw_augmentation(part / "augmentation.png", task.training, layer, task.resolution)
    if work.logs.exists():
        shutil.copytree(work.logs, part / work.logs.name)
