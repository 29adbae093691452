"""Commands about scenes: find them, and read them into a cube."""

from __future__ import annotations

from pathlib import Path

import click

from lscube.cli.clusters import ClusterOptions, cluster_options
from lscube.cli.options import PATH, JobOptions, job_options
from lscube.cli.partial import name_lost
from lscube.cli.there import REGISTRY


@click.command()
@job_options
@click.option("--out", type=PATH, help="Freeze the scenes to this ItemCollection.")
def search(given: JobOptions, out: Path | None) -> None:
    """List the scenes before and after an event, and the surface model.

    \b
    Example:
      lscube search --source items.json --aoi 141.9,42.7,142.0,42.8 --event-time 2018-09-05T18:07:00Z
    """
    job = given.make()
    from lscube import catalog, jobs

    scenes = jobs.scenes_of(job)
    for side, items in (("before", scenes.pre), ("after", scenes.post)):
        for item in items:
            cloud = item.properties.get("eo:cloud_cover")
            shown = "" if cloud is None else f"{cloud:5.1f} % cloud"
            click.echo(f"{side:7}{catalog.item_time(item):%Y-%m-%d %H:%M}  {shown:14} {item.id}")
    for item in scenes.dsm:
        click.echo(f"{'DSM':39} {item.id}")
    for note in scenes.notes:
        click.echo(f"note   {note}")
    if out:
        catalog.freeze(scenes, out)
        click.echo(f"Wrote {out}")


@click.command()
@job_options
@click.option("--out", type=PATH, required=True, help="Zarr store to make.")
@click.option("--picture", type=PATH, help="PNG to draw: both images, and why pixels are missing.")
@cluster_options
def cube(given: JobOptions, out: Path, picture: Path | None, cluster: ClusterOptions) -> None:
    """Read scenes into a cube on one grid, as Zarr.

    \b
    Example:
      lscube cube --source items.json --aoi area.geojson --event-time 2018-09-06 --out cube.zarr
    """
    job = given.make("cube")
    from lscube import jobs
    from lscube.attributes import content
    from lscube.cube import describe_pair

    with cluster.connected(job.cluster) as client:
        made, quality, lost = jobs.make_cube(job, out, client)
    rows, columns = made["elevation"].shape
    click.echo(f"Wrote {out}: {rows} x {columns} pixels of {', '.join(made['band'].values)}")
    for side in ("pre", "post"):
        for note in content(made.attrs[f"{side}_radiometry"]):
            click.echo(f"  {note}")
    for line in describe_pair(quality):
        click.echo(f"  {line}")
    if picture:
        from lscube.evaluate import draw_cube

        draw_cube(picture, made)
        click.echo(f"Wrote {picture}")
    name_lost(lost)


@click.command()
@click.option(
    "--registry", type=REGISTRY, help="Your own events: a TOML file, or a folder of them."
)
@click.option("--show", metavar="EVENT", help="All that is known of one event.")
def events(registry: Path | None, show: str | None) -> None:
    """List the events that `--event` knows: time, area, and where both come from.

    \b
    Examples:
      lscube events
      lscube events --show kaikoura-2016
    """
    from dataclasses import asdict

    from lscube.events import find_event, known_events

    if show is not None:
        for name, value in asdict(find_event(show, registry)).items():
            if value not in (None, "", ()):
                told = ", ".join(map(str, value)) if isinstance(value, tuple) else value
                click.echo(f"{name:18} {told}")
        return
    for event in known_events(registry).values():
        west, south, east, north = event.aoi
        click.echo(f"{event.id:20} {event.time:22} {event.name}")
        click.echo(f"{'':20} {west}, {south}, {east}, {north} ({event.aoi_is})")
