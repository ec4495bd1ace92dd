"""The pipeline file and the settings: what users write, checked once, with the line in the error.

YAML is parsed to nodes first, so that every complaint of pydantic can be traced back to file, line
and key. Unknown and repeated keys are errors. Nothing here reads the environment or opens models.
"""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from walkdown import expressions, templates, yaml_lines
from walkdown.complaints import Located, complaints
from walkdown.errors import SpecError
from walkdown.types import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
"""What a pipeline, a model or a workspace may be called: it becomes part of keys and file names."""

OPTIONAL_NAME = r"^$|" + NAME

STAGE_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
"""A stage's name is an identifier, because ``when`` speaks of ``stage.score``."""

MODEL = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}(@([1-9][0-9]{0,8}|[a-z][a-z0-9_-]{0,31}))?$"
"""``name``, ``name@alias`` or ``name@3``; a name alone means ``name@live``."""

REGIONS_OF = r"^regions of [A-Za-z_][A-Za-z0-9_]{0,62}$"

URL = r"^https?://[^\s/]+"

TOPICS = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$"
"""One topic's ARN, or, ending in ``-``, the beginning of one for each severity."""

BUS = r"^(arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/)?[A-Za-z0-9._/-]{1,256}$"

_NAME_WORDS = "a letter or digit, then letters, digits, '.', '_' and '-', at most 63 in all"

PATTERNS = {
    NAME: _NAME_WORDS,
    OPTIONAL_NAME: _NAME_WORDS,
    STAGE_NAME: "a letter, then letters, digits and '_', at most 63 in all",
    MODEL: "name, name@alias or name@3, in letters, digits, '.', '_' and '-'",
    REGIONS_OF: "'regions of' and the name of an earlier stage",
    URL: "an address that begins with http:// or https://",
    TOPICS: "the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:crew, or the "
    "beginning of four ARNs, ending in '-'; FIFO topics are not supported",
    BUS: "the name or the ARN of an event bus",
}
"""What the patterns ask for, in words for an error."""

DEFAULT_MAX_PIXELS = 150_000_000
MAX_WORKERS = 256
MAX_SIDE_PX = 1_000_000


STAGE_FIELDS = (
    "score",
    "raw_score",
    "verdict",
    "labels",
    "regions",
    "area_pct",
    "p_normal",
    "failed",
)
"""What a condition can ask of a stage; ``regions`` is their number."""

WHEN_FIELDS = (*STAGE_FIELDS, "severity")
"""What ``when`` of a stage can ask of an earlier one; a severity rule could not ask for its own."""

IMAGE_FIELDS = ("asset", "kind", "site", "viewpoint", "camera", "width_px", "height_px")
"""What any condition can ask of ``image``."""

FINDING_NAMES: dict[str, tuple[str, ...]] = {"score": (), "area_pct": (), "label": (), "asset": ()}
"""What a severity rule can ask of a finding, besides the stages."""


