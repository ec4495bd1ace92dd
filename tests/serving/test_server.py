"""The HTTP of a container: what is refused, what is bounded, and how it stops."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from typing import Any

import pytest
from tests.serving.asking import ask, image

from walkdown.models.fake import Fake, fake_artefact
from walkdown.serving import __main__ as container
from walkdown.serving import server as serving
from walkdown.serving.server import MAX_BYTES, Server
from walkdown.types import ModelInfo, Photo, Prediction


class Gate:
    """A model that answers once it is let, and counts how many wait for it."""

    def __init__(self) -> None:
        self._fake = Fake(fake_artefact(), label="cells@1")
        self.open = threading.Event()
        self.most = self.now = 0
        self._lock = threading.Lock()
        self.error: Exception | None = None

    @property
    def info(self) -> ModelInfo:
        return self._fake.info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.open.wait(20)
        with self._lock:
            self.now -= 1
        if self.error:
            raise self.error
        return self._fake.predict(photos)


@pytest.fixture
def gate() -> Gate:
    gate = Gate()
    gate.open.set()
    return gate


@pytest.fixture
def server(gate: Gate) -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), at_once=2)
    made.model = gate
    loop = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    loop.start()
    yield made
    gate.open.set()
    if not made.is_stopping:
        made.stop()
    loop.join()
    made.server_close()


def port(server: Server) -> int:
    return int(server.server_address[1])


JPEG = {"Content-Type": "image/jpeg"}


def test_it_is_well_only_with_a_model(server: Server, gate: Gate) -> None:
    server.model = None
    assert ask(port(server), "/ping")[0] == 503
    status, _, body = ask(port(server), "/invocations", image(9), JPEG)
    assert status == 503
    assert b"still being opened" in body
    server.model = gate
    assert ask(port(server), "/ping")[0] == 200


def test_an_image_is_answered_on_one_connection_again_and_again(server: Server) -> None:
    connection = HTTPConnection("127.0.0.1", port(server))
    for level in (10, 250, 20):
        connection.request("POST", "/invocations", image(level), JPEG)
        answer = connection.getresponse()
        value = json.loads(answer.read())
        assert answer.status == 200
        assert value["verdict"] == ("anomaly" if level > 127 else "normal")
    connection.close()


def test_a_body_in_chunks_is_read(server: Server) -> None:
    body = image(250)
    parts = (body[at : at + 100] for at in range(0, len(body), 100))
    connection = HTTPConnection("127.0.0.1", port(server))
    connection.request("POST", "/invocations", parts, JPEG, encode_chunked=True)
    assert json.loads(connection.getresponse().read())["verdict"] == "anomaly"
    connection.request("GET", "/execution-parameters")
    told = json.loads(connection.getresponse().read())
    assert told["MaxConcurrentTransforms"] == 2
    connection.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({**JPEG, "Content-Length": str(MAX_BYTES + 1)}, 413),
        ({**JPEG, "Content-Length": "9" * 5000}, 413),
        ({**JPEG, "Content-Length": "5", "Transfer-Encoding": "chunked"}, 400),
        ({**JPEG, "Content-Length": "-1"}, 411),
        ({**JPEG, "Content-Length": "many"}, 411),
        (JPEG, 411),
    ],
)
def test_a_body_that_is_too_large_or_of_no_length_is_refused(
    server: Server, headers: Any, status: int
) -> None:
    connection = HTTPConnection("127.0.0.1", port(server))
    connection.putrequest("POST", "/invocations")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == status
    assert json.loads(answer.read())["error"]
    assert answer.getheader("Connection") == "close"
    connection.close()


def test_chunks_that_add_up_to_too_much_or_are_damaged_are_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MAX_BYTES", 1000)
    head = b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    for body, status in ((b"3e9\r\n", 413), (b"zz\r\n", 400), (b"-5\r\n", 400)):
        with socket.create_connection(("127.0.0.1", port(server))) as connection:
            connection.sendall(head + body)
            assert connection.recv(100).startswith(b"HTTP/1.1 %d" % status)


@pytest.mark.parametrize(
    ("path", "body", "kind", "status"),
    [
        ("/invocations", b"no image", "image/jpeg", 400),
        ("/invocations", image(9), "text/csv", 415),
        ("/other", image(9), "image/jpeg", 404),
        ("/other", None, "", 404),
    ],
)
def test_refusals_are_json(
    server: Server, path: str, body: bytes | None, kind: str, status: int
) -> None:
    found, content_type, data = ask(port(server), path, body, {"Content-Type": kind})
    assert (found, content_type) == (status, "application/json")
    assert json.loads(data)["error"]


def test_a_model_that_breaks_says_nothing_of_this_machine(server: Server, gate: Gate) -> None:
    gate.error = OSError(2, "No such file", "/opt/ml/model/secret.bin")
    status, _, data = ask(port(server), "/invocations", image(9), JPEG)
    assert status == 500
    assert json.loads(data) == {"error": "the model failed on this; its log says why"}
    gate.error = None
    assert ask(port(server), "/invocations", image(9), JPEG)[0] == 200


def test_no_more_is_looked_at_at_once_than_there_are_turns(server: Server, gate: Gate) -> None:
    gate.open.clear()
    found: list[int] = []
    askers = [
        threading.Thread(
            target=lambda: found.append(ask(port(server), "/invocations", image(9), JPEG)[0])
        )
        for _ in range(6)
    ]
    for each in askers:
        each.start()
    time.sleep(0.3)
    assert gate.now == 2
    assert ask(port(server), "/ping")[0] == 200, "it is well while it is busy"
    gate.open.set()
    for each in askers:
        each.join()
    assert found == [200] * 6
    assert gate.most == 2


def test_who_waits_too_long_is_told(
    server: Server, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PATIENCE_S", 0.1)
    gate.open.clear()
    busy = [
        threading.Thread(target=ask, args=(port(server), "/invocations", image(9), JPEG))
        for _ in range(2)
    ]
    for each in busy:
        each.start()
    while gate.now < 2:
        time.sleep(0.01)
    status, _, body = ask(port(server), "/invocations", image(9), JPEG)
    assert status == 503
    assert b"too many requests" in body
    gate.open.set()
    for each in busy:
        each.join()


def test_what_is_under_way_is_answered_before_it_stops(server: Server, gate: Gate) -> None:
    idle = HTTPConnection("127.0.0.1", port(server))
    idle.request("GET", "/ping")
    idle.getresponse().read()
    gate.open.clear()
    found: list[int] = []
    asker = threading.Thread(
        target=lambda: found.append(ask(port(server), "/invocations", image(9), JPEG)[0])
    )
    asker.start()
    while gate.now < 1:
        time.sleep(0.01)
    server.stop()
    assert found == []
    gate.open.set()
    began = time.monotonic()
    server.server_close()
    assert time.monotonic() - began < 5, "an idle connection is not waited for"
    asker.join()
    assert found == [200]
    idle.close()


def test_a_request_that_ends_early_is_no_request(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", port(server))) as connection:
        connection.sendall(
            b"POST /invocations HTTP/1.1\r\nContent-Type: image/jpeg\r\n"
            b"Content-Length: 100\r\n\r\nabc"
        )
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_a_body_that_was_not_read_is_no_request(server: Server) -> None:
    inner = b"GET /ping HTTP/1.1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port(server))) as connection:
        head = b"POST /other HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(inner)
        connection.sendall(head + inner)
        said = b""
        while part := connection.recv(1000):
            said += part
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"HTTP/1.1 404" in said


def test_no_more_connections_are_held_than_there_are_threads(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "CONNECTIONS", 2)
    made = Server(("127.0.0.1", 0), at_once=2)
    made.model = gate
    loop = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    loop.start()
    held = [HTTPConnection("127.0.0.1", port(made)) for _ in range(2)]
    gate.open.clear()
    for each in held:
        each.request("POST", "/invocations", image(9), JPEG)
    while gate.now < 2:
        time.sleep(0.01)
    late = HTTPConnection("127.0.0.1", port(made), timeout=0.3)
    late.request("GET", "/ping")
    with pytest.raises(TimeoutError):
        late.getresponse()
    before = threading.active_count()
    began = time.monotonic()
    made.stop()
    loop.join()
    gate.open.set()
    made.server_close()
    assert time.monotonic() - began < 5, "it stops though somebody waits"
    assert threading.active_count() < before
    for each in (*held, late):
        each.close()


def test_a_body_of_a_get_is_no_request(server: Server) -> None:
    inner = b"GET /ping HTTP/1.1\r\n\r\n"
    head = b"GET /ping HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(inner)
    assert _all_said(server, head + inner).count(b"HTTP/1.1 ") == 1


def _all_said(server: Server, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port(server)), timeout=10) as connection:
        connection.sendall(sent)
        said = b""
        while part := connection.recv(1000):
            said += part
    return said


@pytest.mark.parametrize(
    "path", [b"x", b"POST /invocations HTTP/1.1\r\nContent-Length: 99\r\n\r\n"]
)
def test_who_sends_a_byte_now_and_then_is_cut_off(
    server: Server, monkeypatch: pytest.MonkeyPatch, path: bytes
) -> None:
    monkeypatch.setattr(serving, "REQUEST_S", 0.4)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port(server))) as connection:
        connection.sendall(path)
        with pytest.raises(ConnectionError):
            _drip(connection)
    assert time.monotonic() - began < 3


def _drip(connection: socket.socket) -> None:
    for _ in range(90):
        connection.sendall(b"x")
        time.sleep(0.05)


def test_it_stops_though_a_request_never_ends(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", port(server))) as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 99\r\n\r\nabc")
        time.sleep(0.2)
        began = time.monotonic()
        server.stop()
        server.server_close()
        assert time.monotonic() - began < 5


def test_it_is_well_while_slow_clients_hold_every_connection(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "CONNECTIONS", 2)
    monkeypatch.setattr(serving, "GRACE_S", 0.2)
    made = Server(("127.0.0.1", 0), at_once=2)
    made.model = gate
    loop = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    loop.start()
    held = [socket.create_connection(("127.0.0.1", port(made))) for _ in range(2)]
    try:
        for each in held:
            each.sendall(b"POST /invocations HTTP/1.1\r\nContent-Le")
        late = HTTPConnection("127.0.0.1", port(made), timeout=5)
        late.request("GET", "/ping")
        assert late.getresponse().status == 200
        late.close()
    finally:
        made.stop()
        loop.join()
        made.server_close()
        for each in held:
            each.close()


def test_a_container_ends_within_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda code: ended.set())
    container._end_within(0.05)
    assert ended.wait(5)
