"""Start and stop models that cost by the hour, and see which run though nobody asks them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from walkdown.app.versions import open_version, resolve
from walkdown.errors import ModelError, SpecError, WalkdownError
from walkdown.ports import Startable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from walkdown.app.context import App
    from walkdown.types import ModelVersion, RunState, RunStatus

IDLE_AFTER: Final = timedelta(hours=1)
STALE_AFTER: Final = timedelta(hours=24)
"""An inspection that began so long ago and has no end was most likely killed."""
PATIENCE_S, POLL_S = 3600.0, 15.0

_ON_ITS_WAY: Final[dict[RunStatus, RunStatus]] = {"starting": "running", "stopping": "stopped"}


@dataclass(frozen=True, slots=True)
class Switch:
    """How one model is: its state, or why it can't be told.

    ``used_at`` is when an inspection of this workspace last looked with it; ``is_idle`` that it
    runs though that is more than an hour ago.
    """

    label: str
    state: RunState | None
    error: str | None = None
    used_at: datetime | None = None
    is_idle: bool = False


def start(app: App, name: str) -> Switch:
    """Have a model run. Raises `SpecError` for one that has nothing to start."""
    version, model = _startable(app, name)
    return _switch(app, version, model.start())


def stop(app: App, name: str) -> Switch:
    """Have a model stop. Raises `SpecError` for one that has nothing to stop."""
    version, model = _startable(app, name)
    return _switch(app, version, model.stop())


def wait(
    app: App,
    name: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Switch:
    """How a model is once it neither starts nor stops. Raises `ModelError` after an hour."""
    version, model = _startable(app, name)
    until = clock() + PATIENCE_S
    while (state := model.state()).status in _ON_ITS_WAY:
        if clock() > until:
            raise ModelError(
                f"{version.label} is still {state.status} after an hour; "
                f"see: walkdown models status {version.label}"
            )
        sleep(POLL_S)
    return _switch(app, version, state)


def states(app: App, name: str | None = None) -> Iterator[Switch]:
    """Of a model, or of all that can be started, how they are; what can't be told says why.

    Of a model with many versions all are asked for: an old one that still runs costs as much. Only
    what was brought in by a card is opened; what was trained here has nothing to start.
    """
    if name is not None:
        version, model = _startable(app, name)
        yield _switch(app, version, model.state())
        return
    for version in (each for each in app.versions.versions() if "kind" in each.facts):
        try:
            opened = open_version(app, version)
            if isinstance(opened, Startable):
                yield _switch(app, version, opened.state())
        except WalkdownError as e:
            yield Switch(version.label, None, str(e))


def charges_by_hour(app: App, label: str) -> bool:
    """Whether a version costs as long as it runs. False where that can't be told."""
    try:
        version = resolve(app, label)
        model = open_version(app, version) if "kind" in version.facts else None
    except WalkdownError:
        return False
    return float(getattr(model, "usd_per_unit_hour", 0.0)) > 0


def _startable(app: App, name: str) -> tuple[ModelVersion, Startable]:
    version = resolve(app, name)
    model = open_version(app, version)
    if not isinstance(model, Startable):
        kind = version.facts.get("kind", "this kind")
        raise SpecError(f"{version.label} has nothing to start or stop: {kind} answers at any time")
    return version, model


def _switch(app: App, version: ModelVersion, state: RunState) -> Switch:
    used_at = _used_at(app, version.label)
    is_used = used_at is not None and app.clock() - used_at < IDLE_AFTER
    is_idle = state.status == "running" and not is_used
    return Switch(version.label, state, used_at=used_at, is_idle=is_idle)


def _used_at(app: App, label: str) -> datetime | None:
    """When an inspection last looked with it: now, where one is under way."""
    found = [each for each in app.records.inspections() if label in each.model.split(", ")]
    now = app.clock()
    for each in found:
        if each.finished_at is None and now - each.started_at < STALE_AFTER:
            return now
    return max((each.finished_at or each.started_at for each in found), default=None)
