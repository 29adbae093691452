"""Commands about maps: make one, score one, and the demo that does it all."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lscube.cli.clusters import ClusterOptions, cluster_options
from lscube.cli.options import PATH, JobOptions, job_options
from lscube.cli.partial import name_lost
from lscube.cli.there import CHIPS, MAP, MODEL
from lscube.errors import SettingsError

if TYPE_CHECKING:
    from lscube.mapping import Machines, MapPlan


@click.command()
@job_options
@click.option(
    "--model",
    "models",
    type=MODEL,
    required=True,
    multiple=True,
    help="Folder of a saved model, or standard or light, which come with lscube; several give their mean and "
    "spread.",
)
@click.option(
    "--out",
    required=True,
    help="Zarr store to make or go on with: a path, or an address such as s3://bucket/map.zarr; a name that "
    "ends in .icechunk is an Icechunk repository.",
)
@cluster_options
@click.option(
    "--previous", type=MAP, help="An earlier map, whose regions that did not change are taken over."
)
def predict(
    given: JobOptions,
    models: tuple[Path, ...],
    out: str,
    previous: str | None,
    cluster: ClusterOptions,
) -> None:
    """Map landslide probability over an area, as Zarr.

    Interrupted and started again, it goes on where it was.

    \b
    Example:
      lscube predict --job job.toml --model model --out probability.zarr
    """
    job = given.make("cube")
    from lscube import jobs
    from lscube.cube import unreadable_items
    from lscube.cube.masks import inside_area
    from lscube.learn import load_model
    from lscube.mapping import crop_to_area

    loaded = [load_model(model) for model in models]
    with cluster.connected(job.cluster) as client:
        mapped = jobs.predict(job, loaded, out, client, previous)
        cropped = crop_to_area(mapped)
        inside = inside_area(cropped["area"])
        share = float((cropped["probability"].notnull() & inside).sum() / inside.sum())
    rows, columns = cropped["probability"].shape
    click.echo(f"Wrote {out}: an area of {rows} x {columns} pixels, {share:.0%} of it mapped")
    name_lost(unreadable_items(mapped))


@click.command("map")
@click.option(
    "--before",
    multiple=True,
    help="Your own image before the event, any raster that GDAL reads; several are parts of one "
    "image, or its bands.",
)
@click.option("--after", multiple=True, help="Your own image after it.")
@click.option("--dsm", multiple=True, help="Your own surface model.")
@click.option(
    "--bands",
    help="Names of the bands of these files, in their order, such as blue,green,red,nir.  [default: what the "
    "files say, else red,green,blue]",
)
@job_options
@click.option(
    "--model",
    "models",
    type=MODEL,
    multiple=True,
    default=["standard"],
    show_default=True,
    help="As for predict.",
)
@click.option("--out", type=PATH, required=True, help="Folder to make, or to go on with.")
@click.option("--publish", is_flag=True, help="Make a STAC collection of it, too.")
@cluster_options
def map_(
    before: tuple[str, ...],
    after: tuple[str, ...],
    dsm: tuple[str, ...],
    bands: str | None,
    given: JobOptions,
    models: tuple[Path, ...],
    out: Path,
    publish: bool,
    cluster: ClusterOptions,
) -> None:
    """Map the landslides of an event: from its name, or from your own images, to a folder.

    The folder holds a page (report.html), the landslides (landslides.gpkg), their probability
    (probability.tif, map.zarr), and what it was made from (scenes.json, job.toml). The same command goes on
    with a folder that was begun. With --inventory the map is scored.

    \b
    Examples:
      lscube map --event kaikoura-2016 --source earth-search --out kaikoura
      lscube map --before before.tif --after after.tif --dsm dem.tif --out result
      lscube map --job job.toml --out result
    """
    if bool(before) != bool(after) or (dsm and not before):
        own = {"--before": before, "--after": after, "--dsm": dsm}
        raise SettingsError(
            "Expected --before and --after together (with --dsm where there is one), got "
            f"{' and '.join(name for name in own if own[name])} alone; give what is missing, or "
            "--source for a catalogue."
        )
    notes: tuple[str, ...] = ()
    if before:
        from lscube.catalog.rasters import OwnFiles
        from lscube.deliveries.event import job_of_files

        names = tuple(name.strip() for name in bands.split(",")) if bands else ()
        content, base = given.content()
        job, notes = job_of_files(OwnFiles(before, after, dsm, names), out, content, base)
    else:
        job = given.make("cube", "labels")
    from lscube.cube import unreadable_items
    from lscube.deliveries.event import map_event

    def say(line: str) -> None:
        click.echo(line, err=True)

    with cluster.connected(job.cluster) as client:
        found = map_event(job, models, out, client, publish, notes, say)
    for line in found.summary():
        click.echo(line)
    name_lost(unreadable_items(found.map))


@click.command()
@job_options
@click.option("--model", "models", type=MODEL, required=True, multiple=True, help="As for predict.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Worker processes."
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads, and cores, of each worker.  [default: this machine's cores]",
)
@click.option(
    "--memory",
    type=click.FloatRange(min=0, min_open=True),
    help="Memory of each worker in GB; what does not fit is refused.  [default: this machine's]",
)
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Price of an hour of a core (of a GPU, where it has one), in any currency.",
)
@click.option("--out", type=PATH, help="JSON file to write the plan to.")
def plan(
    given: JobOptions,
    models: tuple[Path, ...],
    workers: int,
    threads: int | None,
    memory: float | None,
    price: float,
    out: Path | None,
) -> None:
    """Tell what `lscube predict` will take, before any pixel of the area is mapped.

    Network and masks are timed on this machine for half a minute; the headers of the scenes' files
    are opened. Workers are taken to be like this machine and always busy, the files to be at hand.

    \b
    Example:
      lscube plan --job job.toml --model model --workers 8 --threads 4 --memory 16 --price 0.04
    """
    job = given.make("cube")
    from lscube import jobs, machine
    from lscube.files import appearing
    from lscube.learn import load_model
    from lscube.mapping import Machines

    machines = Machines(
        workers,
        threads or machine.cores(),
        machine.memory() if memory is None else memory * 1e9,
        price,
    )
    found = jobs.plan(job, [load_model(model) for model in models], machines)
    _print_plan(found, machines)
    if out is not None:
        with appearing(out) as part:
            part.write_text(json.dumps(asdict(found), indent=2) + "\n", encoding="utf-8")


def _print_plan(found: MapPlan, machines: Machines) -> None:
    """A line for each quantity."""
    wall = timedelta(seconds=round(found.wall_seconds))
    whose = "GPU seconds" if found.device == "GPU" else "core-seconds"
    lines = {
        "area": f"{found.square_kilometres:,.1f} km2 in {found.regions:,} regions",
        "chunks": f"{found.chunks:,}, {found.windows:,} windows, {found.tasks:,} tasks",
        "to read": f"{found.read_bytes / 1e6:,.1f} MB",
        "memory": f"{found.worker_bytes / 1e9:.1f} GB for each worker",
        "network": f"{found.network_seconds:,.0f} {whose}",
        "the rest": f"{found.other_seconds:,.0f} core-seconds",
        "time": f"{wall} with {machines.count} x {machines.threads} threads",
        "cost": f"{found.cost:,.2f} at {machines.price:g} an hour",
    }
    for name, text in lines.items():
        click.echo(f"{name:10}{text}")


@click.command()
@job_options
@click.option("--map", "store", type=MAP, help="Zarr store with the map, by path or address.")
@click.option("--chips", type=CHIPS, help="NPZ file of chips with masks, instead of a map.")
@click.option(
    "--model",
    type=MODEL,
    help="The model, for --chips; of a map, its model for the threshold, unless it comes with lscube.",
)
@click.option("--out", type=PATH, required=True, help="JSON file with the scores to write.")
@click.option("--picture", type=PATH, help="PNG to draw; by default beside --out.")
@cluster_options
def evaluate(
    given: JobOptions,
    store: str | None,
    chips: Path | None,
    model: Path | None,
    out: Path,
    picture: Path | None,
    cluster: ClusterOptions,
) -> None:
    """Compare a map with an inventory, or a model with chips: scores and a picture.

    \b
    Examples:
      lscube evaluate --job job.toml --map probability.zarr --out scores.json
      lscube evaluate --chips test.npz --model model --out scores.json
    """
    if (store is None) == (chips is None) or (chips is not None and model is None):
        raise SettingsError(
            "Expected either --map (with a job) or --chips and --model; give one of the two."
        )
    job = None if store is None else given.make("cube", "labels", "split")
    from lscube import jobs
    from lscube.learn import load_model

    if chips is not None and model is not None:
        picture = picture or out.with_name("chips.png")
        _print_chips(jobs.evaluate_chips(chips, load_model(model), out, picture))
    elif store is not None and job is not None:
        picture = picture or out.with_name("quicklook.png")
        with cluster.connected(job.cluster):
            known = () if model is None else (model,)
            _print_scores(jobs.evaluate(job, store, out, picture, known))
    click.echo(f"Wrote {out} and {picture}")


def _print_chips(scores: dict[str, Any]) -> None:
    """Scores with their intervals."""
    for name, (low, high) in scores["intervals"].items():
        value = scores[name]
        shown = "-" if value is None else f"{value:.3f}"
        click.echo(f"{name:10}{shown:>7}   ({low:.3f} to {high:.3f})")
    click.echo(
        f"at threshold {scores['threshold']:g} on {scores['chips']} chips, {scores['pixels']:,} pixels; in "
        "brackets, 95 % of resamplings of the chips"
    )


@click.command()
@click.option("--out", type=PATH, default=Path("demo"), show_default=True, help="Folder to make.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    help="Another seed is another event.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier demo in that folder.")
def demo(out: Path, seed: int, overwrite: bool) -> None:
    """Run the whole chain on a simulated event, in a few minutes.

    \b
    Example:
      lscube demo --out demo
    """
    from lscube.demo import run_demo
    from lscube.simulate import SimulationSettings

    _print_scores(run_demo(out, overwrite, SimulationSettings(seed=seed)))
    click.echo(f"Wrote {out}: look at {out / 'quicklook.png'} and {out / 'report.html'}")


def _print_scores(scores: dict[str, Any]) -> None:
    """Scores of a map at its threshold and at the best one, and of the baseline."""
    names = ("mcc", "f1", "precision", "recall")
    click.echo(f"{'':22}" + "".join(f"{name:>11}" for name in names))
    rows = {
        f"network at {scores['threshold']:g}": scores,
        "network at its best": scores["tuned"],
        "brightness threshold": scores["baseline"],
    }
    for label, row in rows.items():
        values = (row[name] for name in names)
        click.echo(
            f"{label:22}" + "".join(f"{'-' if v is None else f'{v:.3f}':>11}" for v in values)
        )
    held_out = {
        True: "not seen in training",
        False: "ALSO SEEN IN TRAINING",
        None: "(whether seen in training is not known)",
    }[scores["held_out"]]
    click.echo(f"on {scores['pixels']:,} pixels {held_out}; reference: {scores['reference_is']}")
    if scores["baseline"]["in_hindsight"]:
        click.echo(
            "The last two rows flatter: their thresholds were chosen on the pixels they are scored on."
        )
