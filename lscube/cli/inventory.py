"""The command that draws landslides as polygons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lscube.cli.clusters import ClusterOptions, cluster_options
from lscube.cli.options import PATH, JobOptions, job_options
from lscube.cli.there import CONTOURS, MAP, MODEL

if TYPE_CHECKING:
    from lscube.products.inventory import InventorySummary
    from lscube.settings import InventorySettings

_AREA = click.FloatRange(min=0)
_PROBABILITY = click.FloatRange(min=0, max=1, min_open=True)


@click.command()
@job_options
@click.option(
    "--map", "store", type=MAP, required=True, help="Zarr store with the map, by path or address."
)
@click.option(
    "--out",
    type=PATH,
    required=True,
    help="File to write: .gpkg, .fgb or .parquet in the map's CRS, .geojson in degrees.",
)
@click.option(
    "--model",
    "models",
    type=MODEL,
    multiple=True,
    help="The model that made the map, as for predict: its calibration and its threshold are used.",
)
@click.option(
    "--threshold",
    "--high",
    type=_PROBABILITY,
    help="Probability that a landslide reaches somewhere.  [default: the model's, else 0.5]",
)
@click.option(
    "--low", type=_PROBABILITY, help="Probability from which pixels belong to it (hysteresis)."
)
@click.option("--connectivity", type=click.Choice(["4", "8"]), help="By edges, or corners too.")
@click.option("--min-area", type=_AREA, help="Smallest landslide in square metres.")
@click.option("--fill-holes", type=_AREA, help="Largest hole to fill in square metres.")
@click.option("--simplify", type=_AREA, help="Tolerance of simpler outlines in metres.")
@click.option(
    "--density-grid",
    type=(click.FloatRange(min=0, min_open=True), PATH),
    metavar="METRES FILE",
    help="GeoTIFF of landslides per km2, landslide share and observed share, in cells of this size.",
)
@click.option(
    "--shakemap",
    "shakemaps",
    type=CONTOURS,
    multiple=True,
    help="cont_pga.json or cont_mmi.json of a USGS ShakeMap; both may be given.",
)
@click.option("--summary", type=PATH, help="JSON file for number and areas.")
@click.option(
    "--unfinished", is_flag=True, help="Take what is there of a map that is not finished."
)
@cluster_options
def inventory(
    given: JobOptions,
    store: str,
    out: Path,
    models: tuple[Path, ...],
    density_grid: tuple[float, Path] | None,
    shakemaps: tuple[Path, ...],
    summary: Path | None,
    unfinished: bool,
    cluster: ClusterOptions,
    **rules: Any,
) -> None:
    """Draw the landslides of a map as polygons with attributes.

    With the job that the map was made by, slopes, elevations and the days before are filled in.

    \b
    Examples:
      lscube inventory --map probability.zarr --model model --out landslides.gpkg
      lscube inventory --map probability.zarr --model model --job job.toml --min-area 500 --out landslides.fgb
    """
    if given.inventory is not None:
        raise click.UsageError(
            "This command draws an inventory and takes none; leave --inventory out."
        )
    job = given.make_map_job()
    from lscube.deliveries.inventory import cards_of, context_of, threshold_of
    from lscube.files import check_writable
    from lscube.mapping import open_map
    from lscube.products.inventory import read_shaking, write_inventory, write_summary

    if summary is not None:
        check_writable(summary)
    mapped = open_map(store, unfinished)
    cards = cards_of(mapped, models)
    if rules["threshold"] is None:
        rules["threshold"] = threshold_of(cards)
    cell, density = density_grid or (None, None)
    settings = _settings({**rules, "cell": cell})
    shaking = [read_shaking(path) for path in shakemaps]
    with cluster.connected(job.cluster if job else None):
        context = context_of(mapped, job, cards)
        found = write_inventory(mapped, out, settings, context, shaking, density)
    if summary is not None:
        write_summary(summary, found)
    for line in _describe(found, out):
        click.echo(line)
    if rules["threshold"] is None:
        click.echo("  0.5 is not the model's own threshold: give --model, or --threshold")


def _settings(given: dict[str, Any]) -> InventorySettings:
    """Settings from the options that were given."""
    from pydantic import ValidationError

    from lscube.errors import SettingsError
    from lscube.settings import InventorySettings, explain

    chosen = {name: value for name, value in given.items() if value is not None}
    if "connectivity" in chosen:
        chosen["connectivity"] = int(chosen["connectivity"])
    try:
        return InventorySettings(**chosen)
    except ValidationError as error:
        raise SettingsError(
            f"In the options: {explain(error, InventorySettings)}; correct them."
        ) from None


def _describe(found: InventorySummary, out: Path) -> list[str]:
    """What was written, and how sure its total is."""
    least, most = found.area_m2 / 1e6, found.most_area_m2 / 1e6
    lines = [f"Wrote {out}: {found.landslides:,} landslides, {least:,.3f} km2"]
    if not found.landslides:
        lines = [f"Wrote {out}: no landslide was found, so it has no rows"]
    if not found.finished:
        lines.append("  the map is unfinished: what was not mapped yet counts as not observed")
    if found.observed_m2 < found.inside_m2:
        lines.append(
            f"  {found.observed_share:.1%} of the area was observed; what was not leaves open "
            f"{least:,.3f} to {most:,.3f} km2 of landslides"
        )
    lines.append(
        f"  probabilities are {'calibrated' if found.calibrated else 'the network’s own'}; "
        f"threshold {found.settings.threshold:g}, run {found.run_id}"
    )
    return lines
