"""Kubernetes: the resource that is made, and what becomes of it; without a Kubernetes."""

import asyncio
from contextlib import contextmanager
from functools import partial
from importlib.resources import files

import dask
import dask_kubernetes  # noqa: F401 - its defaults, before tests change them
import distributed
import jsonschema
import pytest
import yaml
from distributed.cli.dask_scheduler import main as scheduler_program
from distributed.cli.dask_worker import main as worker_program

from lscube.cli import main
from lscube.cli.clusters import ClusterOptions
from lscube.cluster import cluster_spec, connect, worker_environment
from lscube.cluster.kubernetes import limited, open_kubernetes
from lscube.errors import ClusterError
from lscube.settings import ClusterSettings
from tests.clusters import error_of

FULL = ClusterSettings(
    where="kubernetes", image="registry/lscube:1", workers=5, threads=8, memory="32 GiB", gpu=True,
    secret="store-keys",
)  # fmt: skip


def schema():
    """Of the operator's own resource, from its package."""
    place = "operator/deployment/helm/dask-kubernetes-operator/crds/daskcluster.yaml"
    found = yaml.safe_load(files("dask_kubernetes").joinpath(place).read_text())
    (version,) = found["spec"]["versions"]
    assert version["name"] == "v1"
    return version["schema"]["openAPIV3Schema"]


@pytest.mark.parametrize(
    "settings", [FULL, ClusterSettings(where="kubernetes", image="registry/lscube:1")]
)
def test_the_resource_is_one_that_the_operator_knows(settings):
    jsonschema.validate(cluster_spec(settings), schema())


def test_the_resource_asks_for_what_the_settings_say():
    spec = cluster_spec(FULL)["spec"]
    (worker,) = spec["worker"]["spec"]["containers"]
    (scheduler,) = spec["scheduler"]["spec"]["containers"]
    assert spec["worker"]["replicas"] == 5
    assert worker["image"] == scheduler["image"] == "registry/lscube:1"
    assert worker["resources"] == {
        "requests": {"cpu": "8", "memory": str(32 * 2**30)},
        "limits": {"cpu": "8", "memory": str(32 * 2**30), "nvidia.com/gpu": "1"},
    }
    for container in (worker, scheduler):
        given = {entry["name"]: entry["value"] for entry in container["env"]}
        assert given == worker_environment(gpu=True)
        # By reference: no key stands in the resource.
        assert container["envFrom"] == [{"secretRef": {"name": "store-keys"}}]


def test_scheduler_and_workers_are_started_by_programs_that_exist():
    """Their arguments are those of Dask's programs; Kubernetes fills the worker's name in."""
    spec = cluster_spec(FULL)["spec"]
    words = [spec[part]["spec"]["containers"][0]["args"] for part in ("scheduler", "worker")]
    for (dask_, name, *given), program in zip(
        words, (scheduler_program, worker_program), strict=True
    ):
        assert (dask_, f"distributed.cli.dask_{name}") == ("dask", program.callback.__module__)
        context = program.make_context(
            name, [*given, *(["tcp://s:8786"] if name == "worker" else [])]
        )
        if name == "worker":
            assert context.params["nthreads"] == 8
            assert context.params["memory_limit"] == str(32 * 2**30)
            assert context.params["resources"] == "GPU=1"


def test_each_cluster_has_a_name_of_its_own_and_its_service_finds_it():
    one, other = cluster_spec(FULL), cluster_spec(FULL)
    assert one["metadata"]["name"] != other["metadata"]["name"]
    selector = one["spec"]["scheduler"]["service"]["selector"]
    assert selector["dask.org/cluster-name"] == one["metadata"]["name"]


@contextmanager
def operator_of(cluster, made):
    """Stands for dask-kubernetes: what it makes is a cluster of this machine's."""

    class Cluster:
        name = "lscube-0"

        def __init__(self, custom_cluster_spec, resource_timeout, quiet):
            made.append((custom_cluster_spec, resource_timeout))
            self.scheduler_address = cluster.scheduler_address
            self.dashboard_link = "http://127.0.0.1/status"
            self.status = distributed.core.Status.running
            self.loop = cluster.loop

        def __enter__(self):
            return self

        def __exit__(self, *error):
            made.append(error[0])

    yield Cluster


def test_the_cluster_is_deleted_also_after_a_failure():
    made = []
    settings = FULL.model_copy(update={"workers": 1, "wait": 30.0})

    def use():
        with (
            distributed.LocalCluster(n_workers=1, dashboard_address="127.0.0.1:0") as cluster,
            operator_of(cluster, made) as operator,
            connect(
                settings, openers={"kubernetes": partial(open_kubernetes, make=operator)}
            ) as client,
        ):
            assert client.submit(int, 3).result() == 3
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    (spec, timeout), error = made
    assert (spec["kind"], timeout) == ("DaskCluster", 30)
    assert error is ZeroDivisionError


