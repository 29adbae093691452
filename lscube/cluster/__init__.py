"""Where it runs: threads of this process, its processes, a hub's gateway, Kubernetes, a batch system."""

from lscube.cluster.connecting import computing_on as computing_on
from lscube.cluster.connecting import connect as connect
from lscube.cluster.link import Link as Link
from lscube.cluster.readiness import ask as ask
from lscube.cluster.readiness import check_folder as check_folder
from lscube.cluster.resource import cluster_spec as cluster_spec
from lscube.cluster.tasks import losses as losses
from lscube.cluster.tasks import on_a_worker as on_a_worker
from lscube.cluster.workers import needed_resources as needed_resources
from lscube.cluster.workers import worker_arguments as worker_arguments
from lscube.cluster.workers import worker_environment as worker_environment

__all__ = [
    "Link",
    "ask",
    "check_folder",
    "cluster_spec",
    "computing_on",
    "connect",
    "losses",
    "needed_resources",
    "on_a_worker",
    "worker_arguments",
    "worker_environment",
]
