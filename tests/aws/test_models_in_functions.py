"""The contract suite over every kind of model, in a function: the code and libraries of a stack.

What runs here is the zip that `walkdown deploy` uploads, in the emulator's process for functions,
which sees no other library. The services that models ask are those of the tests.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.aws.emulator.handle import Handle
from tests.aws.workshop import RUNTIME, bucket, role
from tests.services.all_cases import all_cases
from tests.services.cases import Running

from walkdown.models.conformance import CHECKS

pytestmark = pytest.mark.proof

CASES = all_cases()
LIBRARIES_OF_THEIR_OWN = {"openvino": "openvino", "ocr": "ocr"}
"""Kinds whose libraries are too large for a zip, and the extra that has them."""

OWN = ("format", "kind", "files")

CODE = """
import base64, json, os
import numpy as np
from walkdown.app.synthetic import photograph
from walkdown.errors import WalkdownError
from walkdown.imaging.decode import decode
from walkdown.models.artefact import pack
from walkdown.models.conformance import examine
from walkdown.registry import Offers, open_model


def handler(event, context):
    files = {name: base64.b64decode(data) for name, data in event["files"].items()}
    made = pack(event["kind"], event["card"], files)
    try:
        model = open_model(made, label="model@1", offers=Offers(env=dict(os.environ)))
    except WalkdownError as e:
        return {"error": f"{type(e).__name__}: {e}"}
    photos = [decode(photograph(640, 480, seed=seed), name=str(seed)) for seed in range(3)]
    found = list(examine(model, photos))
    return {"found": [[each.check, each.why] for each in found], "digest": made.digest}
"""


@pytest.fixture(scope="module")
def code(
    aws_server: Handle, functions: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Where the functions' code lies in S3, with a handler that runs the suite."""
    aws_server.reset()
    (package,) = functions.glob("functions-*.zip")
    with zipfile.ZipFile(data := io.BytesIO(package.read_bytes()), "a") as archive:
        archive.writestr("suite.py", CODE)
    bucket(aws_server, "code")
    aws_server.client("s3").put_object(Bucket="code", Key="suite.zip", Body=data.getvalue())
    yield {"S3Bucket": "code", "S3Key": "suite.zip"}
    aws_server.reset()


def asked(aws: Handle, code: dict[str, str], name: str, running: Running) -> dict[str, Any]:
    """What a function of its own says of a model."""
    made = running.artefact
    event = {
        "kind": made.kind,
        "card": {key: value for key, value in made.card.items() if key not in OWN},
        "files": {key: base64.b64encode(data).decode() for key, data in made.files.items()},
    }
    function = "suite-" + "".join(c if c.isalnum() else "-" for c in name)[:50]
    client = aws.client("lambda")
    client.create_function(
        FunctionName=function,
        Runtime=RUNTIME,
        Role=role(aws),
        Handler="suite.handler",
        Code=code,
        Timeout=120,
        MemorySize=1769,
        Environment={"Variables": dict(running.variables)},
    )
    got = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
    answer: dict[str, Any] = json.loads(got["Payload"].read())
    assert "FunctionError" not in got, answer
    client.delete_function(FunctionName=function)
    return answer


@pytest.mark.parametrize("name", CASES)
def test_a_model_keeps_to_the_contract_in_a_function(
    aws_server: Handle, code: dict[str, str], name: str
) -> None:
    with CASES[name]() as running:
        said = asked(aws_server, code, name, running)
        extra = LIBRARIES_OF_THEIR_OWN.get(running.artefact.kind)
        if extra is not None:
            assert "MissingExtra" in said["error"], said
            assert f"walkdown[{extra}]" in said["error"]
            return
        assert said.get("error") is None, said
        assert said["digest"] == running.artefact.digest
        assert [each for each in said["found"] if each[1]] == []
        assert [check for check, _ in said["found"]] == list(CHECKS)
