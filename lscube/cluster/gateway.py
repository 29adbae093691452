"""A cluster of a dask-gateway, as on a Pangeo hub."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from lscube.cluster.link import Link, cannot_start, client_of
from lscube.cluster.workers import WORKERS, worker_environment
from lscube.errors import ClusterError, MissingExtraError, NoClusterError
from lscube.settings import ClusterSettings, bytes_of

logger = logging.getLogger("lscube.cluster")

_OPTIONS = {
    "threads": ("worker_cores", "worker_threads", "cores"),
    "memory": ("worker_memory", "memory"),
    "image": ("image",),
}
"""Names that gateways give to what the settings ask for; each gateway decides which it has."""

_POLL = 0.5
"""Seconds between two questions whether the cluster runs."""

_CREDENTIALS = (401, 403)


def gateway_of_hub() -> Any:
    """The gateway that Dask's configuration names: a hub sets it, `DASK_GATEWAY__ADDRESS` does."""
    try:
        from dask_gateway import Gateway
    except ImportError:
        raise MissingExtraError("A cluster of a dask-gateway", "gateway") from None
    import dask

    address = str(dask.config.get("gateway.address", None) or "")
    if not address.startswith(("http://", "https://")):
        raise ClusterError(
            f"Expected the address of a dask-gateway in Dask's configuration, found {address!r}; set "
            "gateway.address (in the environment, DASK_GATEWAY__ADDRESS=https://...)."
        )
    return Gateway()


@contextmanager
def open_gateway(
    settings: ClusterSettings, make: Callable[[], Any] = gateway_of_hub
) -> Iterator[Link]:
    """Start a cluster of a gateway, and stop it at the end of the block.

    Raises
    ------
    ClusterError
        No gateway is there, it refuses, or the cluster does not start in time.
    """
    workers = settings.workers or WORKERS
    with ExitStack() as stack:
        gateway = stack.enter_context(_closing(make()))
        with _in_one_sentence(gateway.address):
            name = gateway.submit(choose_options(settings, gateway.cluster_options()))
            stack.callback(_stop, gateway, name)
            _wait_until_running(gateway, name, settings.wait)
            cluster = gateway.connect(name, shutdown_on_close=False)
            stack.enter_context(_closing(cluster.gateway, cluster.close))
            cluster.scale(workers)
            client = stack.enter_context(client_of(cluster))
        look = f"the gateway's limits on workers, cores and memory, and the logs of cluster {name}"
        yield Link(client, f"cluster {name} of {gateway.address}", workers, look)


def choose_options(settings: ClusterSettings, options: Any) -> Any:
    """Put what the settings ask for into a gateway's options.

    Parameters
    ----------
    settings
        What is not given stays as the gateway and Dask's configuration have it.
    options
        From the gateway: a mapping with what it lets its users choose.

    Raises
    ------
    ClusterError
        The gateway has no such option, or does not take the value.
    """
    for name, theirs in _OPTIONS.items():
        value = getattr(settings, name)
        if value is not None:
            found = _name_of(name, theirs, options)
            _choose(options, found, _memory(value, options[found]) if name == "memory" else value)
    for name, value in settings.options.items():
        _choose(options, _name_of(name, (name,), options), value)
    if settings.gpu or "environment" in options:
        own = options[_name_of("gpu", ("environment",), options)]
        _choose(options, "environment", {**worker_environment(settings.gpu), **own})
    return options


def _name_of(ours: str, theirs: Sequence[str], options: Any) -> str:
    for name in theirs:
        if name in options:
            return name
    raise ClusterError(
        f"Expected the gateway to have an option for {ours} ({' or '.join(theirs)}), but it has "
        f"{', '.join(options) or 'none'}; leave {ours} out, or ask who runs the gateway."
    )


def _choose(options: Any, name: str, value: Any) -> None:
    try:
        options[name] = value
    except (ValueError, TypeError) as error:
        raise ClusterError(
            f"Expected the gateway to take {name} = {value!r}, but {error}; choose another value."
        ) from None


def _memory(amount: str, default: object) -> str | float:
    """An amount of memory as the gateway counts it: in GiB, as a number or a text."""
    gibibytes = bytes_of(amount) / 2**30
    return f"{gibibytes:.3f} G" if isinstance(default, str) else gibibytes


def _wait_until_running(gateway: Any, name: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (status := gateway.get_cluster(name).status.name) != "RUNNING":
        if status != "PENDING" or time.monotonic() > end:
            state = (
                f"is {status.lower()}" if status != "PENDING" else f"did not within {seconds:g} s"
            )
            raise NoClusterError(
                f"Expected cluster {name} of the gateway {gateway.address} to run, but it {state}; look at "
                "the gateway's logs and at its limits, or give another image."
            )
        time.sleep(_POLL)


@contextmanager
def _closing(gateway: Any, close: Callable[[], object] | None = None) -> Iterator[Any]:
    """Close a gateway, or a cluster that has one, at the end of the block."""
    try:
        yield gateway
    finally:
        (close or gateway.close)()
        # dask-gateway 2026.3 closes once more when Python deletes it, and then complains that it is closed.
        gateway._asynchronous = True


def _stop(gateway: Any, name: str) -> None:
    """Stop a cluster; what went wrong before is worth more than that this went wrong, too."""
    try:
        gateway.stop_cluster(name)
    except _errors() as error:
        logger.warning(
            "Cluster %s of the gateway %s may still run (%s): stop it by hand.",
            *(name, gateway.address, type(error).__name__),
        )


def _errors() -> tuple[type[Exception], ...]:
    """What a gateway that is not there, or refuses, raises."""
    import aiohttp
    from dask_gateway import GatewayClusterError, GatewayServerError

    return (aiohttp.ClientError, GatewayClusterError, GatewayServerError, OSError, ValueError)


@contextmanager
def _in_one_sentence(address: str) -> Iterator[None]:
    """Turn what a gateway raises into one sentence; its own words hold the user's credentials."""
    try:
        yield
    except _errors() as error:
        status = getattr(error, "status", None)
        if status in _CREDENTIALS:
            raise ClusterError(
                f"Expected the gateway {address} to know the user, but it refused the credentials "
                f"({status}); set gateway.auth in Dask's configuration, or log in to the hub again."
            ) from None
        if isinstance(error, OSError):
            raise NoClusterError(
                f"Expected a dask-gateway at {address}, but nothing answers there "
                f"({type(error).__name__}); correct gateway.address, or ask who runs it."
            ) from None
        if status is not None or isinstance(error, ValueError):
            raise ClusterError(
                f"Expected a dask-gateway at {address}, but what answers there is none"
                f"{'' if status is None else f' ({status})'}; correct gateway.address."
            ) from None
        raise cannot_start(
            f"a cluster of the gateway {address}", error, "look at the gateway's logs"
        ) from None
