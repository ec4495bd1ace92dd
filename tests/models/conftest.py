"""Fixtures for models that ask services of AWS."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

Variables = Callable[[dict[str, str]], None]


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> Variables:
    """Sets these variables and no others of AWS; retries do not wait."""
    from botocore.retries.standard import ExponentialBackoff

    def no_wait(self: Any, context: Any) -> float:
        return 0.0

    monkeypatch.setattr(ExponentialBackoff, "delay_amount", no_wait)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def put(variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put
