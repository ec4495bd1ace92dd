"""The page of a replay is parsed back and attacked; one test looks at it in a real browser."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from tests.app.reports import (
    CHROMIUM,
    HOSTILE,
    NOON,
    Blobs,
    Counter,
    Page,
    browse,
    opened,
    png,
    result,
    stored,
)

from walkdown.app.replay_page import write_replay
from walkdown.app.replaying import Change, Kind, Replaying
from walkdown.pipeline.keys import image_key
from walkdown.types import Result, Status, Verdict


def pair(blobs: Blobs, name: str, then: float, now: float | None, shade: int) -> Change:
    """A photograph with two heat maps of its own, one for each side."""
    before = stored(blobs, result(name, then), shade, heat=False)
    after = replace(stored(blobs, result(name, now), shade, heat=False), model="tiles@4")
    sides = []
    for side, grey in ((before, 120), (after, 240)):
        key = f"heat/{name}/{grey}"
        blobs.put(key, png(grey))
        stages = tuple(replace(s, heatmap=key, model=side.model or "") for s in side.stages)
        sides.append(replace(side, stages=stages))
    return Change(*sides)


def write(out: Path, changes: list[Change], blobs: Blobs, *, same: int = 0) -> Page:
    def original(of: Result) -> bytes:
        return blobs.get(image_key(of.content or ""))

    replaying = Replaying(
        app=cast("Any", SimpleNamespace(blobs=blobs, original=original)),
        archive=cast("Any", None),
        name="tiles",
        by=cast("Any", SimpleNamespace(info=SimpleNamespace(label="tiles@4"))),
        against=cast("Any", SimpleNamespace(info=SimpleNamespace(label="tiles@3"))),
        progress=Counter(),
    )
    replaying.counts.update(change.kind for change in changes)
    replaying.counts[Kind.UNCHANGED] += same
    path = write_replay(replaying, changes, out=out, at=NOON, progress=Counter())
    return Page(path.read_text("utf-8"))


def test_what_changed_is_shown_worst_first_with_both_heat_maps(tmp_path: Path) -> None:
    blobs = Blobs()
    changes = [
        pair(blobs, "small.png", 0.45, 0.55, 10),
        pair(blobs, "better.png", 0.99, 0.01, 20),
        pair(blobs, "large.png", 0.1, 0.9, 30),
        Change(result("gone.png", 0.9), result("gone.png", None)),
    ]
    page = write(tmp_path, changes, blobs, same=7)
    rows = page.data["results"]
    assert [row["name"] for row in rows] == ["large.png", "small.png", "better.png", "gone.png"]
    assert page.data["counts"] == {
        "to_anomaly": 2, "to_normal": 1, "unusable": 0, "failed": 1, "unchanged": 7,
    }  # fmt: skip
    assert (rows[0]["before"]["score"], rows[0]["score"]) == (0.1, 0.9)
    assert rows[3]["error"] == "the file is empty"
    pictures = page.pictures()
    assert rows[3]["picture"] is None
    for row in rows[:3]:
        drawn = pictures[row["picture"]]
        grey = np.asarray(opened(drawn["image"]).convert("L")).mean()
        assert abs(grey - {"small": 10, "better": 20, "large": 30}[row["name"][:-4]]) <= 3
        then, now = (opened(drawn[name]).convert("RGBA") for name in ("before", "heat"))
        # A score of 240 / 255 is drawn darker and less transparent than one of 120 / 255.
        assert np.asarray(then)[..., 3].mean() < np.asarray(now)[..., 3].mean()
    table = json.loads((tmp_path / "changes.json").read_text("utf-8"))
    assert [row["image"] for row in table["changes"]] == [row["image"] for row in rows]
    assert table["counts"] == page.data["counts"]


def test_the_page_runs_its_own_script_alone_and_hostile_names_stay_text(tmp_path: Path) -> None:
    blobs = Blobs()
    page = write(tmp_path, [pair(blobs, HOSTILE, 0.1, 0.9, 10)], blobs)
    assert page.data["results"][0]["image"] == HOSTILE
    digest = hashlib.sha256(page.scripts["code"].encode()).digest()
    policy = next(a["content"] or "" for _, a in page.tags if "http-equiv" in a)
    assert f"script-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert "default-src 'none'" in policy
    assert not any(tag in ("img", "link") and "onerror" in a for tag, a in page.tags)
    outside = [a for _, a in page.tags if (a.get("src") or a.get("href") or "").startswith("http")]
    assert outside == []


@pytest.mark.parametrize(
    ("then", "now", "kind"),
    [
        (Verdict.NORMAL, Verdict.ANOMALY, Kind.TO_ANOMALY),
        (Verdict.ANOMALY, Verdict.NORMAL, Kind.TO_NORMAL),
        (Verdict.ANOMALY, Verdict.ANOMALY, Kind.UNCHANGED),
        (Verdict.UNUSABLE, Verdict.UNUSABLE, Kind.UNCHANGED),
        (Verdict.UNUSABLE, Verdict.NORMAL, Kind.UNUSABLE),
        (Verdict.ANOMALY, Verdict.UNUSABLE, Kind.UNUSABLE),
        (None, Verdict.NORMAL, Kind.FAILED),
        (Verdict.NORMAL, None, Kind.FAILED),
    ],
)
def test_each_pair_of_verdicts_has_a_kind(
    then: Verdict | None, now: Verdict | None, kind: Kind
) -> None:
    def side(verdict: Verdict | None) -> Result:
        status = Status.DONE if verdict else Status.FAILED
        return replace(result("a.png", 0.5), verdict=verdict, status=status)

    assert Change(side(then), side(now)).kind is kind


def test_a_stage_that_failed_is_nothing_to_compare_with() -> None:
    after = replace(result("a.png", 0.9), status=Status.PARTIAL, error="stage ask: no network")
    change = Change(result("a.png", 0.1), after)
    assert (change.kind, change.error) == (Kind.FAILED, "stage ask: no network")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine to open the page with")
def test_a_browser_draws_both_sides_without_an_error(tmp_path: Path) -> None:
    blobs = Blobs()
    changes = [pair(blobs, f"{n}.png", 0.1, 0.6 + n / 100, n) for n in range(20)]
    changes += [
        pair(blobs, HOSTILE, 0.9, 0.2, 90),
        Change(result("gone.png", 0.9), result("gone.png", None)),
    ]
    page = write(tmp_path / "out", changes, blobs, same=3)
    hostile = next(row for row in page.data["results"] if row["image"] == HOSTILE)
    url = (tmp_path / "out/index.html").as_uri()
    dom, log = browse(url, tmp_path)
    seen = [attributes for _, attributes in dom.tags]
    assert sum(a.get("class") == "card" for a in seen) == 21
    assert sum(a.get("class") == "half then" for a in seen) == 21
    assert sum(a.get("class") == "heat" for a in seen) == 2 * 21
    assert sum(a.get("class") == "why" for a in seen) == 1
    assert "tiles@4 instead of tiles@3" in dom.texts
    labels = [a.get("aria-label") or "" for a in seen if "data-id" in a]
    assert "19.png, Now an anomaly: Normal 0.100 before, Anomaly 0.790 now" in labels
    assert "CONSOLE" not in log, log
    dom, log = browse(f"{url}#show=to_normal&image={hostile['id']}", tmp_path)
    seen = [attributes for _, attributes in dom.tags]
    assert sum(a.get("class") == "card" for a in seen) == 1
    assert any(a.get("id") == "detail" and "open" in a for a in seen)
    assert any((a.get("alt") or "").endswith(", before") for a in seen)
    assert "What would be said now" in dom.texts
    assert not any(a.get("src") == "x" for a in seen)
    assert "CONSOLE" not in log, log
