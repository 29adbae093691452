"""The command line: parse, call one step, print."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lscube import __version__
from lscube.cli import experiment, inventory, maps, models, publish, report, scan, scenes
from lscube.errors import LscubeError, exit_code


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `lscube demo`; every command's --help shows an example.",
)
@click.version_option(__version__, prog_name="lscube")
def lscube() -> None:
    """Map landslides after an earthquake or a storm."""


@lscube.command()
def settings() -> None:
    """Print every setting of a job file, with its default and what it means.

    \b
    Example:
      lscube settings
    """
    from lscube.settings import describe

    click.echo(describe())


for _command in (
    scenes.search,
    scenes.cube,
    models.train,
    maps.plan,
    maps.predict,
    maps.evaluate,
    inventory.inventory,
    maps.demo,
    scenes.events,
    models.model,
    report.report,
    publish.publish,
    publish.reproduce,
    experiment.experiment,
    scan.scan,
):
    lscube.add_command(_command)


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
        return exit_code(error)
    return code if isinstance(code, int) else 0
