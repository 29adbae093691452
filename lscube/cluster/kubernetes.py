"""A cluster of Dask's operator for Kubernetes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lscube.cluster.link import Link, cannot_start, client_of
from lscube.cluster.resource import cluster_spec
from lscube.errors import ClusterError, MissingExtraError
from lscube.files import read_text
from lscube.settings import ClusterSettings


def operator() -> Any:
    """The class that makes clusters by Dask's operator."""
    try:
        import kr8s
        from dask_kubernetes.operator import KubeCluster
    except ImportError:
        raise MissingExtraError("A cluster of Kubernetes", "kubernetes") from None
    try:
        kr8s.api().version()
    except _errors() as error:
        # Asked before: a KubeCluster that found no Kubernetes would look for it again when Python ends.
        raise cannot_start(
            "a cluster on Kubernetes", error, "look whether `kubectl version` finds the server",
            _may_pass(error),
        ) from None  # fmt: skip
    return limited(KubeCluster)


def limited(cluster_class: Any) -> Any:
    """A class like `KubeCluster` that gives up, and deletes what it asked for, after its `resource_timeout`.

    dask-kubernetes 2026.3 waits for ever for a scheduler that is not scheduled, has no image, or cannot be
    reached.
    """

    class Limited(cluster_class):  # type: ignore[misc]
        async def _create_cluster(self) -> None:
            seconds = self._resource_timeout
            try:
                await asyncio.wait_for(super()._create_cluster(), seconds)
            except TimeoutError:
                await self._close()
                raise TimeoutError(f"its scheduler did not answer within {seconds:g} s") from None

    return Limited


@contextmanager
def open_kubernetes(settings: ClusterSettings, make: Any = None) -> Iterator[Link]:
    """Start a cluster by Dask's operator, and delete it at the end of the block.

    Namespace and access are those of the pod or of `kubectl`. Where Dask's configuration has
    `kubernetes.custom-cluster-spec`, that one is started as it is, and settings that it would ignore are
    refused.

    Parameters
    ----------
    settings
        Image, workers, threads, memory, GPU, secret.
    make
        Like `dask_kubernetes.operator.KubeCluster`, which is the default.

    Raises
    ------
    ClusterError
        No Kubernetes or no operator is there, or the scheduler does not start.
    """
    spec = _own_spec(settings) or cluster_spec(settings)
    make = make or operator()
    wait = max(1, round(settings.wait))
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(
                make(custom_cluster_spec=spec, resource_timeout=wait, quiet=True)
            )
            client = stack.enter_context(client_of(cluster))
        except _errors() as error:
            raise cannot_start(
                "a cluster on Kubernetes", error,
                "look whether `kubectl get daskclusters` works, the operator runs and the image is found",
                _may_pass(error),
            ) from None  # fmt: skip
        label = f"dask.org/cluster-name={cluster.name}"
        look = f"`kubectl get pods -l {label}` and `kubectl describe` of those that are pending"
        workers = int(spec["spec"]["worker"].get("replicas", 1))
        yield Link(client, f"Kubernetes cluster {cluster.name}", workers, look)


def _own_spec(settings: ClusterSettings) -> Any:
    """The user's own resource, from a path or a mapping; None where there is none."""
    import dask

    own = dask.config.get("kubernetes.custom-cluster-spec", None)
    if own is None:
        return None
    ignored = settings.model_dump(exclude_defaults=True).keys() - {"where", "wait"}
    if ignored:
        raise ClusterError(
            f"Expected all about workers in kubernetes.custom-cluster-spec of Dask's configuration, found "
            f"cluster.{', cluster.'.join(sorted(ignored))} beside it; leave out one of the two."
        )
    return _checked(own)


def _checked(own: Any) -> Any:
    import yaml  # type: ignore[import-untyped]

    try:
        spec = yaml.safe_load(read_text(Path(own))) if isinstance(own, str) else own
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ClusterError(
            f"Expected a DaskCluster in {own}, but it cannot be read ({type(error).__name__}); correct "
            "kubernetes.custom-cluster-spec in Dask's configuration."
        ) from None
    inner = spec.get("spec") if isinstance(spec, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(inner.get("worker"), Mapping):
        raise ClusterError(
            "Expected a DaskCluster with spec.worker in kubernetes.custom-cluster-spec of Dask's "
            "configuration, found another content; see https://kubernetes.dask.org/en/latest/operator_resources.html."
        )
    return spec


def _errors() -> tuple[type[Exception], ...]:
    """What Kubernetes, the operator and their clients raise."""
    import httpx
    import kr8s
    from dask_kubernetes.exceptions import SchedulerStartupError

    theirs = (
        kr8s.APITimeoutError,
        kr8s.ConnectionClosedError,
        kr8s.NotFoundError,
        kr8s.ServerError,
    )
    return (*theirs, httpx.HTTPError, SchedulerStartupError, OSError, ValueError, RuntimeError)


def _may_pass(error: Exception) -> bool:
    """Whether Kubernetes did not answer, or not in time, rather than refuse."""
    import httpx
    import kr8s

    passing = (
        kr8s.APITimeoutError,
        kr8s.ConnectionClosedError,
        httpx.TransportError,
        TimeoutError,
        ConnectionError,
    )
    return isinstance(error, passing)
