"""Sends notices as plain-text mails through one SMTP server, one connection for each.

A mail's Message-ID is made from the notice's id: most mail systems show one that is delivered twice
only once.
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import KW_ONLY, dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from typing import TYPE_CHECKING, Literal

from walkdown.errors import NotifyError, SpecError
from walkdown.notify.wording import headline, letter, one_line
from walkdown.types import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from walkdown.types import Notice


@dataclass(frozen=True, slots=True)
class SmtpNotifier:
    """Mails each notice to all ``recipients``.

    ``security`` is ``tls`` (encrypted from the start, mostly port 465), ``starttls`` (encrypted
    before anything is said, mostly port 587; never falls back to plain text) or ``none``, which
    admits no password. The server's certificate must be one that this machine trusts.
    ``timeout_s`` holds for each step of the conversation. A mail that one recipient's server
    refuses is a failure, though others may have got it: the next attempt repeats the Message-ID.
    Raises `SpecError` for an address that is none, and for a password without encryption.
    """

    host: str
    port: int
    sender: str
    recipients: Sequence[str]
    _: KW_ONLY
    clock: Callable[[], datetime]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    security: Literal["starttls", "tls", "none"] = "starttls"
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        if not self.recipients or isinstance(self.recipients, str):
            raise SpecError("mail: recipients must be a list of at least one address")
        for address in (self.sender, *self.recipients):
            _parsed(address)
        if (self.username is None) != (self.password is None):
            raise SpecError("mail: give both a username and a password, or neither")
        if self.password is not None and self.security == "none":
            raise SpecError("mail: a password needs encryption: set security to starttls or tls")

    def send(self, notice: Notice) -> None:
        try:
            with self._connected() as server:
                refused = server.send_message(self._mail(notice))
        except smtplib.SMTPAuthenticationError as error:
            # What the server answers to a wrong password may repeat it.
            raise self._failed(f"refused the username or password ({error.smtp_code})") from None
        except (OSError, ValueError, MessageError) as error:
            raise self._failed(one_line(_reason(error))) from error
        if refused:
            raise self._failed(f"refused the recipients {', '.join(sorted(refused))}")

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=self.timeout_s, context=context
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
        try:
            if self.security not in ("tls", "none"):
                server.starttls(context=context)
            if self.username is not None and self.password is not None:
                server.login(self.username, self.password)
        except BaseException:
            server.close()
            raise
        return server

    def _mail(self, notice: Notice) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = _parsed(self.sender)
        mail["To"] = [_parsed(recipient) for recipient in self.recipients]
        mail["Subject"] = headline(notice)
        mail["Date"] = self.clock()
        mail["Message-ID"] = f"<{digest_of(notice.id)[:32]}@{_parsed(self.sender).domain}>"
        mail.set_content(letter(notice))
        return mail

    def _failed(self, reason: str) -> NotifyError:
        return NotifyError(
            f"mail server {self.host}:{self.port}: {reason}; the alerts wait and are sent again:"
            " check host, port, security and login"
        )


def _parsed(address: str) -> Address:
    try:
        parsed = Address(addr_spec=address)
    except (ValueError, MessageError, IndexError) as error:
        raise SpecError(f"mail: {address!r} is not an address such as ops@example.com") from error
    if not (address.isprintable() and parsed.username and parsed.domain):
        raise SpecError(f"mail: {address!r} is not an address such as ops@example.com")
    return parsed


def _reason(error: Exception) -> str:
    match error:
        case smtplib.SMTPResponseException(smtp_code=int(code), smtp_error=bytes(text)):
            return f"answered {code} {text.decode(errors='replace')}"
        case smtplib.SMTPRecipientsRefused():
            return f"refused all recipients ({', '.join(sorted(error.recipients))})"
    return str(error) or type(error).__name__
