"""Reading and storing beside a look change nothing of what comes out, and lose no error."""

from __future__ import annotations

import io
import threading
import time
from functools import partial
from typing import Any

import pytest
from PIL import Image

from walkdown.errors import StoreError
from walkdown.models.fake import Fake, fake_artefact
from walkdown.pipeline.plan import make_plan
from walkdown.runners import overlap, worker
from walkdown.runners.worker import Work, look
from walkdown.spec import OutputsSpec, one_stage
from walkdown.stores.memory import MemoryBlobs, MemoryRecords, MemorySource
from walkdown.types import ImageRef, Original

MANY = 60


def photos(count: int = MANY) -> dict[str, bytes]:
    found = {}
    for number in range(count):
        out = io.BytesIO()
        Image.new("L", (8, 8), 4 * number).save(out, "PNG")
        found[f"{number:03d}.png"] = out.getvalue()
    found["000.png"] = b"no photograph"
    return found


class Far(MemorySource):
    """A source that counts how many were read before they were looked at."""

    def __init__(self, images: dict[str, bytes], model: Counting) -> None:
        super().__init__(images)
        self._model, self.read_count, self.most_ahead = model, 0, 0

    def read(self, ref: ImageRef) -> Original:
        self.read_count += 1
        self.most_ahead = max(self.most_ahead, self.read_count - self._model.seen)
        return super().read(ref)


class Counting(Fake):
    seen = 0

    def predict(self, photos: Any) -> Any:
        time.sleep(0.02)
        self.seen += len(photos)
        return super().predict(photos)


class Broken(MemoryBlobs):
    """A store whose last heat map does not arrive."""

    def put(self, key: str, data: bytes) -> None:
        if sum(1 for _ in self.list("heatmaps/")) == MANY - 2:
            raise StoreError("the disk is full")
        super().put(key, data)


def scene(ahead: bool, blobs: MemoryBlobs | None = None) -> tuple[Work, Far]:
    model = Counting(fake_artefact(), label="fake@1")
    source = Far(photos(), model)
    work = Work(
        plan=make_plan(one_stage("fake"), {"fake": model.info}),
        models={model.info.digest: model},
        source=source,
        blobs=blobs or MemoryBlobs(),
        records=MemoryRecords(workspace="w"),
        outputs=OutputsSpec(images=False),
        max_pixels=100,
        ahead=ahead,
    )
    return work, source


def test_reading_ahead_changes_nothing_but_the_order_of_work() -> None:
    (one, near), (more, far) = scene(False), scene(True)
    refs = list(near.refs())
    assert look(more, refs) == look(one, refs)
    assert dict(more.blobs._blobs) == dict(one.blobs._blobs)  # type: ignore[attr-defined]
    assert far.most_ahead > near.most_ahead


def test_no_more_is_read_ahead_than_fits_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of photographs of some 70 bytes: 200 bytes in the line, groups of one since they weigh 50."""
    monkeypatch.setattr(overlap, "GROUP_BYTES", 50)
    monkeypatch.setattr(worker, "ahead", partial(overlap.ahead, most=200))
    work, far = scene(True)
    look(work, list(far.refs()))
    # Three in the line, one that is made, and as many as a model looks at.
    assert 1 < far.most_ahead <= 3 + 1 + 4


@pytest.mark.parametrize("ahead", [False, True])
def test_a_heat_map_that_could_not_be_stored_is_an_error_of_the_batch(ahead: bool) -> None:
    work, source = scene(ahead, Broken())
    with pytest.raises(StoreError, match="the disk is full"):
        look(work, list(source.refs()))


def test_a_source_that_breaks_off_ends_the_batch_and_no_thread_stays() -> None:
    work, source = scene(True)
    refs = list(source.refs())

    def read(ref: ImageRef) -> Original:
        if ref == refs[30]:
            raise StoreError("S3 does not answer")
        return MemorySource.read(source, ref)

    source.read = read  # type: ignore[method-assign]
    before = threading.active_count()
    with pytest.raises(StoreError, match="S3 does not answer"):
        look(work, refs)
    assert threading.active_count() == before
