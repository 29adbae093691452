"""The command that scans: from events to maps that keep improving."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lscube.cli.clusters import ClusterOptions, cluster_options
from lscube.cli.there import CONFIG
from lscube.errors import (
    PARTIAL,
    ClusterError,
    IncompleteError,
    SettingsError,
    SourceError,
    StoreError,
)
from lscube.redaction import redacted

if TYPE_CHECKING:
    from lscube.scan.running import Outcome
    from lscube.settings.scan import ScanSettings


@click.command()
@click.option(
    "--settings",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, option, given: _show_settings(context, given),
    help="Print every setting, with its default and what it means.",
)
@click.option(
    "--config", type=CONFIG, required=True, help="TOML file of the scan; see docs/scans.md."
)
@click.option("--watch", is_flag=True, help="Pass after pass, until SIGINT or SIGTERM.")
@click.option("--dry-run", is_flag=True, help="Tell what would be mapped, and what it would cost.")
@click.option(
    "--status", is_flag=True, help="Tell what each event is waiting for; nothing is asked."
)
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Of an hour of a core, for --dry-run.",
)
@cluster_options
def scan(
    config: Path, watch: bool, dry_run: bool, status: bool, price: float, cluster: ClusterOptions
) -> None:
    """Look for events, map what can be seen of them, and improve the maps as scenes arrive.

    One pass, for a scheduler: events are asked for, scenes searched, new versions mapped and told of.
    It may be killed at any moment, and run twice at once. Exit code 0: all is done that can be done now.
    3: something failed, and is tried again by a later pass. 2: the configuration is wrong, and nothing was
    done.

    \b
    Examples:
      lscube scan --config scan.toml
      lscube scan --config scan.toml --dry-run --price 0.04
      lscube scan --config scan.toml --status
    """
    from lscube.settings.scan import load_scan

    if watch + dry_run + status > 1:
        raise SettingsError(
            "Expected one of --watch, --dry-run and --status, got several; choose one."
        )
    settings = load_scan(config)
    settings = settings.model_copy(update={"cluster": cluster.settings(settings.cluster)})
    with _passing(settings):
        if status:
            _show_status(settings)
            return
        outcome = _watch(settings) if watch else _once(settings, dry_run, price)
    if outcome is not None and outcome.failures:
        raise click.exceptions.Exit(PARTIAL)


@contextmanager
def _passing(settings: ScanSettings) -> Iterator[None]:
    """End with 3 for what may be otherwise the next time: a store, a server, a cluster that is away.

    What is wrong with the configuration itself is found before, or has errors of its own (2).
    """
    from lscube.mapping.places.lease import object_store

    if isinstance(settings.folder, str):
        object_store(settings.folder)  # whether it is an address at all; nothing is asked
    try:
        yield
    except (StoreError, SourceError, ClusterError) as error:
        raise IncompleteError(str(error), ()) from error


def _show_settings(context: click.Context, given: bool) -> None:
    if given:
        from lscube.settings.scan import describe_scan

        click.echo(describe_scan())
        context.exit()


def _once(settings: ScanSettings, dry: bool, price: float) -> Outcome:
    import time

    from lscube import machine
    from lscube.mapping import Machines
    from lscube.scan.estimating import estimate
    from lscube.scan.outside import opened
    from lscube.scan.running import scan_once
    from lscube.scan.status import lines_of

    with opened(settings, time.sleep, dry) as world:
        if not dry:
            outcome = scan_once(world)
            _tell(outcome)
            return outcome
        machines = Machines(threads=machine.cores(), price=price)
        outcome = scan_once(world, estimate(machines, click.echo))
        for line in lines_of(world.state):
            click.echo(line)
        for failure in outcome.failures:
            click.echo(redacted(f"Could not be done now: {failure}"), err=True)
        return outcome


def _watch(settings: ScanSettings) -> Outcome | None:
    from lscube.scan.outside import opened
    from lscube.scan.running import watch

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # The first asks to stop between two passes; a second one stops at once.
        signal.signal(number, lambda number, frame: _stop(stop, number))
    with opened(settings, stop.wait) as world:
        return watch(world, stop.is_set, _tell)


def _stop(stop: threading.Event, number: int) -> None:
    click.echo("Stopping after this pass; once more stops at once (nothing is lost).", err=True)
    stop.set()
    # Not SIG_DFL: a cluster is closed on the way out.
    signal.signal(number, lambda number, frame: sys.exit(128 + number))


def _tell(outcome: Outcome) -> None:
    click.echo(f"{len(outcome.events)} events looked at, {outcome.versions} versions mapped")
    for event in outcome.busy:
        click.echo(f"  {event}: another scan is at work on it")
    for failure in outcome.failures:
        click.echo(redacted(f"Could not be done now: {failure}"), err=True)


def _show_status(settings: ScanSettings) -> None:
    from lscube.scan.state import open_state
    from lscube.scan.state.sqlite import FILE
    from lscube.scan.status import lines_of

    if isinstance(settings.folder, Path) and not (settings.folder / FILE).exists():
        click.echo(f"No scan has run in {settings.folder} yet.")
        return
    state = open_state(settings.folder)
    try:
        for line in lines_of(state):
            click.echo(line)
    finally:
        state.close()
