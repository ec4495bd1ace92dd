"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real inspection images; the test is skipped, with the reason, without it."""
    default = Path(__file__).parents[2] / "shared" / "datasets"
    folder = Path(os.environ.get("WALKDOWN_TEST_DATA") or default)
    if not (folder / "robustness").is_dir():
        reason = f"no real images: WALKDOWN_TEST_DATA names no folder with them ({folder.name})"
        if os.environ.get("WALKDOWN_REQUIRE_TEST_DATA"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
