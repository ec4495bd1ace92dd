"""The page of these models: every card opens, every command works, every key is told."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from pydantic import BaseModel
from tests.models.views import board, jpeg

from walkdown import yaml_lines
from walkdown.app.plugging import plug_in
from walkdown.app.versions import open_version
from walkdown.cli.entry import run
from walkdown.models.differing import Comparing
from walkdown.models.image_quality import QualityCard
from walkdown.models.ocr import OcrCard
from walkdown.models.quality_limits import Ranges
from walkdown.models.template import TemplateCard
from walkdown.spec import parse_pipeline
from walkdown.wiring import open_workspace

PAGE = Path(__file__).parents[2] / "docs" / "models" / "local.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
YAML = [text for language, text in BLOCK.findall(TEXT) if language == "yaml"]
CARDS = [text for text in YAML if text.startswith("kind:")]


def test_the_page_has_cards_of_every_kind() -> None:
    kinds = {card.splitlines()[0] for card in CARDS}
    assert kinds == {f"kind: {kind}" for kind in ("image_quality", "template", "change", "ocr")}


@pytest.mark.parametrize("number", range(len(CARDS)))
def test_a_card_of_the_page_opens(number: int, tmp_path: Path) -> None:
    card = tmp_path / "card.yaml"
    card.write_text(CARDS[number])
    (tmp_path / "reference.jpg").write_bytes(jpeg(board()))
    app = open_workspace(str(tmp_path / "w"))
    assert open_version(app, plug_in(app, "m", card)).info.kind == "inline"
    app.close()


def test_the_pipeline_of_the_page_is_valid() -> None:
    (pipeline,) = (text for text in YAML if text not in CARDS)
    assert len(parse_pipeline(pipeline, where="local.md", name="p").stages) == 2


def test_the_commands_of_the_page_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, count in (("normal", 6), ("new", 2)):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        for i in range(count):
            image = board(seed=i + len(folder)).resize((400, 300))
            image.save(tmp_path / "photos" / folder / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    lines = [
        line for lang, text in BLOCK.findall(TEXT) if lang == "console" for line in text.split("\n")
    ]
    commands = [line.removeprefix("$ walkdown ") for line in lines if line.startswith("$ ")]
    assert len(commands) == 2
    for command in commands:
        assert run(shlex.split(command)) == 0, command


@pytest.mark.parametrize(
    ("heading", "card"),
    [
        ("image_quality", QualityCard),
        ("image_quality", Ranges),
        ("template", TemplateCard),
        ("change", Comparing),
        ("ocr", OcrCard),
    ],
)
def test_every_key_is_told_with_its_default(heading: str, card: type[BaseModel]) -> None:
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    told = {key: row for row in rows for key in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    assert set(card.model_fields) <= set(told)
    for key, field in card.model_fields.items():
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert f" {field.default} " in told[key], key


def test_careful_limits_are_told_as_they_are() -> None:
    for name, (low, high) in Ranges():
        row = next(line for line in TEXT.splitlines() if f"`{name}`" in line and "| " in line
                   and not line.startswith("| `limits`"))  # fmt: skip
        words = row.split(" | ")[1]
        expected = (
            f"{low:g} or more" if low is not None else f"{high:g} or less" if high else "none"
        )
        assert words == expected, name


def test_links_of_the_page_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT):
        assert (PAGE.parent / target).exists(), target


def test_every_block_is_yaml() -> None:
    for text in YAML:
        data, _ = yaml_lines.parse(text, "local.md")
        assert isinstance(data, dict)
