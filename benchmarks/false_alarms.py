"""Do the told bounds of the false-alarm rate hold? `make false-alarms`.

Of each set the normal photographs of train/good and test/good are pooled and split again and again:
a part is learned from and gives threshold and bounds by cross-fitting, the rest is judged by what
that whole part has taught: a bank of patches, and what a photograph is like as a whole. The share
of alarms among the rest should lie inside the bounds for that many new images in 95 of 100 splits.
Beside them stand the bounds of the rate itself, which say nothing of the chance in a finite rest,
and the widths of both against the exact Beta interval.
The first is wider by about sqrt(1 + fitted / new), whatever the method: `--share` sets that.

Features are extracted once; of each photograph a random part of its cells is kept, so that a split
takes a second. The splits of one set share its photographs and so are not independent: the figures
of a small pool are those of that pool.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.bench import SETS, machine
from benchmarks.pages import FALSE_ALARMS, about, markdown, put
from benchmarks.photographs import load, ref

from walkdown.cli.progress import Silent
from walkdown.evaluate.metrics import auroc
from walkdown.evaluate.thresholds import from_false_alarms, odd_ones
from walkdown.models.looking import InputSize
from walkdown.models.memory_bank import raw_score
from walkdown.training import choosing, extraction, graph, judging, memory_bank, wholes
from walkdown.training.choosing import Candidate
from walkdown.training.crossfit import Judged
from walkdown.training.judging import Banks
from walkdown.training.planting import worst_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from walkdown.evaluate.threshold import Threshold
    from walkdown.training.extraction import Image

LOOK = Candidate(InputSize(choosing.MIN_SIDE_PX, graph.MULTIPLE_PX), choosing.WIDE)
CELLS, ROWS, WORST_PCT = 144, 200, 1.0
"""Of each photograph and of each bank: enough to rank photographs, and cheap to do 500 times."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The normal photographs of one set: some patches of each, extracted once."""

    name: str
    images: tuple[Image, ...]
    channels: tuple[int, ...]

    def judged(
        self, training: Sequence[int], new: Sequence[int], *, folds: int, seed: int
    ) -> tuple[list[float], list[float], tuple[int, ...]]:
        """Raw scores: of training images by judges without them, of new ones by that of all.

        The third are the training images, by place, that are unlike all others: as in a training,
        they are told by the bank alone.
        """
        held_out, fresh = self._by_banks(training, new, folds=folds, seed=seed)
        odd = odd_ones(held_out)
        vectors = [self.images[i].wholes for i in training]
        learned = wholes.components(np.concatenate(vectors))
        left = wholes.held_out(vectors)
        normal = [Judged("", (raw,), left[at]) for at, raw in enumerate(held_out)]
        whole = wholes.weighed(learned, normal, memory_bank.whole_channels(LOOK))
        later = [
            Judged("", (raw,), learned.left_over(self.images[i].wholes[0]) if learned else None)
            for i, raw in zip(new, fresh, strict=True)
        ]
        known, unknown = (wholes.judged(whole, some) for some in (normal, later))
        return [one.raw[0] for one in known], [one.raw[0] for one in unknown], tuple(odd)

    def _by_banks(
        self, training: Sequence[int], new: Sequence[int], *, folds: int, seed: int
    ) -> tuple[list[float], list[float]]:
        banks = Banks(self.channels, ROWS, seed)
        held_out: dict[int, float] = {}
        for fold in range(folds):
            without = [i for at, i in enumerate(training) if at % folds != fold]
            held = training[fold::folds]
            held_out |= dict(zip(held, self._scores(banks, without, held), strict=True))
        return [held_out[i] for i in training], self._scores(banks, training, new)

    def _scores(self, banks: Banks, inside: Sequence[int], of: Sequence[int]) -> list[float]:
        judge, _ = banks.choose(np.concatenate([self.images[i].patches for i in inside]))
        session = judging.open_judge(judge)
        worst = worst_count(CELLS, WORST_PCT)
        return [raw_score(judging.values(session, self.images[i].patches), worst) for i in of]


@dataclass(frozen=True, slots=True)
class Split:
    """One resplit: what was told, and what came.

    ``bias`` is the share of alarms seen less the one that ranks alone let expect, None where the
    threshold lies beyond all ranks. ``new_above`` is how often a new image scores above a held-out
    one: 0.5 if cross-fitting is fair, less if it is cautious.
    """

    set: str
    folds: int
    images: int
    new: int
    supported: bool
    seen: float
    inside_new: bool
    inside_rate: bool
    width_new: float
    width_rate: float
    width_exact: float
    bias: float | None
    new_above: float


def pool_of(folder: Path, *, seed: int) -> Pool:
    """All normal photographs of a set, exact copies once."""
    files = [f for part in ("train", "test") for f in sorted((folder / part / "good").iterdir())]
    work = extraction.Work(
        extractor=memory_bank.extractor_of(LOOK, load),
        quota=CELLS,
        seed=seed,
        workers=2,
        progress=Silent(),
    )
    images, left_out = extraction.extract([ref(file) for file in files], work)
    print(f"{folder.name}: {len(images)} normal, {len(left_out)} left out", file=sys.stderr)
    return Pool(folder.name, tuple(images), memory_bank.channels(LOOK))


