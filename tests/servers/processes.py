"""Starting a program, waiting until it answers, and stopping it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

HOST = "127.0.0.1"
PATIENCE = 60.0
"""Seconds that a program may take to answer."""


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def content_of(url: str) -> bytes:
    """What a server on this machine answers (proxies of the environment are left aside)."""
    with build_opener(ProxyHandler({})).open(url, timeout=5) as answer:
        content: bytes = answer.read()
    return content


def answers(url: str) -> bool:
    """Whether a GET of `url` succeeds."""
    try:
        content_of(url)
    except OSError:
        return False
    return True


@contextmanager
def running(
    command: Sequence[str],
    ready: Callable[[], bool],
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Run a program until the block ends; its output goes to `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env={**os.environ, **(environment or {})},
        )
    try:
        _wait(process, ready, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{process.args!r} does not answer; it said:\n{said}")
        time.sleep(0.05)
