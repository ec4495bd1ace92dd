"""Map runs: the children of a distributed map, what may fail of them, and their result files.

Each child has its own `$$.Execution` and no `$$.Map`, as a child execution of Step Functions has.
When more items have failed than the state tolerates, no further child starts, those at work stop
after the state that they are in, and the run fails. Not like AWS: at most `CHILDREN` at a time, no
redrive of a run, and a child is no execution that can be described.
"""

from __future__ import annotations

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.aws.emulator.batches import ChildInput, child_inputs
from tests.aws.emulator.machines import STATE_BYTES, hidden_in
from tests.aws.emulator.patching import ASL, MAPS, module
from tests.aws.emulator.result_files import write_results
from tests.aws.emulator.state_events import tell_of_child

CHILDREN = 32
EXCEEDED = "States.ExceedToleratedFailureThreshold"


@dataclass(frozen=True, slots=True)
class Child:
    """One child execution as it ended. ``status``: SUCCEEDED, FAILED, TIMED_OUT or ABORTED."""

    name: str
    arn: str
    machine_arn: str
    status: str
    given: ChildInput
    output: Any
    error: str | None
    cause: str | None
    started: datetime
    stopped: datetime


class MapRun:
    """Runs the children of one map state."""

    def __init__(self, env: Any, program: Any, eval_input: Any) -> None:
        self._env, self._program, self._given = env, program, eval_input
        self.record = eval_input.map_run_record
        self._lock = threading.Lock()
        self._failed = 0
        self._total = 0
        self._frames: list[Any] = []
        self.exceeded = False

    def run(self, inputs: list[ChildInput]) -> list[Child]:
        """All children that were started, in the order of their inputs."""
        self._total = sum(each.items for each in inputs)
        self.record.item_counter.total.count(self._total)
        self.record.execution_counter.total.count(len(inputs))
        workers = min(self.record.max_concurrency or CHILDREN, CHILDREN, len(inputs) or 1)
        with ThreadPoolExecutor(workers) as pool:
            ended = list(pool.map(self._child, inputs))
        return [each for each in ended if each is not None]

    def _child(self, given: ChildInput) -> Child | None:
        with self._lock:
            if self.exceeded or not self._env.is_running():
                return None
            frame = self._env.open_inner_frame()
            self._frames.append(frame)
        started = datetime.now(UTC)
        name = str(uuid.uuid4())
        arn = self.record.map_state_machine_arn.replace(":stateMachine:", ":execution:")
        self._enter(frame, f"{arn}:{name}", name, given, started)
        if len(json.dumps(given.value, ensure_ascii=False).encode()) > STATE_BYTES:
            frame.set_error({"error": "States.DataLimitExceeded", "cause": "the child's input"})
        else:
            self._evaluate(frame)
        child = self._ended(frame, f"{arn}:{name}", name, given, started)
        self._leave(frame, child)
        tell_of_child(child)
        return child

    def _evaluate(self, frame: Any) -> None:
        try:
            self._program.eval(frame)
        except RuntimeError:
            # A child that is stopped before its first state cannot enter that state.
            if type(frame.program_state()).__name__ != "ProgramStopped":
                raise

    def _enter(self, frame: Any, arn: str, name: str, given: ChildInput, at: datetime) -> None:
        context = frame.states.context_object.context_object_data
        machine_arn = self.record.map_state_machine_arn
        context["Execution"] = {
            **context["Execution"],
            "Id": arn,
            "Name": name,
            "Input": given.value,
            "StartTime": _iso(at),
        }
        context["StateMachine"] = {"Id": machine_arn, "Name": machine_arn.split(":")[-1]}
        frame.states.reset(given.value)
        frame.stack.append(frame.states.get_input())

    def _ended(self, frame: Any, arn: str, name: str, given: ChildInput, at: datetime) -> Child:
        state = frame.program_state()
        status = {
            "ProgramError": "FAILED",
            "ProgramStopped": "ABORTED",
            "ProgramTimedOut": "TIMED_OUT",
        }.get(type(state).__name__, "SUCCEEDED")
        told = (state.error or {}) if status == "FAILED" else {}
        return Child(
            name=name,
            arn=arn,
            machine_arn=self.record.map_state_machine_arn,
            status=status,
            given=given,
            output=frame.states.get_input() if status == "SUCCEEDED" else None,
            error=told.get("error"),
            cause=told.get("cause"),
            started=at,
            stopped=datetime.now(UTC),
        )

    def _leave(self, frame: Any, child: Child) -> None:
        counter = {"TIMED_OUT": "timed_out"}.get(child.status, child.status.lower())
        getattr(self.record.item_counter, counter).count(child.given.items)
        getattr(self.record.execution_counter, counter).count()
        with self._lock:
            self._env.delete_frame(frame)
            self._frames.remove(frame)
            if child.status in ("FAILED", "TIMED_OUT"):
                self._failed += child.given.items
            if not self.exceeded and self._too_many():
                self.exceeded = True
                for other in self._frames:
                    other.set_stop(datetime.now(UTC), cause=None, error=None)

    def _too_many(self) -> bool:
        return too_many(
            self._failed,
            self._total,
            count=int(self.record.tolerated_failure_count or 0),
            percentage=float(self.record.tolerated_failure_percentage or 0),
        )


