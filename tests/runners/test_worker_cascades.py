"""Regions, shadows and budgets at work on real photographs."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from walkdown.imaging.areas import Areas, Polygon
from walkdown.imaging.preparing import Preparation
from walkdown.pipeline.plan import Plan, Stage, make_plan
from walkdown.pipeline.steps import Decision
from walkdown.runners.outcomes import Outcome
from walkdown.runners.recording import Recorder
from walkdown.runners.worker import Work, look
from walkdown.spec import OutputsSpec, parse_pipeline
from walkdown.stores.memory import MemoryBlobs, MemoryRecords, MemorySource
from walkdown.types import ModelInfo, Photo, Prediction, Region, Status, Verdict

NOW = datetime(2026, 5, 1, tzinfo=UTC)
WIDE, TALL = 1600, 1200


class Spots:
    """Marks each separate white square of 40 px, and remembers what it was shown."""

    def __init__(self, name: str, *, input_px: int | None = None, usd: float = 0.0) -> None:
        self.info = ModelInfo(
            f"{name}@1", f"digest of {name}", max_batch=2, input_px=input_px, usd_per_image=usd
        )
        self.shown: list[Photo] = []

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        self.shown += photos
        return [self._one(photo) for photo in photos]

    def _one(self, photo: Photo) -> Prediction:
        scale = photo.width_px / photo.pixels.shape[1]
        bright = photo.pixels.min(axis=2) >= 200
        cost = self.info.usd_per_image or None
        if not bright.any():
            return Prediction(Verdict.NORMAL, 0.1, 0.1, cost_usd=cost)
        regions = tuple(_regions(bright, scale, photo))
        return Prediction(Verdict.ANOMALY, 0.9, 0.9, regions=regions, cost_usd=cost)


def _regions(bright: NDArray[np.bool_], scale: float, photo: Photo) -> list[Region]:
    """One per stretch of bright columns."""
    columns = np.flatnonzero(bright.any(axis=0))
    parts = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    found: list[Region] = []
    for part in parts:
        rows = np.flatnonzero(bright[:, part].any(axis=1))
        x, y = int(part[0] * scale), int(rows[0] * scale)
        width, height = int(len(part) * scale), int((rows[-1] - rows[0] + 1) * scale)
        box = x, y, min(width, photo.width_px - x), min(height, photo.height_px - y)
        found.append(Region(box, 0.1, 0.6 + 0.001 * len(found)))
    return found


def picture(*corners: tuple[int, int]) -> bytes:
    pixels = np.full((TALL, WIDE, 3), 60, np.uint8)
    for x, y in corners:
        pixels[y : y + 40, x : x + 40] = 255
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=95)
    return out.getvalue()


class Line:
    """A pipeline over photographs in memory."""

    def __init__(self, text: str, *models: Spots, **files: bytes) -> None:
        infos = {model.info.label.partition("@")[0]: model.info for model in models}
        self.plan: Plan = make_plan(parse_pipeline(text, where="p.yaml", name="p"), infos)
        self.source = MemorySource({f"{name}.jpg": data for name, data in files.items()})
        self.records = MemoryRecords(workspace="w")
        self.work = Work(
            plan=self.plan,
            models={model.info.digest: model for model in models},
            source=self.source,
            blobs=MemoryBlobs(),
            records=self.records,
            outputs=OutputsSpec(),
            max_pixels=10_000_000,
        )

    def look(self) -> list[Outcome]:
        return look(self.work, list(self.source.refs()))

    def record(self, outcomes: list[Outcome]) -> None:
        Recorder(self.plan, self.records, "w", "i", 0, "ada", lambda: NOW).record(outcomes)


CUT = """\
stages:
  - {name: screen, model: cheap}
  - {name: confirm, model: dear, input: regions of screen, margin: 0.5, most_regions: 2}
