"""The interfaces between the parts, and nothing else.

Every port is synchronous, takes and returns batches, has an implementation in memory, and is
described by what happens on missing, duplicate and retry. ``tests/contracts`` holds one suite per
port, which runs over all of its adapters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from walkdown.types import (
        Alert,
        Entry,
        Finding,
        ImageRef,
        Inspection,
        ModelInfo,
        ModelVersion,
        Notice,
        Original,
        Photo,
        Prediction,
        Result,
        ResultKey,
        RunState,
    )

Recorded = Literal["written", "exists", "conflict"]
"""``exists``: a done result is never replaced. ``conflict``: a finding has moved on; read again."""

Topic = Literal["alert", "lake"]


class Model(Protocol):
    """Anything that looks at images and returns predictions."""

    @property
    def info(self) -> ModelInfo:
        """Label, digest, kind and limits; the same for the life of the object."""

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """One prediction per photo, in order, for at most ``info.max_batch`` photos.

        A photo that this model can't look at is a prediction with ``error``. Raises `ModelError`
        where the whole batch failed. May be called from several threads at once.
        """


class JobModel(Protocol):
    """A model that works by job (``info.kind`` is ``job``): a service that takes minutes."""

    @property
    def info(self) -> ModelInfo:
        """As `Model.info`."""

    def submit(self, photos: Sequence[Photo]) -> str:
        """Begin to look at photos, ``info.max_batch`` at most; returns a token of 2 KB at most.

        A repeated submission of the same photos is a job of its own. Raises `ModelError`.
        """

    def ready(self, token: str) -> bool:
        """Whether `collect` would answer. Raises `ModelError` for a job that is lost."""

    def collect(self, token: str) -> list[Prediction]:
        """One prediction per photo, in order, as often as asked. Raises `ModelError`."""


class Step(Protocol):
    """The team's own Python around every model of a pipeline; must not keep what it is shown."""

    def before(self, photo: Photo) -> Photo:
        """The photo that the model sees: of the same ``width_px`` and ``height_px``.

        Raises `ImageError` for one that no model should see. May be called from several threads.
        """

    def after(self, prediction: Prediction, photo: Photo) -> Prediction:
        """What is made of what the model said; ``photo`` is what it was shown."""


@runtime_checkable
class Startable(Protocol):
    """What a model has besides, if it answers only while it runs and costs as long as it does.

    Its service takes minutes: each of these returns at once, with the state as it is then. All
    raise `WalkdownError` where the service refuses or does not answer.
    """

    def start(self) -> RunState:
        """Have it run, as its card says; one that runs or starts already stays as it is."""

    def stop(self) -> RunState:
        """Have it stop; one that is stopped or stops already stays as it is."""

    def state(self) -> RunState:
        """How it is now."""


class Source(Protocol):
    """A place where photographs land."""

    def refs(self) -> Iterator[ImageRef]:
        """All captures, in a stable order; what can't be an image carries its ``problem``."""

    def read(self, ref: ImageRef) -> Original:
        """One capture, whole. Raises `ImageError` when it is gone or can't be read."""

    def left_out(self) -> list[tuple[str, str]]:
        """After `refs`: (name, reason) of what was there and is no image, such as a text file."""


class Blobs(Protocol):
    """Named bytes. Keys are relative, ``/`` between parts; one that tries to leave is refused."""

    def put(self, key: str, data: bytes) -> None:
        """Store whole or not at all; a second put of a key replaces it."""

    def get(self, key: str) -> bytes:
        """The bytes of a key. Raises `NotFound`."""

    def size(self, key: str) -> int | None:
        """How many bytes `get` would find; None for a missing key."""

    def list(self, prefix: str = "") -> Iterator[str]:
        """All keys that start with the prefix, sorted."""

    def delete(self, key: str) -> None:
        """Remove a key; removing a missing one changes nothing."""

    def locate(self, key: str) -> str:
        """Where a person finds it: an absolute path, or a URI."""


