"""What a card of a shipped model says that no program can find out."""

from __future__ import annotations

from lscube.learn.card import TrainedEvent
from lscube.learn.pretraining.stock import CHIP, PAIR, Stock
from lscube.settings import StockSettings
from lscube.simulate.twins import TWINS

DATA = (
    "Landslide4Sense chips (Ghorbanzadeh et al. 2022, doi:10.1109/TGRS.2022.3215209), red, green and "
    "blue after events, with masks drawn by people, their true ratios restored, split by block; they came by "
    "way of a public repository that has no licence of its own; Landslide4Sense's own repository is MIT.",
    "The chips' images before the event were made: landslides filled from the same chip's stable ground.",
    "Pairs of Sentinel-2 images of cities, hills, fires and fields, from public repositories (modified "
    "Copernicus Sentinel data, 2015 to 2025; nothing of those repositories but the pixels), into which "
    "landslides of the chips were set.",
    "Surface models lent to them: SRTM, LANDFIRE and US Forest Service (public domain).",
    "Simulated twins of the paper's areas (lscube.simulate.twins, BSD-3-Clause like lscube): places "
    "like A, B and D for training, C for validation, E, F and G for test.",
)
"""Where the data come from, and their licences as far as known."""

LIMITS = (
    "Real pairs of images: on the one with masks drawn by people, Iburi (top of atmosphere, autumn against "
    "spring), see docs/model.md.",
    "Brown vegetation, low sun, snow, fields after harvest, fresh river gravel.",
    "Sensors other than Sentinel-2, resolutions other than 10 m, bands other than red, green and blue.",
    "Real terrain: the slopes that it learnt from are simulated, or another place's.",
    "Landslides of a few pixels, and any that trees hide.",
)
"""What the models were not tested on."""


def trained_on(said: StockSettings, learnt: Stock, held: Stock) -> tuple[TrainedEvent, ...]:
    """The chips, pairs and twins that patches were cut from."""
    chips = TrainedEvent(
        id="landslide4sense",
        sources=tuple(f"block {name}" for name in said.blocks),
        labels="masks of the chips, drawn by people",
        patches=_count(CHIP, learnt, held),
    )
    pairs = TrainedEvent(
        id="pairs", labels="landslides set into them", patches=_count(PAIR, learnt, held)
    )
    parts = (("", said.training), ("; validation alone", said.validation))
    return (
        chips,
        *((pairs,) if pairs.patches["training_kept"] else ()),
        *(
            TrainedEvent(
                id=f"{TWINS[letter].event_id}-twin",
                sources=tuple(name for name in names if name.startswith(letter)),
                labels=f"simulated inventory{role}",
            )
            for role, names in parts
            for letter in dict.fromkeys(name[0] for name in names)
        ),
    )


def _count(kind: int, learnt: Stock, held: Stock) -> dict[str, int]:
    """Patches of a kind."""
    sides = (("training_kept", learnt), ("validation_kept", held))
    return {name: int((stock.kind == kind).sum()) for name, stock in sides}
