"""The events of Step Functions: an execution, also a child of a map run, has changed its status."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.aws.emulator.patching import module, moto
from tests.aws.emulator.targets import emit

if TYPE_CHECKING:
    from tests.aws.emulator.map_runs import Child

ACCOUNT_AT, REGION_AT = 4, 3


def tell_of_child(child: Child) -> None:
    """The end of one child execution."""
    emit(
        status_event(
            arn=child.arn,
            machine_arn=child.machine_arn,
            name=child.name,
            status=child.status,
            started=child.started,
            stopped=child.stopped,
            given=json.dumps(child.given.value),
            output=json.dumps(child.output) if child.status == "SUCCEEDED" else None,
            error=child.error,
            cause=child.cause,
        )
    )


def tell_of_execution(execution: Any) -> None:
    """The start or the end of an execution, by its status."""
    done = execution.status == "SUCCEEDED"
    emit(
        status_event(
            arn=execution.exec_arn,
            machine_arn=execution.state_machine.arn,
            name=execution.name,
            status=execution.status,
            started=execution.start_date,
            stopped=execution.stop_date,
            given=json.dumps(execution.input_data),
            output=json.dumps(execution.output, default=str) if done else None,
            error=execution.error,
            cause=execution.cause,
        )
    )


def status_event(
    *,
    arn: str,
    machine_arn: str,
    name: str,
    status: str,
    started: datetime,
    stopped: datetime | None,
    given: str,
    output: str | None,
    error: str | None,
    cause: str | None,
) -> dict[str, Any]:
    """One event as Step Functions writes it; times in milliseconds since the epoch."""
    detail = {
        "executionArn": arn,
        "stateMachineArn": machine_arn,
        "name": name,
        "status": status,
        "startDate": int(started.timestamp() * 1000),
        "stopDate": int(stopped.timestamp() * 1000) if stopped else None,
        "input": given,
        "output": output,
        "inputDetails": {"included": True},
        "outputDetails": {"included": True} if output is not None else None,
        "error": error,
        "cause": cause,
    }
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": arn.split(":")[ACCOUNT_AT],
        "time": datetime.now(UTC).timestamp(),
        "region": arn.split(":")[REGION_AT],
        "resources": [arn],
        "detail": detail,
    }


def patch_state_events() -> None:
    """Have executions tell of their start and their end."""
    moto("stepfunctions.parser.models")
    backend = module("moto.stepfunctions.parser.backend.execution")
    worker, execution = backend.BaseExecutionWorkerCommunication, backend.Execution
    plain_end, plain_start = worker.terminated, execution.start

    def terminated(self: Any) -> None:
        plain_end(self)
        tell_of_execution(self.execution)

    def start(self: Any) -> None:
        plain_start(self)
        tell_of_execution(self)

    worker.terminated = terminated
    execution.start = start
