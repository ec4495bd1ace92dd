"""The HTTP of a container for SageMaker: /ping, /invocations, /execution-parameters.

Connections have a thread each, so many and no more; of their requests, only as many are looked at
at once as there are processors. A request that waits too long for its turn is told so. Whoever
sends slowly loses the connection: after a while, and sooner where others wait for one.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from walkdown.serving.looking import JSON, Answer, Refusal, answered

if TYPE_CHECKING:
    from walkdown.ports import Model

log = logging.getLogger("walkdown.serving")

CONNECTIONS: Final = 64
MAX_BYTES: Final = 100_000_000
"""What batch transform sends at most; a real-time endpoint takes less by itself."""

PATIENCE_S: Final = 50.0
"""How long a request may wait for its turn: SageMaker itself gives up after a minute."""

REQUEST_S: Final = 60.0
"""How long a request may take to come in, from its first byte to the last of its body."""

GRACE_S: Final = 1.0
"""How long a connection may hold its thread without a whole request while others wait for one."""

_IDLE_S: Final = 65.0
_LINE: Final = 1024
_LENGTH_DIGITS: Final = 18


class Server(ThreadingHTTPServer):
    """Answers as soon as it is bound; is well once it has a model."""

    daemon_threads = False
    request_queue_size = 128
    model: Model | None = None

    def __init__(self, address: tuple[str, int], *, at_once: int) -> None:
        super().__init__(address, Handler)
        self.at_once = at_once
        self.turns = threading.BoundedSemaphore(at_once)
        self.is_stopping = False
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._reading: dict[socket.socket, float] = {}
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Take no more requests; those under way are answered (`server_close` waits for them)."""
        self.is_stopping = True
        with self._lock:
            for connection in self._reading:
                # Its thread is waiting for a request, or for the rest of one, that must not come
                # any more.
                _hang_up(connection)
        self.shutdown()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a thread, once one is free."""
        while not self._slots.acquire(timeout=0.1):
            if self.is_stopping:
                self.shutdown_request(request)
                return
            self._make_room()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Everything of one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is nobody's fault here, and its trace nobody's business."""
        log.info("a connection broke")

    def _make_room(self) -> None:
        """End the connection that has been without a whole request for longest."""
        with self._lock:
            if self._reading:
                connection, since = next(iter(self._reading.items()))
                if time.monotonic() - since > GRACE_S:
                    del self._reading[connection]
                    _hang_up(connection)

    def may_read(self, connection: socket.socket) -> bool:
        """Note that a connection waits for a request; False where it need not any more."""
        with self._lock:
            if not self.is_stopping:
                self._reading[connection] = time.monotonic()
            return not self.is_stopping

    def has_read(self, connection: socket.socket) -> None:
        """Note that a request has come in wholly, or that the connection has ended."""
        with self._lock:
            self._reading.pop(connection, None)


