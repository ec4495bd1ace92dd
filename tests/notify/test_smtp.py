"""The SMTP notifier holds a real conversation: encrypted as asked, and no injected headers."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING, Literal

import pytest
from tests.notify.servers import NOW, Mailbox, a_notice, smtp_server, two_alerts

from walkdown.errors import NotifyError, SpecError
from walkdown.notify.smtp import SmtpNotifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

WORD = "hunter2"


def clock() -> datetime:
    return NOW


def notifier(
    port: int,
    *,
    sender: str = "walkdown@plant.example",
    recipients: tuple[str, ...] = ("ops@plant.example", "night@plant.example"),
    security: Literal["starttls", "tls", "none"] = "none",
    username: str | None = None,
    password: str | None = None,
    timeout_s: float = 5,
) -> SmtpNotifier:
    return SmtpNotifier(
        "localhost",
        port,
        sender,
        recipients,
        clock=clock,
        username=username,
        password=password,
        security=security,
        timeout_s=timeout_s,
    )


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with smtp_server() as running:
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh certificate of localhost and its key, in one file."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no openssl program to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    command = [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", "-"]
    made = subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + made.stdout)
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_the_mail_says_what_where_and_how_bad(mailbox: Mailbox) -> None:
    notifier(mailbox.port).send(a_notice())
    (mail,) = mailbox.parsed()
    assert mail["Subject"] == "[HIGH] crack on pole-17: opened"
    assert mail["From"] == "walkdown@plant.example"
    assert mail["To"] == "ops@plant.example, night@plant.example"
    assert mail["Date"].datetime == NOW
    assert mail.get_content_type() == "text/plain"
    text = mail.get_content()
    for part in ("pole-17", "crack", "0.93", "1.25 %", "north/pole-17/left.jpg", "poles", "a1b2"):
        assert part in text
    envelope = [line for line in mailbox.heard if line.startswith((b"mail", b"rcpt"))]
    assert [line.split(b"<")[1].split(b">")[0] for line in envelope] == [
        b"walkdown@plant.example",
        b"ops@plant.example",
        b"night@plant.example",
    ]


def test_a_mail_of_several_lists_them_in_their_order(mailbox: Mailbox) -> None:
    notifier(mailbox.port).send(two_alerts(more=3))
    (mail,) = mailbox.parsed()
    assert mail["Subject"] == "[HIGH] 5 alerts on several assets, the worst: crack on pole-17"
    text = mail.get_content()
    crack, rust, more = (text.index(part) for part in ("crack on", "rust on", "and 3 more alerts"))
    assert crack < text.index("Alert:      a1") < rust < text.index("Alert:      a2") < more


def test_the_message_id_is_the_notices(mailbox: Mailbox) -> None:
    for identity in ("a", "a", "b>\r\nX-Other: 1"):
        notifier(mailbox.port).send(a_notice(identity=identity))
    first, again, other = (mail["Message-ID"] for mail in mailbox.parsed())
    assert first == again != other
    assert first.startswith("<")
    assert first.endswith("@plant.example>")


def test_names_can_not_inject_headers_or_end_the_mail(mailbox: Mailbox) -> None:
    hostile = "pole\r\nBcc: thief@example.com\n\nbody\r\n.\r\nQUIT\u2028\x85\udcff ø"
    notifier(mailbox.port).send(a_notice(asset=hostile, label=hostile))
    (mail,) = mailbox.parsed()
    assert mail["Bcc"] is None
    assert {name for name in mail if not name.startswith("Content-")} == {
        *("From", "To", "Subject", "Date", "Message-ID", "MIME-Version")
    }
    assert "Bcc: thief@example.com body . QUIT" in mail["Subject"]
    assert mail["Subject"].endswith("ø: opened")
    assert "a1b2" in mail.get_content()
    assert sum(line.startswith(b"rcpt") for line in mailbox.heard) == 2


@pytest.mark.parametrize("from_start", [True, False])
def test_an_encrypted_conversation_with_a_login(
    server_tls: ssl.SSLContext,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    from_start: bool,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with smtp_server(tls=server_tls, from_start=from_start) as mailbox:
        notifier(
            mailbox.port,
            security="tls" if from_start else "starttls",
            username="me",
            password=WORD,
        ).send(a_notice())
        assert len(mailbox.mails) == 1
        verbs = [line.split(b" ")[0].upper() for line in mailbox.heard]
        assert (b"STARTTLS" in verbs) is not from_start
        assert b"AUTH" in verbs
        if not from_start:
            assert verbs.index(b"STARTTLS") < verbs.index(b"AUTH")


@pytest.mark.parametrize("from_start", [True, False])
def test_a_certificate_that_is_not_trusted_is_refused(
    server_tls: ssl.SSLContext, *, from_start: bool
) -> None:
    with smtp_server(tls=server_tls, from_start=from_start) as mailbox:
        with pytest.raises(NotifyError, match="CERTIFICATE_VERIFY_FAILED"):
            notifier(mailbox.port, security="tls" if from_start else "starttls").send(a_notice())
        assert mailbox.mails == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_it_never_falls_back_to_plain_text(
    mailbox: Mailbox, security: Literal["starttls", "tls"]
) -> None:
    subject = notifier(mailbox.port, security=security, username="me", password=WORD, timeout_s=1)
    with pytest.raises(NotifyError, match="check host, port, security and login"):
        subject.send(a_notice())
    assert mailbox.mails == []
    assert not any(line.upper().startswith((b"AUTH", b"MAIL")) for line in mailbox.heard)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({b"mail": b"550 not you"}, "answered 550 not you"),
        ({b"rcpt": b"550 unknown"}, "refused all recipients .*night@plant.example, ops@"),
        ({b"rcpt TO:<night": b"550 unknown"}, "refused the recipients night@plant.example"),
        ({b"data": b"451 try later"}, "answered 451 try later"),
        ({b"ehlo": b"500 no", b"helo": b"421 closing"}, "answered 421 closing"),
    ],
)
def test_a_refusal_says_what_the_server_said(
    mailbox: Mailbox, answers: dict[bytes, bytes], message: str
) -> None:
    mailbox.answers = answers
    with pytest.raises(NotifyError, match=rf"mail server localhost:\d+: {message}"):
        notifier(mailbox.port).send(a_notice())


def test_a_wrong_password_is_not_repeated(
    server_tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with smtp_server(tls=server_tls) as mailbox:
        mailbox.answers = {b"AUTH": b"535 hunter2 is wrong"}
        subject = notifier(mailbox.port, security="starttls", username="me", password=WORD)
        with pytest.raises(
            NotifyError, match=r"refused the username or password \(535\)"
        ) as caught:
            subject.send(a_notice())
    assert WORD not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert WORD not in repr(subject)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(NotifyError, match="the alerts wait and are sent again"):
        notifier(port).send(a_notice())


def test_a_server_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        subject = notifier(silent.getsockname()[1], timeout_s=0.1)
        with pytest.raises(NotifyError, match="timed out"):
            subject.send(a_notice())


@pytest.mark.parametrize(
    "address",
    ["", "ops", "@plant.example", "ops@", "a@b\r\nBcc: c@d", "Ops <ops@plant.example>", "a@b, c@d"],
)
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(SpecError, match="is not an address"):
        notifier(25, sender=address)
    with pytest.raises(SpecError, match="is not an address"):
        notifier(25, recipients=("ops@plant.example", address))


def test_somebody_must_get_the_mail() -> None:
    with pytest.raises(SpecError, match="at least one address"):
        notifier(25, recipients=())
    with pytest.raises(SpecError, match="must be a list"):
        SmtpNotifier("localhost", 25, "w@plant.example", "ops@plant.example", clock=clock)


@pytest.mark.parametrize(("username", "password"), [("me", None), (None, WORD)])
def test_a_login_needs_both_parts(username: str | None, password: str | None) -> None:
    with pytest.raises(SpecError, match="both a username and a password"):
        notifier(25, security="tls", username=username, password=password)


def test_a_password_is_never_sent_in_plain_text() -> None:
    with pytest.raises(SpecError, match="a password needs encryption"):
        notifier(25, security="none", username="me", password=WORD)
