"""Adapting a network to an event by its own map's sure pixels: no label is needed.

What landslides of one event look like varies less than what those of all events do. Two small classifiers of
each pixel and its surroundings learn from the sure pixels of half of the squares each; their probability and
the network's are combined. Self-training with a second view of the pixels: Blum and Mitchell (1998),
doi:10.1145/279943.279962.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lscube.errors import ModelError
from lscube.learn.backend import keras, ops
from lscube.learn.bundle import (
    LoadedModel,
    check_room,
    load_model,
    open_network,
    save_model,
    split_channels,
)
from lscube.learn.card import Adaptation, Card
from lscube.learn.network import main_only
from lscube.learn.squares import MARGIN, Squares
from lscube.learn.surroundings import Mixture, Surroundings
from lscube.paths import StrPath
from lscube.scores import Confusion
from lscube.settings import AdaptSettings

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

LANDSLIDES, OTHERS = 20_000, 60_000
"""Sure pixels that one classifier learns from at most."""

_HIDDEN = (32, 16)
_EPOCHS, _BATCH, _RATE = 8, 1024, 1e-3
_AT_ONCE = 16
"""Squares that are computed at once."""


def adapt_model(
    model: LoadedModel, squares: Squares, event: str, settings: AdaptSettings, folder: StrPath
) -> LoadedModel:
    """Save a model that was adapted to an event.

    Parameters
    ----------
    model
        That the map was made with.
    squares
        Of the map.
    event
        The event's id.
    settings
        Which pixels are sure, and what has to hold.
    folder
        New folder for the model: the network and both classifiers in one, so that it maps as any other.

    Raises
    ------
    ModelError
        There are too few sure pixels, the halves contradict each other, or far more would be landslide.
    StoreError
        The folder exists or cannot be written.
    """
    check_room(folder)
    layer, features = _features(model.card)
    values, labels, halves = _sure_pixels(features, model.card, squares, settings)
    counts = {kind: int((labels == kind).sum()) for kind in (True, False)}
    _check_enough(counts, squares, settings)
    members = _classifiers(values, labels, halves, settings.seed)
    agreement = min(
        _recognised(member, values[halves != half], labels[halves != half])
        for member, half in zip(members, (False, True), strict=True)
    )
    if agreement < settings.min_agreement:
        raise ModelError(
            "Expected both halves of the squares to teach the same (MCC of at least "
            f"{settings.min_agreement:g} on the other's sure pixels, adapt.min_agreement), got "
            f"{agreement:.2f}; the map is as good as it gets without labels: map without adapting, or tune "
            "with an inventory."
        )
    areas = _areas(features, members, model.card, squares, settings)
    growth = areas.adapted(0.5) / max(areas.before, 1.0)
    if growth > settings.max_growth:
        raise ModelError(
            f"Expected at most {settings.max_growth:g} times the map's landslide area at an adapted "
            f"probability of one half (adapt.max_growth), got {growth:.1f} times; look at the map and at its "
            "pair of images first."
        )
    found = Adaptation(
        event=event,
        settings=settings,
        landslide_pixels=counts[True],
        other_pixels=counts[False],
        squares=len(squares.half),
        agreement=round(agreement, 4),
        growth=round(growth, 4),
    )
    network = _joined(open_network(model), layer, members, settings.weight)
    save_model(network, folder, _card(model.card, found, areas.threshold(settings.growth)))
    return load_model(folder)


def _card(card: Card, found: Adaptation, threshold: float) -> Card:
    """What was scored of the network that it was adapted from does not hold of it."""
    limits = (f"adapted to {found.event} without labels: for that event alone, and not tested",)
    changes = {
        "parent": card.sha256,
        "adapted": found,
        "threshold": threshold,
        "calibration": None,
        "scores": {},
        "evaluations": {},
        "limits": (*limits, *card.limits),
    }
    return card.model_copy(update=changes)


def _features(card: Card) -> tuple[Surroundings, Any]:
    """The layer of features, and a model from a network's inputs to them."""
    compared = bool(card.pre_bands) and card.pre_bands == card.post_bands
    layer = Surroundings(card.branches, card.resolution, compared, name="surroundings")
    channels = {"pre": len(card.pre_bands), "post": len(card.post_bands), "elevation": 1}
    inputs = {name: keras.Input((None, None, channels[name]), name=name) for name in card.inputs}
    return layer, keras.Model(inputs, layer([inputs[name] for name in card.inputs]))


