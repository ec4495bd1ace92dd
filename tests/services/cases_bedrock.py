"""Models of Amazon Bedrock, before a stub that judges by how bright a photograph is."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from PIL import Image, ImageStat
from tests.services.aws_stub import aws_stub
from tests.services.cases import Case, Running

from walkdown.models.artefact import pack

MODEL = "eu.anthropic.claude-test-v1:0"
CARD = {"model_id": MODEL, "region": "eu-central-1"}
CARDS: Mapping[str, Mapping[str, Any]] = {
    "inspect": {},
    "inspect as text": {"tools": False, "labels": ["glare", "rust"]},
    "classify": {"task": "classify", "labels": ["dark", "glare"], "anomalies": ["glare"]},
    "describe": {"task": "describe"},
}


def looked_at(given: Mapping[str, Any]) -> Image.Image:
    """The photograph of a request."""
    image = given["messages"][0]["content"][0]["image"]
    picture: Image.Image = Image.open(io.BytesIO(image["source"]["bytes"]))
    assert picture.format == image["format"].upper()
    return picture


def opinion(task: str, image: Image.Image) -> dict[str, Any]:
    """Glare in the middle of a bright photograph."""
    share = ImageStat.Stat(image.convert("L")).mean[0] / 255
    if task == "describe":
        return {"description": f"something of {share:.0%} brightness"}
    confidence = round(abs(share - 0.5) * 2, 3)
    if task == "classify":
        label = "glare" if share >= 0.5 else "dark"
        return {"label": label, "confidence": confidence, "reason": "its brightness"}
    box = {"left": 0.25, "top": 0.5, "width": 0.5, "height": 0.25}
    defects = [{"label": "glare", "box": box}] if share >= 0.5 else []
    said = {"anomalous": share >= 0.5, "confidence": confidence, "defects": defects}
    return said | {"summary": "its brightness"}


def by_tool(value: object, *, reason: str = "tool_use") -> dict[str, Any]:
    """An answer of Converse through the tool."""
    return _said([{"toolUse": {"toolUseId": "t1", "name": "report", "input": value}}], reason)


def as_text(text: str, *, reason: str = "end_turn") -> dict[str, Any]:
    """An answer of Converse in words."""
    return _said([{"text": text}] if text else [], reason)


def _said(content: list[Any], reason: str) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": reason,
        "usage": {"inputTokens": 2000, "outputTokens": 100, "totalTokens": 2100},
        "metrics": {"latencyMs": 900},
    }


def _case(name: str) -> Case:
    card = {**CARD, **CARDS[name]}
    task = str(card.get("task", "inspect"))

    def answer(given: dict[str, Any]) -> dict[str, Any]:
        value = opinion(task, looked_at(given))
        if "toolConfig" in given:
            return by_tool(value)
        return as_text(f"Here it is:\n```json\n{json.dumps(value)}\n```")

    @contextmanager
    def running() -> Iterator[Running]:
        with aws_stub({("bedrock-runtime", "Converse"): answer}) as stub:
            yield Running(pack("bedrock", card, {}), stub.variables())

    def case() -> AbstractContextManager[Running]:
        return running()

    return case


CASES: dict[str, Case] = {f"bedrock, {name}": _case(name) for name in CARDS}
