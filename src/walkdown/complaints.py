"""What pydantic complains of, in words for people: file, line, key, what is wrong, what is allowed.

A complaint that begins with "must" or "is" continues the key; any other follows it after a colon.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from walkdown.yaml_lines import At, Lines, dotted

if TYPE_CHECKING:
    from pydantic import ValidationError

Allowed = Callable[[At], frozenset[str]]
"""The keys that may stand in the mapping at a place."""

_WORDS = {
    "missing": "is missing",
    "union_tag_not_found": (
        "is missing; it says where alerts go: log, smtp, webhook, sns or eventbridge"
    ),
    "string_type": "must be text; put it in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "too_short": "must not be an empty list",
    "too_long": "must not have more than {max_length} entries",
    "string_too_short": "must have {min_length} or more characters",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "union_tag_invalid": "must be one of {expected_tags}",
    **dict.fromkeys(
        ("int_type", "int_parsing", "int_parsing_size", "int_from_float", "finite_number"),
        "must be a whole number",
    ),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(
        ("model_type", "model_attributes_type", "dict_type"), "must hold 'key: value' lines"
    ),
}
_SHOWN = 60
"""Characters of a wrong value that are worth repeating."""


class Located(ValueError):
    """A complaint about one place, for a check that only the whole can make."""

    def __init__(self, at: At, message: str) -> None:
        super().__init__(message)
        self.at = at


def complaints(
    error: ValidationError,
    lines: Lines,
    where: str,
    *,
    allowed: Allowed,
    patterns: Mapping[str, str],
) -> list[str]:
    """One line of text for each thing that is wrong.

    ``patterns`` says in words what a regular expression asks for.
    """
    found: list[dict[str, Any]] = [dict(e) for e in error.errors(include_url=False)]
    places: set[At] = {tuple(e["loc"]) for e in found}
    return [
        _complaint(e, lines, where, allowed, patterns)
        for e in found
        if not (e["type"] == "too_short" and _is_echo(tuple(e["loc"]), places))
    ]


def _is_echo(at: At, places: set[At]) -> bool:
    """Whether a list is only too short because its entries are wrong."""
    return any(len(other) > len(at) and other[: len(at)] == at for other in places)


def _complaint(
    e: Mapping[str, Any], lines: Lines, where: str, allowed: Allowed, patterns: Mapping[str, str]
) -> str:
    at = _place(e)
    known = next((at[:n] for n in range(len(at), -1, -1) if at[:n] in lines), None)
    line = "" if known is None else f":{lines[known]}"
    if e["type"] == "extra_forbidden":
        return f"{where}{line}: unknown key '{dotted(at)}'{_hint(str(at[-1]), allowed(at[:-1]))}"
    message = _message(e, patterns)
    subject = f"'{dotted(at)}'" if at else "the file"
    joint = " " if message.startswith(("must ", "is ")) else ": "
    return f"{where}{line}: {subject}{joint}{message}{_shown(e)}"


def _place(e: Mapping[str, Any]) -> At:
    at: At = tuple(e["loc"])
    if at[:1] == ("alerts",) and len(at) > 2:
        # A discriminated union adds its tag to the place ("smtp"); the file has no such key.
        at = (*at[:2], *at[3:])
    cause = e.get("ctx", {}).get("error")
    if isinstance(cause, Located):
        return cause.at
    if str(e["type"]).startswith("union_tag"):
        return (*at, "to")
    return at


def _message(e: Mapping[str, Any], patterns: Mapping[str, str]) -> str:
    context = e.get("ctx", {})
    if e["type"] == "string_pattern_mismatch" and context["pattern"] in patterns:
        return f"must be {patterns[context['pattern']]}"
    words = _WORDS.get(e["type"])
    if words is None:
        return str(e["msg"]).removeprefix("Value error, ")
    return words.format_map(context)


def _shown(e: Mapping[str, Any]) -> str:
    value = e["input"]
    if e["type"] in ("missing", "too_short") or isinstance(e.get("ctx", {}).get("error"), Located):
        return ""
    if e["type"].startswith("union_tag"):
        value = value.get("to", {}) if isinstance(value, dict) else {}
    if isinstance(value, dict | list | tuple):
        return ""
    text = "empty" if value is None or value == "" else repr(value)
    return f" (it is {text if len(text) <= _SHOWN else text[:_SHOWN] + '...'})"


def _hint(key: str, allowed: frozenset[str]) -> str:
    close = difflib.get_close_matches(key, sorted(allowed), 1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; allowed here: {', '.join(sorted(allowed))}" if allowed else ""
