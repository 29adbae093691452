"""Files over HTTP with ranges, and in an object store that speaks S3."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from unittest.mock import patch

from tests.servers.processes import HOST, answers, content_of, free_port, running
from tests.servers.program import COUNTS, READY, TOKEN, Behaviour, as_text

ROOT = Path(__file__).parents[2]

WELL = Behaviour()
"""Nothing goes wrong."""


@contextmanager
def range_server(folder: Path, behaviour: Behaviour = WELL) -> Iterator[str]:
    """Serve a folder's files, whole or in ranges; gives the address."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    command = [
        *(sys.executable, "-m", "tests.servers.program"),
        *(HOST, str(port), str(folder), as_text(behaviour)),
    ]
    with (
        tempfile.TemporaryDirectory(prefix="lscube-files-") as logs,
        running(
            command,
            lambda: answers(url + READY),
            Path(logs) / "log",
            {"PYTHONPATH": str(ROOT)},
        ),
    ):
        yield url


def counts_of(url: str) -> dict[str, int]:
    """What a server of files has counted: `tokens` given, requests `asked` and `refused`,
    bytes of files `sent`."""
    counts: dict[str, int] = json.loads(content_of(url + COUNTS))
    return counts


@dataclass(frozen=True)
class Signer:
    """Gives an address a new token of the server of files, as the Planetary Computer's service does."""

    url: str
    """Of the server."""

    def __call__(self, href: str) -> str:
        return f"{href}?token={content_of(self.url + TOKEN).decode()}"


@contextmanager
def s3_server(bucket: str, folder: Path) -> Iterator[dict[str, str]]:
    """Put a folder's files into a bucket of an object store (moto).

    Gives the environment that GDAL reads `s3://bucket/...` with.
    """
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "--host", HOST, "--port", str(port)]
    with (
        tempfile.TemporaryDirectory(prefix="lscube-s3-") as logs,
        running(command, lambda: answers(f"http://{HOST}:{port}/moto-api/"), Path(logs) / "log"),
    ):
        _put(port, bucket)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            _put(port, f"{bucket}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        yield {
            "AWS_S3_ENDPOINT": f"{HOST}:{port}",
            "AWS_HTTPS": "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "anybody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
        }


@contextmanager
def s3_bucket(bucket: str, folder: Path) -> Iterator[str]:
    """The same, with obstore's environment set while it lasts; gives the bucket's address."""
    with s3_server(bucket, folder) as gdal:
        shared = ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        own = {
            "AWS_ENDPOINT_URL": f"http://{gdal['AWS_S3_ENDPOINT']}",
            "AWS_ALLOW_HTTP": "true",
            **{name: gdal[name] for name in shared},
        }
        with patch.dict(os.environ, own):
            yield f"s3://{bucket}"


def _put(port: int, path: str, content: bytes = b"") -> None:
    connection = HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request("PUT", f"/{path}", content)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"The object store refused {path}: {answer.read()!r}")
    finally:
        connection.close()
