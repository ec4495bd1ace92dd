from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pipeline.plans import answer, failure, plan_of

from walkdown.pipeline.facts import UNKNOWN, ImageFacts
from walkdown.pipeline.findings import Sighting, alert, finding_id, sightings, subject, update
from walkdown.spec import SeverityRule
from walkdown.types import Alert, Finding, Region, Result, ResultKey, Severity, Status, Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
LOW, MEDIUM, HIGH, CRITICAL = Severity

PLAN = plan_of(None)


def result(visit: int = 0, *, asset: str | None = "north/pole-17", uri: str = "u") -> Result:
    return Result(
        key=ResultKey("w", f"capture {visit}", PLAN.digest),
        uri=uri,
        image=f"{visit}.jpg",
        status=Status.DONE,
        actor=f"actor {visit}",
        recorded_at=START + timedelta(days=visit),
        asset=asset,
    )


def sight(severity: Severity = MEDIUM, score: float = 0.7, label: str = "crack") -> Sighting:
    return Sighting(label, severity, score, area_pct=2.0)


def tell(known: Finding | None, now: Finding) -> Alert | None:
    return alert(known, now, pipeline="p", inspection="i")


def visits(severities: list[Severity]) -> tuple[list[Finding], list[Alert]]:
    """The same trouble seen on visit after visit: how the finding went, and who was told."""
    known: Finding | None = None
    findings, alerts = [], []
    for visit, severity in enumerate(severities):
        now = update(known, result(visit), sight(severity))
        told = tell(known, now)
        findings.append(now)
        alerts += [told] if told else []
        known = replace(now, told=severity_told(known, now, told))
    return findings, alerts


def severity_told(known: Finding | None, now: Finding, alert: Alert | None) -> Severity | None:
    """What people know after this visit."""
    if alert:
        return now.severity
    return known.told if known else None


histories = st.lists(st.sampled_from(list(Severity)), min_size=1, max_size=8)


@given(histories)
def test_over_visits_a_finding_keeps_its_id_and_never_gets_milder(history: list[Severity]) -> None:
    findings, _ = visits(history)
    assert len({f.id for f in findings}) == 1
    assert [f.revision for f in findings] == list(range(1, len(history) + 1))
    for i, finding in enumerate(findings):
        assert finding.severity is max(history[: i + 1], key=lambda s: s.rank)
        assert finding.opened_at == START
        assert finding.seen_at == START + timedelta(days=i)
        assert (finding.image, finding.actor) == (f"{i}.jpg", f"actor {i}")
        assert finding.result_id == result(i).key.id


@given(histories)
def test_people_are_told_when_it_opens_and_when_it_gets_worse_only(history: list[Severity]) -> None:
    findings, alerts = visits(history)
    reached = [f.severity for f in findings]
    raised = [now for before, now in pairwise(reached) if now is not before]
    assert [a.event for a in alerts] == ["opened", *["raised"] * len(raised)]
    assert [a.finding.severity for a in alerts] == [reached[0], *raised]
    assert len({a.id for a in alerts}) == len(alerts)


@given(histories)
def test_the_same_history_gives_the_same_alerts(history: list[Severity]) -> None:
    assert [a.id for a in visits(history)[1]] == [a.id for a in visits(history)[1]]


def test_an_alert_has_the_id_of_what_it_tells_not_of_when_or_where_it_was_found() -> None:
    first = alert(None, update(None, result(0), sight()), pipeline="p", inspection="i")
    again = alert(None, update(None, result(5), sight(score=0.6)), pipeline="q", inspection="j")
    assert first is not None
    assert again is not None
    assert first.id == again.id


def test_score_and_area_keep_their_worst() -> None:
    first = update(None, result(0), Sighting("crack", MEDIUM, 0.7, 2.0))
    then = update(first, result(1), Sighting("crack", MEDIUM, 0.6, 5.0))
    assert (then.score, then.area_pct) == (0.7, 5.0)


def test_a_finding_is_its_workspace_asset_and_label() -> None:
    ids = {
        finding_id("w", "a", "x"),
        finding_id("v", "a", "x"),
        finding_id("w", "b", "x"),
        finding_id("w", "a", "y"),
        finding_id("wa", "", "x"),
    }
    assert len(ids) == 5


def test_where_no_asset_is_known_the_image_is_the_subject() -> None:
    assert subject(result(asset=None, uri="file:///x.jpg")) == "file:///x.jpg"
    one, other = (update(None, result(asset=None, uri=u), sight()) for u in ("a", "b"))
    assert one.id != other.id


def test_only_an_anomaly_shows_anything() -> None:
    for verdict in (Verdict.NORMAL, Verdict.UNUSABLE):
        by = answer("a", verdict, 0.9, labels=("crack",))
        assert sightings(PLAN, [by], by, UNKNOWN) == ()
    assert sightings(PLAN, [failure("a")], None, UNKNOWN) == ()


def test_an_anomaly_without_regions_or_labels_is_one_unnamed_sighting() -> None:
    by = answer("a", Verdict.ANOMALY, 0.9)
    assert sightings(PLAN, [by], by, UNKNOWN) == (Sighting("anomaly", HIGH, 0.9, 0.0),)


def test_each_label_is_a_sighting_with_its_own_score_and_area_worst_first() -> None:
    regions = (
        Region((0, 0, 9, 9), 1.0, 0.65, "rust"),
        Region((9, 9, 9, 9), 2.0, 0.95, "crack"),
        Region((0, 9, 9, 9), 4.0, 0.55, "crack"),
    )
    by = answer("a", Verdict.ANOMALY, 0.7, regions=regions, labels=("dirt", "rust"))
    assert sightings(PLAN, [by], by, UNKNOWN) == (
        Sighting("crack", HIGH, 0.95, 6.0),
        Sighting("dirt", MEDIUM, 0.7, 0),
        Sighting("rust", MEDIUM, 0.65, 1.0),
    )


def test_the_unnamed_anomaly_has_the_score_of_the_image() -> None:
    by = answer("a", Verdict.ANOMALY, 0.7, regions=(Region((0, 0, 9, 9), 3.0, 0.9),))
    assert sightings(PLAN, [by], by, UNKNOWN) == (Sighting("anomaly", MEDIUM, 0.7, 3.0),)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["low: score > 0.8", "critical: area_pct >= 3"], CRITICAL),
        (["high: area_pct >= 3", "critical: area_pct >= 3"], HIGH),
        (["critical: label == 'crack'", "medium"], MEDIUM),
        (["critical: asset == 'north/pole-17'"], CRITICAL),
        (["critical: b.verdict == 'normal'"], CRITICAL),
        (["critical: a.failed"], LOW),
        ([], LOW),
    ],
)
def test_the_first_rule_that_holds_gives_the_severity(rules: list[str], expected: Severity) -> None:
    parts = [rule.partition(": ") for rule in rules]
    made = [SeverityRule(severity=Severity(word), when=when or None) for word, _, when in parts]
    plan = plan_of(None, None, severity=made, decide="any")
    by = answer("a", Verdict.ANOMALY, 0.7, regions=(Region((0, 0, 9, 9), 3.0, 0.9),))
    stages = [by, answer("b", Verdict.NORMAL, 0.1)]
    assert [s.severity for s in sightings(plan, stages, by, ImageFacts(asset="north/pole-17"))] == [
        expected
    ]
