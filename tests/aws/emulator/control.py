"""The emulator's front door: faults, the record of calls and the control routes, then moto.

Every request passes here. A function's requests carry the access key of its environment, so that
a process can be ended before or after a certain call, and its calls are counted. Requests to
DynamoDB are taken one at a time, since moto's transactions are not safe between threads.
"""

from __future__ import annotations

import io
import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.aws.emulator.faults import Faults, Kill, Refusal
from tests.aws.emulator.pool import Pool

ROUTES = "/_emulator/"
Start = Callable[..., Any]
Application = Callable[[dict[str, Any], Start], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for what: ``call`` is "service:Action"."""

    key: str
    service: str
    call: str


class FrontDoor:
    """A WSGI application around moto's."""

    def __init__(
        self,
        inner: Application,
        faults: Faults,
        pool: Pool,
        database: threading.RLock,
        control: Callable[[str, dict[str, Any]], Any],
    ) -> None:
        self._inner, self._faults, self._pool = inner, faults, pool
        self._database, self._control = database, control

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith(ROUTES):
            return self._route(path.removeprefix(ROUTES), environ, start)
        asked = asked_for(environ)
        environment = self._pool.environment_of(asked.key)
        name = environment.code.name if environment else None
        if name is not None:
            self._faults.note_call(name, asked.call)
        refusal = self._faults.refused(name, asked.call)
        if refusal is not None:
            return _refuse(refusal, asked, start)
        kill = self._faults.kill_at_call(name, asked.call) if name is not None else None
        if kill is not None and environment is not None and kill.when == "before":
            environment.kill("fault")
            environment.process.wait()
            return _answer(start, "500 Killed", b"")
        body = self._pass_on(environ, start, asked.service)
        if kill is not None and environment is not None:
            environment.kill("fault")
            environment.process.wait()
        return body

    def _pass_on(self, environ: dict[str, Any], start: Start, service: str) -> Iterable[bytes]:
        if service != "dynamodb":
            return self._inner(environ, start)
        with self._database:
            return list(self._inner(environ, start))

    def _route(self, verb: str, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        given = json.loads(environ["wsgi.input"].read(length) or b"{}")
        try:
            told = self._control(verb, given)
        except Exception as error:  # told to the test that asked
            body = json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()
            return _answer(start, "400 Bad Request", body)
        return _answer(start, "200 OK", json.dumps(told, default=str).encode())


def _answer(start: Start, status: str, body: bytes) -> list[bytes]:
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _refuse(refusal: Refusal, asked: Asked, start: Start) -> list[bytes]:
    message = f"{refusal.error}: refused by the test"
    if asked.service in ("s3", "sns", "cloudformation", "iam"):
        body = f"<ErrorResponse><Error><Code>{refusal.error}</Code><Message>{message}</Message>"
        if asked.service == "s3":
            body = f"<Error><Code>{refusal.error}</Code><Message>{message}</Message></Error>"
        else:
            body += "</Error></ErrorResponse>"
        headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))]
        start(f"{refusal.status} Refused", headers)
        return [body.encode()]
    told: dict[str, Any] = {"__type": f"com.amazonaws#{refusal.error}", "message": message}
    if refusal.reasons:
        told["CancellationReasons"] = [{"Code": each} for each in refusal.reasons]
        told["message"] = (
            "Transaction cancelled, please refer cancellation reasons for specific reasons "
            f"[{', '.join(refusal.reasons)}]"
        )
    body = json.dumps(told)
    headers = [("Content-Type", "application/x-amz-json-1.0"), ("Content-Length", str(len(body)))]
    headers.append(("x-amzn-errortype", refusal.error))
    start(f"{refusal.status} Refused", headers)
    return [body.encode()]


def asked_for(environ: dict[str, Any]) -> Asked:
    """Who asks and for what, from the signature and the operation's name."""
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    found = re.search(r"Credential=([^/,]+)/[^/]+/[^/]+/([^/]+)/", authorization)
    if found is None:
        key, service = "", ""
    else:
        key, service = found.group(1), found.group(2)
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return Asked(key, service, f"{service}:{target.rpartition('.')[2]}")
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return Asked(key, service, f"{service}:{_form_action(environ)}")
    if service == "s3":
        return Asked(key, service, f"s3:{_object_action(environ)}")
    return Asked(key, service, f"{service}:{environ.get('REQUEST_METHOD')}")


def _form_action(environ: dict[str, Any]) -> str:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return str(urllib.parse.parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0])


def _object_action(environ: dict[str, Any]) -> str:
    query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    method = str(environ.get("REQUEST_METHOD"))
    of_key = "/" in environ.get("PATH_INFO", "").strip("/")
    match method:
        case "PUT" if "partNumber" in query:
            return "UploadPart"
        case "PUT" if "HTTP_X_AMZ_COPY_SOURCE" in environ:
            return "CopyObject"
        case "POST" if "delete" in query:
            return "DeleteObjects"
        case "POST" if "uploads" in query:
            return "CreateMultipartUpload"
        case "POST" if "uploadId" in query:
            return "CompleteMultipartUpload"
        case "GET" if not of_key:
            return "ListObjectsV2"
    return method.capitalize() + ("Object" if of_key else "Bucket")


def fault_of(given: dict[str, Any]) -> Kill | Refusal:
    """A fault as the control routes get it."""
    kind = given.pop("fault")
    if kind == "kill":
        return Kill(**given)
    return Refusal(**{**given, "reasons": tuple(given.get("reasons") or ())})
