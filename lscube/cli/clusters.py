"""The options that say where it runs, and commands about clusters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lscube.cli.options import PATH, together
from lscube.cli.there import MODEL
from lscube.logs import say

if TYPE_CHECKING:
    from lscube.settings import ClusterSettings


@dataclass(frozen=True)
class ClusterOptions:
    """What was given on the command line about where it runs."""

    cluster: str | None
    workers: int | None
    worker_threads: int | None
    worker_memory: str | None
    gpu: bool
    image: str | None

    def settings(self, section: ClusterSettings | None = None) -> ClusterSettings:
        """A job's [cluster], with what was given here; of another --cluster's, only what that heeds."""
        from lscube.settings import make_cluster
        from lscube.settings.cluster import chosen

        said = chosen(section, self.cluster)
        given = {
            "workers": self.workers,
            "threads": self.worker_threads,
            "memory": self.worker_memory,
            "gpu": self.gpu or None,
            "image": self.image,
        }
        given = {name: value for name, value in given.items() if value is not None}
        return make_cluster({**said, **given}, "the cluster's options")

    @contextmanager
    def connected(
        self, section: ClusterSettings | None = None, everything: bool = True
    ) -> Iterator[Any]:
        """A client until the end of the block, None for threads; it computes what Dask computes.

        Parameters
        ----------
        section
            The job's.
        everything
            False: only what is given to the client.
        """
        settings = self.settings(section)
        if settings.where == "threads":
            yield None  # without importing what clusters need
            return
        from lscube.cluster import computing_on, connect

        with connect(settings, say) as client, computing_on(client if everything else None):
            yield client


_OPTIONS = [
    click.option(
        "--cluster",
        "--scheduler",
        "cluster",
        metavar="WHERE",
        help="Where it runs: threads, local (processes), gateway, kubernetes, hpc, or a scheduler's address, "
        "such as tcp://host:8786.  [default: the job's [cluster], else threads]",
    ),
    click.option(
        "--workers", type=click.IntRange(min=1), help="Workers to start; of an address, to wait for."
    ),
    click.option("--worker-threads", type=click.IntRange(min=1), help="Threads of each worker."),
    click.option("--worker-memory", metavar="AMOUNT", help='Memory of each worker, such as "8 GB".'),
    click.option("--gpu", is_flag=True, help="Each worker has a GPU, and predicts on it."),
    click.option("--image", help="Container image of the workers, for gateway and kubernetes."),
]  # fmt: skip

cluster_options = together(ClusterOptions, "cluster", _OPTIONS)
"""Gives a command the options of a cluster; it takes them as `cluster`, `ClusterOptions`."""


@click.group("cluster")
def cluster_group() -> None:
    """Look at a cluster, and at what its workers need."""


@cluster_group.command()
@cluster_options
@click.option(
    "--model", "models", type=MODEL, multiple=True, help="A model, as for predict, for the workers."
)
@click.option("--folder", type=PATH, help="Folder that workers need to see.")
def check(cluster: ClusterOptions, models: tuple[Path, ...], folder: Path | None) -> None:
    """Start or reach a cluster, and say whether maps can be made on it.

    \b
    Examples:
      lscube cluster check --cluster gateway --workers 2
      lscube cluster check --cluster tcp://host:8786 --model model --folder maps
    """
    from lscube.cluster import check_folder, needed_resources
    from lscube.errors import SettingsError
    from lscube.learn import load_model
    from lscube.mapping.workers import check_models

    loaded = [load_model(model) for model in models]
    with cluster.connected() as client:
        if client is None:
            raise SettingsError("Expected a cluster to look at, got none; give --cluster.")
        if folder is not None:
            check_folder(client, folder)
        check_models(client, loaded, needed_resources(client))
        for address, worker in client.scheduler_info(n_workers=-1)["workers"].items():
            memory = worker["memory_limit"] / 1e9
            has = ", ".join(f"{name}={count:g}" for name, count in worker["resources"].items())
            click.echo(f"{address}  {worker['nthreads']} threads, {memory:.1f} GB  {has}".rstrip())
    click.echo("Versions fit, and nothing is missing.")


@cluster_group.command()
@click.option(
    "--as",
    "style",
    type=click.Choice(["env", "shell", "json", "yaml"]),
    default="env",
    show_default=True,
    help="NAME=value lines for containers; `export` lines for a shell; a JSON object; a list as a Kubernetes "
    "container's `env`.",
)
@click.option("--gpu", is_flag=True, help="Of workers that have a GPU.")
def settings(style: str, gpu: bool) -> None:
    """Print the environment that scheduler and workers get, to start them by hand.

    \b
    Example:
      lscube cluster settings > worker.env
    """
    import json
    import shlex

    from lscube.cluster import worker_environment

    variables = worker_environment(gpu)
    if style == "json":
        click.echo(json.dumps(variables, indent=2))
        return
    for name, value in variables.items():
        forms = {
            "env": f"{name}={value}",
            "shell": f"export {name}={shlex.quote(value)}",
            "yaml": f"- name: {name}\n  value: {json.dumps(value)}",
        }
        click.echo(forms[style])
