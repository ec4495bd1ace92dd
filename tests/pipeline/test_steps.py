from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pipeline.plans import DECISIONS, Decide, answer, answers, failure, plan_of, plans

from walkdown.pipeline.facts import ImageFacts, stage_facts
from walkdown.pipeline.plan import Plan
from walkdown.pipeline.steps import Decision, StageCall, is_audited, next_step
from walkdown.types import Region, StageResult, Status, Verdict

ANOMALY, NORMAL, UNUSABLE = Verdict.ANOMALY, Verdict.NORMAL, Verdict.UNUSABLE


def walk(plan: Plan, replies: dict[str, StageResult]) -> tuple[list[str], Decision]:
    """The stages that were called, in order, and how it ended."""
    done: list[StageResult] = []
    for _ in range(len(plan.stages) + 1):
        step = next_step(plan, done)
        if isinstance(step, Decision):
            return [r.stage for r in done], step
        done.append(replies[step.stage.name])
    raise AssertionError("it does not end")


def all_answers(plan: Plan, data: st.DataObject) -> dict[str, StageResult]:
    return {stage.name: data.draw(answers(stage.name)) for stage in plan.stages}


@given(plans(), st.data())
def test_every_image_comes_to_an_end_through_stages_in_order(
    plan: Plan, data: st.DataObject
) -> None:
    called, _ = walk(plan, all_answers(plan, data))
    order = [stage.name for stage in plan.stages]
    assert called == sorted(set(called), key=order.index)
    assert called[0] == order[0]


@given(plans(), st.data())
def test_the_status_says_who_failed_and_who_answered(plan: Plan, data: st.DataObject) -> None:
    replies = all_answers(plan, data)
    called, decision = walk(plan, replies)
    failed = [n for n in called if replies[n].prediction.error is not None]
    answered = [n for n in called if n not in failed]
    assert (decision.status is Status.FAILED) == (not answered)
    assert (decision.status is Status.PARTIAL) == bool(failed and answered)
    assert (decision.status is Status.DONE) == (not failed)
    assert (decision.error is None) == (not failed)
    assert (decision.by is None) == (not answered)
    assert decision.by is None or decision.by.stage in answered


@given(plans(), st.data())
def test_a_failure_changes_no_verdict_of_those_who_answered(
    plan: Plan, data: st.DataObject
) -> None:
    replies = all_answers(plan, data)
    called, decision = walk(plan, replies)
    answered = [replies[n] for n in called if replies[n].prediction.error is None]
    alone = plan_of(*[None] * len(answered), decide=plan.decide) if answered else None
    if alone is not None:
        renamed = [
            StageResult(stage.name, r.model, r.digest, r.prediction)
            for stage, r in zip(alone.stages, answered, strict=True)
        ]
        assert decision.verdict == _decision(alone, renamed).verdict


@given(st.sampled_from(DECISIONS), st.integers(1, 4), st.data())
def test_a_stage_that_fails_instead_never_turns_an_anomaly_normal(
    decide: Decide, count: int, data: st.DataObject
) -> None:
    plan = plan_of(*[None] * count, decide=decide)
    anomalous = {s.name: answer(s.name, ANOMALY, 0.9) for s in plan.stages}
    broken = data.draw(st.sets(st.sampled_from(sorted(anomalous)), max_size=count - 1))
    _, decision = walk(plan, anomalous | {name: failure(name) for name in broken})
    assert decision.verdict is ANOMALY
    assert decision.status is (Status.PARTIAL if broken else Status.DONE)


def _decision(plan: Plan, done: list[StageResult]) -> Decision:
    step = next_step(plan, done)
    assert isinstance(step, Decision)
    return step


def test_a_cascade_asks_the_second_model_only_about_what_the_first_flagged() -> None:
    plan = plan_of(None, "a.score > 0.4")
    assert isinstance(next_step(plan, []), StageCall)
    called, decision = walk(plan, {"a": answer("a", NORMAL, 0.3)})
    assert (called, decision.verdict) == (["a"], NORMAL)
    called, decision = walk(plan, {"a": answer("a", ANOMALY, 0.6), "b": answer("b", NORMAL, 0.2)})
    assert (called, decision.verdict) == (["a", "b"], NORMAL)


def test_a_failed_second_model_leaves_the_first_ones_anomaly() -> None:
    plan = plan_of(None, "a.score > 0.4")
    _, decision = walk(plan, {"a": answer("a", ANOMALY, 0.6), "b": failure("b")})
    assert (decision.verdict, decision.status) == (ANOMALY, Status.PARTIAL)
    assert decision.error == "stage b: b broke"


def test_a_stage_may_stand_in_for_a_failed_one() -> None:
    plan = plan_of(None, "a.failed")
    called, decision = walk(plan, {"a": failure("a"), "b": answer("b", NORMAL, 0.1)})
    assert (called, decision.verdict, decision.status) == (["a", "b"], NORMAL, Status.PARTIAL)


def test_a_condition_on_a_skipped_stage_sees_nothing_of_it() -> None:
    plan = plan_of(None, "a.score > 0.9", "b.score > 0.1", "b.score is None")
    replies = {n: answer(n, NORMAL, 0.5) for n in "abcd"}
    assert walk(plan, replies)[0] == ["a", "d"]


