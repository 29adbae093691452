"""A batch system: dask-jobqueue's own Slurm cluster, with programs that play Slurm's."""

import os
import stat
from functools import partial
from pathlib import Path

import dask
import dask_jobqueue  # noqa: F401 - its defaults, before tests change them
import pytest

from lscube.cli import main
from lscube.cluster import ask, connect
from lscube.cluster.hpc import find_system, job_options, open_hpc
from lscube.errors import ClusterError
from lscube.settings import ClusterSettings
from tests.clusters import error_of, is_alive, wait_for

SBATCH = """#!/bin/sh
# Runs the script, says its process's number as the job's.
cp "$1" "$(dirname "$0")/script"
sh "$(dirname "$0")/script" > "$(dirname "$0")/log" 2>&1 < /dev/null &
echo $! >> "$(dirname "$0")/jobs"
echo "Submitted batch job $!"
"""

SCANCEL = """#!/bin/sh
for child in $(cat /proc/$1/task/$1/children); do kill "$child"; done
kill "$1"
"""

REFUSING = """#!/bin/sh
echo "sbatch: error: invalid account or account/partition combination specified" >&2
exit 1
"""

LOCAL = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Slurm's programs in the way, and dask-jobqueue configured as a site would."""

    def install(name, text):
        program = tmp_path / name
        program.write_text(text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    install("sbatch", SBATCH)
    install("scancel", SCANCEL)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    site = {
        "cores": 1, "memory": "2 GB", "queue": "long", "account": "hills", "walltime": "01:00:00",
        "job-script-prologue": ["# the site's own"], "scheduler-options": LOCAL,
    }  # fmt: skip
    with dask.config.set({f"jobqueue.slurm.{name}": value for name, value in site.items()}):
        yield install


def jobs_of(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "jobs").read_text().split()]


def test_workers_are_jobs_that_are_cancelled_in_the_end(slurm, tmp_path):
    used = {}

    def use():
        with connect(ClusterSettings(where="hpc", workers=1, gpu=True, wait=60)) as client:
            used["pids"] = ask(client, os.getpid).values()
            (variable,) = ask(client, lambda: os.environ["GDAL_CACHEMAX"]).values()
            assert variable == str(128 * 2**20)
            (worker,) = client.scheduler_info(n_workers=-1)["workers"].values()
            assert (worker["nthreads"], worker["memory_limit"]) == (
                1,
                pytest.approx(2e9, rel=0.01),
            )
            assert worker["resources"] == {"GPU": 1}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    (number,) = jobs_of(tmp_path)
    wait_for(lambda: not any(map(is_alive, [number, *used["pids"]])))
    script = (tmp_path / "script").read_text()
    # The site's configuration, and what this work needs.
    for line in ("#SBATCH -p long", "#SBATCH -A hills", "#SBATCH -t 01:00:00", "# the site's own",
                 "export DASK_DISTRIBUTED__WORKER__RESOURCES='{'\"'\"'GPU'\"'\"': 1}'"):  # fmt: skip
        assert line in script.splitlines()


def test_a_job_whose_time_is_over_is_submitted_anew(slurm, tmp_path):
    soon = {"distributed.deploy.lost-worker-timeout": "1s"}
    with (
        dask.config.set(soon),
        connect(ClusterSettings(where="hpc", workers=1, wait=60)) as client,
    ):
        (first,) = jobs_of(tmp_path)
        (address,) = client.nthreads()
        client.retire_workers([address], close_workers=True)
        wait_for(lambda: not is_alive(first))
        wait_for(lambda: len(jobs_of(tmp_path)) == 2)
        assert client.submit(int, 3, pure=False).result(timeout=60) == 3
    wait_for(lambda: not any(map(is_alive, jobs_of(tmp_path))))
    assert len(jobs_of(tmp_path)) == 2


def test_settings_count_more_than_the_sites_configuration(slurm):
    given = ClusterSettings(where="hpc", threads=8, memory="32 GB")
    options = job_options(given, "slurm")
    assert (options["cores"], options["memory"], options["processes"]) == (8, "32 GB", 1)
    assert "--resources" not in options["worker_extra_args"]


def test_what_a_site_left_out_or_set_itself(slurm):
    own = {"worker-extra-args": ["--death-timeout", "900"], "job-script-prologue": None}
    with dask.config.set({f"jobqueue.slurm.{name}": value for name, value in own.items()}):
        options = job_options(ClusterSettings(where="hpc", gpu=True), "slurm")
    assert options["worker_extra_args"] == ["--death-timeout", "900", "--resources", "GPU=1"]
    assert all(line.startswith("export ") for line in options["job_script_prologue"])


def test_a_job_that_is_refused(slurm, capsys):
    slurm("sbatch", REFUSING)
    settings = ClusterSettings(where="hpc", workers=1, wait=3)
    words = (
        r"workers as jobs of slurm to start, but it failed \(RuntimeError: sbatch: error: invalid account or "
        r"account/partition combination specified\); look at `squeue --me` and at jobqueue.slurm"
    )
    with pytest.raises(ClusterError, match=words), connect(settings):
        pass


def test_no_cores_are_told(slurm, capsys):
    with dask.config.set({"jobqueue.slurm.memory": None}):
        assert main(["cluster", "check", "--cluster", "hpc"]) == 2
    assert (
        "Expected cores and memory of a job of slurm, found cores 1, memory None; give --worker-threads"
        in error_of(capsys)
    )


@pytest.mark.parametrize(
    ("commands", "found"),
    [
        ({"sbatch"}, "slurm"),
        ({"qsub"}, "pbs"),
        ({"qsub", "qconf"}, "sge"),
        ({"bsub"}, "lsf"),
        ({"oarsub"}, "oar"),
        ({"condor_submit"}, "htcondor"),
    ],
)
def test_the_batch_system_is_found_by_its_command(commands, found):
    assert find_system(ClusterSettings(where="hpc"), commands.__contains__) == found


def test_what_is_configured_or_said_counts_more():
    both = {"sbatch", "qsub"}.__contains__
    with dask.config.set({"jobqueue.lsf.cores": 4}):
        assert find_system(ClusterSettings(where="hpc"), both) == "lsf"
        assert find_system(ClusterSettings(where="hpc", system="oar"), both) == "oar"


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        (set(), "found none; set cluster.system to"),
        ({"sbatch", "bsub"}, "found slurm and lsf; set"),
    ],
)
def test_no_batch_system_or_two(commands, words):
    with pytest.raises(ClusterError, match=f"Expected one batch system, {words}"):
        find_system(ClusterSettings(where="hpc"), commands.__contains__)


def test_the_class_of_each_system_is_there(slurm):
    """By dask-jobqueue; none is submitted to."""
    from lscube.cluster.hpc import _SYSTEMS, jobqueue

    made = {system: jobqueue(system) for system in _SYSTEMS}
    assert [one.job_cls.config_name for one in made.values()] == list(_SYSTEMS)


def test_a_cluster_whose_client_fails_is_closed(slurm):
    """Whatever goes wrong after it was made."""
    closed = []

    class Cluster:
        _created = ()

        def __init__(self, **options):
            assert options["cores"] == 1

        def close(self):
            closed.append(True)

        def sync(self, submit, cluster, jobs):
            raise RuntimeError("no more jobs for you\nin many lines")

    opener = partial(open_hpc, make=lambda system: Cluster)
    words = r"jobs of slurm to start, but it failed \(RuntimeError: no more jobs for you\);"
    with pytest.raises(ClusterError, match=words), connect("hpc", openers={"hpc": opener}):
        pass
    assert closed == [True]