"""


def cascade(**files: bytes) -> tuple[Line, Spots]:
    dear = Spots("dear", input_px=200)
    return Line(CUT, Spots("cheap", input_px=200), dear, **files), dear


def test_cut_outs_have_all_pixels_and_boxes_come_back() -> None:
    line, dear = cascade(one=picture((800, 400)))
    (outcome,) = line.look()
    (shown,) = dear.shown
    # The screen saw an eighth of the pixels; the cut-out is of the original.
    assert shown.pixels.shape[:2] == (shown.height_px, shown.width_px)
    assert 80 <= shown.width_px <= 112
    (region,) = outcome.stages[1].prediction.regions
    x, y, width, height = region.box
    assert abs(x - 800) <= 2
    assert abs(y - 400) <= 2
    assert abs(width - 40) <= 4
    assert abs(height - 40) <= 4
    assert isinstance(outcome.decision, Decision)
    assert outcome.decision.by is outcome.stages[1]


def test_the_worst_regions_are_looked_at_and_no_more_than_asked() -> None:
    line, dear = cascade(many=picture((100, 100), (500, 100), (900, 900), (1300, 500)))
    (outcome,) = line.look()
    assert len(outcome.stages[0].prediction.regions) == 4
    assert len(dear.shown) == 2
    assert len(outcome.stages[1].prediction.regions) == 2
    xs = sorted(region.box[0] for region in outcome.stages[1].prediction.regions)
    assert [round(x, -2) for x in xs] == [900, 1300]


def test_without_regions_nobody_looks_again() -> None:
    line, dear = cascade(none=picture())
    (outcome,) = line.look()
    assert [stage.stage for stage in outcome.stages] == ["screen"]
    assert dear.shown == []


def test_what_is_ignored_is_on_no_cut_out() -> None:
    line, dear = cascade(one=picture((800, 400), (864, 400)))
    right = Polygon(((0.53, 0.0), (1.0, 0.0), (1.0, 1.0), (0.53, 1.0)), "ignore", "share")
    line.work = replace(line.work, preparation=Preparation(Areas((right,))))
    line.look()
    (shown,) = dear.shown
    bright = shown.pixels.min(axis=2) >= 200
    columns = np.flatnonzero(bright.any(axis=0))
    assert columns[-1] - columns[0] < 50


def test_an_answer_about_regions_is_remembered_for_these_regions() -> None:
    line, dear = cascade(one=picture((800, 400)))
    line.record(line.look())
    again = line.look()
    assert len(dear.shown) == 1
    assert again[0].stages[1].prediction.regions
    other = parse_pipeline(CUT.replace("0.5", "0.8"), where="p.yaml", name="p")
    infos = {"cheap": line.plan.stages[0].model, "dear": line.plan.stages[1].model}
    line.work = replace(line.work, plan=make_plan(other, infos))
    line.look()
    assert len(dear.shown) == 2


def test_what_is_known_costs_nothing_again() -> None:
    dear = Spots("dear", usd=0.25)
    line = Line("stages: [{name: look, model: dear}]\n", dear, one=picture())
    first = line.look()
    assert first[0].stages[0].prediction.cost_usd == 0.25
    line.record(first)
    assert line.look()[0].stages[0].prediction.cost_usd is None


SHADOW = """\
stages:
  - {name: screen, model: cheap}
  - {name: candidate, model: dear, shadow: screen}
