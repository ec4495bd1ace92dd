"""A month's budget: which month it is, what images take of it, what is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walkdown.errors import SpecError
from walkdown.pipeline.budget import (
    MILLIONTHS,
    Charge,
    cost_of,
    month_of,
    nearly_spent,
    usd,
    waiting_words,
)
from walkdown.spec import BudgetSpec, parse_pipeline


def test_a_month_is_that_of_utc() -> None:
    here = timezone(timedelta(hours=5))
    assert month_of(datetime(2026, 5, 1, 2, tzinfo=here)) == "2026-04"
    assert month_of(datetime(2026, 5, 1, 2, tzinfo=UTC)) == "2026-05"


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 1.0))
def test_a_cost_is_never_less_than_it_is_by_more_than_a_float(images: int, each: float) -> None:
    exact = images * each * MILLIONTHS
    assert exact - 1e-5 <= cost_of(images, each) < exact + 1


def test_exactly_enough_is_enough() -> None:
    assert cost_of(50_000, 0.001) == cost_of(1, 50.0) == 50 * MILLIONTHS


def test_what_waits_is_told_why_and_what_would_help() -> None:
    words = waiting_words(1000, 60_000, 49_960_000, 50_000_000, largest=60_000)
    assert words.startswith(
        "1,000 images wait: they would cost $0.060, and $49.96 of this month's $50.00 are spent"
    )
    assert words.endswith("in the pipeline file, or wait for the next month")


def test_many_that_fit_one_by_one_wait_for_a_month_and_a_large_one_for_a_budget() -> None:
    many = waiting_words(9000, 60_000_000, 0, 50_000_000, largest=1_000_000)
    assert many.endswith("or wait for the next month")
    large = waiting_words(9000, 60_000_000, 0, 50_000_000, largest=50_000_001)
    assert "a whole month's is too little" in large
    assert waiting_words(1, 46, 0, 50, largest=46).startswith("1 image waits: it would cost less")


def test_an_inspection_of_few_images_costs_more_for_each() -> None:
    charge = Charge(usd_per_inspection=0.0008, usd_per_image=0.000045)
    assert (charge.of(1), charge.of(1000)) == (845, 45_800)


def test_people_know_before_it_is_spent() -> None:
    assert not nearly_spent(39_999_999, 50_000_000)
    assert nearly_spent(40_000_000, 50_000_000)


@pytest.mark.parametrize(
    ("amount", "words"),
    [(50_000_000, "$50.00"), (45_000, "$0.045"), (450, "less than $0.001"), (0, "$0.00")],
)
def test_amounts_are_read_easily(amount: int, words: str) -> None:
    assert usd(amount) == words


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
