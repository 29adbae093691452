"""Asking over HTTP: with a time limit, a bounded number of times, and with growing pauses."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from lscube.catalog.unsigning import ended, unsigned
from lscube.errors import SourceError
from lscube.redaction import log_unsigned

log = logging.getLogger("lscube.catalog")

log_unsigned("urllib3.connectionpool", "urllib3.util.retry")

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which the same request may succeed."""


@dataclass(frozen=True)
class Patience:
    """How long and how often a server is asked, and how much of an answer is taken."""

    attempts: int = 5
    """Times that a request is made in all."""
    timeout: float = 60.0
    """Seconds to wait for a connection, and for each part of an answer."""
    wait: float = 1.0
    """Seconds before the second attempt; doubled each time, and varied by half so that many clients
    do not come back at once."""
    longest_wait: float = 60.0
    """Most seconds to wait between two attempts; a server that asks for more is given up."""
    pages: int = 2000
    """Most pages of one answer, and most documents of one static catalogue."""
    session: Callable[[], requests.Session] = requests.Session
    """Makes the sessions that requests go through; one of `lscube.scan.guard` refuses addresses."""

    def pause(self, attempt: int) -> float:
        """Seconds to wait after attempt 0, 1, ..."""
        return min(self.wait * 2.0**attempt * random.uniform(0.5, 1.5), self.longest_wait)


class FetchError(SourceError):
    """A document on the web cannot be had."""

    def __init__(self, address: str, reason: str, status: int | None = None) -> None:
        super().__init__(
            f"Expected a document at {unsigned(address)}, but asking for it failed "
            f"({unsigned(reason)}); check address and network."
        )
        self.reason = unsigned(reason)
        self.status = status


@dataclass(frozen=True)
class _Refusal:
    """Why one attempt failed."""

    reason: str
    status: int | None = None
    passing: bool = True
    wait: float = 0.0


def fetch_json(
    session: requests.Session,
    address: str,
    patience: Patience,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Get a JSON document, asking again where that may help.

    The whole of an attempt is repeated, reading the body included: a connection that breaks or
    falls silent half-way through an answer is as common as one that does not come about.

    Parameters
    ----------
    session
        Where connections are kept.
    address
        http or https.
    patience
        How often and how long.
    body
        Sent by POST where it is given; searching changes nothing, so it can be repeated.
    headers
        Sent along.

    Raises
    ------
    FetchError
        The server refuses, or fails as often as it is asked.
    """

    def ask() -> Any:
        return _attempt(session, address, patience.timeout, _json, body, headers)

    return _patiently(ask, address, patience)


def fetch_bytes(session: requests.Session, address: str, patience: Patience) -> bytes:
    """Get a document as it comes; as `fetch_json`."""

    def ask() -> Any:
        return _attempt(session, address, patience.timeout, lambda answer: answer.content)

    content: bytes = _patiently(ask, address, patience)
    return content


def _patiently(ask: Callable[[], Any], address: str, patience: Patience) -> Any:
    """What an attempt gives in the end."""
    for attempt in range(patience.attempts):
        content = ask()
        if not isinstance(content, _Refusal):
            return content
        reason, wait, status = content.reason, content.wait, content.status
        if not content.passing or attempt + 1 == patience.attempts:
            break
        if wait > patience.longest_wait:
            reason += f", it asks to wait {wait:.0f} s"
            break
        pause = max(patience.pause(attempt), wait)
        log.info("asking %s again in %.1f s: %s", unsigned(address), pause, unsigned(reason))
        time.sleep(pause)
    raise FetchError(address, f"{reason}, asked {_times(attempt + 1)}", status)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _attempt(
    session: requests.Session,
    address: str,
    timeout: float,
    take: Callable[[requests.Response], Any],
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """The document, or a refusal."""
    method = "GET" if body is None else "POST"
    try:
        answer = session.request(
            method,
            address,
            json=body,
            headers=headers,
            timeout=timeout,
            hooks={"response": _keep_post},
        )
    except _BROKEN as error:
        return _Refusal(plain_reason(error))
    except (requests.RequestException, ValueError) as error:
        return _Refusal(plain_reason(error), passing=False)
    status = answer.status_code
    if not answer.ok:
        over = ended(address) if status in (401, 403) else ""
        reason = f"HTTP {status}{over and ', ' + over}"
        return _Refusal(reason, status, status in PASSING, _retry_after(answer))
    if answer.request.method != method:
        return _Refusal(
            f"a redirect turned its {method} into a {answer.request.method}", passing=False
        )
    return take(answer)


def _keep_post(answer: requests.Response, *_: Any, **__: Any) -> None:
    """Let a redirected POST stay one, with its body: requests, as browsers, would go on by GET without it."""
    if answer.request.method == "POST" and answer.status_code in (301, 302):
        answer.status_code = 308


def _json(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except (ValueError, RecursionError):
        # A proxy's error page, half an answer under HTTP 200, or lists in lists without end.
        return _Refusal("no JSON came")


_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
"""Failures of a connection, which the next one may not share."""


def plain_reason(error: Exception) -> str:
    """The innermost cause in a few words; the libraries' own chains hold addresses."""
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ReadTimeout):
        return "no answer in time"
    text = str(error).splitlines()[0] if str(error) else ""
    return text.rsplit(": ", 1)[-1].strip("'\")( ") or type(error).__name__


def _retry_after(answer: requests.Response) -> float:
    """Seconds that the server asks to wait, 0 where it does not say."""
    text = answer.headers.get("Retry-After", "")
    try:
        if text.strip().isdigit():
            return float(text)
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return 0.0
