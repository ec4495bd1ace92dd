"""The pipeline file and the settings: what users write, checked once, with the line in the error.

YAML is parsed to nodes first, so that every complaint of pydantic can be traced back to file, line
and key. Unknown and repeated keys are errors. Nothing here reads the environment or opens models.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from walkdown import expressions, templates
from walkdown.errors import SpecError
from walkdown.types import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
"""What a pipeline, a model or a workspace may be called: it becomes part of keys and file names."""

STAGE_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
"""A stage's name is an identifier, because ``when`` speaks of ``stage.score``."""

MODEL = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}(@([1-9][0-9]{0,8}|[a-z][a-z0-9_-]{0,31}))?$"
"""``name``, ``name@alias`` or ``name@3``; a name alone means ``name@live``."""

DEFAULT_MAX_PIXELS = 150_000_000


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

FINDING_NAMES: dict[str, tuple[str, ...]] = {"score": (), "area_pct": (), "label": (), "asset": ()}
"""What a severity rule can ask of a finding, besides the stages."""


def stage_names(stages: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The names that a condition may use after these stages."""
    return dict.fromkeys(stages, STAGE_FIELDS)


class _Located(ValueError):
    """A complaint about one place, for a check that only the whole can make."""

    def __init__(self, at: str, message: str) -> None:
        super().__init__(f"@{at}@{message}")


def _check_condition(at: str, text: str | None, names: Mapping[str, Sequence[str]]) -> None:
    if text is None:
        return
    try:
        expressions.parse(text, names)
    except SpecError as e:
        raise _Located(at, str(e)) from e


def _as_value_error(check: Callable[[str], object], value: str) -> None:
    try:
        check(value)
    except SpecError as e:
        raise ValueError(str(e)) from e


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class SourceSpec(_Strict):
    """Where the photographs are. Relative paths are below the pipeline file."""

    paths: tuple[str, ...] = Field(min_length=1, description="files and folders")
    include: tuple[str, ...] = Field((), description="only names that fit one of these patterns")
    exclude: tuple[str, ...] = Field((), description="no names that fit one of these patterns")


class PrepareSpec(_Strict):
    """What happens to an image before any model sees it."""

    max_pixels: int = Field(
        DEFAULT_MAX_PIXELS, ge=1, le=2_000_000_000, description="larger images are refused"
    )


class StageSpec(_Strict):
    """One model, and when it runs."""

    name: str = Field(pattern=STAGE_NAME, description="what `when` and the report call it")
    model: str = Field(pattern=MODEL, description="name, name@alias or name@version")
    when: str | None = Field(
        None, description="run only if this holds, e.g. screen.verdict == 'anomaly'"
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
    port: int = Field(587, ge=1, le=65535)
    sender: str = Field(min_length=3)
    recipients: tuple[str, ...] = Field(min_length=1)
    username: str | None = None
    password_env: str | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"


class WebhookAlertSpec(_AlertSpec):
    """Alerts as signed JSON by HTTP POST."""

    to: Literal["webhook"]
    url: str = Field(pattern=r"^https?://")
    secret_env: str | None = None


AlertSpec = Annotated[LogAlertSpec | SmtpAlertSpec | WebhookAlertSpec, Field(discriminator="to")]

DEFAULT_SEVERITY = (
    SeverityRule(severity=Severity.HIGH, when="score >= 0.8"),
    SeverityRule(severity=Severity.MEDIUM, when="score >= 0.6"),
    SeverityRule(severity=Severity.LOW),
)


class PipelineSpec(_Strict):
    """A pipeline: source, preparation, stages, decision, asset, severity, outputs, alerts."""

    name: str = Field("", pattern=r"^$|" + NAME, description="the file's name unless given")
    source: SourceSpec | None = Field(None, description="a path, a list of paths, or a mapping")
    prepare: PrepareSpec = PrepareSpec()
    stages: tuple[StageSpec, ...] = Field(min_length=1)
    decide: Literal["last", "any", "all", "vote"] = "last"
    asset: str | None = Field(None, description="e.g. {site}/{asset}/{view}/{name}")
    severity: tuple[SeverityRule, ...] = DEFAULT_SEVERITY
    outputs: OutputsSpec = OutputsSpec()
    alerts: tuple[AlertSpec, ...] = ()

    @field_validator("source", mode="before")
    @classmethod
    def _short_source(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"paths": [value]}
        return {"paths": value} if isinstance(value, list) else value

    @field_validator("asset")
    @classmethod
    def _asset_is_a_template(cls, value: str | None) -> str | None:
        if value is not None:
            _as_value_error(templates.compile_template, value)
        return value

    @model_validator(mode="after")
    def _stages_fit(self) -> PipelineSpec:
        names = [stage.name for stage in self.stages]
        repeated = {n for n in names if names.count(n) > 1}
        if repeated:
            again = max(i for i, n in enumerate(names) if n in repeated)
            raise _Located(f"stages.{again}.name", f"the name {names[again]!r} is used twice")
        if self.stages[0].when is not None:
            raise _Located("stages.0.when", "the first stage has no earlier one to ask")
        for i, stage in enumerate(self.stages):
            _check_condition(f"stages.{i}.when", stage.when, stage_names(names[:i]))
        for i, rule in enumerate(self.severity):
            _check_condition(f"severity.{i}.when", rule.when, FINDING_NAMES | stage_names(names))
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
    """Check the text of a pipeline file. ``where`` is named in errors, ``name`` is the default."""
    data, lines = _parse_yaml(text, where)
    try:
        spec = PipelineSpec.model_validate(data)
    except ValidationError as e:
        raise SpecError("\n".join(_complaints(e, lines, where))) from e
    return spec if spec.name else spec.model_copy(update={"name": name})


Lines = dict[tuple[str | int, ...], int]


def _parse_yaml(text: str, where: str) -> tuple[Any, Lines]:
    lines: Lines = {}
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise SpecError(f"{where}:1: the file is empty; a pipeline needs at least 'stages'")
        _walk(node, (), lines, where)
        return yaml.safe_load(text), lines
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise SpecError(f"{where}{line}: not valid YAML: {getattr(e, 'problem', e)}") from e
    except RecursionError as e:
        raise SpecError(f"{where}: nested too deeply") from e


def _walk(node: yaml.Node, at: tuple[str | int, ...], lines: Lines, where: str) -> None:
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for i, child in enumerate(node.value):
            _walk(child, (*at, i), lines, where)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*at, str(key.value))
            if here in lines:
                raise SpecError(
                    f"{where}:{key.start_mark.line + 1}: '{_dotted(here)}' is given twice "
                    f"(first in line {lines[here]}); remove one"
                )
            lines[here] = key.start_mark.line + 1
            _walk(value, here, lines, where)


def _complaints(error: ValidationError, lines: Lines, where: str) -> list[str]:
    return [_complaint(dict(e), lines, where) for e in error.errors(include_url=False)]


def _complaint(e: Mapping[str, Any], lines: Lines, where: str) -> str:
    # A discriminated union adds its tag ("smtp") to the location; the file has no such key.
    at = tuple(p for p in e["loc"] if p not in ("log", "smtp", "webhook"))
    message = str(e["msg"]).removeprefix("Value error, ")
    if message.startswith("@"):
        _, where_exactly, message = message.split("@", 2)
        at = tuple(int(p) if p.isdigit() else p for p in where_exactly.split("."))
    known = next(at[:n] for n in range(len(at), -1, -1) if at[:n] in lines)
    line, key = lines[known], _dotted(at) or "the file"
    if e["type"] == "extra_forbidden":
        return f"{where}:{line}: unknown key '{key}'{_hint(str(at[-1]), at[:-1])}"
    if e["type"] == "missing":
        return f"{where}:{line}: '{key}' is missing"
    shown = "" if isinstance(e["input"], dict | list | tuple) else f" (it is {e['input']!r})"
    return f"{where}:{line}: '{key}': {message}{shown}"


def _hint(key: str, parent: Sequence[str | int]) -> str:
    allowed = sorted(_fields_at([p for p in parent if isinstance(p, str)]))
    close = difflib.get_close_matches(key, allowed, 1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; allowed here: {', '.join(allowed)}" if allowed else ""


def _fields_at(path: Sequence[str]) -> set[str]:
    places: dict[str, tuple[type[BaseModel], ...]] = {
        "": (PipelineSpec,),
        "source": (SourceSpec,),
        "prepare": (PrepareSpec,),
        "stages": (StageSpec,),
        "severity": (SeverityRule,),
        "outputs": (OutputsSpec,),
        "alerts": (LogAlertSpec, SmtpAlertSpec, WebhookAlertSpec),
    }
    return {f for m in places.get(path[0] if path else "", ()) for f in m.model_fields}


def _dotted(at: Sequence[str | int]) -> str:
    """``('stages', 1, 'when')`` as people read it: ``stages[2].when``, counted from one."""
    text = ""
    for part in at:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class Settings(_Strict):
    """What holds for a workspace and not for one pipeline. Printed by `walkdown config`."""

    workspace: str = Field("default", pattern=NAME, description="part of every key")
    actor: str = Field("unknown", min_length=1, description="who; written with every record")
    workers: int = Field(1, ge=1, le=256, description="threads that decode and look at images")
