"""The Slurm scripts: linted, and run with stand-ins for Slurm's own commands."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import dask
import pytest
import yaml

from lscube.cluster import worker_environment
from lscube.cluster.hpc import job_options
from lscube.settings import make_cluster
from tests.deploying import DEPLOY, parse
from tests.networks import save_tiny
from tests.scenes import EVENT_TIME, inner_area, simple_event

SLURM = DEPLOY / "slurm"
SCRIPTS = sorted(SLURM.glob("*.sbatch"))
BIN = Path(sys.executable).parent

# Runs what `srun` is given, once, on this machine, which nothing outside reaches.
SRUN = """#!/usr/bin/env bash
echo "srun $*" >> "$CALLS"
while [[ "$1" == -* ]]; do shift; done
[[ " $* " == *" dask "* ]] && set -- "$@" --host 127.0.0.1 --dashboard-address 127.0.0.1:0
exec "$@"
"""
TELLING = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$CALLS"
"""
# Stands in for lscube: ends with a code, or waits to be ended.
COMMAND = f"""#!/usr/bin/env bash
[ "$1" = cluster ] && exec "{sys.executable}" -m lscube "$@"
echo "lscube $*" >> "$CALLS"
trap 'echo ended >> "$CALLS"; exit 143' TERM
[ -n "${{WAITS:-}}" ] && {{ touch "$WAITS"; while true; do sleep 0.05; done; }}
exit "${{CODE:-0}}"
"""
# What Slurm sets for a script; the last one is easily taken for a variable of one's own.
SCALE = {
    "SLURM_JOB_ID": "17",
    "SLURM_JOB_NUM_NODES": "1",
    "SLURM_CPUS_PER_TASK": "2",
    "ENVIRONMENT": "BATCH",
}


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder of programs that stand in, before all others; gives the file that notes their calls."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", TELLING)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{BIN}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    for name, value in SCALE.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "calls").touch()
    return tmp_path / "calls"


@pytest.fixture
def stand_in(slurm):
    program = slurm.parent / "programs/lscube"
    program.write_text(COMMAND)
    program.chmod(0o755)
    return slurm


GIVEN = {"JOB": "job.toml", "MODEL": "model", "OUT": "map.zarr"}


