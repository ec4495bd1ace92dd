"""What every use case is given: the ports, already connected. Only `wiring` makes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from walkdown.app.preparations import OpenStep
    from walkdown.models.artefact import Artefact
    from walkdown.ports import (
        Analytics,
        Blobs,
        Model,
        Notifier,
        Outbox,
        Predictions,
        Records,
        Source,
        Spending,
        Versions,
    )
    from walkdown.spec import AlertSpec, Settings, SourceSpec
    from walkdown.types import Result


@dataclass(frozen=True, slots=True)
class App:
    """The object graph of one workspace.

    ``sources`` opens the photographs of a source specification, ``notifiers`` the channel of an
    alert specification, ``open_model`` a loaded artefact under a label. ``close`` lets go of files.
    ``open_step`` makes a step of a preparation, by name and settings. ``original`` reads the
    photograph of a result as it was inspected; raises `WalkdownError`. ``place`` is what people
    call the workspace: its folder, or ``aws://STACK``.
    """

    home: Path
    place: str
    settings: Settings
    blobs: Blobs
    records: Records
    predictions: Predictions
    outbox: Outbox
    versions: Versions
    spending: Spending
    analytics: Analytics
    clock: Callable[[], datetime]
    sources: Callable[[SourceSpec], Source]
    notifiers: Callable[[AlertSpec], Notifier]
    open_model: Callable[[Artefact, str], Model]
    open_step: OpenStep
    origins: Mapping[str, str]
    close: Callable[[], None]
    original: Callable[[Result], bytes]
