"""What a few labelled anomalies are worth: `make labelled`.

Of each set's anomalies k = min(10, half) are drawn by a seed and learned from; the others are
judged with test/good. What does not depend on the draw is made once for a set: what planted defects
choose, how each way to look tells every anomaly from normal photographs, each photograph's patches,
each bank. All that depends on the drawn anomalies goes through the training's own steps: the choice
of how to look, cross-fitting, the choice of the head's weight, the final judge. The first draw is
also made by a whole training and its model: "off by" is the greatest difference of raw scores
between the two.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.bench import SETS, machine
from benchmarks.pages import LABELLED, about, markdown, put
from benchmarks.photographs import load, ref

from walkdown.app.training import train
from walkdown.app.versions import open_version
from walkdown.cli.progress import Silent
from walkdown.evaluate.metrics import auroc
from walkdown.parallel import ordered_map
from walkdown.training import (
    anomalies,
    choosing,
    crossfit,
    judging,
    memory_bank,
    preferring,
    wholes,
)
from walkdown.training.anomalies import Labelled
from walkdown.training.crossfit import Learned, Looker
from walkdown.training.extraction import Work, extract
from walkdown.training.memory_bank import _evaluate as evaluated
from walkdown.wiring import open_workspace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from walkdown.models.graphs.session import Session
    from walkdown.models.whole import Whole
    from walkdown.training import graph
    from walkdown.training.choosing import Candidate, Choice
    from walkdown.training.memory_bank import Course, Options
    from walkdown.training.preferring import Told
    from walkdown.types import ImageRef

    Files = tuple[Path, ...]

MOST, DRAWS, WORKERS = 10, 20, 2


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw of anomalies: AUROC on the rest, and the weight that their head was given.

    ``alone`` is the AUROC on the same photographs without any head of labelled anomalies. ``raw``
    are the raw scores of test/good and of the rest.
    """

    set: str
    seed: int
    learned: int
    auroc: float
    alone: float
    weight: float
    raw: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Photographs:
    """Where the photographs of one set lie."""

    normal: Files
    good: Files
    bad: Files

    @classmethod
    def of(cls, folder: Path, defects: Sequence[str]) -> Photographs:
        """From the MVTec layout."""
        train_good, test_good, *bad = (
            tuple(sorted((folder / part).iterdir()))
            for part in ("train/good", "test/good", *(f"test/{kind}" for kind in defects))
        )
        return cls(train_good, test_good, tuple(file for kind in bad for file in kind))

    def drawn(self, seed: int) -> tuple[list[int], list[int]]:
        """The numbers of the anomalies to learn from, and of those to judge."""
        order = np.random.default_rng((seed, len(self.bad))).permutation(len(self.bad)).tolist()
        count = min(MOST, len(order) // 2)
        return sorted(order[:count]), sorted(order[count:])


@dataclass(slots=True)
class Remembered:
    """A session that runs each image once; onnxruntime may run two at a time."""

    session: Session
    found: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]
    ) -> list[NDArray[np.float32]]:
        """What came the first time."""
        image = np.ascontiguousarray(inputs["image"])
        key = hashlib.sha256(image.tobytes() + repr((image.shape, *outputs)).encode()).hexdigest()
        if key not in self.found:
            self.found[key] = self.session.run(outputs, inputs)
        return self.found[key]


