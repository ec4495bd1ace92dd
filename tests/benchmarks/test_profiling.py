"""What the profile wraps is there: names move, and a benchmark is run seldom."""

import functools
import importlib

import pytest
from benchmarks.profiling import STEPS


@pytest.mark.parametrize("place", [place for places in STEPS.values() for place in places])
def test_every_step_is_found(place: str) -> None:
    module, _, path = place.partition(":")
    assert callable(functools.reduce(getattr, path.split("."), importlib.import_module(module)))
