"""Every example of README and docs is carried out, in the order in which a reader meets it."""

import re
import shlex
from pathlib import Path

import click
import numpy as np
import pytest
import yaml
from PIL import Image

from walkdown.cli.entry import run
from walkdown.models.rules import Rule
from walkdown.spec import parse_pipeline

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"# ([a-z]+\.yaml)\n")
"""The first line of an example that a reader would save."""
INSTALLS = ("pip install", "make ")


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """(language, text) of a page's examples."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(language, text) for language, text in found if language in languages]


def texture(seed: int, *, blob: bool) -> Image.Image:
    """A grey weave, with a bright spot if it is broken."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:128, :128]
    grey = 120 + 30 * np.sin(x / 5) * np.sin(y / 5) + rng.normal(0, 6, (128, 128))
    if blob:
        grey[40:60, 50:75] = 250
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the documents describe it, made the current one; no browser is opened."""
    for folder, count in (("normal", 12), ("new", 4), ("broken", 3)):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        for i in range(count):
            broken = folder == "broken" or (folder == "new" and i == 3)
            picture = texture(i + len(folder) * 100, blob=broken)
            picture.save(tmp_path / "photos" / folder / f"{15 + i}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(click, "launch", lambda _: 0)
    return tmp_path


def walkdown(line: str) -> int:
    """Run a documented command line; a redirection is the shell's business."""
    words = shlex.split(line.split(" > ")[0], comments=True)
    assert words[0] == "walkdown", line
    return run(words[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_and_code_of_a_page_work(page: Path, desk: Path) -> None:
    examples = blocks(page, "console", "python", "yaml")
    for language, text in examples:
        if language == "yaml":
            if named := NAMED.match(text):
                (desk / named[1]).write_text(text, encoding="utf-8")
            continue
        if language == "python":
            exec(compile(text, str(page), "exec"), {})  # noqa: S102 - our own documents
            continue
        for line in text.splitlines():
            command = line.removeprefix("$ ")
            if line.startswith("$ ") and not command.startswith(INSTALLS):
                expected = {0, 3} if "--fail-on-anomaly" in command else {0}
                assert walkdown(command) in expected, command


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pipeline_files_of_a_page_are_valid(page: Path) -> None:
    for _, text in blocks(page, "yaml"):
        if text.startswith("rule:"):
            assert Rule.model_validate(yaml.safe_load(text)["rule"])
        elif "kind:" not in text.splitlines()[:2][-1]:
            assert parse_pipeline(text, where=page.name, name="example").stages


@pytest.mark.parametrize(
    "page", [*PAGES, *sorted((ROOT / "docs" / "models").glob("*.md"))], ids=lambda p: p.name
)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_command_has_help_with_an_example() -> None:
    from walkdown.cli.commands import cli

    for name, command in cli.commands.items():
        assert command.help, name
        assert "Example" in command.help or name in ("config", "demo"), name
