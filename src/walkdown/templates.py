"""Asset templates of the pipeline file: ``{site}/{asset}/{view}/{name}`` against a relative path.

A field matches within one folder name; ``**`` matches any number of folders. A template that ends
before the path does matches its beginning, so ``{site}/{asset}`` is enough for deeper trees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from walkdown.errors import SpecError

FIELDS = ("site", "asset", "view", "kind", "visit", "name")
"""The fields with a meaning; any other name matches too and is dropped."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a path says of its image. ``asset`` is ``site/asset`` where the path names a site."""

    asset: str | None = None
    viewpoint: str | None = None


UNASSIGNED = Place()


@lru_cache(maxsize=64)
def compile_template(template: str) -> re.Pattern[str]:
    """The template as a pattern. Raises `SpecError` that shows the part that is wrong."""
    seen: set[str] = set()
    parts = [_part(part, seen, template) for part in template.strip("/").split("/")]
    if "asset" not in seen:
        raise SpecError(f"the template {template!r} must contain {{asset}}")
    return re.compile("".join(parts).removesuffix("/") + r"(?:/.*)?\Z", re.DOTALL)


def _part(part: str, seen: set[str], template: str) -> str:
    if part == "**":
        return r"(?:[^/]+/)*"
    pieces = re.split(r"(\{[^{}]*\})", part)
    return "".join(_piece(p, seen, template) for p in pieces) + "/"


def _piece(piece: str, seen: set[str], template: str) -> str:
    if not piece.startswith("{"):
        if "{" in piece or "}" in piece:
            raise SpecError(f"the template {template!r} has an unpaired brace in {piece!r}")
        return re.escape(piece).replace(r"\*", "[^/]*")
    field = piece[1:-1]
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,30}", field):
        raise SpecError(f"{piece!r} in the template {template!r} is no field name")
    if field in seen:
        raise SpecError(f"the template {template!r} has {piece} twice")
    seen.add(field)
    return f"(?P<{field}>[^/]+?)"


def place(template: str | None, relative: str) -> Place:
    """Asset and viewpoint of an image by its path below the source; unassigned where none fits.

    >>> place("{site}/{asset}/{view}/{name}", "north/pole-17/front/1.jpg")
    Place(asset='north/pole-17', viewpoint='front')
    """
    if template is None:
        return UNASSIGNED
    match = compile_template(template).match(relative)
    if match is None:
        return UNASSIGNED
    found = match.groupdict()
    named = [found[f] for f in ("site", "asset") if found.get(f)]
    return Place(asset="/".join(named), viewpoint=found.get("view"))
