"""Requests that end in time: connecting, headers and body together."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from lscube.scan.guard.bounds import Bounded, Budget, Deadline

Connect = Callable[[Any], socket.socket]
"""Connects a connection of urllib3."""


class TimedAdapter(HTTPAdapter):
    """Ends each request, redirects' included, in time, and bounds its answer."""

    def __init__(
        self, seconds: float, most: int, budget: Budget, connect: Connect | None = None
    ) -> None:
        self._seconds, self._most, self._budget = seconds, most, budget
        self._now = threading.local()  # the deadline of the request that a thread is at
        super().__init__()
        manager: Any = self.poolmanager
        manager.pool_classes_by_scheme = _pools(self._now, connect)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """Connections to a proxy, which end in time too; it resolves names itself."""
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = _pools(self._now, None)
        return manager

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        """Send one request."""
        deadline = self._now.deadline = Deadline(self._seconds, str(request.url))
        try:
            answer = super().send(request, *args, **kwargs)
            deadline.check()
        except requests.RequestException:
            deadline.cancel()
            deadline.check()
            raise
        except BaseException:
            deadline.cancel()
            raise
        return answer

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Bound what will be read of an answer."""
        response = super().build_response(req, resp)
        deadline = self._now.deadline
        response.raw = Bounded(resp, self._most, self._budget, deadline, str(req.url))
        return response


def plain_session() -> requests.Session:
    """A session without the environment's settings, but for `REQUESTS_CA_BUNDLE`, and without adapters."""
    session = requests.Session()
    session.trust_env = False
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
    session.adapters.clear()
    return session


def _pools(now: Any, connect: Connect | None) -> dict[str, type[Any]]:
    return {
        "http": _pool(HTTPConnectionPool, HTTPConnection, now, connect),
        "https": _pool(HTTPSConnectionPool, HTTPSConnection, now, connect),
    }


def _pool(pool: type[Any], connection: type[Any], now: Any, connect: Connect | None) -> type[Any]:
    """A pool of connections that end in time."""

    class Timed(connection):  # type: ignore[misc]
        def _new_conn(self) -> socket.socket:
            made: socket.socket = super()._new_conn() if connect is None else connect(self)
            now.deadline.watch(made)
            return made

        def request(self, *args: Any, **kwargs: Any) -> None:
            if self.sock is not None:  # of an earlier request
                now.deadline.watch(self.sock)
            super().request(*args, **kwargs)

    return type(pool.__name__, (pool,), {"ConnectionCls": Timed})
