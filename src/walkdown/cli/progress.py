"""Progress on standard error: bars with rate and time left on a terminal, else plain lines."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from walkdown.ports import Progress

QUIET_S = 10.0
"""Seconds between two plain lines of one phase."""


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Progress]:
    """Progress for the length of a command."""
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        with _bar() as bar:
            yield Bar(bar)
    else:
        yield Plain()


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

    def __init__(self) -> None:
        self._what, self._total, self._done = "", 0, 0
        self._began = self._said = 0.0

    def start(self, what: str, total: int | None) -> None:
        """A line for a phase that has a length."""
        self._what, self._total, self._done = what, total or 0, 0
        self._began = self._said = time.monotonic()
        click.echo(f"{what}{f': {total}' if total else ''}", err=True)

    def advance(self, count: int = 1) -> None:
        """Count, and say so now and then."""
        self._done += count
        now = time.monotonic()
        if now - self._said >= QUIET_S and self._done < self._total:
            self._said = now
            rate = self._done / max(now - self._began, 1e-9)
            left = (self._total - self._done) / max(rate, 1e-9)
            click.echo(
                f"{self._what}: {self._done} of {self._total}, {rate:.1f}/s, {left:.0f} s left",
                err=True,
            )

    def note(self, text: str) -> None:
        """One line."""
        click.echo(text, err=True)


class Bar:
    """Rich's bar, one line a phase."""

    def __init__(self, bar: RichProgress) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def start(self, what: str, total: int | None) -> None:
        """Close the line of the phase before and open one."""
        self._close()
        self._task = self._bar.add_task(what, total=total)

    def _close(self) -> None:
        if self._task is not None and self._bar.tasks[self._task].total is None:
            self._bar.update(self._task, total=1, completed=1)

    def advance(self, count: int = 1) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bar.advance(self._task, count)

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._bar.console.print(text, markup=False, highlight=False)


def _bar() -> RichProgress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Steps a second."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:.1f}/s", style="progress.data.speed")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
