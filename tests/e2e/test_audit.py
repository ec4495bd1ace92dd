"""What people are told of an audit, from the command line to the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.e2e.conftest import BRIGHT, Desk, add_fake

from walkdown.models.fake import Fake
from walkdown.types import ModelInfo, Photo, Prediction

CASCADE = """
source: photos
stages:
  - {name: screen, model: bright}
  - {name: confirm, model: dear, when: screen.verdict == 'anomaly', audit: 0.3}
"""
LOOK_USD = 0.004


@pytest.fixture
def cascade(desk: Desk, photos: Callable[..., Path]) -> Desk:
    """Thirty dark photographs and a bright one, and two models of brightness."""
    add_fake(desk.app, "dear", salt="dear")
    photos(**{f"dark{i}": i for i in range(30)}, bad=BRIGHT)
    (desk.folder / "cascade.yaml").write_text(CASCADE)
    return desk


def audited(desk: Desk) -> tuple[int, str]:
    """How many looks were saved, and the line that was printed."""
    code, out, err = desk.run("inspect", "--pipeline", "cascade.yaml")
    assert code == 0, err
    (line,) = [each for each in out.splitlines() if each.startswith("audit:")]
    looked = int(line.partition("looked at ")[2].partition(" of 30")[0])
    assert 0 < looked < 30
    return 30 - looked, line


def test_looks_that_cost_nothing_are_counted_without_dollars(cascade: Desk) -> None:
    saved, line = audited(cascade)
    assert line.endswith(f"; {saved} looks were saved")


def test_what_a_look_should_cost_is_what_is_saved(
    cascade: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model says of itself what a look costs, and nothing of a single one."""

    def info(model: Fake) -> ModelInfo:
        return replace(model._info, usd_per_image=LOOK_USD)

    monkeypatch.setattr(Fake, "info", property(info))
    saved, line = audited(cascade)
    assert line.endswith(f"; {saved} looks were saved, about ${saved * LOOK_USD:.3f}")


def test_what_looks_did_cost_is_told_by_every_command(
    cascade: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Fake.predict

    def predict(model: Fake, photos: Sequence[Photo]) -> list[Prediction]:
        return [replace(each, cost_usd=LOOK_USD) for each in plain(model, photos)]

    monkeypatch.setattr(Fake, "predict", predict)
    saved, line = audited(cascade)
    assert line.endswith(f"; {saved} looks were saved, about ${saved * LOOK_USD:.3f}")
    assert line in cascade.run("results")[1]
    assert cascade.run("report", "--out", "report")[0] == 0
    (row,) = json.loads((cascade.folder / "report" / "results.json").read_text())["audits"]
    assert row["words"] == line
    assert row["saved_usd"] == pytest.approx(saved * LOOK_USD)
    assert row["usd_per_look"] == pytest.approx(LOOK_USD)
