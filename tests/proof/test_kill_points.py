"""A kill at every single fault point of an inspection and of a training costs nothing.

Each point gets a workspace of its own: the run that is killed there, the same command again, and
then everything must agree with everything, and with a run that nothing disturbed.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.proof.agreement import Agreed, check, check_broken_off, check_model
from tests.proof.launcher import Run, spread
from tests.proof.scenes import a_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.proof.launcher import Launcher
    from tests.proof.scenes import Receiver, Scene

pytestmark = pytest.mark.proof

Point = tuple[str, int, str]


def told(what: str, points: Sequence[Point]) -> None:
    """How many points there are, by kind."""
    kinds = Counter(kind for _, _, kind in points)
    lines = "".join(f"\n  {count:4} {kind}" for kind, count in sorted(kinds.items()))
    sys.stdout.write(f"\n{what}: {len(points)} fault points{lines}\n")


def test_inspection_survives_a_kill_at_every_point(
    pair: Sequence[Launcher], hook: Receiver, plain: Scene, tmp_path: Path
) -> None:
    calm = plain.workspace(tmp_path / "calm", hook.url("calm"))
    ended = pair[0].run(plain.inspect(calm, "count", count=True))
    assert ended.code == 0, ended.text()
    undisturbed = check(calm, plain.photos, hook.delivered("calm"))
    assert len(undisturbed.alerts) > len(undisturbed.findings) > 2, "too little to lose"
    points = ended.points()
    told("inspect", points)
    one = partial(_inspect_killed, plain, hook, tmp_path, undisturbed)
    assert not [problem for problem in spread(pair, points, one) if problem]


def _inspect_killed(
    scene: Scene, hook: Receiver, below: Path, undisturbed: Agreed, launcher: Launcher, point: Point
) -> str | None:
    thread, number, kind = point
    name = f"{thread}-{number}"
    folder = scene.workspace(below / name, hook.url(name))
    try:
        killed = launcher.run(scene.inspect(folder, "killed", stop_at=(thread, number)))
        assert killed.killed, "the point was not reached"
        check_broken_off(folder)
        ended = launcher.run(scene.inspect(folder, "finished"))
        assert ended.code == 0, ended.text()[-500:]
        agreed = check(folder, scene.photos, hook.delivered(name))
        assert agreed == undisturbed, "other than undisturbed"
    except Exception as error:
        return f"{kind} ({name}): {type(error).__name__}: {error!s:.500}"
    shutil.rmtree(folder)
    return None


def test_training_survives_a_kill_at_every_point(
    pair: Sequence[Launcher], trained: tuple[Path, str, float], normals: Path, tmp_path: Path
) -> None:
    seed, digest, _ = trained
    fitted = (str(seed), digest)
    ended = pair[0].run(_train(normals, tmp_path / "calm", "count", count=True, fitted=fitted))
    assert ended.code == 0, ended.text()
    points = ended.points()
    told("train", points)
    really = pair[0].run(_train(normals, tmp_path / "real", "count", count=True))
    assert points == really.points(), "fitting writes something: it can't be left out"
    one = partial(_train_killed, normals, fitted, tmp_path)
    assert not [problem for problem in spread(pair, points, one) if problem]


def _train(normals: Path, folder: Path, name: str, **how: object) -> Run:
    args = ("train", "first", "--normal", str(normals), "--workspace", str(folder))
    return a_run(folder, name, (*args, "--workers", "1"), **how)


def _train_killed(
    normals: Path, fitted: tuple[str, str], below: Path, launcher: Launcher, point: Point
) -> str | None:
    thread, number, kind = point
    folder = below / f"{thread}-{number}"
    again = partial(_train, normals, folder, fitted=fitted)
    try:
        killed = launcher.run(again(name="killed", stop_at=(thread, number)))
        assert killed.killed, "the point was not reached"
        check_broken_off(folder)
        ended = launcher.run(again(name="finished"))
        assert ended.code == 0, ended.text()[-500:]
        check_model(folder, "first", fitted[1])
    except Exception as error:
        return f"{kind} ({folder.name}): {type(error).__name__}: {error!s:.500}"
    shutil.rmtree(folder)
    return None
