"""Getting a cluster on every way, what its workers get, and what is refused in one sentence."""

import json
import os
import signal
import subprocess
import sys

import dask
import distributed
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lscube.cli import main
from lscube.cluster import (
    ask,
    computing_on,
    connect,
    on_a_worker,
    worker_arguments,
    worker_environment,
)
from lscube.cluster.local import Machine, Shares, open_local, share_out, this_machine
from lscube.errors import ClusterError, ModelError, SettingsError
from lscube.settings import ClusterSettings, bytes_of, make_cluster, make_job
from tests.clusters import is_alive, local_client

ONE = ClusterSettings(where="local", workers=1, threads=1, memory="2 GB")
BIG = Machine(cores=16, memory=64 * 10**9, gpus=("0", "1"))


@pytest.fixture(scope="module")
def client():
    with local_client() as client:
        yield client


# What is asked for.


@pytest.mark.parametrize(
    ("variable", "seen"),
    [
        (None, ("0", "1")),
        ("1", ("1",)),
        ("", ()),
        ("GPU-8a5c, 3", ("GPU-8a5c", "3")),
        ("1,-1,0", ("1",)),
    ],
)
def test_gpus_are_those_that_this_process_may_use(tmp_path, variable, seen):
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    environment = {} if variable is None else {"CUDA_VISIBLE_DEVICES": variable}
    assert this_machine(tmp_path, environment).gpus == seen
    assert this_machine(tmp_path / "none", {}).gpus == ()


def test_without_a_gpu_none_is_given_to_workers():
    opener = open_local(ClusterSettings(where="local", gpu=True), lambda: Machine(2, 10**10, ()))
    with pytest.raises(ClusterError, match=r"Expected a GPU of NVIDIA's .* found none"), opener:
        pass


def test_by_default_threads_of_this_process_compute():
    for nothing in (None, "threads", ClusterSettings()):
        with connect(nothing) as client, computing_on(client):
            assert client is None


@pytest.mark.parametrize(
    ("given", "shares"),
    [
        ({}, Shares(4, 4, 16 * 10**9)),
        ({"workers": 2}, Shares(2, 8, 32 * 10**9)),
        ({"threads": 8}, Shares(2, 8, 32 * 10**9)),
        ({"gpu": True}, Shares(2, 8, 32 * 10**9)),
        ({"workers": 3, "threads": 1, "memory": "1 GiB"}, Shares(3, 1, 2**30)),
        ({"workers": 40}, Shares(40, 1, 1_600_000_000)),
    ],
)
def test_a_machine_is_shared_out(given, shares):
    assert share_out(ClusterSettings(where="local", **given), BIG) == shares


def test_a_small_machine_has_one_worker():
    assert share_out(ClusterSettings(where="local"), Machine(2, 8, ())) == Shares(1, 2, 8)


@given(st.integers(1, 10**6), st.sampled_from(["", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"]))
def test_amounts_of_memory(number, unit):
    power = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}[unit.lower().removesuffix("i")]
    expected = number * (1024 if unit.endswith("i") else 1000) ** power
    for written in (f"{number}{unit}", f"{number} {unit}B", f" {number} {unit.lower()}b"):
        assert bytes_of(written) == expected
        assert ClusterSettings(where="local", memory=written).memory == written


@pytest.mark.parametrize("amount", ["", "G", "-1 GB", "0 GB", "1 PB", "1 GB 2", "nan"])
def test_what_is_no_amount_of_memory(amount):
    with pytest.raises(SettingsError, match="memory: must be an amount of memory such as"):
        make_cluster({"where": "local", "memory": amount})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"where": "cloud"}, "where: is one of threads, local, .* not 'cloud'"),
        ({"workers": 2}, "workers is of no use with where = 'threads'"),
        ({"where": "local", "image": "i"}, "image is of no use with where = 'local'"),
        ({"where": "tcp://h:1", "gpu": True, "memory": "1 GB"}, "gpu, memory is of no use"),
        ({"where": "local", "workers": 0}, "workers: Input should be greater than or equal to 1"),
        ({"where": "local", "wokers": 1}, "unknown setting 'wokers'"),
    ],
)
def test_settings_that_do_not_go_together(content, words):
    with pytest.raises(SettingsError, match=words):
        make_cluster(content)


