"""The main job through a real dask-gateway, whose clusters are processes of this machine."""

import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path

import dask
import dask_gateway.config
import pytest

from lscube.cli import main
from lscube.cluster import ask, connect
from lscube.errors import ClusterError
from lscube.mapping import Running, map_region
from lscube.settings import ClusterSettings
from tests.clusters import error_of, is_alive, wait_for
from tests.map_job import CARD, RIM, SETTINGS, StandIn, job, run
from tests.networks import save_tiny
from tests.scenes import EVENT_TIME, inner_area, simple_event
from tests.servers.files import range_server
from tests.servers.gateway import PASSWORD, dask_gateway
from tests.test_map_runs import content

GATEWAY = ClusterSettings(where="gateway", workers=2, wait=60)


@pytest.fixture(scope="module")
def server():
    """Its folder has a short name, as sockets in it must have."""
    folder = Path(tempfile.mkdtemp(prefix="gw"))
    try:
        with dask_gateway(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def hub(server):
    """Dask is configured as on a hub; whatever a test does, all its clusters are stopped."""
    with dask.config.set(server.configuration()):
        yield server
    wait_for(lambda: not list(server.clusters.iterdir()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("event")
    simple_event(folder)
    return folder


def words_of(folder):
    """The job, in options; a few small regions."""
    words = ["--source", str(folder / "items.json"), "--event-time", EVENT_TIME, "--event", "e"]
    words += ["--aoi", ",".join(map(str, inner_area(rim=RIM)))]
    for setting in ("core=32", "margin=16", "chunk_cores=2", "shard_chunks=1", "region_shards=1",
                    "engine=keras", "precision=float32"):  # fmt: skip
        words += ["--set", f"predict.{setting}"]
    return words


def test_cube_and_map_are_those_of_a_run_without_a_cluster(
    hub, folder, tmp_path, monkeypatch, capsys
):
    """By the command line, with a real network and paths that are relative."""
    save_tiny(tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    words, cluster = words_of(folder), ["--cluster", "gateway", "--workers", "2"]
    model = ["--model", "tiny"]
    assert main(["cube", *words, "--out", "cube.zarr"]) == 0
    assert main(["predict", *words, *model, "--out", "map.zarr"]) == 0
    capsys.readouterr()
    assert main(["cube", *words, *cluster, "--out", "there/cube.zarr"]) == 0
    said = capsys.readouterr().err
    assert f"of {hub.address}, 2 workers, 2 threads" in said
    assert f"Dashboard: {hub.address}/clusters/" in said
    assert main(["predict", *words, *model, *cluster, "--out", "there/map.zarr"]) == 0
    for store in ("cube.zarr", "map.zarr"):
        assert content(tmp_path / "there" / store) == content(tmp_path / store)


def test_a_worker_is_killed_on_the_way(hub, folder, tmp_path):
    run(folder, tmp_path / "whole.zarr")
    scenes, grid = job(folder, RIM)
    killed = []
    with connect(GATEWAY) as client:
        pids = list(ask(client, os.getpid).values())

        def watch(progress):
            if progress.done == 3 and not killed:
                os.kill(pids[0], signal.SIGKILL)
                killed.append(pids[0])

        running = Running(client, in_flight=3, watch=watch)
        model = StandIn(CARD, folder, pause=0.05)
        store = tmp_path / "map.zarr"
        map_region(scenes, grid, model, store, settings=SETTINGS, running=running)
        assert killed
        assert not is_alive(pids[0])
    assert content(store) == content(tmp_path / "whole.zarr")
    wait_for(lambda: not is_alive(pids[1]))


def test_a_cluster_is_stopped_after_a_failure(hub):
    pids = []

    def use():
        with connect(GATEWAY.model_copy(update={"workers": 1})) as client:
            pids.extend(ask(client, os.getpid).values())
            assert len(list(hub.clusters.iterdir())) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert len(pids) == 1
    wait_for(lambda: not is_alive(pids[0]))


def test_what_the_settings_ask_for_is_what_workers_have(hub):
    settings = ClusterSettings(
        where="gateway", workers=1, threads=2, memory="1.5 GiB", gpu=True, wait=60
    )
    with connect(settings) as client:
        (worker,) = client.scheduler_info(n_workers=-1)["workers"].values()
        assert (worker["nthreads"], worker["memory_limit"]) == (2, 3 * 2**29)
        assert worker["resources"] == {"GPU": 1}
        (variable,) = ask(client, lambda: os.environ["GDAL_CACHEMAX"]).values()
        assert variable == str(128 * 2**20)


# What is refused.


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"threads": 5}, "to take worker_cores = 5, but .*; choose another value"),
        (
            {"image": "mine"},
            r"an option for image \(image\), but it has worker_cores, worker_memory",
        ),
        ({"options": {"colour": "red"}}, r"an option for colour \(colour\), but it has"),
    ],
)
def test_what_a_gateway_does_not_offer(hub, given, words):
    settings = ClusterSettings(where="gateway", **given)
    with pytest.raises(ClusterError, match=words), connect(settings):
        pass
    assert not list(hub.clusters.iterdir())


