"""What has changed since the visit before."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.models.views import board, photo, taken

from walkdown.app import deployed
from walkdown.app.history import earlier
from walkdown.app.inspecting import inspect
from walkdown.app.plugging import plug_in
from walkdown.errors import ArtefactError, NotFound, StoreError
from walkdown.models.artefact import pack
from walkdown.registry import Offers, open_model
from walkdown.silent import Silent
from walkdown.spec import SourceSpec, parse_pipeline
from walkdown.stores.memory import MemoryRecords
from walkdown.types import (
    Entry,
    Exif,
    Photo,
    Prediction,
    Result,
    ResultKey,
    Status,
    Verdict,
)
from walkdown.wiring import open_workspace

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def said(before: Image.Image | None, now: Image.Image, **card: Any) -> Prediction:
    offers = Offers(earlier=lambda _: photo(before) if before else None)
    model = open_model(pack("change", card, {}), label="c@1", offers=offers)
    assert model.info.deterministic is False
    return model.predict([photo(now, asset="pole-1", viewpoint="front")])[0]


def test_the_first_visit_is_normal_and_says_so() -> None:
    found = said(None, board())
    assert (found.verdict, found.score) == (Verdict.NORMAL, None)
    assert found.note == "no earlier visit to compare with"


def test_a_photograph_of_no_asset_says_what_is_missing() -> None:
    model = open_model(pack("change", {}, {}), label="c@1")
    (found,) = model.predict([photo(board())])
    assert (found.verdict, found.score) == (None, None)
    assert "give the pipeline an 'asset' template" in str(found.error)


@pytest.mark.parametrize("gain", [0.65, 1.2])
def test_other_light_and_a_little_shift_are_no_change(gain: float) -> None:
    now = taken(board(), gain=gain, slope=0.3, turn_deg=-2.0, shift=(18.0, 9.0), seed=5)
    found = said(taken(board(), seed=4), now)
    assert (found.verdict, found.note, found.regions) == (Verdict.NORMAL, None, ())
    assert found.score is not None
    assert found.score < 0.4


def test_what_has_gone_is_marked_with_its_area() -> None:
    found = said(board(), taken(board(valve=None), gain=0.8, shift=(20.0, 0.0)))
    assert found.verdict is Verdict.ANOMALY
    assert found.labels == ("changed",)
    (region,) = found.regions
    x, y, width, height = region.box
    assert x <= 530 <= x + width
    assert y <= 330 <= y + height
    assert 0.3 < region.area_pct < 3.0
    share = float(str(found.note).split()[0])
    assert 0.3 < share < 3.0
    assert "% of the picture has changed since the earlier visit" in str(found.note)


def test_a_change_says_that_its_order_is_that_of_recording_where_times_are_not_known() -> None:
    def note(before: datetime | None, now: datetime | None) -> str:
        first = replace(photo(board()), exif=Exif(taken_at=before))
        second = replace(photo(board(valve=None), asset="pole-1"), exif=Exif(taken_at=now))
        offers = Offers(earlier=lambda _: first)
        return str(open_model(pack("change", {}, {}), label="c@1", offers=offers)
                   .predict([second])[0].note)  # fmt: skip

    assert note(NOON, NOON + timedelta(days=1)).endswith("since the earlier visit")
    for times in ((None, None), (NOON, None), (None, NOON)):
        assert "the one recorded before" in note(*times)


def test_another_view_is_unusable_with_advice() -> None:
    found = said(board(), board(seed=8))
    assert found.verdict is Verdict.UNUSABLE
    assert "can't be laid over the photograph of the earlier visit" in str(found.note)
    even = Image.new("RGB", (800, 600), (9, 9, 9))
    assert "too little to align anything with" in str(said(even, board()).note)


def test_a_store_that_fails_fails_the_photograph_alone() -> None:
    def broken(_: Photo) -> Photo | None:
        raise StoreError("the table can't be reached")

    model = open_model(pack("change", {}, {}), label="c@1", offers=Offers(earlier=broken))
    some = [photo(board(), asset="a"), photo(board())]
    found = model.predict(some)
    assert found[0].error == "the table can't be reached"
    assert "belongs to no asset" in str(found[1].error)


def test_a_wrong_card_says_what_is_wrong() -> None:
    with pytest.raises(ArtefactError, match="did you mean 'threshold'"):
        open_model(pack("change", {"treshold": 0.4}, {}), label="c@1")


def recorded(
    name: str,
    *,
    minutes: int = 0,
    taken_at: datetime | None = None,
    viewpoint: str | None = "front",
    status: Status = Status.DONE,
    verdict: Verdict | None = Verdict.NORMAL,
) -> Result:
    return Result(
        key=ResultKey("w", name, "plan"),
        uri=f"file:///{name}.png",
        image=f"{name}.png",
        status=status,
        actor="ada",
        recorded_at=NOON + timedelta(minutes=minutes),
        content=f"content of {name}",
        verdict=verdict,
        asset="pole",
        viewpoint=viewpoint,
        exif=Exif(taken_at=taken_at),
        error="broken" if status is Status.FAILED else None,
    )


def png(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), (shade, shade, shade)).save(out, "PNG")
    return out.getvalue()


def found_of(
    results: list[Result], now: Photo, read: Callable[[Result], bytes] | None = None
) -> int | None:
    """Which of the results the earlier photograph is of, by its shade."""
    records = MemoryRecords(workspace="w")
    records.record("i1", [Entry(result) for result in results])
    by_name = {result.image: number for number, result in enumerate(results)}
    read = read or (lambda result: png(by_name[result.image]))
    found = earlier(now, history=records, read=read)
    return None if found is None else int(found.pixels[0, 0, 0])


NOW = replace(photo(Image.new("RGB", (40, 30))), asset="pole", viewpoint="front")


def test_the_newest_earlier_visit_from_the_same_viewpoint_is_found() -> None:
    assert found_of([recorded("a"), recorded("b", minutes=5)], NOW) == 1
    assert found_of([recorded("a"), recorded("b", viewpoint="back")], NOW) == 0
    assert found_of([recorded("a", viewpoint=None)], NOW) is None
    assert found_of([recorded("a")], replace(NOW, asset="mast")) is None
    assert found_of([recorded("a")], replace(NOW, asset=None)) is None


def test_what_failed_or_could_not_be_used_is_no_visit() -> None:
    failed = recorded("b", minutes=5, status=Status.FAILED, verdict=None)
    assert found_of([recorded("a"), failed], NOW) == 0
    assert found_of([recorded("a"), recorded("b", verdict=Verdict.UNUSABLE)], NOW) == 0


def test_a_photograph_is_not_compared_with_a_copy_of_itself() -> None:
    assert found_of([recorded("a")], replace(NOW, content="content of a")) is None


def test_the_order_is_that_in_which_they_were_taken() -> None:
    old, new = NOON - timedelta(days=9), NOON - timedelta(days=2)
    results = [recorded("new", taken_at=new), recorded("old", minutes=3, taken_at=old)]
    assert found_of(results, NOW) == 0
    at = replace(NOW, exif=Exif(taken_at=NOON - timedelta(days=5)))
    assert found_of(results, at) == 1
    assert found_of(results, replace(NOW, exif=Exif(taken_at=old))) is None


def test_when_the_earlier_one_was_taken_is_as_its_result_says() -> None:
    records = MemoryRecords(workspace="w")
    records.record("i1", [Entry(recorded("a", taken_at=NOON))])
    found = earlier(NOW, history=records, read=lambda _: png(3))
    assert found is not None
    assert found.exif.taken_at == NOON


def test_where_a_copy_is_gone_the_visit_before_is_taken() -> None:
    def read(result: Result) -> bytes:
        if result.image == "b.png":
            raise NotFound("it is gone")
        return b"broken" if result.image == "c.png" else png(7)

    results = [recorded("a"), recorded("b", minutes=5), recorded("c", minutes=9)]
    assert found_of(results, NOW, read) == 7


PIPELINE = """
asset: "{asset}/{view}/{name}"
stages: [{name: look, model: since}]
"""


def test_visits_of_a_workspace_are_compared_and_not_remembered(tmp_path: Path) -> None:
    """From a folder to the verdict, with all that lies between; the same file twice is asked twice,
    since its history goes on."""
    card = tmp_path / "card.yaml"
    card.write_text("kind: change\n")
    app = open_workspace(str(tmp_path / "w"))
    plug_in(app, "since", card)
    folder = tmp_path / "photos" / "pole-1" / "front"
    folder.mkdir(parents=True)
    spec = parse_pipeline(PIPELINE, where="p.yaml", name="p")
    spec = spec.model_copy(update={"source": SourceSpec(paths=(str(tmp_path / "photos"),))})

    def visit(name: str, image: Image.Image) -> Prediction:
        image.save(folder / name)
        lines = list(inspect(app, spec, progress=Silent()).lines())
        line = next(line for line in lines if line.result.image.endswith(name))
        assert line.status == "done", line.result.error
        assert (line.result.asset, line.result.viewpoint) == ("pole-1", "front")
        return line.result.stages[0].prediction

    assert visit("1.png", board()).note == "no earlier visit to compare with"
    assert visit("2.png", taken(board(), gain=0.8, seed=2)).verdict is Verdict.NORMAL
    gone = taken(board(valve=None), seed=3)
    assert visit("3.png", gone).labels == ("changed",)
    assert visit("4.png", taken(board(valve=None), seed=6)).verdict is Verdict.NORMAL
    assert visit("5.png", board()).labels == ("changed",), "the first visit's file, looked at anew"
    app.close()


def test_a_deployed_plan_knows_that_it_is_not_remembered() -> None:
    info = open_model(pack("change", {}, {}), label="c@1").info
    assert info.remember is False
    assert deployed._info_from_json(deployed._info_to_json(info)) == info
    without = {k: v for k, v in deployed._info_to_json(info).items() if k != "remember"}
    assert deployed._info_from_json(without).remember is True, "as in plans deployed before"
