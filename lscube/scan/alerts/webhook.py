"""Messages to a webhook: JSON, signed, posted again until it is taken.

A message can arrive more than once (a scan may be killed between posting and remembering it): its header
`X-Lscube-Delivery` is then the same. `X-Lscube-Signature: t=SECONDS,v1=HEX` holds the time of sending and the
HMAC-SHA256 (RFC 2104), keyed with the secret, of that time, a full stop and the body: a receiver computes
it anew, compares, and refuses what is old.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import requests

from lscube.errors import LscubeError, RefusedError, SourceError
from lscube.scan.guard.bounds import Budget
from lscube.scan.guard.timing import TimedAdapter, plain_session
from lscube.scan.record import Alert
from lscube.scan.world import Post, World

SIGNATURE, DELIVERY = "X-Lscube-Signature", "X-Lscube-Delivery"

PAUSE = 1.0
"""Seconds before the second attempt of a pass; doubled each time."""

MOST = 1_000_000
"""Bytes that requests may read of a redirect's body."""


class DeliveryError(SourceError):
    """The webhook did not take a message."""


def encode(alert: Alert) -> bytes:
    """A message's body."""
    content = {"id": alert.id, "headline": alert.title, **alert.body}
    return json.dumps(content, sort_keys=True, allow_nan=False).encode()


def sign(body: bytes, secret: bytes, now: datetime) -> str:
    """Value of the header `X-Lscube-Signature`."""
    seconds = int(now.timestamp())
    digest = hmac.new(secret, b"%d." % seconds + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def verify(header: str, body: bytes, secret: bytes, now: datetime, most: float = 300.0) -> bool:
    """Whether a message is from who knows the secret, and not older than so many seconds.

    For receivers in Python, and as an example for others.
    """
    given = dict(part.partition("=")[::2] for part in header.split(","))
    try:
        seconds = int(given.get("t", ""))
        fresh = abs(now.timestamp() - seconds) <= most
    except (ValueError, OverflowError):
        return False
    wanted = hmac.new(secret, b"%d." % seconds + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted.encode(), given.get("v1", "").encode()) and fresh


@dataclass(frozen=True)
class Webhook:
    """Posts to an address, which the user configured; its redirects are not followed.

    As for feeds, the environment's proxies and passwords are not used. Of the answer only the status counts.
    """

    address: str
    """Where to."""
    timeout: float
    """Seconds from connecting to the end of the headers."""
    proxy: str | None = None
    """Proxy to go through."""

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Post.

        Raises
        ------
        DeliveryError
            It was not taken.
        """
        try:
            status = self._status(body, headers)
        except RefusedError:  # it names the address, which may be a secret
            raise self._refused("its answer takes too long, or is too long") from None
        except (requests.RequestException, ValueError) as error:
            raise self._refused(type(error).__name__) from None
        if not 200 <= status < 300:
            raise self._refused(f"HTTP {status}")

    def _status(self, body: bytes, headers: Mapping[str, str]) -> int:
        with plain_session() as session:
            for scheme in ("https://", "http://"):
                session.mount(scheme, TimedAdapter(self.timeout, MOST, Budget(None)))
            if self.proxy is not None:
                session.proxies = dict.fromkeys(("http", "https"), self.proxy)
            answer = session.post(
                self.address,
                data=body,
                headers=dict(headers),
                timeout=self.timeout,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                return answer.status_code

    def _refused(self, reason: str) -> DeliveryError:
        parts = urlsplit(self.address)
        # The path may be a secret, as Slack's is.
        where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        return DeliveryError(
            f"Expected the webhook at {where} to take a message, but {reason}; see to it: messages are kept "
            "and posted again."
        )


def deliver(world: World, post: Post, event: str, alert: Alert) -> None:
    """Post a message, several times if need be.

    Raises
    ------
    LscubeError
        It was not taken.
    """
    body = encode(alert)
    attempts = world.settings.alerts.attempts
    for attempt in range(attempts):
        headers = {"Content-Type": "application/json", DELIVERY: alert.id}
        if world.secret:
            headers[SIGNATURE] = sign(body, world.secret, world.clock())
        try:
            post(body, headers)
            return
        except LscubeError as error:
            world.log(logging.WARNING, event, "%s (attempt %d)", error, attempt + 1)
            if attempt + 1 == attempts:
                raise
            world.sleep(PAUSE * 2**attempt)
