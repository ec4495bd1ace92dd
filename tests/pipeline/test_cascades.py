"""Stages that look at regions, shadows, conditions over the image, and answers that are fused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.errors import SpecError
from walkdown.pipeline.facts import ImageFacts
from walkdown.pipeline.fusing import fused_p
from walkdown.pipeline.plan import Plan, Regions, make_plan
from walkdown.pipeline.steps import Decision, StageCall, next_step
from walkdown.spec import parse_pipeline
from walkdown.types import ModelInfo, Prediction, Region, StageResult, Status, Verdict

ANOMALY, NORMAL = Verdict.ANOMALY, Verdict.NORMAL
HERE = Region((10, 10, 20, 20), 1.0, 0.9)


def plan_of(text: str, **usd: float) -> Plan:
    models = {
        name: ModelInfo(f"{name}@1", f"digest of {name}", usd_per_image=usd.get(name, 0.0))
        for name in ("cheap", "dear", "new")
    }
    return make_plan(parse_pipeline(text, where="p.yaml", name="p"), models)


def said(
    stage: str, verdict: Verdict, score: float, *regions: Region, p: float | None = None
) -> StageResult:
    prediction = Prediction(verdict, score, score, regions=regions, p_normal=p)
    return StageResult(stage, "m@1", "digest", prediction)


def called(plan: Plan, *done: StageResult, image: ImageFacts | None = None) -> str | None:
    step = next_step(plan, done, image=image or ImageFacts())
    return step.stage.name if isinstance(step, StageCall) else None


CUT = """\
stages:
  - {name: screen, model: cheap}
  - {name: confirm, model: dear, input: regions of screen, margin: 0.5, most_regions: 3}
"""


def test_a_stage_over_regions_runs_where_there_are_any() -> None:
    plan = plan_of(CUT)
    assert plan.stages[1].regions == Regions("screen", 0.5, 3)
    assert called(plan) == "screen"
    assert called(plan, said("screen", ANOMALY, 0.8, HERE)) == "confirm"
    assert called(plan, said("screen", ANOMALY, 0.8)) is None


def test_how_regions_are_cut_out_makes_another_plan() -> None:
    digests = {
        plan_of(text).digest
        for text in (
            CUT,
            CUT.replace("0.5", "0.4"),
            CUT.replace(": 3", ": 4"),
            CUT.replace(", input: regions of screen, margin: 0.5, most_regions: 3", ""),
        )
    }
    assert len(digests) == 4


SHADOW = """\
stages:
  - {name: screen, model: cheap}
  - {name: next, model: new, shadow: screen}
  - {name: confirm, model: dear, when: "screen.score > 0.4"}
"""


def test_a_shadow_runs_where_its_stage_did_and_has_no_say() -> None:
    plan = plan_of(SHADOW)
    first, shadow = (
        said("screen", NORMAL, 0.2),
        replace(said("next", ANOMALY, 0.9), beside="screen"),
    )
    assert called(plan, first) == "next"
    decision = next_step(plan, [first, shadow])
    assert isinstance(decision, Decision)
    assert (decision.verdict, decision.status) == (NORMAL, Status.DONE)
    broken = replace(shadow, prediction=Prediction(None, None, None, error="down"))
    decision = next_step(plan, [first, broken])
    assert isinstance(decision, Decision)
    assert (decision.verdict, decision.status, decision.error) == (NORMAL, Status.DONE, None)


def test_with_or_without_a_shadow_what_is_done_is_done() -> None:
    without = SHADOW.replace("  - {name: next, model: new, shadow: screen}\n", "")
    assert plan_of(SHADOW).digest == plan_of(without).digest


def test_a_shadow_of_a_stage_that_did_not_run_does_not_either() -> None:
    plan = plan_of(
        "stages:\n"
        "  - {name: screen, model: cheap}\n"
        '  - {name: confirm, model: dear, when: "screen.score > 0.4"}\n'
        "  - {name: next, model: new, shadow: confirm}\n"
    )
    assert called(plan, said("screen", NORMAL, 0.2)) is None
    assert called(plan, said("screen", ANOMALY, 0.7), said("confirm", NORMAL, 0.1)) == "next"


@pytest.mark.parametrize(
    ("condition", "runs"),
    [
        ("image.kind == 'pole'", True),
        ("image.kind == 'tower'", False),
        ("image.asset in ['north/7']", True),
        ("image.viewpoint == 'front' and screen.score > 0.1", True),
        ("image.width_px > 4000", False),
        ("screen.severity in ['high', 'critical']", True),
        ("screen.severity == 'low'", False),
    ],
)
def test_a_condition_asks_for_the_image_and_for_severity(condition: str, runs: bool) -> None:
    plan = plan_of(
        "stages:\n  - {name: screen, model: cheap}\n"
        f'  - {{name: confirm, model: dear, when: "{condition}"}}\n'
    )
    image = ImageFacts(asset="north/7", kind="pole", viewpoint="front", width_px=4000)
    assert (called(plan, said("screen", ANOMALY, 0.85), image=image) == "confirm") is runs


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("a.verdict == 'anomoly'", "'anomoly' is no verdict; there are: normal, anomaly, unusable"),
        ("a.severity in ['high', 'worst']", "'worst' is no severity"),
    ],
)
def test_a_word_that_never_comes_is_an_error(condition: str, words: str) -> None:
    text = "stages:\n  - {name: a, model: cheap}\n  - {name: b, model: dear, when: WHEN}\n"
    text = text.replace("WHEN", f'"{condition}"')
    with pytest.raises(SpecError, match=words):
        plan_of(text)


def test_words_have_no_order() -> None:
    text = "stages:\n  - {name: a, model: cheap}\n  - {name: b, model: dear, when: WHEN}\n"
    with pytest.raises(SpecError, match="neither more nor less"):
        plan_of(text.replace("WHEN", "\"a.severity >= 'high'\""))


FUSED = """\
decide: fuse
false_alarms: 0.04
stages:
  - {name: screen, model: cheap}
  - {name: confirm, model: dear}
