"""Models of services by the commands of their pages: from a card to results."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.services import cases_bedrock, cases_http
from tests.services.cases import Case

from walkdown.models.artefact import Artefact

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk


def written(artefact: Artefact, path: Path) -> str:
    """As a card that a person would write; JSON is YAML."""
    card = {key: value for key, value in artefact.card.items() if key not in ("format", "files")}
    path.write_text(json.dumps(card))
    return str(path)


@pytest.mark.parametrize("name", ["http, detections and a key", "bedrock, inspect"])
def test_a_card_is_added_and_inspects(
    name: str, desk: Desk, photos: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(dark=40, bright=230)
    with {**cases_http.CASES, **cases_bedrock.CASES}[name]() as running:
        for key, value in running.variables.items():
            monkeypatch.setenv(key, value)
        card = written(running.artefact, desk.folder / "card.yaml")
        code, _, err = desk.run("models", "add", "far", card)
        assert code == 0, err
        code, lines = desk.lines("inspect", "photos", "--model", "far")
    assert code == 0
    found = {Path(line["image"]).stem: line["verdict"] for line in lines}
    assert found == {"dark": "normal", "bright": "anomaly"}


def test_a_secret_that_is_not_there_fails_photographs_and_not_the_run(
    desk: Desk, photos: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(one=40, two=230)
    monkeypatch.delenv("LOOK_KEY", raising=False)
    with cases_http.CASES["http, detections and a key"]() as running:
        card = written(running.artefact, desk.folder / "card.yaml")
        assert desk.run("models", "add", "far", card)[0] == 0
        _, lines = desk.lines("inspect", "photos", "--model", "far")
    assert {line["status"] for line in lines} == {"failed"}
    assert "the environment variable LOOK_KEY is not set" in str(lines[0]["error"])


PAGES = Path(__file__).parents[2] / "docs" / "models"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
ADDRESS = "https://models.example.com/v1/look"


@pytest.mark.parametrize(
    ("page", "case"),
    [
        ("bedrock", cases_bedrock.CASES["bedrock, inspect"]),
        ("http", cases_http.CASES["http, score"]),
    ],
)
def test_the_commands_of_a_page_work(
    page: str,
    case: Case,
    desk: Desk,
    photos: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The address of the page is that of the test; all else is as it stands there."""
    photos(**{"new/one": 40, "new/two": 60})
    blocks = BLOCK.findall((PAGES / f"{page}.md").read_text("utf-8"))
    with case() as running:
        for key, value in {**running.variables, "LOOK_TOKEN": "t"}.items():
            monkeypatch.setenv(key, value)
        for language, text in blocks:
            name = re.match(r"# (\w+\.yaml)\n", text)
            if language == "yaml" and name:
                here = text.replace(ADDRESS, str(running.artefact.card.get("url")))
                (desk.folder / name[1]).write_text(here)
        lines = [line for language, text in blocks if language == "console"
                 for line in text.splitlines()]  # fmt: skip
        assert len(lines) == 2
        for line in lines:
            code, out, err = desk.run(*shlex.split(line.removeprefix("$ walkdown ")))
            assert code == 0, (line, out, err)
