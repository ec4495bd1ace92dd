"""The card of a Bedrock model: what it must be, permits and costs; the forms of an answer."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.services.cases_bedrock import CARD

from walkdown.errors import ArtefactError
from walkdown.models.artefact import pack
from walkdown.models.bedrock import answers
from walkdown.models.bedrock.answers import Unfit
from walkdown.models.bedrock.card import BedrockCard
from walkdown.models.conformance import _check_whole, photo_of
from walkdown.registry import open_model
from walkdown.spec import parse_pipeline
from walkdown.types import Prediction, Verdict

ROOT = Path(__file__).parents[2]
CLASSES: dict[str, Any] = {
    "task": "classify",
    "labels": ["Intact", "Broken"],
    "anomalies": ["broken"],
}


def refused_card(**card: Any) -> str:
    with pytest.raises(ArtefactError) as raised:
        open_model(pack("bedrock", {**CARD, **card}, {}), label="eye@1")
    return str(raised.value)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"model": "x"}, "unknown key 'model'; did you mean 'model_id'?"),
        ({"model_id": "claude"}, "the id of a model"),
        ({"model_id": "arn:aws:bedrock:eu-west-1:123456789012:prompt/ABC"}, "the id of a model"),
        (
            {"model_id": "arn:aws:bedrock:eu-west-1::foundation-model/a.b"},
            "is of eu-west-1 and the region is eu-central-1",
        ),
        (
            {
                "model_id": "arn:aws:bedrock:eu-central-1:123456789012:"
                "application-inference-profile/ab1"
            },
            "give its foundation_model",
        ),
        ({"foundation_model": "a.b"}, "for application inference profiles alone"),
        ({"region": "Frankfurt"}, "'region' must be a region"),
        ({"task": "guess"}, "'task' must be 'inspect', 'classify' or 'describe'"),
        ({"task": "classify", "labels": ["a", "b"]}, "and 'anomalies' of them"),
        ({**CLASSES, "anomalies": ["odd"]}, "'odd' is none of the labels"),
        ({"labels": ["a", "A"]}, "must differ"),
        ({"anomalies": ["a"]}, "for the task classify, not for inspect"),
        ({"task": "describe", "labels": ["a"]}, "not for describe"),
        ({"max_side_px": 9000}, "'max_side_px' must be at most 8000"),
        ({"usd_per_million": {"input": -1}}, "must be at least 0"),
        ({"guardrail": {"id": "arn:x"}}, "the id of a guardrail"),
        ({"temperature": 2}, "must be at most 1"),
    ],
)
def test_a_wrong_card_is_told_when_it_is_added(card: dict[str, Any], words: str) -> None:
    told = refused_card(**card)
    assert "the card of eye@1" in told
    assert words in told


FM, PROFILE = "bedrock:{}::foundation-model/{}", "bedrock:eu-central-1:{}:inference-profile/{}"
AWS, ACCOUNT = "arn:${AWS::Partition}:", "${AWS::AccountId}"


@pytest.mark.parametrize(
    ("card", "resources"),
    [
        ({"model_id": "amazon.nova-lite-v1:0"},
         [AWS + FM.format("eu-central-1", "amazon.nova-lite-v1:0")]),
        ({"model_id": "amazon.nova-lite-v1:0", "region": None},
         [AWS + FM.format("${AWS::Region}", "amazon.nova-lite-v1:0")]),
        ({"model_id": "eu.a.b-v1:0"},
         [AWS + PROFILE.format(ACCOUNT, "eu.a.b-v1:0"), AWS + FM.format("*", "a.b-v1:0")]),
        ({"model_id": "global.a.b"},
         [AWS + PROFILE.format(ACCOUNT, "global.a.b"), AWS + FM.format("*", "a.b"),
          AWS + FM.format("", "a.b")]),
        ({"model_id": "arn:aws:" + PROFILE.format("123456789012", "eu.a.b")},
         ["arn:aws:" + PROFILE.format("123456789012", "eu.a.b"), AWS + FM.format("*", "a.b")]),
        ({"model_id": "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/x1",
          "foundation_model": "eu.a.b"},
         ["arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/x1",
          AWS + FM.format("*", "a.b")]),
        ({"model_id": "arn:aws:bedrock:eu-central-1:123456789012:provisioned-model/x1"},
         ["arn:aws:bedrock:eu-central-1:123456789012:provisioned-model/x1"]),
    ],
)  # fmt: skip
def test_no_more_is_permitted_than_this_model(card: dict[str, Any], resources: list[str]) -> None:
    info = open_model(pack("bedrock", {**CARD, **card}, {}), label="eye@1").info
    (permission,) = info.permissions
    assert permission.actions == ("bedrock:InvokeModel",)
    assert list(permission.resources) == resources


def test_a_guardrail_is_permitted_too() -> None:
    card = BedrockCard.model_validate({**CARD, "guardrail": {"id": "abc1"}})
    assert card.permissions()[1].actions == ("bedrock:ApplyGuardrail",)
    assert card.permissions()[1].resources == (
        f"{AWS}bedrock:eu-central-1:{ACCOUNT}:guardrail/abc1",
    )


def expected(**card: Any) -> float:
    return BedrockCard.model_validate({**CARD, **card}).expected_usd


def test_what_a_look_is_expected_to_cost() -> None:
    assert expected() == pytest.approx((900 + 0.75 * 1568**2 / 750) * 3e-6 + 350 * 15e-6, rel=1e-3)
    assert expected(max_tokens=100) < expected()
    assert expected(max_side_px=800) < expected()
    assert expected(usd_per_million={"input": 6, "output": 30}) == pytest.approx(2 * expected())
    assert expected(usd_per_image=0.002) == 0.002


def card_of(task: str) -> BedrockCard:
    return BedrockCard.model_validate(
        {**CARD, **(CLASSES if task == "classify" else {"task": task})}
    )


@pytest.mark.parametrize("task", ["inspect", "classify", "describe"])
def test_the_form_is_plain_and_is_what_is_read(task: str) -> None:
    form = answers.schema(card_of(task))
    assert set(form) == {"type", "properties", "required"}
    assert not re.search(r'"(\$ref|\$defs|anyOf|title|default)":', json.dumps(form))
    fields = answers.FORMS[task].model_fields
    assert list(form["properties"]) == form["required"] == list(fields)


@given(
    odd=st.booleans(),
    sure=st.floats(0, 1),
    less=st.floats(0, 1),
    threshold=st.floats(0.01, 0.99),
    shares=st.tuples(*[st.floats(0, 1)] * 4),
    size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
)
def test_scores_rise_and_places_lie_on_the_photograph(
    odd: bool,
    sure: float,
    less: float,
    threshold: float,
    shares: tuple[float, ...],
    size: tuple[int, int],
) -> None:
    card = BedrockCard.model_validate({**CARD, "threshold": threshold})
    box = dict(zip(("left", "top", "width", "height"), shares, strict=True))

    def said(confidence: float) -> Prediction:
        given = {"anomalous": odd, "confidence": confidence}
        defects = [{"label": "x", "box": box}] if odd else []
        answer = answers.read(card, given | {"defects": defects})
        return answers.judged(card, answer, width_px=size[0], height_px=size[1])

    one, other = said(sure), said(less)
    for each in (one, other):
        assert (each.score is not None and each.score >= 0.5) == (each.verdict is Verdict.ANOMALY)
        assert each.verdict is Verdict.NORMAL or odd or threshold < 0.5
        for region in each.regions:
            x, y, width, height = region.box
            assert 0 <= x < x + width <= size[0]
            assert 0 <= y < y + height <= size[1]
    lower, higher = sorted([(each.raw_score or 0, each.score or 0) for each in (one, other)])
    assert lower[1] <= higher[1]


KEYS = st.sampled_from(["anomalous", "confidence", "defects", "label", "box", "description"])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(JSON)
def test_any_answer_is_read_or_does_not_fit(value: object) -> None:
    for task in answers.FORMS:
        with suppress(Unfit):
            answer = answers.read(card_of(task), value)
            said = answers.judged(card_of(task), answer, width_px=9, height_px=9)
            _check_whole(said, photo_of(np.zeros((9, 9, 3), np.uint8)))


PAGE = (ROOT / "docs" / "models" / "bedrock.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("text", [b for b in BLOCKS if "kind:" in b])
def test_the_cards_of_the_page_open(text: str) -> None:
    card = yaml.safe_load(text)
    assert open_model(pack(card.pop("kind"), card, {}), label="eye@1").info.kind == "call"


def test_the_page_knows_every_key() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert rows == set(BedrockCard.model_fields)


@pytest.mark.parametrize("text", [b for b in BLOCKS if b.startswith("stages:")])
def test_the_pipelines_of_the_page_are_valid(text: str) -> None:
    assert parse_pipeline(text, where="bedrock.md", name="example").stages
