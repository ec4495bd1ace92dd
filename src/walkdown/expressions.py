"""The conditions of the pipeline file: ``screen.score > 0.3 and 'crack' in screen.labels``.

A condition is Python's expression syntax, parsed by `ast` and walked by us: names, fields, numbers,
strings, lists, comparisons, ``and``/``or``/``not``. No calls, no indexing, no arithmetic, so it can
neither do harm nor take long. A value that does not exist (a stage that did not run) is None, and
every comparison with None but ``==``, ``!=``, ``is``, ``is not``, ``in`` and ``not in`` is false.
"""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from walkdown.errors import SpecError
from walkdown.types import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

Value = None | bool | int | float | str | tuple["Value", ...]

MAX_LENGTH = 2000
MAX_DEPTH = 40

_PLAIN = (bool, int, float, str, tuple)

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A checked condition: its text, and the parsed tree that `holds` walks."""

    text: str
    tree: ast.expr = field(compare=False, repr=False)


WORDS: Mapping[str, tuple[str, ...]] = {
    "verdict": tuple(each.value for each in Verdict),
    "severity": tuple(each.value for each in Severity),
}
"""Fields that are one of a few words: what they are compared with must be one, too."""


def parse(text: str, names: Mapping[str, Collection[str]]) -> Condition:
    """Check a condition. ``names`` maps each allowed name to its fields (none: a plain value).

    Raises `SpecError` that says what is not allowed and what is.

    >>> parse("score > 0.5", {"score": ()}).text
    'score > 0.5'
    """
    if len(text) > MAX_LENGTH:
        raise SpecError(f"a condition may have {MAX_LENGTH} characters; this has {len(text)}")
    try:
        tree = _tree(text)
        _check(tree, names, MAX_DEPTH)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
        raise SpecError(f"not a condition: {_shown(text)} (example: score > 0.8)") from e
    return Condition(text, tree)


def _tree(text: str) -> ast.expr:
    """The parsed text. Within brackets it may run over several lines, as YAML's ``|`` makes it."""
    if "\\" in text:
        # Python warns of unknown escapes while it parses, and no label needs one.
        raise ValueError("a backslash")
    tree = ast.parse(f"({text}\n)", mode="eval").body
    brackets_were_closed_inside = tree.col_offset == 0 and tree.lineno == 1
    if brackets_were_closed_inside or isinstance(tree, ast.List | ast.Tuple):
        # A bare list would always hold, which nobody means.
        raise ValueError("not one condition")
    return tree


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:80]}...")


def _check(node: ast.expr, names: Mapping[str, Collection[str]], depth: int) -> None:
    if depth == 0:
        raise SpecError(f"a condition may be nested {MAX_DEPTH} levels deep; write it flatter")
    match node:
        case ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
            for part in parts:
                _check(part, names, depth - 1)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            _check(operand, names, depth - 1)
        case ast.Compare(left=left, ops=ops, comparators=others):
            _check_order(ops, (left, *others))
            _check_words((left, *others))
            for part in (left, *others):
                _check(part, names, depth - 1)
        case ast.Constant(value=None | bool() | int() | float() | str()):
            pass
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            _check_name(name, attribute, names)
        case ast.Name(id=name):
            _check_name(name, None, names)
        case _:
            raise SpecError(
                f"{_shown(ast.unparse(node))} is not allowed in a condition: only names, numbers, "
                "'text', [lists], comparisons, in, and, or, not"
            )


def _check_order(ops: Sequence[ast.cmpop], parts: Sequence[ast.expr]) -> None:
    """Words have an order in the alphabet alone, by which critical comes before low."""
    for op, *sides in zip(ops, parts, parts[1:], strict=False):
        texts = [s for s in sides if isinstance(s, ast.Constant) and isinstance(s.value, str)]
        if texts and type(op) in _COMPARE:
            shown = ast.unparse(texts[0])
            raise SpecError(f"text such as {shown} is neither more nor less: use == or in [...]")


def _check_words(parts: Sequence[ast.expr]) -> None:
    """A comparison with a word that a field never is would never, or always, hold."""
    fields = [p.attr for p in parts if isinstance(p, ast.Attribute) and p.attr in WORDS]
    entries = [e for p in parts for e in (p.elts if isinstance(p, ast.List | ast.Tuple) else [p])]
    said = [e.value for e in entries if isinstance(e, ast.Constant) and isinstance(e.value, str)]
    for name, word in ((name, word) for name in fields for word in said):
        if word not in WORDS[name]:
            raise SpecError(f"{word!r} is no {name}; there are: {', '.join(WORDS[name])}")


def _check_name(name: str, attribute: str | None, names: Mapping[str, Collection[str]]) -> None:
    shown = name if attribute is None else f"{name}.{attribute}"
    if name not in names:
        raise SpecError(f"unknown name {shown!r}; known here: {', '.join(_all(names))}")
    fields = names[name]
    if (attribute is None) == bool(fields) or (attribute and attribute not in fields):
        known = ", ".join(f"{name}.{f}" for f in fields) or name
        raise SpecError(f"unknown name {shown!r}; known here: {known}")


def _all(names: Mapping[str, Collection[str]]) -> list[str]:
    return [f"{n}.{f}" for n, fields in names.items() for f in fields] + [
        n for n, fields in names.items() if not fields
    ]


def holds(condition: Condition, values: Mapping[str, Value | Mapping[str, Value]]) -> bool:
    """Whether the condition is true of these values. Never raises for a checked condition.

    >>> holds(parse("score > 0.5", {"score": ()}), {"score": None})
    False
    """
    return bool(_value(condition.tree, values))


def _value(node: ast.expr, env: Mapping[str, Value | Mapping[str, Value]]) -> object:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_value(part, env) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_value(part, env) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, env)
        case ast.UnaryOp(operand=operand):
            number = _value(operand, env)
            return -number if isinstance(number, int | float) else None
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return tuple(_value(part, env) for part in parts)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            fields = env.get(name)
            return None if fields is None or isinstance(fields, _PLAIN) else fields.get(attribute)
        case ast.Name(id=name):
            return env.get(name)
        case ast.Compare():
            return _compare_all(node, env)
    return None


def _compare_all(node: ast.Compare, env: Mapping[str, Value | Mapping[str, Value]]) -> bool:
    left = _value(node.left, env)
    for op, other in zip(node.ops, node.comparators, strict=True):
        right = _value(other, env)
        if not _compare(op, left, right):
            return False
        left = right
    return True


def _compare(op: ast.cmpop, left: object, right: object) -> bool:
    if isinstance(op, ast.Eq | ast.Is):
        return left == right
    if isinstance(op, ast.NotEq | ast.IsNot):
        return left != right
    if isinstance(op, ast.In | ast.NotIn):
        inside = isinstance(right, tuple | str) and _contains(right, left)
        return inside is isinstance(op, ast.In)
    try:
        return bool(_COMPARE[type(op)](left, right))
    except TypeError:
        # None, or values of two kinds: neither is larger.
        return False


def _contains(many: tuple[object, ...] | str, one: object) -> bool:
    return (isinstance(one, str) and one in many) if isinstance(many, str) else one in many
