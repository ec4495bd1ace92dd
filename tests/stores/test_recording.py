"""The policy of `record`, as a pure decision: checked against a simple model of a store."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.stores.recording import Known, decide, hash_prefix
from walkdown.types import Entry, Finding, Result, ResultKey, Severity, Status, digest_of

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def make_entry(capture: str, status: Status, revisions: dict[str, int]) -> Entry:
    result = Result(ResultKey("w", capture, "p"), "u", "i", status, "ada", NOW)
    findings = tuple(
        Finding(name, "w", "a", "l", Severity.LOW, 0.5, 1.0, "i", "r", NOW, NOW, "ada", revision)
        for name, revision in revisions.items()
    )
    return Entry(result, findings)


entries = st.lists(
    st.builds(
        make_entry,
        st.sampled_from("abc"),
        st.sampled_from(Status),
        st.dictionaries(st.sampled_from("fg"), st.integers(1, 3)),
    ),
    max_size=8,
)


@given(entries)
def test_one_batch_and_many_batches_of_one_come_to_the_same(batch: list[Entry]) -> None:
    nothing = Known(results={}, revisions={})
    together = decide(batch, nothing)
    results: dict[str, tuple[Status, int]] = {}
    revisions: dict[str, int] = {}
    for entry, outcome in zip(batch, together.outcomes, strict=True):
        alone = decide([entry], Known(results, revisions))
        assert alone.outcomes == (outcome,)
        for written, attempt in alone.written:
            results[written.result.key.id] = (written.result.status, attempt)
            revisions.update({each.id: each.revision for each in written.findings})
    wrote = [entry for entry, _ in together.written]
    assert wrote == [e for e, o in zip(batch, together.outcomes, strict=True) if o == "written"]
    assert (together.batch_id is None) == (not wrote)


def test_the_batch_id_is_made_of_results_and_attempts_in_any_order() -> None:
    batch = [make_entry("a", Status.FAILED, {}), make_entry("b", Status.DONE, {})]
    keys = sorted(entry.result.key.id for entry in batch)
    first = decide(batch, Known({}, {})).batch_id
    assert first == digest_of([(key, 1) for key in keys])[:32]
    assert decide(batch[::-1], Known({}, {})).batch_id == first
    again = decide(batch, Known({keys[0]: (Status.FAILED, 1), keys[1]: (Status.PARTIAL, 1)}, {}))
    assert again.batch_id == digest_of([(key, 2) for key in keys])[:32]


@pytest.mark.parametrize(
    ("image", "prefix"),
    [
        ("abcdef", "abcdef"),
        ("ABCDEF12", "abcdef12"),
        ("a" * 63, "a" * 63),
        ("a" * 64, None),
        ("abcde", None),
        ("abcdeg", None),
        ("img_001.jpg", None),
    ],
)
def test_what_may_be_the_beginning_of_a_hash(image: str, prefix: str | None) -> None:
    assert hash_prefix(image) == prefix
