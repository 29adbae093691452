"""The resource that Dask's operator for Kubernetes makes a cluster of."""

from __future__ import annotations

import uuid
from typing import Any

from lscube.cluster.workers import WORKERS, worker_arguments, worker_environment
from lscube.errors import ClusterError
from lscube.settings import ClusterSettings, bytes_of

THREADS, MEMORY = 4, "16 GiB"
"""Of a cluster, unless the settings say otherwise; a worker's memory holds two windows of 1152 pixels."""

_DASK_IMAGE = "ghcr.io/dask/dask"
"""dask-kubernetes's own default, which has no lscube."""

_SCHEDULER = {"cpu": "1", "memory": "4Gi"}

_PORTS = ["--worker-port", "8789", "--nanny-port", "8790"]
"""Workers' ports are known, so that a network policy can open 8786 to 8790 and nothing else."""

_POD = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    # Neither scheduler nor workers ask Kubernetes anything.
    "automountServiceAccountToken": False,
}
_UNPRIVILEGED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
"""With `_POD`, what a namespace of Kubernetes's pod security standard `restricted` asks for
(https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted)."""


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
                "spec": {**_POD, "containers": [_worker(settings, image)]},
            },
            "scheduler": {
                "spec": {**_POD, "containers": [_scheduler(settings, image)]},
                "service": _service(name),
            },
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
        *_PORTS,
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
        "securityContext": _UNPRIVILEGED,
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