def start(name, folder, **given):
    return subprocess.Popen(
        ["bash", str(SLURM / name)],
        env={**os.environ, **given},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def left_over(process) -> list[str]:
    """Processes of a script's session that outlive it."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, rest = stat.read_text().split("(", 1)[1].rsplit(")", 1)
            state, _, _, session = rest.split()[:4]
            if int(session) == process.pid and state != "Z":
                found.append(name)
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say(path):
    subprocess.run(["bash", "-n", path], check=True)
    done = subprocess.run([BIN / "shellcheck", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_shellcheck_finds_what_is_wrong(tmp_path):
    """So that the test above can fail."""
    (tmp_path / "wrong").write_text('#!/usr/bin/env bash\nrm -rf $1/"*"\n')
    done = subprocess.run([BIN / "shellcheck", tmp_path / "wrong"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "SC2086" in done.stdout


# Of sbatch's manual, as far as they are used here.
DIRECTIVES = {
    *("job-name", "nodes", "ntasks", "ntasks-per-node", "cpus-per-task", "mem", "time"),
    *("requeue", "open-mode", "output", "signal"),
}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_directives(path):
    text = path.read_text()
    given = re.findall(r"^#SBATCH --([\w-]+)(?:=(\S+))?$", text, flags=re.MULTILINE)
    assert len(given) == text.count("\n#SBATCH")
    assert {name for name, _ in given} <= DIRECTIVES
    # Slurm reads none after the first command.
    assert text.rindex("#SBATCH") < text.index("set -euo pipefail")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
@pytest.mark.parametrize("missing", GIVEN)
def test_what_is_missing_is_named(stand_in, tmp_path, path, missing):
    given = {name: value for name, value in GIVEN.items() if name != missing}
    process = start(path.name, tmp_path, **given)
    said, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert f"{missing}: give the" in said
    assert stand_in.read_text() == ""


@pytest.mark.parametrize("code", [0, 2, 3])
def test_a_map_on_one_node_ends_as_the_command_does(stand_in, tmp_path, code):
    process = start("map.sbatch", tmp_path, CODE=str(code), **GIVEN)
    process.communicate(timeout=120)
    assert process.returncode == code
    step, command = map(shlex.split, stand_in.read_text().splitlines())
    assert step == ["srun", *command]
    options = parse(command)
    assert options["out"] == "map.zarr"
    assert "scontrol" not in stand_in.read_text()


def end_by(name, folder):
    """Start the script for one node, and send it a signal while the map is made; gives the exit code."""
    waits = folder / "waits"
    process = start("map.sbatch", folder, WAITS=str(waits), **GIVEN)
    while not waits.exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, name)  # to the script alone
    process.communicate(timeout=120)
    assert left_over(process) == []
    return process.returncode


def test_a_map_that_runs_out_of_time_is_queued_again(stand_in, tmp_path):
    (warning,) = re.findall(r"^#SBATCH --signal=B:(\w+)@", (SLURM / "map.sbatch").read_text(), re.M)
    assert end_by(getattr(signal, f"SIG{warning}"), tmp_path) == 0
    assert stand_in.read_text().splitlines()[-2:] == ["ended", "scontrol requeue 17"]


def test_a_map_that_is_cancelled_stays_so(stand_in, tmp_path):
    """`scancel` sends what a time limit sends, too: TERM."""
    assert end_by(signal.SIGTERM, tmp_path) == 143
    assert stand_in.read_text().splitlines()[-1] == "ended"


@pytest.fixture(scope="module")
def event(tmp_path_factory) -> Path:
    """A small event, its job, and a tiny model."""
    folder = tmp_path_factory.mktemp("event")
    items = simple_event(folder)
    save_tiny(folder / "model")
    (folder / "job.toml").write_text(
        f'event.time = "{EVENT_TIME}"\narea.aoi = {list(inner_area())}\n'
        f'source.catalogs = "{items.name}"\n[predict]\ncore = 96\nmargin = 16\n'
    )
    return folder


def test_a_map_on_nodes(slurm, event, tmp_path):
    """The whole script, with a real scheduler, worker and map."""
    from lscube.mapping import open_map

    out = tmp_path / "maps/map.zarr"
    given = {"JOB": str(event / "job.toml"), "MODEL": str(event / "model"), "OUT": str(out)}
    process = start("map-on-nodes.sbatch", tmp_path, **given)
    said, _ = process.communicate(timeout=900)
    assert process.returncode == 0, said
    assert open_map(str(out))["probability"].notnull().any()
    steps = [shlex.split(line) for line in slurm.read_text().splitlines()]
    for words in steps:
        env, dask = words.index("env"), words.index("dask")
        assert words[0] == "srun"
        given = dict(word.split("=", 1) for word in words[env + 1 : dask])
        assert given == worker_environment()
        parse(words[dask:])
    assert left_over(process) == []
    assert not list(tmp_path.glob(".dask-*"))


def test_a_map_on_nodes_ends_as_the_command_does(stand_in, tmp_path):
    process = start("map-on-nodes.sbatch", tmp_path, CODE="3", **GIVEN)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 3, said
    command = shlex.split(stand_in.read_text().splitlines()[-1])
    options = parse(command)
    assert options["cluster"].startswith("tcp://")
    assert str(options["workers"]) == SCALE["SLURM_JOB_NUM_NODES"]
    assert left_over(process) == []


@pytest.fixture
def configured():
    """Dask's configuration with the file of deploy/, as if it were in ~/.config/dask."""
    import dask_jobqueue  # noqa: F401 (brings its defaults)

    given = yaml.safe_load((SLURM / "jobqueue.yaml").read_text())
    known = dask.config.get("jobqueue.slurm")
    assert given["jobqueue"]["slurm"].keys() <= known.keys(), "dask-jobqueue does not know it"
    with dask.config.set({f"jobqueue.slurm.{k}": v for k, v in given["jobqueue"]["slurm"].items()}):
        yield given["jobqueue"]["slurm"]


def test_jobs_of_dask_jobqueue(configured):
    from dask_jobqueue.slurm import SLURMJob

    options = job_options(make_cluster({"where": "hpc"}), "slurm")
    script = SLURMJob(scheduler="tcp://host:8786", name="w", **options).job_script()
    for directive in ("--cpus-per-task=16", "--mem=48G", "-t 04:00:00", "-J lscube"):
        assert f"#SBATCH {directive}\n" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    for name, value in worker_environment().items():
        assert f"export {name}={value}\n" in script
    words = shlex.split(script.splitlines()[-1])
    assert words[:3] == [sys.executable, "-m", "distributed.cli.dask_worker"]
    options = parse(["dask", "worker", *words[3:]])
    assert options["nthreads"] == configured["cores"]
    assert options["local_directory"] == "/tmp"
    hours, minutes, _ = map(int, configured["walltime"].split(":"))
    leaves = [int(options[name].removesuffix("m")) for name in ("lifetime", "lifetime_stagger")]
    assert sum(leaves) < hours * 60 + minutes, "workers are ended before they have left"