class Records(Protocol):
    """What happened: inspections, their members, results, findings, cached predictions."""

    def save_inspection(self, inspection: Inspection) -> None:
        """Insert, or replace the one with the same id."""

    def inspections(self) -> list[Inspection]:
        """All inspections of the workspace, newest first."""

    def add_members(
        self, inspection_id: str, members: Sequence[tuple[ImageRef, ResultKey]]
    ) -> None:
        """List images as members that point at results (done or still to come); repeatable."""

    def record(self, inspection_id: str, entries: Sequence[Entry]) -> list[Recorded]:
        """Write entries, each one whole or not at all, and their outbox messages with them.

        A done result is never replaced (``exists``), nor a partial one by a failed one, since its
        verdict stands; other failed and partial ones are. An entry whose
        finding is not exactly one revision ahead of the stored one is a ``conflict`` and writes
        nothing. The written ones form one lake batch, announced on the outbox topic ``lake``.
        """

    def results(
        self,
        *,
        keys: Iterable[ResultKey] | None = None,
        inspection_id: str | None = None,
        batch_id: str | None = None,
        image: str | None = None,
    ) -> Iterator[Result]:
        """Stored results that fit all given filters, in the order in which they were recorded.

        ``image`` fits a result's name, its URI, its content hash or a unique beginning of it.
        """

    def findings(self, ids: Iterable[str] | None = None) -> dict[str, Finding]:
        """Findings by id; missing ids are left out."""

    def cached(self, keys: Iterable[str]) -> dict[str, tuple[Prediction, str | None]]:
        """Predictions, each with its heat map's blob key, recorded under these cache keys."""


class Predictions(Protocol):
    """What models have said, remembered without a result: `Records.cached` finds it again."""

    def remember(self, said: Sequence[tuple[str, Prediction, str | None]]) -> None:
        """Store predictions, each under its cache key and with its heat map's blob key.

        One that is there already is replaced; a store may leave out what is too large for it.
        """


class Outbox(Protocol):
    """Messages that were written in the same transaction as what caused them."""

    def pending(self, topic: Topic, limit: int = 1000) -> list[tuple[str, Alert | str]]:
        """Messages not yet settled, oldest first, as (id, body): an alert, or a lake batch's id."""

    def settle(self, ids: Iterable[str], *, error: str | None = None) -> None:
        """Mark as delivered; with ``error``, note a failed attempt and leave them pending."""


class Spending(Protocol):
    """What pipelines have taken of their months' budgets, in millionths of a US dollar."""

    def reserve(
        self, pipeline: str, month: str, inspection_id: str, *, amount: int, limit: int
    ) -> bool:
        """Take an amount, once for each inspection; False, and nothing taken, beyond the limit.

        ``month`` is like ``2026-05``; what an inspection has taken of one, it need not take of the
        next. However many ask at once, together they stay within it.
        """

    def spent(self, pipeline: str, month: str) -> int:
        """What was taken of that month."""


class Versions(Protocol):
    """The model registry: names, numbered versions, aliases."""

    def add(self, version: ModelVersion) -> ModelVersion:
        """Number and store a version, and point its aliases at it, in one transaction.

        ``version.version`` is ignored: numbers count from 1 for each name. Adding the digest that
        the newest version has already returns that one: a repeated training adds nothing.
        """

    def versions(self, name: str | None = None) -> list[ModelVersion]:
        """All versions (of one name), by name and number."""

    def point(self, name: str, alias: str, version: int) -> None:
        """Move an alias. Raises `NotFound` for a version that does not exist."""


class Analytics(Protocol):
    """The lake: a projection of the records that can be rebuilt, for questions in SQL."""

    def project(self, batch_id: str, results: Sequence[Result]) -> None:
        """Write one batch; a retry replaces it."""

    def query(self, sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
        """Column names and rows of a question on the documented views. Raises `StoreError`."""

    def batches(self) -> list[str]:
        """Ids of all batches."""

    def drop(self, batch_ids: Iterable[str]) -> None:
        """Remove these batches; a missing one changes nothing."""


class Notifier(Protocol):
    """Tells people."""

    def send(self, notice: Notice) -> None:
        """Deliver once. Raises `NotifyError`; its alerts then stay in the outbox."""


class Progress(Protocol):
    """Is told how a long work goes on; the command line draws it."""

    def start(self, what: str, total: int | None) -> None:
        """A new phase begins."""

    def advance(self, count: int = 1) -> None:
        """So many more are done."""

    def note(self, text: str) -> None:
        """Something worth a line."""
