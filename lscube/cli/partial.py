"""Products that lack something."""

from __future__ import annotations

import click

from lscube.errors import PARTIAL


def name_lost(lost: dict[str, list[str]]) -> None:
    """Name the items that could not be read, and end with the code for partial success."""
    if lost:
        named = "; ".join(f"{side}: {', '.join(items)}" for side, items in lost.items())
        click.echo(
            f"Incomplete: these items could not be read ({named}); where no other scene shows them, their "
            "pixels are unobserved. Try again later, or leave the items out.",
            err=True,
        )
        raise click.exceptions.Exit(PARTIAL)
