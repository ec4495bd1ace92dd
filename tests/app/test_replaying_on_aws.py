"""A replay over the archive of a stack: photographs and models in S3, records in DynamoDB."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.reports import Counter, Page
from tests.app.stacks import STACK, inspected, stack_app
from tests.e2e.judges import LOOKS, add_judge

from walkdown import wiring_aws
from walkdown.app.archive import Wanted
from walkdown.app.replaying import replay
from walkdown.cli.entry import run
from walkdown.sdk.aws import Aws


def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """`aws://plant` is this stack, without CloudFormation."""
    monkeypatch.setattr(wiring_aws, "find_stack", lambda _: STACK)
    monkeypatch.setenv("WALKDOWN_ACTOR", "ada")


def test_the_archive_of_a_stack_is_replayed_from_its_own_photographs(
    moto_aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with stack_app(moto_aws, monkeypatch, {"a": 10, "b": 90, "c": 200}) as app:
        assert inspected(app) == ["normal", "normal", "anomaly"]
        before = list(app.records.results()), app.records.findings()
        add_judge(app, "judge", middle=80)
        for looked in (3, 0):
            LOOKS.clear()
            replaying = replay(app, "judge@2", wanted=Wanted(), progress=Counter())
            kinds = {c.after.image.rpartition("/")[2]: c.kind for c in replaying.changes()}
            assert kinds == {"a.png": "unchanged", "b.png": "to_anomaly", "c.png": "unchanged"}
            assert len(LOOKS) == looked, "what was said is remembered in the stack's table"
        patched(monkeypatch)
        monkeypatch.chdir(tmp_path)
        assert run(["replay", "--model", "judge@2", "--workspace", "aws://plant"]) == 0
        page = tmp_path / "reports" / "replay-judge@2" / "index.html"
        pictures = Page(page.read_text("utf-8")).pictures()
        assert [bool(drawn["before"] and drawn["heat"]) for drawn in pictures] == [True]
        assert (list(app.records.results()), app.records.findings()) == before
        assert list(app.blobs.list("images/")) == []
