"""Step Functions: what moto's interpreter lacks outside the distributed map.

Definitions are rewritten before they are parsed, since the grammar knows neither `ItemBatcher` nor
JSON lines; JSONata comes from `jsonata-python`; waits and retries are shortened. Not like AWS:
roles are not enforced, a history's events may differ in detail, Express workflows and
`.waitForTaskToken` are untried, a string output is told bare.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from tests.aws.emulator.faults import Faults
from tests.aws.emulator.patching import ASL, SECRET, module, moto, replace_everywhere

MARK = "@@emulated:"
RECURSION = 20000
STATE_BYTES = 262144


class Clients:
    """The interpreter's clients of the emulator: made once per service, without retries."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], Any] = {}

    def get(self, region: str, service: str, state_credentials: Any = None) -> Any:
        with self._lock:
            if (region, service) not in self._made:
                self._made[region, service] = self._make(region, service)
            return self._made[region, service]

    def _make(self, region: str, service: str) -> Any:
        from botocore.config import Config

        # The interpreter passes names in its own case, which validation would refuse.
        config = Config(
            parameter_validation=False,
            retries={"total_max_attempts": 1},
            read_timeout=900,
            max_pool_connections=64,
        )
        session: Any = module("boto3.session").Session()
        return session.client(
            service,
            region_name=region,
            endpoint_url=self._endpoint,
            aws_access_key_id="ASIAWORKFLOW00000000",
            aws_secret_access_key=SECRET,
            config=config,
        )


def patch_machines(clients: Clients, faults: Faults) -> None:
    sys.setrecursionlimit(RECURSION)
    _import_interpreter()
    replace_everywhere("moto.stepfunctions", "boto_client_for", clients.get)
    _patch_parser()
    _patch_jsonata()
    _patch_delays(faults)
    _patch_results()
    _patch_starts()


def _import_interpreter() -> None:
    moto("stepfunctions.parser.models")
    services = "component.state.exec.state_task.service.state_task_service_"
    for name in ("aws_sdk", "dynamodb", "events", "lambda", "sns", "sqs", "sfn"):
        module(ASL + services + name)


def _patch_parser() -> None:
    parser = module(ASL + "parse.asl_parser").AmazonStateLanguageParser
    plain: Callable[[str], Any] = parser.parse

    def parse(definition: str) -> Any:
        return plain(json.dumps(rewritten(json.loads(definition))))

    def invalid(message: str) -> Any:
        return moto("core.exceptions").JsonRESTError("InvalidDefinition", message)

    parser.parse = staticmethod(parse)
    # moto's own has no code once it is on its way.
    moto("stepfunctions.parser.models").InvalidDefinition = invalid


def rewritten(said: Any) -> Any:
    """A definition that the grammar takes; what it does not know travels in the map's comment."""
    if isinstance(said, list):
        return [rewritten(each) for each in said]
    if not isinstance(said, dict):
        return said
    made = {name: rewritten(value) for name, value in said.items()}
    if made.get("Type") == "Map":
        _hide_unknown(made)
    return made


def _hide_unknown(state: dict[str, Any]) -> None:
    hidden: dict[str, Any] = {}
    if "ItemBatcher" in state:
        hidden["batcher"] = state.pop("ItemBatcher")
    reader = state.get("ItemReader", {}).get("ReaderConfig", {})
    if reader.get("InputType") == "JSONL":
        reader["InputType"] = "JSON"
        hidden["lines"] = True
    writer = state.get("ResultWriter", {})
    if "WriterConfig" in writer:
        raise ValueError("the emulator knows no WriterConfig")
    percentage = "ToleratedFailurePercentage"
    if isinstance(state.get(percentage), int):
        state[percentage] = float(state[percentage])
    if hidden:
        packed = base64.urlsafe_b64encode(json.dumps(hidden).encode()).decode()
        state["Comment"] = MARK + packed


def hidden_in(comment: Any) -> dict[str, Any]:
    """What :func:`rewritten` put into a map's comment."""
    text = getattr(comment, "comment", None)
    if not isinstance(text, str) or not text.startswith(MARK):
        return {}
    made: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text[len(MARK) :]))
    return made


