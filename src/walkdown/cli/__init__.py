"""The command line: parse, build, call, print. Every decision is made below it."""

from walkdown.cli.entry import main

__all__ = ["main"]
