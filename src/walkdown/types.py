"""The values that cross borders: frozen, validated once, and free of any library but numpy's types.

Boxes are pixel ``(x, y, width, height)`` of the upright original image. A ``score`` is 0..1 with
0.5 at the threshold; a ``raw_score`` is the model's own number. Times are aware UTC.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

Box = tuple[int, int, int, int]
StageKind = Literal["inline", "call", "job"]
Capability = Literal["verdict", "labels", "boxes", "mask", "heat map"]
"""What a model can say of an image. A ``mask`` is a heat map that outlines things by the pixel."""


class Verdict(StrEnum):
    """What is said of an image: by one model, or by a whole pipeline."""

    NORMAL = "normal"
    ANOMALY = "anomaly"
    UNUSABLE = "unusable"


class Status(StrEnum):
    """How far a result got. A done one is final; partial and failed ones are tried again."""

    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"


class Severity(StrEnum):
    """How bad a finding is, from least to worst (see :func:`rank`)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical, since the words do not sort by themselves.

        >>> Severity.HIGH.rank > Severity.MEDIUM.rank
        True
        """
        return list(Severity).index(self)


def digest_of(*parts: object) -> str:
    """Sha256 in hex of the parts as canonical JSON: the one way in which identities are made.

    >>> digest_of("a", 1) == digest_of("a", 1) != digest_of("a1")
    True
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


NOT_THERE = "it does not exist"
"""The `ImageRef.problem` of a path that leads nowhere, most often by a slip of the pen."""


@dataclass(frozen=True, slots=True)
class ImageRef:
    """One capture: where an image is, known before a byte of it was read.

    ``name`` is the path as the user gave it, ``relative`` the part below the source's root, with
    ``/`` between folders: what an asset template is matched against. ``problem`` says why a file
    can't be an image at all (a directory, no permission); such a ref becomes a failed result.
    """

    uri: str
    version: str
    name: str
    relative: str
    problem: str | None = None

    @property
    def capture_id(self) -> str:
        """Identity of the capture: its source URI and its version, 32 hex digits."""
        return digest_of(self.uri, self.version)[:32]


@dataclass(frozen=True, slots=True)
class Original:
    """The bytes of one capture, and what was said of it where it was put: no more than hints.

    ``asset`` and ``viewpoint`` win over a path's, ``taken_at`` (aware UTC) over the camera's clock.
    """

    data: bytes
    asset: str | None = None
    viewpoint: str | None = None
    taken_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Exif:
    """What the camera wrote down; ``taken_at`` is aware UTC (see ``imaging.exif`` for zones)."""

    taken_at: datetime | None = None
    camera: str | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    altitude_m: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded image.

    ``pixels`` is (H, W, 3) uint8 RGB, upright. It may be smaller than the original, whose upright
    size is ``width_px`` x ``height_px``, where a large JPEG was decoded at reduced size. ``data``
    is the file as it came (empty where ``pixels`` are not its), ``content`` the file's sha256.
    ``keep`` is (rows, columns) float32, the share of each part of the image that counts; None where
    all of it does. A model whose attribute ``knows_keep`` is true leaves the rest out itself; for
    any other model the rest is painted over. ``asset`` and ``viewpoint`` are known where the
    pipeline says so.
    """

    pixels: NDArray[np.uint8]
    width_px: int
    height_px: int
    content: str
    data: bytes = b""
    format: str = ""
    exif: Exif = Exif()
    keep: NDArray[np.float32] | None = None
    asset: str | None = None
    viewpoint: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """Where a model sees something: a coarse (h, w) float32 grid of scores (0.5 at the threshold).

    The grid covers the whole image of ``width_px`` x ``height_px``; ``imaging.heatmaps`` draws it
    at image resolution.
    """

    grid: NDArray[np.float32]
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Nearest:
    """The normal patch that comes nearest to the worst place of a region: what it is compared to.

    ``place`` is the box of that worst place in the inspected image, of the same size as ``box``,
    the patch's in the normal photograph named ``image``. ``picture`` is the key of a stored
    picture that shows the patch, with what surrounds it, within its box ``at``.
    """

    image: str
    box: Box
    place: Box
    picture: str
    at: Box


@dataclass(frozen=True, slots=True)
class Region:
    """One place on an image: box in pixels, area in per cent of the image, and its own score.

    ``nearest`` is what it was compared to, for models that can say.
    """

    box: Box
    area_pct: float
    score: float
    label: str = "anomaly"
    nearest: Nearest | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one model says of one image.

    ``p_normal`` is the conformal p-value of the raw score among normal images, where the model has
    calibration scores. ``note`` is what it says in words: a description, text that it read, advice
    for another photograph. ``cost_usd`` is what asking cost, where a service charges for it. A
    model that failed on the image sets ``error`` and leaves the rest empty.
    """

    verdict: Verdict | None
    score: float | None
    raw_score: float | None
    labels: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    heatmap: HeatMap | None = field(default=None, compare=False)
    p_normal: float | None = None
    error: str | None = None
    note: str | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Permission:
    """What a model may have to do in AWS: ``actions`` such as ``rekognition:DetectLabels``.

    ``resources`` are ARNs, in which ``${AWS::Partition}``, ``${AWS::Region}`` and
    ``${AWS::AccountId}`` stand for those of the stack, and ``${Table.Arn}`` for its records; ``*``
    where an action knows no resources.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the pipeline must know of a model before it runs.

    ``label`` is what people read (``cells@3``), ``digest`` what identity is made of. ``input_px``
    is the longest side the model looks at: the decoder may shrink an image to no less than that.
    ``threshold`` is the raw score from which on it sees an anomaly, where it has one to show.
    ``usd_per_image`` is what a service is expected to charge for a look. A model that is not
    ``deterministic`` may say something else of the same image another time; with ``remember``, what
    it said once is used again all the same, since it depends on nothing but the image.
    ``permissions`` are what it needs where it runs in AWS.
    """

    label: str
    digest: str
    kind: StageKind = "inline"
    max_batch: int = 16
    input_px: int | None = None
    threshold: float | None = None
    capabilities: frozenset[Capability] = frozenset({"verdict"})
    usd_per_image: float = 0.0
    deterministic: bool = True
    remember: bool = True
    permissions: tuple[Permission, ...] = ()


