"""The Kubernetes manifests, checked without a cluster: schemas, what belongs together, what is safe.

Built-in kinds are held against Kubernetes' own schemas in strict mode, Dask's kinds against the definitions
that its operator installs, and what that operator would make of them against Kubernetes' schemas again.
"""

import copy
import importlib.util
import ipaddress
import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from lscube.cluster import cluster_spec
from lscube.settings import load_job, make_cluster
from lscube.settings.scan import ScanSettings
from tests.deploying import (
    IMAGE,
    KUBERNETES,
    CommandError,
    Pod,
    all_pods,
    label,
    manifests,
    named,
    of_kind,
    parse,
    pod_id,
    pods,
    quantity,
)
from tests.needs import KUBECTL, require

VERSIONS = ("1.31", "1.37")  # the oldest and the newest that is meant
PODS = pytest.mark.parametrize("pod", all_pods(), ids=pod_id)
DOCUMENTS = pytest.mark.parametrize("document", manifests(), ids=label)


@cache
def operator() -> Path:
    """Folder of the Dask operator's package."""
    return Path(importlib.util.find_spec("dask_kubernetes").origin).parent / "operator"


@cache
def definition(kind: str) -> jsonschema.Draft202012Validator:
    """The schema that the operator installs for one of its kinds, with unknown fields refused."""
    folder = operator() / "deployment/helm/dask-kubernetes-operator/crds"
    (crd,) = yaml.safe_load_all((folder / f"{kind.lower()}.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    strict = refuse_unknown(copy.deepcopy(schema))
    strict["properties"] |= {"apiVersion": {}, "kind": {"const": kind}, "metadata": {}}
    strict["required"] = ["apiVersion", "kind", "metadata", "spec"]
    return jsonschema.Draft202012Validator(strict)


def refuse_unknown(schema: dict) -> dict:
    """Close every object whose fields are listed, and read Kubernetes' own keywords as JSON Schema."""
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        schema["type"] = ["integer", "string"]
    for name in ("properties", "patternProperties"):
        for child in schema.get(name, {}).values():
            refuse_unknown(child)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            refuse_unknown(schema[name])
    return schema


def check(document: dict) -> None:
    """Refuse a manifest that Kubernetes, or Dask's operator, would not take as it is meant."""
    if document["apiVersion"] == "kubernetes.dask.org/v1":
        definition(document["kind"]).validate(document)
        metadata = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": document["metadata"]}
        valid(metadata)
    else:
        valid(document)


def valid(document: dict) -> None:
    """Refuse a manifest of a built-in kind that Kubernetes would not take as it is meant."""
    for version in VERSIONS:
        kubernetes_validate.validate(document, version, strict=True)


INVALID = (jsonschema.ValidationError, kubernetes_validate.ValidationError)


@DOCUMENTS
def test_manifests_are_valid(document):
    check(document)


def at(document: dict, path: str) -> dict:
    """What lies at a path of names and indices."""
    for name in path.split("/"):
        document = document[int(name) if name.isdigit() else name]
    return document


@pytest.mark.parametrize(
    ("kind", "name", "path", "key", "value"),
    [
        ("Job", "lscube-map", "spec/template/spec/containers/0", "arg", []),
        ("Job", "lscube-map", "spec/template/spec", "securityContexts", {}),
        ("CronJob", "lscube-scan", "spec", "concurrencyPolice", "Forbid"),
        ("CronJob", "lscube-scan", "spec", "startingDeadlineSeconds", "soon"),
        ("NetworkPolicy", "web", "spec/egress/0", "from", []),
        ("DaskCluster", "lscube", "spec/worker", "replica", 3),
        ("DaskCluster", "lscube", "spec/worker", "replicas", "many"),
        ("DaskCluster", "lscube", "spec/worker/spec/containers/0", "memory", "1Gi"),
        ("DaskWorkerGroup", "lscube-gpu", "spec", "cluster", None),
        ("DaskJob", "lscube-map-dask", "spec/job/spec/containers/0/securityContext", "root", False),
        ("DaskJob", "lscube-map-dask", "metadata", "label", {}),
    ],
)
def test_a_wrong_manifest_is_refused(kind, name, path, key, value):
    """So that the test above can fail."""
    broken = copy.deepcopy(named(kind, name))
    at(broken, path)[key] = value
    with pytest.raises(INVALID):
        check(broken)


def made_by_the_operator(document: dict) -> list[dict]:
    """The built-in kinds that the operator makes of one of its own, by its own functions."""
    from dask_kubernetes.operator.controller import controller

    spec, name = document["spec"], document["metadata"]["name"]
    labels, space = document["metadata"]["labels"], document["metadata"]["namespace"]
    made = []
    if document["kind"] == "DaskJob":
        made.append(
            controller.build_job_pod_spec(name, name, space, spec["job"]["spec"], {}, labels)
        )
        spec = spec["cluster"]["spec"]
    if "scheduler" in spec:
        scheduler = spec["scheduler"]
        made += [
            controller.build_scheduler_deployment_spec(name, scheduler["spec"], {}, labels),
            controller.build_scheduler_service_spec(name, scheduler["service"], {}, labels),
        ]
    cluster, worker = cluster_of(document), spec["worker"]["spec"]
    build = controller.build_worker_deployment_spec
    return [*made, build(f"{name}-default", space, cluster, "0123456789", worker, {}, labels)]


def cluster_of(document: dict) -> str:
    """Name of the Dask cluster that a manifest makes or adds to."""
    group = document["kind"] == "DaskWorkerGroup"
    return document["spec"]["cluster"] if group else document["metadata"]["name"]


DASK = [doc for doc in manifests() if doc["apiVersion"] == "kubernetes.dask.org/v1"]


@pytest.mark.parametrize("document", DASK, ids=label)
def test_what_the_operator_makes_is_valid(document):
    from dask_kubernetes.operator.validation import validate_cluster_name

    validate_cluster_name(cluster_of(document))
    for made in made_by_the_operator(document):
        valid(made)


@pytest.mark.parametrize("document", of_kind("DaskCluster") + of_kind("DaskJob"), ids=label)
def test_services_find_their_schedulers(document):
    made = made_by_the_operator(document)
    (service,) = of_kind("Service", made)
    (scheduler,) = [
        one
        for one in of_kind("Deployment", made)
        if one["spec"]["template"]["metadata"]["labels"]["dask.org/component"] == "scheduler"
    ]
    labels = scheduler["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    (container,) = scheduler["spec"]["template"]["spec"]["containers"]
    opened = {port["name"]: port["containerPort"] for port in container["ports"]}
    for port in service["spec"]["ports"]:
        assert opened[port["targetPort"]] == port["port"]
    # The operator looks for these names.
    assert opened == {"tcp-comm": 8786, "http-dashboard": 8787}


@PODS
def test_pods_can_do_no_harm(pod):
    security = pod.spec["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == 10001  # as in the Dockerfile
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    box = pod.container["securityContext"]
    assert box["allowPrivilegeEscalation"] is False
    assert box["readOnlyRootFilesystem"] is True
    assert box["capabilities"] == {"drop": ["ALL"]}
    assert pod.spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys()
    assert not any("hostPath" in volume for volume in pod.spec["volumes"])
    # With a read-only root, scratch needs a place.
    mounts = {mount["mountPath"]: mount["name"] for mount in pod.container["volumeMounts"]}
    (scratch,) = [v for v in pod.spec["volumes"] if v["name"] == mounts["/tmp"]]
    assert "sizeLimit" in scratch["emptyDir"]


@PODS
def test_what_pods_refer_to_is_there(pod):
    named("ServiceAccount", pod.spec["serviceAccountName"])
    volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
    for mount in pod.container["volumeMounts"]:
        volume = volumes.pop(mount["name"])
        if "configMap" in volume:
            data = named("ConfigMap", volume["configMap"]["name"])["data"]
            files = {f"{mount['mountPath']}/{key}" for key in data}
            words = " ".join(pod.arguments)
            assert set(re.findall(rf"{mount['mountPath']}/[\w.]+", words)) == files
    assert not volumes, "a volume that nothing mounts"


@PODS
def test_secrets_are_references(pod):
    given = [
        entry["secretRef"] for entry in pod.container.get("envFrom", []) if "secretRef" in entry
    ]
    assert all(entry["optional"] is True for entry in given)
    for entry in pod.container.get("env", []):
        assert "value" not in entry, "a value: it could be a secret"


def test_no_secret_is_in_the_manifests():
    assert not of_kind("Secret")
    text = "".join(path.read_text() for path in KUBERNETES.rglob("*.yaml"))
    assert not re.search(
        r"(?i)(secret_?(access_?)?key|password|token):? *[=:] *['\"]?[A-Za-z0-9/+]{8}", text
    )


def variables(pod) -> set[str]:
    """Environment variables that a pod has without any secret."""
    of_operator = {
        "job": {"DASK_SCHEDULER_ADDRESS"},
        "worker": {"DASK_SCHEDULER_ADDRESS", "DASK_WORKER_NAME"},
    }
    found = of_operator.get(pod.part, set()) | {e["name"] for e in pod.container.get("env", [])}
    for entry in pod.container.get("envFrom", []):
        if "configMapRef" in entry:
            found |= named("ConfigMap", entry["configMapRef"]["name"])["data"].keys()
    return found


@PODS
def test_commands_are_ones_that_the_programs_take(pod):
    words = pod.arguments
    used = set(re.findall(r"\$\((\w+)\)", " ".join(words)))
    assert used <= variables(pod)
    parse([re.sub(r"\$\(\w+\)", "value", word) for word in words])


@pytest.mark.parametrize(
    "words",
    [
        ["dask-worker", "tcp://host:8786"],
        ["dask", "work"],
        ["dask", "worker", "--thread=4"],
        ["dask", "scheduler", "--prot=8786"],
        ["lscube", "predikt"],
        ["lscube", "predict", "--out=x"],
        ["lscube", "predict", "--model=m", "--out=x", "--sheduler=tcp://host:8786"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_is_refused(words):
    with pytest.raises(CommandError):
        parse(words)


@pytest.mark.parametrize(
    ("client", "cluster"),
    [
        (("Job", "lscube-map-on-cluster"), ("DaskCluster", "lscube")),
        (("DaskJob", "lscube-map-dask"), ("DaskJob", "lscube-map-dask")),
    ],
)
def test_jobs_wait_for_their_workers(client, cluster):
    """Else they begin with the first one, and give it as much as one can take."""
    (words,) = [pod.arguments for pod in pods(named(*client)) if pod.arguments[0] == "lscube"]
    spec = named(*cluster)["spec"]
    options = parse(
        [word.replace("$(DASK_SCHEDULER_ADDRESS)", "tcp://host:8786") for word in words]
    )
    assert options["workers"] == spec.get("cluster", {"spec": spec})["spec"]["worker"]["replicas"]


@PODS
def test_images_are_those_of_the_dockerfile(pod):
    image = IMAGE.fullmatch(pod.container["image"])
    assert image, pod.container["image"]
    gpu = "nvidia.com/gpu" in pod.container["resources"]["limits"]
    assert image[1] == ("gpu" if gpu else "cpu")
    assert gpu == ("--resources=GPU=1" in pod.arguments)
    # Nodes with GPUs are kept free of what needs none.
    assert gpu == ("nvidia.com/gpu" in {t["key"] for t in pod.spec.get("tolerations", [])})


@PODS
def test_workers_use_what_they_ask_for(pod):
    asked = pod.container["resources"]
    assert asked["requests"] == asked["limits"]
    if pod.part != "worker":
        return
    options = parse([word.replace("$(DASK_WORKER_NAME)", "w") for word in pod.arguments])
    assert options["nthreads"] == quantity(asked["limits"]["cpu"])
    share = quantity(options["memory_limit"]) / quantity(asked["limits"]["memory"])
    # Dask has to act before the kernel does.
    assert 0.85 < share < 0.97
    assert options["n_workers"] in (None, "1", 1)


def test_the_quota_lets_all_run():
    quota = named("ResourceQuota", "lscube")["spec"]["hard"]
    for document in manifests():
        replicas = {"worker": 4}
        for resource in ("cpu", "memory"):
            wanted = sum(
                quantity(pod.container["resources"]["limits"][resource]) * replicas.get(pod.part, 1)
                for pod in pods(document)
            )
            assert wanted <= quantity(quota[f"limits.{resource}"]), label(document)


def test_the_job_is_one(tmp_path):
    (tmp_path / "job.toml").write_text(named("ConfigMap", "lscube-job")["data"]["job.toml"])
    job = load_job(tmp_path / "job.toml")
    assert job.event.id == "iburi-2018"
    assert job.cluster.where == "threads", "pods say themselves where they run"
    assert job.cluster.wait >= 900, "a node may have to come and to pull an image"
    for pod in all_pods():
        for word in pod.arguments:
            if word.startswith("--out=") and "$(RUN)" not in word:
                assert word == f"--out=$(LSCUBE_MAPS)/{job.event.id}/probability.zarr"


def test_the_scan_is_one():
    content = tomllib.loads(named("ConfigMap", "lscube-scan")["data"]["scan.toml"])
    scan = ScanSettings.model_validate(content)
    assert [str(model) for model in scan.map.models] == ["/models/standard"]
    (cron,) = pods(named("CronJob", "lscube-scan"))
    secrets = [e["secretRef"]["name"] for e in cron.container["envFrom"] if "secretRef" in e]
    assert "lscube-alerts" in secrets


@pytest.mark.parametrize("document", of_kind("Job") + of_kind("CronJob"), ids=label)
def test_bad_input_is_not_tried_again(document):
    from lscube.errors import BAD_INPUT, PARTIAL

    spec = document["spec"]
    spec = spec["jobTemplate"]["spec"] if document["kind"] == "CronJob" else spec
    (rule,) = [rule for rule in spec["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
    (container,) = spec["template"]["spec"]["containers"]
    assert rule["onExitCodes"]["containerName"] == container["name"]
    # What a scan could not do is left to its next pass.
    later = [PARTIAL] if document["metadata"]["name"] == "lscube-scan" else []
    assert rule["onExitCodes"]["values"] == [BAD_INPUT, *later]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # else the policy is refused
    assert spec["activeDeadlineSeconds"] > 0


@pytest.mark.parametrize("document", of_kind("CronJob"), ids=label)
def test_passes_do_not_overlap(document):
    assert document["spec"]["concurrencyPolicy"] == "Forbid"
    assert len(document["spec"]["schedule"].split()) == 5
    assert len(document["metadata"]["name"]) <= 52


def test_rights_are_few():
    rules = named("Role", "lscube-clusters")["rules"]
    for rule in rules:
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
        assert "secrets" not in rule["resources"]
        if rule["apiGroups"] == [""]:
            assert set(rule["verbs"]) <= {"get", "list", "watch"}
    binding = named("RoleBinding", "lscube-clusters")
    assert [subject["name"] for subject in binding["subjects"]] == ["lscube-clusters"]
    assert not of_kind("ClusterRole")
    assert not of_kind("ClusterRoleBinding")
    # Nothing that only computes has that account.
    assert {pod.spec["serviceAccountName"] for pod in all_pods()} == {"lscube"}


def test_names_have_one_namespace():
    for document in manifests():
        if document["kind"] != "Namespace":
            assert document["metadata"]["namespace"] == "lscube", label(document)
    labels = named("Namespace", "lscube")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


class Network:
    """What the policies of a namespace let through, by their own definition."""

    def __init__(self, policies):
        self.policies = [policy["spec"] for policy in policies]

    @staticmethod
    def selects(selector, labels):
        checks = {
            "Exists": lambda e: e["key"] in labels,
            "In": lambda e: labels.get(e["key"]) in e["values"],
            "NotIn": lambda e: labels.get(e["key"]) not in e["values"],
        }
        return selector.get("matchLabels", {}).items() <= labels.items() and all(
            checks[e["operator"]](e) for e in selector.get("matchExpressions", [])
        )

    @staticmethod
    def has_port(rule, port):
        return any(
            entry["port"] <= port <= entry.get("endPort", entry["port"]) for entry in rule["ports"]
        )

    def rules(self, direction, labels):
        """Rules for a pod; None where no policy is about it."""
        about = [
            spec
            for spec in self.policies
            if direction.title() in spec["policyTypes"]
            and self.selects(spec["podSelector"], labels)
        ]
        return [rule for spec in about for rule in spec.get(direction, [])] if about else None

    def allows(self, direction, labels, port, matches):
        rules = self.rules(direction, labels)
        if rules is None:
            return True
        ends = {"egress": "to", "ingress": "from"}[direction]
        return any(
            self.has_port(rule, port) and any(matches(peer) for peer in rule[ends])
            for rule in rules
        )

    def reaches(self, source, target, port):
        """Whether a pod reaches another one of the namespace."""

        def to(labels):
            return lambda peer: "podSelector" in peer and self.selects(peer["podSelector"], labels)

        return self.allows("egress", source, port, to(target)) and self.allows(
            "ingress", target, port, to(source)
        )

    def leaves(self, source, address, port):
        """Whether a pod reaches an address outside."""
        where = ipaddress.ip_address(address)

        def within(peer):
            block = peer.get("ipBlock")
            return (
                block is not None
                and where in ipaddress.ip_network(block["cidr"])
                and not any(where in ipaddress.ip_network(cut) for cut in block.get("except", []))
            )

        return self.allows("egress", source, port, within)


@pytest.fixture(scope="module")
def network():
    return Network(of_kind("NetworkPolicy"))


def dask_pod(component, cluster="lscube"):
    return {"dask.org/cluster-name": cluster, "dask.org/component": component}


JOB = {"app.kubernetes.io/name": "lscube"}
CLIENT = {**JOB, "lscube/dask-client": "true"}
MAKER = {**CLIENT, "lscube/makes-clusters": "true"}


@pytest.mark.parametrize(
    "address",
    [
        *("10.1.2.3", "172.16.0.1", "172.31.9.9", "192.168.1.1", "127.0.0.1", "0.0.0.1"),
        *("169.254.169.254", "100.100.100.200", "224.0.0.1", "255.255.255.255", "198.18.0.1"),
        *("::1", "fe80::1", "fd00:ec2::254", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"),
        *("2002:a00:1::1", "2001:0:a00:1::"),
    ],
)
@pytest.mark.parametrize("port", [443, 80, 22])
def test_private_addresses_are_not_reached(network, address, port):
    for labels in (JOB, CLIENT, dask_pod("worker"), dask_pod("job-runner")):
        assert not network.leaves(labels, address, port)


@pytest.mark.parametrize("address", ["8.8.8.8", "52.218.0.1", "2600:1f14::1"])
def test_public_https_is_reached_and_nothing_else(network, address):
    for labels in (JOB, CLIENT, dask_pod("worker"), dask_pod("job-runner")):
        assert network.leaves(labels, address, 443)
        assert not network.leaves(labels, address, 80)
    assert not network.leaves(dask_pod("scheduler"), address, 443)


def test_kubernetes_is_reached_by_who_makes_clusters(network):
    assert network.leaves({"lscube/makes-clusters": "true"}, "10.0.0.1", 6443)
    assert not network.leaves(JOB, "10.0.0.1", 6443)
    # And the scheduler of the cluster that it has made.
    assert network.leaves(MAKER, "10.0.0.1", 6443)
    assert network.reaches(MAKER, dask_pod("scheduler", "lscube-1a2b3c4d"), 8786)


def worker_ports(workers: list[Pod]) -> set[int]:
    """Ports that workers listen on, from their commands."""
    ports = set()
    for pod in workers:
        options = parse([word.replace("$(DASK_WORKER_NAME)", "w") for word in pod.arguments])
        fixed = {options["worker_port"], options["nanny_port"]}
        assert None not in fixed, "they would be chosen by chance"
        ports |= {int(port) for port in fixed}
        ports.add(int(options["dashboard_address"].removeprefix(":")))
    return ports


def test_a_cluster_reaches_itself(network):
    parts = [dask_pod(part) for part in ("scheduler", "worker", "job-runner")]
    ports = worker_ports([pod for pod in all_pods() if pod.part == "worker"])
    assert ports == {8788, 8789, 8790}
    for source in parts:
        assert network.reaches(source, dask_pod("scheduler"), 8786)
        for port in ports:
            assert network.reaches(source, dask_pod("worker"), port)
        assert not network.reaches(source, dask_pod("worker"), 22)


def test_only_clients_reach_a_cluster_from_outside(network):
    assert network.reaches(CLIENT, dask_pod("scheduler"), 8786)
    assert not network.reaches(CLIENT, dask_pod("worker"), 8789)
    assert not network.reaches(JOB, dask_pod("scheduler"), 8786)
    assert not network.reaches(JOB, JOB, 8786)
    (client,) = pods(named("Job", "lscube-map-on-cluster"))
    assert CLIENT.items() <= client.labels.items()
    (address,) = [w for w in client.arguments if w.startswith("--scheduler=")]
    assert address == "--scheduler=tcp://lscube-scheduler.lscube.svc.cluster.local:8786"


@pytest.mark.parametrize("port", [8786, 8787, 8788, 8789, 8790])
def test_metrics_are_read_from_a_namespace_that_is_marked(network, port):
    def from_namespace(labels):
        def among(peer):
            selector = peer.get("namespaceSelector")
            return selector is not None and network.selects(selector, labels)

        return among

    marked = from_namespace({"lscube/scrapes-metrics": "true"})
    for part in ("scheduler", "worker"):
        assert network.allows("ingress", dask_pod(part), port, marked) == (port in (8787, 8788))
        assert not network.allows("ingress", dask_pod(part), port, from_namespace({}))
    assert not network.allows("ingress", JOB, port, marked)


def test_gpus_are_asked_for_by_one_folder_alone():
    """What a cluster without GPUs would wait for, without end, is applied by choice."""
    folders = {
        path.parent.name
        for path in KUBERNETES.rglob("*.yaml")
        if path.name != "limits.yaml" and "nvidia.com/gpu" in path.read_text()
    }
    assert folders == {"gpu-workers"}


def test_without_the_first_policy_pods_would_be_open(network):
    """So that the tests above can fail."""
    rest = [p for p in of_kind("NetworkPolicy") if p["metadata"]["name"] != "nothing"]
    assert Network(rest).allows("ingress", JOB, 22, lambda peer: False)
    assert not network.allows("ingress", JOB, 22, lambda peer: True)


def own_cluster(gpu: bool) -> dict:
    """What `lscube predict --cluster kubernetes` sends, in the namespace of its pod."""
    image = "registry.example.org/lscube:0.1.0-cpu"
    document = cluster_spec(make_cluster({"where": "kubernetes", "image": image, "gpu": gpu}))
    more = {"namespace": "lscube", "labels": {}}
    return {**document, "metadata": {**document["metadata"], **more}}


@pytest.mark.parametrize("gpu", [False, True])
def test_clusters_of_lscube_s_own_are_valid(gpu):
    document = own_cluster(gpu)
    check(document)
    for made in made_by_the_operator(document):
        valid(made)


@pytest.mark.parametrize("gpu", [False, True])
def test_the_namespace_takes_clusters_of_lscube_s_own(gpu):
    """By the pod security standard `restricted`, and by the quota, which refuses pods without limits."""
    for pod in pods(own_cluster(gpu)):
        security = {
            **pod.spec.get("securityContext", {}),
            **pod.container.get("securityContext", {}),
        }
        assert security["runAsNonRoot"] is True
        assert security["seccompProfile"]["type"] == "RuntimeDefault"
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"]["drop"] == ["ALL"]
        assert pod.container["resources"]["limits"].keys() >= {"cpu", "memory"}


def test_clusters_of_lscube_s_own_reach_themselves(network):
    document = own_cluster(False)
    scheduler, worker = pods(document)
    assert parse(scheduler.arguments)["dashboard_address"] == ":8787"
    assert parse(scheduler.arguments)["port"] in (None, "8786")  # None: Dask's default, 8786
    name = document["metadata"]["name"]
    for port in worker_ports([worker]):
        for part in ("scheduler", "worker"):
            assert network.reaches(dask_pod(part, name), dask_pod("worker", name), port)


KUSTOMIZATIONS = sorted(path.parent for path in KUBERNETES.rglob("kustomization.yaml"))


@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda f: str(f.relative_to(KUBERNETES)))
def test_kustomizations_name_what_is_there(folder):
    content = yaml.safe_load((folder / "kustomization.yaml").read_text())
    here = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(content.get("resources", [])) == here
    for component in content.get("components", []):
        other = yaml.safe_load((folder / component / "kustomization.yaml").read_text())
        assert other["kind"] == "Component"
    if content["kind"] == "Kustomization":
        assert any(name.endswith("settings") for name in content["components"])


def build(folder: Path) -> list[dict]:
    """What `kubectl apply --kustomize` would send."""
    require(KUBECTL)
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [doc for doc in yaml.safe_load_all(done.stdout) if doc]


@pytest.mark.parametrize("on_volume", [False, True])
def test_kustomizations_build(tmp_path, on_volume):
    """As they are, and with maps on a volume: by taking away the comment marks, as the text says."""
    shutil.copytree(KUBERNETES, tmp_path / "k")
    settings = tmp_path / "k/settings/kustomization.yaml"
    if on_volume:
        text = settings.read_text()
        settings.write_text(re.sub(r"^# (components:|  - \.\.)", r"\1", text, flags=re.MULTILINE))
        assert "components" in yaml.safe_load(settings.read_text())
    for folder in KUSTOMIZATIONS:
        content = yaml.safe_load((folder / "kustomization.yaml").read_text())
        if content["kind"] == "Component":
            continue
        for document in build(tmp_path / "k" / folder.relative_to(KUBERNETES)):
            check(document)
            if document["metadata"]["name"] == "lscube-places":
                assert document["data"]["LSCUBE_MAPS"] == (
                    "/maps" if on_volume else "s3://bucket/lscube"
                )
            for pod in pods(document):
                assert pod.container["image"].startswith("registry.example.org/lscube:0.1.0-")
                mounts = [mount["mountPath"] for mount in pod.container["volumeMounts"]]
                writes = pod.part != "scheduler"
                assert ("/maps" in mounts) == (on_volume and writes), pod_id(pod)
