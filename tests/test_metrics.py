"""Prometheus metrics: what a map's job counts, its file, and what workers serve."""

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lscube import metrics
from lscube.cli import main
from lscube.cluster import ask
from lscube.errors import IncompleteError, StoreError
from lscube.mapping import Running, map_region
from lscube.mapping.store import FILLS, pixel_bytes
from lscube.metrics import Naming, exposition, writing
from tests.clusters import local_client
from tests.map_job import CARD, RIM, SETTINGS, StandIn, job, run
from tests.scenes import simple_event
from tests.servers.processes import content_of

NAMING = Naming("predict", "job-1", lambda: "run-1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("event")
    simple_event(folder)
    return folder


def counts(text: bytes | None = None) -> dict[str, float]:
    """Values by name and labels, as Prometheus itself reads them."""
    found = {}
    for family in text_string_to_metric_families((text or exposition()).decode()):
        for sample in family.samples:
            labels = ",".join(sample.labels[name] for name in sorted(sample.labels))
            found[f"{sample.name} {labels}".rstrip()] = sample.value
    return found


def grown(before: dict[str, float], name: str) -> float:
    return counts().get(name, 0.0) - before.get(name, 0.0)


def test_a_map_counts_its_regions_pixels_and_bytes(folder, tmp_path):
    before = counts()
    run(folder, tmp_path / "map.zarr")
    done = grown(before, "lscube_regions_total done")
    assert done > 4
    assert grown(before, "lscube_regions_total failed") == 0
    # Each region is one core.
    assert grown(before, "lscube_region_pixels_total") == done * 32 * 32
    # probability 4, observed 2, area 1, post_date 2, unreadable 2 for each side.
    assert pixel_bytes(1) == 4 + 2 + 1 + 2 + 3 * 2
    assert pixel_bytes(2) == pixel_bytes(1) + FILLS["spread"].dtype.itemsize
    assert grown(before, "lscube_region_bytes_total") == done * 32 * 32 * pixel_bytes(1)
    assert grown(before, "lscube_region_seconds_total") > 0
    assert 0 < grown(before, "lscube_windows_total") <= done
    assert grown(before, "lscube_reads_total done") > done
    assert counts()["lscube_regions_left"] == 0
    # What is there already is not counted again.
    before = counts()
    run(folder, tmp_path / "map.zarr")
    assert grown(before, "lscube_regions_total done") == 0


def test_what_fails_is_counted_too(folder, tmp_path):
    scenes, grid = job(folder, RIM)
    before = counts()
    model = StandIn(CARD, folder, broken=math.inf)
    with pytest.raises(IncompleteError) as caught:
        map_region(
            scenes,
            grid,
            model,
            tmp_path / "map.zarr",
            settings=SETTINGS,
            running=Running(attempts=2),
        )
    failed = len(caught.value.failed)
    assert failed > 1
    assert grown(before, "lscube_regions_total failed") == failed
    assert grown(before, "lscube_regions_total again") == failed
    assert counts()["lscube_regions_left"] == failed


def test_a_file_that_cannot_be_read_is_counted(tmp_path):
    from lscube.catalog import Patience
    from lscube.cube.opening import read_from
    from lscube.errors import SourceError

    before = counts()
    with pytest.raises(SourceError):
        read_from(str(tmp_path / "none.tif"), lambda file: None, str, Patience(attempts=2))
    assert grown(before, "lscube_reads_total failed") == 1
    assert grown(before, "lscube_reads_total again") == 0  # trying again is of no use


def test_the_file_is_written_while_the_job_runs_and_at_its_end(tmp_path):
    times = iter([0.0, 1.0, 5.0, 20.0, 21.0, 30.0, 31.0])
    path = tmp_path / "lscube.prom"

    def read(name):
        return counts(path.read_bytes())[name]

    with writing(path, NAMING, lambda: next(times)) as codes:
        assert read("lscube_job_exit_code") == -1
        metrics.tick()  # after 5 s: not yet
        assert read("lscube_job_seconds") == 1
        metrics.tick()  # after 20 s
        assert read("lscube_job_seconds") == 21
        assert read("lscube_job_end_timestamp_seconds") == 0
        codes.append(3)
    assert read("lscube_job_exit_code") == 3
    assert read("lscube_job_seconds") == 30
    assert read("lscube_job_end_timestamp_seconds") > 1.7e9
    assert [path.name for path in tmp_path.iterdir()] == ["lscube.prom"]


def test_a_job_that_breaks_down_is_no_success(tmp_path):
    path = tmp_path / "lscube.prom"
    with pytest.raises(ZeroDivisionError), writing(path, NAMING):
        1 / 0  # noqa: B018
    assert counts(path.read_bytes())["lscube_job_exit_code"] == 1
    metrics.tick()  # nobody writes any more


def test_the_file_has_nothing_that_node_exporter_has_itself(tmp_path):
    with writing(tmp_path / "a.prom", NAMING):
        pass
    text = (tmp_path / "a.prom").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines
    assert all(line.startswith("lscube_") and "_created" not in line for line in lines)


def test_by_the_command_line(tmp_path, capsys):
    path = tmp_path / "lscube.prom"
    assert main(["--metrics", str(path), "events"]) == 0
    found = counts(path.read_bytes())
    assert found["lscube_job_exit_code"] == 0
    (info,) = [name for name in found if name.startswith("lscube_job_info")]
    command, job_, run_, version = info.removeprefix("lscube_job_info ").split(",")
    assert (command, version) == ("events", "0.1.0")
    assert job_ == run_
    words = ["cube", "--job", str(tmp_path / "none.toml"), "--out", str(tmp_path / "c")]
    assert main(["--metrics", str(path), *words]) == 2
    assert counts(path.read_bytes())["lscube_job_exit_code"] == 2


def test_a_file_that_cannot_be_written_is_bad_input(tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError), writing(tmp_path / "file" / "a.prom", NAMING):
        pass
    assert main(["--metrics", str(tmp_path / "file" / "a.prom"), "events"]) == 2
    assert capsys.readouterr().err.startswith("Error: Expected to write ")


def test_workers_serve_what_they_count():
    """At the address of Dask's own metrics."""

    def count():
        from lscube import metrics

        metrics.WINDOWS.inc(5)

    with local_client() as client:
        ask(client, count)
        worker, *_ = client.scheduler_info(n_workers=-1)["workers"].values()
        served = content_of(f"http://{worker['host']}:{worker['services']['dashboard']}/metrics")
    found = counts(served)
    assert found["lscube_windows_total"] == 5
    assert any(name.startswith("dask_worker_") for name in found)