"""


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [(0.03, 0.03, ANOMALY), (0.01, 0.9, ANOMALY), (0.04, 0.9, NORMAL), (0.5, 0.5, NORMAL)],
)
def test_fused_answers_flag_what_is_odd_enough_together(
    first: float, second: float, verdict: Verdict
) -> None:
    decision = next_step(
        plan_of(FUSED),
        [said("screen", NORMAL, 0.4, p=first), said("confirm", NORMAL, 0.3, p=second)],
    )
    assert isinstance(decision, Decision)
    assert decision.verdict is verdict
    assert decision.by is not None
    assert decision.by.prediction.p_normal == fused_p([first, second])
    score = decision.by.prediction.score
    assert score is not None
    assert (score >= 0.5) == (verdict is ANOMALY)


def test_without_p_values_the_last_answer_decides() -> None:
    decision = next_step(
        plan_of(FUSED), [said("screen", ANOMALY, 0.9), said("confirm", NORMAL, 0.1)]
    )
    assert isinstance(decision, Decision)
    assert decision.verdict is NORMAL


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=5))
def test_one_value_is_itself_and_several_lie_between_their_ends(values: list[float]) -> None:
    together = fused_p(values)
    clipped = [min(p, 0.99) for p in values]
    assert min(clipped) - 1e-9 <= together <= max(clipped) + 1e-9


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 1.0])
def test_fused_answers_keep_to_the_share_of_false_alarms(correlation: float) -> None:
    """Normal images, whose two models agree more or less: few more than 5 % are flagged."""
    rng = np.random.default_rng(7)
    common, own = rng.normal(size=20_000), rng.normal(size=(2, 20_000))
    scores = correlation**0.5 * common + (1 - correlation) ** 0.5 * own
    ranks = scores.argsort(axis=1).argsort(axis=1)
    p = 1.0 - ranks / 20_000
    flagged = np.mean([fused_p(pair.tolist()) <= 0.05 for pair in p.T])
    assert flagged <= 0.062
    assert flagged >= 0.02


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{name: b, model: dear, input: regions of c}", "'c' is no earlier stage; there are: a"),
        ("{name: b, model: dear, input: a}", "must be 'regions of' and the name of an earlier"),
        ("{name: b, model: dear, margin: 0.2}", "give 'input' too"),
        ("{name: b, model: dear, shadow: c}", "'c' is no earlier stage"),
        (
            '{name: b, model: dear, shadow: a, when: "a.failed"}',
            "sees what its stage sees",
        ),
        ("{name: image, model: dear}", "has a meaning of its own"),
        (
            '{name: b, model: dear, input: regions of a, when: "a.failed", audit: 0.1}',
            "what is passed has no regions",
        ),
    ],
)
def test_what_does_not_fit_is_an_error_with_its_line(line: str, words: str) -> None:
    with pytest.raises(SpecError, match=words) as e:
        plan_of(f"stages:\n  - {{name: a, model: cheap}}\n  - {line}\n")
    assert str(e.value).startswith("p.yaml:3: ")


def test_a_later_stage_can_not_ask_for_a_shadow() -> None:
    with pytest.raises(SpecError, match=r"unknown name 'next\.score'"):
        plan_of(SHADOW.replace("screen.score", "next.score"))


def test_regions_and_steps_do_not_go_together() -> None:
    with pytest.raises(SpecError, match=r"'prepare\.steps' may have moved"):
        plan_of("prepare: {steps: [undistort]}\n" + CUT)


def test_shadows_come_last() -> None:
    assert [stage.name for stage in plan_of(SHADOW).stages] == ["screen", "confirm", "next"]
    plan = plan_of(SHADOW)
    assert called(plan, said("screen", ANOMALY, 0.8)) == "confirm"


def test_a_share_of_false_alarms_is_for_fused_answers_alone() -> None:
    with pytest.raises(SpecError, match="'decide: fuse' alone"):
        plan_of(FUSED.replace("decide: fuse\n", ""))


def test_a_budget_needs_a_price() -> None:
    text = "stages:\n  - {name: a, model: cheap, budget: {usd_per_month: 5}}\n"
    with pytest.raises(SpecError, match="'usd_per_image' in the model's card"):
        plan_of(text)
    assert plan_of(text, cheap=0.001).stages[0].usd_per_month == 5
    assert plan_of(text, cheap=0.001).digest == plan_of(text.replace(": 5", ": 6"), cheap=1).digest
