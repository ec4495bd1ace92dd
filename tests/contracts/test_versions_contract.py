"""What every model registry keeps to."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from walkdown.errors import NotFound
from walkdown.types import ModelVersion

if TYPE_CHECKING:
    from walkdown.ports import Versions

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
CELLS = ModelVersion(
    name="cells",
    version=0,
    digest="d1",
    created_at=NOW,
    actor="ada",
    aliases=("live",),
    facts={"images": "40", "note": "caf\udce9"},
)


@pytest.fixture
def versions(store: Versions) -> Versions:
    return store


def test_numbers_count_from_one_for_each_name(versions: Versions) -> None:
    assert versions.versions() == []
    assert versions.add(CELLS) == replace(CELLS, version=1)
    assert versions.add(replace(CELLS, digest="d2", version=77)).version == 2
    assert versions.add(replace(CELLS, name="bolts")).label == "bolts@1"
    labels = [version.label for version in versions.versions()]
    assert labels == ["bolts@1", "cells@1", "cells@2"]
    assert [version.label for version in versions.versions("cells")] == ["cells@1", "cells@2"]
    assert versions.versions("pipes") == []


def test_an_alias_points_at_one_version(versions: Versions) -> None:
    versions.add(CELLS)
    versions.add(replace(CELLS, digest="d2", aliases=("live", "candidate")))
    assert [each.aliases for each in versions.versions("cells")] == [(), ("candidate", "live")]
    versions.point("cells", "live", 1)
    assert [each.aliases for each in versions.versions("cells")] == [("live",), ("candidate",)]


def test_a_repeated_training_adds_nothing(versions: Versions) -> None:
    versions.add(CELLS)
    second = versions.add(replace(CELLS, digest="d2"))
    versions.point("cells", "live", 1)
    again = versions.add(replace(CELLS, digest="d2", actor="bob"))
    assert again == replace(second, aliases=())
    assert [each.aliases for each in versions.versions("cells")] == [("live",), ()]


def test_the_digest_of_an_older_version_is_a_new_version(versions: Versions) -> None:
    for digest in ("d1", "d2", "d1"):
        versions.add(replace(CELLS, digest=digest))
    assert [each.digest for each in versions.versions("cells")] == ["d1", "d2", "d1"]


def test_pointing_at_nothing_says_what_there_is(versions: Versions) -> None:
    versions.add(CELLS)
    versions.add(replace(CELLS, digest="d2"))
    with pytest.raises(NotFound, match="'cells' has no version 3; it has 1, 2"):
        versions.point("cells", "live", 3)
    with pytest.raises(NotFound, match="no model named 'pipes'"):
        versions.point("pipes", "live", 1)
    assert versions.versions("cells")[1].aliases == ("live",)


def test_versions_of_one_name_added_at_once_get_different_numbers(versions: Versions) -> None:
    def add(digest: str) -> None:
        versions.add(replace(CELLS, digest=digest))

    threads = [threading.Thread(target=add, args=(f"d{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.version for each in versions.versions("cells")] == list(range(1, 9))
