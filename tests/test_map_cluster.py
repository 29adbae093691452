"""Maps made by Dask workers: the same bytes, one model per process, the right places, deaths."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import distributed
import pytest
from distributed.comm.core import CommClosedError

from lscube.cli import main
from lscube.cluster import connect
from lscube.errors import ClusterError, NoClusterError
from lscube.mapping import Running, map_region
from lscube.mapping.running import Workers
from lscube.settings import ClusterSettings
from tests.clusters import wait_for
from tests.map_job import CARD, RIM, SETTINGS, StandIn, job, run
from tests.networks import save_tiny
from tests.scenes import EVENT_TIME, inner_area, simple_event
from tests.test_map_runs import content


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("event")
    simple_event(folder)
    return folder


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    store = tmp_path_factory.mktemp("whole") / "map.zarr"
    run(folder, store)
    return content(store)


class Cluster:
    """A scheduler and workers as processes, by the programs that a cluster uses."""

    def __init__(self, folder, resources=("", "")):
        self.folder = folder
        file = folder / "scheduler.json"
        common = ["--host", "127.0.0.1", "--no-dashboard"]
        words = ["scheduler", "--port", "0", "--scheduler-file", str(file), *common]
        self.scheduler = self._start(words)
        self.workers = [self._worker(file, resource) for resource in resources]
        self.client = distributed.Client(scheduler_file=str(file), timeout=60)
        self.client.wait_for_workers(len(resources), timeout=60)

    def _start(self, words):
        command = [sys.executable, "-m", "dask", *words]
        environment = {**os.environ, "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"}
        with (self.folder / f"{words[0]}.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def _worker(self, file, resource):
        words = ["worker", "--scheduler-file", str(file), "--nthreads", "2", "--no-nanny"]
        words += ["--host", "127.0.0.1", "--no-dashboard", "--local-directory", str(self.folder)]
        words += ["--death-timeout", "60"]
        return self._start(words + (["--resources", resource] if resource else []))

    def add_worker(self):
        self.workers.append(self._worker(self.folder / "scheduler.json", ""))

    def fill_up(self):
        """Have two workers again."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < 2:
            self.add_worker()
        wait_for(lambda: len(self.client.scheduler_info(n_workers=-1)["workers"]) == 2)

    def close(self):
        self.client.close(timeout=5)
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """For all tests, as processes take seconds to start; the last one ends its scheduler."""
    one = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield one
    finally:
        one.close()


def test_each_process_opens_the_model_once_and_the_graph_does_not_hold_it(
    cluster, folder, tmp_path, capsys
):
    """By the command line, on two workers with two threads each."""
    scenes, grid = job(folder, RIM)
    model = save_tiny(tmp_path / "tiny")
    map_region(scenes, grid, model, tmp_path / "here.zarr", settings=SETTINGS)
    words = ["--source", str(folder / "items.json"), "--event-time", EVENT_TIME]
    words += ["--aoi", ",".join(map(str, inner_area(rim=RIM))), "--event", "e"]
    for name, value in SETTINGS.model_dump(exclude_unset=True).items():
        words += ["--set", f"predict.{name}={value}"]
    words += ["--scheduler", cluster.client.scheduler.address, "--model", str(model.folder)]
    assert main(["predict", *words, "--out", str(tmp_path / "map.zarr")]) == 0
    assert "Mapping: 0 of" in capsys.readouterr().err
    assert content(tmp_path / "map.zarr") == content(tmp_path / "here.zarr")

    def opened():
        import tensorflow as tf

        from lscube.learn.bundle import _open

        return _open.cache_info().misses, tf.config.threading.get_intra_op_parallelism_threads()

    assert list(cluster.client.run(opened).values()) == [(1, 2), (1, 2)]
    network = (tmp_path / "tiny" / "model.keras").stat().st_size
    assert len(pickle.dumps(model)) < 10_000 < network


def test_no_scheduler_at_the_address(capsys):
    with (
        pytest.raises(
            ClusterError, match=r"Expected a Dask scheduler at tcp://127.0.0.1:9, but none"
        ),
        connect(ClusterSettings(where="tcp://127.0.0.1:9", wait=0.5)),
    ):
        pass
    with pytest.raises(ClusterError, match="at nowhere://x, but none"), connect("nowhere://x"):
        pass