def finding_names(stages: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The names that a severity rule may use."""
    return {**dict.fromkeys(stages, STAGE_FIELDS), "image": IMAGE_FIELDS, **FINDING_NAMES}


def when_names(stages: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The names that a stage's condition may use after these stages."""
    return {**dict.fromkeys(stages, WHEN_FIELDS), "image": IMAGE_FIELDS}


def _check_condition(
    at: yaml_lines.At, text: str | None, names: Mapping[str, Sequence[str]]
) -> None:
    if text is None:
        return
    try:
        expressions.parse(text, names)
    except SpecError as e:
        raise Located(at, str(e)) from e


def _check_stage_name(at: yaml_lines.At, name: str, earlier: Sequence[str]) -> None:
    if name in earlier:
        raise Located(at, f"the name {name!r} is used twice; choose another")
    if name in FINDING_NAMES or name == "image" or keyword.iskeyword(name):
        raise Located(at, f"{name!r} has a meaning of its own in conditions; choose another name")


def _check_stage(i: int, stage: StageSpec, earlier: Sequence[str]) -> None:
    """What of a stage's keys needs another, or forbids it."""
    if stage.audit is not None and stage.when is None:
        why = "without 'when' the stage sees every image: there is no rest to audit"
        raise Located(("stages", i, "audit"), why)
    asked = stage.input.removeprefix("regions of ") if stage.input else None
    for key, name in (("input", asked), ("shadow", stage.shadow)):
        if name is not None and name not in earlier:
            known = ", ".join(earlier) or "none"
            raise Located(("stages", i, key), f"{name!r} is no earlier stage; there are: {known}")
    for key in ("margin", "most_regions"):
        if getattr(stage, key) is not None and stage.input is None:
            raise Located(("stages", i, key), "it says how regions are cut out: give 'input' too")
    if stage.audit is not None and stage.input is not None:
        why = "what is passed has no regions to look at: audit with a stage over the whole image"
        raise Located(("stages", i, "audit"), why)
    if stage.shadow is not None:
        for key in ("when", "audit", "input"):
            if getattr(stage, key) is not None:
                why = "a shadow sees what its stage sees: leave this out"
                raise Located(("stages", i, key), why)


def _as_value_error(check: Callable[[str], object], value: str) -> None:
    try:
        check(value)
    except SpecError as e:
        raise ValueError(str(e)) from e


def _depth(value: object) -> int:
    """How many lists lie around the first entry."""
    depth = 0
    while isinstance(value, list | tuple) and value:
        value, depth = value[0], depth + 1
    return depth


def _check_areas(areas: AreasSpec) -> None:
    for use, polygons in (("only", areas.only), ("ignore", areas.ignore)):
        for i, polygon in enumerate(polygons):
            at: yaml_lines.At = ("prepare", "areas", use, i)
            if len(polygon) < 3:
                raise Located(at, f"has {len(polygon)} points; a polygon needs 3 or more")
            for j, (x, y) in enumerate(polygon):
                if areas.unit == "share" and max(x, y) > 1:
                    raise Located(
                        (*at, j),
                        f"x = {x:g} and y = {y:g} lie outside of the image; shares go from 0 to 1 "
                        "(write 'unit: px' if these are pixels)",
                    )


def _no_flag(value: object) -> object:
    """For pydantic ``true`` is also the number 1; in a file it is a slip."""
    return str(value).lower() if isinstance(value, bool) else value


Whole = Annotated[int, BeforeValidator(_no_flag)]
Text = Annotated[str, Field(min_length=1)]
Audit = Annotated[float, BeforeValidator(_no_flag), Field(gt=0, le=1)]
FalseAlarms = Annotated[float, BeforeValidator(_no_flag), Field(gt=0, lt=0.5)]
Usd = Annotated[float, BeforeValidator(_no_flag), Field(ge=0.01, le=1e9)]
Margin = Annotated[float, BeforeValidator(_no_flag), Field(ge=0, le=4)]
Coordinate = Annotated[float, BeforeValidator(_no_flag), Field(ge=0, le=MAX_SIDE_PX)]
PolygonSpec = tuple[tuple[Coordinate, Coordinate], ...]


def _named_step(value: object) -> object:
    return {"use": value} if isinstance(value, str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class SourceSpec(_Strict):
    """Where the photographs are. Relative paths are below the pipeline file."""

    paths: tuple[Text, ...] = Field(min_length=1, description="files and folders")
    include: tuple[Text, ...] = Field((), description="only names that fit one of these patterns")
    exclude: tuple[Text, ...] = Field((), description="no names that fit one of these patterns")


class AreasSpec(_Strict):
    """Which part of an image counts."""

    unit: Literal["share", "px"] = Field(
        "share", description="shares of width and height, or pixels"
    )
    only: tuple[PolygonSpec, ...] = Field((), description="look only inside of these polygons")
    ignore: tuple[PolygonSpec, ...] = Field((), description="never look inside of these polygons")
    mask: Text | None = Field(None, description="an image: white counts, black is ignored")

    @field_validator("only", "ignore", mode="before")
    @classmethod
    def _polygons_are_a_list(cls, value: Any) -> Any:
        if _depth(value) == 2:
            raise ValueError(
                "must be a list of polygons, each a list of points [x, y]: put one more pair of "
                "brackets around the points"
            )
        return value


class OwnStepSpec(_Strict):
    """The team's own Python around every model: a name alone, or with settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    use: Text = Field(description="a name that an installed package provides")
    settings: dict[str, JsonValue] = Field({}, alias="with", description="what the step is given")


class PrepareSpec(_Strict):
    """What happens to an image before any model sees it. Relative paths are below the file."""

    max_pixels: Whole = Field(
        DEFAULT_MAX_PIXELS, ge=1, le=2_000_000_000, description="larger images are refused"
    )
    areas: AreasSpec = AreasSpec()
    align: Text | None = Field(None, description="an image of the view to lay photographs over")
    steps: tuple[Annotated[OwnStepSpec, BeforeValidator(_named_step)], ...] = Field(
        (), description="your own Python before and after every model"
    )


class BudgetSpec(_Strict):
    """What a pipeline may cost on AWS, or a stage in looks of its service."""

    usd_per_month: Usd = Field(description="in a calendar month, by the estimate of each image")


class StageSpec(_Strict):
    """One model, and when it runs."""

    name: str = Field(pattern=STAGE_NAME, description="what `when` and the report call it")
    model: str = Field(pattern=MODEL, description="name, name@alias or name@version")
    when: str | None = Field(
        None, description="run only if this holds, e.g. screen.verdict == 'anomaly'"
    )
    audit: Audit | None = Field(
        None, description="share of the rest that it looks at all the same, e.g. 0.02"
    )
    input: str | None = Field(
        None, pattern=REGIONS_OF, description="regions of an earlier stage, instead of the image"
    )
    margin: Margin | None = Field(
        None, description="of a region's longer side, added on each side of it"
    )
    most_regions: Whole | None = Field(None, ge=1, le=100, description="of one image, the worst")
    shadow: str | None = Field(
        None, pattern=STAGE_NAME, description="an earlier stage that it runs beside, without a say"
    )
    budget: BudgetSpec | None = Field(
        None, description="what its service may cost, e.g. {usd_per_month: 20}"
    )


class SeverityRule(_Strict):
    """The first rule whose condition holds gives the severity; a rule without one always holds."""

    severity: Severity
    when: str | None = Field(None, description="over score, area_pct, label and asset")


class OutputsSpec(_Strict):
    """What is written besides the records."""

    heatmaps: bool = Field(default=True, description="heat maps as PNG files at image resolution")
    images: bool = Field(
        default=True, description="a copy of each image, by content, for report and replay"
    )


class _AlertSpec(_Strict):
    min_severity: Severity = Severity.LOW


class LogAlertSpec(_AlertSpec):
    """Alerts as lines of the program's log."""

    to: Literal["log"]


class SmtpAlertSpec(_AlertSpec):
    """Alerts by e-mail. The password is read from the environment variable `password_env` names."""

    to: Literal["smtp"]
    host: str = Field(min_length=1)
    port: Whole = Field(587, ge=1, le=65535)
    sender: str = Field(min_length=3)
    recipients: tuple[Text, ...] = Field(min_length=1)
    username: str | None = None
    password_env: str | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"


class WebhookAlertSpec(_AlertSpec):
    """Alerts as signed JSON by HTTP POST."""

    to: Literal["webhook"]
    url: str = Field(pattern=URL)
    secret_env: str | None = None


class SnsAlertSpec(_AlertSpec):
    """Alerts as messages of Amazon SNS topics."""

    to: Literal["sns"]
    topics: str = Field(pattern=TOPICS)


class EventBridgeAlertSpec(_AlertSpec):
    """Alerts as events of an Amazon EventBridge bus."""

    to: Literal["eventbridge"]
    bus: str = Field("default", pattern=BUS)


AlertSpec = Annotated[
    LogAlertSpec | SmtpAlertSpec | WebhookAlertSpec | SnsAlertSpec | EventBridgeAlertSpec,
    Field(discriminator="to"),
]


DEFAULT_SEVERITY = (
    SeverityRule(severity=Severity.HIGH, when="score >= 0.8"),
    SeverityRule(severity=Severity.MEDIUM, when="score >= 0.6"),
    SeverityRule(severity=Severity.LOW),
)


class PipelineSpec(_Strict):
    """A pipeline: source, preparation, stages, decision, asset, severity, outputs and the rest."""

    name: str = Field("", pattern=OPTIONAL_NAME, description="the file's name unless given")
    source: SourceSpec | None = Field(None, description="a path, a list of paths, or a mapping")
    prepare: PrepareSpec = PrepareSpec()
    stages: tuple[StageSpec, ...] = Field(min_length=1)
    decide: Literal["last", "any", "all", "vote", "fuse"] = "last"
    false_alarms: FalseAlarms | None = Field(
        None, description="with 'decide: fuse', the share of normal images that may be flagged"
    )
    asset: str | None = Field(None, description="e.g. {site}/{asset}/{view}/{name}")
    severity: tuple[SeverityRule, ...] = DEFAULT_SEVERITY
    outputs: OutputsSpec = OutputsSpec()
    alerts: tuple[AlertSpec, ...] = ()
    budget: BudgetSpec | None = Field(None, description="e.g. {usd_per_month: 50}")

    @field_validator("source", mode="before")
    @classmethod
    def _short_source(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"paths": [value]}
        if isinstance(value, list):
            return {"paths": value}
        if value is not None and not isinstance(value, dict | SourceSpec):
            raise ValueError("must be a path, a list of paths, or a mapping with 'paths'")
        return value

    @field_validator("asset")
    @classmethod
    def _asset_is_a_template(cls, value: str | None) -> str | None:
        if value is not None:
            _as_value_error(templates.compile_template, value)
        return value

    @model_validator(mode="after")
    def _areas_fit(self) -> PipelineSpec:
        _check_areas(self.prepare.areas)
        return self

    @model_validator(mode="after")
    def _stages_fit(self) -> PipelineSpec:
        names = [stage.name for stage in self.stages]
        for i, name in enumerate(names):
            _check_stage_name(("stages", i, "name"), name, names[:i])
        if self.stages[0].when is not None:
            raise Located(("stages", 0, "when"), "the first stage has no earlier one to ask")
        for i, stage in enumerate(self.stages):
            earlier = [each.name for each in self.stages[:i] if each.shadow is None]
            _check_condition(("stages", i, "when"), stage.when, when_names(earlier))
            _check_stage(i, stage, earlier)
        for i, rule in enumerate(self.severity):
            known = finding_names([each.name for each in self.stages if each.shadow is None])
            _check_condition(("severity", i, "when"), rule.when, known)
        for i, stage in enumerate(self.stages):
            if stage.input is not None and self.prepare.steps:
                why = "regions can't be cut out of a photograph that 'prepare.steps' may have moved"
                raise Located(("stages", i, "input"), why)
        if self.false_alarms is not None and self.decide != "fuse":
            raise Located(("false_alarms",), "it is used with 'decide: fuse' alone")
        return self


def one_stage(model: str) -> PipelineSpec:
    """The pipeline that ``--model NAME`` stands for.

    >>> one_stage("cells").stages[0].model
    'cells'
    """
    return PipelineSpec(name=model.partition("@")[0], stages=(StageSpec(name="look", model=model),))


def load_pipeline(path: Path) -> PipelineSpec:
    """Read and check a pipeline file. Raises `SpecError` that names file, line and key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        reason = "it is not UTF-8 text" if isinstance(e, UnicodeDecodeError) else e.strerror
        raise SpecError(f"cannot read the pipeline file {path}: {reason}") from e
    return parse_pipeline(text, where=str(path), name=path.stem)


def parse_pipeline(text: str, *, where: str, name: str) -> PipelineSpec:
    """Check the text of a pipeline file. ``where`` is named in errors.

    ``name`` is the default; what can't stand in a name becomes ``-`` there.
    """
    data, lines = yaml_lines.parse(text, where)
    if data is None:
        raise SpecError(f"{where}:1: the file is empty; a pipeline needs at least 'stages'")
    try:
        spec = PipelineSpec.model_validate(data)
    except ValidationError as e:
        found = complaints(e, lines, where, allowed=_allowed, patterns=PATTERNS)
        raise SpecError("\n".join(found)) from e
    return spec if spec.name else spec.model_copy(update={"name": _as_name(name)})


def _as_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-_.")[:63] or "pipeline"


def _allowed(at: yaml_lines.At) -> frozenset[str]:
    places: dict[str, tuple[type[BaseModel], ...]] = {
        "source": (SourceSpec,),
        "prepare": (PrepareSpec,),
        "stages": (StageSpec,),
        "severity": (SeverityRule,),
        "outputs": (OutputsSpec,),
        "budget": (BudgetSpec,),
        "alerts": (
            *(LogAlertSpec, SmtpAlertSpec, WebhookAlertSpec),
            *(SnsAlertSpec, EventBridgeAlertSpec),
        ),
    }
    models = places.get(str(at[0]), ()) if at else (PipelineSpec,)
    if at[:2] == ("prepare", "steps"):
        return frozenset({"use", "with"})
    if at[:2] == ("prepare", "areas"):
        models = (AreasSpec,)
    return frozenset(field for model in models for field in model.model_fields)


class Settings(_Strict):
    """What holds for a workspace and not for one pipeline. Printed by `walkdown config`."""

    workspace: str = Field("default", pattern=NAME, description="part of every key")
    actor: str = Field("unknown", min_length=1, description="who; written with every record")
    workers: Whole = Field(
        1, ge=1, le=MAX_WORKERS, description="threads that decode and look at images"
    )
