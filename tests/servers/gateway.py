"""A dask-gateway server with its local backend: clusters are processes of this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.processes import HOST, answers, free_port, running

PASSWORD = "the-gateway's-own-word"

_CONFIG = """
from dask_gateway_server.options import Integer, Mapping, Options, String

c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.SimpleAuthenticator.password = {password!r}
c.Proxy.address = "{host}:{port}"
# dask-gateway's defaults name programs that Dask no longer has.
c.ClusterConfig.scheduler_cmd = [{python!r}, "-m", "dask", "scheduler"]
c.ClusterConfig.worker_cmd = [{python!r}, "-m", "dask", "worker", "--no-nanny"]
c.ClusterConfig.idle_timeout = 120
c.UnsafeLocalBackend.clusters_directory = {clusters!r}
c.UnsafeLocalBackend.sigint_timeout = 2
c.UnsafeLocalBackend.worker_start_timeout = {start_timeout}
c.Backend.cluster_options = Options(
    Integer("worker_cores", default=1, min=1, max=2),
    String("worker_memory", default="2 G"),
    Mapping("environment", default={{}}),
)
"""


@dataclass(frozen=True)
class GatewayServer:
    """A server that runs."""

    address: str
    """Of its API, and of its schedulers' proxy."""
    log: Path
    """What it and its proxy say."""
    clusters: Path
    """Folder with a folder for each cluster that runs, and its logs."""

    def configuration(self, password: str = PASSWORD) -> dict[str, object]:
        """Dask's configuration of a user of it: what a hub sets for its users."""
        return {
            "gateway.address": self.address,
            "gateway.auth.type": "basic",
            "gateway.auth.kwargs": {"username": "tester", "password": password},
            "gateway.http-client.proxy": False,
        }


@contextmanager
def dask_gateway(folder: Path, start_timeout: float = 60) -> Iterator[GatewayServer]:
    """Run a server until the block ends; its files go to `folder`.

    `folder` must have a short path: sockets and certificates lie below it.
    """
    clusters, port = folder / "clusters", free_port()
    clusters.mkdir()
    config = folder / "dask_gateway_config.py"
    config.write_text(
        _CONFIG.format(
            password=PASSWORD,
            host=HOST,
            port=port,
            python=sys.executable,
            clusters=str(clusters),
            start_timeout=start_timeout,
        )
    )
    server = GatewayServer(f"http://{HOST}:{port}", folder / "gateway.log", clusters)
    root = str(Path(__file__).parents[2])  # workers import what tests hand over
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    with running(
        [sys.executable, "-m", "dask_gateway_server", "-f", str(config)],
        lambda: answers(f"{server.address}/api/health"),
        server.log,
        {"PYTHONPATH": os.pathsep.join(paths)},
    ):
        yield server
