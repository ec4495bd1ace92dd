"""The reference of the pipeline file says all that the code knows, and nothing else."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from walkdown import expressions
from walkdown.errors import SpecError
from walkdown.spec import (
    FINDING_NAMES,
    IMAGE_FIELDS,
    WHEN_FIELDS,
    AreasSpec,
    BudgetSpec,
    EventBridgeAlertSpec,
    LogAlertSpec,
    OutputsSpec,
    OwnStepSpec,
    PipelineSpec,
    PrepareSpec,
    SeverityRule,
    SmtpAlertSpec,
    SnsAlertSpec,
    SourceSpec,
    StageSpec,
    WebhookAlertSpec,
    parse_pipeline,
    when_names,
)
from walkdown.types import Severity

PAGE = Path(__file__).parents[1] / "docs" / "pipeline.md"
SECTIONS: dict[str, tuple[type[BaseModel], ...]] = {
    "The pipeline": (PipelineSpec,),
    "source": (SourceSpec,),
    "prepare": (PrepareSpec,),
    "areas": (AreasSpec,),
    "steps": (OwnStepSpec,),
    "stages": (StageSpec,),
    "severity": (SeverityRule,),
    "outputs": (OutputsSpec,),
    "budget": (BudgetSpec,),
    "alerts": (
        *(LogAlertSpec, SmtpAlertSpec, WebhookAlertSpec),
        *(SnsAlertSpec, EventBridgeAlertSpec),
    ),
}


def section(title: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^### {title}\n(.*?)(?=^##|\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[1]


def rows(title: str) -> dict[str, dict[str, str]]:
    """The first table of a section: key -> its other cells by heading."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    head, _, *body = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {cells[0].strip("`"): dict(zip(head[1:], cells[1:], strict=True)) for cells in body}


@pytest.mark.parametrize("title", SECTIONS)
def test_every_key_is_described_and_every_described_key_exists(title: str) -> None:
    fields = {
        field.alias or name
        for model in SECTIONS[title]
        for name, field in model.model_fields.items()
    }
    assert set(rows(title)) == fields


@pytest.mark.parametrize("title", SECTIONS)
def test_every_key_has_its_type_default_and_meaning(title: str) -> None:
    described = rows(title)
    for model in SECTIONS[title]:
        for name, field in model.model_fields.items():
            cells = described[field.alias or name]
            assert cells["type"]
            assert cells["meaning"]
            assert (cells["default"] == "required") is field.is_required(), name
            default = field.default
            if isinstance(default, bool):
                assert cells["default"] == str(default).lower()
            elif isinstance(default, int):
                assert cells["default"] == str(default)
            elif isinstance(default, str) and default:
                assert cells["default"] == f"`{default}`"


def test_an_alert_key_names_the_alerts_that_have_it() -> None:
    models: dict[str, type[BaseModel]]
    models = {"log": LogAlertSpec, "smtp": SmtpAlertSpec, "webhook": WebhookAlertSpec}
    models = {**models, "sns": SnsAlertSpec, "eventbridge": EventBridgeAlertSpec}
    ways = rows("alerts")["to"]["type"].replace(" or ", ", ").split(", ")
    assert ways == [f"`{name}`" for name in models]
    for key, cells in rows("alerts").items():
        having = [name for name, model in models.items() if key in model.model_fields]
        assert cells["of"] == ("all" if len(having) == 5 else ", ".join(having)), key


def test_what_a_condition_can_ask_for_is_listed() -> None:
    assert tuple(rows("Conditions")) == WHEN_FIELDS
    for name in IMAGE_FIELDS:
        assert f"`image.{name}`" in section("Conditions")
    for name in FINDING_NAMES:
        assert f"`{name}`" in section("severity")


@pytest.mark.parametrize(
    "text", ["screen.score > 0.4 and 'crack' in screen.labels", "not screen.score > 0.4"]
)
def test_the_conditions_in_the_text_are_conditions(text: str) -> None:
    assert f"`{text}`" in " ".join(section("Conditions").split())
    expressions.parse(text, when_names(["screen"]))


def test_the_ways_to_decide_are_all_described() -> None:
    for way in rows("decide"):
        spec = parse_pipeline(f"stages: [{{name: a, model: m}}]\ndecide: {way}", where="", name="p")
        assert spec.decide == way
    assert len(rows("decide")) == 5


def test_the_severities_are_those_of_the_code() -> None:
    assert rows("severity")["severity"]["type"] == "`low`, `medium`, `high` or `critical`"
    assert [s.value for s in Severity] == ["low", "medium", "high", "critical"]


def test_the_worked_example_is_a_cascade() -> None:
    examples = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    specs = [parse_pipeline(text, where="pipeline.md", name="example") for text in examples]
    assert [len(spec.stages) for spec in specs] == [1, 3, 1, 1, 1, 2, 2, 2, 2, 2, 2]
    assert [stage.when for stage in specs[1].stages] == [
        None,
        "screen.score > 0.4",
        "confirm.failed",
    ]


def test_the_mistake_that_is_shown_is_told_like_that() -> None:
    text = "# a pipeline\nstages:\n  - {name: a, model: m, wehn: x}\n"
    with pytest.raises(SpecError) as e:
        parse_pipeline(text, where="pipeline.yaml", name="p")
    assert str(e.value) in PAGE.read_text("utf-8")
