"""What a cascade saves and what it misses, and whether audits tell it truly: `make cascade`.

Of each set two memory banks are learned from train/good: `confirm` as a training makes it, and
`screen`, which looks at half the size with few rows. The first 20 % of normal photographs, by how
odd `screen` finds them, go on to `confirm`, with all that is as odd; a fifth of the rest is
audited. The test folders are looked at by both stages on everything, which is the truth that the
audit estimates, and by the cascade. Seconds are of whole inspections in new workspaces, cascade and
`confirm` alone in turns, so that what else the machine does falls on both.

Size, rows, share and audit were chosen on training folders and on photographs of no set
(docs/experiments.md); nothing was changed after the test folders were read.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.bench import SETS, machine
from benchmarks.cascade_resamples import Looked, proof
from benchmarks.pages import CASCADE, about, markdown, put

from walkdown.app.inspecting import inspect
from walkdown.app.training import train
from walkdown.cli.progress import Silent
from walkdown.evaluate.audits import audits_of
from walkdown.evaluate.threshold import percent
from walkdown.models import artefact
from walkdown.models.looking import InputSize
from walkdown.pipeline.plan import Stage
from walkdown.spec import PipelineSpec, SourceSpec, StageSpec
from walkdown.training import choosing, graph
from walkdown.training.choosing import Candidate, Choice
from walkdown.training.memory_bank import Options
from walkdown.types import ModelInfo
from walkdown.wiring import open_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.app.context import App
    from walkdown.evaluate.audits import Audit, Estimate, Labelled
    from walkdown.types import Result

SCREEN_ROWS, SCREEN_OF_SIDE, LEAST_PX = 200, 2, 128
GO_ON, AUDIT = 0.2, 0.2
ROUNDS, IMAGES, POPULATIONS = 5, 2000, 1000

SCREEN = StageSpec(name="screen", model="screen")
CONFIRM = StageSpec(name="confirm", model="confirm")
ASKED = CONFIRM.model_copy(update={"when": f"screen.p_normal <= {GO_ON}", "audit": AUDIT})


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of one inspection: by the clock, and of the processors."""

    wall_s: float
    busy_s: float


Turns = tuple[tuple[Took, Took], ...]
"""The cascade, and `confirm` alone, one after the other."""


def saved(turns: Turns, what: str) -> str:
    """The share of seconds that the cascade saves, screen included: the median, and from which to
    which the turns are."""
    shares = sorted(round(1.0 - getattr(a, what) / getattr(b, what), 2) + 0.0 for a, b in turns)
    return f"{median(shares):.0%} ({shares[0]:.0%} to {shares[-1]:.0%})"


@dataclass(frozen=True, slots=True)
class Outcome:
    """All of one set. ``turns`` are of all test images, ``normal`` of those of test/good alone."""

    set: str
    px: tuple[int, int]
    audit: Audit
    looked: tuple[Looked, ...]
    turns: Turns
    normal: Turns

    @property
    def found(self) -> list[Looked]:
        """What the later stage finds when it looks at everything."""
        return [one for one in self.looked if one.anomaly]

    @property
    def truth(self) -> float:
        """The share of the later stage's anomalies that was passed, by its looks at everything."""
        return sum(not one.flagged for one in self.found) / len(self.found)

    @property
    def alone(self) -> float:
        """The share of labelled anomalies that the later stage misses when it looks at all."""
        bad = [one for one in self.looked if one.labelled]
        return sum(not one.anomaly for one in bad) / len(bad)

    @property
    def labelled(self) -> Labelled:
        """What people say."""
        assert self.audit.labelled is not None
        return self.audit.labelled


def learn(app: App, folder: Path) -> tuple[int, int]:
    """Both models, from the training folder alone; the longer sides in px that they look at."""
    normal = [str(folder / "train" / "good")]
    dear = train(app, "confirm", normal=normal, progress=Silent()).choice.candidate.size
    side = round(dear.long_side_px / SCREEN_OF_SIDE / graph.MULTIPLE_PX) * graph.MULTIPLE_PX
    size = InputSize(max(LEAST_PX, side), graph.MULTIPLE_PX)
    choice = Choice(Candidate(size, choosing.WIDE))
    cheap = Options(choice=choice, wide_bank=SCREEN_ROWS)
    train(app, "screen", normal=normal, options=cheap, progress=Silent())
    return size.long_side_px, dear.long_side_px


def inspected(
    app: App, stages: Sequence[StageSpec], paths: Sequence[str]
) -> tuple[list[Result], Took]:
    """An inspection, and its seconds from the first file to the last record.

    Raises ValueError where an image failed, which would count as none.
    """
    source = SourceSpec(paths=tuple(paths))
    spec = PipelineSpec(name="cascade", source=source, stages=tuple(stages))
    inspecting = inspect(app, spec, progress=Silent())
    wall, busy = time.perf_counter(), time.process_time()
    found = [line.result for line in inspecting.lines()]
    took = Took(time.perf_counter() - wall, time.process_time() - busy)
    if failed := [r for r in found if r.error]:
        raise ValueError(f"{failed[0].image}: {failed[0].error}")
    return found, took


