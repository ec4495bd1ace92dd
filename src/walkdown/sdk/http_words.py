"""What a person can do about a status of HTTP, and what may be repeated of an answer."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

_QUOTED: Final = 200
_ADVICE: Final = {
    400: "it does not take what it was sent: check 'input' in the card",
    401: "it wants another secret: check the one that the card names",
    403: "the secret does not allow this: check what it admits",
    404: "nothing is there: check the url",
    405: "it takes another method: check 'method' in the card",
    408: "it waited too long for the photograph: check the network",
    411: "it does not take what it was sent: check 'input' in the card",
    413: "the photograph is too large for it: set a smaller max_bytes or max_side_px under 'input'",
    415: "it takes another kind of content: check 'format' under 'input' in the card",
    422: "it does not take what it was sent: check 'input' in the card",
    429: "it is asked too often: set per_second in the card",
    502: "what stands before it can't reach it: see whether the service runs",
    503: "it is overloaded or not ready: run again later, or with fewer at once",
    504: "what stands before it waited too long: smaller photographs, or fewer at once",
}


def advice(status: int) -> str:
    """What to do about a status."""
    if status in _ADVICE:
        return _ADVICE[status]
    if 300 <= status < 400:
        return "it has moved: put its new address into the card's url"
    if status >= 500:
        return "it has a fault: see the log of the service, then run again"
    return "check 'url', 'method' and 'input' in the card"


def phrase(status: int) -> str:
    """The name of a status, such as " Not Found"; empty where it has none."""
    return f" {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else ""


def quoted(data: bytes, content_type: str, hide: Collection[str]) -> str:
    """The beginning of what a service says about an error, in brackets; empty for pages and binary.

    >>> quoted(b'{"detail": "no s3cret"}', "application/json", ["s3cret"])
    ' ({"detail": "no […]"})'
    """
    if not re.match(r"(?i)(application/([\w.-]+\+)?json|text/plain)\b", content_type):
        return ""
    text = data[: 20 * _QUOTED].decode("utf-8", "replace")
    for secret in hide:
        text = text.replace(secret, "[…]")
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f" ({plain[:_QUOTED]})" if plain else ""