def test_when_all_fail_every_reason_is_told() -> None:
    plan = plan_of(None, None)
    _, decision = walk(plan, {"a": failure("a"), "b": failure("b")})
    assert (decision.status, decision.verdict) == (Status.FAILED, None)
    assert decision.error == "stage a: a broke; stage b: b broke"


TABLE = [
    # decide, what a, b and c say, the outcome, who decided
    ("last", "AAN", NORMAL, "c"),
    ("last", "NNA", ANOMALY, "c"),
    ("last", "AAU", ANOMALY, "b"),
    ("last", "UUU", UNUSABLE, "c"),
    ("last", "ANF", NORMAL, "b"),
    ("any", "NAN", ANOMALY, "b"),
    ("any", "NNN", NORMAL, "c"),
    ("any", "UAF", ANOMALY, "b"),
    ("all", "AAA", ANOMALY, "c"),
    ("all", "AAN", NORMAL, "c"),
    ("all", "AUF", ANOMALY, "a"),
    ("all", "UUU", UNUSABLE, "c"),
    ("vote", "AAN", ANOMALY, "b"),
    ("vote", "ANN", NORMAL, "c"),
    ("vote", "ANF", ANOMALY, "a"),
    ("vote", "ANU", ANOMALY, "a"),
    ("vote", "UUF", UNUSABLE, "b"),
    ("vote", "NFU", NORMAL, "a"),
]


@pytest.mark.parametrize(("decide", "said", "verdict", "by"), TABLE)
def test_who_decides(decide: Decide, said: str, verdict: Verdict, by: str) -> None:
    """Later stages score higher here, so that of one side the highest score is the latest."""
    meaning = {"A": ANOMALY, "N": NORMAL, "U": UNUSABLE}
    replies = {
        name: failure(name) if word == "F" else answer(name, meaning[word], 0.1 * (i + 1))
        for i, (name, word) in enumerate(zip("abc", said, strict=True))
    }
    _, decision = walk(plan_of(None, None, None, decide=decide), replies)
    assert decision.by is not None
    assert (decision.verdict, decision.by.stage) == (verdict, by)


def test_the_highest_score_of_the_winning_side_decides() -> None:
    replies = {"a": answer("a", ANOMALY, 0.9), "b": answer("b", ANOMALY, 0.6)}
    _, decision = walk(plan_of(None, None, decide="any"), replies)
    assert decision.by == replies["a"]


def test_what_a_condition_sees_of_a_stage() -> None:
    regions = (Region((0, 0, 1, 1), 1.5, 0.9), Region((5, 5, 1, 1), 2.0, 0.8))
    facts = stage_facts(answer("a", ANOMALY, 0.9, regions=regions, labels=("crack",)))
    assert facts == {
        "score": 0.9,
        "raw_score": 0.9,
        "verdict": "anomaly",
        "labels": ("crack",),
        "regions": 2,
        "area_pct": 3.5,
        "p_normal": None,
        "failed": False,
    }
    assert stage_facts(failure("a"))["failed"] is True


CONTENTS = [f"{number:064x}" for number in range(4000)]


def audited(plan: Plan, verdict: Verdict = NORMAL) -> set[str]:
    """Which images the second stage sees although the first said so."""
    first, seen = answer("a", verdict, 0.3), set()
    for content in CONTENTS:
        step = next_step(plan, [first], image=ImageFacts(content=content))
        if isinstance(step, StageCall):
            assert step.audited is (verdict is NORMAL)
            seen.add(content)
    return seen


def test_an_audit_sees_its_share_of_what_was_passed_and_all_that_was_flagged() -> None:
    plan = with_audit(plan_of(None, "a.verdict == 'anomaly'"), 0.05)
    seen = audited(plan)
    assert len(seen) / len(CONTENTS) == pytest.approx(0.05, abs=0.012)
    assert audited(plan) == seen
    assert audited(with_audit(plan, 0.2)) > seen, "a larger share sees these and more"
    assert audited(plan, ANOMALY) == set(CONTENTS)
    assert audited(plan_of(None, "a.verdict == 'anomaly'")) == set()


def test_stages_draw_each_for_themselves_and_nothing_is_drawn_of_what_nobody_has_read() -> None:
    plan = with_audit(plan_of(None, "a.score > 0.9", "a.score > 0.9"), 0.5)
    later = plan.stages[2]
    both = {c for c in CONTENTS if is_audited(plan.stages[1], c) and is_audited(later, c)}
    assert len(both) / len(CONTENTS) == pytest.approx(0.25, abs=0.03)
    assert isinstance(next_step(plan, [answer("a", NORMAL, 0.1)]), Decision)


def test_what_an_audit_finds_counts() -> None:
    plan = with_audit(plan_of(None, "a.verdict == 'anomaly'"), 1.0)
    done = [answer("a", NORMAL, 0.2), replace(answer("b", ANOMALY, 0.8), audited=True)]
    decision = next_step(plan, done, image=ImageFacts(content=CONTENTS[0]))
    assert isinstance(decision, Decision)
    assert decision.verdict is ANOMALY


def with_audit(plan: Plan, share: float) -> Plan:
    """The plan with an audit in every stage that has a condition."""
    stages = (replace(s, audit=share) if s.when else s for s in plan.stages)
    return replace(plan, stages=tuple(stages))
