"""Fixtures that every test may use."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from walkdown.sdk.aws import Aws


@pytest.fixture(scope="session")
def kept_clients() -> Aws:
    """Clients that outlive a test: making one takes half a second."""
    return Aws(region="eu-central-1")


@pytest.fixture
def moto_aws(kept_clients: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """An AWS account in this process, empty, as walkdown's clients reach it."""
    from moto import mock_aws

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with mock_aws():
        yield kept_clients


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
