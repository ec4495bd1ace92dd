"""SQS to Lambda: what polls a queue, gathers a batch, and gives back what was not done.

A batch closes at its size, at 6 MB, or when its window has passed. Messages of a failed batch, and
those that the function names in `batchItemFailures`, come back to the queue; the queue's redrive
policy sends them to the dead letters in the end. The window and the time until a message is
visible again are shortened to the emulator's longest delay. Two pollers at most serve a mapping.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import Any

from tests.aws.emulator.faults import Faults
from tests.aws.emulator.functions import Functions, find_function
from tests.aws.emulator.patching import moto
from tests.aws.emulator.pool import Throttled

POLLERS = 2
PAUSE_S = 0.02
BATCH_BYTES = 6 * 1024 * 1024 - 4096
LOCK = "_emulated_lock"


class QueueSource:
    """The pollers of one mapping of a queue to a function."""

    def __init__(self, mapping: Any, functions: Functions, faults: Faults) -> None:
        self.mapping, self._functions, self._faults = mapping, functions, faults
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._working = 0
        scaling = int((mapping.scaling_config or {}).get("MaximumConcurrency", POLLERS))
        for _ in range(min(scaling, POLLERS)):
            threading.Thread(target=self._poll, daemon=True).start()

    def stop(self) -> None:
        self._over.set()

    @property
    def idle(self) -> bool:
        """Nothing at work, and nothing in the queue that may yet be delivered."""
        if self._over.is_set() or not self.mapping.enabled:
            return True
        return not self._working and not self._queue()._messages

    def _queue(self) -> Any:
        return queue_of(self.mapping.event_source_arn)

    def _poll(self) -> None:
        while not self._over.wait(PAUSE_S):
            if not self.mapping.enabled:
                continue
            with self._lock:
                self._working += 1
            try:
                self._turn()
            except Exception as error:  # a poller goes on, whatever happened
                self._faults.note_error(f"{self.mapping.event_source_arn}: {error!r}")
            finally:
                with self._lock:
                    self._working -= 1

    def _turn(self) -> None:
        messages = self._gather()
        wanted = [each for each in messages if self._wanted(each)]
        failed = self._failed(wanted) if wanted else set()
        for message in messages:
            if message.id in failed:
                self._give_back(message)
            else:
                self._queue().delete_message(message.receipt_handle)

    def _gather(self) -> list[Any]:
        got = self._receive(self.mapping.batch_size)
        window_s = float(self.mapping.max_batch_window or 0)
        if not got or not window_s:
            return got
        end = time.monotonic() + self._faults.shortened("window", window_s)
        while len(got) < self.mapping.batch_size and time.monotonic() < end:
            if sum(len(each.body) for each in got) > BATCH_BYTES:
                break
            more = self._receive(self.mapping.batch_size - len(got))
            got += more
            if not more:
                time.sleep(0.01)
        return got

    def _receive(self, count: int) -> list[Any]:
        queue = self._queue()
        backend = moto("sqs.models").sqs_backends[queue.account_id][queue.region]
        got: list[Any] = backend.receive_message(
            queue.name, count, 0, queue.visibility_timeout, ["All"]
        )
        return got

    def _wanted(self, message: Any) -> bool:
        body = message.body
        with contextlib.suppress(ValueError):
            body = json.loads(body)
        return matches(self.mapping.filter_criteria, {"body": body})

    def _failed(self, messages: list[Any]) -> set[str]:
        every = {each.id for each in messages}
        arn = self.mapping.function_arn
        queue = self._queue()
        function = find_function(arn, queue.region, queue.account_id)
        event = {"Records": [_record(each, queue) for each in messages]}
        try:
            outcome = self._functions.run(function, json.dumps(event).encode())
        except Throttled:
            return every
        if outcome.error:
            return every
        if "ReportBatchItemFailures" not in (self.mapping.function_response_types or []):
            return set()
        told = reported(outcome.payload)
        return every if told is None or not told <= every else told

    def _give_back(self, message: Any) -> None:
        queue = self._queue()
        delay_s = self._faults.shortened("visibility", float(queue.visibility_timeout))
        with getattr(queue, LOCK):
            for kept in list(queue._messages):
                if kept.had_receipt_handle(message.receipt_handle):
                    kept.visible_at = (time.time() + delay_s) * 1000
                    queue.pending_messages.discard(kept)


def queue_of(arn: str) -> Any:
    """The queue of this ARN; raises LookupError where there is none."""
    _, _, _, region, account, name = arn.split(":", 5)
    return moto("sqs.models").sqs_backends[account][region].queues[name]


def reported(payload: bytes) -> set[str] | None:
    """The identifiers in `batchItemFailures`; None is an answer that counts as a failed batch."""
    try:
        answer = json.loads(payload or b"null")
    except ValueError:
        return None
    failures = answer.get("batchItemFailures") if isinstance(answer, dict) else None
    if not failures:
        return set()
    try:
        identifiers = {each["itemIdentifier"] for each in failures}
    except (KeyError, TypeError):
        return None
    return identifiers if all(identifiers) else None


def matches(criteria: Any, record: dict[str, Any]) -> bool:
    """Whether one of the patterns of a mapping's `FilterCriteria` takes the record."""
    filters = (criteria or {}).get("Filters") or []
    pattern = moto("events.models").EventPattern
    return not filters or any(
        pattern.load(each["Pattern"]).matches_event(record) for each in filters
    )


def _record(message: Any, queue: Any) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": message.sender_id,
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
        },
        "messageAttributes": {},
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.queue_arn,
        "awsRegion": queue.region,
    }


def patch_queues() -> None:
    """Messages are received by one caller at a time; moto lets two have the same message."""
    models = moto("sqs.models")
    plain_start, backend = models.Queue.__init__, models.SQSBackend
    plain_receive, plain_delete = backend.receive_message, models.Queue.delete_message

    def start(self: Any, *args: Any, **more: Any) -> None:
        setattr(self, LOCK, threading.RLock())
        plain_start(self, *args, **more)

    def receive(
        self: Any, queue_name: str, count: int, wait_s: Any, visibility: Any, names: Any = None
    ) -> Any:
        end = time.monotonic() + float(wait_s or 0)
        while True:
            with getattr(self.get_queue(queue_name), LOCK):
                got = plain_receive(self, queue_name, count, 0, visibility, names)
            if got or time.monotonic() >= end:
                return got
            time.sleep(PAUSE_S)

    def delete(self: Any, receipt_handle: str) -> None:
        with getattr(self, LOCK):
            plain_delete(self, receipt_handle)

    models.Queue.__init__ = start
    models.Queue.delete_message = delete
    backend.receive_message = receive
    moto("sqs.responses").SQSResponse.start_message_move_task = _move_task


def _move_task(response: Any) -> Any:
    """Dead letters go back to the one queue that they came from, all before the answer."""
    backend, arn = response.sqs_backend, response._get_param("SourceArn")
    dead = backend.get_queue(arn.rpartition(":")[2])
    sources = backend.list_dead_letter_source_queues(dead.name)
    with getattr(dead, LOCK):
        for message in list(dead._messages):
            backend.send_message(sources[0].name, message.body)
            dead._messages.remove(message)
    return moto("core.responses").ActionResult({"TaskHandle": "task"})
