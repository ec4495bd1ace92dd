from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from walkdown.errors import TrainingError
from walkdown.training import graph, judging, memory_bank
from walkdown.training.anomalies import Anomaly, Labelled
from walkdown.training.choosing import Choice, first_sensible
from walkdown.training.crossfit import WEIGHTS, Judged
from walkdown.training.extraction import Image
from walkdown.training.memory_bank import Fit, Options
from walkdown.types import ImageRef

if TYPE_CHECKING:
    from tests.training.conftest import Shelf, Silence

Draw = Callable[..., NDArray[np.uint8]]
Train = Callable[..., Fit]

SMALL = {"wide_bank": 100, "fine_bank": 100, "pool_numbers": 1_500_000}


@pytest.fixture
def train(shelf: Shelf, silence: Silence) -> Train:
    def fit(refs: list[ImageRef], labelled: list[Labelled] | None = None, **options: object) -> Fit:
        how = Options(**{"fast": True, **SMALL, **options})  # type: ignore[arg-type]
        return memory_bank.fit(
            refs, shelf.load, options=how, workers=2, progress=silence, labelled=labelled or ()
        )

    return fit


def ref(name: str) -> ImageRef:
    return ImageRef(f"memory:{name}", "1", name, name)


def marked(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    changed = pixels.copy()
    changed[60:100, 60:100] = 230
    return changed


def test_an_odd_photograph_is_not_excused_by_itself(
    train: Train, shelf: Shelf, weave: Draw
) -> None:
    """A bank that held anything of what it judges would find nothing odd in it."""
    refs = [shelf.add(f"{i}", weave(i)) for i in range(9)]
    refs.append(shelf.add("odd", marked(weave(99))))
    fit = train(refs)
    assert fit.images == len(fit.calibration.scores) == 10
    assert fit.calibration.scores[-1] > 2.0 * fit.calibration.scores[-2]
    assert fit.choice == Choice(first_sensible(192.0))


def test_copies_of_an_odd_photograph_do_not_excuse_it(
    train: Train, shelf: Shelf, weave: Draw
) -> None:
    refs = [shelf.add(f"{i}", weave(i)) for i in range(5)]
    refs.append(shelf.add("odd", marked(weave(99))))
    fit = train(refs, choice=Choice(first_sensible(192.0), copies=("180 degrees",)))
    assert fit.calibration.scores[-1] > 1.5 * fit.calibration.scores[-2]
    assert fit.artefact.card["choice"]["copies"] == ["180 degrees"]


def test_a_course_learns_of_nothing_else_than_it_is_given() -> None:
    """Every photograph and anomaly has a number of its own in its patches."""
    facts, rng = first_sensible(192.0), np.random.default_rng(0)
    depth = memory_bank.depth(facts)

    def cells(number: float) -> NDArray[np.float32]:
        return (number + 0.01 * rng.normal(size=(20, depth))).astype(np.float32)

    images = [
        Image(ref(f"{i}"), f"{i}", 20, cells(10.0 * i), np.zeros((20, 4), np.int32))
        for i in range(6)
    ]
    anomalies = [Anomaly(ref(f"a{i}"), f"a{i}", None, cells(500.0 + 10 * i)) for i in range(4)]
    banks = judging.Banks(memory_bank.channels(facts), 30, 0)

    def learned(changed: int) -> bytes:
        """All that was learned of the others, where what is held out is another each time."""
        course = memory_bank.Course(
            [replace(images[0], patches=cells(changed)), *images[1:]],
            [replace(anomalies[0], defective=cells(changed)), *anomalies[1:]],
            Choice(facts),
            banks,
        )
        found = course.learn([1, 2, 3, 4, 5], [1, 2, 3])
        assert found.lesson is not None
        return graph.judge(replace(found.judge, head=found.lesson))

    # Of either sign: heads cut off what is far.
    assert learned(-9000) == learned(9000)


def test_the_same_photographs_make_the_same_model(train: Train, shelf: Shelf, weave: Draw) -> None:
    refs = [shelf.add(f"{i}", weave(i)) for i in range(6)]
    one = train(refs).artefact.digest
    assert train(refs).artefact.digest == one != train(refs, seed=1).artefact.digest


def test_labelled_anomalies_are_told_apart_and_named(
    train: Train, shelf: Shelf, weave: Draw
) -> None:
    refs = [shelf.add(f"{i}", weave(i)) for i in range(6)]
    odd = [Labelled(shelf.add(f"a{i}", marked(weave(50 + i))), "hole") for i in range(4)]
    fit = train(refs, odd)
    assert fit.evaluation is not None
    assert (fit.evaluation.anomalies, fit.evaluation.auroc) == (4, 1.0)
    assert fit.evaluation.weight == 0.0
    assert fit.artefact.card["types"] == ["hole"]


def test_photographs_are_never_too_few_without_saying_why(
    train: Train, shelf: Shelf, weave: Draw
) -> None:
    refs = [shelf.add(f"{i}", weave(0)) for i in range(6)]
    with pytest.raises(TrainingError, match=r"1 normal photographs.*exact copy"):
        train(refs)
    refs = [shelf.add(f"{i}", weave(i)) for i in range(5)]
    with pytest.raises(TrainingError, match=r"none of the anomalous.*not an image"):
        train(refs, [Labelled(shelf.add("broken", None))])


def judged(raw: NDArray[np.float64]) -> list[Judged]:
    return [Judged(str(i), tuple(row)) for i, row in enumerate(raw.tolist())]


def chosen(normal: NDArray[np.float64], bad: NDArray[np.float64]) -> float:
    evaluation, at = memory_bank._evaluate(judged(normal), judged(bad))
    assert evaluation is not None
    assert evaluation.weight == WEIGHTS[at]
    return evaluation.weight


def weighted(rng: np.random.Generator, count: int, off: float, said: float) -> NDArray[np.float64]:
    """Scores at each weight: a distance, and what a head adds to it."""
    distance, said_by = rng.normal(10.0 + off, 1, (count, 1)), rng.normal(said, 1, (count, 1))
    scores: NDArray[np.float64] = distance + said_by * np.array(WEIGHTS)
    return scores


@pytest.mark.parametrize(("normal", "bad"), [(20, 5), (50, 10), (200, 10)])
def test_labels_that_say_nothing_get_little_say(normal: int, bad: int) -> None:
    rng = np.random.default_rng(0)
    weights = [chosen(weighted(rng, normal, 0, 0), weighted(rng, bad, 1, 0)) for _ in range(60)]
    assert weights.count(0.0) >= 30, weights.count(0.0)
    assert sum(weight > 0.25 for weight in weights) <= 12, sorted(weights)


@pytest.mark.parametrize(("normal", "bad"), [(50, 10), (200, 10)])
def test_labels_that_help_get_a_say(normal: int, bad: int) -> None:
    rng = np.random.default_rng(0)
    weights = [chosen(weighted(rng, normal, 0, 0), weighted(rng, bad, 0.5, 3)) for _ in range(30)]
    assert weights.count(0.0) <= 2
