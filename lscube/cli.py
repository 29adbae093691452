"""The command line: parse, call one step, print."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lscube import __version__
from lscube.errors import InputError, LscubeError, MissingExtraError, SettingsError

if TYPE_CHECKING:
    from lscube.settings import Job

Command = TypeVar("Command", bound=Callable[..., Any])

# Options of a job and the settings they stand for.
_SHORTCUTS = {
    "source": "source.catalogs",
    "event": "event.id",
    "aoi": "area.aoi",
    "event_time": "event.time",
    "inventory": "labels.inventory",
    "resolution": "area.resolution",
}


def _job_options(command: Command) -> Command:
    """Options that together make a job."""
    path = click.Path(path_type=Path)
    for option in reversed(
        [
            click.option("--job", type=path, help="TOML file with the job's settings."),
            click.option(
                "--data", type=path, help="Folder that relative paths in --job start from."
            ),
            click.option(
                "--source",
                multiple=True,
                help="Where scenes and DSM come from: earth-search, planetary-computer, cdse, a STAC API, or "
                "an ItemCollection. Several are asked in order.",
            ),
            click.option(
                "--event", help="Event's name; one of `lscube events` brings time and area."
            ),
            click.option("--aoi", help="Area: vector file, or west,south,east,north in degrees."),
            click.option("--event-time", help="UTC instant or date of the event."),
            click.option("--inventory", type=path, help="Vector file with landslide polygons."),
            click.option("--resolution", type=float, help="Pixel size in metres."),
            click.option(
                "--set",
                "changes",
                multiple=True,
                metavar="NAME=VALUE",
                help="Any other setting, such as train.epochs=20; see `lscube settings`.",
            ),
        ]
    ):
        command = option(command)
    return command


def _make_job(job: Path | None, data: Path | None, changes: Sequence[str], **given: Any) -> Job:
    from lscube.settings import make_job, read_content

    content: dict[str, Any] = read_content(job) if job else {}
    for name, value in given.items():
        if value is not None and value != ():
            _put(content, _SHORTCUTS[name], _plain(name, value))
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or "." not in name:
            raise SettingsError(f"Expected --set section.name=value, got {change!r}; correct it.")
        _put(content, name, _toml_value(text))
    folder = (data or (job.parent if job else Path())).resolve()
    return make_job(content, folder, origin=str(job) if job else "the options")


def _plain(name: str, value: Any) -> Any:
    """A setting from an option; paths on the command line start from the working directory."""
    from lscube.settings import PRESETS

    if name == "source":
        return [
            entry if entry in PRESETS or "://" in entry else str(Path(entry).resolve())
            for entry in value
        ]
    if name == "aoi":
        parts = value.split(",")
        if len(parts) == 4:
            try:
                return [float(part) for part in parts]
            except ValueError:
                raise SettingsError(
                    f"Expected --aoi as a file or west,south,east,north, got {value!r}; correct it."
                ) from None
        value = Path(value)
    return str(value.resolve()) if isinstance(value, Path) else value


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _put(content: dict[str, Any], name: str, value: Any) -> None:
    *sections, last = name.split(".")
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            raise SettingsError(
                f"Expected '{section}' to be a section, it is a value; correct {name!r}."
            )
    content[last] = value


_OUT = click.Path(path_type=Path)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `lscube demo`; every command's --help shows an example.",
)
@click.version_option(__version__, prog_name="lscube")
def lscube() -> None:
    """Map landslides after an earthquake or a storm."""


@lscube.command()
@_job_options
@click.option("--out", type=_OUT, help="Freeze the scenes to this ItemCollection.")
def search(out: Path | None, **options: Any) -> None:
    """List the scenes before and after an event, and the surface model.

    \b
    Example:
      lscube search --source items.json --aoi 141.9,42.7,142.0,42.8 --event-time 2018-09-05T18:07:00Z
    """
    from lscube import catalog, jobs

    scenes = jobs.scenes_of(_make_job(**options))
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


@lscube.command()
@_job_options
@click.option("--out", type=_OUT, required=True, help="Zarr store to make.")
@click.option("--picture", type=_OUT, help="PNG to draw: both images, and why pixels are missing.")
def cube(out: Path, picture: Path | None, **options: Any) -> None:
    """Read scenes into a cube on one grid, as Zarr.

    \b
    Example:
      lscube cube --source items.json --aoi area.geojson --event-time 2018-09-06 --out cube.zarr
    """
    from lscube import jobs
    from lscube.cube import describe_pair

    made, quality, lost = jobs.make_cube(_make_job(**options), out)
    rows, columns = made["elevation"].shape
    click.echo(f"Wrote {out}: {rows} x {columns} pixels of {', '.join(made['band'].values)}")
    for note in (*made.attrs["pre_radiometry"], *made.attrs["post_radiometry"]):
        click.echo(f"  {note}")
    for line in describe_pair(quality):
        click.echo(f"  {line}")
    if picture:
        from lscube.evaluate import draw_cube

        draw_cube(picture, made)
        click.echo(f"Wrote {picture}")
    _name_lost(lost)


@lscube.command()
@_job_options
@click.option("--out", type=_OUT, required=True, help="Folder of the model to make.")
def train(out: Path, **options: Any) -> None:
    """Train a network on an inventory and save it.

    \b
    Example:
      lscube train --job pipelines/configs/iburi-2018.toml --data iburi-2018 --out model
    """
    from lscube import jobs

    model = jobs.train(_make_job(**options), out)
    click.echo(f"Wrote {out}: validation loss {model.card.scores['val_loss']:.4f}")


@lscube.command()
@_job_options
@click.option("--model", type=_OUT, required=True, help="Folder of a saved model.")
@click.option("--out", type=_OUT, required=True, help="Zarr store to make.")
def predict(model: Path, out: Path, **options: Any) -> None:
    """Map landslide probability over an area, as Zarr.

    \b
    Example:
      lscube predict --job job.toml --model model --out probability.zarr
    """
    from lscube import jobs
    from lscube.cube import unreadable_items
    from lscube.learn import load_model

    job = _make_job(**options)
    mapped = jobs.predict(job, load_model(model), out)
    rows, columns = mapped["probability"].shape
    share = float(mapped["probability"].notnull().mean())
    click.echo(f"Wrote {out}: {rows} x {columns} pixels, {share:.0%} of them mapped")
    _name_lost(unreadable_items(mapped))


@lscube.command()
@_job_options
@click.option("--map", "store", type=_OUT, required=True, help="Zarr store with the map.")
@click.option("--out", type=_OUT, required=True, help="JSON file with the scores to write.")
@click.option("--picture", type=_OUT, help="PNG to draw; by default beside --out.")
def evaluate(store: Path, out: Path, picture: Path | None, **options: Any) -> None:
    """Compare a map with an inventory: scores and a picture.

    \b
    Example:
      lscube evaluate --job job.toml --map probability.zarr --out scores.json
    """
    from lscube import jobs

    picture = picture or out.with_name("quicklook.png")
    _print_scores(jobs.evaluate(_make_job(**options), store, out, picture))
    click.echo(f"Wrote {out} and {picture}")


@lscube.command()
@click.option("--out", type=_OUT, default=Path("demo"), show_default=True, help="Folder to make.")
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
    click.echo(f"Wrote {out}: look at {out / 'quicklook.png'}")


@lscube.command()
def events() -> None:
    """List the events that `--event` knows: time, area, and where both come from.

    \b
    Example:
      lscube events
    """
    from lscube.events import read_registry

    for event in read_registry().values():
        west, south, east, north = event.aoi
        click.echo(f"{event.id:20} {event.time:22} {event.name}")
        click.echo(f"{'':20} {west}, {south}, {east}, {north} ({event.aoi_is})")


@lscube.command()
def settings() -> None:
    """Print every setting of a job file, with its default and what it means.

    \b
    Example:
      lscube settings
    """
    from lscube.settings import describe

    click.echo(describe())


PARTIAL = 3
"""Exit code where a product was made, but not from all that it should have been made from."""


def _name_lost(lost: dict[str, list[str]]) -> None:
    """Name the items that could not be read, and end with the code for partial success."""
    if lost:
        named = "; ".join(f"{side}: {', '.join(items)}" for side, items in lost.items())
        click.echo(
            f"Incomplete: these items could not be read ({named}); where no other scene shows them, their "
            "pixels are unobserved. Try again later, or leave the items out.",
            err=True,
        )
        raise click.exceptions.Exit(PARTIAL)


def _print_scores(scores: dict[str, Any]) -> None:
    names = ("mcc", "f1", "precision", "recall")
    click.echo(f"{'':22}" + "".join(f"{name:>11}" for name in names))
    rows = {
        "network": scores,
        "network, tuned cut": scores["tuned"],
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 success, 1 failure, 2 bad input, 3 incomplete)."""
    try:
        code = lscube.main(
            args=None if argv is None else list(argv), prog_name="lscube", standalone_mode=False
        )
    except click.ClickException as error:
        error.show()
        return 2
    except click.Abort:
        click.echo("Stopped.", err=True)
        return 130
    except LscubeError as error:
        click.echo(f"Error: {error}", err=True)
        return 2 if isinstance(error, InputError | MissingExtraError) else 1
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
