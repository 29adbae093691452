"""Getting a cluster, waiting for its workers, and closing it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lscube.cluster.address import open_address
from lscube.cluster.gateway import open_gateway
from lscube.cluster.hpc import open_hpc
from lscube.cluster.kubernetes import open_kubernetes
from lscube.cluster.link import Link, Way, counted
from lscube.cluster.local import open_local
from lscube.cluster.versions import check_versions
from lscube.cluster.watching import watched_logs
from lscube.errors import NoClusterError
from lscube.logs import adopt
from lscube.settings import ClusterSettings, make_cluster

logger = logging.getLogger("lscube.cluster")

OPENERS: dict[str, Way] = {
    "local": open_local,
    "gateway": open_gateway,
    "kubernetes": open_kubernetes,
    "hpc": open_hpc,
}
"""What opens a cluster, by `cluster.where`; anything else is an address."""


@contextmanager
def connect(
    cluster: ClusterSettings | str | None = None,
    say: Callable[[str], object] = lambda text: None,
    openers: Mapping[str, Way] = OPENERS,
) -> Iterator[Any]:
    """A Dask client, until the end of the block; a cluster made for it ends there, also after a failure.

    Parameters
    ----------
    cluster
        Settings; or only where: "local", "gateway", "kubernetes", "hpc", or a scheduler's address. None and
        "threads": no cluster.
    say
        Told, in a line each, what is waited for and where the dashboard is.
    openers
        What opens a cluster; tests hand in their own.

    Yields
    ------
    distributed.Client, or None for threads of this process
        At least one worker is there, and versions fit. It is not Dask's default client: see `computing_on`.

    Raises
    ------
    SettingsError
        The settings do not go together.
    ClusterError
        No cluster is there or starts, no worker comes in time, all go and none comes back, or versions do
        not fit.
    MissingExtraError
        A package for this kind of cluster is missing.
    """
    settings = (
        cluster
        if isinstance(cluster, ClusterSettings)
        else make_cluster({} if cluster is None else {"where": cluster}, "the cluster's name")
    )
    if settings.where == "threads":
        yield None
        return
    import distributed  # noqa: F401 - before `adopt`: it gives its loggers handlers

    adopt()
    with openers.get(settings.where, open_address)(settings) as link:
        _wait_for_workers(link, settings.wait, say)
        check_versions(link.client)
        with watched_logs(link.client, link.owned):
            _tell(link, say)
            with _without_workers(link):
                yield link.client


@contextmanager
def _without_workers(link: Link) -> Iterator[None]:
    """Say in one sentence that the scheduler gave up waiting for workers."""
    from distributed.scheduler import NoWorkerError

    try:
        yield
    except NoWorkerError as error:
        raise NoClusterError(
            f"Expected workers of {link.name} to the end of the job, but for {error.timeout:g} s none could "
            f"do what is left; look at {link.look}, and run the same command again: what is done is kept."
        ) from None


@contextmanager
def computing_on(client: Any) -> Iterator[None]:
    """Let a cluster compute all that Dask computes in the block, in any thread; None: threads as ever."""
    if client is None:
        yield
        return
    import dask

    with dask.config.set(scheduler=client):
        yield


def _wait_for_workers(link: Link, seconds: float, say: Callable[[str], object]) -> None:
    """Wait until all workers have come, or the time is over and some have."""
    client = link.client
    if len(client.nthreads()) < link.workers:
        say(f"Waiting for {counted(link.workers)} of {link.name}")
    try:
        client.wait_for_workers(link.workers, timeout=seconds)
    except OSError as error:  # a timeout, or a scheduler that is gone
        came = len(client.nthreads()) if client.status == "running" else 0
        if not came:
            raise NoClusterError(
                f"Expected {counted(link.workers)} of {link.name}, but none came within {seconds:g} s; look "
                f"at {link.look}, or give it more time (cluster.wait)."
            ) from error
        logger.warning(
            "%d of %s of %s came within %g s: the job begins with them; look at %s",
            *(came, counted(link.workers), link.name, seconds, link.look),
        )


def _tell(link: Link, say: Callable[[str], object]) -> None:
    threads = link.client.nthreads()
    dashboard = link.client.dashboard_link
    say(f"Cluster: {link.name}, {counted(len(threads))}, {sum(threads.values())} threads")
    say(f"Dashboard: {dashboard}")
    logger.info(
        "Connected to %s", link.name,
        extra={"workers": len(threads), "threads": sum(threads.values()), "dashboard": dashboard},
    )  # fmt: skip
