"""Real servers on loopback that take down what notifiers send, and answer as they are told."""

from __future__ import annotations

import socketserver
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

from walkdown.types import Alert, Finding, Notice, Severity

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from email.message import EmailMessage

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def an_alert(
    *,
    asset: str = "pole-17",
    label: str = "crack",
    identity: str = "a1b2",
    severity: Severity = Severity.HIGH,
) -> Alert:
    finding = Finding(
        id="f1",
        workspace="default",
        asset=asset,
        label=label,
        severity=severity,
        score=0.93,
        area_pct=1.25,
        image="north/pole-17/left.jpg",
        result_id="r1",
        opened_at=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
        seen_at=datetime(2026, 11, 21, 1, 0, tzinfo=UTC),
        actor="tester",
    )
    return Alert(identity, "opened", finding, "poles", "i1")


def a_notice(*, asset: str = "pole-17", label: str = "crack", identity: str = "a1b2") -> Notice:
    """A notice of one alert."""
    return Notice((an_alert(asset=asset, label=label, identity=identity),))


def two_alerts(*, more: int = 0, assets: tuple[str, str] = ("pole-17", "pole-17")) -> Notice:
    """A notice of a crack (high, ``a1``) and rust (low, ``a2``)."""
    crack = an_alert(asset=assets[0], identity="a1")
    rust = an_alert(asset=assets[1], label="rust", identity="a2", severity=Severity.LOW)
    return Notice((crack, rust), more)


@dataclass
class Posted:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """An HTTP server: ``status`` and ``headers`` are its next answers; None hangs up instead."""

    port: int = 0
    status: int | None = 200
    headers: dict[str, str] = field(default_factory=dict)
    posted: list[Posted] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/token?site=north"


@contextmanager
def http_receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.posted.append(Posted(self.path, dict(self.headers), body))
            if receiver.status is None:
                return
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - so that a followed redirect would be seen

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with _running(HTTPServer(("127.0.0.1", 0), Handler)) as port:
        receiver.port = port
        yield receiver


@dataclass
class Mailbox:
    """An SMTP server. ``answers`` replaces its answer to a verb; a bytes prefix can name one."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    answers: dict[bytes, bytes] = field(default_factory=dict)
    heard: list[bytes] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)

    def parsed(self) -> list[EmailMessage]:
        return [message_from_bytes(mail, policy=policy.default) for mail in self.mails]


class _Conversation(socketserver.StreamRequestHandler):
    mailbox: Mailbox

    def handle(self) -> None:
        self._say(b"220 ready")
        while line := self.rfile.readline():
            command = line.strip()
            self.mailbox.heard.append(command)
            verb = command.split(b" ")[0].upper()
            known = [a for start, a in self.mailbox.answers.items() if command.startswith(start)]
            if known:
                self._say(known[0])
            elif not self._answer(verb):
                return

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def _answer(self, verb: bytes) -> bool:
        if verb == b"EHLO":
            offers = b"250-STARTTLS\r\n" if self.mailbox.tls else b""
            self._say(b"250-localhost\r\n" + offers + b"250-AUTH PLAIN\r\n250 SMTPUTF8")
        elif verb == b"STARTTLS":
            self._say(b"220 go ahead")
            self._encrypt()
        elif verb == b"AUTH":
            self._say(b"235 welcome")
        elif verb == b"DATA":
            self._say(b"354 end with a full stop")
            self._take_mail()
        else:
            self._say(b"221 bye" if verb == b"QUIT" else b"250 fine")
        return verb != b"QUIT"

    def _take_mail(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.mailbox.mails.append(b"".join(lines))
        self._say(b"250 taken")

    def _encrypt(self) -> None:
        assert self.mailbox.tls is not None
        self.request = self.mailbox.tls.wrap_socket(self.request, server_side=True)
        self.connection = self.request
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)

    def _say(self, text: bytes) -> None:
        self.wfile.write(text + b"\r\n")
        self.wfile.flush()


class _Quiet(socketserver.TCPServer):
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up (a refused certificate) is part of the tests."""


@contextmanager
def smtp_server(
    *, tls: ssl.SSLContext | None = None, from_start: bool = False
) -> Iterator[Mailbox]:
    """With ``tls``, STARTTLS is offered, or the conversation is encrypted ``from_start``."""
    mailbox = Mailbox(tls=None if from_start else tls)
    handler = type("Conversation", (_Conversation,), {"mailbox": mailbox})
    server = _Quiet(("127.0.0.1", 0), handler)
    if tls is not None and from_start:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    with _running(server) as port:
        mailbox.port = port
        yield mailbox


@contextmanager
def _running(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
