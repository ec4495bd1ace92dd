"""From images to calls: how many inspections, batches and calls of functions there are. Pure.

What was not measured is in `Pace`: seconds that calls of services take within a region, and what
small functions do for an image. They are typical, rather too long than too short.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from walkdown.app.measured import Measured, StageMeasured
    from walkdown.runners.stepfunctions import Shape

ONE_CPU_MB: Final = 1769
"""Memory with which a function has one whole processor, and in proportion below.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""

LOOK_MB: Final = ONE_CPU_MB


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be paid for.

    ``per_inspection`` images arrive together. ``slower``: how many times as long a processor of a
    function takes for what was measured here. ``mails`` people are told of each finding by e-mail.
    ``tiering``: photographs move to S3 Intelligent-Tiering. ``own_key``: a KMS key of one's own.
    """

    images: int
    per_inspection: int = 1000
    look_mb: int = LOOK_MB
    slower: float = 1.0
    mails: int = 1
    tiering: bool = True
    own_key: bool = False

    def __post_init__(self) -> None:
        if not (self.images >= 1 and self.per_inspection >= 1 and self.slower > 0):
            raise ValueError(f"not a case to count: {self}")


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of a read or write in S3 and of a request to DynamoDB, and bytes S3 gives a second.

    ``boot_s`` are for the first call of a function that has a model, ``small_boot_s`` of any other.
    The rest are seconds of one core that small functions need for an image, or for a receipt.
    """

    get_s: float = 0.03
    put_s: float = 0.04
    bytes_per_s: float = 60e6
    table_s: float = 0.01
    boot_s: float = 2.5
    small_boot_s: float = 1.5
    begin_s: float = 0.001
    record_s: float = 0.004
    finish_s: float = 0.0005
    deliver_s: float = 0.001


@dataclass(frozen=True, slots=True)
class StageLoad:
    """What a stage has to do for all images. ``waits`` are files that name images for it.

    ``cold`` calls are the first of their execution environment.
    """

    stage: StageMeasured
    images: float
    batches: int
    cold: int
    waits: float

    @property
    def per_batch(self) -> float:
        """Images of an average batch."""
        return self.images / self.batches if self.batches else 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """The whole of it; ``stages`` in their order."""

    case: Case
    inspections: int
    stages: tuple[StageLoad, ...]

    @property
    def batches(self) -> int:
        """Of all stages."""
        return sum(each.batches for each in self.stages)


def load_of(measured: Measured, shape: Shape, case: Case) -> Load:
    """Full inspections, and one with what is left."""
    whole, rest = divmod(case.images, case.per_inspection)
    sizes = {case.per_inspection: whole} | ({rest: 1} if rest else {})
    stages: list[StageLoad] = []
    for stage in measured.stages:
        before = stages[-1] if stages else None
        waits = _waits(before, stage, shape) if before else 0.0
        stages.append(_stage(stage, sizes, shape, case, waits))
    return Load(case, whole + bool(rest), tuple(stages))


def _stage(
    stage: StageMeasured, sizes: Mapping[int, int], shape: Shape, case: Case, waits: float
) -> StageLoad:
    batches = cold = 0
    for images, times in sizes.items():
        # A hair less: a share of a float must not make a batch of nothing.
        each = math.ceil(images * stage.share / shape.batch[stage.name] - 1e-9)
        batches += times * each
        cold += times * min(each, shape.concurrency)
    return StageLoad(stage, case.images * stage.share, batches, cold, waits)


def _waits(before: StageLoad, stage: StageMeasured, shape: Shape) -> float:
    """Batches of the stage before with an image for this one, where chance has spread them."""
    if not before.stage.share:
        return 0.0
    share = min(1.0, stage.share / before.stage.share)
    none: float = (1.0 - share) ** before.per_batch
    return before.batches * (1.0 - none)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands there whether images come or not, and the memory of the functions in MB."""

    alarms: int
    dashboards: int
    memory_mb: Mapping[str, int]
    disk_mb: int


def standing_of(template: Mapping[str, Any], *, look_mb: int = LOOK_MB) -> Standing:
    """Read from the stack's template."""
    resources = template["Resources"].values()
    kinds = [resource["Type"] for resource in resources]
    functions = {
        name.removesuffix("Function"): resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    memory = {name: properties["MemorySize"] for name, properties in functions.items()}
    return Standing(
        alarms=kinds.count("AWS::CloudWatch::Alarm"),
        dashboards=kinds.count("AWS::CloudWatch::Dashboard"),
        memory_mb={k: mb if isinstance(mb, int) else look_mb for k, mb in memory.items()},
        disk_mb=functions["Look"].get("EphemeralStorage", {}).get("Size", 512),
    )


def processor(memory_mb: int) -> float:
    """How much of one processor a function has for one thread: one image is looked at at a time.

    >>> processor(1769), round(processor(512), 2), processor(10240)
    (1.0, 0.29, 1.0)
    """
    return min(1.0, memory_mb / ONE_CPU_MB)
