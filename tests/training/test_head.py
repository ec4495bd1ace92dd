import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from walkdown.training import head
from walkdown.training.head import fit_linear

Floats = NDArray[np.float32]


def cells(count: int, *, seed: int, depth: int = 24) -> Floats:
    return np.random.default_rng(seed).standard_normal((count, depth), dtype=np.float32)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_without_shrinkage_the_discriminant_is_that_of_scikit_learn(seed: int) -> None:
    """Which weighs the covariances by the groups' shares, as pooling the cells does."""
    normal, defective = cells(90, seed=seed, depth=6), 2 * cells(90, seed=seed + 1, depth=6) + 0.5
    x = np.concatenate([normal, defective])
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(x, np.repeat([0, 1], 90))
    ours = fit_linear(normal, defective, shrinkage=0.0)
    np.testing.assert_allclose(ours(x), theirs.decision_function(x), rtol=1e-3, atol=1e-3)


@given(st.floats(0.0, 1.0), st.integers(1, 40), st.integers(2, 40))
@settings(max_examples=25, deadline=None)
def test_a_shrunk_covariance_keeps_its_trace_and_can_be_inverted(
    shrinkage: float, rows: int, depth: int
) -> None:
    """Even of fewer rows than channels, where the covariance itself is singular."""
    some = cells(rows, seed=rows, depth=depth).astype(np.float64)
    covariance = some.T @ some / rows
    result = head.shrunk(covariance, shrinkage)
    assert np.trace(result) == pytest.approx(np.trace(covariance), rel=2e-6)
    least = np.linalg.eigvalsh(result).min()
    assert least >= max(shrinkage, 1e-6) * np.trace(covariance) / depth * 0.99


def test_shrunk_all_the_way_the_weights_point_from_mean_to_mean() -> None:
    normal, defective = cells(400, seed=1), cells(30, seed=2) * 0.3 + 1
    weights = fit_linear(normal, defective, shrinkage=1.0).weights
    way = defective.mean(axis=0) - normal.mean(axis=0)
    assert weights @ way / np.linalg.norm(weights) / np.linalg.norm(way) == pytest.approx(
        1, abs=1e-5
    )


def test_one_defective_cell_is_enough_for_a_plane() -> None:
    fitted = fit_linear(cells(100, seed=1), np.full((1, 24), 2, dtype=np.float32))
    assert (fitted(cells(300, seed=2) + 2) > 0).mean() > 0.95
    assert (fitted(cells(300, seed=3)) < 0).mean() > 0.95


def test_sizes_of_groups_do_not_move_the_bound() -> None:
    """One covariance for both: ten times the normal cells change hardly anything."""
    many, few = cells(5000, seed=1), cells(50, seed=2)
    fitted = fit_linear(many, few + 1)
    assert (fitted(cells(2000, seed=3)) > 0).mean() == pytest.approx(
        (fitted(cells(2000, seed=4) + 1) < 0).mean(), abs=0.03
    )


def test_channels_that_never_vary_are_no_trouble() -> None:
    normal, defective = cells(50, seed=1), cells(20, seed=2) + 1
    normal[:, 5] = defective[:, 5] = 0
    assert np.isfinite(fit_linear(normal, defective, shrinkage=0.0)(normal)).all()
