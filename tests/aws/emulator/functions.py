"""Lambda: invocations run in the pool, versions keep their code, refusals come as AWS words them.

moto keeps the functions, their versions and aliases; this puts a process behind `invoke`. An
asynchronous invocation is tried three times, one after another, as on AWS (where the pauses are
one and two minutes); then it goes to the on-failure destination, if there is one.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.aws.emulator.environment import Code, Outcome
from tests.aws.emulator.faults import Faults
from tests.aws.emulator.patching import moto
from tests.aws.emulator.pool import PackageRefused, Pool, Throttled, check_package, unpacked

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
ASYNCHRONOUS_TRIES = 3
LOG_TAIL = 4096
REQUEST_LIMIT = 6 * 1024 * 1024
EVENT_LIMIT = 1024 * 1024


class Functions:
    """The functions of one emulator."""

    def __init__(self, pool: Pool, faults: Faults, folder: Path) -> None:
        self.pool, self._faults, self._folder = pool, faults, folder
        self._waiting = 0
        self._lock = threading.Lock()

    @property
    def busy(self) -> int:
        return self.pool.busy + self._waiting

    def patch(self) -> None:
        models = moto("awslambda.models")
        function = models.LambdaFunction
        functions = self

        def invoke(self: Any, body: Any, request_headers: Any, response_headers: Any) -> bytes:
            return functions.answer(self, body, request_headers or {}, response_headers)

        function.invoke = invoke
        _check_what_is_created(function)
        _keep_versions(models)

    def answer(self, function: Any, body: Any, headers: Any, response: Any) -> bytes:
        """What a call of Invoke gets back, in ``response`` the headers of its answer."""
        kinds = {key.lower(): value for key, value in dict(headers).items()}
        kind = kinds.get("x-amz-invocation-type") or "RequestResponse"
        raw = body if isinstance(body, bytes) else (body or "{}").encode()
        if kind == "DryRun":
            return b""
        if len(raw) > (REQUEST_LIMIT if kind == "RequestResponse" else EVENT_LIMIT):
            raise refused_call("RequestEntityTooLargeException", "Request must be smaller", 413)
        if kind == "Event":
            self.later(function, raw)
            return b""
        try:
            outcome = self.run(function, raw)
        except Throttled as error:
            raise refused_call("TooManyRequestsException", "Rate Exceeded.", 429) from error
        if outcome.error:
            response["x-amz-function-error"] = outcome.error
        response["x-amz-log-result"] = base64.b64encode(_report(function, outcome)).decode()
        response["x-amz-executed-version"] = str(function.version)
        return outcome.payload

    def run(self, function: Any, body: bytes) -> Outcome:
        """One synchronous invocation; raises `Throttled`."""
        outcome = self.pool.invoke(self.code(function), body, reserved=_reserved(function))
        _write_logs(function, outcome, self._faults)
        return outcome

    def later(self, function: Any, body: bytes) -> None:
        """One asynchronous invocation, with its further tries."""
        with self._lock:
            self._waiting += 1
        threading.Thread(target=self._later, args=(function, body), daemon=True).start()

    def _later(self, function: Any, body: bytes) -> None:
        try:
            for attempt in range(ASYNCHRONOUS_TRIES):
                if attempt:
                    time.sleep(self._faults.shortened("asynchronous", 60.0 * attempt))
                outcome = self._tried(function, body)
                if outcome is not None and not outcome.error:
                    return
            self._failed_later(function, body)
        finally:
            with self._lock:
                self._waiting -= 1

    def _tried(self, function: Any, body: bytes) -> Outcome | None:
        try:
            return self.run(function, body)
        except Throttled:
            return None

    def _failed_later(self, function: Any, body: bytes) -> None:
        for config in function.event_invoke_config:
            destinations = config.config.get("DestinationConfig", {})
            arn = destinations.get("OnFailure", {}).get("Destination")
            if arn:
                told = {"requestPayload": json.loads(body), "version": "1.0"}
                send_to_queue(arn, json.dumps(told))

    def code(self, function: Any) -> Code:
        """What is started for this version of a function."""
        layers = tuple(
            unpacked(_layer(function, each["Arn"]).code_bytes, self._folder)
            for each in function.layers
        )
        return Code(
            name=function.function_name,
            version=str(function.version),
            arn=function.function_arn,
            handler=function.handler,
            runtime=function.run_time,
            root=unpacked(function.code_bytes, self._folder),
            timeout_s=float(function.timeout),
            memory_mb=int(function.memory_size),
            variables={key: str(value) for key, value in (function.environment_vars or {}).items()},
            layers=layers,
        )


def find_function(name_or_arn: str, region: str, account: str) -> Any:
    """A function or one of its versions by name or ARN; raises what moto raises."""
    return moto("awslambda.utils").get_backend(account, region).get_function(name_or_arn)


def send_to_queue(arn: str, body: str) -> None:
    """Put a message on the queue of this ARN."""
    _, _, _, region, account, name = arn.split(":", 5)
    moto("sqs.models").sqs_backends[account][region].send_message(name, body)


def refused_call(name: str, message: str, status: int) -> Exception:
    """An answer with an error, as moto sends one."""
    made: Any = moto("core.exceptions").JsonRESTError(name, message)
    made.code = status
    assert isinstance(made, Exception)
    return made


def _reserved(function: Any) -> int | None:
    latest = find_function(function.function_name, function.region, function.account_id)
    kept = latest.reserved_concurrency
    return None if kept is None else int(kept)


def _layer(function: Any, arn: str) -> Any:
    backend = moto("awslambda.utils").get_backend(function.account_id, function.region)
    return backend.layers_versions_by_arn(arn)


def _report(function: Any, outcome: Outcome) -> bytes:
    report = (
        f"\nREPORT Duration: {outcome.duration_s * 1000:.2f} ms Memory Size: {function.memory_size}"
        f" MB Max Memory Used: {outcome.peak_mb:.0f} MB"
    )
    return (outcome.logs + report).encode()[-LOG_TAIL:]


def _write_logs(function: Any, outcome: Outcome, faults: Faults) -> None:
    group = function.logs_group_name
    stream = f"{time.strftime('%Y/%m/%d')}/[{function.version}]emulated"
    now = int(time.time() * 1000)
    lines = [{"timestamp": now, "message": each} for each in outcome.logs.splitlines() if each]
    backend = function.logs_backend
    try:
        if group not in backend.groups:
            backend.create_log_group(group, {})
        if stream not in backend.groups[group].streams:
            backend.create_log_stream(group, stream)
        if lines:
            backend.put_log_events(group, stream, lines)
    except Exception as error:  # what is lost is a log line, never an invocation
        faults.note_error(f"logs of {function.function_name}: {error!r}")


def _check_what_is_created(function: Any) -> None:
    plain = function._set_function_code

    def checked(self: Any, spec: dict[str, Any]) -> None:
        plain(self, spec)
        refused = moto("awslambda.exceptions").InvalidParameterValueException
        if self.package_type == "Image":
            raise refused("The emulator has no container images: give it the function as a zip.")
        if self.run_time != RUNTIME:
            raise refused(f"The emulator runs {RUNTIME}, its own Python, not {self.run_time}.")
        try:
            check_package(self.code_bytes)
        except PackageRefused as error:
            raise refused(str(error)) from error

    function._set_function_code = checked


def _keep_versions(models: Any) -> None:
    """Version numbers never come again, and an unchanged function makes no new version."""
    storage = models.LambdaStorage
    plain = storage.publish_version

    def publish(self: Any, name_or_arn: str, description: str = "") -> Any:
        latest = self.get_function_by_name_or_arn_forbid_qualifier(name_or_arn)
        kept = self._functions[latest.function_name]["versions"]
        newest, setting = kept[-1] if kept else None, _setting(latest)
        if newest is not None and newest.setting == setting:
            return newest
        latest.code_or_config_updated = True
        made = plain(self, name_or_arn, description)
        latest.code_or_config_updated = False
        made.set_version(getattr(latest, "published", 0) + 1)
        latest.published, made.setting = made.version, setting
        self._arns[made.function_arn] = made
        return made

    storage.publish_version = publish


def _setting(function: Any) -> str:
    said = (function.code_sha_256, function.handler, function.run_time, function.timeout)
    more = (function.memory_size, function.environment_vars, function.layers, function.role)
    return json.dumps([*said, *more, function.description], sort_keys=True, default=str)
