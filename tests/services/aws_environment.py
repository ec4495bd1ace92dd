"""An environment that leads boto3 to what a test runs, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest

Variables = Callable[[Mapping[str, str]], None]


def nothing_else_of_aws(monkeypatch: pytest.MonkeyPatch) -> Variables:
    """Takes away all variables of AWS; returns what sets some. Retries do not wait."""
    from botocore.retries.standard import ExponentialBackoff

    def no_wait(self: Any, context: Any) -> float:
        return 0.0

    monkeypatch.setattr(ExponentialBackoff, "delay_amount", no_wait)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def put(variables: Mapping[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put
