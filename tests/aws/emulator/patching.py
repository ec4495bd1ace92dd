"""How the emulator reaches into moto: modules as untyped objects, and a method in place of another.

moto is replaced in parts here, which no type checker can follow; everything else of the emulator
stays typed.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

REGION = "us-east-1"
ACCOUNT = "123456789012"
SECRET = "secret"  # noqa: S105 - every key has it here, and nothing checks it
ASL = "moto.stepfunctions.parser.asl."
MAPS = ASL + "component.state.exec.state_map."


def moto(name: str) -> Any:
    """The module ``moto.NAME``, imported."""
    return importlib.import_module(f"moto.{name}")


def module(name: str) -> Any:
    return importlib.import_module(name)


def replace_everywhere(prefix: str, name: str, value: object) -> None:
    """Replace what was imported by name into the modules below ``prefix``."""
    for found, loaded in list(sys.modules.items()):
        if found.startswith(prefix) and hasattr(loaded, name):
            setattr(loaded, name, value)
