"""Photographs that wait until their pipeline's budget has room for them.

What waits is a manifest in the store of blobs, as it is also looked at: its name says all that it
takes to decide, so that a listing is enough however much waits. It goes once a workflow has begun.

    waiting/PIPELINE/TIME-ID-IMAGES-COST.jsonl    a line about the inspection, then its captures
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from walkdown.app.workflow import ManifestOf, put_lines, short_of
from walkdown.pipeline.budget import cost_of, month_of, waiting_words
from walkdown.stores.fields import Fields, dumps, loads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from walkdown.app.context import App
    from walkdown.app.deployed import Deployed
    from walkdown.app.workflow import Begun
    from walkdown.ports import Blobs
    from walkdown.types import Inspection

_KEY = re.compile(r"waiting/([^/]+)/(\d{8}-\d{6})-([0-9a-f]+)-(\d+)-(\d+)\.jsonl")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits: for which pipeline, since when, how many images, and what they are to cost."""

    key: str
    pipeline: str
    since: str
    short: str
    images: int
    cost: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What a pipeline has taken of its month, in millionths of a US dollar, and what waits."""

    spent: int
    limit: int
    waiting: tuple[Waiting, ...]

    @property
    def images(self) -> int:
        """How many wait."""
        return sum(one.images for one in self.waiting)

    def fits(self, cost: int) -> bool:
        """Whether there is room for that much."""
        return self.spent + cost <= self.limit

    @property
    def next(self) -> Waiting | None:
        """What has waited longest and may begin, once there is room: nothing overtakes it.

        What costs more than a whole month has holds up nothing else.
        """
        return next((one for one in self.waiting if one.cost <= self.limit), None)

    @property
    def words(self) -> str:
        """Why they wait, and what would help."""
        costs = [one.cost for one in self.waiting]
        return waiting_words(
            self.images, sum(costs), self.spent, self.limit, largest=max(costs, default=0)
        )


def budget_of(app: App, deployed: Deployed) -> Budget | None:
    """How a pipeline's budget stands; None where it has none."""
    budget, name = deployed.spec.budget, deployed.spec.name
    if budget is None or deployed.charge is None:
        return None
    spent = app.spending.spent(name, month_of(app.clock()))
    return Budget(spent, cost_of(1, budget.usd_per_month), tuple(waiting(app.blobs, name)))


def held(app: App, deployed: Deployed, begun: Begun, *, again: bool) -> str | None:
    """Why an inspection that has begun must wait; None where its budget has room, which is taken.

    ``again``: it is what has waited longest.
    """
    budget = budget_of(app, deployed)
    if budget is None or deployed.charge is None or not begun.new:
        return None
    name, cost = deployed.spec.name, deployed.charge.of(begun.new)
    month, identity = month_of(app.clock()), begun.inspection.id
    # Without any room, what has taken its share before, and runs, still has it.
    limit = budget.limit if again or budget.next is None else 0
    if app.spending.reserve(name, month, identity, amount=cost, limit=limit):
        return None
    return waiting_words(begun.new, cost, budget.spent, budget.limit, largest=cost)


def hold(app: App, deployed: Deployed, begun: Begun) -> None:
    """Note the captures of an inspection that must wait; the same ones are noted once."""
    inspection, name = begun.inspection, deployed.spec.name
    short, charge = short_of(inspection.id), deployed.charge
    if charge is None or any(one.short == short for one in waiting(app.blobs, name)):
        return
    tail = f"{short}-{begun.new}-{charge.of(begun.new)}.jsonl"
    key = f"{_folder(name)}{app.clock():%Y%m%d-%H%M%S}-{tail}"
    put_lines(app.blobs, key, _lines(inspection, app.blobs.get(begun.manifest)))


def waiting(blobs: Blobs, pipeline: str | None = None) -> Iterator[Waiting]:
    """All that waits (of one pipeline), the longest first."""
    for key in blobs.list("waiting/" if pipeline is None else _folder(pipeline)):
        found = _KEY.fullmatch(key)
        if found:
            name, since, short, images, cost = found.groups()
            yield Waiting(key, unquote(name), since, short, int(images), int(cost))


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of an inspection that waits, and its captures."""

    sources: tuple[str, ...]
    run: int
    refs: ManifestOf


def read_held(one: Waiting, blobs: Blobs) -> Held:
    """Back from `hold`. Raises `NotFound` where somebody else has begun it meanwhile."""
    head, _, lines = blobs.get(one.key).partition(b"\n")
    fields = Fields("inspection that waits", loads(head.decode("ascii")))
    return Held(fields.texts("sources"), fields.whole("run"), ManifestOf(lines))


def _folder(pipeline: str) -> str:
    return f"waiting/{quote(pipeline, safe='')}/"


def _lines(inspection: Inspection, manifest: bytes) -> Iterable[str]:
    yield dumps({"sources": list(inspection.sources), "run": inspection.run})
    for line in manifest.splitlines():
        yield line.decode("ascii")
