"""Commands that publish a map, and make a published one again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from lscube.cli.clusters import ClusterOptions, cluster_options
from lscube.cli.options import PATH, JobOptions, job_options
from lscube.cli.there import MAP, MASKS, MODEL, PICTURE, PUBLISHED, SUMMARY
from lscube.errors import PARTIAL

if TYPE_CHECKING:
    from lscube.products.reproduce import Verdict


@click.command()
@job_options
@click.option(
    "--map", "store", type=MAP, required=True, help="Zarr store with the map, by path or address."
)
@click.option("--out", type=PATH, required=True, help="Folder to make.")
@click.option(
    "--model",
    "models",
    type=MODEL,
    multiple=True,
    help="A model that made the map, as for predict; copied.",
)
@click.option("--summary", type=SUMMARY, help="JSON file from `lscube inventory --summary`.")
@click.option("--picture", "pictures", type=PICTURE, multiple=True, help="PNG to add.")
@click.option(
    "--zarr",
    type=click.Choice(["auto", "copy", "link", "none"]),
    default="auto",
    show_default=True,
    help="The map itself: copied into the folder, linked to, or left out; auto: linked to where it has an "
    "address, else copied.",
)
@click.option(
    "--pyramid/--no-pyramid", default=True, show_default=True, help="Coarser levels in Zarr."
)
@click.option("--license", default="other", show_default=True, help="SPDX identifier.")
@click.option("--facility", default="", help="Who ran it, for the item.")
@click.option("--unfinished", is_flag=True, help="Publish what there is of a map in the making.")
def publish(
    given: JobOptions,
    store: str,
    out: Path,
    models: tuple[Path, ...],
    summary: Path | None,
    pictures: tuple[Path, ...],
    zarr: Literal["auto", "copy", "link", "none"],
    pyramid: bool,
    license: str,
    facility: str,
    unfinished: bool,
) -> None:
    """Write a map as a self-contained STAC collection, for a catalogue or a colleague.

    With the job (or --source and the like), the input items are frozen into it; --inventory is here the
    map's own, from `lscube inventory`. No signed address and no path of this machine gets in.

    \b
    Example:
      lscube publish --map probability.zarr --job job.toml --model model \\
          --inventory landslides.gpkg --out published
    """
    job = given.make_map_job()
    from lscube import deliveries
    from lscube.products.report.reading import read_summary
    from lscube.products.stac import Publication

    link: Literal["link", "copy"] = "link" if "://" in store else "copy"
    what = Publication(
        inventory=given.inventory,
        summary=None if summary is None else read_summary(summary),
        pictures=pictures,
        store=link if zarr == "auto" else zarr,
        pyramid=pyramid,
        license=license,
        facility=facility,
        unfinished=unfinished,
    )
    collection = deliveries.publish(store, out, what, models, job)
    click.echo(f"Wrote {out}: open {out / 'collection.json'}")
    for item in collection.get_items():
        click.echo(f"  {item.id}: {', '.join(item.assets)}")


@click.command()
@click.argument("item", type=PUBLISHED)
@click.option("--out", required=True, help="Zarr store to make.")
@click.option(
    "--source",
    multiple=True,
    help="Catalogue that has the input items, where they were read from files or have moved.  [default: the "
    "frozen items]",
)
@click.option(
    "--model", "models", type=MODEL, multiple=True, help="A model as for predict, if not published."
)
@click.option(
    "--data", type=MASKS, help="Folder with masks of your own that the map was made with."
)
@cluster_options
def reproduce(
    item: str,
    out: str,
    source: tuple[str, ...],
    models: tuple[Path, ...],
    data: Path | None,
    cluster: ClusterOptions,
) -> None:
    """Make a published map again, and say whether it is the same.

    Exit code 0: all pixels are equal. 3: they are not, and what moved (input items, models, versions) is
    named, a line each. 2: it cannot be run.

    \b
    Example:
      lscube reproduce published --out again.zarr
    """
    from lscube import deliveries
    from lscube.settings import PRESETS

    sources = tuple(
        one if one in PRESETS or "://" in one else Path(one).resolve() for one in source
    )
    with cluster.connected() as client:
        at_hand = deliveries.AtHand(sources, models, data)
        verdict = deliveries.reproduce(item, out, at_hand, client)
    _print_verdict(verdict)
    if not verdict.equal:
        raise click.exceptions.Exit(PARTIAL)


def _print_verdict(verdict: Verdict) -> None:
    click.echo("equal: all pixels are the same" if verdict.equal else "different")
    for line in (*verdict.pixels, *verdict.moved):
        click.echo(f"  {line}")
    if not verdict.equal and not verdict.moved:
        click.echo(
            "  nothing moved: another processor, or other versions of libraries, compute otherwise"
        )
