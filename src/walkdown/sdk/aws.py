"""AWS through boto3: clients made when first used, kept, and shared by threads.

`explained` turns what boto3 raises into an `AwsError`, which says what was tried, why it failed and
what to do, and never shows a key, a token or a signed address.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from walkdown.errors import MissingExtra, StoreError
from walkdown.sdk.aws_words import advice, client_side

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECRETS = (
    (re.compile(r"\b(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z0-9]{12,}\b"), "[key id]"),
    (re.compile(r"(?i)(x-amz-(?:security-token|signature|credential)[=:\s]+)[^&\s\"']+"), r"\1[…]"),
    (re.compile(r"(?i)((?:signature|credential|sessiontoken)[=:]\s*)[^&,\s\"']+"), r"\1[…]"),
    (re.compile(r"(?i)((?:https?|s3)://[^\s\"'?]*)\?[^\s\"']*"), r"\1?[…]"),
    (re.compile(r"(?i)(https?://)[^\s\"'/@]*@"), r"\1"),
)
# What the service repeats of a request whose signature was wrong holds the session's token.
_SAYS_TOO_MUCH = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException"})

_SIGNER = "s3, to sign"

OWN_SERVICES: Final = Path(__file__).parent / "data"
"""Descriptions of services that botocore has no more, in the form in which it reads its own."""


class AwsError(StoreError):
    """A call to AWS failed. ``code`` is the service's own word for it, or boto3's class name.

    ``status`` is the HTTP status, None where the service never answered.
    """

    def __init__(self, message: str, *, code: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class Aws:
    """Where and as whom AWS is called; what is None is found as every AWS tool finds it.

    boto3 itself reads the environment (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL ...), the user's
    AWS files and, on AWS, the role of the machine or function. ``most_bytes`` is for servers that
    are not AWS's: no larger answer of theirs is read.
    """

    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None
    most_bytes: int | None = None
    _clients: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )

    def client(self, service: str) -> Any:
        """The boto3 client of a service: always the same one, safe to use from many threads.

        Raises `MissingExtra` without boto3, and `AwsError` where no region or profile is found.
        """
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._made(service)
            return self._clients[service]

    def signer(self) -> Any:
        """A boto3 client of S3 for signed addresses, which others use without credentials.

        They are signed by version 4, which keys of KMS and the newer regions ask for, and name the
        bucket's own region: the address that boto3 prefers redirects while a bucket is new.
        """
        with self._lock:
            if _SIGNER not in self._clients:
                self._clients[_SIGNER] = self._made(
                    "s3",
                    signature_version="s3v4",
                    s3={"addressing_style": "virtual"},
                    # Without the photograph there is no checksum to sign.
                    request_checksum_calculation="when_required",
                )
            return self._clients[_SIGNER]

    def _made(self, service: str, **more: Any) -> Any:
        boto3, config = _sdk(**more)
        with explained(f"use AWS ({service})"):
            session = boto3.Session(
                region_name=self.region, profile_name=self.profile, botocore_session=_core()
            )
            client = session.client(service, endpoint_url=self.endpoint_url, config=config)
        if self.most_bytes is not None:
            from walkdown.sdk.aws_bounds import bound

            bound(client, self.most_bytes)
        return client


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turns boto3's errors into `AwsError` "cannot WHAT: why; what next", the cause kept.

    ``what`` continues "cannot", names the thing, and holds no secret: ``read s3://photos/a.jpg``.
    """
    try:
        yield
    except Exception as error:
        if not _of_sdk(error):
            raise
        raise _translated(what, error) from error


def shown(text: str) -> str:
    """The text in one line without keys, tokens and signatures.

    >>> shown("see https://b.s3.amazonaws.com/k?X-Amz-Signature=5ab1")
    'see https://b.s3.amazonaws.com/k?[…]'
    """
    for pattern, put in _SECRETS:
        text = pattern.sub(put, text)
    return " ".join(text.split())


def _sdk(**more: Any) -> tuple[Any, Any]:
    """boto3 and the settings of every client: standard retries, and no call that hangs."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise MissingExtra("aws", "walkdown on AWS") from error
    config = Config(
        connect_timeout=5,
        read_timeout=70,
        retries={"mode": "standard", "total_max_attempts": 6},
        max_pool_connections=64,
        user_agent_extra="walkdown",
        **more,
    )
    return boto3, config


def _core() -> Any:
    """A session of botocore that also knows our own descriptions; its own come first."""
    from botocore.session import Session

    core = Session()
    core.get_component("data_loader").search_paths.append(str(OWN_SERVICES))
    return core


def _of_sdk(error: Exception) -> bool:
    modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return bool(modules & {"boto3", "botocore", "s3transfer"})


def _translated(what: str, error: Exception) -> AwsError:
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        name = type(error).__name__
        return AwsError(f"cannot {what}: {client_side(name, shown(str(error)))}", code=name)
    refusal = response.get("Error", {})
    code = str(refusal.get("Code", "Unknown"))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    said = "" if code in _SAYS_TOO_MUCH else shown(str(refusal.get("Message") or ""))
    operation = str(getattr(error, "operation_name", ""))
    words = advice(code, status, said, operation)
    answer = f"AWS says {code}" + (f" ({said:.300})" if said and said != code else "")
    return AwsError(f"cannot {what}: {answer}; {words}", code=code, status=status)
