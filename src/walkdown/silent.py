"""Progress that nobody watches."""

from __future__ import annotations


class Silent:
    """Progress for programs, and for a part that is one step of a greater work."""

    def start(self, what: str, total: int | None) -> None:
        """Not told."""

    def advance(self, count: int = 1) -> None:
        """Not told."""

    def note(self, text: str) -> None:
        """Not told."""
