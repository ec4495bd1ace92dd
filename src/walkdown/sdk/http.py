"""HTTP to a service of anybody's, by urllib3: pooled, patient, bounded, and followed nowhere else.

An error says what failed and what to do. It never shows a query string, a header or a secret, and
neither does a log line: urllib3's own retries write the URL into the log, so that they are made
here, by its `Retry`.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Retry, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    HTTPError,
    InvalidHeader,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util.retry import RequestHistory

from walkdown.errors import ModelError
from walkdown.sdk import addresses
from walkdown.sdk.deadlines import Deadline, watched
from walkdown.sdk.http_words import advice, phrase, quoted

if TYPE_CHECKING:
    import socket
    from collections.abc import Collection, Mapping

    from urllib3 import BaseHTTPResponse, HTTPResponse

RETRY_AFTER_MAX_S: Final = 60.0
_BACKOFF_S, _JITTER_S, _BACKOFF_MAX_S = 0.25, 0.5, 20.0
_AGAIN: Final = frozenset({429, 502, 503, 504})
_PIECE: Final = 65_536


class HttpError(ModelError):
    """A service could not be asked, or refused. ``status`` is None where it never answered."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Manners:
    """How a service is asked.

    ``timeout_s`` is how long an answer may take, head and body together. ``retries`` are
    made where nothing listens, a connection breaks, or the service says that it is busy.
    """

    connect_timeout_s: float = 5.0
    timeout_s: float = 60.0
    retries: int = 4
    max_answer_bytes: int = 20_000_000
    at_once: int = 8


@dataclass(frozen=True, slots=True)
class _Answer:
    """A response, and its body, which was read to the end."""

    response: BaseHTTPResponse
    data: bytes


class Http:
    """One address of a service, to which bytes are sent and from which bytes come back.

    Safe to use from many threads. ``authorities`` are certificates in PEM that are trusted instead
    of the system's. Raises `ValueError` for a URL that is none or not allowed, `ssl.SSLError` for
    certificates that are none.
    """

    def __init__(
        self,
        url: str,
        *,
        method: str = "POST",
        manners: Manners | None = None,
        authorities: str | None = None,
    ) -> None:
        addresses.checked(url)
        self._url, self._method = url, method
        self._manners = manners or Manners()
        self._retries = _Patience(
            total=self._manners.retries,
            allowed_methods=None,
            status_forcelist=_AGAIN,
            backoff_factor=_BACKOFF_S,
            backoff_jitter=_JITTER_S,
            backoff_max=_BACKOFF_MAX_S,
            # As if it had failed before: else the first time would be again at once, by all.
            history=(RequestHistory(None, None, None, None, None),),
        )
        self._pools = _pools(self._manners, _trust(url, authorities))

    def send(self, body: bytes, headers: Mapping[str, str], *, hide: Collection[str] = ()) -> bytes:
        """What the service answers with 2xx. Raises `HttpError` for anything else.

        What is in ``hide`` is left out of what an error repeats of an answer.
        """
        retries: Retry = self._retries
        while True:
            got = self._once(body, headers)
            answer = got if isinstance(got, _Answer) else None
            trouble = got if isinstance(got, HTTPError) else None
            response = answer.response if answer else None
            if response is not None and response.status not in _AGAIN:
                break
            try:
                retries = retries.increment(self._method, response=response, error=trouble)
            except MaxRetryError:
                break
            retries.sleep(response)
        if isinstance(got, HTTPError):
            raise self._unanswered(got) from _root(got)
        if not 200 <= got.response.status < 300:
            raise self._refused(got, hide)
        return got.data

    def _once(self, body: bytes, headers: Mapping[str, str]) -> _Answer | HTTPError:
        """An answer, or a trouble that may pass. Raises `HttpError` for one that will not."""
        with Deadline(self._manners.timeout_s) as deadline:
            try:
                got = self._asked(body, headers)
            except Exception:
                if not deadline.passed:
                    raise
        if deadline.passed:
            # However the connection broke then, this is why.
            raise HttpError(self._slow())
        return got

    def _asked(self, body: bytes, headers: Mapping[str, str]) -> _Answer | HTTPError:
        try:
            response = self._pools.urlopen(
                self._method,
                self._url,
                body=body,
                headers=dict(headers),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            return _Answer(response, self._read(response))
        except (ConnectTimeoutError, ProtocolError) as e:
            return e
        except HTTPError as e:
            raise self._unanswered(e) from _root(e)

    def _read(self, response: BaseHTTPResponse) -> bytes:
        """The whole answer, unless it is too large."""
        most = self._manners.max_answer_bytes
        data = bytearray()
        try:
            while piece := response.read1(_PIECE):
                data += piece
                if len(data) > most:
                    raise HttpError(
                        f"{self._where}: its answer is larger than {most:,} bytes; have it answer "
                        "less, or raise max_answer_bytes in the card"
                    )
        except BaseException:
            response.close()
            raise
        return bytes(data)

    @property
    def _where(self) -> str:
        return addresses.public(self._url)

    def _slow(self) -> str:
        return (
            f"{self._where}: it did not answer within {self._manners.timeout_s:g} s; raise "
            "timeout_s in the card, or send smaller photographs or fewer at once"
        )

    def _refused(self, answer: _Answer, hide: Collection[str]) -> HttpError:
        status, headers = answer.response.status, answer.response.headers
        said = quoted(answer.data, headers.get("Content-Type", ""), hide)
        if 300 <= status < 400 and (location := headers.get("Location")):
            moved = addresses.public(location, self._url)
            words = f"it has moved to {moved}: if you trust that, put it into the card's url"
        else:
            words = advice(status)
        return HttpError(
            f"{self._where}: it answered {status}{phrase(status)}{said}; {words}", status=status
        )

    def _unanswered(self, error: HTTPError) -> HttpError:
        if isinstance(error, ReadTimeoutError):
            return HttpError(self._slow())
        return HttpError(f"{self._where}: {self._reason(error)}")

    def _reason(self, error: HTTPError) -> str:
        cause = _root(error)
        why = getattr(cause, "strerror", None) or type(cause).__name__
        if isinstance(error, _Refused):
            return str(error)
        if isinstance(error, NameResolutionError):
            return "no machine of this name is known; check the url, the network and the DNS"
        if isinstance(error, NewConnectionError):
            return f"nothing answers there ({why}); check the url, and whether the service runs"
        if isinstance(error, ConnectTimeoutError):
            return (
                f"no connection within {self._manners.connect_timeout_s:g} s; check the url, the "
                "network and the firewalls between"
            )
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({cause.verify_message}); for an authority of "
                "your own, name its certificate in the card: ca_file, and files"
            )
        if isinstance(error, SSLError):
            return f"no secure connection ({why}); check that the service speaks https there"
        if isinstance(error, DecodeError):
            return "its answer is packed wrongly; have the service send it plain"
        return f"the connection broke ({why}); see the log of the service, then run again"


