"""A dask-gateway server whose clusters lscube can compute on, on one machine, for trying.

Run in the environment that lscube is installed in, which has to be active:

    dask-gateway-server --config deploy/gateway/dask_gateway_config.py

Its clusters are processes of who starts it, with all that they may do: nothing for several users.
"""

import os

from dask_gateway_server.options import Float, Integer, Options

from lscube.cluster import worker_environment

c = get_config()  # noqa: F821 (dask-gateway gives it)

c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"

# One password for all; without one the server does not start.
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.SimpleAuthenticator.password = os.environ["LSCUBE_GATEWAY_PASSWORD"]

# This machine alone can reach it.
c.Proxy.address = "127.0.0.1:8000"
c.Proxy.tcp_address = "127.0.0.1:8786"

# The programs dask-scheduler and dask-worker are gone from distributed.
c.ClusterConfig.scheduler_cmd = ["dask", "scheduler"]
c.ClusterConfig.worker_cmd = ["dask", "worker"]

# What a cluster costs at most, and when one that its user forgot is ended (seconds).
c.ClusterConfig.cluster_max_workers = 8
c.ClusterConfig.cluster_max_cores = 32
c.ClusterConfig.cluster_max_memory = "128 G"
c.ClusterConfig.idle_timeout = 3600
c.ClusterConfig.scheduler_memory = "2 G"

# As everywhere: processes that TensorFlow survives, GDAL's settings, ...
c.ClusterConfig.environment = worker_environment()


def limits(options):
    """What a user chose, as settings of the cluster; a worker uses as many threads as it has cores."""
    return {
        "worker_cores": options.worker_cores,
        "worker_memory": int(options.worker_memory * 2**30),
    }


c.Backend.cluster_options = Options(
    Integer("worker_cores", default=2, min=1, max=16, label="Cores of a worker"),
    Float("worker_memory", default=8, min=4, max=64, label="Memory of a worker (GiB)"),
    handler=limits,
)