def test_a_job_has_a_section_and_the_command_line_takes_its_place(tmp_path, capsys):
    """--cluster as a whole; a single option only itself."""
    from lscube.cli.clusters import ClusterOptions

    content = {"event": {"id": "e"}, "source": {"catalogs": "a.json"}}
    section = {"where": "gateway", "image": "mine", "workers": 4, "wait": 5}
    job = make_job({**content, "cluster": section}, tmp_path)
    nothing = ClusterOptions(None, None, None, None, False, None)
    assert nothing.settings(job.cluster) == ClusterSettings(**section)
    assert nothing.settings() == ClusterSettings()
    more = ClusterOptions(None, 8, 2, "8 GB", True, None).settings(job.cluster)
    given = {"workers": 8, "threads": 2, "memory": "8 GB", "gpu": True}
    assert more == ClusterSettings(**{**section, **given})
    elsewhere = ClusterOptions("local", 1, None, None, False, None).settings(job.cluster)
    assert elsewhere == ClusterSettings(where="local", workers=1, wait=5)


COMPUTING = (
    "cube",
    "train",
    "predict",
    "evaluate",
    "inventory",
    "report",
    "reproduce",
    "experiment run",
)


@pytest.mark.parametrize("command", [*COMPUTING, "cluster check"])
def test_commands_that_compute_have_the_same_options(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    for option in ("--cluster, --scheduler WHERE", "--workers", "--worker-threads", "--worker-memory",
                   "--gpu", "--image"):  # fmt: skip
        assert option in shown


# What workers get.


def test_the_environment_is_what_dask_and_gdal_understand():
    """By a process that has it."""
    code = """
import json, dask, distributed
from rasterio.env import get_gdal_config
import rasterio
with rasterio.Env():
    gdal = get_gdal_config("GDAL_CACHEMAX"), get_gdal_config("GDAL_DISABLE_READDIR_ON_OPEN")
names = ("worker.resources", "worker.multiprocessing-method", "scheduler.allowed-failures",
         "scheduler.no-workers-timeout",
         "comm.timeouts.connect", "comm.retry.count")
print(json.dumps([[dask.config.get("distributed." + name) for name in names], gdal]))
"""
    variables = worker_environment(gpu=True)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, **variables},
    )  # fmt: skip
    dask_has, gdal_has = json.loads(done.stdout)
    assert dask_has == [{"GPU": 1}, "spawn", 10, "30m", "60s", 3]
    assert gdal_has == [128 * 2**20, "EMPTY_DIR"]
    assert "DASK_DISTRIBUTED__WORKER__RESOURCES" not in worker_environment()
    assert worker_arguments(gpu=True)[-2:] == ["--resources", "GPU=1"]


def test_reads_are_set_up_the_same_in_workers_and_elsewhere():
    from lscube.cube.opening import GDAL_SETTINGS

    assert {name: str(value) for name, value in GDAL_SETTINGS.items()}.items() <= (
        worker_environment().items()
    )


def test_the_environment_can_be_printed_in_four_forms(capsys):
    def printed(style):
        assert main(["cluster", "settings", "--gpu", "--as", style]) == 0
        return capsys.readouterr().out

    expected = worker_environment(gpu=True)
    assert dict(line.split("=", 1) for line in printed("env").splitlines()) == expected
    script = f"{printed('shell')}env"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert {f"{name}={value}" for name, value in expected.items()} <= set(done.stdout.splitlines())
    assert json.loads(printed("json")) == expected
    listed = yaml.safe_load(printed("yaml"))
    assert {entry["name"]: entry["value"] for entry in listed} == expected


# Processes of this machine.


