"""Items without signatures, to be shown, saved and passed on; and signatures, for reading alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from lscube.redaction import unsigned as unsigned


def unsigned_content(content: Any) -> Any:
    """Strip signatures from every text in the content of a JSON document."""
    if isinstance(content, dict):
        # What the Planetary Computer's package leaves in items that it signed.
        secret = ("msft:expiry", "credential")
        return {key: unsigned_content(v) for key, v in content.items() if key not in secret}
    if isinstance(content, list):
        return [unsigned_content(value) for value in content]
    return unsigned(content) if isinstance(content, str) else content


class Presigned(str):
    """An address without the signature that it came with; what opens it asks for `given`.

    It is the unsigned address to all that shows, writes or compares it. It travels to other processes.
    """

    __slots__ = ("given",)
    given: str

    def __new__(cls, given: str) -> Presigned:
        """Take an address with a signature."""
        made = super().__new__(cls, unsigned(given))
        made.given = given
        return made

    def __reduce__(self) -> tuple[type[Presigned], tuple[str]]:
        return Presigned, (self.given,)


def presigned(href: str) -> str:
    """An unsigned address, which remembers its signature.

    One that comes without, as from items that were frozen, takes the last that this process was given for
    the same address, as long as that is not known to have ended.
    """
    plain = unsigned(href)
    if plain != href:
        if len(_given) >= MOST_GIVEN:
            _given.clear()
        _given[plain] = href
        return Presigned(href)
    given = _given.get(href)
    return href if given is None or ended(given) else Presigned(given)


MOST_GIVEN = 100_000
"""Signatures that a process remembers; a scan may run for months."""

_given: dict[str, str] = {}
"""By unsigned address: the address as it came, in memory alone."""


def ends_at(address: str) -> datetime | None:
    """When the signature of an address ends (UTC), None where it does not say.

    S3's and Google's say when they were made and for how many seconds
    (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html), CloudFront's and S3's
    older ones the second since 1970, Azure's the instant.
    """
    said = {name.lower(): value for name, value in parse_qsl(urlsplit(address).query)}
    try:
        for kind in ("x-amz", "x-goog", "x-oss"):
            if f"{kind}-date" in said:
                made = datetime.strptime(f"{said[f'{kind}-date']}+0000", "%Y%m%dT%H%M%SZ%z")
                return made + timedelta(seconds=float(said[f"{kind}-expires"]))
        if "expires" in said:
            return datetime.fromtimestamp(float(said["expires"]), UTC)
        if "se" in said:
            end = datetime.fromisoformat(said["se"])
            return end if end.tzinfo else end.replace(tzinfo=UTC)
    except (KeyError, OSError, OverflowError, ValueError):
        return None
    return None


def ended(address: str, now: datetime | None = None) -> str:
    """Words on a signature that is known to have ended, empty for any other address."""
    end = ends_at(address)
    over = end is not None and end <= (now or datetime.now(UTC))
    return f"its signature ended at {end:%Y-%m-%d %H:%M:%S} UTC" if over else ""