class _Patience(Retry):
    """Waits no longer than a person would, whatever a service asks for."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        try:
            asked = super().get_retry_after(response)
        except InvalidHeader:
            return None
        return None if asked is None else min(asked, RETRY_AFTER_MAX_S)


class _Refused(HTTPError):
    """The name of a service leads to an address that nothing is sent to."""


# A name may lead to any address, and to another one each time: so what counts is whom the
# connection was made to, before anything is sent on it.
class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _allowed(super()._new_conn())

    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as urllib3's own
        watched(self.sock)
        return super().getresponse()


class _SecureConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _allowed(super()._new_conn())

    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as urllib3's own
        watched(self.sock)
        return super().getresponse()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _allowed(connection: socket.socket) -> socket.socket:
    why = addresses.refusal(str(connection.getpeername()[0]))
    if why is not None:
        connection.close()
        raise _Refused(why)
    return connection


def _trust(url: str, authorities: str | None) -> ssl.SSLContext | None:
    """Who may vouch for the service: the system's authorities, or those of the card alone."""
    if not url.casefold().startswith("https:"):
        return None
    if authorities is not None and "-----BEGIN CERTIFICATE-----" not in authorities:
        raise ssl.SSLError("no certificates in PEM form")
    return ssl.create_default_context(cadata=authorities)


def _pools(manners: Manners, trust: ssl.SSLContext | None) -> PoolManager:
    pools = PoolManager(
        num_pools=1,
        maxsize=manners.at_once,
        timeout=Timeout(connect=manners.connect_timeout_s, read=manners.timeout_s),
        ssl_context=trust,
    )
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return pools


def _root(error: BaseException) -> BaseException:
    """What lies below urllib3's own errors, whose words hold the URL."""
    seen = error
    while True:
        inner = seen.__cause__ or next(
            (each for each in reversed(seen.args) if isinstance(each, BaseException)), None
        )
        if inner is None:
            return seen
        seen = inner
