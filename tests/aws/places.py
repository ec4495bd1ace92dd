"""A workspace with models and a pipeline on this machine, and its stack on the emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.aws.emulator.handle import Handle, wait_until

RUNTIME = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that holds a workspace, and the emulator that its commands talk to.

    ``packages`` is a folder whose packages its commands find too.
    """

    aws: Handle
    folder: Path
    stack: str = "plant"
    packages: Path | None = None

    def walkdown(self, *args: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run a command as a user would; returns what it prints."""
        environment = {**os.environ, **self.aws.variables(), "WALKDOWN_ACTOR": "ada"}
        if self.packages is not None:
            known = environment.get("PYTHONPATH")
            path = [str(self.packages), *([known] if known else [])]
            environment["PYTHONPATH"] = os.pathsep.join(path)
        done = subprocess.run(
            [sys.executable, "-m", "walkdown", *args],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in codes, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def outputs(self) -> dict[str, str]:
        """What the stack says of itself."""
        found = self.aws.client("cloudformation").describe_stacks(StackName=self.stack)
        return {o["OutputKey"]: o["OutputValue"] for o in found["Stacks"][0]["Outputs"]}

    def put(self, key: str, data: bytes, **more: Any) -> None:
        """Put a photograph into the source bucket."""
        bucket = self.outputs()["SourceBucketName"]
        self.aws.client("s3").put_object(Bucket=bucket, Key=key, Body=data, **more)

    def results(self) -> list[dict[str, Any]]:
        """What the stack's records hold, as the command line shows it."""
        lines = self.walkdown(
            "results", "--json", "--workspace", f"aws://{self.stack}"
        ).splitlines()
        return [json.loads(line) for line in lines]

    def executions(self) -> list[dict[str, Any]]:
        """The stack's workflows, the newest first."""
        states = self.aws.client("stepfunctions")
        machines = states.list_state_machines()["stateMachines"]
        found = [
            each
            for machine in machines
            for each in states.list_executions(stateMachineArn=machine["stateMachineArn"])[
                "executions"
            ]
        ]
        return sorted(found, key=lambda each: each["startDate"], reverse=True)

    def until_done(self, count: int = 1, *, timeout_s: float = 180.0) -> list[dict[str, Any]]:
        """Wait until so many workflows have ended."""

        def ended() -> list[dict[str, Any]]:
            found = [e for e in self.executions() if e["status"] != "RUNNING"]
            return found if len(found) >= count else []

        return wait_until(ended, f"{count} workflows have ended", timeout_s=timeout_s)
