"""A cluster of Dask's operator for Kubernetes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from lscube.cluster.link import Link, cannot_start, client_of
from lscube.cluster.workers import worker_arguments, worker_environment
from lscube.errors import ClusterError, MissingExtraError
from lscube.settings import ClusterSettings, bytes_of

WORKERS, THREADS, MEMORY = 2, 4, "16 GiB"
"""Of a cluster, unless the settings say otherwise; a worker's memory holds two windows of 1152 pixels."""

_DASK_IMAGE = "ghcr.io/dask/dask"
"""dask-kubernetes's own default, which has no lscube."""

_SCHEDULER = {"cpu": "1", "memory": "4Gi"}


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
            "a cluster on Kubernetes", error, "look whether `kubectl version` finds the server"
        ) from None
    return KubeCluster


@contextmanager
def open_kubernetes(settings: ClusterSettings, make: Any = None) -> Iterator[Link]:
    """Start a cluster by Dask's operator, and delete it at the end of the block.

    Namespace and access are those of the pod or of `kubectl`. Where Dask's configuration has
    `kubernetes.custom-cluster-spec`, that one is started as it is.

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
    make = make or operator()
    spec = _own_spec() or cluster_spec(settings)
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
            ) from None  # fmt: skip
        label = f"dask.org/cluster-name={cluster.name}"
        look = f"`kubectl get pods -l {label}` and `kubectl describe` of those that are pending"
        workers = settings.workers or WORKERS
        yield Link(client, f"Kubernetes cluster {cluster.name}", workers, look)


def _own_spec() -> Any:
    """The user's own resource, a path or a mapping."""
    import dask

    return dask.config.get("kubernetes.custom-cluster-spec", None)


def _image(settings: ClusterSettings) -> str:
    import dask

    configured = dask.config.get("kubernetes.image", None)
    image = settings.image or configured
    if not image or str(image).startswith(_DASK_IMAGE):
        raise ClusterError(
            "Expected a container image that holds lscube, found none; give --image (or kubernetes.image in "
            "Dask's configuration)."
        )
    return str(image)


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


def cluster_spec(settings: ClusterSettings) -> dict[str, Any]:
    """The resource `DaskCluster`, of the kind that Dask's operator defines (kubernetes.dask.org/v1).

    Written here because `make_cluster_spec` of dask-kubernetes 2026.3 starts `dask-scheduler`, a program
    that Dask no longer has.

    Raises
    ------
    ClusterError
        No image with lscube is named.
    """
    name, image = f"lscube-{uuid.uuid4().hex[:8]}", _image(settings)
    return {
        "apiVersion": "kubernetes.dask.org/v1",
        "kind": "DaskCluster",
        "metadata": {"name": name},
        "spec": {
            # A cluster whose job was killed ends by itself.
            "idleTimeout": 900,
            "worker": {
                "replicas": settings.workers or WORKERS,
                "spec": {"containers": [_worker(settings, image)]},
            },
            "scheduler": {"spec": {"containers": [_scheduler(settings, image)]}, "service": _service(name)},
        },
    }  # fmt: skip


def _worker(settings: ClusterSettings, image: str) -> dict[str, Any]:
    threads = settings.threads or THREADS
    memory = bytes_of(settings.memory or MEMORY)
    needs = {"cpu": str(threads), "memory": str(memory)}
    gpu = {"nvidia.com/gpu": "1"} if settings.gpu else {}
    words = [
        "--nthreads",
        str(threads),
        "--memory-limit",
        str(memory),
        *worker_arguments(settings.gpu),
    ]
    return {
        **_container("worker", settings, image),
        "args": ["dask", "worker", "--name", "$(DASK_WORKER_NAME)", "--dashboard-address", ":8788", *words],
        "resources": {"requests": needs, "limits": {**needs, **gpu}},
        "ports": [{"name": "http-dashboard", "containerPort": 8788}],
    }  # fmt: skip


def _scheduler(settings: ClusterSettings, image: str) -> dict[str, Any]:
    health = {"httpGet": {"port": "http-dashboard", "path": "/health"}}
    return {
        **_container("scheduler", settings, image),
        "args": ["dask", "scheduler", "--host", "0.0.0.0", "--dashboard-address", ":8787"],
        "resources": {"requests": _SCHEDULER, "limits": _SCHEDULER},
        "ports": [
            {"name": "tcp-comm", "containerPort": 8786},
            {"name": "http-dashboard", "containerPort": 8787},
        ],
        "readinessProbe": {**health, "periodSeconds": 5},
        "livenessProbe": {**health, "initialDelaySeconds": 15, "periodSeconds": 20},
    }


def _container(name: str, settings: ClusterSettings, image: str) -> dict[str, Any]:
    """What scheduler and workers have in common."""
    variables = worker_environment(settings.gpu).items()
    own = {"envFrom": [{"secretRef": {"name": settings.secret}}]} if settings.secret else {}
    return {
        "name": name,
        "image": image,
        "env": [{"name": name, "value": value} for name, value in variables],
        **own,
    }


def _service(name: str) -> dict[str, Any]:
    ports = {"tcp-comm": 8786, "http-dashboard": 8787}
    return {
        "type": "ClusterIP",
        "selector": {"dask.org/cluster-name": name, "dask.org/component": "scheduler"},
        "ports": [
            {"name": port, "protocol": "TCP", "port": number, "targetPort": port}
            for port, number in ports.items()
        ],
    }
