"""Bounds of an answer from the web: how long it may take, and how many bytes it may have."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from urllib3.exceptions import HTTPError

from lscube.errors import RefusedError
from lscube.scan.guard.hosts import refused


class Deadline:
    """Ends the connections of one request at a moment, whatever they wait for then.

    A time limit of a socket is for each of its parts anew: a server that sends a byte now and then holds
    a reader for ever.
    """

    def __init__(self, seconds: float, address: str) -> None:
        self.over = False
        self._seconds, self._address = seconds, address
        self._handles: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, connected: Any) -> None:
        """End this socket too; TLS may take its place, so that a handle of our own is kept."""
        handle = socket.socket(fileno=os.dup(connected.fileno()))
        with self._lock:
            self._handles.append(handle)
        if self.over:
            self._end()

    def cancel(self) -> None:
        """The request is done."""
        self._timer.cancel()
        with self._lock:
            self._close()

    def check(self) -> None:
        """Make sure that it is not over.

        Raises
        ------
        RefusedError
            It is: what came may lack its end.
        """
        if self.over:
            raise self.refusal()

    def refusal(self) -> RefusedError:
        """Say that it took too long."""
        return refused(self._address, f"its answer takes more than {self._seconds:g} s")

    def _end(self) -> None:
        self.over = True
        with self._lock:
            for handle in self._handles:
                with suppress(OSError):  # the other side was faster
                    handle.shutdown(socket.SHUT_RDWR)
            self._close()

    def _close(self) -> None:
        while self._handles:
            self._handles.pop().close()


class Budget:
    """Bytes that all answers of a session may have together."""

    def __init__(self, most: int | None) -> None:
        self._most, self._taken = most, 0
        self._lock = threading.Lock()

    def take(self, count: int, address: str) -> None:
        """Take some.

        Raises
        ------
        RefusedError
            There are no more.
        """
        with self._lock:
            self._taken += count
            if self._most is not None and self._taken > self._most:
                raise refused(address, f"it and others before have more than {self._most:,} bytes")


class Bounded:
    """The stream of an answer, cut off where it is too long or takes too long."""

    def __init__(
        self, raw: Any, most: int, budget: Budget, deadline: Deadline, address: str
    ) -> None:
        self._raw, self._most, self._address = raw, most, address
        self._budget, self._deadline, self._taken = budget, deadline, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        """Parts of the answer, unpacked."""
        try:
            for part in self._raw.stream(*args, **kwargs):
                self._take(part)
                yield part
            self._deadline.check()
        except (HTTPError, OSError):
            self._deadline.check()
            raise
        finally:
            self._deadline.cancel()

    def read(self, amt: int | None = None, **kwargs: Any) -> bytes:
        """A part of the answer; requests reads a redirect's body so if it cannot be unpacked."""
        most = self._most + 1 if amt is None else min(amt, self._most + 1)
        try:
            part: bytes = self._raw.read(most, **kwargs)
        except (HTTPError, OSError):
            self._deadline.check()
            raise
        except RuntimeError:  # urllib3, of what was unpacked in part
            raise refused(self._address, "its answer cannot be unpacked") from None
        self._take(part)
        return part

    def close(self) -> None:
        """No more of it is wanted."""
        self._deadline.cancel()
        self._raw.close()

    def _take(self, part: bytes) -> None:
        self._deadline.check()
        self._taken += len(part)
        if self._taken > self._most:
            raise refused(self._address, f"its answer has more than {self._most:,} bytes")
        self._budget.take(len(part), self._address)
