"""Which of the boxes that lie over each other stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.models.graphs.boxes import corners, kept, overlaps

edges = st.integers(0, 40)
boxes = st.lists(
    st.tuples(edges, edges, st.integers(1, 20), st.integers(1, 20), st.integers(0, 100),
              st.integers(0, 2)),
    max_size=25,
)  # fmt: skip
limits = st.sampled_from([0.1, 0.45, 0.9])


def arrays(given_: list[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(given_, np.float32).reshape(-1, 6)
    placed = table[:, :4].copy()
    placed[:, 2:] += placed[:, :2]
    return placed, table[:, 4] / 100, table[:, 5].astype(np.intp)


@given(boxes, limits)
def test_what_stays_does_not_overlap_and_what_goes_does(
    given_: list[tuple[int, ...]], limit: float
) -> None:
    where, sure, what = arrays(given_)
    found = kept(where, sure, what, overlap=limit, most=1000)
    assert list(sure[found]) == sorted(sure[found], reverse=True)
    for n, i in enumerate(found):
        same = [j for j in found[:n] if what[j] == what[i]]
        assert all(overlaps(where[i], where[[j]])[0] <= limit for j in same)
    for i in set(range(len(where))) - set(found.tolist()):
        surer = [j for j in found if what[j] == what[i] and sure[j] >= sure[i]]
        assert any(overlaps(where[i], where[[j]])[0] > limit for j in surer)


@given(boxes, limits, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(given_: list[tuple[int, ...]], limit: float, by) -> None:  # type: ignore[no-untyped-def]
    # Equally sure ones are taken as they come, so none is here.
    unequal = [(*box[:4], i, box[5]) for i, box in enumerate(given_)]
    shuffled = list(unequal)
    by.shuffle(shuffled)
    chosen = []
    for each in (unequal, shuffled):
        where, sure, what = arrays(each)
        found = kept(where, sure, what, overlap=limit, most=1000)
        chosen.append([each[i] for i in found])
    assert chosen[0] == chosen[1]


def test_classes_do_not_push_each_other_aside() -> None:
    box = np.array([[0, 0, 9, 9]] * 3, np.float32)
    found = kept(box, np.array([0.5, 0.9, 0.8], np.float32), np.array([0, 1, 0]), overlap=0.5,
                 most=9)  # fmt: skip
    assert found.tolist() == [1, 2]
    assert len(kept(box, np.ones(3, np.float32), np.arange(3), overlap=0.5, most=2)) == 2


def test_overlap_is_the_share_of_both_together() -> None:
    box = np.array([0, 0, 4, 4], np.float32)
    others = np.array([[0, 0, 4, 4], [2, 0, 6, 4], [4, 4, 8, 8], [1, 1, 1, 1]], np.float32)
    assert overlaps(box, others).tolist() == pytest.approx([1.0, 8 / 24, 0.0, 0.0])


def test_corners() -> None:
    assert corners(np.array([[5, 6, 4, 2]], np.float32)).tolist() == [[3, 5, 7, 7]]
