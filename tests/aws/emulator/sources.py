"""The event source mappings of one emulator, served in threads of their own.

moto delivers within the request that caused the event, once and whole; here its mappings are taken
off the queues and tables, and a poller or a reader stands for each.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from tests.aws.emulator.faults import Faults
from tests.aws.emulator.functions import Functions
from tests.aws.emulator.patching import moto
from tests.aws.emulator.queues import QueueSource, patch_queues
from tests.aws.emulator.streams import StreamSource


class Sources:
    """All pollers and readers, by the identity of their mapping."""

    def __init__(self, functions: Functions, faults: Faults, database: threading.RLock) -> None:
        self._functions, self._faults, self._database = functions, faults, database
        self._running: dict[str, QueueSource | StreamSource] = {}

    @property
    def idle(self) -> bool:
        return all(each.idle for each in list(self._running.values()))

    def patch(self) -> None:
        patch_queues()
        backend = moto("awslambda.models").LambdaBackend
        plain_create = backend.create_event_source_mapping
        plain_delete = backend.delete_event_source_mapping
        sources = self

        def create(self: Any, spec: dict[str, Any]) -> Any:
            mapping = plain_create(self, _numbers(spec))
            sources.start(mapping)
            return mapping

        def delete(self: Any, uuid: str) -> Any:
            sources.stop(uuid)
            return plain_delete(self, uuid)

        backend.create_event_source_mapping = create
        backend.delete_event_source_mapping = delete

    def start(self, mapping: Any) -> None:
        detach(mapping)
        service = mapping.event_source_arn.split(":")[2]
        if service == "sqs":
            self._running[mapping.uuid] = QueueSource(mapping, self._functions, self._faults)
        elif service == "dynamodb":
            self._running[mapping.uuid] = StreamSource(
                mapping, self._functions, self._faults, self._database
            )

    def stop(self, uuid: str) -> None:
        running = self._running.pop(uuid, None)
        if running is not None:
            running.stop()

    def stop_all(self) -> None:
        for uuid in list(self._running):
            self.stop(uuid)


def detach(mapping: Any) -> None:
    """Take a mapping off its queue or table, where moto would serve it on the spot."""
    _, _, service, region, account, rest = mapping.event_source_arn.split(":", 5)
    with contextlib.suppress(KeyError):
        if service == "sqs":
            owner = moto("sqs.models").sqs_backends[account][region].queues[rest]
        else:
            backend = moto("dynamodb.models").dynamodb_backends[account][region]
            owner = backend.get_table(rest.split("/")[1])
        owner.lambda_event_source_mappings.pop(mapping.function_arn, None)


def _numbers(spec: dict[str, Any]) -> dict[str, Any]:
    """CloudFormation hands numbers and truths over as text."""
    whole = ("BatchSize", "MaximumBatchingWindowInSeconds", "MaximumRetryAttempts")
    made = dict(spec)
    for name in whole:
        if name in made:
            made[name] = int(made[name])
    for name in ("Enabled", "BisectBatchOnFunctionError"):
        if name in made:
            made[name] = str(made[name]).lower() == "true"
    return made
