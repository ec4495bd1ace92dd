"""Adding real photographs comes close to training anew on all of them."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from walkdown.cli.progress import Silent
from walkdown.imaging.decode import decode
from walkdown.models.memory_bank import MemoryBank
from walkdown.training import extending
from walkdown.training.memory_bank import Options, fit
from walkdown.types import ImageRef, Photo

if TYPE_CHECKING:
    from pathlib import Path

    from walkdown.models.artefact import Artefact

pytestmark = pytest.mark.proof
EACH = 30


def load(ref: ImageRef, at_least_px: int | None) -> Photo:
    from pathlib import Path

    return decode(Path(ref.uri).read_bytes(), name=ref.name, at_least_px=at_least_px)


def parts(folder: Path) -> list[list[ImageRef]]:
    """Of the first half what is known, of the second what is added and what is never seen.

    In the order of their names, which is that of the experiments they come from.
    """
    refs = [ImageRef(str(f), "1", f.name, f.name) for f in sorted(folder.iterdir())]
    half = len(refs) // 2
    first, second = refs[: half : half // EACH], refs[half :: half // (2 * EACH)]
    return [first[:EACH], second[: 2 * EACH : 2], second[1 : 2 * EACH : 2]]


def raw(model: Artefact, refs: list[ImageRef]) -> list[float]:
    judge = MemoryBank(model, label="m")
    return [judge.predict([load(ref, judge.info.input_px)])[0].raw_score or 0.0 for ref in refs]


def test_adding_is_like_training_anew(test_data: Path) -> None:
    known, added, unseen = parts(test_data / "magnetic_tile" / "train" / "good")
    options = Options(fast=True)
    started = [time.perf_counter()]
    old = fit(known, load, options=options, workers=2, progress=Silent())
    started.append(time.perf_counter())
    both = extending.extend(
        old.artefact, added, load, options=options, workers=2, progress=Silent()
    )
    started.append(time.perf_counter())
    anew = fit([*known, *added], load, options=options, workers=2, progress=Silent())
    started.append(time.perf_counter())
    seen = [raw(found.artefact, unseen) for found in (old, both, anew)]
    alarms = [
        float(np.mean(np.array(scores) >= found.calibration.threshold.value))
        for scores, found in zip(seen, (old, both, anew), strict=True)
    ]
    held_out = np.median(list(set(both.calibration.scores) - set(old.calibration.scores)))
    before = np.median(raw(old.artefact, added))
    alike = float(np.corrcoef(seen[1], seen[2])[0, 1])
    sys.stdout.write(
        f"first, added, anew: seconds {np.diff(started).round(1)}, medians "
        f"{np.median(seen, axis=1).round(3)}, alarms {alarms}; the added: {before:.3f} before, "
        f"{held_out:.3f} held out; correlation {alike:.3f}\n"
    )
    assert held_out < before, "the other added ones help"
    assert abs(alarms[1] - alarms[2]) <= 0.1
    assert alike > 0.9, "they see alike what neither has learned from"
