"""The bill: its sums, how it grows, and the reference case."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walkdown.app.measured import Measured, StageMeasured, Stored
from walkdown.aws import handlers
from walkdown.aws.bill import Bill
from walkdown.aws.cost import METRICS, bill_of, read_units, write_units
from walkdown.aws.estimating import charge_of, moves_of, quote, stack_template
from walkdown.aws.load import Case, Pace, load_of, standing_of
from walkdown.aws.prices import prices_of
from walkdown.runners.stepfunctions import Shape

PRICES = prices_of("us-east-1")
STANDING = standing_of(stack_template())

# Measured with `python benchmarks/cost.py` on 2026-11-21, on a busy machine of two cores (AMD EPYC)
# and on the kind of photograph that is the hardest to store: medians of five.
LOOK = StageMeasured(
    "screen", "boards@1", seconds=0.345, heatmap_seconds=0.078, heatmap_bytes=1_565_000,
    open_seconds=0.1, model_files=4,
)  # fmt: skip
REFERENCE = Measured(
    (LOOK, replace(LOOK, name="confirm", share=0.05)),
    images=5,
    image_bytes=2_000_000,
    width_px=4000,
    height_px=3000,
    peak_mib=447,
    found_share=0.05,
    result=Stored(931, 2),
    member=Stored(298),
    prediction=Stored(503),
    finding=Stored(483, 1),
    alert=Stored(536, 1),
    lake_bytes=265,
)


def bill(measured: Measured = REFERENCE, case: Case | None = None, *, batch: int = 60,
         concurrency: int = 50) -> Bill:  # fmt: skip
    shape = Shape({stage.name: batch for stage in measured.stages}, concurrency)
    return bill_of(
        measured,
        moves=moves_of(measured, shape),
        shape=shape,
        standing=STANDING,
        case=case or Case(1000),
        prices=PRICES,
    )


def quantity(found: Bill, part: str, what: str, unit: str) -> float:
    return sum(
        line.quantity
        for line in found.lines
        if (line.part, line.what, line.unit) == (part, what, unit)
    )


def test_the_reference_case_costs_five_cents_per_thousand_at_most() -> None:
    """2 MB of JPEG, 12 megapixels, looked at in 1,024 px; upload and moving to storage included."""
    found = bill()
    assert found.usd_per_1000 <= 0.05
    assert found.usd_per_1000 == pytest.approx(0.045, abs=0.002)


def test_in_tiles_of_all_its_pixels_a_photograph_costs_several_times_as_much() -> None:
    tiled = replace(LOOK, seconds=5.6, heatmap_seconds=0.16, heatmap_bytes=3_000_000)
    found = bill(replace(REFERENCE, stages=(tiled, replace(tiled, name="confirm", share=0.05))))
    assert found.usd_per_1000 > 0.15
    assert found.dominating(1)[0][:2] == ("screen", "Lambda")


def test_what_was_counted_for_a_thousand_images() -> None:
    found = bill()
    assert quantity(found, "arrive", "uploads", "puts and lists") == 1000
    assert quantity(found, "arrive", "messages", "requests") == 1200
    assert quantity(found, "screen", "photographs", "gets") == 1000
    assert quantity(found, "confirm", "photographs", "gets") == 50
    # Start, look, record: of 17 batches, then of one.
    assert quantity(found, "screen", "batches", "transitions") == 51
    assert quantity(found, "confirm", "batches", "transitions") == 3


def test_lines_sum_up_to_the_total_whatever_they_are_grouped_by() -> None:
    found = bill()
    assert found.usd == pytest.approx(sum(line.usd for line in found.lines))
    assert found.usd == pytest.approx(sum(usd for _, _, usd in found.by_service()))
    ranked = [usd for _, _, usd in found.dominating(99)]
    assert ranked == sorted(ranked, reverse=True)
    assert sum(ranked) == pytest.approx(found.usd)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 50_000), st.integers(1, 5000), st.integers(1, 100), st.floats(0.0, 1.0))
def test_cost_grows_with_images(images: int, more: int, batch: int, share: float) -> None:
    measured = REFERENCE.with_share(share)
    less = bill(measured, Case(images), batch=batch)
    found = bill(measured, Case(images + more), batch=batch)
    assert less.usd < found.usd
    assert less.storage_usd < found.storage_usd
    assert less.laptop_hours < found.laptop_hours


@settings(deadline=None, max_examples=40)
@given(st.floats(0.01, 20), st.floats(1.01, 5))
def test_cost_grows_with_time_and_with_a_slower_processor(seconds: float, times: float) -> None:
    def cost(seconds: float, slower: float = 1.0) -> float:
        stages = tuple(replace(stage, seconds=seconds) for stage in REFERENCE.stages)
        return bill(replace(REFERENCE, stages=stages), Case(1000, slower=slower)).usd

    assert cost(seconds) < cost(seconds * times)
    assert cost(seconds) < cost(seconds, times)


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 0.5), st.floats(0.01, 0.5))
def test_cost_grows_with_the_share_that_is_flagged(share: float, more: float) -> None:
    assert bill(REFERENCE.with_share(share)).usd < bill(REFERENCE.with_share(share + more)).usd


def test_a_stage_that_no_image_comes_to_costs_nothing() -> None:
    found = bill(REFERENCE.with_share(0.0))
    assert not [line for line in found.lines if line.part == "confirm"]


def test_what_a_service_charges_is_on_the_bill_and_not_in_the_budgets_charge() -> None:
    first, confirm = REFERENCE.stages
    paid = replace(REFERENCE, stages=(first, replace(confirm, usd_per_look=0.01)))
    found = bill(paid)
    (line,) = (line for line in found.lines if line.service == "model's service")
    assert (line.part, line.quantity) == ("confirm", 50)
    assert found.usd == pytest.approx(bill().usd + 0.5)
    with_service, without = quote(paid, Case(1000), PRICES), quote(REFERENCE, Case(1000), PRICES)
    assert charge_of(with_service) == charge_of(without)


def test_heat_maps_cost_a_write_each_and_their_time() -> None:
    plain = bill(REFERENCE.without_heatmaps())
    assert quantity(plain, "screen", "heat maps", "puts and lists") == 0
    assert bill().usd - plain.usd > 0.005


def test_more_memory_makes_nothing_faster_beyond_one_processor_and_less_makes_it_slower() -> None:
    def gb_seconds(megabytes: int) -> float:
        shape = Shape({"screen": 60, "confirm": 60})
        found = bill_of(
            REFERENCE,
            moves=moves_of(REFERENCE, shape),
            shape=shape,
            standing=standing_of(stack_template(), look_mb=megabytes),
            case=Case(1000, look_mb=megabytes),
            prices=PRICES,
        )
        return quantity(found, "screen", "look", "gb seconds")

    assert gb_seconds(3538) == pytest.approx(2 * gb_seconds(1769))
    half, whole = gb_seconds(885), gb_seconds(1769)
    assert half > whole / 2
    assert half < whole, "what is only waited for is cheaper with less memory"


def test_what_stands_there_is_read_from_the_template() -> None:
    template = stack_template()
    kinds = [resource["Type"] for resource in template["Resources"].values()]
    found = {line.what: line.quantity for line in bill().monthly}
    assert found["alarms"] == kinds.count("AWS::CloudWatch::Alarm") > 10
    assert found["dashboard"] == 1
    assert STANDING.memory_mb["Look"] == 1769
    assert {"Intake", "Look", "Record", "Choose", "Finish", "Deliver"} <= set(STANDING.memory_mb)


def test_a_key_of_ones_own_costs_each_month_and_for_requests() -> None:
    without, found = bill(), bill(case=Case(1000, own_key=True))
    assert found.monthly_usd == pytest.approx(without.monthly_usd + 1.0)
    assert 0 < found.usd - without.usd < 0.001


def test_many_alerts_are_few_notices_but_all_of_them_are_written() -> None:
    found = bill(REFERENCE.with_share(0.5))
    assert quantity(found, "deliver", "notices", "publishes") == 30
    assert quantity(found, "deliver", "findings", "events") == 500


@pytest.mark.parametrize(
    ("item", "alone", "together", "read"),
    [
        (Stored(1), 1, 2, 1),
        (Stored(1024, 2), 3, 4, 1),
        (Stored(1025, 2), 4, 6, 1),
        (Stored(4097), 5, 10, 2),
    ],
)
def test_units_are_whole_and_twice_as_many_in_a_transaction(
    item: Stored, alone: int, together: int, read: int
) -> None:
    assert write_units(item) == alone
    assert write_units(item, transaction=True) == together
    assert read_units(item) == read


def test_batches_of_whole_inspections_and_of_the_rest() -> None:
    shape = Shape({"screen": 60, "confirm": 60}, 10)
    load = load_of(REFERENCE, shape, Case(2500))
    screen, confirm = load.stages
    assert load.inspections == 3
    assert (screen.batches, confirm.batches) == (17 + 17 + 9, 3)
    assert screen.cold == 10 + 10 + 9
    assert screen.waits == 0
    assert 0.9 * screen.batches < confirm.waits < screen.batches


def test_hours_fall_with_what_runs_at_once() -> None:
    assert bill(concurrency=1).hours > 5 * bill(concurrency=50).hours
    seconds = REFERENCE.seconds * 1000
    assert bill().laptop_hours == pytest.approx(seconds / 3600)


def test_a_case_without_images_is_none() -> None:
    with pytest.raises(ValueError, match="not a case"):
        Case(0)
    assert Pace().get_s > 0


def test_as_many_metrics_are_paid_for_as_functions_write() -> None:
    source = inspect.getsource(handlers)
    figures = set()
    for function in source.split("\ndef ")[1:]:
        names = re.findall(r'"([A-Z]\w+)"(?=:|\])', function)
        if "with step(" in function:
            figures |= {(function.partition("(")[0], name) for name in (*names, "DurationMs")}
    assert 15 < len(figures) <= METRICS, "each costs 0.30 USD a month: count it in aws.cost"