def resplit(pool: Pool, number: int, *, share: float, budget: float, folds: int) -> Split:
    """Split a pool by chance, fit on one part and look at the other."""
    order = np.random.default_rng((number, len(pool.images))).permutation(len(pool.images))
    cut = round(share * len(order))
    training, new = order[:cut].tolist(), order[cut:].tolist()
    held_out, fresh, odd = pool.judged(training, new, folds=folds, seed=number)
    threshold = from_false_alarms(
        [score for i, score in enumerate(held_out) if i not in odd],
        budget,
        set_aside=[held_out[i] for i in odd],
    )
    seen = mean(score >= threshold.value for score in fresh)
    low, high = threshold.expected(len(fresh))
    return Split(
        set=pool.name,
        folds=folds,
        images=len(training),
        new=len(fresh),
        supported=threshold.supported,
        seen=seen,
        inside_new=low <= seen <= high,
        inside_rate=threshold.low <= seen <= threshold.high,
        width_new=high - low,
        width_rate=threshold.high - threshold.low,
        width_exact=_exact_width(threshold),
        bias=seen - _expected(threshold) if threshold.supported else None,
        new_above=auroc(held_out, fresh),
    )


def _expected(threshold: Threshold) -> float:
    """The mean rate of a cut half way between two ranks, or just above the last."""
    above = threshold.alarms + (0.5 if threshold.alarms else 1.0)
    return above / (threshold.images + 1)


def _exact_width(threshold: Threshold) -> float:
    """Of the two-sided 95 % interval of Beta(n + 1 - k, k), the rate above the k-th of n scores."""
    from scipy.stats import beta  # type: ignore[import-untyped]

    above, n = threshold.alarms, threshold.images
    low, high = beta.ppf([0.025, 0.975], above + 1, n - above)
    return float(high - low)


COLUMNS = ("set", "folds", "splits", "fitted on", "new", "budget supported", "seen %",
           "inside, new images", "inside, rate", "width new / Beta", "width rate / Beta",
           "seen - expected, points", "new above held-out")  # fmt: skip


def row(name: str, splits: Sequence[Split]) -> tuple[str, ...]:
    """The figures of some splits of one set, or of all of them."""
    biases = [s.bias for s in splits if s.bias is not None]
    return (
        name,
        str(splits[0].folds),
        str(len(splits)),
        _range(s.images for s in splits),
        _range(s.new for s in splits),
        f"{mean(s.supported for s in splits):.0%}",
        f"{100 * mean(s.seen for s in splits):.2f}",
        f"{mean(s.inside_new for s in splits):.1%}",
        f"{mean(s.inside_rate for s in splits):.1%}",
        f"{median(s.width_new / s.width_exact for s in splits):.2f}",
        f"{median(s.width_rate / s.width_exact for s in splits):.2f}",
        f"{100 * mean(biases):+.2f}" if biases else "",
        f"{mean(s.new_above for s in splits):.3f}",
    )


def table(splits: Sequence[Split], folds: Sequence[int], names: Sequence[str]) -> str:
    """A line for each set, and for all of them, at each number of folds."""
    lines = []
    for count in folds:
        for name in names:
            some = [s for s in splits if s.folds == count and name in (s.set, "all")]
            lines.append(row(name, some))
    return markdown(COLUMNS, lines)


def _range(counts: Iterable[int]) -> str:
    every = sorted(set(counts))
    return str(every[0]) if len(every) == 1 else f"{every[0]} to {every[-1]}"


def main() -> None:
    """Resplit every set and print a table; with --json FILE also each split."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--sets", nargs="*", default=list(SETS), help="only these sets")
    parser.add_argument("--resplits", type=int, default=100, help="of each set")
    parser.add_argument("--share", type=float, default=0.4, help="of the pool to fit on")
    parser.add_argument("--budget", type=float, default=0.05, help="false alarms, 0..1")
    parser.add_argument("--folds", type=int, nargs="*", default=[5], help="of the cross-fitting")
    parser.add_argument("--json", type=Path, help="write each split here")
    parser.add_argument("--page", type=Path, help="put the table between the marks of this page")
    args = parser.parse_args()
    splits: list[Split] = []
    for name in args.sets:
        pool, began = pool_of(args.data / name, seed=0), time.process_time()
        for folds in args.folds:
            splits += [
                resplit(pool, i, share=args.share, budget=args.budget, folds=folds)
                for i in range(args.resplits)
            ]
        each = (time.process_time() - began) / (args.resplits * len(args.folds))
        print(f"{name}: {each:.2f} s of processor a split", file=sys.stderr)
    text = table(splits, args.folds, [*args.sets, "all"])
    print(text)
    if args.page:
        put(args.page, FALSE_ALARMS, f"{text}\n\n{about(machine())}")
    if args.json:
        args.json.write_text(json.dumps([asdict(s) for s in splits], indent=1) + "\n")


if __name__ == "__main__":
    main()