@dataclass(frozen=True, slots=True)
class Set:
    """All that is the same in every draw of one set."""

    name: str
    files: Photographs
    course: Course
    work: Work
    options: Options
    judges: dict[tuple[int, ...], graph.Judge] = field(default_factory=dict)

    def learn(self, course: Course, normal: Sequence[int], bad: Sequence[int]) -> Learned:
        """As `Course.learn`, with what does not depend on anomalies made once."""
        pool, key = np.concatenate([course.images[i].patches for i in normal]), tuple(normal)
        if key not in self.judges:
            self.judges[key], _ = course.banks.choose(pool)
        lesson = course.lesson(self.judges[key], pool, bad)
        return Learned(self.judges[key], lesson, course.whole(normal))

    def draw(self, seed: int) -> Draw:
        """Learn from some anomalies, judge the others and test/good."""
        chosen, rest = self.files.drawn(seed)
        course = replace(self.course, anomalies=[self.course.anomalies[i] for i in chosen])
        normal, bad = crossfit.cross_fit(
            [image.ref for image in course.images],
            [anomaly.ref for anomaly in course.anomalies],
            lambda normal, bad: self.learn(course, normal, bad),
            self.work,
            worst_cells=course.worst_cells,
            folds=self.options.folds,
            at_most=self.options.calibrate,
            channels=course.channels,
        )
        everything = self.learn(course, range(len(course.images)), range(len(chosen)))
        normal = memory_bank.as_wholes(normal, course)
        whole = wholes.weighed(everything.whole, normal, course.channels)
        normal, bad = wholes.judged(whole, normal), wholes.judged(whole, bad)
        evaluation, at = evaluated(normal, bad)
        assert evaluation is not None
        good, rest_raw = (
            self._raw(everything, whole, [ref(f) for f in files])
            for files in (self.files.good, [self.files.bad[i] for i in rest])
        )
        told, alone = (auroc([g[w] for g in good], [b[w] for b in rest_raw]) for w in (at, 0))
        raw = tuple(scores[at] for scores in (*good, *rest_raw))
        return Draw(self.name, seed, len(chosen), told, alone, evaluation.weight, raw)

    def _raw(
        self, learned: Learned, whole: Whole | None, refs: Sequence[ImageRef]
    ) -> list[tuple[float, ...]]:
        session = judging.open_judge(learned.judge)
        looker = Looker(
            self.work.extractor, session, learned, self.course.worst_cells, self.course.channels
        )
        photo = self.work.extractor.photo
        found = list(ordered_map(lambda one: looker(photo(one)), refs, workers=WORKERS))
        return [one.raw for one in wholes.judged(whole, found)]


@dataclass(slots=True)
class Ways:
    """What every draw chooses from: how each way to look tells all anomalies, and what it makes."""

    name: str
    files: Photographs
    choice: Choice
    told: list[Told]
    sets: dict[Candidate, Set] = field(default_factory=dict)

    def draw(self, seed: int) -> Draw:
        """Choose by the drawn anomalies, then learn from them."""
        chosen, _ = self.files.drawn(seed)
        names = {ref(self.files.bad[i]).name for i in chosen}
        told = [
            replace(one, anomalies=one.anomalies[[name in names for name in one.names]])
            for one in self.told
        ]
        choice = preferring.decide(self.choice, told)
        if len(names) < preferring.MIN_ANOMALIES:
            choice = self.choice
        if choice.candidate not in self.sets:
            options = memory_bank.Options()
            self.sets[choice.candidate] = prepare(self.name, self.files, choice, options)
        return self.sets[choice.candidate].draw(seed)


def ways(name: str, files: Photographs) -> Ways:
    """Choose by planted defects, then judge all anomalies in every way that comes in question."""
    options = memory_bank.Options()
    refs = [ref(file) for file in files.normal]
    typical = memory_bank.typical_px(refs, load)
    first = memory_bank.extractor_of(choosing.first_sensible(typical), load)
    work = Work(first, 1, options.seed, WORKERS, Silent())
    choice = choosing.choose(
        refs, lambda c: memory_bank.extractor_of(c, load), work, typical_px=typical
    )
    normal = choosing.some(choosing.distinct(refs, work), choosing.first_sensible(typical))
    bad = [ref(file) for file in files.bad]
    told = [
        preferring.tell(c, normal, bad, options.work(c, refs, load, work), options.banks(c))
        for c in preferring.ways(choice.candidate, typical)
    ]
    return Ways(name, files, choice, told)


