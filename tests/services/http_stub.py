"""A service on the loopback, which answers photographs as a function of the test says."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Says:
    """An answer. In ``pieces``, the body comes piece by piece with a pause of ``pause_s`` before
    each; ``hangs_up`` breaks the connection off before (0) or so many bytes into it.
    """

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: int = 1
    pause_s: float = 0.0
    hangs_up: int | None = None
    reads_body: bool = True


def says(value: object, **more: object) -> Says:
    """JSON."""
    return Says(json.dumps(value).encode(), headers={"Content-Type": "application/json"}, **more)  # type: ignore[arg-type]


@dataclass
class Service:
    """What answers, and what was asked."""

    answer: Callable[[Asked], Says]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0


@contextmanager
def http_stub(  # noqa: C901 - the handler's ways, each a line or two
    answer: Callable[[Asked], Says], *, certificate: Path | None = None
) -> Iterator[Service]:
    """A running service; over TLS with a certificate and its key in one file."""
    service = Service(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def setup(self) -> None:
            super().setup()
            service.connections += 1

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            asked = Asked(self.command, self.path, dict(self.headers.items()), b"")
            said = service.answer(asked) if length > 10_000_000 else None
            if said is None or said.reads_body:
                asked = Asked(asked.method, asked.path, asked.headers, self.rfile.read(length))
                service.asked.append(asked)
                said = service.answer(asked)
            self._write(said)

        def _write(self, said: Says) -> None:
            if said.hangs_up == 0:
                self.close_connection = True
                return
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            if said.hangs_up:
                self.wfile.write(said.body[: said.hangs_up])
                self.close_connection = True
                return
            step = -(-len(said.body) // said.pieces) or 1
            for start in range(0, len(said.body), step):
                stopped.wait(said.pause_s)
                self.wfile.write(said.body[start : start + step])
                self.wfile.flush()
            self.close_connection = not said.reads_body

        do_POST = do_PUT = do_GET = _serve  # noqa: N815 - the library's names

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            """A client that goes away is part of the tests."""

    stopped = threading.Event()
    server = Server(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    scheme = "https" if certificate else "http"
    service.url = f"{scheme}://127.0.0.1:{server.server_address[1]}/v1/look"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


def certificate_in(folder: Path) -> Path | None:
    """A certificate of this machine's own and its key, in one file; None without openssl."""
    program = shutil.which("openssl")
    if program is None:
        return None
    key, made, whole = folder / "key.pem", folder / "own.pem", folder / "whole.pem"
    command = [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", str(key), "-out", str(made), "-days", "2"]
    command += ["-subj", "/CN=own", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    whole.write_bytes(key.read_bytes() + made.read_bytes())
    return whole