def timed(app: App, stages: Sequence[StageSpec], paths: Sequence[str]) -> Took:
    """An inspection in a workspace of its own, where nothing is known yet."""
    with (
        tempfile.TemporaryDirectory() as home,
        closing(open_workspace(home, workers=app.settings.workers)) as fresh,
    ):
        for stage in stages:
            (version,) = app.versions.versions(stage.model)
            artefact.save(artefact.load(version.digest, app.blobs), fresh.blobs)
            fresh.versions.add(version)
        return inspected(fresh, stages, paths)[1]


def in_turns(app: App, paths: Sequence[str], rounds: int) -> Turns:
    """The time of both ways, again and again."""
    return tuple(
        (timed(app, [SCREEN, ASKED], paths), timed(app, [CONFIRM], paths)) for _ in range(rounds)
    )


def measure(folder: Path, defects: Sequence[str], *, rounds: int) -> Outcome:
    """One set: learn, look at everything, run the cascade, take the time in turns."""
    paths = [str(folder / "test" / kind) for kind in ("good", *defects)]
    with tempfile.TemporaryDirectory() as home, closing(open_workspace(home)) as app:
        px = learn(app, folder)
        both, _ = inspected(app, [SCREEN, CONFIRM], paths)
        cascade, _ = inspected(app, [SCREEN, ASKED], paths)
        labels = {r.key.capture_id: Path(r.image).parent.name != "good" for r in cascade}
        (audit,) = audits_of(cascade, labels=labels)
        flagged = {r.key.capture_id: _flagged(r) for r in cascade}
        looked = tuple(Looked(r, flagged[r.key.capture_id], labels[r.key.capture_id]) for r in both)
        every, normal = (in_turns(app, some, rounds) for some in (paths, paths[:1]))
    return Outcome(folder.name, px, audit, looked, every, normal)


def _flagged(result: Result) -> bool:
    return any(each.stage == CONFIRM.name and not each.audited for each in result.stages)


COST = ("set", "px", "images", "seen by stage 2", "looks saved", "seconds saved",
        "processor seconds saved", "of normal images alone")  # fmt: skip
MISSES = ("set", "anomalies by stage 2", "missed by stage 1, estimated", "truly",
          "labelled anomalies", "missed by stage 1", "by the cascade",
          "by stage 2 alone")  # fmt: skip


def cost_row(one: Outcome) -> list[str]:
    """What was saved in one set."""
    audit, images = one.audit, len(one.looked)
    return [
        one.set,
        f"{one.px[0]}, then {one.px[1]}",
        str(images),
        f"{audit.flagged} + {audit.audited} of {audit.passed}",
        f"{audit.saved / images:.0%}",
        saved(one.turns, "wall_s"),
        saved(one.turns, "busy_s"),
        saved(one.normal, "busy_s"),
    ]


def miss_row(one: Outcome) -> list[str]:
    """What was missed in one set."""
    return [
        one.set,
        str(len(one.found)),
        _told(one.audit.miss_rate),
        f"{percent(one.truth)} %",
        str(one.labelled.anomalies),
        _told(one.labelled.pass_rate),
        _told(one.labelled.miss_rate),
        f"{percent(one.alone)} %",
    ]


def _told(rate: Estimate | None) -> str:
    if rate is None:
        return "unknown"
    value, low, high = (percent(share) for share in rate)
    return f"{value} % ({low} to {high})"


def main() -> None:
    """Measure every set, then prove the interval on what was said of all of them together."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--sets", nargs="*", default=list(SETS), help="only these sets")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of taking the time")
    parser.add_argument("--populations", type=int, default=POPULATIONS, help="of each kind")
    parser.add_argument("--page", type=Path, help="put the tables between the marks of this page")
    args = parser.parse_args()
    outcomes = []
    for name in args.sets:
        began = time.perf_counter()
        outcomes.append(measure(args.data / name, SETS[name], rounds=args.rounds))
        spent = time.perf_counter() - began
        print(f"{name}: {spent:.0f} s: {outcomes[-1].audit}", file=sys.stderr)
    pool = [one for outcome in outcomes for one in outcome.looked]
    tables = [markdown(COST, [cost_row(one) for one in outcomes])]
    tables.append(markdown(MISSES, [miss_row(one) for one in outcomes]))
    stage = Stage(CONFIRM.name, ModelInfo(CONFIRM.model, ""))
    tables.append(proof(pool, stage, images=IMAGES, count=args.populations))
    text = "\n\n".join(tables)
    print(text)
    if args.page:
        put(args.page, CASCADE, f"{text}\n\n{about(machine())}")


if __name__ == "__main__":
    main()
