"""What is known of an image on its way through a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from walkdown.pipeline.facts import ImageFacts
from walkdown.pipeline.steps import Decision, StageCall, next_step
from walkdown.templates import place
from walkdown.types import Exif, ImageRef, Prediction, StageResult

if TYPE_CHECKING:
    from datetime import datetime

    from walkdown.pipeline.plan import Plan


@dataclass(slots=True)
class Outcome:
    """What is known of one image when its way through the plan has ended, or broken off."""

    ref: ImageRef
    error: str | None = None
    content: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    exif: Exif = field(default_factory=Exif)
    asset: str | None = None
    viewpoint: str | None = None
    taken_at: datetime | None = None
    stages: list[StageResult] = field(default_factory=list)
    cache: list[tuple[str, Prediction, str | None]] = field(default_factory=list)
    decision: Decision | None = None


def facts_of(plan: Plan, outcome: Outcome) -> ImageFacts:
    """What conditions may ask of the image: what was said of it wins over its path."""
    where = place(plan.asset, outcome.ref.relative)
    return ImageFacts(
        content=outcome.content,
        asset=outcome.asset or where.asset,
        kind=where.kind,
        site=where.site,
        viewpoint=outcome.viewpoint or where.viewpoint,
        camera=outcome.exif.camera,
        width_px=outcome.width_px,
        height_px=outcome.height_px,
    )


def waits_for(plan: Plan, outcome: Outcome) -> StageCall | None:
    """The stage that an image wants next; None where nothing is left to run."""
    if outcome.error:
        return None
    step = next_step(plan, outcome.stages, image=facts_of(plan, outcome))
    return step if isinstance(step, StageCall) else None
