"""Every model of every family, by its name: what the contract suite runs on."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from tests.services.cases import Case


def all_cases() -> dict[str, Case]:
    """The cases of all modules ``cases_FAMILY`` here."""
    found: dict[str, Case] = {}
    for path in sorted(Path(__file__).parent.glob("cases_*.py")):
        family = path.stem.removeprefix("cases_")
        cases: dict[str, Case] = import_module(f"tests.services.{path.stem}").CASES
        found |= {f"{family}: {name}": case for name, case in cases.items()}
    return found
