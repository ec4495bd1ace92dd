"""DynamoDB streams to Lambda: one reader per mapping, in order, with the retries of the mapping.

A failed batch is tried again, halved first where the mapping says so; what the function names in
`batchItemFailures` is where the next try begins. After the last try the batch's whereabouts go to
the on-failure destination and the reader goes on behind it. Not like AWS: one shard, which never
splits, and records that never expire.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.aws.emulator.environment import Outcome
from tests.aws.emulator.faults import Faults
from tests.aws.emulator.functions import Functions, find_function, send_to_queue
from tests.aws.emulator.patching import moto
from tests.aws.emulator.pool import Throttled
from tests.aws.emulator.queues import matches, reported

PAUSE_S = 0.02
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class _Tried:
    """``failed_from`` is the place in the batch to try again from; None: all was done."""

    failed_from: int | None
    outcome: Outcome | None


class StreamSource:
    """The reader of one mapping of a table's stream to a function."""

    def __init__(
        self, mapping: Any, functions: Functions, faults: Faults, lock: threading.RLock
    ) -> None:
        self.mapping, self._functions, self._faults = mapping, functions, faults
        self._database = lock
        self._over = threading.Event()
        self._working = False
        self._next = 0 if mapping.starting_position != "LATEST" else len(self._shard().items)
        threading.Thread(target=self._read, daemon=True).start()

    def stop(self) -> None:
        self._over.set()

    @property
    def idle(self) -> bool:
        """Everything that is in the stream has been done with."""
        if self._over.is_set() or not self.mapping.enabled:
            return True
        with self._database:
            return not self._working and self._next >= len(self._shard().items)

    def _shard(self) -> Any:
        _, _, _, region, account, rest = self.mapping.event_source_arn.split(":", 5)
        backend = moto("dynamodb.models").dynamodb_backends[account][region]
        return backend.get_table(rest.split("/")[1]).stream_shard

    def _read(self) -> None:
        while not self._over.wait(PAUSE_S):
            if not self.mapping.enabled:
                continue
            try:
                self._turn()
            except Exception as error:  # a reader goes on, whatever happened
                self._faults.note_error(f"{self.mapping.event_source_arn}: {error!r}")
            finally:
                self._working = False

    def _turn(self) -> None:
        batch, upto = self._gather()
        if batch:
            self._deliver(batch)
        self._next = upto

    def _gather(self) -> tuple[list[dict[str, Any]], int]:
        batch, upto = self._look()
        window_s = float(self.mapping.max_batch_window or 0)
        if not batch or not window_s:
            return batch, upto
        end = time.monotonic() + self._faults.shortened("window", window_s)
        while len(batch) < self.mapping.batch_size and time.monotonic() < end:
            time.sleep(0.01)
            batch, upto = self._look()
        return batch, upto

    def _look(self) -> tuple[list[dict[str, Any]], int]:
        """The next records that the filters take, and the place behind them."""
        batch: list[dict[str, Any]] = []
        with self._database:
            items = self._shard().items[self._next :]
            self._working = bool(items)
        upto = self._next
        for item in items:
            record = _record(item, self.mapping.event_source_arn)
            upto += 1
            if matches(self.mapping.filter_criteria, record):
                batch.append(record)
            if len(batch) >= self.mapping.batch_size:
                break
        return batch, upto

    def _deliver(self, batch: list[dict[str, Any]]) -> None:
        most = self.mapping.max_retry_attempts
        most = -1 if most is None else int(most)
        tries = 0
        while not self._over.is_set():
            tried = self._try(batch)
            if tried.failed_from is None:
                return
            if tried.failed_from:
                batch, tries = batch[tried.failed_from :], 0
            elif self.mapping.bisect_on_error and len(batch) > 1:
                half = len(batch) // 2
                for part in (batch[:half], batch[half:]):
                    self._deliver(part)
                return
            tries += 1
            if 0 <= most < tries:
                self._give_up(batch, tries, tried.outcome)
                return
            time.sleep(self._faults.shortened("stream retry", RETRY_S))

    def _try(self, batch: list[dict[str, Any]]) -> _Tried:
        arn = self.mapping.function_arn
        function = find_function(arn, arn.split(":")[3], arn.split(":")[4])
        try:
            outcome = self._functions.run(function, json.dumps({"Records": batch}).encode())
        except Throttled:
            return _Tried(0, None)
        if outcome.error:
            return _Tried(0, outcome)
        if "ReportBatchItemFailures" not in (self.mapping.function_response_types or []):
            return _Tried(None, outcome)
        return _Tried(_first_failed(batch, outcome.payload), outcome)

    def _give_up(self, batch: list[dict[str, Any]], tries: int, outcome: Outcome | None) -> None:
        config = self.mapping.destination_config or {}
        arn = config.get("OnFailure", {}).get("Destination")
        if arn:
            send_to_queue(arn, json.dumps(self._whereabouts(batch, tries, outcome)))

    def _whereabouts(
        self, batch: list[dict[str, Any]], tries: int, outcome: Outcome | None
    ) -> dict[str, Any]:
        first, last = batch[0]["dynamodb"], batch[-1]["dynamodb"]
        arrivals = [_iso(each["ApproximateCreationDateTime"]) for each in (first, last)]
        return {
            "requestContext": {
                "functionArn": self.mapping.function_arn,
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": tries,
            },
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": outcome.error if outcome else None,
            },
            "version": "1.0",
            "timestamp": _iso(time.time()),
            "DDBStreamBatchInfo": {
                "shardId": self._shard().id,
                "startSequenceNumber": first["SequenceNumber"],
                "endSequenceNumber": last["SequenceNumber"],
                "approximateArrivalOfFirstRecord": arrivals[0],
                "approximateArrivalOfLastRecord": arrivals[1],
                "batchSize": len(batch),
                "streamArn": self.mapping.event_source_arn,
            },
        }


def _first_failed(batch: list[dict[str, Any]], payload: bytes) -> int | None:
    told = reported(payload)
    if told is None:
        return 0
    numbers = [each["dynamodb"]["SequenceNumber"] for each in batch]
    if not told <= set(numbers):
        return 0
    return min((numbers.index(each) for each in told), default=None)


def _record(item: Any, arn: str) -> dict[str, Any]:
    record = item.to_json()
    inner = dict(record["dynamodb"])
    made = inner["ApproximateCreationDateTime"]
    if isinstance(made, datetime):
        inner["ApproximateCreationDateTime"] = int(made.replace(tzinfo=UTC).timestamp())
    return {**record, "awsRegion": arn.split(":")[3], "dynamodb": inner, "eventSourceARN": arn}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
