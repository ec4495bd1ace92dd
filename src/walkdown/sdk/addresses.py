"""Addresses that walkdown sends photographs to: which it takes, and which it refuses."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA: Final = frozenset(
    ipaddress.ip_address(each)
    for each in (
        *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
        *("100.100.100.200", "168.63.129.16", "192.0.0.192"),
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
# What other programs take for an IPv4 address too: 0xa9fea9fe, 0251.254.43518, 2852039166.
_NUMBER: Final = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+)){0,3}\.?\Z")
_METADATA_NAMES: Final = frozenset({"metadata.google.internal", "metadata"})
_WHY: Final = (
    "is where a cloud machine learns its own credentials, and no model: walkdown sends nothing "
    "there; give the address of a service"
)


def checked(url: str) -> SplitResult:
    """The parts of a URL. Raises `ValueError`, which never repeats it: it may hold a password."""
    if not (url.isascii() and url.isprintable() and " " not in url):
        raise ValueError("must be a URL in plain characters without spaces")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as e:
        raise ValueError("must be http:// or https:// and a host") from e
    if not valid:
        raise ValueError("must be http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("carries a login: leave it out, and name a secret instead")
    if parts.fragment:
        raise ValueError("has a part after '#', which no service is sent: leave it out")
    host = parts.hostname or ""
    if why := refusal(host):
        raise ValueError(why)
    if _NUMBER.match(host) and not _is_plain(host):
        raise ValueError("has an address that is written oddly: write it as 192.0.2.1")
    return parts


def refusal(host: str) -> str | None:
    """Why nothing is sent to a host or an address; None where it may be."""
    if host.casefold().rstrip(".") in _METADATA_NAMES:
        return f"{host} {_WHY}"
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    refused = any(each.is_link_local or each in _METADATA for each in _meant(address))
    return f"{host} {_WHY}" if refused else None


def _meant(address: Address) -> Iterator[Address]:
    """The address, and those that it may lead to: IPv6 can carry an IPv4 address in many ways."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address in _NAT64 or address in _COMPATIBLE:
        yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    yield from (each for each in (address.ipv4_mapped, address.sixtofour) if each)


def _is_plain(host: str) -> bool:
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine.

    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("example.com")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def public(url: str, base: str = "") -> str:
    """A URL as people may see it: without login, query and fragment.

    >>> public("/v2?code=1", "https://me:secret@example.com/v1")
    'https://example.com/v2'
    """
    try:
        parts = urlsplit(urljoin(base, url))
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that is none"
    shown = f"[{host}]" if ":" in host else host
    path = "".join(c for c in parts.path if c.isprintable())[:200]
    return f"{parts.scheme}://{shown}{port}{path}"
