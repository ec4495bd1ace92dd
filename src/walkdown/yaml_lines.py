"""YAML to plain data and the line of every key, so that a complaint can say where to look.

The nodes are walked before any value is made: repeated keys, keys that are no text, tags, and
aliases that multiply are refused there. A date stays text, since no setting is a date.
"""

from __future__ import annotations

from typing import Any

import yaml

from walkdown.errors import SpecError

At = tuple[str | int, ...]
"""The way to a value: the keys and positions (from 0) that lead to it."""

Lines = dict[At, int]

MAX_CHARACTERS = 200_000
MAX_VALUES = 20_000
MAX_DEPTH = 50

_CORE = "tag:yaml.org,2002:"
_MERGE, _TEXT, _DATE = f"{_CORE}merge", f"{_CORE}str", f"{_CORE}timestamp"
_TAGS = {_CORE + kind for kind in ("str", "int", "float", "bool", "null", "map", "seq", "merge")}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012 - the name and the type are PyYAML's
        first: [(tag, pattern) for tag, pattern in found if tag != _DATE]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, LookupError) as e:
            problem = f"{str(node.value)[:40]!r} is no value of its kind"
            raise yaml.constructor.ConstructorError(
                problem=problem, problem_mark=node.start_mark
            ) from e


def parse(text: str, where: str) -> tuple[Any, Lines]:
    """The data (None for an empty text) and the lines, from 1. Raises `SpecError` at ``where``."""
    if len(text) > MAX_CHARACTERS:
        raise SpecError(f"{where}: more than {MAX_CHARACTERS} characters; shorten it")
    lines: Lines = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, lines
        _Walk(where, lines).into(node, ())
        return loader.construct_document(node), lines
    except yaml.YAMLError as e:
        raise SpecError(_not_yaml(e, text, where)) from e
    except RecursionError as e:
        raise SpecError(_too_deep(where)) from e


def dotted(at: At) -> str:
    """``('stages', 1, 'when')`` as people read it: ``stages[2].when``, counted from one."""
    text = ""
    for part in at:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class _Walk:
    """One walk over all nodes, aliases followed, that notes lines and refuses what it must."""

    def __init__(self, where: str, lines: Lines) -> None:
        self._where, self._lines, self._count = where, lines, 0

    def into(self, node: yaml.Node, at: At) -> None:
        self._count += 1
        if self._count > MAX_VALUES:
            raise SpecError(
                f"{self._where}: more than {MAX_VALUES} values, counting what aliases (*name) "
                "stand for; shorten it"
            )
        if len(at) > MAX_DEPTH:
            raise SpecError(_too_deep(self._where))
        self._check_tag(node)
        self._lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, yaml.SequenceNode):
            for i, child in enumerate(node.value):
                self.into(child, (*at, i))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self.into(value, self._key(key, at))

    def _key(self, key: yaml.Node, at: At) -> At:
        line = key.start_mark.line + 1
        if key.tag not in (_TEXT, _MERGE):
            shown = f"'{key.value}'" if isinstance(key, yaml.ScalarNode) else "a list or mapping"
            raise SpecError(f"{self._where}:{line}: {shown} as a key is not text; put it in quotes")
        here = (*at, str(key.value))
        if here in self._lines:
            raise SpecError(
                f"{self._where}:{line}: '{dotted(here)}' is given twice "
                f"(first in line {self._lines[here]}); remove one"
            )
        self._lines[here] = line
        return here

    def _check_tag(self, node: yaml.Node) -> None:
        if node.tag not in _TAGS:
            line, shown = node.start_mark.line + 1, node.tag.replace(_CORE, "!!")
            raise SpecError(
                f"{self._where}:{line}: the tag {shown} is not allowed; write plain "
                "text, numbers, lists and 'key: value' lines"
            )


def _too_deep(where: str) -> str:
    return f"{where}: nested too deeply (more than {MAX_DEPTH} levels); write it flatter"


def _not_yaml(error: yaml.YAMLError, text: str, where: str) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"{where}:{line}: not valid YAML: it holds an invisible control character; remove it"
    problem = str(getattr(error, "problem", None) or error)
    mark = getattr(error, "problem_mark", None)
    at = f":{mark.line + 1}" if mark else ""
    tabs = "indent with spaces, not with tabs"
    hint = tabs if "\\t" in problem else "look at its quotes, colons and indentation"
    return f"{where}{at}: not valid YAML: {problem}; {hint}"
