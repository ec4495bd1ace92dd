"""Progress on standard error: bars with rate and time left on a terminal, else plain lines."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click._termui_impl import ProgressBar

    from walkdown.ports import Progress

    Words = Callable[[float], str]

LABEL = 44
"""Characters of a phase's name, so that bars stand below each other."""

QUIET_S = 10.0
"""Seconds between two plain lines of one phase."""


@contextmanager
def progress(*, quiet: bool = False, in_bytes: bool = False) -> Iterator[Progress]:
    """Progress for the length of a command; ``in_bytes``: what is counted are bytes."""
    amount = _megabytes if in_bytes else str
    rate = _megabytes if in_bytes else _tenths
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        bar = Bar(amount=amount, rate=rate)
        try:
            yield bar
        finally:
            bar.close()
    else:
        yield Plain(amount=amount, rate=rate)


def _megabytes(count: float) -> str:
    """Bytes for people.

    >>> _megabytes(12_345_678)
    '12.3 MB'
    """
    return f"{count / 1e6:.1f} MB"


def _tenths(count: float) -> str:
    return f"{count:.1f}"


class Silent:
    """Says nothing but notes."""

    def start(self, what: str, total: int | None) -> None:
        """Nothing."""

    def advance(self, count: int = 1) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """One line."""
        click.echo(text, err=True)


class Plain:
    """A line when a phase begins and ends, and every few seconds between."""

    def __init__(self, *, amount: Words = str, rate: Words = _tenths) -> None:
        self._amount, self._rate = amount, rate
        self._what, self._total, self._done = "", 0, 0
        self._began = self._said = 0.0

    def start(self, what: str, total: int | None) -> None:
        """A line for a phase that has a length."""
        self._what, self._total, self._done = what, total or 0, 0
        self._began = self._said = time.monotonic()
        click.echo(f"{what}{f': {self._amount(total)}' if total else ''}", err=True)

    def advance(self, count: int = 1) -> None:
        """Count, and say so now and then."""
        self._done += count
        now = time.monotonic()
        if now - self._said >= QUIET_S and self._done < self._total:
            self._said = now
            rate = self._done / max(now - self._began, 1e-9)
            left = (self._total - self._done) / max(rate, 1e-9)
            done, total = self._amount(self._done), self._amount(self._total)
            click.echo(
                f"{self._what}: {done} of {total}, {self._rate(rate)}/s, {left:.0f} s left",
                err=True,
            )

    def note(self, text: str) -> None:
        """One line."""
        click.echo(text, err=True)


class Bar:
    """A bar for each phase, with position, rate and time left."""

    def __init__(self, *, amount: Words = str, rate: Words = _tenths) -> None:
        self._amount, self._rate = amount, rate
        self._bar: ProgressBar[str] | None = None
        self._total = 0
        self._began, self._done = 0.0, 0

    def start(self, what: str, total: int | None) -> None:
        """Close the bar of the phase before and open one."""
        self.close()
        self._began, self._done, self._total = time.monotonic(), 0, total or 0
        if total:
            self._bar = click.progressbar(
                length=total,
                label=f"{what:<{LABEL}}",
                file=sys.stderr,
                item_show_func=lambda shown: shown,
                width=24,
            )
            self._bar.__enter__()

    def advance(self, count: int = 1) -> None:
        """Move the bar."""
        self._done += count
        rate = self._done / max(time.monotonic() - self._began, 1e-9)
        if self._bar is not None:
            position = f"{self._amount(self._done)}/{self._amount(self._total)}"
            self._bar.update(count, f"{position} {self._rate(rate)}/s")

    def note(self, text: str) -> None:
        """A line of its own; the bar is drawn anew below it."""
        click.echo(f"\r\x1b[K{text}", err=True)

    def close(self) -> None:
        """End the line of the last bar."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
