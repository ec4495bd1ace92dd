"""Asset templates of the pipeline file: ``{site}/{asset}/{view}/{name}`` against a relative path.

A field matches within one folder name; ``**`` matches any number of folders. A template that ends
before the path does matches its beginning, so ``{site}/{asset}`` is enough for deeper trees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from walkdown.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ANY_DEPTH, MAX_STARS = 2, 2
"""Wildcards of a template and of one folder: with more, a long path could take long to match."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a path says of its image. ``asset`` is ``site/asset`` where the path names a site.

    ``kind`` is the asset's: pole, tower.
    """

    asset: str | None = None
    viewpoint: str | None = None
    site: str | None = None
    kind: str | None = None


UNASSIGNED = Place()


@lru_cache(maxsize=64)
def compile_template(template: str) -> re.Pattern[str]:
    """The template as a pattern. Raises `SpecError` that shows the part that is wrong."""
    folders = _folders(template)
    seen: set[str] = set()
    parts = [_folder(folder, seen, template) for folder in folders]
    if "asset" not in seen:
        raise SpecError(f"the template {template!r} must contain {{asset}}")
    return re.compile("".join(parts).removesuffix("/") + r"(?:/.*)?\Z", re.DOTALL)


def _folders(template: str) -> list[str]:
    """The template's folders; a ``**`` at the end says what the end means anyway."""
    names = template.strip("/").split("/")
    if "" in names[1:]:
        raise SpecError(f"the template {template!r} has an empty folder name: '//'")
    folders = [n for i, n in enumerate(names) if n != "**" or names[i - 1 : i] != ["**"]]
    if folders[-1] == "**":
        folders.pop()
    if folders.count("**") > MAX_ANY_DEPTH:
        raise SpecError(f"the template {template!r} has '**' more than {MAX_ANY_DEPTH} times")
    return folders


def _folder(folder: str, seen: set[str], template: str) -> str:
    if folder == "**":
        return r"(?:[^/]+/)*"
    if folder.count("*") > MAX_STARS:
        raise SpecError(
            f"the template {template!r} has '*' more than {MAX_STARS} times in a folder"
        )
    if re.search(r"}[{*]|[*][{*]", folder):
        raise SpecError(
            f"the template {template!r} does not say where one part of {folder!r} ends and the "
            "next begins; put something between them, such as '-'"
        )
    pieces = [p for p in re.split(r"(\{[^{}]*\}|\*)", folder) if p]
    return "".join(_patterns(pieces, seen, template)) + "/"


def _patterns(pieces: list[str], seen: set[str], template: str) -> Iterator[str]:
    """A field ends at the first place where what follows it begins.

    Wherever a later place fits, the first one does too, since the next field or star takes what
    lies between. So the first is final (an atomic group), and no name can make the search long.
    """
    last = max((i for i, p in enumerate(pieces) if p[0] in "{*"), default=0)
    for i, piece in enumerate(pieces):
        is_held = piece[0] == "{" and i < last
        ends_held = i > 0 and pieces[i - 1][0] == "{" and i - 1 < last
        yield ("(?>" if is_held else "") + _piece(piece, seen, template) + ")" * ends_held


def _piece(piece: str, seen: set[str], template: str) -> str:
    if piece == "*":
        return "[^/]*"
    if not (piece.startswith("{") and piece.endswith("}")):
        if "{" in piece or "}" in piece:
            raise SpecError(f"the template {template!r} has an unpaired brace in {piece!r}")
        return re.escape(piece)
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
    Place(asset='north/pole-17', viewpoint='front', site='north', kind=None)
    """
    if template is None:
        return UNASSIGNED
    match = compile_template(template).match(relative)
    if match is None:
        return UNASSIGNED
    found = match.groupdict()
    named = [found[f] for f in ("site", "asset") if found.get(f)]
    return Place("/".join(named), found.get("view"), found.get("site"), found.get("kind"))
