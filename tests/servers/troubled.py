"""A server of files that goes wrong on purpose."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers.files import QuietHandler, serving


@dataclass(frozen=True)
class Request:
    """What was asked for."""

    number: int
    """Requests that were made for the same file before."""
    path: str
    """The file, without a leading slash."""
    token: str | None
    """The address's `token`, where it has one."""
    begin: int
    """First byte that is wanted."""


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with an answer."""

    status: int | None = None
    """Answered with this status and nothing else."""
    cut: bool = False
    """The connection is closed after half of the content."""


Script = Callable[[Request], Trouble | None]
"""What happens to a request; None: it is answered."""


class Clerk:
    """Counts the requests for each file and says what happens to them, one at a time."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.lock = Lock()
        self.asked: dict[str, int] = {}

    def decide(self, address: str, ranges: str | None) -> Trouble | None:
        parts = urlsplit(address)
        path, token = parts.path.lstrip("/"), parse_qs(parts.query).get("token", [None])[0]
        begin = int(ranges.removeprefix("bytes=").split("-")[0]) if ranges else 0
        with self.lock:
            number = self.asked.get(path, 0)
            self.asked[path] = number + 1
            return self.script(Request(number, path, token, begin))


class TroubledHandler(QuietHandler):
    """Answers as the clerk says."""

    def __init__(self, *words: Any, clerk: Clerk, **named: Any) -> None:
        self.clerk = clerk
        self.trouble: Trouble | None = None
        super().__init__(*words, **named)

    def send_head(self) -> Any:
        self.trouble = self.clerk.decide(self.path, self.headers["Range"])
        if self.trouble is None or self.trouble.status is None:
            return super().send_head()
        self.range = None
        self.send_empty(self.trouble.status)
        return None

    def copyfile(self, source: Any, output: Any) -> None:
        if self.trouble is None:
            super().copyfile(source, output)
            return
        whole = io.BytesIO()
        super().copyfile(source, whole)
        output.write(whole.getvalue()[: whole.tell() // 2])
        self.close_connection = True


@contextmanager
def troubled_server(folder: Path, script: Script) -> Iterator[str]:
    """Serve a folder's files as `script` says; gives the address."""
    handler = partial(TroubledHandler, directory=str(folder), clerk=Clerk(script))
    with serving(handler) as url:
        yield url
