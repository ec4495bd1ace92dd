from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from walkdown.models.bank import Head
from walkdown.models.graphs.session import open_graph
from walkdown.models.looking import InputSize
from walkdown.models.memory_bank import raw_score
from walkdown.training import choosing, graph, judging, memory_bank

Draw = Callable[..., NDArray[np.uint8]]
Patches = NDArray[np.float32]

FINE = choosing.Candidate(InputSize(128, 32), choosing.FINE)
WIDE = choosing.Candidate(InputSize(128, 32), choosing.WIDE)


def patches_of(images: NDArray[np.uint8], candidate: choosing.Candidate) -> Patches:
    whole = graph.extractor(memory_bank.trunk(candidate), candidate.features)
    found: Patches = open_graph(whole, threads=1).run(["patches"], {"image": images})[0]
    return np.ascontiguousarray(found.T)


def judge_of(patches: Patches, candidate: choosing.Candidate) -> graph.Judge:
    """With a head."""
    judge, _ = judging.Banks(memory_bank.channels(candidate), 60, 0).choose(patches)
    rng, depth = np.random.default_rng(0), patches.shape[1]
    weights = rng.normal(0, depth**-0.5, depth).astype(np.float32)
    return replace(judge, head=Head(weights, float(rng.normal())))


@pytest.fixture(scope="module")
def images(weave: Draw) -> NDArray[np.uint8]:
    return np.stack([weave(i, 128, 96) for i in range(3)])


@pytest.fixture(scope="module")
def others(weave: Draw) -> NDArray[np.uint8]:
    """What the banks hold: near a row of a bank a distance is all rounding."""
    return np.stack([weave(i, 128, 96) for i in range(9, 12)])


@pytest.mark.parametrize("candidate", [FINE, WIDE], ids=["fine", "wide"])
def test_images_together_are_what_they_are_alone(
    images: NDArray[np.uint8], others: NDArray[np.uint8], candidate: choosing.Candidate
) -> None:
    judge = judge_of(patches_of(others, candidate), candidate)
    whole = graph.detector(memory_bank.trunk(candidate), candidate.features, judge, worst_cells=5)
    session = open_graph(whole, threads=1)
    names = ["raw_score", "cells", "patches"]
    raw, cells, patches = session.run(names, {"image": images})
    assert raw.shape == (3,)
    assert cells.shape == (3, 6, 8)
    assert patches.shape == (memory_bank.depth(candidate), 3 * 48)
    for at in range(3):
        alone = session.run(names, {"image": images[at : at + 1]})
        assert np.allclose(raw[at], alone[0][0], atol=1e-5)
        assert np.allclose(cells[at], alone[1][0], atol=1e-4)
        assert np.allclose(patches[:, at * 48 : (at + 1) * 48], alone[2], atol=1e-4)
        assert raw_score(cells[at], 5) == pytest.approx(float(raw[at]), abs=1e-6)


def test_the_detector_is_the_extractor_and_the_judge(
    images: NDArray[np.uint8], others: NDArray[np.uint8]
) -> None:
    patches = patches_of(images[:1], FINE)
    judge = judge_of(patches_of(others, FINE), FINE)
    whole = graph.detector(memory_bank.trunk(FINE), FINE.features, judge, worst_cells=4)
    cells = open_graph(whole, threads=1).run(["cells"], {"image": images[:1]})[0]
    values = judging.values(judging.open_judge(judge), patches)
    assert np.allclose(cells.ravel(), values, atol=1e-5)


def test_more_worst_cells_than_there_are_means_all(images: NDArray[np.uint8]) -> None:
    judge, _ = judging.Banks(memory_bank.channels(FINE), 30, 0).choose(patches_of(images, FINE))
    whole = graph.detector(memory_bank.trunk(FINE), FINE.features, judge, worst_cells=10_000)
    raw, cells = open_graph(whole, threads=1).run(["raw_score", "cells"], {"image": images[:1]})
    assert float(raw[0]) == pytest.approx(float(cells.mean()), rel=1e-5)


def test_the_same_model_is_the_same_bytes(others: NDArray[np.uint8]) -> None:
    first, again = (
        graph.detector(
            memory_bank.trunk(FINE),
            FINE.features,
            judge_of(patches_of(others, FINE), FINE),
            worst_cells=4,
        )
        for _ in range(2)
    )
    assert first == again


def test_distances_are_those_to_the_nearest_row() -> None:
    """By the definition, in float64; more rows than one block of the product."""
    rng = np.random.default_rng(0)
    patches = rng.normal(3.0, 2.0, (200, 12)).astype(np.float32)
    scaling = graph.scaling_of(patches, (4, 8))
    rows = rng.normal(size=(graph.BANK_ROWS + 7, 12)).astype(np.float32)
    found = judging.values(judging.open_judge(graph.Judge(scaling, rows)), patches)
    cells = scaling.apply(patches).astype(np.float64)
    expected = np.sqrt(((cells[:, None] - rows[None]) ** 2).sum(axis=2).min(axis=1))
    assert np.allclose(found, expected, atol=1e-4)


def test_each_map_weighs_the_same_and_a_dead_channel_nothing() -> None:
    rng = np.random.default_rng(0)
    patches = rng.normal(5.0, [1.0, 9.0, 0.01, 4.0, 0.0], (4000, 5)).astype(np.float32)
    cells = graph.scaling_of(patches, (4, 1)).apply(patches)
    assert np.allclose((cells[:, :4] ** 2).sum(axis=1).mean(), 1.0, atol=0.01)
    assert (cells[:, 4] == 0.0).all()
