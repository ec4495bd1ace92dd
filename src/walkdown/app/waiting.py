"""Inspections that wait until their pipeline's budget has room for them.

A note in the store of blobs, ``waiting/INSPECTION.json``, says which; it goes once the workflow has
started. Their manifests lie where `workflow` has put them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from walkdown.pipeline.budget import cost_of, month_of, waiting_words
from walkdown.stores.fields import Fields, dumps, loads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walkdown.app.context import App
    from walkdown.app.deployed import Deployed
    from walkdown.app.workflow import Begun
    from walkdown.ports import Blobs

_FOLDER = "waiting/"


@dataclass(frozen=True, slots=True)
class Waiting:
    """An inspection that waits: of which pipeline, how many images, and what they are to cost."""

    inspection: str
    pipeline: str
    images: int
    cost: int


def admitted(app: App, deployed: Deployed, begun: Begun) -> Begun:
    """The same where its pipeline's budget has room, and takes it; else it says why it waits."""
    budget, usd_per_image = deployed.spec.budget, deployed.usd_per_image
    if budget is None or usd_per_image is None or not begun.new:
        return begun
    name, month = deployed.spec.name, month_of(app.clock())
    cost, limit = cost_of(begun.new, usd_per_image), cost_of(1, budget.usd_per_month)
    identity = begun.inspection.id
    if app.spending.reserve(name, month, identity, amount=cost, limit=limit):
        return begun
    _note(Waiting(identity, name, begun.new, cost), app.blobs)
    spent = app.spending.spent(name, month)
    return replace(begun, waits=waiting_words(begun.new, cost, spent, limit))


def waiting(blobs: Blobs) -> Iterator[Waiting]:
    """All inspections that wait."""
    for key in list(blobs.list(_FOLDER)):
        fields = Fields("note of an inspection that waits", loads(blobs.get(key).decode("ascii")))
        yield Waiting(
            key.removeprefix(_FOLDER).removesuffix(".json"),
            fields.text("pipeline"),
            fields.whole("images"),
            fields.whole("cost"),
        )


def forget(inspection: str, blobs: Blobs) -> None:
    """It waits no longer."""
    blobs.delete(_key(inspection))


def _note(one: Waiting, blobs: Blobs) -> None:
    about = {"pipeline": one.pipeline, "images": one.images, "cost": one.cost}
    blobs.put(_key(one.inspection), dumps(about).encode("ascii"))


def _key(inspection: str) -> str:
    return f"{_FOLDER}{inspection}.json"