def _patch_delays(faults: Faults) -> None:
    retrier = module(ASL + "component.common.retry.retrier_decl")
    waiter = module(ASL + "component.state.wait.wait_function.wait_function")

    class Clock:
        """Stands for the module `time` where a retrier sleeps."""

        @staticmethod
        def sleep(asked_s: float) -> None:
            time.sleep(faults.shortened("retry", float(asked_s)))

    def wait(self: Any, env: Any, wait_seconds: float) -> None:
        end = time.monotonic() + faults.shortened("wait", float(wait_seconds))
        while env.is_running() and (left := end - time.monotonic()) > 0:
            env.program_state_event.wait(min(left, 0.1))

    retrier.time = Clock
    waiter.WaitFunction._wait_interval = wait


def _patch_results() -> None:
    """What the SDK answers is made JSON: times as text, streams read."""
    service = module(
        ASL + "component.state.exec.state_task.service.state_task_service_aws_sdk"
    ).StateTaskServiceAwsSdk
    plain = service._eval_service_task

    def evaluate(self: Any, env: Any, *args: Any, **more: Any) -> None:
        plain(self, env, *args, **more)
        if env.stack:
            env.stack[-1] = json.loads(json.dumps(env.stack[-1], default=_as_json))

    service._eval_service_task = evaluate


def _as_json(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "read"):
        return value.read().decode("utf-8", "replace")
    return str(value)


def _patch_starts() -> None:
    """Starts are taken one at a time, so that a name is taken once; an end waits for the start."""
    backend = moto("stepfunctions.parser.models").StepFunctionsParserBackend
    execution = module("moto.stepfunctions.parser.backend.execution").Execution
    plain_start, plain_stop = backend.start_execution, execution.stop
    lock = threading.Lock()

    def start(self: Any, arn: str, name: Any = None, text: Any = None, trace: Any = None) -> Any:
        if len((text or "").encode()) > STATE_BYTES:
            wrong = f"Value at 'input' must have length less than or equal to {STATE_BYTES}"
            raise moto("core.exceptions").JsonRESTError("ValidationException", wrong)
        with lock:
            return plain_start(self, arn, name or str(uuid.uuid4()), text, trace)

    def stop(self: Any, *args: Any, **more: Any) -> Any:
        end = time.monotonic() + 5
        while self.exec_worker.env is None and time.monotonic() < end:
            time.sleep(0.01)
        return plain_stop(self, *args, **more)

    def start_named(
        self: Any,
        state_machine_arn: str,
        name: Any = None,
        execution_input: Any = None,
        trace_header: Any = None,
    ) -> Any:
        return start(self, state_machine_arn, name, execution_input, trace_header)

    backend.start_execution = start_named
    execution.stop = stop


def _patch_jsonata() -> None:
    jsonata, utils = module("jsonata"), module("jsonata.utils").Utils
    patched = module(ASL + "jsonata.jsonata")

    def plain(value: Any) -> Any:
        if value is None or value is utils.NULL_VALUE:
            return None
        if isinstance(value, dict):
            return {str(name): plain(each) for name, each in value.items()}
        if isinstance(value, list | tuple | range):
            return [plain(each) for each in value]
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return int(value)
        return value

    def evaluate(expression: str) -> Any:
        try:
            parsed = jsonata.Jsonata(expression)
            for name, function in JSONATA_ADDITIONS.items():
                parsed.register_lambda(name, function)
            return plain(parsed.evaluate(None))
        except Exception as error:
            raise patched.JSONataException("UNKNOWN", str(error)) from error

    patched._eval_jsonata = evaluate


def _partition(items: list[Any], size: float) -> list[list[Any]]:
    return [items[at : at + int(size)] for at in range(0, len(items), int(size))]


JSONATA_ADDITIONS: dict[str, Callable[..., Any]] = {
    "partition": _partition,
    "range": lambda a, b, step: list(range(int(a), int(b) + (1 if step > 0 else -1), int(step))),
    "uuid": lambda: str(uuid.uuid4()),
    "hash": lambda text, name: hashlib.new(
        name.replace("-", "").lower(), text.encode()
    ).hexdigest(),
    "parse": lambda text: json.loads(text),
}
"""What Step Functions has beyond JSONata."""
