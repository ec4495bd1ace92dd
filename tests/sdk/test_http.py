"""HTTP against a real service on the loopback: what is waited for, refused and told."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.services.http_stub import Asked, Says, Service, certificate_in, http_stub, says

from walkdown.sdk import addresses
from walkdown.sdk.http import RETRY_AFTER_MAX_S, Http, HttpError, Manners

FINE = says({"score": 0.25})
BUSY = says({"detail": "busy"}, status=429)
QUERY = "?code=s3cret"


class Desk:
    """Answers in turn, the last one for ever."""

    def __init__(self) -> None:
        self.says: list[Says] = [FINE]

    def answer(self, _: Asked) -> Says:
        return self.says.pop(0) if len(self.says) > 1 else self.says[0]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def service(desk: Desk) -> Iterator[Service]:
    with http_stub(desk.answer) as service:
        yield service


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited between attempts, in seconds, without waiting."""
    found: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", found.append)
    return found


def send(url: str, body: bytes = b"photo", authorities: str | None = None, **manners: Any) -> bytes:
    http = Http(url, manners=Manners(**manners), authorities=authorities)
    return http.send(body, {"X-Test": "1"}, hide=["s3cret"])


def told(url: str, **more: Any) -> HttpError:
    with pytest.raises(HttpError) as raised:
        send(url, **more)
    assert "s3cret" not in str(raised.value)
    assert "s3cret" not in repr(raised.value.__cause__)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return raised.value


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_photograph_goes_and_json_comes_back(service: Service) -> None:
    assert send(service.url + QUERY) == b'{"score": 0.25}'
    (asked,) = service.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/v1/look?code=s3cret", b"photo")
    assert asked.headers["X-Test"] == "1"


def test_a_connection_is_used_again(service: Service) -> None:
    http = Http(service.url)
    for _ in range(5):
        http.send(b"photo", {})
    assert service.connections == 1


def test_a_packed_answer_is_unpacked(service: Service, desk: Desk) -> None:
    desk.says = [Says(gzip.compress(b"[1]"), headers={"Content-Encoding": "gzip"})]
    assert send(service.url) == b"[1]"
    desk.says = [Says(b"not gzip", headers={"Content-Encoding": "gzip"})]
    assert "packed wrongly" in str(told(service.url))


def test_what_is_busy_is_asked_again_when_it_says(
    service: Service, desk: Desk, waits: list[float]
) -> None:
    desk.says = [Says(status=429, headers={"Retry-After": "7"}), FINE]
    assert send(service.url) == FINE.body
    assert waits == [7]
    desk.says = [Says(status=503, headers={"Retry-After": "86400"}), FINE]
    send(service.url)
    assert waits[1:] == [RETRY_AFTER_MAX_S]
    desk.says = [Says(status=503, headers={"Retry-After": "soon"})] * 2 + [FINE]
    send(service.url)
    assert len(waits) == 4, "as if it had not said when"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_stays_busy_is_told(
    service: Service, desk: Desk, waits: list[float], status: int
) -> None:
    desk.says = [says({"detail": "too many of s3cret"}, status=status)]
    error = told(service.url + QUERY, retries=3)
    assert len(service.asked) == 4
    assert error.status == status
    assert f"{service.url}: it answered {status} " in str(error)
    assert '({"detail": "too many of […]"})' in str(error)
    assert waits == sorted(waits), "longer and longer"
    assert 0.5 <= waits[0] <= 1.0 <= waits[1] <= 1.5 < 2.0 <= waits[2] <= 2.5


def test_waits_differ_by_chance(service: Service, desk: Desk, waits: list[float]) -> None:
    desk.says = [BUSY]
    for _ in range(3):
        told(service.url, retries=2)
    assert len(set(waits)) == 6


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "400 Bad Request; it does not take what it was sent"),
        (401, "wants another secret"),
        (403, "does not allow this"),
        (404, "nothing is there: check the url"),
        (405, "another method"),
        (418, "check 'url', 'method' and 'input'"),
        (422, "check 'input'"),
        (500, "see the log of the service"),
        (599, "it answered 599; it has a fault"),
    ],
)
def test_a_refusal_is_told_at_once(
    service: Service, desk: Desk, waits: list[float], status: int, words: str
) -> None:
    desk.says = [Says(b"<html>s3cret</html>", status, {"Content-Type": "text/html"})]
    error = told(service.url + QUERY)
    assert (error.status, len(service.asked), waits) == (status, 1, [])
    assert words in str(error)
    assert "html" not in str(error)


