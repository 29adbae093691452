"""What a cluster is refused for, each in one sentence, before anything is computed."""

import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dask
import distributed
import pytest

from lscube.cli import main
from lscube.cluster import Link, ask, check_folder, connect
from lscube.cluster.address import open_address
from lscube.cluster.versions import check_versions
from lscube.errors import ClusterError, ModelError, NoClusterError, exit_code
from lscube.learn import LoadedModel
from lscube.learn.bundle import NETWORK, digest
from lscube.mapping.layout import Region
from lscube.mapping.running import Running, Workers, run_regions
from lscube.mapping.workers import check_models
from lscube.settings import ClusterSettings
from tests.clusters import error_of, local_client, scheduler, started, worker
from tests.map_job import CARD, StandIn
from tests.servers.processes import free_port


@pytest.fixture(scope="module")
def client():
    with local_client() as client:
        yield client


def test_no_scheduler_answers(capsys):
    with (
        pytest.raises(
            ClusterError, match=r"Expected a Dask scheduler at tcp://127.0.0.1:9, but none answered"
        ),
        connect(ClusterSettings(where="tcp://127.0.0.1:9", wait=0.5)),
    ):
        pass


def test_workers_that_never_come(tmp_path, capsys):
    with scheduler(tmp_path) as address:
        settings = ClusterSettings(where=address, wait=3)
        words = (
            rf"Expected 1 worker of the scheduler at {address}, but none came within 3 s; look at whether "
            rf"`dask worker {address}` runs anywhere, and what its log says, or give it more time"
        )
        with pytest.raises(ClusterError, match=words), connect(settings):
            pass


def test_with_some_of_the_workers_the_job_begins(tmp_path, caplog):
    told = []
    with scheduler(tmp_path) as address, worker(tmp_path, address):
        with connect(address, told.append) as client:
            assert len(client.nthreads()) == 1
        settings = ClusterSettings(where=address, workers=2, wait=3)
        with connect(settings, told.append) as client:
            assert len(client.nthreads()) == 1
        # Somebody else's cluster goes on, without what was put on it.
        with distributed.Client(address, set_as_default=False) as client:
            assert client.nthreads()
    assert "1 of 2 workers" in caplog.text
    assert f"Waiting for 2 workers of the scheduler at {address}" in told


OTHER = """
from distributed import versions

def lying(packages, real=versions.get_package_info):
    return {{**real(packages), {package!r}: {version!r}}}

if versions.get_package_info.__name__ != "lying":  # Dask runs this twice
    versions.get_package_info = lying
"""


@pytest.mark.parametrize(
    ("package", "version"),
    [("distributed", "2024.1.0"), ("python", "3.9.18.final.0"), ("lscube", None)],
)
def test_a_scheduler_of_another_version(tmp_path, capsys, package, version):
    """A real one that says it is another."""
    preload = OTHER.format(package=package, version=version)
    with scheduler(tmp_path, preload) as address, worker(tmp_path, address):
        assert main(["cluster", "check", "--cluster", address]) == 2
    error = error_of(capsys)
    assert error.startswith(f"Error: Expected {package} ")
    shown = "none" if version is None else version.removesuffix(".final.0")
    assert f" on the scheduler, as here, but it has {shown}; use one image" in error


def client_with(scheduler=None, worker=None):
    """A client whose scheduler and worker differ from it in some versions."""
    ours = {
        "python": "3.11.7.final.0", "dask": "2026.8.0", "distributed": "2026.8.0", "lscube": "0.1.0",
        "msgpack": "1.2.4", "cloudpickle": "3.1.2", "numpy": "2.4.6", "zarr": "3.1.6", "xarray": "2026.9.0",
        "rasterio": "1.4.4", "stackstac": "0.5.1", "tornado": "6.6.1",
    }  # fmt: skip
    found = {
        "client": {"packages": ours},
        "scheduler": {"packages": {**ours, **(scheduler or {})}},
        "workers": {"tcp://w:1": {"packages": {**ours, **(worker or {})}}},
    }

    class Client:
        def get_versions(self, packages):
            assert {*packages, "python"} == set(ours)
            return found

    return Client()


@pytest.mark.parametrize(
    ("differing", "words"),
    [
        ({"worker": {"python": "3.12.1.final.0"}}, "python 3.11.7 on worker tcp://w:1, .* 3.12.1"),
        ({"worker": {"dask": "2026.8.1"}}, "dask 2026.8.0 on worker"),
        ({"scheduler": {"distributed": "2026.7.0"}}, "distributed 2026.8.0 on the scheduler"),
        ({"worker": {"lscube": "0.2.0"}}, "lscube 0.1.0 on worker .* 0.2.0"),
        ({"worker": {"lscube": None}}, "lscube 0.1.0 on worker .* it has none"),
        ({"worker": {"zarr": "2.18.0"}}, "zarr 3.1.6 on worker"),
        ({"worker": {"numpy": None}}, "numpy 2.4.6 on worker"),
        ({"scheduler": {"msgpack": "0.6.2"}}, "msgpack 1.2.4 on the scheduler"),
    ],
)
def test_versions_that_would_break_a_run_are_refused(differing, words):
    with pytest.raises(ClusterError, match=f"Expected {words}"):
        check_versions(client_with(**differing))


