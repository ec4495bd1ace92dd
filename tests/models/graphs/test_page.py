"""The page about graphs: its example is carried out, its cards open, its tables are whole."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from pydantic import BaseModel
from tests.services import graphs
from tests.services.cases_openvino import converted

from walkdown.cli.entry import run
from walkdown.models.artefact import pack
from walkdown.models.graphs import card as cards
from walkdown.models.rules import Clause, Rule
from walkdown.registry import open_model

PAGE = Path(__file__).parents[3] / "docs" / "models" / "onnx.md"
TEXT = PAGE.read_text(encoding="utf-8")
CARDS = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def graph_for(card: dict[str, Any]) -> bytes:
    made = {
        "classification": graphs.classifier,
        "detection": lambda: graphs.detector("v8"),
        "segmentation": graphs.segmenter,
        "anomaly": graphs.anomaly,
        None: graphs.anomalib,
    }
    return made[card.get("task")]()


@pytest.mark.parametrize("text", CARDS)
def test_every_card_of_the_page_opens(text: str) -> None:
    card = yaml.safe_load(text)
    kind, listed = card.pop("kind"), card.pop("files")
    graph = graph_for(card)
    there = {"model.onnx": graph, "labels.txt": b"clean\nrust\n"}
    if kind == "openvino":
        there |= converted(graph)
    if "model.onnx.data" in listed:
        there["model.onnx"], there["model.onnx.data"] = graphs.keeping_weights_in(
            graph, "model.onnx.data"
        )
    opened = open_model(pack(kind, card, {name: there[name] for name in listed}), label="m@1")
    assert opened.info.max_batch == 1


def test_the_example_is_carried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "card.yaml").write_text(CARDS[0], encoding="utf-8")
    (tmp_path / "model.onnx").write_bytes(graphs.detector("v8"))
    (tmp_path / "photos" / "new").mkdir(parents=True)
    pixels = np.full((90, 120, 3), 40, np.uint8)
    pixels[20:60, 30:80] = 255
    Image.fromarray(pixels).save(tmp_path / "photos" / "new" / "1.png")
    (example,) = re.findall(r"^```console\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    for line in example.splitlines():
        words = shlex.split(line.removeprefix("$ "))
        assert words[0] == "walkdown"
        assert run(words[1:]) == 0
    assert run(["models", "check", "dents"]) == 0


def test_the_tables_name_every_key_and_no_other() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|(?:[^|]*\|){3}$", TEXT, re.MULTILINE))
    known: set[str] = set()
    kinds: list[type[BaseModel]] = [cards.InputCard, cards.AnomalibCard, *cards.CARDS.values()]
    for kind in kinds:
        known |= set(kind.model_fields)
    assert told == known
    for name in {*Rule.model_fields, *Clause.model_fields}:
        assert f"`{name}`" in TEXT


def test_links_of_the_page_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT):
        assert (PAGE.parent / target).exists(), target