def test_wrong_credentials(server, capsys):
    for log in ("text", "json"):
        with dask.config.set(server.configuration("wrong-word")):
            command = ["--log", log, "--log-level", "debug", "cluster", "check"]
            assert main([*command, "--cluster", "gateway"]) == 2
        said = capsys.readouterr().err
        assert "refused the credentials (401); set gateway.auth in Dask's configuration" in said
        assert "Traceback" not in said
        assert not any(word in said for word in ("wrong-word", PASSWORD, "Basic ", "dGVzd"))


def test_no_gateway_is_there_or_something_else_is(tmp_path, capsys):
    with range_server(tmp_path) as web:
        for address, words in {
            "http://127.0.0.1:9": "nothing answers there (ClientConnectorError); correct",
            "http://no-such-host.invalid": "nothing answers there (ClientConnectorDNSError); correct",
            web: "what answers there is none; correct gateway.address",
            "127.0.0.1:8000": "Expected the address of a dask-gateway in Dask's configuration, found",
            None: "Expected the address of a dask-gateway in Dask's configuration, found ''",
        }.items():
            configuration = {"gateway.address": address, "gateway.http-client.proxy": False}
            with dask.config.set(configuration):
                code = main(["cluster", "check", "--cluster", "gateway"])
            assert code == (1 if "nothing answers" in words else 2)
            assert words in error_of(capsys)


def test_a_cluster_that_does_not_start_in_time(hub):
    settings = GATEWAY.model_copy(update={"wait": 0.01})
    words = r"Expected cluster \w+ of the gateway .* to run, but it did not within 0.01 s"
    with pytest.raises(ClusterError, match=words), connect(settings):
        pass


def test_workers_that_never_come(hub):
    """They die as soon as they start."""
    broken = {"DASK_DISTRIBUTED__WORKER__PRELOAD": "['no_such_module']"}
    settings = GATEWAY.model_copy(update={"wait": 6.0})
    words = (
        r"Expected 2 workers of cluster \w+ of .*, but none came within 6 s; look at the gateway's limits on "
        r"workers, cores and memory, and the logs of cluster \w+, or give it more time \(cluster.wait\)"
    )
    configured = dask.config.set({"gateway.cluster.options": {"environment": broken}})
    with configured, pytest.raises(ClusterError, match=words), connect(settings):
        pass


def test_a_gateway_that_goes_away_hides_nothing(caplog):
    """What went wrong before counts; that a cluster may be left over is said."""
    folder = Path(tempfile.mkdtemp(prefix="gw"))

    def use():
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(dask_gateway(folder))
            settings = dask.config.set(server.configuration())
            with settings, connect(GATEWAY.model_copy(update={"workers": 1})):
                stack.close()
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    shutil.rmtree(folder, ignore_errors=True)
    assert "may still run (ClientConnectorError): stop it by hand." in caplog.text
