"""Which addresses may be used, by how they are written.

An address from outside (a feed, a catalogue, an item) can name a service of the machine or network that the
scan runs in, which trusts it (server-side request forgery, CWE-918). So: few schemes, hosts written
plainly, and only addresses that anyone on the internet could reach, unless `[allow]` says otherwise.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from lscube.scan.guard.hosts import check_ip, ip_of, listed, port_of, refused
from lscube.settings.scan_rules import AllowSettings

LONGEST = 4096
"""Characters of an address; signed ones have about 1000."""

_NAME = re.compile(
    r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
"""A host's full name in small letters; the last label is no number, so that no IP address passes for one."""

_INWARD = (
    ".localhost",
    ".local",
    ".localdomain",
    ".internal",
    ".intranet",
    ".lan",
    ".home.arpa",
    ".corp",
)
"""Ends of names that lead into a network (RFC 6761, 6762, 8375; ICANN's .internal)."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", re.IGNORECASE)
_CONTAINER = re.compile(r"[a-z0-9-]{3,63}@[a-z0-9]{3,24}\.(dfs|blob)\.core\.windows\.net")
"""A container at Azure with its account, as `abfs` writes it."""

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\<>\"`{}|^\ud800-\udfff]")


def check_address(href: str, allowed: AllowSettings, remote: bool = True) -> None:
    """Refuse an address, by how it is written, that a scan must not use.

    Names are not resolved; `lscube.scan.guard.hosts.addresses_of` does that. Refused for all are
    credentials, unusual spellings of a host (decimal, octal, hexadecimal, shortened, other scripts), `..`,
    GDAL's own paths (`/vsi...`), and several schemes in one.

    Parameters
    ----------
    href
        Address, or path on this machine.
    allowed
        What may be used.
    remote
        Whether it comes from elsewhere: then it cannot be a path on this machine at all.

    Raises
    ------
    RefusedError
        It is not allowed.
    """
    if not isinstance(href, str) or not 0 < len(href) <= LONGEST:
        raise refused(str(href)[:100], f"it is empty or longer than {LONGEST} characters")
    if _FORBIDDEN.search(href.replace(" ", "") if _is_path(href) else href):
        raise refused(href, "it holds characters that no address has")
    if _is_path(href) or href.lower().startswith("file:"):
        _check_path(href, allowed, remote)
        return
    parts = _split(href)
    if parts.scheme not in allowed.schemes or "://" not in href:
        raise refused(href, f"its scheme is none of {', '.join(allowed.schemes)}")
    if "@" in parts.netloc and parts.scheme not in ("abfs", "az"):
        raise refused(href, "it holds a user's name or password")
    if "#" in href:
        raise refused(href, "it holds '#', after which clients disagree")
    web = parts.scheme in ("http", "https")
    if _climbs(parts.path if web else f"{parts.path}/{parts.query}"):
        raise refused(href, "it holds '..'")
    if web:
        _check_host(href, parts, allowed)
    else:
        _check_bucket(href, parts, allowed)


def _is_path(href: str) -> bool:
    return "://" not in href and not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", href)


def _split(href: str) -> SplitResult:
    try:
        parts = urlsplit(href)
        _ = parts.port
    except ValueError:
        raise refused(href, "it is no address") from None
    return parts


def _climbs(path: str) -> bool:
    """Whether a path goes up, however often its dots are escaped."""
    for _ in range(4):
        if ".." in path.replace("\\", "/").split("/"):
            return True
        path, before = unquote(path), path
        if path == before:
            return False
    return True


def _check_path(href: str, allowed: AllowSettings, remote: bool) -> None:
    if remote:
        raise refused(href, "a path on this machine cannot come from elsewhere")
    path = unquote(href.removeprefix("file://")) if href.startswith("file:///") else href
    if not path.startswith("/") or path.startswith(("//", "/vsi")) or _climbs(path):
        raise refused(href, "it is no plain absolute path")
    place = Path(path).resolve()  # symbolic links followed
    if not any(place.is_relative_to(folder.resolve()) for folder in allowed.folders):
        raise refused(href, "it is in none of allow.folders")


def _check_bucket(href: str, parts: SplitResult, allowed: AllowSettings) -> None:
    azure = parts.scheme in ("abfs", "az") and _CONTAINER.fullmatch(parts.netloc)
    bucket = parts.netloc.partition("@")[0]
    if ("@" in parts.netloc and not azure) or not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise refused(href, "its bucket's name is none")
    if allowed.only_buckets and bucket not in allowed.only_buckets:
        raise refused(href, "its bucket is not in allow.only_buckets")


def _check_host(href: str, parts: SplitResult, allowed: AllowSettings) -> None:
    host = (parts.hostname or "").lower()
    port = port_of(parts)
    ip = ip_of(host)
    if ip is None and not _NAME.fullmatch(host) and not listed(host, port, allowed.hosts):
        raise refused(href, "its host is not written plainly, or no full name")
    if allowed.only_hosts and not listed(host, port, allowed.only_hosts):
        raise refused(href, "its host is not in allow.only_hosts")
    if listed(host, port, allowed.hosts):
        return
    if host.endswith(_INWARD):
        raise refused(href, "its host is within a network; add it to allow.hosts")
    if port not in (80, 443):
        raise refused(href, "its port is neither 80 nor 443; add host:port to allow.hosts")
    if ip is not None:
        check_ip(host, port, allowed)
