"""The page about SageMaker: its cards open, its commands run, its tables name every key."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.services.sagemaker_stub import brightness, sagemaker

from walkdown.cli.entry import run
from walkdown.models.artefact import pack
from walkdown.models.mapping import InputCard, OutputCard, mapped
from walkdown.models.rules import Rule
from walkdown.models.sagemaker.cards import AsyncCard, BatchCard, EndpointCard
from walkdown.registry import open_model

PAGE = Path(__file__).parents[2] / "docs" / "models" / "sagemaker.md"
TEXT = PAGE.read_text(encoding="utf-8")
CARDS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.get("endpoint") or card["kind"])
def test_every_card_of_the_page_opens(card: dict[str, Any]) -> None:
    keys = {key: value for key, value in card.items() if key != "kind"}
    assert open_model(pack(card["kind"], keys, {}), label="lines@1").info.permissions


def test_the_commands_of_the_page_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    first = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[0]
    Path("lines.yaml").write_text(first)

    def shares(body: bytes, kind: str) -> bytes:
        mean = json.loads(brightness(body, kind))["predictions"][0]["score"]
        return json.dumps({"predictions": [{"score": mean / 255}]}).encode()

    commands = re.findall(r"^\$ walkdown (.*)$", TEXT, re.MULTILINE)
    assert len(commands) == 2
    with sagemaker(shares) as account:
        for name, value in account.variables.items():
            monkeypatch.setenv(name, value)
        for command in commands:
            assert run(shlex.split(command)) == 0, command
        assert {given["EndpointName"] for given in account.asked("InvokeEndpoint")} == {"lines-1"}
    assert "lines@1 keeps to all of it" in capsys.readouterr().out


@pytest.mark.parametrize("kind", [EndpointCard, AsyncCard, BatchCard, InputCard, OutputCard, Rule])
def test_every_key_is_in_a_table(kind: Any) -> None:
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| `.*?\|", TEXT, re.MULTILINE))))
    assert set(kind.model_fields) <= named


def test_the_answer_of_the_page_is_read() -> None:
    answer = json.loads(re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)[0])
    output = OutputCard.model_validate("walkdown")
    said = mapped(output, answer, width_px=640, height_px=480)
    assert said.labels == ("crack",)
    assert said.heatmap is not None
    assert said.heatmap.grid.tolist() == [[0.0, 1.0]]


def test_its_links_lead_somewhere() -> None:
    heads = {line.lstrip("# ").lower().replace(" ", "-") for line in TEXT.splitlines()
             if line.startswith("#")}  # fmt: skip
    for target in re.findall(r"\]\(#([^)]+)\)", TEXT):
        assert target in heads, target