def prepare(name: str, files: Photographs, choice: Choice, options: Options) -> Set:
    """What `memory_bank.fit` does before it looks at anomalies; and all anomalies, looked at."""
    refs = [ref(file) for file in files.normal]
    extractor = memory_bank.extractor_of(choice.candidate, load)
    depth = memory_bank.depth(choice.candidate)
    quota = max(1, options.pool_numbers // depth // len(refs))
    work = Work(extractor, quota, options.seed, WORKERS, Silent(), choice.copies)
    images, _ = extract(refs, work)
    course = memory_bank.Course(images, [], choice, options.banks(choice.candidate))
    work = replace(work, extractor=replace(extractor, session=Remembered(extractor.session)))
    one = Set(name, files, course, work, options)
    labelled = [Labelled(ref(file)) for file in files.bad]
    judge = one.learn(course, range(len(images)), []).judge
    found, left_out = anomalies.extract(labelled, judge, work)
    if left_out:
        raise ValueError(f"{name}: anomalies that can't be drawn from: {left_out}")
    return replace(one, course=replace(course, anomalies=found))


def product(files: Photographs, seed: int) -> tuple[list[float], Choice]:
    """A whole training with one draw: its model's raw scores of test/good and of the rest."""
    chosen, rest = files.drawn(seed)
    with tempfile.TemporaryDirectory() as home:
        app = open_workspace(home)
        trained = train(
            app,
            "labelled",
            normal=[str(file) for file in files.normal],
            anomaly=[str(files.bad[i]) for i in chosen],
            progress=Silent(),
        )
        model = open_version(app, trained.version)
        files_left = [*files.good, *(files.bad[i] for i in rest)]
        photos = [load(ref(file), model.info.input_px) for file in files_left]
        raw = [_raw_score(model.predict([photo])[0]) for photo in photos]
    return raw, trained.choice


def _raw_score(prediction: Any) -> float:
    if prediction.raw_score is None:
        raise ValueError(prediction.error)
    return float(prediction.raw_score)


@dataclass(frozen=True, slots=True)
class Outcome:
    """All draws of a set; how far the first is from a whole training's raw scores, at most."""

    name: str
    draws: tuple[Draw, ...]
    off: float


HEAD = ("set", "k", "draws", "AUROC", "95 % interval", "least", "greatest", "without",
        "weights", "off by")  # fmt: skip


def row(outcome: Outcome) -> list[str]:
    """The figures of one set."""
    found = [draw.auroc for draw in outcome.draws]
    low, high = interval(found)
    weights = [draw.weight for draw in outcome.draws]
    counts = [f"{weights.count(w)} x {w:g}" for w in sorted(set(weights))]
    return [
        outcome.name,
        str(outcome.draws[0].learned),
        str(len(found)),
        f"{mean(found):.4f}",
        f"{low:.4f} to {high:.4f}",
        f"{min(found):.4f}",
        f"{max(found):.4f}",
        f"{mean(draw.alone for draw in outcome.draws):.4f}",
        ", ".join(counts),
        f"{outcome.off:.0e}",
    ]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval of the mean, cut off at 1."""
    from scipy.stats import t  # type: ignore[import-untyped]

    if len(values) < 2:
        return 0.0, 1.0
    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return mean(values) - half, min(1.0, mean(values) + half)


def measure(name: str, folder: Path, draws: int) -> Outcome:
    """One set."""
    began = time.perf_counter()
    files = Photographs.of(folder, SETS[name])
    whole, choice = product(files, 0)
    spent = time.perf_counter() - began
    print(f"{name}: whole training {spent:.0f} s, {choice.candidate.name}", file=sys.stderr)
    every = ways(name, files)
    found = tuple(every.draw(seed) for seed in range(draws))
    looks = "; ".join(candidate.name for candidate in every.sets)
    print(f"{name}: {time.perf_counter() - began:.0f} s in all, {looks}", file=sys.stderr)
    return Outcome(name, found, float(np.abs(np.subtract(whole, found[0].raw)).max()))


def text_of(outcomes: Sequence[Outcome]) -> str:
    """The table, and the mean over the sets."""
    over = mean(mean(draw.auroc for draw in outcome.draws) for outcome in outcomes)
    table = markdown(HEAD, [row(outcome) for outcome in outcomes])
    return f"{table}\n\nMean over {len(outcomes)} sets: {over:.4f}"


def main() -> None:
    """Measure every set and print a table; with --json FILE also each draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--sets", nargs="*", default=list(SETS), help="only these sets")
    parser.add_argument("--draws", type=int, default=DRAWS, help="of each set")
    parser.add_argument("--json", type=Path, help="write each draw here")
    parser.add_argument("--page", type=Path, help="put the table between the marks of this page")
    args = parser.parse_args()
    outcomes = [measure(name, args.data / name, args.draws) for name in args.sets]
    text = text_of(outcomes)
    print(text)
    if args.page:
        put(args.page, LABELLED, f"{text}\n\n{about(machine())}")
    if args.json:
        args.json.write_text(json.dumps([asdict(o) for o in outcomes], indent=1) + "\n")


if __name__ == "__main__":
    main()
