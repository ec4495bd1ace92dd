"""A month's budget: what was spent, what fits, what is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walkdown.errors import SpecError
from walkdown.pipeline.budget import Ran, room, spent_in_month
from walkdown.spec import BudgetSpec, parse_pipeline

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
BUDGET = BudgetSpec(usd_per_month=50)


def ran(day: int, images: int, usd: float = 0.001, month: int = 5, year: int = 2026) -> Ran:
    return Ran(datetime(year, month, day, 1, tzinfo=UTC), images, usd)


def test_only_this_month_counts() -> None:
    past = [ran(1, 1000), ran(19, 2000), ran(30, 9999, month=4), ran(20, 9999, year=2025)]
    assert spent_in_month(past, NOW) == pytest.approx(3.0)


def test_a_month_is_that_of_utc() -> None:
    here = timezone(timedelta(hours=5))
    early = Ran(datetime(2026, 5, 1, 2, tzinfo=here), 1000, 0.001)
    assert spent_in_month([early], NOW) == 0


def test_without_a_budget_everything_fits_and_nothing_is_said() -> None:
    found = room(None, [ran(1, 10**9)], images=5, usd_per_image=1.0, now=NOW)
    assert found.fits
    assert found.words is None


def test_a_budget_with_room_says_nothing_until_it_is_nearly_spent() -> None:
    assert room(BUDGET, [ran(1, 1000)], images=1000, usd_per_image=0.001, now=NOW).words is None
    found = room(BUDGET, [ran(1, 39_000)], images=1000, usd_per_image=0.001, now=NOW)
    assert found.fits
    assert found.words == "with these 1,000 images $40.00 of this month's $50.00 are spent"


def test_what_does_not_fit_waits_and_is_told_why() -> None:
    found = room(BUDGET, [ran(1, 49_600)], images=1000, usd_per_image=0.001, now=NOW)
    assert (found.fits, found.fitting) == (False, 400)
    assert found.words is not None
    assert found.words.startswith("600 of 1,000 images wait: $49.60 of this month's $50.00")
    assert "raise 'budget.usd_per_month'" in found.words


def test_a_budget_that_is_overspent_lets_nothing_through() -> None:
    found = room(BUDGET, [ran(1, 60_000)], images=1, usd_per_image=0.001, now=NOW)
    assert (found.fitting, found.left_usd) == (0, 0.0)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 28), st.integers(0, 10**6)), max_size=5),
    st.integers(0, 10**6),
    st.floats(1e-7, 1.0),
    st.floats(0.01, 1e4),
)
def test_what_fits_never_passes_the_budget(
    past: list[tuple[int, int]], images: int, usd: float, limit: float
) -> None:
    before = [ran(day, count, 0.00005) for day, count in past]
    budget = BudgetSpec(usd_per_month=limit)
    found = room(budget, before, images=images, usd_per_image=usd, now=NOW)
    assert 0 <= found.fitting <= images
    if found.fitting:
        assert found.spent_usd + found.fitting * usd <= limit * (1 + 1e-6) + usd * 1e-6
    if not found.fits:
        assert found.spent_usd + (found.fitting + 1) * usd > limit * (1 - 1e-6)
        assert found.words


def test_exactly_enough_is_enough() -> None:
    found = room(BUDGET, [], images=50_000, usd_per_image=0.001, now=NOW)
    assert found.fits


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{usd_per_month: 0}", "must be at least 0.01"),
        ("{usd_per_month: true}", "must be a number"),
        ("{usd_per_month: .inf}", "must be at most"),
        ("{usd: 5}", "unknown key 'budget.usd'; "),
        ("50", "must hold 'key: value' lines"),
    ],
)
def test_a_wrong_budget_is_an_error_of_the_pipeline_file(value: str, words: str) -> None:
    text = f"stages: [{{name: a, model: m}}]\nbudget: {value}\n"
    with pytest.raises(SpecError) as e:
        parse_pipeline(text, where="p.yaml", name="p")
    assert "p.yaml:2: " in str(e.value)
    assert words in str(e.value)


def test_a_budget_is_read_and_does_not_make_another_pipeline() -> None:
    text = "stages: [{name: a, model: m}]\nbudget: {usd_per_month: 12.5}\n"
    spec = parse_pipeline(text, where="p.yaml", name="p")
    assert spec.budget == BudgetSpec(usd_per_month=12.5)
