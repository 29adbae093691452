"""The server of files, a program: ranges, and trouble where it is asked for."""

from __future__ import annotations

import io
import json
import re
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from RangeHTTPServer import RangeRequestHandler

from tests.servers.quiet import QuietServer

READY, TOKEN, COUNTS = "/-/ready", "/-/token", "/-/counts"
"""Addresses that are not files: an empty answer, a new token, what was counted."""


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with some requests; the requests for each file are counted from 0."""

    status: int | None = None
    """Answered with this status and nothing else; None: the connection closes half-way."""
    begin: int = 0
    """First request."""
    end: int | None = None
    """First request after it that is well again."""
    every: int | None = None
    """The trouble comes back after so many requests."""
    files: str = "*"
    """Pattern of the files' names, as "*/red.tif"."""

    def meets(self, path: str, number: int) -> bool:
        """Whether it hits a request."""
        place = number if self.every is None else number % self.every
        late = self.end is not None and place >= self.end
        return fnmatch(path, self.files) and place >= self.begin and not late


@dataclass(frozen=True)
class Behaviour:
    """How a folder is served."""

    troubles: tuple[Trouble, ...] = ()
    """The first that meets a request counts."""
    token_lasts: int | None = None
    """Requests that a token is good for; None: no token is needed."""


class Clerk:
    """Counts requests and decides what happens to them, one at a time."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.lock = Lock()
        self.asked: Counter[str] = Counter()
        self.used: dict[str, int] = {}
        self.refused = 0
        self.sent = 0

    def new_token(self) -> str:
        with self.lock:
            token = f"secret-{len(self.used)}"
            self.used[token] = 0
            return token

    def counts(self) -> dict[str, int]:
        return {
            "tokens": len(self.used),
            "refused": self.refused,
            "asked": self.asked.total(),
            "sent": self.sent,
        }

    def decide(self, address: str) -> Trouble | None:
        parts = urlsplit(address)
        path = parts.path.lstrip("/")
        with self.lock:
            number = self.asked[path]
            self.asked[path] += 1
            if not self._allows(parse_qs(parts.query).get("token", [""])[0]):
                self.refused += 1
                return Trouble(403)
            return next((t for t in self.behaviour.troubles if t.meets(path, number)), None)

    def _allows(self, token: str) -> bool:
        lasts = self.behaviour.token_lasts
        if lasts is None:
            return True
        if token not in self.used:
            return False
        self.used[token] += 1
        return self.used[token] <= lasts


class Handler(RangeRequestHandler):
    """RangeHTTPServer's handler; connections stay open, nothing is printed, the clerk is asked."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *words: Any, clerk: Clerk, **named: Any) -> None:
        self.clerk = clerk
        self.trouble: Trouble | None = None
        super().__init__(*words, **named)

    def send_head(self) -> Any:
        self.range = self.trouble = None
        if self.path.startswith("/-/"):
            return self._answer_question()
        self.trouble = self.clerk.decide(self.path)
        if self.trouble is not None and self.trouble.status is not None:
            return self._send(self.trouble.status)
        if self._begins_after_the_end():
            return self._send(416)  # RangeHTTPServer would leave the file open
        return super().send_head()

    def _answer_question(self) -> io.BytesIO:
        if self.path == TOKEN:
            return self._send(200, self.clerk.new_token())
        return self._send(200, json.dumps(self.clerk.counts()) if self.path == COUNTS else "")

    def send_header(self, keyword: str, value: str) -> None:
        if (
            keyword == "Content-Length"
            and self.command == "GET"
            and not self.path.startswith("/-/")
        ):
            with self.clerk.lock:
                self.clerk.sent += int(value)
        super().send_header(keyword, value)

    def _send(self, status: int, text: str = "") -> io.BytesIO:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        return io.BytesIO(text.encode())

    def _begins_after_the_end(self) -> bool:
        begin = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        return begin is not None and path.is_file() and int(begin[1]) >= path.stat().st_size

    def copyfile(self, source: Any, output: Any) -> None:
        if self.trouble is None or self.trouble.status is not None:
            super().copyfile(source, output)
            return
        whole = io.BytesIO()
        super().copyfile(source, whole)
        output.write(whole.getvalue()[: whole.tell() // 2])
        self.close_connection = True

    def log_message(self, format: str, *words: Any) -> None:
        pass


def as_text(behaviour: Behaviour) -> str:
    """A behaviour as this program's argument."""
    return json.dumps(asdict(behaviour))


def from_text(text: str) -> Behaviour:
    """A behaviour from this program's argument."""
    content = json.loads(text)
    troubles = tuple(Trouble(**trouble) for trouble in content["troubles"])
    return Behaviour(troubles, content["token_lasts"])


def main(host: str, port: str, folder: str, behaviour: str) -> None:
    """Serve a folder until the process is ended."""
    handler = partial(Handler, directory=folder, clerk=Clerk(from_text(behaviour)))
    QuietServer((host, int(port)), handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
