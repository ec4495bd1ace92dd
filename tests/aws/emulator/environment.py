"""One execution environment of a function: a process under the real `awslambdaric`, its limits.

Timeout and memory end the process as AWS does, with the same error texts. Memory is the resident
set of the process and its children, looked at every 10 ms: it may be overshot in between. Not like
AWS: the code is not read-only, the temporary folder has no quota, processor time is not shared by
memory size, and the system's libraries are this machine's.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.aws.emulator.runtime_api import Reply, RuntimeApi, Work, error_body

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
START_LIMIT_S = 10.0
BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


@dataclass(frozen=True, slots=True)
class Site:
    """What all environments of one emulator share: the endpoint they reach, the SDK's folder."""

    endpoint: str
    sdk: Path
    spawner: ThreadPoolExecutor
    """One thread that lives as long as the emulator: the kernel ties a child to the thread that
    started it."""


@dataclass(frozen=True, slots=True)
class Code:
    """One version of a function: what is started, with what, and within which limits."""

    name: str
    version: str
    arn: str
    handler: str
    runtime: str
    root: Path
    timeout_s: float = 3.0
    memory_mb: int = 128
    variables: dict[str, str] = field(default_factory=dict)
    layers: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """``error`` is None, or "Unhandled" as in the header of an answer."""

    payload: bytes
    error: str | None
    logs: str
    cold: bool
    duration_s: float
    peak_mb: float


class Environment:
    """One process, kept warm between invocations, for one invocation at a time."""

    def __init__(self, code: Code, site: Site) -> None:
        self.code = code
        self.key = "ASIA" + uuid.uuid4().hex[:16].upper()
        """The access key of its requests, by which the emulator knows who asks."""
        self.peak_mb = 0.0
        self.uses = 0
        self.ended_for: str | None = None
        self._api = RuntimeApi()
        self._folder = Path(tempfile.mkdtemp(prefix="function-"))
        self._log = (self._folder / "log").open("ab")
        (self._folder / "tmp").mkdir()
        self.process = site.spawner.submit(self._start, site).result()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def dead(self) -> bool:
        return self._api.exchange.over or self.ended_for is not None

    def _start(self, site: Site) -> subprocess.Popen[bytes]:
        roots = [self.code.root, *(layer / "python" for layer in self.code.layers), site.sdk]
        return subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", "-B", str(BOOTSTRAP)),
                *(str(os.getpid()), os.pathsep.join(map(str, roots)), self.code.handler),
            ],
            cwd=self.code.root,
            env=self._variables(site),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def _variables(self, site: Site) -> dict[str, str]:
        code, region = self.code, self.code.arn.split(":")[3]
        stream = f"{time.strftime('%Y/%m/%d')}/[{code.version}]{uuid.uuid4().hex}"
        return {
            "PATH": os.environ.get("PATH", ""),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "HOME": str(self._folder / "tmp"),
            "TMPDIR": str(self._folder / "tmp"),
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "_HANDLER": code.handler,
            "LAMBDA_TASK_ROOT": str(code.root),
            "LAMBDA_RUNTIME_DIR": str(site.sdk),
            "AWS_LAMBDA_FUNCTION_NAME": code.name,
            "AWS_LAMBDA_FUNCTION_VERSION": code.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(code.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{code.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{code.runtime}",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": site.endpoint,
            **code.variables,
        }

    def invoke(self, body: bytes, request_id: str, kill_after_s: float | None = None) -> Outcome:
        """Run one invocation to its end, whatever that is; the function's fault is an outcome.

        ``kill_after_s`` into the invocation the process is ended, if it has not answered yet.
        """
        cold, position = self.uses == 0, self._log_size()
        self.uses += 1
        if cold:
            position = 0
            self._api.exchange.started.wait(max(START_LIMIT_S, self.code.timeout_s))
        began = time.monotonic()
        timer = threading.Timer(kill_after_s or 0, self.kill, ("fault",))
        if kill_after_s is not None:
            timer.start()
        payload, failed = self._answer(body, request_id)
        timer.cancel()
        return Outcome(
            payload,
            "Unhandled" if failed else None,
            self._logs_since(position),
            cold,
            time.monotonic() - began,
            self.peak_mb,
        )

    def _answer(self, body: bytes, request_id: str) -> tuple[bytes, bool]:
        exchange = self._api.exchange
        if exchange.start_error is not None:
            self.kill("start")
            return exchange.start_error, True
        timeout_s = self.code.timeout_s
        deadline_ms = int((time.time() + timeout_s) * 1000)
        exchange.work.put(Work(request_id, body, deadline_ms, self.code.arn))
        reply = self._reply(request_id, time.monotonic() + timeout_s)
        if reply is None:
            self.kill("timeout")
            message = f"RequestId: {request_id} Error: Task timed out after {timeout_s:.2f} seconds"
            return error_body("Sandbox.Timedout", message), True
        if reply.kind == "exit":
            return self._exit_error(request_id, reply.status), True
        if reply.kind == "broken":
            self.kill("broken")
        return reply.body, reply.kind != "response"

    def _reply(self, request_id: str, deadline: float) -> Reply | None:
        while True:
            try:
                wait_s = max(0.0, deadline - time.monotonic())
                reply = self._api.exchange.replies.get(timeout=wait_s)
            except queue.Empty:
                return None
            if reply.kind == "exit" or reply.request_id == request_id:
                return reply

    def _exit_error(self, request_id: str, status: int) -> bytes:
        why = "signal: killed" if status < 0 else f"exit status {status}"
        kind = "Runtime.OutOfMemory" if self.ended_for == "memory" else "Runtime.ExitError"
        message = f"RequestId: {request_id} Error: Runtime exited with error: {why}"
        return error_body(kind, message)

    def kill(self, why: str) -> None:
        """End the process and everything in its session, at once."""
        self.ended_for = self.ended_for or why
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def close(self) -> None:
        self.kill("closed")
        self.process.wait()
        self._api.close()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _watch(self) -> None:
        while self.process.poll() is None:
            now_mb = _resident_mb(self.process.pid)
            self.peak_mb = max(self.peak_mb, now_mb)
            if now_mb > self.code.memory_mb:
                self.kill("memory")
                break
            time.sleep(0.01)
        status = self.process.wait()
        exchange = self._api.exchange
        exchange.over = True
        exchange.started.set()
        exchange.replies.put(Reply(None, "exit", status=status))

    def _log_size(self) -> int:
        return (self._folder / "log").stat().st_size

    def _logs_since(self, position: int) -> str:
        with (self._folder / "log").open("rb") as log:
            log.seek(position)
            return log.read().decode("utf-8", "replace")


def _resident_mb(pid: int) -> float:
    """Of the process and its children, in MiB; 0.0 where the system does not tell."""
    pages = 0
    with contextlib.suppress(OSError, IndexError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (str(pid), *children):
            with contextlib.suppress(OSError):
                pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
    return pages * PAGE_BYTES / 1048576
