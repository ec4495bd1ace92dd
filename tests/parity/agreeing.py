"""How close different ways of asking must come, and which ways there are."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.parity.faces import by_command, by_graph, by_openvino

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.parity.faces import Said, Trained

    Way = Callable[[Trained, Sequence[Path]], dict[Path, Said]]

AT_MOST = 1e-5
"""By how much raw scores may differ on one host."""

WAYS: Mapping[str, Way] = {
    "the command line, two workers": partial(by_command, workers=2),
    "the graph alone": by_graph,
    "the graph alone, two threads": partial(by_graph, threads=2),
    "the graph alone, four threads": partial(by_graph, threads=4),
    "the graph alone, two images at a time": partial(by_graph, batch=2),
    "the graph alone, five images at a time": partial(by_graph, batch=5),
    "OpenVINO in float32": by_openvino,
}


def agree(way: str, reference: Mapping[Path, Said], said: Mapping[Path, Said]) -> float:
    """The largest difference of raw scores; fails where it is too large, or a verdict another."""
    assert said.keys() == reference.keys(), way
    far = {file: abs(said[file].raw - reference[file].raw) for file in reference}
    worst = max(far, key=lambda file: far[file])
    assert far[worst] <= AT_MOST, f"{way}: {worst.name} differs by {far[worst]:.2e}"
    other = [file.name for file in reference if said[file].verdict != reference[file].verdict]
    assert not other, f"{way}: other verdicts for {other}"
    return far[worst]
