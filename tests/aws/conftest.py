"""AWS on this machine, for the tests below: one emulator per test run, empty for each test."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

import pytest
from tests.aws.emulator.handle import Handle, running
from tests.aws.plants import packed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def aws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    """The emulator's process; a test takes `aws`, which is the same, empty."""
    for name in ("moto", "awslambdaric", "jsonata"):
        if importlib.util.find_spec(name) is None:
            reason = f"no emulated AWS: {name} is not installed"
            if os.environ.get("WALKDOWN_REQUIRE_TEST_DATA"):
                pytest.fail(reason)
            pytest.skip(reason)
    with running(tmp_path_factory.mktemp("aws")) as handle:
        yield handle


@pytest.fixture
def aws(aws_server: Handle) -> Handle:
    """An empty account: no resources, no faults, no record."""
    aws_server.reset()
    return aws_server


@pytest.fixture(scope="session")
def functions(request: pytest.FixtureRequest) -> Path:
    """The folder with the functions' zip, which is packed again when anything in it has changed."""
    return packed(request.config.cache.mkdir("walkdown-functions"))
