"""The command that makes a page of a map."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
from click.core import ParameterSource

from lscube.cli.clusters import ClusterOptions, cluster_options
from lscube.cli.options import PATH, JobOptions, job_options
from lscube.cli.there import MAP, MODEL, SCORES, SUMMARY


@click.command()
@job_options
@click.option(
    "--map", "store", type=MAP, required=True, help="Zarr store with the map, by path or address."
)
@click.option("--scores", type=SCORES, help="JSON file from `lscube evaluate`.")
@click.option(
    "--summary",
    type=SUMMARY,
    help="JSON file from `lscube inventory --summary`: the total as an interval.",
)
@click.option(
    "--model",
    "models",
    type=MODEL,
    multiple=True,
    help="The model that made the map, as for predict: its card is shown.",
)
@click.option(
    "--pixels",
    type=click.IntRange(min=64, max=8192),
    default=2048,
    show_default=True,
    help="Longest edge of the images; larger maps are shown in blocks of pixels.",
)
@click.option(
    "--most",
    type=click.IntRange(min=0),
    default=5000,
    show_default=True,
    help="Landslides that are drawn: the largest.",
)
@click.option(
    "--unfinished", is_flag=True, help="Take what there is of a map that is not finished."
)
@click.option("--title", default="", help="Of the page; by default the event.")
@click.option("--out", type=PATH, required=True, help="HTML file to write.")
@cluster_options
def report(
    given: JobOptions,
    store: str,
    scores: Path | None,
    summary: Path | None,
    models: tuple[Path, ...],
    pixels: int,
    most: int,
    unfinished: bool,
    title: str,
    out: Path,
    cluster: ClusterOptions,
) -> None:
    """Make one HTML file of a map, to be opened in any browser.

    It needs no other file and asks for no address. With the map's job, its images before and after
    are shown and compared; --inventory takes the landslides from `lscube inventory`.

    \b
    Example:
      lscube report --map probability.zarr --job job.toml --inventory landslides.gpkg --out report.html
    """
    job = given.make_map_job()
    from lscube.deliveries import reporting
    from lscube.evaluate.page.wording import counted
    from lscube.products.report import ReportSettings

    files = reporting.Given(store, given.inventory, scores, models, unfinished, summary)
    settings = ReportSettings(edge=pixels, polygons=most, title=title)
    typed = shlex.join(_typed(click.get_current_context()))
    with cluster.connected(job.cluster if job else None):
        made = reporting.report(files, out, job, settings, typed)
    drawn = counted(made.drawn, "landslide")
    click.echo(f"Wrote {out}: {made.size / 1e6:,.1f} MB, {drawn} drawn")
    if given.inventory and not made.landslides:
        click.echo("  The inventory is empty.")
    for note in made.notes:
        click.echo(f"  {note}")


def _typed(context: click.Context) -> Iterator[str]:
    """The command as it was typed, without folders of this machine and signatures."""
    from lscube.catalog import unsigned
    from lscube.products.portable import portable
    from lscube.redaction import redacted

    yield from ("lscube", str(context.info_name))
    for option in context.command.params:
        name = str(option.name)
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            value = context.params[name]
            for each in value if isinstance(value, tuple) else (value,):
                yield option.opts[0]
                if each is not True:  # a flag has no value
                    yield portable(redacted(unsigned(str(each))))
