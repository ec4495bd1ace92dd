"""The pages about Rekognition and Lookout for Vision: every card opens, every command works."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from tests.services.aws_environment import Variables, nothing_else_of_aws
from tests.services.aws_stub import AwsStub, aws_stub
from tests.services.cases_lookoutvision import segmented
from tests.services.cases_rekognition import ANSWERS, ARN, PROJECT_ARN

from walkdown.cli.entry import run
from walkdown.models.artefact import pack
from walkdown.registry import BUILT_IN, open_model
from walkdown.spec import parse_pipeline

DOCS = Path(__file__).parents[2] / "docs" / "models"
PAGES = [DOCS / "rekognition.md", DOCS / "lookoutvision.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
ADDRESS = "https://inspection.example.com"


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> Variables:
    return nothing_else_of_aws(monkeypatch)


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page.read_text("utf-8")) if found == language]


def cards(page: Path) -> dict[str, str]:
    """By the file name in its first line."""
    found = [text for text in blocks(page, "yaml") if "\nkind: " in text]
    return {text.splitlines()[0].removeprefix("# "): text for text in found}


def card_types() -> dict[str, Any]:
    """The card of each kind of these pages."""
    kinds = {
        kind: import_module(path.partition(":")[0])
        for kind, (path, _) in BUILT_IN.items()
        if kind.startswith("rekognition_") or kind == "lookoutvision"
    }
    return {
        kind: next(v for n, v in vars(module).items()
                   if n.endswith("Card") and v.__module__ == module.__name__)
        for kind, module in kinds.items()
    }  # fmt: skip


@pytest.fixture
def services(aws_environment: Variables) -> Iterator[AwsStub]:
    """All that the pages ask, answered as somebody's account would."""
    version = {"ProjectVersionArn": ARN, "Status": "RUNNING", "MinInferenceUnits": 1}
    said: dict[str, Any] = {
        "DescribeProjects": {"ProjectDescriptions": [{"ProjectArn": PROJECT_ARN}]},
        "DescribeProjectVersions": {"ProjectVersionDescriptions": [version]},
        "StartProjectVersion": {"Status": "STARTING"},
        "StopProjectVersion": {"Status": "STOPPING"},
        **dict(ANSWERS.values()),
    }
    answers = {("rekognition", name): _saying(answer) for name, answer in said.items()}
    answers["lookoutvision", "DetectAnomalies"] = _saying(segmented())
    with aws_stub(answers) as stub:
        aws_environment(stub.variables())
        yield stub


def _saying(answer: dict[str, Any]) -> Any:
    return lambda _: answer


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_card_opens_and_every_pipeline_is_valid(page: Path) -> None:
    for name, text in cards(page).items():
        assert re.fullmatch(r"[a-z]+\.yaml", name), text
        given = yaml.safe_load(text)
        assert open_model(pack(given.pop("kind"), given, {}), label="a@new")
    for text in blocks(page, "yaml"):
        if "\nkind: " not in text:
            assert parse_pipeline(text, where=page.name, name="example").stages


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_command_works(
    page: Path, services: AwsStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "new").mkdir(parents=True)
    for i in range(2):
        grey = np.random.default_rng(i).integers(0, 256, (100, 120, 3), np.uint8)
        Image.fromarray(grey).save(tmp_path / "photos" / "new" / f"{i}.png")
    for name, text in cards(page).items():
        (tmp_path / name).write_text(text.replace(ADDRESS, services.url))
    commands = [line for text in blocks(page, "console") for line in text.splitlines()]
    assert len(commands) >= 2
    for line in commands:
        words = shlex.split(line.removeprefix("$ "))
        assert run([*words[1:]]) == 0, line
    assert any(call.operation.startswith("Detect") for call in services.calls)


@pytest.mark.parametrize("kind", sorted(card_types()))
def test_every_key_of_a_card_is_in_a_table(kind: str) -> None:
    text = DOCS.joinpath(f"{kind.partition('_')[0]}.md").read_text("utf-8")
    for key in card_types()[kind].model_fields:
        assert f"\n| `{key}` |" in text, f"{kind}: {key}"


def test_every_kind_is_on_a_page() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    assert [kind for kind in card_types() if f"`{kind}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target
