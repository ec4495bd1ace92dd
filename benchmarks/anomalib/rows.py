"""What is to be measured, and what has been: jobs in alternating order, rows in a file.

A row is saved as soon as it is known, under its job, so that a long comparison can be interrupted
at any moment and goes on where it was.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ANOMALIB, WALKDOWN, LIKE = "anomalib", "walkdown", "like for like"
SIDES = (ANOMALIB, LIKE, WALKDOWN)


@dataclass(frozen=True, slots=True)
class Job:
    """One run. ``size_px`` is None where the side chooses; ``turn`` counts equal runs from 0."""

    set: str
    side: str
    model: str
    size_px: int | None = None
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a job: ``status`` is ``done`` or what stopped it; figures that are known."""

    job: Job
    status: str
    fit_s: float | None = None
    images_per_s: float | None = None
    auroc: float | None = None
    aupro: float | None = None
    peak_mib: int | None = None
    bank_rows: int | None = None
    input_px: int | None = None

    @property
    def done(self) -> bool:
        """Whether its figures count."""
        return self.status == "done"


class Store:
    """Rows in a JSON file, in the order in which they were measured."""

    def __init__(self, path: Path) -> None:
        """Read what is there; a missing file is an empty one."""
        self._path = path
        found = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
        rows = [Row(**{**row, "job": Job(**row["job"])}) for row in found]
        self._rows = {row.job: row for row in rows}

    def rows(self) -> list[Row]:
        """All of them."""
        return list(self._rows.values())

    def has(self, job: Job) -> bool:
        """Whether the job was done, stopped or failed before."""
        return job in self._rows

    def add(self, row: Row) -> None:
        """Keep a row, whole or not at all."""
        self._rows[row.job] = row
        text = json.dumps({"rows": [asdict(r) for r in self._rows.values()]}, indent=1)
        part = self._path.with_suffix(".part")
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(self._path)


def schedule(
    sets: Sequence[str],
    models: Sequence[str],
    sizes: Sequence[int],
    *,
    turns: int,
    like: Sequence[int] = (),
) -> list[Job]:
    """Jobs set by set: anomalib's by size, with walkdown's turns evenly among them.

    PatchCore at a size of ``like`` and walkdown made like it follow each other in so many turns.

    >>> [j.side for j in schedule(["x"], ["a", "b"], [256], turns=2)]
    ['anomalib', 'walkdown', 'anomalib', 'walkdown']
    """
    jobs: list[Job] = []
    for name in sets:
        peers = [Job(name, ANOMALIB, model, size) for size in sorted(sizes) for model in models]
        taken = 0
        for number, peer in enumerate(peers, start=1):
            alike = peer.model == "patchcore" and peer.size_px in like
            for turn in range(turns if alike else 1):
                jobs.append(replace(peer, turn=turn))
                jobs += [replace(peer, side=LIKE, turn=turn)] if alike else []
            due = -(-turns * number // len(peers))
            jobs += [Job(name, WALKDOWN, "memory_bank", None, turn) for turn in range(taken, due)]
            taken = due
        jobs += [Job(name, WALKDOWN, "memory_bank", None, turn) for turn in range(taken, turns)]
    return jobs


CORESETS = ("patchcore", "mh_patchcore")
"""Models whose fit is choosing a share of all patches, each in one pass over all: time by the
fourth power of the size."""


def too_long(job: Job, rows: Sequence[Row], *, limit_s: float) -> Row | None:
    """The fit at a smaller size from which this one would take more than twice the limit."""
    for row in rows:
        small, size = row.job.size_px or 0, job.size_px or 0
        if job.model not in CORESETS or replace(row.job, size_px=size) != job or small >= size:
            continue
        if row.done and row.fit_s and row.fit_s * (size / small) ** 4 > 2.0 * limit_s:
            return row
    return None


def hopeless(job: Job, rows: Sequence[Row]) -> Row | None:
    """The row that was stopped at a smaller size or in an earlier turn; no more need be tried."""
    for row in rows:
        same = (row.job.set, row.job.side, row.job.model) == (job.set, job.side, job.model)
        smaller = (row.job.size_px or 0, row.job.turn) < (job.size_px or 0, job.turn)
        if same and smaller and row.status.startswith("stopped"):
            return row
    return None