"""


def test_a_shadow_that_breaks_breaks_nothing() -> None:
    class Broken(Spots):
        def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
            raise RuntimeError("no weights")

    line = Line(SHADOW, Spots("cheap"), Broken("dear"), one=picture((100, 100)))
    (outcome,) = line.look()
    assert isinstance(outcome.decision, Decision)
    assert (outcome.decision.status, outcome.decision.verdict) == (Status.DONE, Verdict.ANOMALY)
    assert [stage.beside for stage in outcome.stages] == [None, "screen"]
    assert "no weights" in (outcome.stages[1].prediction.error or "")


def refusing(room: float) -> tuple[Callable[[Stage, float, str], str | None], list[float]]:
    """A budget with so many dollars, and what was taken of it."""
    taken: dict[str, float] = {}
    asked: list[float] = []

    def refuse(stage: Stage, usd: float, key: str) -> str | None:
        if key not in taken and sum(taken.values()) + usd > room:
            return "spent"
        asked.append(usd)
        taken[key] = usd
        return None

    return refuse, asked


PAID = CUT.replace("most_regions: 2", "most_regions: 2, budget: {usd_per_month: 1}")


def test_beyond_its_budget_a_stage_leaves_what_was_said_before() -> None:
    files = {name: picture((100 + 40 * i, 100)) for i, name in enumerate("abc")}
    dear = Spots("dear", usd=0.25)
    line = Line(PAID, Spots("cheap", input_px=400), dear, **files)
    refuse, asked = refusing(0.5)
    line.work = replace(line.work, refuse=refuse)
    outcomes = line.look()
    assert sum(asked) == 0.5
    assert len(dear.shown) == 2
    decisions = [outcome.decision for outcome in outcomes]
    assert [each.status for each in decisions if each] == [Status.DONE] * 2 + [Status.PARTIAL]
    assert {each.verdict for each in decisions if each} == {Verdict.ANOMALY}
    assert decisions[2] is not None
    assert decisions[2].error == "stage confirm: spent"


def test_what_has_no_room_together_is_taken_one_by_one() -> None:
    files = {name: picture((100 + 40 * i, 100)) for i, name in enumerate("ab")}
    dear = Spots("dear", usd=0.25)
    line = Line(PAID, Spots("cheap", input_px=400), dear, **files)
    refuse, asked = refusing(0.3)
    line.work = replace(line.work, refuse=refuse)
    statuses = [outcome.decision.status for outcome in line.look() if outcome.decision]
    assert statuses == [Status.DONE, Status.PARTIAL]
    assert (asked, len(dear.shown)) == ([0.25], 1)


def test_copies_of_a_photograph_are_looked_at_and_paid_once() -> None:
    files = dict.fromkeys("ab", picture((100, 100)))
    dear = Spots("dear", usd=0.25)
    line = Line(PAID, Spots("cheap", input_px=400), dear, **files)
    refuse, asked = refusing(0.25)
    line.work = replace(line.work, refuse=refuse)
    outcomes = line.look()
    assert [o.decision.status for o in outcomes if o.decision] == [Status.DONE] * 2
    assert (asked, len(dear.shown)) == ([0.25], 1)
    assert [outcome.stages[1].prediction.cost_usd for outcome in outcomes] == [0.25, None]


def test_one_photographs_cut_outs_fail_alone() -> None:
    class Picky(Spots):
        def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
            # On a cut-out at the edge of the photograph, the square begins at its left end.
            if any(photo.pixels[:, 2].max() > 200 for photo in photos):
                raise RuntimeError("too near the edge")
            return super().predict(photos)

    files = {"edge": picture((0, 400)), "middle": picture((800, 400))}
    line = Line(CUT, Spots("cheap", input_px=400), Picky("dear"), **files)
    edge, middle = line.look()
    assert "too near the edge" in (edge.stages[1].prediction.error or "")
    assert middle.stages[1].prediction.verdict is Verdict.ANOMALY


def test_a_shadow_sees_the_regions_that_its_stage_sees() -> None:
    text = CUT + "  - {name: candidate, model: new, shadow: confirm}\n"
    dear, new = Spots("dear"), Spots("new")
    line = Line(text, Spots("cheap", input_px=200), dear, new, one=picture((800, 400)))
    line.look()
    assert [p.pixels.shape for p in new.shown] == [p.pixels.shape for p in dear.shown]


def test_a_model_knows_whose_photograph_it_is() -> None:
    model = Spots("cheap")
    text = 'asset: "{asset}-{view}.jpg"\nstages: [{name: look, model: cheap}]\n'
    line = Line(text, model, **{"pole-left": picture()})
    line.look()
    assert (model.shown[0].asset, model.shown[0].viewpoint) == ("pole", "left")
