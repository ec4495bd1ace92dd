"""Captures that are walked more than once without being in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from walkdown.stores.s3_reading import s3_ref
from walkdown.stores.spools import Spool
from walkdown.types import ImageRef


def captures() -> Iterator[ImageRef]:
    for number in range(100):
        yield s3_ref("b", f"p/ü {number}.jpg", version_id=f"v{number}", etag="", prefix="p/")
    yield s3_ref("b", "p/x", version_id="v", etag="", prefix="p/", problem="it is gone")


def test_a_spool_gives_what_it_was_given_as_often_as_asked() -> None:
    with Spool(captures()) as spool:
        folder = spool._folder.name
        assert spool.count == 101
        assert list(spool) == list(spool) == list(captures())
    assert not Path(folder).exists()


def test_nothing_is_left_where_the_listing_breaks() -> None:
    before = {path.name for path in Path(tempfile.gettempdir()).glob("walkdown-*")}

    def broken() -> Iterator[ImageRef]:
        yield from captures()
        raise OSError("no network")

    with pytest.raises(OSError, match="no network"):
        Spool(broken())
    assert {path.name for path in Path(tempfile.gettempdir()).glob("walkdown-*")} <= before
