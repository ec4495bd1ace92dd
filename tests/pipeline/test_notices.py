"""Every alert is told or counted exactly once, the worst first, and nobody gets too many."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walkdown.pipeline.notices import WORST, grouped
from walkdown.types import Alert, Finding, Severity

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def an_alert(number: int, channel: str, asset: str, severity: Severity, score: float) -> Alert:
    finding = Finding(
        f"f{number}", "w", asset, "rust", severity, score, 5.0, "", "r", NOW, NOW, "ada"
    )
    return Alert(f"a{number}", "opened", finding, "poles", "i", channel)


@st.composite
def alert_lists(draw: st.DrawFn) -> list[Alert]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["", "sns", "log-1"]),
                st.sampled_from([f"pole-{i}" for i in range(12)]),
                st.sampled_from(list(Severity)),
                st.floats(0, 1),
            ),
            max_size=80,
        )
    )
    return [an_alert(number, *row) for number, row in enumerate(rows)]


@settings(deadline=None)
@given(alerts=alert_lists(), most=st.integers(1, 15))
def test_every_alert_is_covered_once_and_spelled_out_or_counted(
    alerts: list[Alert], most: int
) -> None:
    found = grouped(alerts, most=most)
    covered = Counter(alert.message_id for each in found for alert in each.covers)
    assert covered == Counter(alert.message_id for alert in alerts)
    for each in found:
        assert each.notice.alerts == each.covers[: len(each.notice.alerts)]
        assert each.notice.more == len(each.covers) - len(each.notice.alerts)


@settings(deadline=None)
@given(alerts=alert_lists(), most=st.integers(1, 15))
def test_a_channel_gets_few_notices_and_one_storm_at_most(alerts: list[Alert], most: int) -> None:
    found = grouped(alerts, most=most)
    for channel in {alert.channel for alert in alerts}:
        own = [each.notice for each in found if each.covers[0].channel == channel]
        assets = {alert.finding.asset for alert in alerts if alert.channel == channel}
        assert len(own) == min(most, len(assets))
        storms = [notice for notice in own if notice.asset is None]
        assert len(storms) == (len(assets) > most)
        assert all(len(storm.alerts) <= WORST for storm in storms)
    for each in found:
        assert len({alert.channel for alert in each.covers}) == 1


@settings(deadline=None)
@given(alerts=alert_lists(), most=st.integers(1, 15))
def test_the_worst_comes_first_everywhere(alerts: list[Alert], most: int) -> None:
    found = grouped(alerts, most=most)
    ranks = [each.notice.severity.rank for each in found]
    assert ranks == sorted(ranks, reverse=True)
    for each in found:
        own = [(alert.finding.severity.rank, alert.finding.score) for alert in each.covers]
        assert own == sorted(own, reverse=True)


@settings(deadline=None)
@given(alerts=alert_lists(), most=st.integers(1, 15), data=st.data())
def test_the_same_alerts_make_the_same_notices(
    alerts: list[Alert], most: int, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(alerts))
    assert grouped(shuffled, most=most) == grouped(alerts, most=most)


def test_the_rest_of_a_storm_is_one_notice_with_its_worst() -> None:
    alerts = [an_alert(i, "sns", f"pole-{i}", Severity.HIGH, 1 - i / 100) for i in range(60)]
    *kept, storm = grouped(alerts)
    assert [each.notice.asset for each in kept] == [f"pole-{i}" for i in range(29)]
    assert [alert.id for alert in storm.notice.alerts] == [f"a{i}" for i in range(29, 49)]
    assert (storm.notice.asset, storm.notice.more) == (None, 11)


def test_no_message_at_all_is_no_limit() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        grouped([], most=0)
