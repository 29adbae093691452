"""Which hosts may be reached: lists of them, IP addresses, and where names lead."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, urlsplit

from lscube.catalog import unsigned
from lscube.errors import RefusedError
from lscube.settings.scan_rules import AllowSettings

IP = ipaddress.IPv4Address | ipaddress.IPv6Address

Resolve = Callable[[str, int], Sequence[str]]
"""Gives the IP addresses of a host's name (for a port); raises `OSError` where it has none."""

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
    found = (plain,) if ip_of(plain) else tuple(resolve(host, port))
    if not found:
        raise OSError(f"{host} has no address")
    if not listed(host, port, allowed.hosts):
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
    ip = ip_of(address)
    if ip is None:
        raise refused(address, "it is no IP address")
    if listed(address, port, allowed.hosts):
        return
    if not _is_public(ip):
        raise refused(address, "it is no public address; add its host or network to allow.hosts")


def refused(address: str, why: str) -> RefusedError:
    """Say that an address is refused."""
    shown = "".join(c if c.isprintable() else "?" for c in unsigned(address)[:200])
    return RefusedError(
        f"Expected an address that the scan may use, got {shown}, but {why}; see [allow]."
    )


def port_of(parts: SplitResult) -> int:
    """The port of an address on the web, named or not."""
    return parts.port or (443 if parts.scheme == "https" else 80)


def proxy_for(address: str, allowed: AllowSettings) -> str | None:
    """The proxy that an address is reached by; none where `allow.hosts` names its host."""
    parts = urlsplit(address)
    direct = listed(str(parts.hostname), port_of(parts), allowed.hosts)
    return None if direct else allowed.proxy


def listed(host: str, port: int, entries: Sequence[str]) -> bool:
    """Whether a host or IP address is in a list of hosts, hosts with port, and networks."""
    return any(_matches(host.strip("[]").lower(), port, entry) for entry in entries)


def _matches(host: str, port: int, entry: str) -> bool:
    ip = ip_of(host)
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


def ip_of(text: str) -> IP | None:
    """The IP address that a text is, None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_public(ip: IP) -> bool:
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return False
        if ip in _TRANSLATED:
            return _is_public(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if ip not in _UNICAST:
            return False
    special = any(ip in network for network in _SPECIAL if network.version == ip.version)
    return ip.is_global and not special and str(ip) not in _SERVICES
