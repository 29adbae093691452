"""Commands about experiments: run the paper's on your areas or on simulated ones, and show the results."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lscube.cli.clusters import ClusterOptions, cluster_options
from lscube.cli.options import PATH
from lscube.cli.there import CONFIG, RESULTS

_CONFIG = click.argument("config", type=CONFIG)


@click.group()
def experiment() -> None:
    """The paper's experiments: one area, several, unseen ones, jackknife."""


@experiment.command()
@_CONFIG
def plan(config: Path) -> None:
    """List the models of an experiment, what each is trained on and scored on.

    \b
    Example:
      lscube experiment plan pipelines/configs/paper-simulated-small.toml
    """
    from lscube.experiments import check_areas, design_models
    from lscube.settings import load_experiment

    given = load_experiment(config)
    check_areas(given)
    for model in design_models(given.experiment):
        scored = ", ".join(f"{area} ({region})" for area, region in model.scored)
        click.echo(
            f"{model.name:16} {model.part:13} on {', '.join(model.areas):14} scored on {scored}"
        )


@experiment.command()
@_CONFIG
@click.option(
    "--out", type=PATH, help="Folder to make or to go on with.  [default: the experiment's name]"
)
@click.option(
    "--twins",
    type=PATH,
    help="Folder of simulated twins, made once.  [default: lscube/twins in the user's cache]",
)
@cluster_options
def run(config: Path, out: Path | None, twins: Path | None, cluster: ClusterOptions) -> None:
    """Train, map and score all models; write results, figures and a page.

    Interrupted and started again, it goes on with what is not done. With --cluster each worker makes one
    model at a time; it must see the same folders.

    \b
    Example:
      lscube experiment run pipelines/configs/paper-simulated-small.toml
    """
    from tqdm import tqdm

    from lscube.cluster import check_folder
    from lscube.experiments import Execution, run_experiment
    from lscube.settings import load_experiment

    given = load_experiment(config)
    out = out or Path(given.experiment.name)
    options = {"--out": out, "--twins": twins, "--cluster": cluster.cluster}
    words = [f" {name} {value}" for name, value in options.items() if value is not None]
    command = f"lscube experiment run {config}{''.join(words)}"
    twins = (twins or _cache()).resolve()
    with cluster.connected(everything=False) as client:
        for folder in (out.parent, twins):
            check_folder(client, folder)
        execution = Execution(client, command, tqdm.write)
        results = run_experiment(given, out.resolve(), twins, execution)
    done = sum(model.status == "done" for model in results.models)
    click.echo(
        f"Wrote {out}: {done} of {len(results.models)} models; look at {out / 'results.html'}"
    )


@experiment.command()
@click.argument("folder", type=RESULTS)
def report(folder: Path) -> None:
    """Draw figures and page of an experiment again, from its results.json.

    \b
    Example:
      lscube experiment report results
    """
    from lscube.evaluate.figures import draw_figures
    from lscube.evaluate.page import write_page
    from lscube.evaluate.results import read_results

    results = read_results(folder / "results.json")
    draw_figures(folder / "figures", results)
    write_page(folder, results)
    click.echo(f"Wrote {folder / 'results.md'} and {folder / 'results.html'}")


def _cache() -> Path:
    """Where a user's programs keep what can be made again (XDG)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lscube" / "twins"