def test_local_workers_are_spawned_processes_with_what_they_need(client):
    def look():
        import multiprocessing

        names = ("CUDA_VISIBLE_DEVICES", "TF_CPP_MIN_LOG_LEVEL", "GDAL_CACHEMAX")
        return os.getpid(), multiprocessing.parent_process() is not None, [
            os.environ[name] for name in names
        ]  # fmt: skip

    pids, spawned, variables = zip(*ask(client, look).values(), strict=True)
    assert len({*pids, os.getpid()}) == 3
    assert all(spawned)
    assert [v[1:] for v in variables] == [["2", str(128 * 2**20)]] * 2
    assert {v[0] for v in variables} == {"0"}
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    assert [(w["nthreads"], w["memory_limit"], w["resources"]) for w in workers] == [
        (1, 2 * 10**9, {"GPU": 1})
    ] * 2
    assert client.cluster.scheduler.allowed_failures == 10


def test_each_gpu_has_its_worker():
    from lscube.cluster.local import _gpu

    settings = ClusterSettings(where="local", gpu=True)
    seen = [_gpu(number, settings, BIG)["CUDA_VISIBLE_DEVICES"] for number in range(4)]
    assert seen == ["0", "1", "0", "1"]
    assert _gpu(0, ClusterSettings(where="local"), BIG) == {}


def test_what_dask_computes_is_computed_on_the_cluster_from_any_thread(client):
    from concurrent.futures import ThreadPoolExecutor

    where = dask.delayed(os.getpid, pure=False)
    workers = set(ask(client, os.getpid).values())
    assert where().compute() == os.getpid()
    with computing_on(client), ThreadPoolExecutor(1) as pool:
        assert where().compute() in workers
        assert pool.submit(where().compute).result() in workers
    assert where().compute() == os.getpid()


def use_and_fail(client, pids):
    pids += ask(client, os.getpid).values()
    assert is_alive(*pids)
    raise ZeroDivisionError


def test_the_cluster_ends_with_the_block_also_after_a_failure():
    told, pids = [], []
    with pytest.raises(ZeroDivisionError), connect(ONE, told.append) as client:
        use_and_fail(client, pids)
    assert not is_alive(*pids)
    assert client.status == "closed"
    assert told[0] == "Cluster: this machine, 1 worker, 1 threads"
    assert told[1].startswith("Dashboard: http://127.0.0.1:")


STOPPED = """
import os, signal, sys, time
from lscube.__main__ import _stop
from lscube.cluster import ask, connect
from lscube.settings import ClusterSettings

signal.signal(signal.SIGTERM, _stop)
with connect(ClusterSettings(where="local", workers=1, threads=1, memory="2 GB")) as client:
    print(*ask(client, os.getpid).values(), flush=True)
    time.sleep(60)
"""


def test_a_job_that_is_told_to_stop_leaves_no_worker():
    with subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE) as process:
        pid = int(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    assert not is_alive(pid)


def test_workers_log_without_secrets(client):
    """What Dask itself logs of a task that failed holds its arguments."""

    def fail(href):
        raise OSError(f"cannot read {href}")

    future = client.submit(fail, "https://host/a.tif?sig=Zq4711word", pure=False)
    assert isinstance(future.exception(), OSError)
    logged = str(client.get_worker_logs())
    assert "https://host/a.tif" in logged
    assert "4711" not in logged


# A step as one task.


def doubled(number, folder):
    if number < 0:
        raise ModelError("Expected more, got less; give more.")
    folder.mkdir()
    return 2 * number, os.getpid(), dask.config.get("scheduler")


def test_a_step_is_done_by_a_worker(client, tmp_path):
    result, pid, threads = on_a_worker(client, tmp_path / "a", doubled, 4, tmp_path / "a")
    assert (result, threads) == (8, "threads")
    assert pid in ask(client, os.getpid).values()
    with pytest.raises(ModelError, match="Expected more"):
        on_a_worker(client, tmp_path / "b", doubled, -4, tmp_path / "b")


def test_a_step_whose_workers_die_ends_in_a_sentence(tmp_path):
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as own,
        distributed.Client(own, set_as_default=False) as client,
        pytest.raises(ClusterError, match="Expected a worker to finish a, but it was lost"),
    ):
        on_a_worker(client, tmp_path / "a", os._exit, 1)
