"""Schedulers and workers as processes of the tests' own, by the programs that a cluster uses."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from lscube.cluster import connect
from lscube.cluster.local import Machine, open_local
from lscube.settings import ClusterSettings
from tests.servers.processes import HOST, free_port


@contextmanager
def started(
    folder: Path,
    words: Sequence[str],
    preload: str = "",
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `dask WORDS` until the block ends; `preload` is Python that runs in it first."""
    command = [sys.executable, "-m", "dask", *words, "--no-dashboard"]
    if preload:
        script = folder / f"preload-{words[0]}.py"
        script.write_text(preload)
        command += ["--preload", str(script)]
    variables = {
        "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        **(environment or {}),
    }
    with (folder / f"{words[0]}.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env={**os.environ, **variables}
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def scheduler(folder: Path, preload: str = "") -> Iterator[str]:
    """A scheduler; gives its address."""
    port = free_port()
    with started(folder, ["scheduler", "--host", HOST, "--port", str(port)], preload):
        wait_for(lambda: listens(port))
        yield f"tcp://{HOST}:{port}"


@contextmanager
def worker(
    folder: Path, address: str, preload: str = "", environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with one thread and no nanny."""
    words = ["worker", address, "--host", HOST, "--nthreads", "1", "--no-nanny"]
    words += ["--local-directory", str(folder), "--death-timeout", "60"]
    with started(folder, words, preload, environment) as process:
        yield process


def listens(port: int) -> bool:
    """Whether a program listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def wait_for(happened: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something has happened."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.1)


def is_alive(pid: int) -> bool:
    """Whether a process is there, and not only waits to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def local_client() -> Iterator[Any]:
    """Of two workers of lscube's own making, with a GPU each in name."""
    settings = ClusterSettings(where="local", workers=2, threads=1, memory="2 GB", gpu=True)
    machine = Machine(2, 4 * 10**9, ("0",))
    opener = partial(open_local, look=lambda: machine)
    with connect(settings, openers={"local": opener}) as client:
        yield client


def error_of(capsys: Any) -> str:
    """The sentence on standard error, and that it is one."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert lines[0].endswith(".")
    assert "Traceback" not in lines[0]
    return lines[0]
