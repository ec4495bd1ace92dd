from typing import Any

import pytest

from walkdown.pipeline import plan as plan_module
from walkdown.pipeline.plan import Plan, make_plan, prepare_digest
from walkdown.spec import STAGE_FIELDS, PipelineSpec, PrepareSpec, parse_pipeline
from walkdown.types import ModelInfo

TEXT = """\
name: poles
source: photos
prepare: {max_pixels: 1000000}
stages:
  - {name: screen, model: fast}
  - {name: confirm, model: fine, when: screen.score > 0.4}
decide: last
asset: "{site}/{asset}"
severity:
  - {severity: high, when: score > 0.8}
  - {severity: low}
outputs: {heatmaps: true, images: true}
alerts:
  - {to: log, min_severity: high}
"""
MODELS = {"fast": ModelInfo("fast@1", "digest 1"), "fine": ModelInfo("fine@1", "digest 2")}


def plan(text: str = TEXT, models: dict[str, ModelInfo] = MODELS) -> Plan:
    return make_plan(parse_pipeline(text, where="p.yaml", name="p"), models)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("decide: last", "decide: any"),
        ("decide: last", "decide: fuse"),
        ("decide: last", "decide: fuse\nfalse_alarms: 0.01"),
        ("{site}/{asset}", "{asset}/{site}"),
        ("> 0.4", "> 0.5"),
        (", when: screen.score > 0.4", ""),
        ("score > 0.8", "score > 0.9"),
        ("severity: low", "severity: medium"),
        ("  - {severity: low}\n", ""),
        ("  - {name: confirm, model: fine, when: screen.score > 0.4}\n", ""),
        ("name: confirm", "name: second"),
        ("model: fine", "model: fast"),
    ],
)
def test_what_can_change_a_result_changes_the_digest(old: str, new: str) -> None:
    assert old in TEXT
    assert plan(TEXT.replace(old, new)).digest != plan().digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: poles", "name: masts"),
        ("source: photos", "source: [archive, photos]"),
        ("max_pixels: 1000000", "max_pixels: 2"),
        ("heatmaps: true", "heatmaps: false"),
        ("images: true", "images: false"),
        ("  - {to: log, min_severity: high}", "  - {to: log}"),
        ("alerts:\n  - {to: log, min_severity: high}\n", ""),
        ("decide: last\n", "decide: last\nbudget: {usd_per_month: 50}\n"),
        ("decide: last\n", ""),
        ("decide: last", "# a remark\ndecide: 'last'"),
    ],
)
def test_what_cannot_change_a_result_leaves_the_digest(old: str, new: str) -> None:
    assert old in TEXT
    assert plan(TEXT.replace(old, new)).digest == plan().digest


def test_another_version_of_a_model_is_another_plan() -> None:
    other = MODELS | {"fine": ModelInfo("fine@2", "digest 3")}
    assert plan(models=other).digest != plan().digest


def test_the_name_of_a_version_is_not_what_it_is() -> None:
    other = MODELS | {"fine": ModelInfo("fine@live", "digest 2", max_batch=1, input_px=9)}
    assert plan(models=other).digest == plan().digest


def test_the_order_of_stages_counts() -> None:
    text = "stages:\n  - {name: a, model: fast}\n  - {name: b, model: fine}\n"
    turned = "stages:\n  - {name: b, model: fine}\n  - {name: a, model: fast}\n"
    assert plan(text).digest != plan(turned).digest


def test_the_rules_of_decision_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = plan().digest
    monkeypatch.setattr(plan_module, "DECISION_RULES_VERSION", 1000)
    assert plan().digest != before


def test_every_field_of_a_pipeline_is_known_to_count_or_not() -> None:
    """A new field must be put into one of the two tests above, and into the digest or not."""
    assert set(PipelineSpec.model_fields) == {
        *("stages", "decide", "false_alarms", "asset", "severity", "prepare"),
        *("name", "source", "outputs", "alerts", "budget"),
    }
    assert set(PrepareSpec.model_fields) == {"max_pixels", "areas", "align", "steps"}


def test_plans_of_the_same_file_are_equal() -> None:
    assert plan() == plan()


def test_a_plan_resolves_stages_and_rules_in_order() -> None:
    made = plan()
    assert [(s.name, s.model.digest) for s in made.stages] == [
        ("screen", "digest 1"),
        ("confirm", "digest 2"),
    ]
    assert made.stages[0].when is None
    assert made.stages[1].when is not None
    assert made.stages[1].when.text == "screen.score > 0.4"
    assert [rule.severity.value for rule in made.severity] == ["high", "low"]


def test_the_pixel_limit_is_no_preparation() -> None:
    assert prepare_digest(PrepareSpec(max_pixels=1)) == prepare_digest(PrepareSpec())


def test_the_content_of_the_preparation_counts_and_not_its_words() -> None:
    text = TEXT.replace("max_pixels: 1000000", "align: view.png, areas: {mask: mask.png}")
    other = text.replace("view.png", "copy.png").replace("mask.png", "copy.png")
    spec, renamed = (parse_pipeline(each, where="p.yaml", name="p") for each in (text, other))
    made = make_plan(spec, MODELS, preparation="sha 1")
    assert make_plan(renamed, MODELS, preparation="sha 1").digest == made.digest
    changed = make_plan(spec, MODELS, preparation="sha 2")
    assert len({plan().digest, made.digest, changed.digest}) == 3
    assert len({plan().prepare_digest, made.prepare_digest, changed.prepare_digest}) == 3


@pytest.mark.parametrize(
    "given",
    [
        "align: view.png",
        "areas: {mask: m.png}",
        "areas: {only: [[[0, 0], [1, 0], [1, 1]]]}",
        "steps: [denoise]",
    ],
)
def test_no_plan_forgets_the_preparation(given: str) -> None:
    with pytest.raises(ValueError, match="needs the preparation's digest"):
        plan(TEXT.replace("max_pixels: 1000000", given))


def test_empty_areas_are_no_preparation() -> None:
    empty = TEXT.replace("max_pixels: 1000000", "areas: {unit: px, only: [], ignore: []}")
    assert plan(empty).digest == plan().digest


def test_a_condition_can_ask_for_every_promised_field() -> None:
    from walkdown.pipeline.facts import stage_facts
    from walkdown.types import Prediction, StageResult

    facts: dict[str, Any] = dict(
        stage_facts(StageResult("a", "m", "d", Prediction(None, None, None)))
    )
    assert set(facts) == set(STAGE_FIELDS)
