"""EventBridge: what a rule sends to queues, functions, state machines and topics; and S3's events.

Queues get their event at once, the other targets in a thread. Schedules never fire by themselves:
a test fires a rule or a schedule by name. Not like AWS: S3 tells nothing of tags.
"""

from __future__ import annotations

import copy
import json
import re
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from tests.aws.emulator.faults import Faults
from tests.aws.emulator.functions import Functions, find_function, send_to_queue
from tests.aws.emulator.patching import ACCOUNT, REGION, moto

REASONS = {
    "Put": "PutObject",
    "Post": "POST Object",
    "Copy": "CopyObject",
    "CompleteMultipartUpload": "CompleteMultipartUpload",
}


class Targets:
    """Delivers to the targets of rules and schedules."""

    def __init__(self, functions: Functions, faults: Faults) -> None:
        self._functions, self._faults = functions, faults
        self._waiting = 0
        self._lock = threading.Lock()

    @property
    def idle(self) -> bool:
        return not self._waiting

    def patch(self) -> None:
        rule = moto("events.models").Rule
        plain = rule.send_to_targets
        targets = self

        def send(self: Any, original_event: Any, transform_input: bool = True) -> None:
            if self.state != "ENABLED" or not self.event_pattern.dump():
                # A rule of a schedule alone has no pattern, which moto lets match everything.
                return
            if not self.event_pattern.matches_event(original_event):
                return
            every = list(self.targets)
            others = [each for each in every if not targets.takes(each["Arn"])]
            for target in every:
                if targets.takes(target["Arn"]):
                    targets.send(target, _as_sent(original_event))
            if others:
                self.targets = others
                try:
                    plain(self, original_event, transform_input)
                finally:
                    self.targets = every

        rule.send_to_targets = send
        _patch_object_events(self._functions)

    def takes(self, arn: str) -> bool:
        return arn.split(":")[2] in ("sqs", "lambda", "states", "sns")

    def send(self, target: dict[str, Any], event: dict[str, Any]) -> None:
        arn, body = target["Arn"], _input(target, event)
        if arn.split(":")[2] == "sqs":
            return self._deliver(arn, body)
        with self._lock:
            self._waiting += 1
        threading.Thread(target=self._later, args=(arn, body), daemon=True).start()
        return None

    def _later(self, arn: str, body: str) -> None:
        try:
            self._deliver(arn, body)
        finally:
            with self._lock:
                self._waiting -= 1

    def _deliver(self, arn: str, body: str) -> None:
        _, _, service, region, account, _ = arn.split(":", 5)
        try:
            if service == "sqs":
                send_to_queue(arn, body)
            elif service == "lambda":
                self._functions.later(find_function(arn, region, account), body.encode())
            elif service == "states":
                machines = moto("stepfunctions.parser.models").stepfunctions_parser_backends
                machines[account][region].start_execution(arn, str(uuid.uuid4()), body)
            elif service == "sns":
                moto("sns.models").sns_backends[account][region].publish(body, arn=arn)
        except Exception as error:  # as on AWS, nobody waits for this
            self._faults.note_error(f"to {arn}: {error!r}")

    def fire(self, name: str, region: str = REGION, account: str = ACCOUNT) -> int:
        """Send what the rule or the schedule of this name sends; how many targets it has."""
        rules = moto("events.models").events_backends[account][region]
        for bus in rules.event_buses.values():
            if name in bus.rules:
                for target in bus.rules[name].targets:
                    self.send(target, _scheduled(bus.rules[name].arn, region, account))
                return len(bus.rules[name].targets)
        for group in (
            moto("scheduler.models").scheduler_backends[account][region].schedule_groups.values()
        ):
            if name in group.schedules:
                target = group.schedules[name].target
                self.send(target, _scheduled(group.schedules[name].arn, region, account))
                return 1
        raise LookupError(f"no rule and no schedule is named {name}")


def emit(event: dict[str, Any]) -> None:
    """Send an event to the rules of the default bus of its account and region."""
    backend = moto("events.models").events_backends[event["account"]][event["region"]]
    for rule in list(backend.event_buses["default"].rules.values()):
        rule.send_to_targets(copy.deepcopy(event))


def _as_sent(event: Any) -> dict[str, Any]:
    made: dict[str, Any] = copy.deepcopy(dict(event))
    if isinstance(made.get("time"), int | float | str):
        at = datetime.fromtimestamp(float(made["time"]), UTC)
        made["time"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    made.pop("ingestion-time", None)
    return made


def _input(target: dict[str, Any], event: dict[str, Any]) -> str:
    if target.get("Input"):
        return str(target["Input"])
    if target.get("InputPath"):
        found = moto("stepfunctions.parser.asl.utils.json_path").extract_json(
            target["InputPath"], event
        )
        return json.dumps(found)
    if target.get("InputTransformer"):
        return transformed(target["InputTransformer"], event)
    return json.dumps(event)


def transformed(transformer: dict[str, Any], event: dict[str, Any]) -> str:
    """The template with its ``<names>`` filled: bare ones as JSON, those within quotes as text."""
    extract = moto("stepfunctions.parser.asl.utils.json_path").extract_json
    paths = transformer.get("InputPathsMap") or {}
    values = {name: extract(path, event) for name, path in paths.items()}
    template = str(transformer["InputTemplate"])

    def fill(found: re.Match[str]) -> str:
        if found.group(1) not in values:
            return found.group(0)
        value = values[found.group(1)]
        before = template[: found.start()].replace('\\"', "")
        if before.count('"') % 2 == 0:
            return json.dumps(value)
        return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]

    return re.sub(r"<([A-Za-z0-9_.-]+)>", fill, template)


def _scheduled(arn: str, region: str, account: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [arn],
        "detail": {},
    }


def _patch_object_events(functions: Functions) -> None:
    """S3's events as AWS writes them: each its own id and sequence, a version if there is one."""
    notifications = moto("s3.notifications")

    def to_bus(account_id: str, bucket: Any, event_name: Any, key: Any) -> None:
        name = str(getattr(event_name, "value", event_name))
        # moto tells of tags with each object, whether it has some or not.
        if "ObjectTagging" not in name:
            emit(object_event(account_id, bucket, name, key))

    def to_function(account_id: str, event_body: Any, fn_arn: str, region_name: str) -> None:
        functions.later(
            find_function(fn_arn, region_name, account_id), json.dumps(event_body).encode()
        )

    notifications._send_event_bridge_message = to_bus
    notifications._invoke_awslambda = to_function


def object_event(account: str, bucket: Any, name: str, key: Any) -> dict[str, Any]:
    """The event of an object in EventBridge's form; its key is not encoded."""
    detail_type = moto("s3.notifications")._detail_type(name)
    told: dict[str, Any] = {"key": key.name, "sequencer": f"{time.time_ns():018X}"}
    if detail_type == "Object Created":
        told |= {"size": key.size, "etag": key.etag.replace('"', "")}
    if bucket.is_versioned:
        told["version-id"] = key.version_id
    reason = REASONS.get(name.rpartition(":")[2], "DeleteObject")
    detail = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": told,
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": account,
        "source-ip-address": "127.0.0.1",
        "reason": reason,
    }
    if reason == "DeleteObject":
        marker = bucket.is_versioned
        detail["deletion-type"] = "Delete Marker Created" if marker else "Permanently Deleted"
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": "aws.s3",
        "account": account,
        "time": time.time(),
        "region": bucket.region_name,
        "resources": [bucket.arn],
        "detail": detail,
    }