def _each(features: Any, card: Card, squares: Squares) -> Iterator[tuple[slice, Floats]]:
    """Features of some squares at a time, (n, y, x, feature), without the margin."""
    for first in range(0, len(squares.half), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        found = np.asarray(features(split_channels(_even(squares.windows[part]), card)))
        rows, columns = squares.probability.shape[1:]
        yield part, found[:, MARGIN : MARGIN + rows, MARGIN : MARGIN + columns]


def _even(windows: Floats) -> Floats:
    """Filled up to what a window must be: multiples of 32."""
    rows, columns = (-size % 32 for size in windows.shape[2:])
    more = ((0, 0), (0, 0), (0, rows), (0, columns))
    return np.pad(windows, more, constant_values=np.nan)


def _sure_pixels(
    features: Any, card: Card, squares: Squares, settings: AdaptSettings
) -> tuple[Floats, Flags, Flags]:
    """Features (pixel, feature) of sure pixels, whether each is a landslide, and its half."""
    rng = np.random.default_rng(settings.seed)
    kept: list[tuple[Floats, Flags, Flags]] = []
    share = {True: 1.0, False: 1.0}
    for kind, most in ((True, LANDSLIDES), (False, OTHERS)):
        count = sum(_sure(part, settings, kind).sum() for part in squares.probability)
        share[kind] = min(1.0, 2 * most / max(count, 1))
    for part, found in _each(features, card, squares):
        half = np.broadcast_to(squares.half[part, None, None], found.shape[:3])
        for kind in (True, False):
            sure = _sure(squares.probability[part], settings, kind)
            sure &= rng.random(sure.shape) < share[kind]
            kept.append((found[sure], np.full(int(sure.sum()), kind), half[sure]))
    values, labels, halves = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    return values, labels, halves


def _sure(probability: Floats, settings: AdaptSettings, landslide: bool) -> Flags:
    """Sure pixels of one kind; those without a probability are of neither."""
    if landslide:
        return np.asarray(probability >= settings.landslide_from)
    return np.asarray(probability <= settings.other_to)


def _check_enough(counts: dict[bool, int], squares: Squares, settings: AdaptSettings) -> None:
    """Refuse to learn from next to nothing."""
    few = [what for what, kind in (("landslides", True), ("others", False))
           if counts[kind] < settings.min_pixels]  # fmt: skip
    if few:
        raise ModelError(
            f"Expected at least {settings.min_pixels} sure pixels of each kind (adapt.min_pixels) to adapt "
            f"by, got {counts[True]} landslides and {counts[False]} others; the event shows too little, or "
            "the model is unsure of it: map without adapting."
        )
    sure = [_sure(square, settings, True).any() for square in squares.probability]
    halves = [int(np.sum(np.asarray(sure) & (squares.half == half))) for half in (False, True)]
    if sum(halves) < settings.min_squares or min(halves) < settings.min_squares // 4:
        raise ModelError(
            f"Expected sure landslides in at least {settings.min_squares} squares (adapt.min_squares), a "
            f"quarter of them in each half, got {halves[0]} and {halves[1]}; what a few squares show need "
            "not hold elsewhere: map without adapting."
        )


def _classifiers(values: Floats, labels: Flags, halves: Flags, seed: int) -> list[Any]:
    """Two classifiers of pixels, from features to a probability, each fitted to a half.

    They are fitted in one go, of which each sees its half: so that one step is compiled.
    """
    keras.utils.set_random_seed(seed)
    mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-6
    given = keras.Input((None, None, values.shape[1]))
    outputs = [_tower(given, name) for name in ("one", "other")]
    both = keras.Model(given, outputs)
    both.compile(
        keras.optimizers.AdamW(_RATE, weight_decay=1e-3),
        [_loss, _loss],
        jit_compile=False,
    )
    wanted = [np.where(halves == half, labels, _NOT_SEEN) for half in (False, True)]
    both.fit(
        ((values - mean) / spread)[:, None, None],
        [one.astype(np.float32)[:, None, None, None] for one in wanted],
        batch_size=_BATCH,
        epochs=_EPOCHS,
        verbose=0,
    )
    members = [keras.Model(given, output) for output in outputs]
    for member in members:
        # The first layer takes the features as they are.
        kernel, bias = (np.asarray(part, np.float64) for part in member.layers[1].get_weights())
        kernel = kernel / spread[:, None]
        member.layers[1].set_weights([kernel, bias - mean @ kernel[0, 0]])
    return members


_NOT_SEEN = -1
"""Label of the other half's pixels."""


def _loss(labels: Any, found: Any) -> Any:
    """Binary cross-entropy of the own half's pixels."""
    known = ops.cast(labels >= 0, found.dtype)
    sure = ops.clip(ops.where(labels > 0, found, 1.0 - found), 1e-6, 1.0)
    return -ops.sum(known * ops.log(sure)) / ops.maximum(ops.sum(known), 1.0)


def _tower(x: Any, name: str) -> Any:
    """Convolutions of 1 x 1."""
    layers = [(filters, "relu") for filters in _HIDDEN] + [(1, "sigmoid")]
    for number, (filters, activation) in enumerate(layers):
        x = keras.layers.Conv2D(
            filters, 1, activation=activation, dtype="float32", name=f"adapted_{name}_{number}"
        )(x)
    return x


def _recognised(member: Any, values: Floats, labels: Flags) -> float:
    """MCC of a classifier on sure pixels that it has not seen."""
    found = np.asarray(member(values[:, None, None]))[:, 0, 0, 0] >= 0.5
    counts = [int((found & labels).sum()), int((found & ~labels).sum())]
    counts += [int((~found & labels).sum()), int((~found & ~labels).sum())]
    return Confusion(*counts).mcc


@dataclass(frozen=True)
class _Areas:
    """How much of a map is called a landslide, in pixels that its squares stand for."""

    before: float
    """By the map, at its model's threshold."""
    counts: npt.NDArray[np.float64]
    """By adapted probability, in bins from 0 to 1."""

    def adapted(self, threshold: float) -> float:
        """At an adapted probability of this or more."""
        return float(self.counts[math.ceil(threshold * len(self.counts)) :].sum())

    def threshold(self, growth: float) -> float:
        """The lowest at which the area is at most `growth` times what it was before."""
        above = np.cumsum(self.counts[::-1])[::-1]
        return int(np.argmax(np.append(above, 0.0) <= growth * self.before)) / len(self.counts)


_BINS = 1000


def _areas(
    features: Any, members: list[Any], card: Card, squares: Squares, settings: AdaptSettings
) -> _Areas:
    before, counts = 0.0, np.zeros(_BINS)
    for part, found in _each(features, card, squares):
        own = squares.probability[part]
        others = sum(np.asarray(member(found))[..., 0] for member in members) / len(members)
        joined = (1 - settings.weight) * own + settings.weight * others
        for pixels, mixed, stands_for in zip(own, joined, squares.standing_for[part], strict=True):
            before += float(stands_for) * int((pixels >= card.threshold).sum())
            known = mixed[np.isfinite(mixed)]
            counts += float(stands_for) * np.histogram(known, _BINS, (0.0, 1.0))[0]
    return _Areas(before, counts)


def _joined(network: Any, layer: Surroundings, members: list[Any], weight: float) -> Any:
    """One network from its inputs to the combined probability."""
    source = main_only(network)
    inputs = {tensor.name: tensor for tensor in source.inputs}
    order = ["elevation" if branch == "topography" else branch for branch in layer.branches]
    features = layer([inputs[name] for name in order])
    found = []
    for member in members:
        x = features
        for part in member.layers[1:]:
            x = part(x)
        found.append(x)
    output = Mixture(weight, name="adapted")([source.outputs[0], *found])
    return keras.Model(inputs, output, name="adapted")
