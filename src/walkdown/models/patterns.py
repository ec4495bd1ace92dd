"""Regular expressions that cards may hold: matched in time linear in the text, whatever they are.

Someone else's expression must not be able to stop a worker, so there is no backtracking: all places
in the expression at which the text so far can have arrived are followed at once (Thompson,
"Regular expression search algorithm", CACM 11(6), 1968). Known are characters, ``.``, classes in
``[]``, ``\\d``, ``\\w``, ``\\s`` and their opposites, ``|``, groups in ``()``, and ``*``, ``+``,
``?``, ``{2}``, ``{2,}``, ``{2,4}``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

MOST_STATES: Final = 2000
"""Of one expression: repetitions are written out, so ``{500}`` of much is too much."""

MOST_GROUPS: Final = 30
"""Groups within each other."""

_CLASSES: Final[dict[str, Callable[[str], bool]]] = {
    "d": lambda c: c.isdigit(),
    "w": lambda c: c.isalnum() or c == "_",
    "s": lambda c: c.isspace(),
}
_MANY: Final = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_SPECIAL: Final = frozenset("\\.[]|()*+?{}^$-/ ")


class BadPattern(ValueError):
    """An expression that is wrong, or more than is known here: where, and why."""


@dataclass(frozen=True, slots=True)
class _Set:
    """The characters that fit at one place."""

    singles: frozenset[str] = frozenset()
    ranges: tuple[tuple[str, str], ...] = ()
    kinds: tuple[Callable[[str], bool], ...] = ()
    negated: bool = False

    def fits(self, chars: Collection[str]) -> bool:
        """Whether a character does: it is given in all of its cases that count as the same."""
        inside = any(
            char in self.singles
            or any(first <= char <= last for first, last in self.ranges)
            or any(kind(char) for kind in self.kinds)
            for char in chars
        )
        return inside is not self.negated


@dataclass(slots=True)
class _State:
    """A place in the expression: on ``by`` to the first of ``to``, or, without, to all of them."""

    by: _Set | None = None
    to: list[int] = field(default_factory=list)


_Part = tuple[int, int]
"""First and last state of a part of the expression."""


class Pattern:
    """A compiled expression. Raises `BadPattern`.

    >>> Pattern("P-[0-9]{2,4}").fits("P-017")
    True
    >>> Pattern("(a+)+b").fits("a" * 5000)
    False
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._states: list[_State] = []
        self._at = self._depth = 0
        self._splits = False
        self._first, self._last = self._either()
        if self._at < len(text):
            raise self._wrong("')' closes nothing")

    @property
    def is_alternatives(self) -> bool:
        """Whether the whole of it is one thing or another."""
        return self._splits

    def fits(self, text: str) -> bool:
        """Whether the whole of the text fits."""
        here = self._reached({self._first})
        for char in text:
            step = {
                state.to[0]
                for state in map(self._states.__getitem__, here)
                if state.by is not None and state.by.fits((char,))
            }
            if not step:
                return False
            here = self._reached(step)
        return self._last in here

    def spans(
        self,
        text: str,
        *,
        ignore_case: bool = False,
        may_begin: Callable[[int], bool] = lambda _: True,
        may_end: Callable[[int], bool] = lambda _: True,
    ) -> list[tuple[int, int]]:
        """Where it fits a part of the text, letters at least: the first ones, as long as they go.

        Of those that arrive at one place, that which began first is followed alone.
        """
        longest: dict[int, int] = {}
        here: dict[int, int] = {}
        for at in range(len(text) + 1):
            if may_begin(at):
                here.setdefault(self._first, at)
            here = self._since(here)
            began = here.get(self._last, at)
            if began < at and may_end(at):
                longest[began] = at
            if at == len(text):
                break
            chars = _cases(text[at]) if ignore_case else (text[at],)
            step: dict[int, int] = {}
            for number, since in here.items():
                state = self._states[number]
                if state.by is not None and state.by.fits(chars):
                    step[state.to[0]] = min(since, step.get(state.to[0], since))
            here = step
        return _apart(longest)

    def _since(self, here: dict[int, int]) -> dict[int, int]:
        """As `_reached`, each with where it began: the earliest."""
        found: dict[int, int] = {}
        for number, since in sorted(here.items(), key=lambda each: each[1]):
            todo = [number]
            while todo:
                each = todo.pop()
                if each not in found:
                    found[each] = since
                    state = self._states[each]
                    todo += state.to if state.by is None else ()
        return found

    def _reached(self, states: Iterable[int]) -> set[int]:
        """These states and all that lie behind them without another character."""
        found, todo = set(states), list(states)
        while todo:
            state = self._states[todo.pop()]
            for each in state.to if state.by is None else ():
                if each not in found:
                    found.add(each)
                    todo.append(each)
        return found

    def _either(self) -> _Part:
        parts = [self._row()]
        while self._peek() == "|":
            self._at += 1
            parts.append(self._row())
        if len(parts) == 1:
            return parts[0]
        self._splits = self._splits or self._depth == 0
        end = self._new()
        for _, last in parts:
            self._states[last].to.append(end)
        return self._new(to=[first for first, _ in parts]), end

    def _row(self) -> _Part:
        start = end = self._new()
        while self._peek() not in ("", "|", ")"):
            began = self._at
            part = self._one()
            least, most = self._times()
            for number in range(max(least, most or 0, 1)):
                if number:
                    part = self._again(began)
                end = self._joined(end, part, optional=number >= least)
            if most is None:
                self._states[part[1]].to.append(part[0])
        return start, end

    def _joined(self, end: int, part: _Part, *, optional: bool) -> int:
        first, last = part
        after = self._new()
        self._states[end].to.append(first)
        self._states[last].to.append(after)
        if optional:
            self._states[end].to.append(after)
        return after

    def _again(self, began: int) -> _Part:
        """The same part once more: its text is read again."""
        here, self._at = self._at, began
        part = self._one()
        self._at = here
        return part

    def _one(self) -> _Part:
        char = self._next()
        if char == "(":
            if self._peek() == "?":
                raise self._wrong("groups with '(?' are not known")
            return self._group()
        if char in _MANY or char == "{":
            raise self._wrong(f"{char!r} repeats nothing")
        if char in "^$":
            raise self._wrong(f"{char!r} is not needed: an expression fits whole words; leave it")
        end = self._new()
        return self._new(by=self._set(char), to=[end]), end

    def _group(self) -> _Part:
        self._depth += 1
        if self._depth > MOST_GROUPS:
            raise self._wrong("too many groups lie within each other")
        part = self._either()
        if self._peek() != ")":
            raise self._wrong("a ')' is missing")
        self._at += 1
        self._depth -= 1
        return part

    def _set(self, char: str) -> _Set:
        if char == ".":
            return _Set(negated=True)
        if char == "\\":
            return self._escaped()
        return self._bracket() if char == "[" else _Set(frozenset(char))

    def _escaped(self) -> _Set:
        char = self._next()
        if char.lower() in _CLASSES:
            return _Set(kinds=(_CLASSES[char.lower()],), negated=char.isupper())
        if char not in _SPECIAL:
            raise self._wrong(f"'\\{char}' is not known")
        return _Set(frozenset(char))

    def _bracket(self) -> _Set:
        negated = self._peek() == "^"
        self._at += negated
        singles: set[str] = set()
        ranges: list[tuple[str, str]] = []
        kinds: list[Callable[[str], bool]] = []
        while (char := self._next()) != "]":
            if char == "\\":
                one = self._escaped()
                if one.negated:
                    raise self._wrong("an opposite inside of [] is not known")
                singles |= one.singles
                kinds += one.kinds
            elif self._peek() == "-" and self.text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                last = self._next()
                if last < char or last in "[\\":
                    raise self._wrong(f"{char}-{last} is no range")
                ranges.append((char, last))
            else:
                singles.add(char)
        return _Set(frozenset(singles), tuple(ranges), tuple(kinds), negated)

    def _times(self) -> tuple[int, int | None]:
        char = self._peek()
        if char in _MANY:
            self._at += 1
            return _MANY[char]
        if char != "{":
            return 1, 1
        end = self.text.find("}", self._at)
        low, comma, high = self.text[self._at + 1 : max(end, 0)].partition(",")
        if end < 0 or not low.isdecimal() or not (high.isdecimal() or not high):
            raise self._wrong("a number of times is written as {2}, {2,} or {2,4}")
        self._at = end + 1
        most = (int(high) if high else None) if comma else int(low)
        if most is not None and not max(int(low), 1) <= most <= MOST_STATES:
            raise self._wrong(f"{{{low}{comma}{high}}} is no number of times")
        return int(low), most

    def _new(self, *, by: _Set | None = None, to: list[int] | None = None) -> int:
        if len(self._states) >= MOST_STATES:
            raise self._wrong("it repeats too much")
        self._states.append(_State(by, to or []))
        return len(self._states) - 1

    def _peek(self) -> str:
        return self.text[self._at : self._at + 1]

    def _next(self) -> str:
        char = self._peek()
        if not char:
            raise self._wrong("it ends too early")
        self._at += 1
        return char

    def _wrong(self, why: str) -> BadPattern:
        return BadPattern(f"at character {self._at + 1} of the expression: {why}")