@dataclass(frozen=True)
class Telling(StandIn):
    """Notes which process predicts."""

    def predict(self, windows):
        (self.folder / f"predicted-{os.getpid()}").touch()
        return super().predict(windows)


@pytest.fixture
def gpu_client(tmp_path):
    """Of a cluster whose workers differ, and opened no file before."""
    (tmp_path / "cluster").mkdir()
    one = Cluster(tmp_path / "cluster", resources=("GPU=1", ""))
    try:
        yield one.client
    finally:
        one.close()


def test_gpu_workers_predict_and_others_read(gpu_client, folder, whole, tmp_path):
    client = gpu_client
    scenes, grid = job(folder, RIM)
    model = Telling(CARD, tmp_path, pause=0.01)
    store = tmp_path / "map.zarr"
    map_region(scenes, grid, model, store, settings=SETTINGS, running=Running(client))
    assert content(store) == whole
    pids = client.run(os.getpid)
    gpu = {
        pids[address]
        for address, worker in client.scheduler_info(n_workers=-1)["workers"].items()
        if "GPU" in worker["resources"]
    }
    assert {int(path.name.split("-")[1]) for path in tmp_path.glob("predicted-*")} == gpu
    # Both workers have files of the scenes open: the other one was not idle.
    assert all(client.run(has_scenes_open).values())


def has_scenes_open():
    """Whether this process keeps scenes open, by its file descriptors."""
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(descriptor.readlink())
    return any(link.suffix == ".tif" for link in links)


def map_watched(cluster, folder, store, watch, in_flight=3):
    """Map slowly enough for what `watch` does on the way."""
    scenes, grid = job(folder, RIM)
    running = Running(cluster.client, in_flight=in_flight, watch=watch)
    model = StandIn(CARD, folder, pause=0.05)
    map_region(scenes, grid, model, store, settings=SETTINGS, running=running)


def test_killed_workers_do_not_matter(cluster, folder, whole, tmp_path):
    cluster.fill_up()
    killed = []

    def watch(progress):
        if progress.done in (2, 5, 9) and len(killed) < 3 and progress.done not in killed:
            killed.append(progress.done)
            cluster.workers[0].send_signal(signal.SIGKILL)
            cluster.workers.pop(0).wait()
            cluster.add_worker()

    store = tmp_path / "map.zarr"
    map_watched(cluster, folder, store, watch)
    assert killed == [2, 5, 9]
    assert content(store) == whole


def test_results_that_die_with_their_workers_are_computed_again(cluster, folder, whole, tmp_path):
    cluster.fill_up()
    lost = []

    def watch(progress):
        # What is at work now was not among what this run waited for before.
        states = [state for state in cluster.client.futures.values() if state.status == "pending"]
        if lost or not states:
            return
        wait_for(lambda: all(state.status == "finished" for state in states))
        for worker in cluster.workers:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        wait_for(lambda: all(state.status == "lost" for state in states))
        lost.extend(states)
        cluster.add_worker()

    store = tmp_path / "map.zarr"
    map_watched(cluster, folder, store, watch)
    assert lost
    assert content(store) == whole


def test_without_its_scheduler_a_run_ends_and_can_be_resumed(cluster, folder, whole, tmp_path):
    cluster.fill_up()

    def watch(progress):
        if progress.done == 4:
            cluster.scheduler.kill()
            cluster.scheduler.wait()

    store = tmp_path / "map.zarr"
    before = time.monotonic()
    with pytest.raises(ClusterError, match=r"scheduler .* is gone"):
        map_watched(cluster, folder, store, watch, in_flight=2)
    assert time.monotonic() - before < 60
    log = tmp_path / "log"
    run(folder, store, log)
    assert int(log.read_text().split()[0]) >= 4
    assert content(store) == whole


def test_a_scheduler_that_goes_before_it_was_told_is_no_fault_of_the_store():
    """Dask's error is an OSError, as a full disk's is."""

    class Gone:
        def result(self):
            raise CommClosedError("in <TLS (closed) ConnectionPool.gather>")

    with pytest.raises(NoClusterError, match="scheduler to the end of the run"):
        Workers(None, 1).result(Gone())
