"""What a batch of entries changes, decided without a store: one policy for all of them.

A store reads what is `Known` of the batch, asks `decide`, and writes the `Decision` in the same
transaction. The rules are those of `ports.Records.record`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walkdown.errors import NotFound, StoreError
from walkdown.types import Status, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from walkdown.ports import Recorded
    from walkdown.types import Entry


@dataclass(frozen=True, slots=True)
class Known:
    """What the store holds of a batch's results (status and attempt by id) and findings."""

    results: Mapping[str, tuple[Status, int]]
    revisions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Decision:
    """One outcome per entry, and the ones to write, each with the attempt it is.

    ``batch_id`` is made of the written results and their attempts: a result that is written again
    after a failure belongs to a new batch. None where nothing is written.
    """

    outcomes: tuple[Recorded, ...]
    written: tuple[tuple[Entry, int], ...]
    batch_id: str | None


def decide(entries: Sequence[Entry], known: Known) -> Decision:
    """Which entries are written, in order: a later one sees what an earlier one changes."""
    results = dict(known.results)
    revisions = dict(known.revisions)
    outcomes: list[Recorded] = []
    written: list[tuple[Entry, int]] = []
    for entry in entries:
        result_id = entry.result.key.id
        status, attempt = results.get(result_id, (Status.FAILED, 0))
        moved = _moved(entry, revisions)
        worse = status is Status.PARTIAL and entry.result.status is Status.FAILED
        if status is Status.DONE or worse:
            outcomes.append("exists")
        elif moved is None:
            outcomes.append("conflict")
        else:
            outcomes.append("written")
            written.append((entry, attempt + 1))
            results[result_id] = (entry.result.status, attempt + 1)
            revisions.update(moved)
    return Decision(tuple(outcomes), tuple(written), _batch_id(written))


def _moved(entry: Entry, revisions: Mapping[str, int]) -> dict[str, int] | None:
    """The entry's findings with their new revisions; None where one is not exactly one ahead."""
    moved: dict[str, int] = {}
    for finding in entry.findings:
        now = moved.get(finding.id, revisions.get(finding.id, 0))
        if finding.revision != now + 1:
            return None
        moved[finding.id] = finding.revision
    return moved


def _batch_id(written: Sequence[tuple[Entry, int]]) -> str | None:
    parts = sorted((entry.result.key.id, attempt) for entry, attempt in written)
    return digest_of(parts)[:32] if parts else None


def check_workspace(workspace: str, owner: str, what: str) -> None:
    """Raises `StoreError` where something of another workspace would be stored in this one."""
    if owner != workspace:
        raise StoreError(f"{what} belongs to workspace {owner!r} and cannot go into {workspace!r}")


def check_entries(workspace: str, entries: Sequence[Entry]) -> None:
    """`check_workspace` for all that the entries hold."""
    for entry in entries:
        name = entry.result.image
        check_workspace(workspace, entry.result.key.workspace, f"the result of {name}")
        told = (alert.finding for alert in entry.alerts)
        for finding in (*entry.findings, *told):
            check_workspace(workspace, finding.workspace, f"a finding on {name}")


def missing_version(name: str, version: int, numbers: Sequence[int]) -> NotFound:
    """The error for a model version that does not exist; says which ones there are."""
    if not numbers:
        return NotFound(f"there is no model named {name!r} in this workspace")
    there = ", ".join(str(number) for number in numbers)
    return NotFound(f"model {name!r} has no version {version}; it has {there}")


def hash_prefix(image: str) -> str | None:
    """``image`` in lower case, where it may be the beginning of a content hash (6 to 63 digits)."""
    text = image.lower()
    return text if 6 <= len(text) < 64 and set(text) <= set("0123456789abcdef") else None


def ambiguous(image: str, contents: Iterable[str]) -> NotFound:
    """The error for a beginning that several content hashes share."""
    shown = ", ".join(content[:16] for content in sorted(contents)[:3])
    return NotFound(
        f"{image!r} is the beginning of more than one image's content hash ({shown}): "
        "give more digits, or the image's name"
    )
