"""Which addresses may be used: how they are written, and where their names lead.

An address from outside (a feed, a catalogue, an item) can name a service of the machine or network that the
scan runs in, which trusts it (server-side request forgery, CWE-918). So: few schemes, hosts written
plainly, and only addresses that anyone on the internet could reach, unless `[allow]` says otherwise.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from lscube.catalog import unsigned
from lscube.errors import RefusedError
from lscube.settings.scan_rules import AllowSettings

Resolve = Callable[[str, int], Sequence[str]]
"""Gives the IP addresses of a host's name (for a port); raises `OSError` where it has none."""

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

_SERVICES = frozenset({"168.63.129.16"})
"""Public by number, but the host of a machine at Azure
(https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16)."""

_SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
"""Networks that are not, or not only, public (IANA's special-purpose registries, RFC 6890). What Python
itself takes for global differs between its versions."""

_UNICAST = ipaddress.ip_network("2000::/3")
"""All IPv6 addresses that are given out for use on the internet."""

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses as IPv6-only networks reach them (RFC 6052)."""


def check_address(href: str, allowed: AllowSettings, remote: bool = True) -> None:
    """Refuse an address, by how it is written, that a scan must not use.

    Names are not resolved; `addresses_of` does that. Credentials, unusual spellings of a host (decimal,
    octal, hexadecimal, shortened, other scripts), `..`, GDAL's own paths (`/vsi...`), and several schemes
    in one are refused for all.

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
    if _climbs(parts.path):
        raise refused(href, "it holds '..'")
    if parts.scheme in ("http", "https"):
        _check_host(href, parts, allowed)
    else:
        _check_bucket(href, parts, allowed)


def addresses_of(host: str, port: int, allowed: AllowSettings, resolve: Resolve) -> tuple[str, ...]:
    """Resolve a host's name; one address that is not allowed among the answers refuses it.

    Parameters
    ----------
    host, port
        From an address that `check_address` let pass.
    allowed
        What may be used.
    resolve
        How names are resolved; `system_addresses`, or a test's own.

    Raises
    ------
    RefusedError
        An address is private or otherwise special.
    OSError
        The name has none.
    """
    plain = host.strip("[]")
    found = (plain,) if _ip(plain) else tuple(resolve(host, port))
    if not found:
        raise OSError(f"{host} has no address")
    if not _listed(host, port, allowed.hosts):
        for address in found:
            check_ip(address, port, allowed)
    return found


def system_addresses(host: str, port: int) -> tuple[str, ...]:
    """Resolve a name as this machine does."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))


def check_ip(address: str, port: int, allowed: AllowSettings) -> None:
    """Refuse an IP address that is not public, unless it is allowed.

    Raises
    ------
    RefusedError
        It is private, loopback, link-local, shared (100.64.0.0/10), multicast, reserved, an IPv4 address
        within an IPv6 one (but for a public one by NAT64), or a service of a cloud's own.
    """
    ip = _ip(address)
    if ip is None:
        raise refused(address, "it is no IP address")
    if _listed(address, port, allowed.hosts):
        return
    if not _is_public(ip):
        raise refused(address, "it is no public address; add its host or network to allow.hosts")


def refused(address: str, why: str) -> RefusedError:
    """Say that an address is refused."""
    shown = "".join(c if c.isprintable() else "?" for c in unsigned(address[:200]))
    return RefusedError(
        f"Expected an address that the scan may use, got {shown}, but {why}; see [allow]."
    )


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
    port = parts.port or (443 if parts.scheme == "https" else 80)
    ip = _ip(host)
    if ip is None and not _NAME.fullmatch(host) and not _listed(host, port, allowed.hosts):
        raise refused(href, "its host is not written plainly, or no full name")
    if allowed.only_hosts and not _listed(host, port, allowed.only_hosts):
        raise refused(href, "its host is not in allow.only_hosts")
    if _listed(host, port, allowed.hosts):
        return
    if host.endswith(_INWARD):
        raise refused(href, "its host is within a network; add it to allow.hosts")
    if port not in (80, 443):
        raise refused(href, "its port is neither 80 nor 443; add host:port to allow.hosts")
    if ip is not None:
        check_ip(host, port, allowed)


def _listed(host: str, port: int, entries: Sequence[str]) -> bool:
    """Whether a host or IP address is in a list of hosts, hosts with port, and networks."""
    return any(_matches(host.strip("[]").lower(), port, entry) for entry in entries)


def _matches(host: str, port: int, entry: str) -> bool:
    ip = _ip(host)
    if "/" in entry:
        network = ipaddress.ip_network(entry)
        return ip is not None and port in (80, 443) and ip in network
    name, colon, number = _divided(entry)
    if (colon and number != str(port)) or (not colon and port not in (80, 443)):
        return False
    if name.startswith("*."):
        return ip is None and host.endswith(name[1:])
    return host == name


def _divided(entry: str) -> tuple[str, str, str]:
    """Host, colon and port of an entry; IPv6 addresses stand in brackets."""
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
        return name, port[:1], port[1:]
    return entry.partition(":")


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return False
        if ip in _TRANSLATED:
            return _is_public(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if ip not in _UNICAST:
            return False
    special = any(ip in network for network in _SPECIAL if network.version == ip.version)
    return ip.is_global and not special and str(ip) not in _SERVICES
