"""Amazon Rekognition: every operation, answered by a stub as the service describes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.services.aws_stub import Answer, AwsStub, aws_stub
from tests.services.cases import Case, Running

from walkdown.models.artefact import Artefact, pack

ARN = (
    "arn:aws:rekognition:eu-west-1:123456789012:project/parts"
    "/version/parts.2025-01-31T10.00.00/1738317600000"
)
PROJECT_ARN = "arn:aws:rekognition:eu-west-1:123456789012:project/parts/1738300000000"

CARDS: dict[str, dict[str, Any]] = {
    "rekognition_labels": {
        "rule": {"required": ["Helmet"], "forbidden": ["Fire"]},
        "minimum": {"sharpness": 20},
    },
    "rekognition_text": {"required": ["DANGER"], "forbidden": [{"pattern": "void"}]},
    "rekognition_moderation": {},
    "rekognition_equipment": {"required": ["head cover"]},
    "rekognition_faces": {},
    "rekognition_custom": {"project_version": ARN, "rule": {"forbidden": ["scratch"]}},
}


def card(kind: str, **more: Any) -> Artefact:
    """A model of that kind, asked as fast as it answers."""
    return pack(kind, {**CARDS[kind], "per_second": 10_000, **more}, {})


def box(left: float, top: float, width: float, height: float) -> dict[str, float]:
    """As the service gives one."""
    return {"Left": left, "Top": top, "Width": width, "Height": height}


def labels(*found: dict[str, Any], sharpness: float = 80.0) -> dict[str, Any]:
    """An answer of DetectLabels."""
    quality = {"Sharpness": sharpness, "Brightness": 60.0, "Contrast": 70.0}
    return {"Labels": list(found), "ImageProperties": {"Quality": quality}}


def word(
    text: str, confidence: float, at: dict[str, float], number: int, line: int | None = None
) -> dict[str, Any]:
    """A word of a line, or, without one, a line."""
    found = {
        "DetectedText": text,
        "Type": "LINE" if line is None else "WORD",
        "Id": number,
        "Confidence": confidence,
        "Geometry": {"BoundingBox": at},
    }
    return found if line is None else found | {"ParentId": line}


def person(
    number: int, head: float | None, at: dict[str, float], *, covers: bool = True
) -> dict[str, Any]:
    """Somebody whose head is seen, unless it is None, and is covered so surely."""
    worn = {
        "Type": "HEAD_COVER",
        "Confidence": head,
        "BoundingBox": at,
        "CoversBodyPart": {"Value": covers, "Confidence": 99.0},
    }
    part = {"Name": "HEAD", "Confidence": 99.0, "EquipmentDetections": [worn] if head else []}
    parts = [] if head is None else [part]
    return {"Id": number, "Confidence": 99.0, "BoundingBox": at, "BodyParts": parts}


PLACE = box(0.25, 0.5, 0.5, 0.25)
ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "rekognition_labels": (
        "DetectLabels",
        labels(
            {"Name": "Helmet", "Confidence": 90.0},
            {"Name": "Fire", "Confidence": 95.0,
             "Instances": [{"BoundingBox": PLACE, "Confidence": 92.0}]},
        ),
    ),
    "rekognition_text": (
        "DetectText",
        {"TextDetections": [word("DANGFR", 99.0, PLACE, 0), word("DANGFR", 99.0, PLACE, 1, 0)]},
    ),
    "rekognition_moderation": (
        "DetectModerationLabels",
        {"ModerationLabels": [{"Name": "Violence", "Confidence": 88.0, "ParentName": ""}]},
    ),
    "rekognition_equipment": ("DetectProtectiveEquipment", {"Persons": [person(0, 0.0, PLACE)]}),
    "rekognition_faces": (
        "DetectFaces",
        {"FaceDetails": [{"BoundingBox": PLACE, "Confidence": 99.5}]},
    ),
    "rekognition_custom": (
        "DetectCustomLabels",
        {"CustomLabels": [
            {"Name": "scratch", "Confidence": 81.0, "Geometry": {"BoundingBox": PLACE}}
        ]},
    ),
}  # fmt: skip
"""By kind: its operation, and an answer in which something is wrong at `PLACE`."""


@contextmanager
def rekognition(kind: str, answer: Answer | dict[str, Any] | None = None) -> Iterator[AwsStub]:
    """A stub of a kind's operation, which says something is wrong unless it is told otherwise."""
    operation, odd = ANSWERS[kind]
    said = odd if answer is None else answer
    function = said if callable(said) else (lambda _: said)
    with aws_stub({("rekognition", operation): function}) as stub:
        yield stub


def _case(kind: str) -> Callable[[], Any]:
    @contextmanager
    def case() -> Iterator[Running]:
        with rekognition(kind) as stub:
            variables = stub.variables()
            # Whoever asks it also needs others, such as S3, which are elsewhere.
            variables["AWS_ENDPOINT_URL_REKOGNITION"] = variables.pop("AWS_ENDPOINT_URL")
            yield Running(card(kind), variables)

    return case


CASES: dict[str, Case] = {kind.replace("_", " "): _case(kind) for kind in CARDS}
