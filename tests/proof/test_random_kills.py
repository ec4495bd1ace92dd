"""A hundred kills at random moments of real inspections and trainings, and two at once.

The moments are those of a seeded generator, within the time that an undisturbed run takes. What
SQLite and the system do between the fault points is hit here.
"""

from __future__ import annotations

import random
import shutil
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.proof.agreement import Agreed, check, check_model
from tests.proof.launcher import spread
from tests.proof.scenes import a_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.proof.launcher import Launcher
    from tests.proof.scenes import Receiver, Scene

pytestmark = pytest.mark.proof

INSPECTIONS, TRAININGS = 60, 40
MISSES_PCT = 25
"""How many of the kills may come too late, because the machine was faster than measured."""


def moments(seed: int, count: int, within_s: float) -> list[tuple[int, float]]:
    """Numbered seconds after the start, the same share of ``within_s`` for the same seed."""
    chance = random.Random(seed)
    return [(i, chance.uniform(0.0, within_s)) for i in range(count)]


def test_inspection_survives_kills_at_random_moments(
    pair: Sequence[Launcher], hook: Receiver, cables: Scene, tmp_path: Path
) -> None:
    calm = cables.workspace(tmp_path / "calm", hook.url("random-calm"))
    ended = pair[0].run(cables.inspect(calm, "calm"))
    assert ended.code == 0, ended.text()
    undisturbed = check(calm, cables.photos, hook.delivered("random-calm"))
    assert len(undisturbed.results) == 40
    assert undisturbed.alerts
    one = partial(_inspect_killed, cables, hook, tmp_path, undisturbed)
    found = spread(pair, moments(1, INSPECTIONS, ended.wall_s), one)
    assert not [problem for _, problem in found if problem]
    assert sum(not killed for killed, _ in found) <= INSPECTIONS * MISSES_PCT / 100


def _inspect_killed(
    scene: Scene,
    hook: Receiver,
    below: Path,
    undisturbed: Agreed,
    launcher: Launcher,
    moment: tuple[int, float],
) -> tuple[bool, str]:
    number, after_s = moment
    folder = scene.workspace(below / str(number), hook.url(f"random-{number}"))
    killed = launcher.run(scene.inspect(folder, "killed", kill_after_s=after_s))
    ended = launcher.run(scene.inspect(folder, "finished"))
    problem = ""
    try:
        assert ended.code == 0, ended.text()[-500:]
        agreed = check(folder, scene.photos, hook.delivered(f"random-{number}"))
        assert agreed == undisturbed, "other than undisturbed"
    except Exception as error:
        problem = f"{number} after {after_s:.3f} s: {type(error).__name__}: {error!s:.500}"
    else:
        shutil.rmtree(folder)
    return killed.killed, problem


def test_training_survives_kills_at_random_moments(
    pair: Sequence[Launcher], trained: tuple[Path, str, float], normals: Path, tmp_path: Path
) -> None:
    _, digest, took_s = trained
    one = partial(_train_killed, normals, digest, tmp_path)
    found = spread(pair, moments(2, TRAININGS, took_s), one)
    assert not [problem for _, problem in found if problem]
    assert sum(not killed for killed, _ in found) <= TRAININGS * MISSES_PCT / 100


def _train_killed(
    normals: Path, digest: str, below: Path, launcher: Launcher, moment: tuple[int, float]
) -> tuple[bool, str]:
    number, after_s = moment
    folder = below / str(number)
    options = ("--workspace", str(folder), "--workers", "1")
    args = ("train", "first", "--normal", str(normals), *options)
    killed = launcher.run(a_run(folder, "killed", args, kill_after_s=after_s))
    ended = launcher.run(a_run(folder, "finished", args))
    problem = ""
    try:
        assert ended.code == 0, ended.text()[-500:]
        check_model(folder, "first", digest)
    except Exception as error:
        problem = f"{number} after {after_s:.3f} s: {type(error).__name__}: {error!s:.500}"
    else:
        shutil.rmtree(folder)
    return killed.killed, problem


@pytest.mark.parametrize("repetition", range(3))
def test_two_processes_may_inspect_the_same_photographs_at_once(
    pair: Sequence[Launcher], hook: Receiver, cables: Scene, tmp_path: Path, repetition: int
) -> None:
    """Which process is first differs, and with it which of an asset's alerts there are."""
    calm = cables.workspace(tmp_path / "calm", hook.url(f"two-calm-{repetition}"))
    assert pair[0].run(cables.inspect(calm, "calm")).code == 0
    undisturbed = check(calm, cables.photos, hook.delivered(f"two-calm-{repetition}"))
    folder = cables.workspace(tmp_path / "two", hook.url(f"two-{repetition}"))
    runs = [cables.inspect(folder, f"at-once-{i}") for i in range(2)]
    ends = spread(pair, runs, lambda launcher, run: launcher.run(run))
    assert [end.code for end in ends] == [0, 0], [end.text()[-500:] for end in ends]
    agreed = check(folder, cables.photos, hook.delivered(f"two-{repetition}"), alone=False)
    assert agreed.results == undisturbed.results
    assert agreed.findings == undisturbed.findings
