"""The way to a value in parsed JSON: ``predictions.0.score``. Names, and positions from 0.

A number is a position in a list and a name in a mapping; ``-1`` is a list's last; ``.`` alone is
the whole answer.
"""

from __future__ import annotations

import json
import math
from typing import Annotated

from pydantic import Field

from walkdown.errors import ModelError

Path = Annotated[str, Field(min_length=1, max_length=200)]

WHOLE = "."
_SHOWN = 5


def at(answer: object, path: str) -> object:
    """What lies there. Raises `ModelError` that says how far the way leads.

    >>> at({"predictions": [{"score": 0.25}]}, "predictions.0.score")
    0.25
    """
    here = answer
    steps = [] if path == WHOLE else path.split(".")
    for done, step in enumerate(steps):
        try:
            here = _next(here, step)
        except (LookupError, ValueError) as e:
            so_far = ".".join(steps[:done]) or "the top"
            raise ModelError(
                f"the answer has no {path!r}: at {so_far} it has {described(here)}; "
                "correct 'output' in the model's card"
            ) from e
    return here


def number(answer: object, path: str) -> float:
    """A finite number. Raises `ModelError`."""
    return a_number(at(answer, path), path)


def a_number(value: object, path: str) -> float:
    """The value as a finite number; a list of one number is that number. ``path`` is for words."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    try:
        if not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass  # JSON's whole numbers have no end, ours do
    raise ModelError(f"the answer has {described(value)} at {path!r}; it must be a number")


def a_list(value: object, path: str) -> list[object]:
    """The value as a list. Raises `ModelError`."""
    if not isinstance(value, list):
        raise ModelError(f"the answer has {described(value)} at {path!r}; it must be a list")
    return value


def described(value: object) -> str:
    """What a value is, in a few words; never more of it than a person needs to see."""
    if isinstance(value, dict):
        names = [str(name)[:30] for name in list(value)[:_SHOWN]]
        more = ", ..." if len(value) > _SHOWN else ""
        return f"a mapping with {', '.join(names)}{more}" if names else "an empty mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return json.dumps(value)[:60]


def _next(here: object, step: str) -> object:
    if isinstance(here, dict):
        return here[step]
    if isinstance(here, list):
        return here[int(step)]
    raise LookupError(step)