def test_a_resource_of_the_users_own_is_taken_as_it_is(tmp_path):
    made = []

    class Cluster:
        def __init__(self, custom_cluster_spec, resource_timeout, quiet):
            made.append(custom_cluster_spec)
            raise RuntimeError(
                "Failed to create DaskCluster resource. Are the definitions installed?"
            )

    opener = partial(open_kubernetes, make=Cluster)
    own = {"metadata": {"name": "mine"}, "spec": {"worker": {"replicas": 3}}}
    words = r"failed \(RuntimeError: Failed to create .* installed\?\); look whether `kubectl get daskclu"
    with (
        dask.config.set({"kubernetes.custom-cluster-spec": own}),
        pytest.raises(ClusterError, match=words),
        connect("kubernetes", openers={"kubernetes": opener}),
    ):
        pass
    assert made == [own]


@pytest.mark.parametrize(
    ("own", "given", "words"),
    [
        ({"spec": {"worker": {}}}, {"workers": 9, "gpu": True}, "found cluster.gpu, cluster.workers beside"),
        ({"spec": {}}, {}, "a DaskCluster with spec.worker"),
        ("no/such/file.yaml", {}, "in no/such/file.yaml, but it cannot be read .FileNotFoundError"),
    ],
)  # fmt: skip
def test_a_resource_of_the_users_own_that_does_not_fit(own, given, words):
    opener = partial(open_kubernetes, make=lambda **given: 1 / 0)
    settings = ClusterSettings(where="kubernetes", **given)
    with (
        dask.config.set({"kubernetes.custom-cluster-spec": own}),
        pytest.raises(ClusterError, match=words),
        opener(settings),
    ):
        pass


def test_of_the_users_own_resource_as_many_workers_are_waited_for_as_it_has(tmp_path):
    own = tmp_path / "cluster.yaml"
    own.write_text("metadata: {name: mine}\nspec: {worker: {replicas: 3}}\n")
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as cluster,
        operator_of(cluster, []) as operator,
        dask.config.set({"kubernetes.custom-cluster-spec": str(own)}),
        open_kubernetes(ClusterSettings(where="kubernetes"), make=operator) as link,
    ):
        assert link.workers == 3


def test_a_namespace_may_be_restricted_and_its_network_closed():
    """Kubernetes's pod security standard `restricted`; ports 8786 to 8790."""
    spec = cluster_spec(FULL)["spec"]
    for part in ("scheduler", "worker"):
        pod = spec[part]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    context = worker_program.make_context(
        "worker", [*spec["worker"]["spec"]["containers"][0]["args"][2:], "s"]
    )
    assert (context.params["worker_port"], context.params["nanny_port"]) == ("8789", "8790")
    assert context.params["dashboard_address"] == ":8788"


def test_a_scheduler_that_never_answers_is_given_up_and_deleted():
    closed = []

    class Waiting:
        _resource_timeout = 0.05

        async def _create_cluster(self):
            await asyncio.sleep(3600)

        async def _close(self):
            closed.append(True)

    with pytest.raises(TimeoutError, match=r"did not answer within 0.05 s"):
        asyncio.run(limited(Waiting)()._create_cluster())
    assert closed == [True]


def test_the_class_that_is_limited_waits_where_it_is_thought_to():
    """By dask-kubernetes."""
    from dask_kubernetes.operator import KubeCluster

    assert asyncio.iscoroutinefunction(KubeCluster._create_cluster)
    assert asyncio.iscoroutinefunction(KubeCluster._close)


def test_another_way_keeps_what_it_can_heed_of_a_jobs_section():
    def made(cluster, **given):
        return ClusterOptions(cluster, None, None, None, False, None).settings(
            ClusterSettings(**given)
        )

    same = made("kubernetes", where="kubernetes", image="i", secret="s", workers=5)
    assert (same.image, same.secret, same.workers) == ("i", "s", 5)
    other = made("gateway", where="kubernetes", image="i", secret="s", workers=5, wait=9)
    assert (other.image, other.secret, other.workers, other.wait) == ("i", None, None, 9)
    local = made("local", where="gateway", image="i", options={"colour": "red"}, threads=8)
    assert local == ClusterSettings(where="local")


def test_without_an_image_that_holds_lscube_nothing_is_started():
    opener = partial(open_kubernetes, make=lambda **given: 1 / 0)
    with (
        pytest.raises(
            ClusterError, match="Expected a container image that holds lscube, found none"
        ),
        connect("kubernetes", openers={"kubernetes": opener}),
    ):
        pass


def test_no_kubernetes_is_there(tmp_path, monkeypatch, capsys):
    """By dask-kubernetes and its client."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["cluster", "check", "--cluster", "kubernetes", "--image", "i"]) == 2
    assert "Expected a cluster on Kubernetes to start, but it failed" in error_of(capsys)
