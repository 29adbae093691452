"""Commands about models: train one, look at one, take up published weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lscube.cli.clusters import ClusterOptions, cluster_options
from lscube.cli.options import PATH, JobOptions, job_options
from lscube.cli.there import CHIPS, MAP, MODEL, WEIGHTS

if TYPE_CHECKING:
    from lscube.learn import Card
    from lscube.learn.card import Evaluation


@click.command()
@job_options
@click.option(
    "--from",
    "parent",
    type=MODEL,
    help="Model to begin from (fine-tuning), as for predict.",
)
@click.option(
    "--chips",
    type=CHIPS,
    help="Folder with train.npz and validation.npz, instead of scenes: image (n, y, x, 3) and mask "
    "(n, y, x), 8 bits; [train] alone counts.",
)
@click.option("--out", type=PATH, required=True, help="Folder of the model to make.")
@cluster_options
def train(
    given: JobOptions,
    parent: Path | None,
    chips: Path | None,
    out: Path,
    cluster: ClusterOptions,
) -> None:
    """Train a network on inventories, or on chips with masks, and save it.

    Several --job train one network on several events. Interrupted, the same command goes on. With --cluster
    one worker trains (with --gpu, on its GPU); it must see the same folders.

    \b
    Examples:
      lscube train --job job.toml --out model
      lscube train --job one.toml --job other.toml --out model
      lscube train --job new.toml --from model --set train.learning_rate=1e-5 --out tuned
      lscube train --chips landslide4sense --job pipelines/configs/chips.toml --out model
    """
    several = [] if chips is not None else given.make_all("cube", "labels", "split")
    settings, resolution = (None, 0.0) if chips is None else given.make_chips_settings()
    from lscube import jobs

    if chips is not None and settings is not None:
        with cluster.connected(everything=False) as client:
            made = jobs.train_chips(chips, settings, resolution, out, parent, client)
    else:
        with cluster.connected(several[0].cluster, everything=False) as client:
            made = jobs.train(several, out, parent, client)
    card = made.card
    shown = [f"validation loss {card.scores['val_loss']:.4f}"]
    shown += [
        f"{name.upper()} {card.scores[name]:.3f}" for name in ("mcc", "f1") if name in card.scores
    ]
    click.echo(f"Wrote {out}: {', '.join(shown)} at threshold {card.threshold:g}")


@click.command()
@job_options
@click.option("--model", type=MODEL, required=True, help="The model that the map was made with.")
@click.option(
    "--map", "store", type=MAP, required=True, help="The finished map, by path or address."
)
@click.option("--out", type=PATH, required=True, help="Folder of the adapted model to make.")
def adapt(given: JobOptions, model: Path, store: str, out: Path) -> None:
    """Adapt a model to an event, without any label.

    The pixels that a map of the event is sure of teach what this event's landslides look like. The adapted
    model maps this event as any other model does. Where the map shows too few landslides, or what one half
    of it teaches does not hold in the other, nothing is made, and it is said why.

    \b
    Example:
      lscube predict --job job.toml --model standard --out probability.zarr
      lscube adapt --job job.toml --model standard --map probability.zarr --out adapted
      lscube predict --job job.toml --model adapted --out adapted.zarr
    """
    job = given.make("cube")
    from lscube.deliveries import adapt as adapt_to_event
    from lscube.learn import load_model

    card = adapt_to_event(job, load_model(model), store, out).card
    click.echo(f"Wrote {out}: from {card.adapted}; threshold {card.threshold:g}")


@click.group()
def model() -> None:
    """Look at saved models, and take up published weights."""


@model.command()
@click.argument("path", type=MODEL)
def show(path: Path) -> None:
    """Print what a saved model is, expects and was made from.

    \b
    Example:
      lscube model show model
      lscube model show standard
    """
    from lscube.learn import load_model

    for name, value in _describe(load_model(path).card):
        click.echo(f"{name:12} {value}")


@model.command("list")
def list_() -> None:
    """List the models that come with lscube.

    \b
    Example:
      lscube model list
    """
    from lscube.learn import read_card
    from lscube.settings.models import SHIPPED

    for name in SHIPPED:
        card = read_card(name)
        click.echo(
            f"{name:10} looks at {', '.join(card.branches)} in {', '.join(card.post_bands)} at "
            f"{card.resolution:g} m; threshold {card.threshold:g}"
        )


@model.command("import")
@click.argument("file", type=WEIGHTS)
@click.option("--out", type=PATH, required=True, help="Folder of the model to make.")
@click.option(
    "--resolution", type=float, default=6.0, show_default=True, help="Pixel size in metres."
)
def import_(file: Path, out: Path, resolution: float) -> None:
    """Take up the weights of the paper's own Keras model (HDF5), such as M_ALL_006.

    \b
    Example:
      lscube model import M_ALL_006.hdf5 --out model
    """
    from lscube.learn import import_weights

    made = import_weights(file, out, resolution=resolution)
    click.echo(f"Wrote {out}: {made.card.origin}")


def _worth(found: Evaluation) -> str:
    """Scores with their intervals."""
    parts = []
    for name, value in found.scores.items():
        low, high = found.intervals.get(name, (None, None))
        interval = "" if low is None else f" ({low:.2f} to {high:.2f})"
        parts.append(f"{name.replace('_', ' ')} {value:.3f}{interval}")
    return ", ".join(parts)


def _describe(card: Card) -> list[tuple[str, str]]:
    """Lines of a card: what it is, and what of."""
    bands = {"pre": card.pre_bands, "post": card.post_bands, "topography": ("slope", "hillshade")}
    lines: list[tuple[str, str]] = [(branch, ", ".join(bands[branch])) for branch in card.branches]
    lines += [
        ("resolution", f"{card.resolution:g} m"),
        ("window", f"{card.window} x {card.window} pixels"),
        ("width", f"{card.width:g}"),
        ("threshold", f"{card.threshold:g}"),
        ("calibration", "" if card.calibration is None else card.calibration.describe()),
        ("scores", ", ".join(f"{name} {value:.4g}" for name, value in card.scores.items())),
        ("adapted to", "" if (to := card.adapted) is None else f"{to.event}: {to}"),
        ("needs not", ", ".join(card.optional_branches)),
        *(("tested on", f"{name}: {_worth(found)}") for name, found in card.evaluations.items()),
        *(("data", text) for text in card.data),
        *(("not tested", text) for text in card.limits),
    ]
    for event in card.events:
        split = event.split
        lines += [
            ("trained on", f"{event.id}: {event.labels or 'labels of unknown name'}"),
            ("  sources", ", ".join(event.sources)),
            ("  bounds", "" if event.bounds is None else f"{event.bounds} (EPSG:{event.epsg})"),
            ("  split", f"{split.by}, validation {split.validation or split.validation_share}, "
             f"test {split.test or split.test_share}, seed {split.seed}"),
            ("  patches", ", ".join(f"{name} {count}" for name, count in event.patches.items())),
        ]  # fmt: skip
    lines += [
        ("seed", "" if card.seed is None else str(card.seed)),
        ("precision", card.precision),
        ("parent", card.parent),
        ("origin", card.origin),
        ("versions", ", ".join(f"{name} {version}" for name, version in card.versions.items())),
        ("commit", card.commit),
        ("created", card.created),
        ("sha256", card.sha256),
    ]
    return [(name, value) for name, value in lines if value]
