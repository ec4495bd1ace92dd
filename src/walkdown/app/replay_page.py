"""The page of a replay: the report's page, with what was said before beside what would be said now.

It shows the photographs whose verdict would be another, and those that could not be compared; of
the others it gives the number. ``changes.json`` beside it holds the same for programs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from walkdown.app.replaying import Kind, worst_first
from walkdown.app.report import PER_BLOCK, page_of, page_row, whole_file, write_whole
from walkdown.app.report_pictures import plan_pairs
from walkdown.app.report_rows import dumps
from walkdown.app.rows import moment, result_row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from walkdown.app.replaying import Change, Replaying
    from walkdown.app.rows import Row
    from walkdown.ports import Progress

_SIDE = ("status", "model", "verdict", "score", "raw_score", "note", "severity", "stages")
_SCRIPTS = ("replay.js", "page.js")
_SHARED = ("image", "sha256", "asset", "viewpoint", "taken_at")


def change_row(change: Change, *, locate: Callable[[str], str] = str) -> Row:
    """One photograph, as docs/json.md documents it."""
    before = result_row(change.before, locate=locate)
    after = result_row(change.after, locate=locate)
    return {
        **{name: after[name] for name in _SHARED},
        "change": change.kind.value,
        "error": change.error,
        "before": _side(before, change.before.key.id),
        "after": _side(after, None),
    }


def _side(row: Row, result_id: str | None) -> Row:
    return {**{name: row[name] for name in _SIDE}, "result_id": result_id}


def write_replay(
    replaying: Replaying,
    changes: Sequence[Change],
    *,
    out: Path,
    at: datetime,
    progress: Progress,
) -> Path:
    """Write ``index.html`` and ``changes.json`` into ``out``; return the page.

    ``changes`` are those to be shown (see `worth_showing`). Each file appears whole or not at all.
    Raises `StoreError` where ``out`` can't be written.
    """
    ranked = worst_first(changes)
    plan = plan_pairs((change.before, change.after) for change in ranked)
    data = {
        "replay": {
            "model": replaying.by.info.label,
            "against": replaying.other,
            "made_at": moment(at),
        },
        "inspection": {"started_at": moment(at)},
        "counts": {kind.value: replaying.counts[kind] for kind in Kind},
        "remarks": [],
        "per_block": PER_BLOCK,
        "results": [_page_row(c, n) for c, n in zip(ranked, plan.numbers, strict=True)],
    }
    with whole_file(out / "changes.json") as file:
        file.write(dumps({"counts": data["counts"], "changes": [change_row(c) for c in ranked]}))
        file.write("\n")
    with whole_file(out / "index.html") as file:
        write_whole(
            page_of(_title(replaying.counts, replaying.by.info.label), data, scripts=_SCRIPTS),
            plan,
            blobs=replaying.app.blobs,
            file=file,
            progress=progress,
            original=replaying.app.original,
        )
    return out / "index.html"


def worth_showing(change: Change) -> bool:
    """Whether the page has it: what has not changed is only counted."""
    return change.kind is not Kind.UNCHANGED


def _title(counts: Mapping[Kind, int], label: str) -> str:
    changed = sum(counts[kind] for kind in (Kind.TO_ANOMALY, Kind.TO_NORMAL, Kind.UNUSABLE))
    return f"{label}: {changed} of {sum(counts.values())} verdicts would change"


def _page_row(change: Change, number: int | None) -> Row:
    """The row of what would be said now, with that of what was said ``before``."""
    before = page_row(change.before, number)
    after = page_row(change.after, number)
    return {
        **after,
        "change": change.kind.value,
        "error": change.error,
        "before": {name: before[name] for name in (*_SIDE, "error", "shown")},
    }
