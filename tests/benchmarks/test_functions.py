"""The figures of the function that looks: what is made of measured seconds."""

from benchmarks.functions import Measured, Spent, interval, ratio, text_of

EQUAL = tuple((1.0 + number / 100, 1.0 + number / 100) for number in range(30))
SLOWER = tuple((2 * function, local) for function, local in EQUAL)


def test_the_ratio_is_that_of_the_medians() -> None:
    assert ratio(SLOWER) == 2.0
    assert ratio(((1.0, 1.0), (9.0, 1.0), (3.0, 2.0))) == 3.0


def test_an_interval_holds_the_ratio_and_is_the_same_each_time() -> None:
    low, high = interval(SLOWER)
    assert low <= 2.0 <= high
    assert interval(SLOWER) == (low, high)
    wild = tuple((1.0 + (number % 7), 1.0) for number in range(30))
    low, high = interval(wild)
    assert high - low > 0.5


def test_the_best_start_counts() -> None:
    starts = (Spent(2.0, 1.5), Spent(1.25, 1.0), Spent(3.0, 0.5))
    text = text_of(Measured(154.1, starts, EQUAL, SLOWER), 16)
    assert "| cold start, best of 3 | 1.25 s | < 2.5 s |" in text
    assert "| processor time of that process | 1.00 s |  |" in text
    assert "| ratio of medians, 30 pairs | 1.000 (1.000 to 1.000) | interval below 1.25 |" in text
    assert "| ratio of medians, 30 pairs | 2.000 (" in text