def _hang_up(connection: socket.socket) -> None:
    """What has come in already may still be read; nothing more does."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)


class _Incoming(io.RawIOBase):
    """What comes in on a connection: a request has so long from its first byte, and no longer."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._until: float | None = None

    def begin(self) -> None:
        """A new request may come."""
        self._until = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """As a raw stream does. Raises `TimeoutError`."""
        left = _IDLE_S if self._until is None else self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long to come in")
        self._connection.settimeout(left)
        count = self._connection.recv_into(buffer)
        if self._until is None:
            self._until = time.monotonic() + REQUEST_S
        return count


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "walkdown"
    sys_version = ""
    timeout = _IDLE_S
    server: Server

    def setup(self) -> None:
        """As the library does, with a limit to how long a request takes."""
        super().setup()
        self.rfile.close()
        self._incoming = _Incoming(self.connection)
        self.rfile = io.BufferedReader(self._incoming)

    def handle_one_request(self) -> None:
        """As the library does, letting the server know whether this waits."""
        if not self.server.may_read(self.connection):
            self.close_connection = True
            return
        self._incoming.begin()
        try:
            super().handle_one_request()
        finally:
            self.server.has_read(self.connection)

    def do_GET(self) -> None:
        """Whether there is a model; how batch transform should ask."""
        self.server.has_read(self.connection)
        if "Transfer-Encoding" in self.headers or self.headers.get("Content-Length", "0") != "0":
            # Nobody reads that body: what follows on this connection is no request.
            self.close_connection = True
        if self.path == "/ping":
            self._say(200 if self.server.model else 503, b"\n", "text/plain")
        elif self.path == "/execution-parameters":
            told = {
                "MaxConcurrentTransforms": self.server.at_once,
                "BatchStrategy": "SINGLE_RECORD",
                "MaxPayloadInMB": 25,
            }
            self._say(200, json.dumps(told).encode(), JSON)
        else:
            self._refuse(Refusal(404, "there are /ping and /invocations"))

    def do_POST(self) -> None:
        """Look at what is in the body."""
        # Until the body has been read whole, what follows on this connection is no request.
        self.close_connection = True
        try:
            if self.path != "/invocations":
                raise Refusal(404, "there are /ping and /invocations")
            body = self._body()
            self.server.has_read(self.connection)
            said = self._in_turn(body)
        except Refusal as e:
            self._refuse(e)
        except (TimeoutError, ConnectionError):
            self.close_connection = True
        except Exception:  # a model may be anyone's code; what it says of itself stays here
            log.exception("a request failed")
            self._refuse(Refusal(500, "the model failed on this; its log says why"))
        else:
            self._say(200, said.data, said.content_type)

    def _in_turn(self, body: bytes) -> Answer:
        model = self.server.model
        if model is None:
            raise Refusal(503, "the model is still being opened; ask again in a while")
        if not self.server.turns.acquire(timeout=PATIENCE_S):
            raise Refusal(503, "too many requests are waiting; ask again, or add instances")
        try:
            return answered(
                model,
                body,
                content_type=self.headers.get("Content-Type", ""),
                accept=self.headers.get("Accept", ""),
            )
        finally:
            self.server.turns.release()

    def _body(self) -> bytes:
        if len(self.headers.get_all("Content-Length", [])) > 1 or (
            "Transfer-Encoding" in self.headers and "Content-Length" in self.headers
        ):
            raise Refusal(400, "the request says in two ways how long it is")
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            body = self._chunks()
        else:
            length = self._length()
            body = self.rfile.read(length)
            if len(body) != length:
                raise Refusal(400, "the request ended before its body did")
        wants_more = self.headers.get("Connection", "").lower() != "close"
        self.close_connection = self.request_version == "HTTP/1.0" or not wants_more
        return body

    def _length(self) -> int:
        told = self.headers.get("Content-Length", "")
        if not (told.isascii() and told.isdigit()):
            raise Refusal(411, "the request does not say how long it is")
        # Thousands of digits are no number to Python.
        length = int(told) if len(told) <= _LENGTH_DIGITS else MAX_BYTES + 1
        self._fits(length)
        return length

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := self._chunk_size():
            self._fits(len(body) + size)
            body += self.rfile.read(size)
            self.rfile.readline(_LINE)
        while self.rfile.readline(_LINE).strip():
            pass  # fields after the body, of no use here
        return bytes(body)

    def _chunk_size(self) -> int:
        line = self.rfile.readline(_LINE).partition(b";")[0].strip()
        try:
            size = int(line, 16)
        except ValueError as e:
            raise Refusal(400, "the request's chunks are damaged") from e
        if size < 0:
            raise Refusal(400, "the request's chunks are damaged")
        return size

    def _fits(self, length: int) -> None:
        if length > MAX_BYTES:
            raise Refusal(413, f"the body is too large: {MAX_BYTES:,} bytes at most are taken")

    def _refuse(self, refusal: Refusal) -> None:
        self._say(refusal.status, json.dumps({"error": str(refusal)}).encode(), JSON)

    def _say(self, status: int, data: bytes, content_type: str) -> None:
        if self.server.is_stopping:
            self.close_connection = True
        self.connection.settimeout(_IDLE_S)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Nothing for each request: SageMaker asks /ping every few seconds."""
