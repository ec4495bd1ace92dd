"""Models to run the contract suite on, each with what must run beside it while it is asked.

A family of models has a module ``cases_FAMILY`` here with its own ``CASES``, by the name of the
kind and what is special about it. They run in this process and in a function on emulated AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from walkdown.models.artefact import Artefact


@dataclass(frozen=True, slots=True)
class Running:
    """A model that can be asked: its artefact, and the environment in which it must be opened."""

    artefact: Artefact
    variables: Mapping[str, str] = field(default_factory=dict)


Case = Callable[[], AbstractContextManager[Running]]