def too_many(failed: int, total: int, *, count: int, percentage: float) -> bool:
    """Whether a run fails; 0 and 0 tolerate nothing, of two limits either is enough."""
    if not failed:
        return False
    if not count and not percentage:
        return True
    over_count = bool(count) and failed > count
    return over_count or (bool(percentage) and 100 * failed / max(total, 1) > percentage)


def patch_maps() -> None:
    """Put the above in place of moto's distributed map."""
    component = module(MAPS + "iteration.distributed_iteration_component")
    local = threading.local()

    def map_run(self: Any, env: Any, eval_input: Any) -> None:
        inputs = child_inputs(env, eval_input, local.hidden.get("batcher"))
        run = MapRun(env, self._get_iteration_program(), eval_input)
        local.record, local.children = run.record, run.run(inputs)
        if run.exceeded:
            raise _exceeded(env)
        done = [each for each in local.children if each.status == "SUCCEEDED"]
        env.stack.append([each.output for each in done])

    component.DistributedIterationComponent._map_run = map_run
    _patch_state(local)
    _patch_reader(local)
    _patch_writer(local)


def _patch_state(local: threading.local) -> None:
    state_map = module(MAPS + "state_map").StateMap
    plain = state_map._eval_execution

    def evaluate(self: Any, env: Any) -> None:
        local.hidden, local.children = hidden_in(self.comment), None
        try:
            plain(self, env)
        except Exception:
            # Of a run that failed, too, the results are written.
            if self.result_writer and local.children is not None:
                env.stack.append([])
                self.result_writer.eval(env)
            raise

    state_map._eval_execution = evaluate


def _patch_reader(local: threading.local) -> None:
    reader = module(MAPS + "item_reader.eval.resource_eval_s3").ResourceEvalS3
    plain = reader._handle_get_object

    def get_object(env: Any, part: Any, credentials: Any) -> None:
        plain(env, part, credentials)
        if local.hidden.get("lines"):
            lines = [each for each in env.stack.pop().split("\n") if each.strip()]
            env.stack.append(f"[{','.join(lines)}]")

    def list_objects(env: Any, part: Any, credentials: Any) -> None:
        client = reader._get_s3_client(resource_runtime_part=part, state_credentials=credentials)
        pages = client.get_paginator("list_objects_v2").paginate(**env.stack.pop())
        found = [each for page in pages for each in page.get("Contents", [])]
        for each in found:
            each["LastModified"] = int(each["LastModified"].timestamp())
        env.stack.append(found)

    reader._handle_get_object = staticmethod(get_object)
    reader._handle_list_objects_v2 = staticmethod(list_objects)


def _patch_writer(local: threading.local) -> None:
    writer = module(MAPS + "result_writer.resource_eval.resource_eval_s3").ResourceEvalS3
    declared = module(MAPS + "result_writer.result_writer_decl").ResultWriter

    def evaluate(self: Any, env: Any) -> None:
        # Paths of the writer are of the state's input, not of the results on the stack.
        results = env.stack.pop()
        env.stack.append(env.states.get_input())
        self.parargs.eval(env=env)
        parameters = env.stack.pop()
        env.stack[-1:] = [results, parameters]
        self.resource_eval.eval_resource(env=env)

    def put_object(env: Any, part: Any, credentials: Any) -> None:
        client = writer._get_s3_client(resource_runtime_part=part, state_credentials=credentials)
        parameters = env.stack.pop()
        env.stack.pop()
        told = write_results(
            client, parameters["Bucket"], parameters.get("Prefix", ""), local.record, local.children
        )
        env.stack.append(told)

    declared._eval_body = evaluate
    writer._handle_put_object = staticmethod(put_object)


def _exceeded(env: Any) -> Exception:
    errors = ASL + "component.common.error_name."
    failure = module(errors + "failure_event")
    names = module(errors + "states_error_name_type").StatesErrorNameType
    name = module(errors + "states_error_name").StatesErrorName(
        names.StatesExceedToleratedFailureThreshold
    )
    api = module("moto.stepfunctions.parser.api")
    details = module(ASL + "eval.event.event_detail").EventDetails(
        executionFailedEventDetails=api.ExecutionFailedEventDetails(
            error=EXCEEDED, cause="The specified tolerated failure threshold was exceeded"
        )
    )
    event = failure.FailureEvent(
        env=env,
        error_name=name,
        event_type=api.HistoryEventType.MapRunFailed,
        event_details=details,
    )
    made = failure.FailureEventException(event)
    assert isinstance(made, Exception)
    return made


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
