"""The table of prices: whole, dated, and read in the units that its names say."""

from __future__ import annotations

import copy
from datetime import date
from itertools import pairwise

import pytest

from walkdown.aws.prices import price_table, prices_of
from walkdown.errors import NotFound

TABLE = price_table()
REGIONS = tuple(TABLE["services"]["lambda"]["prices"]["usd_per_million_requests"]["usd"])


def test_every_region_has_every_price() -> None:
    for key, service in TABLE["services"].items():
        assert service["source"].startswith("https://aws.amazon.com/"), key
        for name, entry in service["prices"].items():
            assert tuple(entry["usd"]) == REGIONS, name
            assert set(entry["confirmed"]) <= set(REGIONS), name
            assert all(usd >= 0 for usd in entry["usd"].values()), name


def test_the_table_is_dated_and_says_what_is_left_out() -> None:
    assert date.fromisoformat(TABLE["as_of"]) >= date(2024, 11, 1), "DynamoDB's prices fell then"
    assert "free tiers" in TABLE["about"]


@pytest.mark.parametrize(
    ("name", "unit", "usd"),
    [
        ("lambda.usd_per_million_gb_seconds", "gb seconds", 0.0000166667),
        ("s3.usd_per_thousand_puts_and_lists", "puts and lists", 0.000005),
        ("kms.usd_per_ten_thousand_requests", "requests", 0.000003),
        ("sns.usd_per_hundred_thousand_mails", "mails", 0.00002),
        ("cloudwatch.usd_per_alarm_month", "alarm month", 0.1),
    ],
)
def test_a_price_is_for_one_unit(name: str, unit: str, usd: float) -> None:
    price = prices_of("us-east-1")[name]
    assert price.unit == unit
    assert price.usd == pytest.approx(usd)


def test_which_prices_were_confirmed_is_told() -> None:
    prices = prices_of("eu-central-1")
    assert "stepfunctions.usd_per_thousand_transitions" not in prices.unconfirmed
    assert "dynamodb.usd_per_million_write_units" in prices.unconfirmed
    ladder = [len(prices_of(region).unconfirmed) for region in ("us-east-1", "eu-central-1")]
    assert all(fewer < more for fewer, more in pairwise(ladder))


def test_an_unknown_region_is_an_error_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match=r"'mars-1'.*eu-west-1"):
        prices_of("mars-1")


def test_a_name_without_a_unit_is_refused() -> None:
    broken = copy.deepcopy(TABLE)
    entry = broken["services"]["sqs"]["prices"].pop("usd_per_million_requests")
    broken["services"]["sqs"]["prices"]["requests"] = entry
    with pytest.raises(ValueError, match="'requests'"):
        prices_of("us-east-1", broken)
