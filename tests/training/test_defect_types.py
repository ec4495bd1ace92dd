from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from walkdown.errors import TrainingError
from walkdown.training import defect_types
from walkdown.training.defect_types import OTHER, Classes, fit_classes
from walkdown.training.head import shrunk

Floats = NDArray[np.float32]
DEPTH = 30
CENTRES = {
    "crack": 4.0 * np.eye(DEPTH)[0],
    "stain": 4.0 * np.eye(DEPTH)[1],
    "hole": np.zeros(DEPTH),
}


def some(members: dict[str, int], *, seed: int = 0) -> tuple[Floats, list[str]]:
    """So many vectors of each class, around its centre."""
    rng = np.random.default_rng(seed)
    names = [name for name, count in members.items() for _ in range(count)]
    centres = np.array([CENTRES[name] for name in names])
    return (centres + rng.normal(size=centres.shape)).astype(np.float32), names


def fitted(members: dict[str, int], *, seed: int = 0) -> Classes:
    return fit_classes(*some(members, seed=seed))


def named_rightly(classes: Classes, vectors: Floats, names: Sequence[str]) -> float:
    best = classes(vectors).argmax(axis=1)
    return float(np.mean([classes.names[b] == name for b, name in zip(best, names, strict=True)]))


def test_types_are_named_whatever_their_share() -> None:
    classes = fitted({"crack": 40, "stain": 8, "hole": 15})
    unseen = some({"crack": 100, "stain": 100, "hole": 100}, seed=1)
    assert classes.names == ("crack", "hole", "stain")
    assert named_rightly(classes, *unseen) > 0.9


def test_probabilities_mean_what_they_say() -> None:
    """Of what is named with a mean probability p, a share p is right: within a few percent."""
    classes = fitted({"crack": 20, "stain": 20, "hole": 20})
    vectors, names = some({"crack": 300, "stain": 300, "hole": 300}, seed=1)
    near = (0.4 * vectors + 0.3 * np.random.default_rng(2).normal(size=vectors.shape)).astype("f4")
    probabilities = classes(vectors)
    assert probabilities.shape == (900, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    said = float(probabilities.max(axis=1).mean())
    assert said == pytest.approx(named_rightly(classes, vectors, names), abs=0.06)
    assert classes(near).max(axis=1).mean() < said


def test_what_is_like_no_type_is_other() -> None:
    classes = fitted({"crack": 20, "stain": 20, "hole": 20})
    known, _ = some({"crack": 100, "stain": 100, "hole": 100}, seed=1)
    far = known.copy()
    far[:, 7] += 12
    assert classes.is_other(known).mean() < 0.06
    assert classes.is_other(far).mean() > 0.94
    assert classes.name(far[:1]) == [OTHER]
    assert classes.name(known[:1]) == ["crack"]


@pytest.mark.parametrize("members", [{"crack": 2, "stain": 1}, {"crack": 3, "stain": 2, "hole": 1}])
def test_types_of_one_or_two_members_still_know_their_like(members: dict[str, int]) -> None:
    known, names = some(dict.fromkeys(members, 60), seed=1)
    hits, others, strays = [], [], []
    for seed in range(8):
        classes = fitted(members, seed=seed)
        hits.append(named_rightly(classes, known, names))
        others.append(classes.is_other(known).mean())
        strays.append(classes.is_other(known + 40 * np.eye(DEPTH, dtype=np.float32)[9]).mean())
    assert np.mean(hits) > 0.6
    assert np.mean(others) < 0.35
    assert np.mean(strays) > 0.95


def test_where_every_type_has_one_member_half_the_way_between_two_is_the_limit() -> None:
    vectors = np.array([[0, 0], [4, 0], [0, 10]], dtype=np.float32)
    classes = fit_classes(vectors, ["a", "b", "c"])
    assert classes.accuracy is None
    points = np.array([[0, -1.9], [0, -2.1], [4, 1.9], [4, 2.1]], dtype=np.float32)
    assert classes.is_other(points).tolist() == [False, True, False, True]
    assert classes.name(points[[0, 2]]) == ["a", "b"]


def test_a_single_defect_names_all_the_same_and_nothing_other() -> None:
    classes = fit_classes(np.ones((1, 4), dtype=np.float32), ["dent"])
    far = np.full((2, 4), 100, dtype=np.float32)
    assert classes.name(far) == ["dent", "dent"]
    assert classes(far).tolist() == [[1.0], [1.0]]


def test_the_same_defect_given_twice_is_no_trouble() -> None:
    vectors = np.repeat(np.eye(2, 5, dtype=np.float32), 2, axis=0)
    classes = fit_classes(vectors, ["a", "a", "b", "b"])
    assert classes.name(vectors) == ["a", "a", "b", "b"]


def test_leaving_one_out_in_closed_form_is_leaving_one_out() -> None:
    """The distances of each vector are those by a covariance and means made without it."""
    vectors, names = some({"crack": 4, "stain": 3, "hole": 6})
    wide, shrinkage = vectors.astype(np.float64), 0.4
    order, own = np.unique(names, return_inverse=True)

    def means(keep: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.stack([wide[keep & (own == c)].mean(axis=0) for c in range(len(order))])

    everything = np.ones(len(wide), dtype=bool)
    residuals = wide - means(everything)[own]
    covariance = residuals.T @ residuals / len(wide)
    floor = shrunk(covariance, shrinkage) - (1 - shrinkage) * covariance
    whiten = defect_types._whitening(wide, residuals, shrinkage)
    ours = defect_types._left_out(wide @ whiten, means(everything) @ whiten, own, shrinkage)
    for at in range(len(wide)):
        keep = np.arange(len(wide)) != at
        inside = (wide - means(keep)[own])[keep]
        inverse = np.linalg.inv((1 - shrinkage) * inside.T @ inside / len(wide) + floor)
        way = wide[at] - means(keep)
        np.testing.assert_allclose(ours[at], np.einsum("cd,de,ce->c", way, inverse, way), rtol=1e-6)


def test_accuracy_is_that_of_left_out_members() -> None:
    apart = fitted({"crack": 20, "stain": 20}).accuracy
    vectors, names = some({"crack": 20, "stain": 20})
    mixed = fit_classes(vectors, list(np.random.default_rng(3).permutation(names))).accuracy
    assert apart is not None
    assert mixed is not None
    assert apart > 0.9
    assert mixed < 0.75


def test_types_and_defects_must_be_as_many() -> None:
    with pytest.raises(TrainingError, match="1 defect types were given for 2 labelled"):
        fit_classes(np.ones((2, 3), dtype=np.float32), ["dent"])
