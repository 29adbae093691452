"""The command line: parse, call one step, print."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import click

from lscube import __version__
from lscube.cli import clusters, experiment, inventory, maps, models, publish, report, scan, scenes
from lscube.cli.options import PATH
from lscube.errors import FAILURE, LscubeError, exit_code
from lscube.logs import LEVELS, LogSettings, current_run, logging_to_stderr, new_job
from lscube.redaction import redacted

logger = logging.getLogger("lscube.cli")


class _Session(ExitStack):
    """What is open while a command runs, and how it ends."""

    log: Literal["text", "json"] = "text"
    code: int = FAILURE


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `lscube demo`; every command's --help shows an example.",
)
@click.version_option(__version__, prog_name="lscube")
@click.option(
    "--log",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    envvar="LSCUBE_LOG",
    help="How it logs on standard error.",
)
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    envvar="LSCUBE_LOG_LEVEL",
    help="From which level on.  [default: warning; with --log json info]",
)
@click.option(
    "--metrics",
    type=PATH,
    envvar="LSCUBE_METRICS",
    help="File for Prometheus metrics of the job, as node-exporter's textfile collector reads it.",
)
@click.pass_context
def lscube(
    context: click.Context,
    log: Literal["text", "json"],
    log_level: str | None,
    metrics: Path | None,
) -> None:
    """Map landslides after an earthquake or a storm."""
    session = context.obj
    if session is None:  # not by `main`
        return
    session.log = log
    level = log_level or ("info" if log == "json" else "warning")
    settings = LogSettings(log, level, new_job())
    command = str(context.invoked_subcommand)
    session.enter_context(logging_to_stderr(settings))
    session.callback(_say_end, session, command, time.monotonic())
    if metrics is not None:
        from lscube.metrics import Naming, writing

        codes = session.enter_context(writing(metrics, Naming(command, settings.job, current_run)))
        session.callback(lambda: codes.append(session.code))
    logger.info("%s begins", command, extra={"version": __version__})


def _say_end(session: _Session, command: str, begun: float) -> None:
    seconds = round(time.monotonic() - begun, 3)
    logger.info("%s ended", command, extra={"exit_code": session.code, "seconds": seconds})


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
    maps.map_,
    scenes.search,
    scenes.cube,
    models.train,
    maps.plan,
    maps.predict,
    models.adapt,
    maps.evaluate,
    inventory.inventory,
    maps.demo,
    scenes.events,
    models.model,
    report.report,
    publish.publish,
    publish.reproduce,
    experiment.experiment,
    clusters.cluster_group,
    scan.scan,
):
    lscube.add_command(_command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 success, 1 failure, 2 bad input, 3 incomplete)."""
    with _Session() as session:
        try:
            session.code = _run(None if argv is None else list(argv), session)
        except SystemExit as end:  # a signal
            session.code = end.code if isinstance(end.code, int) else FAILURE
            raise
    return session.code


def _show(error: click.ClickException) -> None:
    """Like Click's own, without secrets: what was typed wrongly is repeated."""
    shown = io.StringIO()
    error.show(shown)
    click.echo(redacted(shown.getvalue()), nl=False, err=True)


def _run(argv: list[str] | None, session: _Session) -> int:
    try:
        code = lscube.main(args=argv, prog_name="lscube", standalone_mode=False, obj=session)
    except click.ClickException as error:
        _show(error)
        return 2
    except click.Abort:
        click.echo("Stopped.", err=True)
        return 130
    except LscubeError as error:
        if session.log == "json":
            logger.error("%s", error, extra={"error": type(error).__name__})
        else:
            click.echo(f"Error: {redacted(str(error))}", err=True)
        return exit_code(error)
    return code if isinstance(code, int) else 0
