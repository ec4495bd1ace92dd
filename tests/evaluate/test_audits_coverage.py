"""Does the interval of an audit hold? A thousand seeded cascades for each rate of misses.

Each cascade looks at 2,000 images. A first stage passes most of them, among these so many of the
anomalies as its miss rate says; each passed image is audited with a chance, as a hash gives it. The
interval must hold the true miss rate of these images at least as often as it says, less what chance
takes in a thousand draws, and may not be bought by width.

Its width stands beside that of Clopper and Pearson's interval from a like draw of anomalies: if the
same share of all images had been drawn, flagged or passed, and people had counted what was missed
among the anomalies drawn. That is what Clopper and Pearson's interval is for, and it costs more
looks: the audit draws of passed images only, and knows all that was flagged.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from walkdown.evaluate.audits import Audit
from walkdown.evaluate.intervals import share_interval

IMAGES, CASCADES = 2000, 1000
INSIDE, WIDTH = 925, 1.3


class Population(NamedTuple):
    """Anomalies by the later stage: so many of them flagged, and so many passed."""

    flagged: int
    found: int
    missed: int

    @property
    def passed(self) -> int:
        return IMAGES - self.flagged

    @property
    def miss_rate(self) -> float:
        return self.missed / (self.found + self.missed)


POPULATIONS = [
    Population(flagged=300, found=40, missed=0),
    Population(flagged=300, found=199, missed=1),
    Population(flagged=300, found=98, missed=2),
    Population(flagged=300, found=90, missed=10),
    Population(flagged=500, found=400, missed=44),
    Population(flagged=100, found=60, missed=40),
    Population(flagged=60, found=10, missed=90),
]

SHARES = (0.05, 0.2, 0.7)

told = cache(lambda *counts: Audit("confirm", *counts).miss_rate)
counted = cache(share_interval)


def cascades(population: Population, share: float) -> tuple[int, float]:
    """How often the interval holds the truth, and its median width over the other's."""
    rng = np.random.default_rng((population.missed, population.found, round(100 * share)))
    normal = population.passed - population.missed
    draws = rng.binomial(
        (population.missed, normal, population.found), share, (CASCADES, 3)
    ).tolist()
    inside, widths, others = 0, [], []
    for missed, others_audited, found in draws:
        rate = told(
            population.flagged,
            population.found,
            population.passed,
            missed + others_audited,
            missed,
        )
        assert rate is not None
        assert rate[1] <= rate[0] <= rate[2]
        inside += rate[1] <= population.miss_rate <= rate[2]
        low, high = counted(missed, missed + found)
        widths.append(rate[2] - rate[1])
        others.append(high - low)
    return inside, float(np.median(widths) / np.median(others))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("population", POPULATIONS, ids=lambda p: f"{p.miss_rate:.3f}")
def test_the_interval_holds_and_is_not_wide(population: Population, share: float) -> None:
    inside, width = cascades(population, share)
    assert inside >= INSIDE
    assert width <= WIDTH


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda p: f"{p.miss_rate:.3f}")
def test_the_estimate_itself_is_right_on_average(population: Population) -> None:
    """What is missed is counted for all that was passed, not for what was audited alone."""
    rng, share = np.random.default_rng(population.missed), 0.2
    audited = rng.binomial(population.passed, share, CASCADES)
    missed = rng.hypergeometric(population.missed, population.passed - population.missed, audited)
    shares = [
        Audit("confirm", population.flagged, population.found, population.passed, n, m)
        .missed_of_passed[0]
        for n, m in zip(audited.tolist(), missed.tolist(), strict=True)
    ]  # fmt: skip
    error = np.std(shares) / np.sqrt(CASCADES)
    assert abs(np.mean(shares) - population.missed / population.passed) <= 4 * error + 1e-12
