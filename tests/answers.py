"""A web server on this machine that answers as it is told, and notes what it was asked."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.servers.quiet import QuietServer

Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Answers:
    """What is answered, by path."""

    port: int
    replies: dict[str, Reply] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def at(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


def content(body: bytes, status: int = 200, **headers: str) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        part, code = body, status
        wanted = handler.headers.get("Range")
        if wanted and status == 200:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            end = int(last) + 1 if last else len(body)
            part, code = body[int(first) : end], 206
            handler.send_response(code)
            stop = int(first) + len(part) - 1
            handler.send_header("Content-Range", f"bytes {first}-{stop}/{len(body)}")
        else:
            handler.send_response(code)
        handler.send_header("Content-Length", str(len(part)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(part)

    return reply


def redirect(target: str, status: int = 302) -> Reply:
    return content(b"", status, Location=target)


@contextmanager
def answering(certificate: Path | None = None) -> Iterator[Answers]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answers.asked.append(self.path)
            path = self.path.partition("?")[0]
            answers.replies.get(path, content(b"not here", 404))(self)

        do_HEAD = do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

    server = QuietServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        # The handshake is each connection's thread's own.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    answers = Answers(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
