"""Plans and predictions for the tests of this folder: drawn at random, or written out."""

from collections.abc import Sequence
from typing import Literal

from hypothesis import strategies as st

from walkdown.pipeline.plan import Plan, make_plan
from walkdown.spec import PipelineSpec, SeverityRule, StageSpec
from walkdown.types import ModelInfo, Prediction, Region, StageResult, Verdict

Decide = Literal["last", "any", "all", "vote", "fuse"]

DECISIONS: tuple[Decide, ...] = ("last", "any", "all", "vote", "fuse")


def info(name: str) -> ModelInfo:
    return ModelInfo(f"{name}@1", f"digest of {name}")


def plan_of(
    *whens: str | None,
    decide: Decide = "last",
    severity: Sequence[SeverityRule] | None = None,
    asset: str | None = None,
) -> Plan:
    """A plan of stages a, b, c ... under these conditions."""
    names = "abcdefgh"[: len(whens)]
    stages = tuple(
        StageSpec(name=n, model=f"m{n}", when=w) for n, w in zip(names, whens, strict=True)
    )
    spec = PipelineSpec(name="p", stages=stages, decide=decide, asset=asset)
    if severity is not None:
        spec = spec.model_copy(update={"severity": tuple(severity)})
    return make_plan(spec, {f"m{n}": info(f"m{n}") for n in names})


def answer(
    stage: str,
    verdict: Verdict | None,
    score: float | None = None,
    *,
    error: str | None = None,
    regions: tuple[Region, ...] = (),
    labels: tuple[str, ...] = (),
) -> StageResult:
    prediction = Prediction(verdict, score, score, labels=labels, regions=regions, error=error)
    return StageResult(stage, f"m{stage}@1", f"digest of m{stage}", prediction)


def failure(stage: str) -> StageResult:
    return answer(stage, None, error=f"{stage} broke")


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    count = draw(st.integers(1, 5))
    whens: list[str | None] = [None]
    for i in range(1, count):
        earlier = "abcdefgh"[draw(st.integers(0, i - 1))]
        conditions = (
            None,
            f"{earlier}.score > 0.5",
            f"{earlier}.verdict == 'anomaly'",
            f"not {earlier}.failed",
            f"{earlier}.failed",
            f"{earlier}.score is None",
            "False",
        )
        whens.append(draw(st.sampled_from(conditions)))
    return plan_of(*whens, decide=draw(st.sampled_from(DECISIONS)))


@st.composite
def answers(draw: st.DrawFn, stage: str) -> StageResult:
    kind = draw(st.sampled_from(["normal", "anomaly", "unusable", "failed"]))
    if kind == "failed":
        return failure(stage)
    score = draw(st.none() | st.floats(0, 1)) if kind == "unusable" else draw(st.floats(0, 1))
    return answer(stage, Verdict(kind), score)
