"""The runtime API of one execution environment: what `awslambdaric` asks for work and answers to.

Four routes of the interface of 2018-06-01, on a loopback port of its own: the next invocation, the
answer, the error, the error at start.
"""

from __future__ import annotations

import json
import queue
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER_LIMIT = 6 * 1024 * 1024
BASE = "/2018-06-01/runtime/"


@dataclass(frozen=True, slots=True)
class Work:
    """One invocation as the runtime client gets it. ``deadline_ms`` counts from the epoch."""

    request_id: str
    body: bytes
    deadline_ms: int
    arn: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of an invocation: ``kind``: "response", "error", "broken" or "exit"."""

    request_id: str | None
    kind: str
    body: bytes = b""
    status: int = 0


@dataclass
class Exchange:
    """Between the environment and its runtime client."""

    work: queue.Queue[Work] = field(default_factory=queue.Queue)
    replies: queue.Queue[Reply] = field(default_factory=queue.Queue)
    started: threading.Event = field(default_factory=threading.Event)
    start_error: bytes | None = None
    over: bool = False


def error_body(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One write per answer and no Nagle: an invocation costs 88 ms otherwise.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: RuntimeApi

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class says so
        pass

    def do_GET(self) -> None:
        if self.path != BASE + "invocation/next":
            return self._send(404)
        work = self._next_work()
        if work is None:
            return self._send(410)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": work.request_id,
            "Lambda-Runtime-Deadline-Ms": str(work.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": work.arn,
        }
        return self._send(200, work.body, headers)

    def do_POST(self) -> None:
        exchange, body = self.server.exchange, self._body()
        match self.path.removeprefix(BASE).split("/"):
            case ["init", "error"]:
                exchange.start_error = body
                exchange.started.set()
                self._send(202, b'{"status":"OK"}')
            case ["invocation", request_id, ("response" | "error") as kind]:
                self._take(request_id, kind, body)
            case _:
                self._send(404)

    def _take(self, request_id: str, kind: str, body: bytes) -> None:
        replies = self.server.exchange.replies
        if len(body) > ANSWER_LIMIT:
            size = f"Response payload size exceeded maximum allowed payload size ({ANSWER_LIMIT}"
            large = error_body("Function.ResponseSizeTooLarge", size + " bytes).")
            # The client gives up on such an answer, and its process with it.
            replies.put(Reply(request_id, "broken", large))
            return self._send(413, error_body("RequestEntityTooLarge", "too large"))
        replies.put(Reply(request_id, kind, body))
        return self._send(202, b'{"status":"OK"}')

    def _next_work(self) -> Work | None:
        exchange = self.server.exchange
        exchange.started.set()
        while not exchange.over:
            try:
                return exchange.work.get(timeout=0.5)
            except queue.Empty:
                continue
        return None

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, code: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


class RuntimeApi(ThreadingHTTPServer):
    """Serves one environment until :meth:`close`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.exchange = Exchange()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A killed client leaves a broken connection, which is nothing to tell of."""

    def close(self) -> None:
        self.exchange.over = True
        self.shutdown()
        self.server_close()