RunStatus = Literal["stopped", "starting", "running", "stopping", "failed"]
"""``failed`` is also what can't be started as it is: a training that is not done, say."""


@dataclass(frozen=True, slots=True)
class RunState:
    """Whether a model that costs by the hour runs, and what it costs while it does.

    ``units`` is how much of the service it takes, ``said`` the service's own words for its state,
    ``where`` the region or address.
    """

    status: RunStatus
    units: int = 1
    usd_per_hour: float = 0.0
    said: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class StageResult:
    """A prediction as it is recorded: which stage and model, and where its heat map is stored.

    ``audited``: the stage's condition did not hold; it was asked to learn what that missed.
    ``beside`` names the stage beside which it ran as a shadow, to be compared with it: then it has
    no say in the result.
    """

    stage: str
    model: str
    digest: str
    prediction: Prediction
    heatmap: str | None = None
    audited: bool = False
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class ResultKey:
    """Identity of a result. ``run`` is 0 unless the user asked for the same thing ``--again``."""

    workspace: str
    capture_id: str
    plan_digest: str
    run: int = 0

    @property
    def id(self) -> str:
        """The key as 32 hex digits, for file names and links."""
        return digest_of(self.workspace, self.capture_id, self.plan_digest, self.run)[:32]


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a pipeline for one image: its stages' predictions and the decision.

    ``score``, ``raw_score`` and ``model`` are those of ``stage``, which decided. ``relative`` is
    the image's path below its source, where that is not its name. A failed result has an ``error``
    and no verdict; a partial one has a verdict and the error of the stage that failed.
    """

    key: ResultKey
    uri: str
    image: str
    status: Status
    actor: str
    recorded_at: datetime
    content: str | None = None
    verdict: Verdict | None = None
    score: float | None = None
    raw_score: float | None = None
    model: str | None = None
    severity: Severity | None = None
    asset: str | None = None
    viewpoint: str | None = None
    stages: tuple[StageResult, ...] = ()
    error: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    exif: Exif = Exif()
    stage: str | None = None
    relative: str | None = None

    @property
    def decided_by(self) -> StageResult | None:
        """The last stage that answered and whose model is the one that decided."""
        counted = (s for s in reversed(self.stages) if s.beside is None)
        answered = (s for s in counted if s.prediction.error is None)
        if self.stage is not None:
            return next((s for s in answered if s.stage == self.stage), None)
        return next((s for s in answered if s.model == self.model), None)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong on one asset, seen on one or more visits.

    Its id is made of workspace, asset (the image's URI where no asset is known) and label, so that
    the next visit finds it again. ``revision`` counts its writes and guards them; ``told`` is the
    severity at which people were last alerted, None while nobody was.
    """

    id: str
    workspace: str
    asset: str
    label: str
    severity: Severity
    score: float
    area_pct: float
    image: str
    result_id: str
    opened_at: datetime
    seen_at: datetime
    actor: str
    revision: int = 1
    told: Severity | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """What is told to people: a finding was opened, or its severity was raised.

    The id is made of finding, event and severity: a consumer that sees it twice can drop one.
    ``channel`` names the one place of the pipeline that this copy is for.
    """

    id: str
    event: Literal["opened", "raised"]
    finding: Finding
    pipeline: str
    inspection: str
    channel: str = ""

    @property
    def message_id(self) -> str:
        """Identity of this copy in the outbox: one channel's failure is not another's."""
        return digest_of(self.id, self.channel)[:32] if self.channel else self.id


@dataclass(frozen=True, slots=True)
class Notice:
    """What one message to people tells: the alerts of one asset, or the rest of a storm of them.

    ``alerts`` are worst first, and all for one channel. ``more`` others are only counted.
    """

    alerts: tuple[Alert, ...]
    more: int = 0

    @property
    def id(self) -> str:
        """Made of the alerts: a consumer that sees it twice can drop one."""
        if len(self.alerts) == 1 and not self.more:
            return self.alerts[0].id
        return digest_of("notice", [alert.id for alert in self.alerts], self.more)[:32]

    @property
    def asset(self) -> str | None:
        """The asset that all of it is about; None in a storm."""
        assets = {alert.finding.asset for alert in self.alerts}
        return assets.pop() if len(assets) == 1 and not self.more else None

    @property
    def severity(self) -> Severity:
        """The worst of its findings'."""
        return max((alert.finding.severity for alert in self.alerts), key=lambda s: s.rank)


@dataclass(frozen=True, slots=True)
class Inspection:
    """One run of a pipeline over a set of images. ``finished_at`` is None while it runs."""

    id: str
    workspace: str
    pipeline: str
    plan_digest: str
    sources: tuple[str, ...]
    actor: str
    started_at: datetime
    run: int = 0
    finished_at: datetime | None = None
    model: str = ""
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What is recorded of one image in one transaction: all of it, or nothing."""

    result: Result
    findings: tuple[Finding, ...] = ()
    alerts: tuple[Alert, ...] = ()
    cache: tuple[tuple[str, Prediction, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One numbered, immutable version of a named model; ``facts`` is the summary of its card."""

    name: str
    version: int
    digest: str
    created_at: datetime
    actor: str
    aliases: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """``name@version``, as people write it."""
        return f"{self.name}@{self.version}"