def test_other_differences_are_told(caplog):
    check_versions(client_with())
    assert caplog.text == ""
    # The scheduler computes nothing: NumPy and rasterio do not matter there.
    check_versions(client_with({"numpy": None, "rasterio": None}))
    assert caplog.text == ""
    check_versions(
        client_with(worker={"python": "3.11.9.final.0", "zarr": "3.1.5", "rasterio": None})
    )
    assert "Versions differ on worker tcp://w:1: python 3.11.9 (here 3.11.7)" in caplog.text
    assert "zarr 3.1.5 (here 3.1.6), rasterio none (here 1.4.4)" in caplog.text


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("keras", r"keras is not installed \(extra 'cpu' or 'gpu'\)"),
        ("tensorflow", r"tensorflow is not installed \(extra 'cpu' or 'gpu'\)"),
        ("openvino", r"openvino is not installed \(extra 'openvino'\)"),
    ],
)
def test_a_worker_without_what_computes_the_network(tmp_path, package, words):
    (tmp_path / NETWORK).write_bytes(b"weights")
    card = CARD.model_copy(update={"sha256": digest(tmp_path / NETWORK)})
    model = LoadedModel(card, tmp_path, engine="openvino")
    gone = f"import sys\nsys.modules[{package!r}] = None\n"
    expected = rf"on tcp://.* \(1 of 1\) {words}; put the model"
    with (
        scheduler(tmp_path) as address,
        worker(tmp_path, address, gone),
        connect(address) as client,
        pytest.raises(ClusterError, match=expected),
    ):
        check_models(client, [model], None)


def test_a_worker_without_the_models_file_or_with_another(client, tmp_path):
    model = LoadedModel(CARD, tmp_path)
    with pytest.raises(ClusterError, match=rf"\(2 of 2\) there is no file {tmp_path}/{NETWORK}"):
        check_models(client, [model], {"GPU": 1})
    (tmp_path / NETWORK).write_bytes(b"others")
    with pytest.raises(
        ClusterError, match=rf"{NETWORK} is another network \(sha256 [0-9a-f]{{12}}"
    ):
        check_models(client, [model], None)
    # Where no worker predicts, none needs it.
    check_models(client, [model], {"TPU": 1})
    check_models(client, [StandIn(CARD, tmp_path)], None)


def test_a_folder_that_workers_do_not_see(tmp_path, client):
    check_folder(client, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert not list((tmp_path / "new").iterdir())

    class Elsewhere:
        def run(self, question, workers, on_error):
            return {"tcp://a:1": True, "tcp://b:1": False}

    words = rf"Expected all workers to see the folder {tmp_path}, but tcp://b:1 \(1 of 2\) does not"
    with pytest.raises(ClusterError, match=words):
        check_folder(Elsewhere(), tmp_path)
    check_folder(None, Path("/proc/none"))


def test_a_worker_that_cannot_answer(client):
    def fail():
        raise LookupError("nothing there")

    def refuse():
        raise ModelError("Expected this, got that; do it.")

    with pytest.raises(
        ClusterError, match=r"to answer, but it failed \(LookupError: nothing there\)"
    ):
        ask(client, fail)
    with pytest.raises(ModelError, match="Expected this"):
        ask(client, refuse)


def test_workers_that_are_gone_for_long_end_the_job():
    @contextmanager
    def opener(settings):
        with (
            dask.config.set({"distributed.scheduler.no-workers-timeout": "500ms"}),
            distributed.LocalCluster(
                n_workers=1, processes=False, dashboard_address="127.0.0.1:0"
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            yield Link(client, "a cluster", 1, "the sky")

    words = (
        r"Expected workers of a cluster to the end of the job, but for 0.5 s none could .* the sky"
    )

    def run():
        with connect("local", openers={"local": opener}) as client:
            client.retire_workers(list(client.nthreads()))
            region = Region(0, 0, slice(1), slice(1))
            run_regions([region], lambda region: dask.delayed(int)(3), print, Running(client))

    with pytest.raises(NoClusterError, match=words):
        run()


def test_regions_in_flight_follow_the_workers_that_are_there():
    workers = {"tcp://a:1": 16}

    class Client:
        def nthreads(self):
            return workers

    backend, fixed = Workers(Client(), None), Workers(Client(), 7)
    assert (backend.in_flight, fixed.in_flight) == (2, 7)
    workers |= {f"tcp://b:{port}": 16 for port in range(9)}
    assert (backend.in_flight, fixed.in_flight) == (11, 7)


def test_what_may_pass_is_another_exit_code_than_bad_input():
    assert [exit_code(kind("")) for kind in (NoClusterError, ClusterError)] == [1, 2]


def test_a_scheduler_may_come_as_late_as_was_said(tmp_path):
    port, begun = free_port(), []

    def begin():
        begun.append(time.monotonic())
        words = ["scheduler", "--host", "127.0.0.1", "--port", str(port)]
        begun.append(stack.enter_context(started(tmp_path, words)))

    with ExitStack() as stack:
        timer = threading.Timer(2, begin)
        timer.start()
        settings = ClusterSettings(where=f"tcp://127.0.0.1:{port}", wait=40)
        with open_address(settings) as link:
            assert link.client.nthreads() == {}
        timer.join()
        assert begun


def test_any_opener_is_closed_after_a_failure():
    closed = []

    class Client:
        status = "running"

        def nthreads(self):
            return {}

        def wait_for_workers(self, number, timeout):
            raise TimeoutError

    @contextmanager
    def opener(settings):
        try:
            yield Link(Client(), "a cluster", 3, "the sky")
        finally:
            closed.append(settings.where)

    with (
        pytest.raises(
            ClusterError, match=r"Expected 3 workers of a cluster, .* look at the sky, or"
        ),
        connect("local", openers={"local": opener}),
    ):
        pass
    assert closed == ["local"]