def test_what_is_too_large_for_the_service_is_told(service: Service, desk: Desk) -> None:
    """It does not wait for all of it to come."""
    desk.says = [Says(b"", 413, reads_body=False)]
    error = told(service.url, body=bytes(12_000_000), retries=0)
    assert error.status == 413
    assert "smaller max_bytes or max_side_px" in str(error)


def test_an_answer_that_is_too_large_is_not_read(service: Service, desk: Desk) -> None:
    desk.says = [Says(bytes(1_000_000))]
    assert "larger than 1,000 bytes" in str(told(service.url, max_answer_bytes=1000))
    bomb = gzip.compress(bytes(50_000_000))
    desk.says = [Says(bomb, headers={"Content-Encoding": "gzip"})]
    assert len(bomb) < 100_000
    assert "larger than 100,000 bytes" in str(told(service.url, max_answer_bytes=100_000))
    assert send(service.url, max_answer_bytes=50_000_000) == bytes(50_000_000)


def test_a_slow_answer_is_not_asked_for_twice(service: Service, desk: Desk) -> None:
    desk.says = [Says(b"[1]", pause_s=5)]
    began = time.monotonic()
    assert "did not answer within 0.2 s; raise timeout_s" in str(told(service.url, timeout_s=0.2))
    assert time.monotonic() - began < 3
    assert len(service.asked) == 1


def test_an_answer_that_drips_is_slow_too(service: Service, desk: Desk) -> None:
    desk.says = [Says(bytes(100), pieces=100, pause_s=0.1)]
    began = time.monotonic()
    assert "did not answer within 0.4 s" in str(told(service.url, timeout_s=0.4))
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("after", [0, 3])
def test_a_broken_connection_is_made_again(
    service: Service, desk: Desk, waits: list[float], after: int
) -> None:
    broken = Says(b"[1, 2, 3]", hangs_up=after)
    desk.says = [broken, broken, FINE]
    assert send(service.url) == FINE.body
    desk.says = [broken]
    assert "the connection broke (" in str(told(service.url + QUERY, retries=1))


def test_nothing_listens(waits: list[float]) -> None:
    error = told(f"http://127.0.0.1:{free_port()}/x{QUERY}", retries=2)
    assert "/x: nothing answers there (Connection refused); check the url" in str(error)
    assert len(waits) == 2


def test_no_such_name(waits: list[float]) -> None:
    error = told(f"https://nobody.invalid/x{QUERY}", retries=1)
    assert str(error) == (
        "https://nobody.invalid/x: no machine of this name is known; "
        "check the url, the network and the DNS"
    )


def test_nobody_answers_in_time(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    def slow(*_: object, **__: object) -> socket.socket:
        raise TimeoutError("timed out")

    monkeypatch.setattr("urllib3.util.connection.create_connection", slow)
    error = told("http://127.0.0.1/x", retries=1, connect_timeout_s=2)
    assert "no connection within 2 s" in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_is_followed_elsewhere(service: Service, desk: Desk, status: int) -> None:
    with http_stub(lambda _: FINE) as other:
        desk.says = [Says(b"", status, {"Location": f"{other.url}?token=s3cret"})]
        error = told(service.url + QUERY)
        assert f"it has moved to {other.url}: if you trust that" in str(error)
        assert other.asked == []
    desk.says = [Says(b"", status, {"Location": "/v2?token=s3cret"})]
    assert f"it has moved to {service.url.removesuffix('/v1/look')}/v2:" in str(told(service.url))
    assert len(service.asked) == 2


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = certificate_in(tmp_path_factory.mktemp("tls"))
    if found is None:
        pytest.skip("no openssl program to make a certificate with")
    return found


def test_a_certificate_of_nobodys_is_refused(certificate: Path, waits: list[float]) -> None:
    own = (certificate.parent / "own.pem").read_text()
    with http_stub(lambda _: FINE, certificate=certificate) as service:
        error = told(service.url + QUERY)
        assert "its certificate is not trusted (self-signed certificate)" in str(error)
        assert "ca_file" in str(error)
        assert service.asked == []
        assert waits == [], "it would be refused again"
        assert send(service.url, authorities=own) == FINE.body
        elsewhere = service.url.replace("127.0.0.1", "localhost")
        assert "not trusted (Hostname mismatch" in str(told(elsewhere, authorities=own))


def test_a_service_that_speaks_no_tls_is_told(service: Service, waits: list[float]) -> None:
    error = told(service.url.replace("http:", "https:"), retries=0)
    assert "no secure connection" in str(error)


def test_no_query_string_gets_into_the_log(
    service: Service, desk: Desk, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    desk.says = [BUSY, Says(hangs_up=0)]
    told(service.url + QUERY, retries=3)
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "169.254.170.2", "[fe80::1]", "[fe80::1%25eth0]", "[fd00:ec2::254]"),
        *("[::ffff:169.254.169.254]", "metadata.google.internal", "METADATA.google.internal."),
        *("100.100.100.200", "168.63.129.16", "192.0.0.192", "[fd00:ec2::23]"),
        *("[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[::a9fe:a9fe]", "[64:ff9b::6464:64c8]"),
    ],
)
def test_where_machines_learn_their_credentials_nothing_is_sent(host: str) -> None:
    with pytest.raises(ValueError, match="learns its own credentials"):
        Http(f"http://{host}/latest/meta-data")


