import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from walkdown.training import head
from walkdown.training.head import CLIP, fit_linear, fit_mlp

Floats = NDArray[np.float32]


def cells(count: int, *, seed: int, depth: int = 24) -> Floats:
    return np.random.default_rng(seed).standard_normal((count, depth), dtype=np.float32)


def either_side(count: int, *, seed: int) -> Floats:
    """Cells off the middle in one channel, half up and half down: no plane cuts them off."""
    drawn = cells(count, seed=seed)
    drawn[:, 3] = 4.0 * np.where(np.arange(count) % 2, 1, -1)
    return drawn


def right(function: head.Mlp | head.Linear, normal: Floats, defective: Floats) -> float:
    """Share on the right side of the best single bound."""
    bad, good = function(defective), function(normal)
    bounds = np.quantile(np.concatenate([bad, good]), np.linspace(0, 1, 101))
    return max(float(((bad > b).mean() + (good <= b).mean()) / 2) for b in bounds)


def test_the_hidden_layer_learns_what_no_plane_can_tell() -> None:
    fitted = fit_mlp(
        cells(3000, seed=1), either_side(600, seed=2), rng=np.random.default_rng(0), steps=150
    )
    unseen = cells(1000, seed=3), either_side(1000, seed=4)
    assert right(fitted, *unseen) > 0.93
    assert right(fit_linear(cells(3000, seed=1), either_side(600, seed=2)), *unseen) < 0.6


def test_few_defective_cells_are_not_drowned_by_many_normal_ones() -> None:
    fitted = fit_mlp(
        cells(5000, seed=1), cells(12, seed=2) + 2.5, rng=np.random.default_rng(0), steps=150
    )
    assert (fitted(cells(500, seed=3) + 2.5) > 0).mean() > 0.95
    assert (fitted(cells(500, seed=4)) < 0).mean() > 0.95


def test_one_seed_gives_one_head() -> None:
    first, again, other = (
        fit_mlp(cells(300, seed=1), cells(60, seed=2) + 1, rng=np.random.default_rng(s), steps=5)
        for s in (1, 1, 2)
    )
    assert np.array_equal(first.inner, again.inner)
    assert not np.array_equal(first.inner, other.inner)


def test_noise_keeps_a_head_from_knowing_the_given_cells_by_heart() -> None:
    """Between groups that differ by chance alone, all that is learned is learned by heart."""
    normal, defective = cells(60, seed=1), cells(60, seed=2)

    def gap(noise: float) -> float:
        rng = np.random.default_rng(0)
        fitted = fit_mlp(normal, defective, rng=rng, steps=100, noise=noise)
        return float(fitted(defective).mean() - fitted(normal).mean())

    assert 0 < gap(2.0) < gap(0.0) / 2


def test_the_gradient_is_that_of_the_logistic_loss() -> None:
    rng = np.random.default_rng(0)
    layers = [
        rng.standard_normal(shape).astype(np.float64) * 0.5
        for shape in ((5, 4), (4,), (4, 1), (1,))
    ]
    x, truth = rng.standard_normal((9, 5)), (np.arange(9)[:, None] > 5).astype(float)

    def loss() -> float:
        logits = np.maximum(x @ layers[0] + layers[1], 0) @ layers[2] + layers[3]
        return float((np.logaddexp(0, logits) - truth * logits).mean())

    slopes = head._slopes(layers, x, truth)  # type: ignore[arg-type]
    for layer, slope in zip(layers, slopes, strict=True):
        for at in np.ndindex(layer.shape):
            middle, ends = layer[at], []
            for step in (1e-6, -1e-6):
                layer[at] = middle + step
                ends.append(loss())
            layer[at] = middle
            assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slope[at], abs=1e-7)


@pytest.mark.parametrize("kind", ["mlp", "linear"])
def test_a_head_is_what_its_arrays_say(kind: str) -> None:
    """What is written to ONNX gives the same logits, and takes clipped cells."""
    normal, defective, wild = cells(200, seed=1), cells(50, seed=2) + 1, 30 * cells(40, seed=3)
    clipped = np.clip(wild, -CLIP, CLIP)
    fitted: head.Mlp | head.Linear
    if kind == "mlp":
        mlp = fitted = fit_mlp(normal, defective, rng=np.random.default_rng(0), steps=20)
        inner = np.maximum(clipped @ mlp.inner + mlp.inner_bias, 0)
        expected = inner @ mlp.outer + mlp.outer_bias
    else:
        linear = fitted = fit_linear(normal, defective)
        expected = clipped @ linear.weights + linear.bias
    assert fitted(wild).dtype == np.float32
    assert fitted(wild).shape == (40,)
    np.testing.assert_allclose(fitted(wild), expected[:, 0], rtol=1e-5, atol=1e-5)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_without_shrinkage_the_discriminant_is_that_of_scikit_learn(seed: int) -> None:
    """Which weighs the covariances by the groups' shares, as pooling the cells does."""
    normal, defective = cells(90, seed=seed, depth=6), 2 * cells(90, seed=seed + 1, depth=6) + 0.5
    x = np.clip(np.concatenate([normal, defective]), -CLIP, CLIP)
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
    weights = fit_linear(normal, defective, shrinkage=1.0).weights[:, 0]
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
