"""Files over HTTP with ranges, and in an object store that speaks S3."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from RangeHTTPServer import RangeRequestHandler

from tests.servers.processes import HOST, answers, free_port, running


class QuietHandler(RangeRequestHandler):
    """RangeHTTPServer's handler; connections stay open, and nothing is printed."""

    protocol_version = "HTTP/1.1"

    def send_head(self) -> Any:
        if not self._begins_after_the_end():
            return super().send_head()
        # RangeHTTPServer would leave the file open.
        self.range = None
        self.send_empty(416)
        return None

    def send_empty(self, status: int) -> None:
        """A status and nothing else."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _begins_after_the_end(self) -> bool:
        begin = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        return begin is not None and path.is_file() and int(begin[1]) >= path.stat().st_size

    def log_message(self, format: str, *words: Any) -> None:
        pass


@contextmanager
def serving(handler: partial[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer requests in threads until the block ends; gives the address."""
    server = ThreadingHTTPServer((HOST, 0), handler)
    server.daemon_threads = True  # GDAL keeps its connections open
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def range_server(folder: Path) -> Iterator[str]:
    """Serve a folder's files, whole or in ranges; gives the address."""
    with serving(partial(QuietHandler, directory=str(folder))) as url:
        yield url


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


def _put(port: int, path: str, content: bytes = b"") -> None:
    connection = HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request("PUT", f"/{path}", content)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"The object store refused {path}: {answer.read()!r}")
    finally:
        connection.close()
