"""Models that cost by the hour: started, stopped, waited for, and told of where they idle."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from walkdown.app import switching
from walkdown.app.context import App
from walkdown.errors import ModelError, SpecError
from walkdown.models import artefact
from walkdown.models.fake import Fake, fake_artefact
from walkdown.ports import Startable
from walkdown.types import Inspection, ModelVersion, RunState, RunStatus
from walkdown.wiring import open_workspace

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Engine(Fake):
    """A fake that must run; each time it is asked for its state it is one step further."""

    def __init__(self, ahead: list[RunStatus]) -> None:
        super().__init__(fake_artefact(), label="engine@1")
        self.ahead = ahead
        self.refuses = False

    def start(self) -> RunState:
        self.ahead = ["starting", "starting", "running"]
        return self.state()

    def stop(self) -> RunState:
        self.ahead = ["stopping", "stopped"]
        return self.state()

    def state(self) -> RunState:
        if self.refuses:
            raise ModelError("nobody answers")
        now = self.ahead[0]
        self.ahead = self.ahead[1:] or [now]
        return RunState(now, 2, 8.0, now.upper(), "eu-west-1")


@pytest.fixture
def engine() -> Engine:
    return Engine(["stopped"])


@pytest.fixture
def app(tmp_path: Path, engine: Engine) -> App:
    """A workspace with a model that must be started, and one that need not."""
    real = open_workspace(str(tmp_path))

    def opened(made: artefact.Artefact, label: str) -> Fake:
        return engine if label.startswith("engine") else Fake(made, label=label)

    app = replace(real, open_model=opened, clock=lambda: NOW)
    for name, salt in (("engine", ""), ("plain", "b")):
        made = fake_artefact(salt=salt)
        artefact.save(made, app.blobs)
        facts = {"kind": made.kind}
        app.versions.add(ModelVersion(name, 0, made.digest, NOW, "test", ("live",), facts))
    return app


def inspected(app: App, model: str, began: datetime, ended: datetime | None) -> None:
    app.records.save_inspection(
        Inspection(model + str(began), app.settings.workspace, "p", "d", (), "test", began,
                   finished_at=ended, model=model)
    )  # fmt: skip


def test_only_what_can_be_started_has_the_port(engine: Engine) -> None:
    assert isinstance(engine, Startable)
    assert not isinstance(Fake(fake_artefact(), label="a"), Startable)


def test_it_is_started_and_stopped(app: App) -> None:
    told = switching.start(app, "engine")
    assert (told.label, told.state) == (
        "engine@1",
        RunState("starting", 2, 8.0, "STARTING", "eu-west-1"),
    )
    assert switching.stop(app, "engine@live").state == RunState(
        "stopping", 2, 8.0, "STOPPING", "eu-west-1"
    )


def test_what_answers_at_any_time_has_nothing_to_start(app: App) -> None:
    for function in (switching.start, switching.stop, switching.wait):
        with pytest.raises(SpecError, match="plain@1 has nothing to start or stop: fake answers"):
            function(app, "plain")


def test_it_is_waited_for(app: App) -> None:
    slept: list[float] = []
    switching.start(app, "engine")
    told = switching.wait(app, "engine", clock=lambda: 0.0, sleep=slept.append)
    assert told.state is not None
    assert told.state.status == "running"
    assert slept == [switching.POLL_S]


def test_waiting_has_an_end(app: App, engine: Engine) -> None:
    engine.ahead = ["starting"]
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(ModelError, match=r"still starting after an hour; .* models status engine"):
        switching.wait(app, "engine", clock=lambda: now[0], sleep=sleep)
    assert now[0] == pytest.approx(switching.PATIENCE_S, abs=2 * switching.POLL_S)


def test_all_that_can_be_started_are_told_of(app: App, engine: Engine) -> None:
    (told,) = switching.states(app)
    assert (told.label, told.state and told.state.status) == ("engine@1", "stopped")
    engine.refuses = True
    (told,) = switching.states(app)
    assert (told.state, told.error) == (None, "nobody answers")
    with pytest.raises(ModelError, match="nobody answers"):
        list(switching.states(app, "engine"))


@pytest.mark.parametrize(
    ("began_h", "ended_h", "is_idle"),
    [
        (None, None, True),
        (5.0, 4.0, True),
        (5.0, 0.5, False),
        (5.0, None, False),
        (30.0, None, True),
    ],
)
def test_one_that_runs_though_nobody_asks_it_is_idle(
    app: App, engine: Engine, began_h: float | None, ended_h: float | None, is_idle: bool
) -> None:
    """An inspection under way uses it; one that began yesterday and has no end was killed."""
    engine.ahead = ["running"]
    inspected(app, "engine@11, other@1", NOW, None)
    if began_h is not None:
        ended = None if ended_h is None else NOW - timedelta(hours=ended_h)
        inspected(app, "plain@1, engine@1", NOW - timedelta(hours=began_h), ended)
    (told,) = switching.states(app, "engine")
    assert told.is_idle is is_idle
    assert (told.used_at is None) == (began_h is None)
    engine.ahead = ["stopped"]
    (told,) = switching.states(app, "engine")
    assert not told.is_idle, "what is stopped costs nothing"
