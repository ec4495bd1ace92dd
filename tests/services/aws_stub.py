"""A server that answers as services of AWS do, by functions of the test.

Every request is checked against the service's own definition in botocore, and so is every answer: a
call with a member that the service does not know is refused here as it is there.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import botocore.session
from botocore.model import OperationModel, ServiceModel
from botocore.validate import ParamValidator

from walkdown.sdk.aws import OWN_SERVICES

Answer = Callable[[dict[str, Any]], dict[str, Any]]

_SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")


class Refused(Exception):
    """The service refuses: its own word for it, the HTTP status, and what it says."""

    def __init__(self, code: str, status: int = 400, message: str = "refused by the test") -> None:
        super().__init__(message)
        self.code, self.status = code, status


@dataclass(frozen=True, slots=True)
class Call:
    """A call that came in, as botocore would have been given it."""

    service: str
    operation: str
    region: str
    given: dict[str, Any]


@dataclass
class AwsStub:
    """The services' state: what answers, and what was asked.

    ``answers`` are by ("rekognition", "DetectLabels"). ``refusals`` are raised one by
    one, in order, before anything answers.
    """

    answers: dict[tuple[str, str], Answer]
    url: str = ""
    calls: list[Call] = field(default_factory=list)
    refusals: list[Refused] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    models: dict[str, ServiceModel] = field(default_factory=dict)

    def __post_init__(self) -> None:
        session = botocore.session.Session()
        session.get_component("data_loader").search_paths.append(str(OWN_SERVICES))
        self.models = {name: session.get_service_model(name) for name, _ in self.answers}

    def variables(self, region: str = "eu-central-1") -> dict[str, str]:
        """The environment that leads boto3 here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any, bytes]:
        """Status, headers and body for a request."""
        found = _SCOPE.search(headers.get("Authorization", ""))
        if found is None:
            raise Refused("MissingAuthenticationToken", 403, "the request is not signed")
        region, signing = found[1], found[2]
        model, operation, given = self._read(signing, method, path, headers, body)
        with self.lock:
            self.calls.append(Call(model.service_name, operation.name, region, given))
            refusal = self.refusals.pop(0) if self.refusals else None
        if refusal:
            raise refusal
        said = self.answers[model.service_name, operation.name](given)
        return _written(operation, said)

    def _read(
        self, signing: str, method: str, path: str, headers: Any, body: bytes
    ) -> tuple[ServiceModel, OperationModel, dict[str, Any]]:
        named = {
            name: model for name, model in self.models.items() if model.signing_name == signing
        }
        target = headers.get("X-Amz-Target")
        for model in named.values():
            if target and model.metadata["protocol"] == "json":
                operation = model.operation_model(target.rpartition(".")[2])
                return model, operation, _checked(operation, _json(_input(operation), body))
            for name in [] if target else model.operation_names:
                operation = model.operation_model(name)
                uri = _uri_members(operation, method, path)
                if uri is not None:
                    given = uri | _rest_members(operation, headers, body)
                    return model, operation, _checked(operation, given)
        raise Refused("UnknownOperationException", 404, f"no such operation: {method} {path}")


def _input(operation: OperationModel) -> Any:
    """The shape of what it is given; Any, since every operation here has one."""
    return operation.input_shape


def _checked(operation: OperationModel, given: dict[str, Any]) -> dict[str, Any]:
    report = ParamValidator().validate(given, _input(operation))
    if report.has_errors():
        raise Refused("ValidationException", 400, report.generate_report())
    return given


def _written(operation: OperationModel, said: dict[str, Any]) -> tuple[int, Any, bytes]:
    shape: Any = operation.output_shape
    report = ParamValidator().validate(said, shape)
    assert not report.has_errors(), f"the test answers nonsense: {report.generate_report()}"
    payload = shape.serialization.get("payload")
    status = int(operation.http.get("responseCode", 200))
    located = {
        member.serialization["name"]: said[name]
        for name, member in shape.members.items()
        if member.serialization.get("location") == "header" and name in said
    }
    if payload and shape.members[payload].type_name == "blob":
        return status, located, said.get(payload, b"")
    value = said[payload] if payload else said
    text = json.dumps(_plain(value), default=str)
    return status, {"Content-Type": "application/json", **located}, text.encode()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _json(shape: Any, body: bytes) -> dict[str, Any]:
    value: dict[str, Any] = _blobs(shape, json.loads(body or b"{}"))
    return value


def _blobs(shape: Any, value: Any) -> Any:
    """JSON's base64 back to bytes, wherever the definition has a blob."""
    if shape.type_name == "blob":
        return base64.b64decode(value)
    if shape.type_name == "structure":
        names = {m.serialization.get("name", n): (n, m) for n, m in shape.members.items()}
        return {
            names[key][0] if key in names else key: _blobs(names[key][1], each)
            if key in names
            else each
            for key, each in value.items()
        }
    if shape.type_name == "list":
        return [_blobs(shape.member, each) for each in value]
    return value


def _uri_members(operation: OperationModel, method: str, path: str) -> dict[str, Any] | None:
    if operation.http["method"] != method:
        return None
    wanted, got = urlsplit(operation.http["requestUri"]), urlsplit(path)
    names = re.findall(r"\{(\w+)\+?\}", wanted.path)
    pattern = re.sub(r"\\\{\w+(\\\+)?\\\}", "([^/]+)", re.escape(wanted.path))
    found = re.fullmatch(pattern, got.path)
    if found is None:
        return None
    values = dict(zip(names, map(unquote, found.groups()), strict=True))
    values |= dict(parse_qsl(got.query))
    members = _input(operation).members
    return {
        name: values[member.serialization.get("name", name)]
        for name, member in members.items()
        if member.serialization.get("location") in ("uri", "querystring")
        and member.serialization.get("name", name) in values
    }


def _rest_members(operation: OperationModel, headers: Any, body: bytes) -> dict[str, Any]:
    shape = _input(operation)
    given: dict[str, Any] = {
        name: headers[member.serialization["name"]]
        for name, member in shape.members.items()
        if member.serialization.get("location") == "header"
        and member.serialization["name"] in headers
    }
    payload = shape.serialization.get("payload")
    if payload is None:
        return given | (_json(shape, body) if body else {})
    member = shape.members[payload]
    return given | {payload: body if member.type_name == "blob" else _json(member, body)}


@contextmanager
def aws_stub(answers: dict[tuple[str, str], Answer]) -> Iterator[AwsStub]:
    """A running stub, on the loopback."""
    stub = AwsStub(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, headers, data = stub.answer(self.command, self.path, self.headers, body)
            except Refused as e:
                status, headers = e.status, {"x-amzn-ErrorType": e.code}
                data = json.dumps({"__type": e.code, "message": str(e), "Message": str(e)}).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, str(value))
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the library's names

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
