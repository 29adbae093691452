"""A model as it ships: half-precision weights, and a card."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lscube.cube.anchors import REFERENCE
from lscube.files import appearing
from lscube.learn import Card, LoadedModel, check_room, load_model
from lscube.learn.bundle import digest, write_card
from lscube.learn.card import commit, versions
from lscube.learn.chips import FULL_SCALE
from lscube.learn.shipped import WEIGHTS, write_weights
from lscube.settings import BRANCHES

_BANDS = ("red", "green", "blue")


def write_model(
    network: Any, folder: Path, width: float, window: int, half: bool, parent: Path | None = None
) -> LoadedModel:
    """Write a network's weights and a card that says what they are; what is measured comes later.

    Parameters
    ----------
    network
        From `lscube.learn.network.build_network`, for three bands and 10 m.
    folder
        New folder.
    width, window
        The network's width, and the edge of the patches that it was trained on.
    half
        Leave out what is at full resolution, so that it ends with the output "deep_2".
    parent
        Folder of the model that it began from.
    """
    from lscube.learn.network import stopped_at_half

    check_room(folder)
    folder.mkdir()
    with appearing(folder / WEIGHTS) as partial, partial.open("wb") as file:
        write_weights(stopped_at_half(network) if half else network, file)
    card = Card(
        branches=BRANCHES,
        pre_bands=_BANDS,
        post_bands=_BANDS,
        resolution=10.0,
        full_scale=FULL_SCALE,
        reference=REFERENCE,
        window=window,
        width=width,
        head="deep_2" if half else "main",
        optional_branches=("pre", "topography"),
        parent=load_model(parent).card.sha256 if parent else "",
        versions=versions(),
        commit=commit(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sha256=digest(folder / WEIGHTS),
    )
    write_card(folder, card)
    return load_model(folder)
