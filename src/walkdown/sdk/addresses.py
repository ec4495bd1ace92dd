"""Addresses that walkdown sends photographs to: which it takes, and which it refuses."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

_METADATA: Final = frozenset(
    map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200"))
)
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
    if why := refusal(parts.hostname or ""):
        raise ValueError(why)
    return parts


def refusal(host: str) -> str | None:
    """Why nothing is sent to a host or an address; None where it may be."""
    if host.casefold().rstrip(".") in _METADATA_NAMES:
        return f"{host} {_WHY}"
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    plain = getattr(address, "ipv4_mapped", None) or address
    return f"{host} {_WHY}" if plain.is_link_local or plain in _METADATA else None


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
