from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.types import (
    ImageRef,
    ModelVersion,
    Prediction,
    Result,
    ResultKey,
    Severity,
    StageResult,
    Status,
    Verdict,
    digest_of,
)

plain = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None))
parts = st.lists(plain | st.lists(plain, max_size=3), max_size=4)


@given(parts, parts)
def test_digests_are_equal_exactly_for_equal_parts(one: list[Any], other: list[Any]) -> None:
    # True == 1 in Python, but not in what is written down, so the texts are compared.
    assert (digest_of(*one) == digest_of(*other)) is (repr(one) == repr(other))


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


def test_digests_tell_the_borders_between_parts() -> None:
    assert len({digest_of("ab"), digest_of("a", "b"), digest_of(["a", "b"])}) == 3


def test_file_names_that_are_no_text_have_digests_of_their_own() -> None:
    undecodable = b"caf\xc3\xa9".decode("ascii", "surrogateescape")
    assert digest_of(undecodable) != digest_of("café")


def test_digests_stay_what_they_are() -> None:
    """Stored results are found by them: a change orphans every workspace."""
    known = "67fb6da6cdb4efa53fdf1fcdf29bad8c9dd5aa79610d3502a18c50cc00b03943"
    assert digest_of("plan", 1, None, True, "ü") == known


def ref(**changes: str) -> ImageRef:
    given = {"uri": "file:///a/b.jpg", "version": "1", "name": "a/b.jpg", "relative": "b.jpg"}
    return ImageRef(**given | changes)


def test_a_capture_is_its_uri_and_version_and_nothing_else() -> None:
    assert ref().capture_id == ref(name="other", relative="other").capture_id
    assert len({ref().capture_id, ref(uri="c").capture_id, ref(version="2").capture_id}) == 3


def test_every_part_of_a_result_key_counts() -> None:
    keys = [
        ResultKey("w", "c", "p"),
        ResultKey("v", "c", "p"),
        ResultKey("w", "d", "p"),
        ResultKey("w", "c", "q"),
        ResultKey("w", "c", "p", 1),
    ]
    assert len({key.id for key in keys}) == len(keys)
    assert all(len(key.id) == 32 for key in keys)


def test_severities_rank_from_low_to_critical() -> None:
    words = ["low", "medium", "high", "critical"]
    assert [Severity(word).rank for word in words] == [0, 1, 2, 3]


def stage(name: str, model: str, *, error: str | None = None) -> StageResult:
    verdict = None if error else Verdict.ANOMALY
    return StageResult(name, model, "d", Prediction(verdict, None, None, error=error))


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ((stage("a", "m@1"), stage("b", "n@1")), "a"),
        ((stage("a", "m@1"), stage("b", "m@1")), "b"),
        ((stage("a", "m@1"), stage("b", "m@1", error="broken")), "a"),
        ((stage("a", "n@1"),), None),
    ],
)
def test_the_deciding_stage_is_one_that_answered(
    stages: tuple[StageResult, ...], expected: str | None
) -> None:
    result = Result(
        key=ResultKey("w", "c", "p"),
        uri="u",
        image="i",
        status=Status.DONE,
        actor="a",
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        model="m@1",
        stages=stages,
    )
    by = result.decided_by
    assert (by.stage if by else None) == expected


def test_a_version_is_labelled_as_people_write_it() -> None:
    version = ModelVersion("cells", 3, "d", datetime(2026, 1, 1, tzinfo=UTC), "a")
    assert version.label == "cells@3"
