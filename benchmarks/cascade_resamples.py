"""Does the interval of an audit hold? Populations drawn again and again from what models said.

A population is drawn with replacement from photographs that two stages have looked at, each of them
a file of its own. `is_audited` decides by the hash of its made-up content, as in an inspection, and
`Audits` counts results as an inspection has them. What the interval must hold is known: the miss
rate of that very population, by what the later stage says of all of it.

Two other intervals stand beside it. The one *of a share* is Clopper and Pearson's for the audited
share, carried through the same formula: what was told before the finiteness of an inspection was
made use of. The one *of anomalies* is Clopper and Pearson's for the miss rate itself, from an
audit that draws the same share of all images, flagged or passed, and counts the anomalies among
them: what that interval is made for, with a sample as large.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import mean, median
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.pages import markdown

from walkdown.evaluate.audits import Audits
from walkdown.evaluate.intervals import share_interval
from walkdown.pipeline.steps import is_audited
from walkdown.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.evaluate.audits import Audit, Estimate
    from walkdown.pipeline.plan import Stage
    from walkdown.types import Result

ANOMALY_SHARES = (None, 0.1, 0.02)
"""Of a population, by its labels; None leaves them as they are in the sets."""

AUDITS = (0.05, 0.2)


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """A photograph that both stages looked at, and a label: whether it shows an anomaly."""

    result: Result
    flagged: bool
    labelled: bool

    @property
    def anomaly(self) -> bool:
        """By the later stage."""
        return self.result.stages[1].prediction.verdict is Verdict.ANOMALY

    @property
    def unseen(self) -> Result:
        """As a cascade records it where the later stage did not look."""
        first = self.result.stages[:1]
        verdict = first[0].prediction.verdict
        return replace(self.result, stages=first, verdict=verdict)

    @property
    def audited(self) -> Result:
        """As a cascade records it where it looked all the same."""
        first, second = self.result.stages
        return replace(self.result, stages=(first, replace(second, audited=True)))


@dataclass(frozen=True, slots=True)
class Drawn:
    """One population: its true miss rate by the later stage, and the three intervals."""

    truth: float
    told: Estimate
    of_share: tuple[float, float]
    of_anomalies: tuple[float, float]
    audited: int


def populations(
    pool: Sequence[Looked], stage: Stage, *, images: int, share: float | None, count: int
) -> list[Drawn]:
    """So many populations of so many images, with a share of labelled anomalies."""
    chances = _chances(pool, share)
    as_seen = [one.result if one.flagged else one.audited for one in pool]
    as_passed = [one.unseen for one in pool]
    found = []
    for number in range(count):
        rng = np.random.default_rng((number, images, len(pool)))
        drawn = rng.choice(len(pool), images, p=chances).tolist()
        audits, in_sample = Audits(), [0, 0]
        for place, i in enumerate(drawn):
            chosen = is_audited(stage, f"{number}-{place}")
            audits.add(as_seen[i] if chosen or pool[i].flagged else as_passed[i])
            in_sample[pool[i].flagged] += chosen and pool[i].anomaly
        flagged, missed = (
            sum(pool[i].anomaly for i in drawn if pool[i].flagged is side) for side in (True, False)
        )
        (audit,) = audits.found()
        found.append(_drawn(audit, missed / (flagged + missed), *in_sample))
    return found


def _chances(pool: Sequence[Looked], share: float | None) -> list[float] | None:
    if share is None:
        return None
    bad = sum(one.labelled for one in pool)
    good = len(pool) - bad
    return [share / bad if one.labelled else (1.0 - share) / good for one in pool]


def _drawn(audit: Audit, truth: float, missed: int, found: int) -> Drawn:
    told = audit.miss_rate
    if told is None or missed != audit.missed:
        raise ValueError(f"an audit that can't be: {audit}")
    low, high = (
        value * audit.passed / (audit.flagged_anomalies + value * audit.passed)
        for value in share_interval(audit.missed, audit.audited)
    )
    return Drawn(truth, told, (low, high), share_interval(missed, missed + found), audit.audited)


HEAD = ("images", "anomalies", "audited", "populations", "truly missed",
        "inside", "inside, of a share", "inside, of anomalies", "median width",
        "width / of a share", "width / of anomalies")  # fmt: skip


def row(drawn: Sequence[Drawn], *, images: int, share: float | None, audit: float) -> list[str]:
    """The figures of one kind of population."""
    width = median(one.told[2] - one.told[1] for one in drawn)
    others = [[one.of_share for one in drawn], [one.of_anomalies for one in drawn]]
    ratios = [width / median(high - low for low, high in each) for each in others]
    inside = [
        sum(low <= one.truth <= high for one, (low, high) in zip(drawn, each, strict=True))
        for each in ([one.told[1:] for one in drawn], *others)
    ]
    return [
        f"{images:,}",
        "as in the sets" if share is None else f"{share:.0%}",
        f"{audit:.0%}: {mean(one.audited for one in drawn):.0f}",
        f"{len(drawn):,}",
        f"{mean(one.truth for one in drawn):.1%}",
        *(str(count) for count in inside),
        f"{100 * width:.1f} points",
        *(f"{ratio:.2f}" for ratio in ratios),
    ]


def proof(pool: Sequence[Looked], stage: Stage, *, images: int, count: int) -> str:
    """A line for each share of anomalies and each share that is audited."""
    lines = []
    for share in ANOMALY_SHARES:
        for audit in AUDITS:
            asks = replace(stage, audit=audit)
            drawn = populations(pool, asks, images=images, share=share, count=count)
            lines.append(row(drawn, images=images, share=share, audit=audit))
    return markdown(HEAD, lines)