class Search:
    """An expression that is searched for in a text; it may begin and end with an edge.

    ``^`` and ``$`` are the edges of the text, ``\\b`` is that of a word. Raises `BadPattern`.

    >>> Search(r"\\bP-\\d+").spans("to P-17, not SP-18")
    [(3, 7)]
    """

    def __init__(self, text: str) -> None:
        self._edges = tuple(each for each in ("^", "\\b") if text.startswith(each))
        inner = text.removeprefix(self._edges[0]) if self._edges else text
        self._ends = tuple(each for each in ("$", "\\b") if _ends_with(inner, each))
        inner = inner.removesuffix(self._ends[0]) if self._ends else inner
        self._pattern = Pattern(inner)
        if (self._edges or self._ends) and self._pattern.is_alternatives:
            raise BadPattern("what lies between edges must stand in (), since it holds a '|'")

    def spans(self, text: str, *, ignore_case: bool = False) -> list[tuple[int, int]]:
        """Where it is, one after the other: first and last character, that one left out."""
        return self._pattern.spans(
            text,
            ignore_case=ignore_case,
            may_begin=lambda at: all(_is_edge(text, at, each) for each in self._edges),
            may_end=lambda at: all(_is_edge(text, at, each) for each in self._ends),
        )


def _ends_with(text: str, edge: str) -> bool:
    """Whether an edge is at the end, and is not written as a character (``\\$``)."""
    before = text.removesuffix(edge)
    return before != text and (len(before) - len(before.rstrip("\\"))) % 2 == 0


def _is_edge(text: str, at: int, edge: str) -> bool:
    if edge == "^":
        return at == 0
    if edge == "$":
        return at == len(text)
    word = _CLASSES["w"]
    before, after = text[max(0, at - 1) : at], text[at : at + 1]
    return bool(before and word(before)) != bool(after and word(after))


def _cases(char: str) -> tuple[str, ...]:
    return tuple(each for each in {char, char.lower(), char.upper()} if len(each) == 1)


def _apart(longest: dict[int, int]) -> list[tuple[int, int]]:
    """Those that do not overlap, from the left."""
    found: list[tuple[int, int]] = []
    for began, end in sorted(longest.items()):
        if not found or began >= found[-1][1]:
            found.append((began, end))
    return found
