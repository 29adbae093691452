"""Asking the web, so that only allowed addresses are reached and answers stay within limits.

Every request and every redirect is checked (`check_address`), its host's name is resolved once, all
answers are checked (`addresses_of`), and the connection goes to one of these addresses: a name
that leads elsewhere the next time it is asked (DNS rebinding) is of no use. Proxies, `.netrc` and other
settings of the environment are not used, but for `REQUESTS_CA_BUNDLE`. A proxy (`allow.proxy`) resolves names
by itself, so that this is then its part.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError
from urllib3.util.connection import create_connection

from lscube.catalog import Patience
from lscube.catalog.web import PASSING, FetchError, fetch_bytes, plain_reason
from lscube.scan.guard.addresses import check_address
from lscube.scan.guard.bounds import Budget
from lscube.scan.guard.hosts import Resolve, addresses_of, proxy_for, refused, system_addresses
from lscube.scan.guard.timing import TimedAdapter, plain_session
from lscube.scan.hazard import Fetch
from lscube.settings.scan_rules import AllowSettings, LimitSettings

PATIENCE = Patience(attempts=4, timeout=30.0, longest_wait=30.0)
"""How often and how long a feed is asked."""


@dataclass(frozen=True)
class GuardedSessions:
    """Makes sessions that reach allowed addresses alone; give it as `Patience.session`."""

    allowed: AllowSettings
    """What may be reached."""
    limits: LimitSettings
    """How much is taken."""
    most: int
    """Bytes of one answer, unpacked."""
    resolve: Resolve = system_addresses
    """How names are resolved; tests hand in their own."""
    in_all: int | None = None
    """Bytes of all answers of a session together; None for any number."""

    def __call__(self) -> requests.Session:
        """Make a session."""
        session = plain_session()
        session.max_redirects = self.limits.redirects
        budget = Budget(self.in_all)
        for scheme in ("https://", "http://"):
            session.mount(scheme, _GuardedAdapter(self, budget))
        return session


def guarded_fetch(
    allowed: AllowSettings,
    limits: LimitSettings,
    resolve: Resolve = system_addresses,
    patience: Patience = PATIENCE,
) -> Fetch:
    """Make a function that gives the content of an allowed address.

    It raises `RefusedError` where an address or the size of an answer is not allowed, and
    `lscube.catalog.web.FetchError` (with `status`) where the document cannot be had.

    Parameters
    ----------
    allowed, limits
        What may be reached, and how much is taken.
    resolve
        How names are resolved; tests hand in their own.
    patience
        How often and how long a server is asked.
    """
    sessions = GuardedSessions(allowed, limits, limits.feed_bytes, resolve)

    def fetch(address: str) -> bytes:
        check_address(address, allowed)
        with sessions() as session:
            return fetch_bytes(session, address, patience)

    return fetch


class _GuardedAdapter(TimedAdapter):
    """Checks each request, redirects included, and bounds its answer."""

    def __init__(self, sessions: GuardedSessions, budget: Budget) -> None:
        self._allowed = sessions.allowed
        connect = partial(_connect, sessions=sessions)
        super().__init__(sessions.limits.seconds, sessions.most, budget, connect)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        """Send one request."""
        address = str(request.url)
        check_address(address, self._allowed)
        proxy = proxy_for(address, self._allowed)
        kwargs["proxies"] = {} if proxy is None else dict.fromkeys(("http", "https"), proxy)
        return super().send(request, *args, **kwargs)


def _connect(connection: Any, sessions: GuardedSessions) -> socket.socket:
    """Connect to one of the addresses of a host, which all were checked before."""
    host, port = connection.host, int(connection.port)
    try:
        addresses = addresses_of(host, port, sessions.allowed, sessions.resolve)
        return _first_that_answers(connection, addresses, port)
    except (OSError, UnicodeError) as error:
        raise NewConnectionError(connection, f"no connection to {host}: {error}") from error


def _first_that_answers(connection: Any, addresses: tuple[str, ...], port: int) -> socket.socket:
    for number, address in enumerate(addresses, 1):
        try:
            return create_connection(
                (address, port),
                connection.timeout,
                source_address=connection.source_address,
                socket_options=connection.socket_options,
            )
        except OSError:
            if number == len(addresses):
                raise
    raise OSError("there is no address")


def final_address(href: str, sessions: GuardedSessions, patience: Patience = PATIENCE) -> str:
    """Follow an address's redirects, each checked, and give the last, which answers by itself.

    What a server answers a moment later is its own affair: GDAL resolves the name again, and follows
    redirects that come then. Against a server that lies to the second who asks, the network must keep the
    scan from private addresses; see docs/scans.md.

    Raises
    ------
    RefusedError
        The address, or one that it leads to, is not allowed, or there are too many.
    FetchError
        It does not answer.
    """
    check_address(href, sessions.allowed)
    reason = ""
    with sessions() as session:
        for attempt in range(patience.attempts):
            if attempt:
                time.sleep(patience.pause(attempt - 1))
            try:
                return _end_of(session, href, patience.timeout)
            except requests.TooManyRedirects:
                most = sessions.limits.redirects
                raise refused(href, f"it redirects more than {most} times") from None
            except requests.exceptions.InvalidSchema:
                raise refused(href, "it redirects to what is no web address") from None
            except (requests.RequestException, ValueError) as error:
                reason = plain_reason(error)
    raise FetchError(href, reason)


def _end_of(session: requests.Session, href: str, timeout: float) -> str:
    """Ask for the first byte, by GET: what is signed for GET may refuse HEAD."""
    first = {"Range": "bytes=0-0"}
    with session.get(href, headers=first, stream=True, timeout=timeout) as answer:
        if answer.status_code in PASSING:
            raise requests.ConnectionError(f"HTTP {answer.status_code}")
        return str(answer.url) if answer.history else href