def test_a_name_that_leads_there_is_refused_before_anything_is_sent(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the loopback plays the forbidden address."""
    refusal = addresses.refusal
    monkeypatch.setattr(
        addresses, "refusal", lambda host: "no!" if host == "127.0.0.1" else refusal(host)
    )
    error = told(service.url.replace("127.0.0.1", "localhost") + QUERY)
    assert str(error).endswith("/v1/look: no!")
    assert service.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a",
        "http://",
        "a.b/c",
        "http://a b",
        "http://ä",
        "http://a:x",
        "http://a:0",
        "http://[",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        addresses.checked(url)


@pytest.mark.parametrize(
    "url", ["https://me:s3cret@a.b", "https://s3cret@a.b", "https://a.b/#s3cret"]
)
def test_a_refused_address_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="leave it out") as raised:
        addresses.checked(url)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "host",
    [
        *("0xa9fea9fe", "2852039166", "0251.254.169.254", "0xa9.254.169.254", "169.254.43518"),
        *("169.254.169.254.", "127.1", "010.0.0.1", "0X7F.1"),
    ],
)
def test_addresses_in_odd_spellings_are_refused(host: str) -> None:
    with pytest.raises(ValueError, match="written oddly"):
        addresses.checked(f"http://{host}/x")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "::1",
        "::7f00:1",
        "64:ff9b::808:808",
        "2002::1",
        "10.0.0.8",
        "example.com",
        "localhost",
    ],
)
def test_other_addresses_are_taken(host: str) -> None:
    assert addresses.refusal(host) is None


@contextmanager
def dripping(head: bytes, drop: bytes, certificate: Path | None = None) -> Iterator[str]:
    """A service that begins well and then sends a drop now and then, for ever."""
    stopped = threading.Event()

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            wrapped = connection
            if certificate is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate)
                wrapped = context.wrap_socket(connection, server_side=True)
            wrapped.recv(65_536)
            wrapped.sendall(head)
            while not stopped.wait(0.05):
                wrapped.sendall(drop)
            wrapped.close()

    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    scheme = "https" if certificate else "http"
    try:
        yield f"{scheme}://127.0.0.1:{listening.getsockname()[1]}/x"
    finally:
        stopped.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


DRIPS = [
    (b"HTTP/1.1 2", b"0"),
    (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    (b"HTTP/1.1 200 OK\r\n\r\n", b"a"),
]


@pytest.mark.parametrize(("head", "drop"), DRIPS)
def test_an_answer_that_comes_in_drops_is_not_waited_for(head: bytes, drop: bytes) -> None:
    began = time.monotonic()
    with dripping(head, drop) as url:
        error = told(url, timeout_s=0.4)
    assert "it did not answer within 0.4 s" in str(error)
    assert time.monotonic() - began < 3.0


def test_drops_over_tls_are_not_waited_for(certificate: Path) -> None:
    began = time.monotonic()
    with dripping(*DRIPS[1], certificate) as url:
        error = told(url, timeout_s=0.4, authorities=certificate.read_text())
    assert "it did not answer within 0.4 s" in str(error)
    assert time.monotonic() - began < 3.0


def test_certificates_that_are_none_are_refused() -> None:
    import ssl

    for text in ("", "garbage"):
        with pytest.raises(ssl.SSLError):
            Http("https://a.b", authorities=text)
