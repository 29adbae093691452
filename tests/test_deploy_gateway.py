"""The dask-gateway configuration: a real server is started with it, and a cluster computes."""

import ast
import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from dask_gateway_server.backends.base import ClusterConfig
from traitlets.config import Config

from lscube.cluster import worker_environment
from tests.deploying import DEPLOY, IMAGE, parse, quantity

CONFIGURATION = DEPLOY / "gateway/dask_gateway_config.py"
VALUES = DEPLOY / "gateway/daskhub-values.yaml"
PASSWORD = "of-this-test"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(**more) -> dict[str, str]:
    """As in an active environment: its programs come first."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **more}


@contextlib.contextmanager
def server(folder: Path, ports: tuple[int, int]):
    """A gateway by its own program, with the configuration as it stands but for its ports."""
    web, scheduler = ports
    words = ["-m", "dask_gateway_server", f"--config={CONFIGURATION}"]
    words += [f"--Proxy.address=127.0.0.1:{web}", f"--Proxy.tcp_address=127.0.0.1:{scheduler}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *words],
            env=environment(LSCUBE_GATEWAY_PASSWORD=PASSWORD),
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def wait_for(address: str, process, log: Path) -> None:
    """Until the gateway answers: its proxy is there earlier, and knows no way to it yet."""
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{address}/api/health", timeout=5),
        ):
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


async def compute(address: str, port: int) -> tuple[int, dict, dict]:
    """Start a cluster with one worker through the gateway; gives a sum, the worker, and its environment."""
    from dask_gateway import BasicAuth, Gateway

    proxy, auth = f"gateway://127.0.0.1:{port}", BasicAuth(password=PASSWORD)
    async with Gateway(address, proxy, auth=auth, asynchronous=True) as gateway:
        options = await gateway.cluster_options()
        assert dict(options) == {"worker_cores": 2, "worker_memory": 8.0}
        options.worker_cores, options.worker_memory = 1, 4
        cluster = await gateway.new_cluster(options)
        try:
            await cluster.scale(1)
            async with cluster.get_client(set_as_default=False) as client:
                await client.wait_for_workers(1, timeout=60)
                (worker,) = client.scheduler_info(n_workers=-1)["workers"].values()
                total = await client.submit(sum, [1, 2, 3])
                found = await client.submit(lambda: dict(os.environ))
                return total, worker, found
        finally:
            await cluster.shutdown()


def check_by_the_readme(folder: Path, ports: tuple[int, int]) -> None:
    """Run the commands that the README has for the other terminal, with this test's ports and password."""
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(export DASK_GATEWAY.*?)```", text, flags=re.DOTALL)
    for port, mine in zip((":8000", ":8786"), ports, strict=True):
        assert block.count(port) == 1
        block = block.replace(port, f":{mine}")
    block = block.replace("PASSWORD=secret", f"PASSWORD={PASSWORD}")
    done = subprocess.run(
        ["bash", "-euc", block],
        env=environment(PYTHONPATH=str(DEPLOY.parent)),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "2 threads, 8.6 GB" in done.stdout
    assert done.stdout.endswith("nothing is missing.\n")


def test_a_cluster_of_the_gateway_computes(tmp_path):
    ports = free_port(), free_port()
    address = f"http://127.0.0.1:{ports[0]}"
    with server(tmp_path, ports) as process:
        wait_for(address, process, tmp_path / "log")
        total, worker, found = asyncio.run(compute(address, ports[1]))
        check_by_the_readme(tmp_path, ports)
    assert total == 6
    assert worker["nthreads"] == 1
    assert worker["memory_limit"] == 4 * 2**30
    assert worker_environment().items() <= found.items()
    # The password of the gateway is not handed on to what runs on it.
    assert "LSCUBE_GATEWAY_PASSWORD" not in found


def test_without_a_password_there_is_no_gateway(tmp_path):
    words = [sys.executable, "-m", "dask_gateway_server", f"--config={CONFIGURATION}"]
    unset = {name: value for name, value in environment().items() if "PASSWORD" not in name}
    done = subprocess.run(
        words, env=unset, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "LSCUBE_GATEWAY_PASSWORD" in done.stdout + done.stderr


def read(code: str) -> Config:
    """What a configuration's code sets."""
    config = Config()
    exec(compile(code, "configuration", "exec"), {"c": config, "get_config": lambda: config})
    return config


def values() -> dict:
    return yaml.safe_load(VALUES.read_text())["dask-gateway"]


@pytest.fixture(params=["on one machine", "on Kubernetes"])
def config(request, monkeypatch) -> Config:
    monkeypatch.setenv("LSCUBE_GATEWAY_PASSWORD", PASSWORD)
    if request.param == "on one machine":
        return read(CONFIGURATION.read_text())
    (code,) = values()["gateway"]["extraConfig"].values()
    return read(code)


def test_clusters_are_limited(config):
    cluster = config.ClusterConfig
    assert set(cluster) <= set(ClusterConfig.class_trait_names())
    ClusterConfig(**{name: cluster[name] for name in cluster})  # traitlets checks the values
    assert cluster["cluster_max_cores"] > 0
    assert cluster["idle_timeout"] <= 3600
    options = config.Backend.cluster_options
    default = options.get_configuration(options.parse_options({}), None)
    assert set(default) - {"image"} <= set(ClusterConfig.class_trait_names())
    assert default["worker_memory"] % 2**30 == 0
    for wrong in ({"worker_cores": 1000}, {"worker_memory": 1}, {"image": "stranger/image"}):
        with pytest.raises((ValueError, TypeError)):
            options.parse_options(wrong)


def test_programs_are_those_that_there_are(config):
    """With the arguments that the gateway adds."""
    cluster = config.ClusterConfig
    assert parse([*cluster.scheduler_cmd, "--protocol", "tls", "--host", "", "--port", "0"])
    assert parse([*cluster.worker_cmd, "tls://host:1", "--nthreads", "2", "--name", "w"])


def test_images_of_the_chart():
    backend = values()["gateway"]["backend"]
    image = f"{backend['image']['name']}:{backend['image']['tag']}"
    assert IMAGE.fullmatch(image)
    (code,) = values()["gateway"]["extraConfig"].values()
    options = read(code).Backend.cluster_options
    assert options.parse_options({})["image"] == image


# Of the chart dask-gateway (values.schema.yaml, 2026.3), as far as they are used here.
CHART = {
    "gateway": {"backend", "extraConfig"},
    "backend": {"image", "scheduler", "worker", "namespace"},
    "image": {"name", "tag", "pullPolicy"},
    "scheduler": {"cores", "memory", "extraPodConfig", "extraContainerConfig"},
    "worker": {"cores", "memory", "threads", "extraPodConfig", "extraContainerConfig"},
}


def test_values_are_the_chart_s():
    gateway = values()["gateway"]
    backend = gateway["backend"]
    parts = {"gateway": gateway, "backend": backend}
    parts |= {name: backend[name] for name in ("image", "scheduler", "worker")}
    for name, part in parts.items():
        assert part.keys() <= CHART[name], name


@pytest.mark.parametrize("part", ["scheduler", "worker"])
def test_pods_of_the_chart(part):
    """What the chart adds to a pod, as a whole pod, against Kubernetes' schemas."""
    given = values()["gateway"]["backend"][part]
    container = {"name": part, "image": "image", **given["extraContainerConfig"]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod"},
        "spec": {**given["extraPodConfig"], "containers": [container]},
    }
    kubernetes_validate.validate(pod, "1.31", strict=True)
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    for kind in ("cores", "memory"):
        if kind in given:
            assert quantity(given[kind]["request"]) <= quantity(given[kind]["limit"])


def test_nothing_stands_against_the_image_s_settings():
    """test_deploy_images holds that those are what every worker gets."""
    assert "environment" not in values()["gateway"]["backend"]
    (code,) = values()["gateway"]["extraConfig"].values()
    assert "environment" not in read(code).ClusterConfig


def test_the_configuration_has_no_secret():
    tree = ast.parse(CONFIGURATION.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and re.search(
            "password|token", ast.unparse(node.targets[0])
        ):
            assert ast.unparse(node.value) == "os.environ['LSCUBE_GATEWAY_PASSWORD']"
