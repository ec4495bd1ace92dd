"""Deploy a pipeline into a stack: code and template are made, a change is proposed and carried out.

The stack's other pipelines are deployed again as they are, with the new code. Models and the plan
are in the stack's bucket before anything could ask for them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Final

from walkdown.app.deployed import Deployed, publish, read_deployed
from walkdown.app.versions import DEPLOYED_AS, open_version, resolve
from walkdown.aws.compose import Pipeline, Template, compose, deployment_digest
from walkdown.errors import NotFound, SpecError
from walkdown.runners.stepfunctions import Shape, batch_of
from walkdown.stores.memory import MemoryBlobs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from walkdown.app.context import App
    from walkdown.aws.package import Package
    from walkdown.aws.stacks import Event, Proposal, Stacks
    from walkdown.pipeline.budget import Charge
    from walkdown.ports import Blobs, Versions
    from walkdown.runners.executions import StepFunctions
    from walkdown.spec import PipelineSpec

SECONDS: Final = 1.0
"""What an image is taken to need in a function, where nothing was measured."""

FILLED_IN: Final = frozenset({"CodeBucket", "CodeKey", "CodeDigest", "Runtime"})
"""Parameters that the deployment itself gives."""


@dataclass(frozen=True, slots=True)
class There:
    """What a stack has by now: nothing, or its store of blobs and its pipelines."""

    blobs: Blobs | None = None
    pipelines: tuple[Deployed, ...] = ()


def here_and_now(
    app: App,
    spec: PipelineSpec,
    *,
    prefix: str,
    seconds: Mapping[str, float] | None = None,
    charge: Charge | None = None,
    concurrency: int = 50,
    tolerated_pct: int = 10,
    there: Blobs | None = None,
) -> Deployed:
    """The pipeline with what its models' names mean now, stored ``there`` (or only named).

    ``seconds`` are those that an image takes in a function, by stage. Raises `SpecError` for what
    can't run on AWS, and for a budget where nobody knows what an image costs.
    """
    _can_run_on_aws(spec)
    if spec.budget and charge is None:
        raise SpecError(
            "the pipeline has a budget, and what an image costs could not be measured: deploy it "
            "without --no-measure, or take 'budget' out of the file"
        )
    versions = {name: resolve(app, name) for name in {stage.model for stage in spec.stages}}
    infos = {name: open_version(app, version).info for name, version in versions.items()}
    measured = seconds or {}
    batch = {s.name: batch_of(measured.get(s.name, SECONDS)) for s in spec.stages}
    return publish(
        spec,
        infos,
        prefix=prefix,
        shape=Shape(batch, concurrency, tolerated_pct),
        charge=charge,
        here=app.blobs,
        there=there or MemoryBlobs(),
        open_step=app.open_step,
    )


def register(app: App, deployed: Deployed, there: Versions) -> None:
    """List the models of a deployed pipeline in the stack's registry, as this workspace knows them.

    Its numbers count from 1 there; the fact `DEPLOYED_AS` says what results call the model. The
    aliases are those that the version has here. Repeatable.
    """
    for name, info in sorted(deployed.models.items()):
        here = resolve(app, name)
        if here.digest != info.digest:
            continue
        known = [each for each in there.versions(here.name) if each.digest == here.digest]
        if known:
            for alias in here.aliases:
                there.point(here.name, alias, known[-1].version)
        else:
            there.add(replace(here, facts={**here.facts, DEPLOYED_AS: info.label}))


def read_there(blobs: Blobs, workflows: StepFunctions) -> There:
    """What a stack has deployed."""
    found = workflows.deployments()
    return There(blobs, tuple(read_deployed(one.plan_key, blobs) for one in found))


def shipped_template() -> Template:
    """The stack without pipelines, as this version of walkdown ships it."""
    text = resources.files("walkdown.aws").joinpath("template.json").read_text(encoding="utf-8")
    template: Template = json.loads(text)
    return template


def propose(
    stacks: Stacks,
    name: str,
    pipelines: Sequence[Deployed],
    package: Package,
    *,
    given: Mapping[str, str],
) -> Proposal:
    """Upload the code and propose the stack with these pipelines.

    ``given`` are parameters; what the stack was given before stays. Raises `SpecError` for one that
    the template does not have.
    """
    base = shipped_template()
    _check_parameters(base, given)
    bucket = stacks.artefacts()
    key = f"functions/{package.path.name}"
    stacks.upload(bucket, key, package.path)
    found = stacks.find(name) or {}
    before = {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])}
    known = {k: v for k, v in before.items() if k in base["Parameters"] and k not in FILLED_IN}
    parameters = known | dict(given)
    digest = deployment_digest(base, package.digest, parameters)
    filled = {"CodeBucket": bucket, "CodeKey": key, "CodeDigest": digest[:32]}
    template = compose(base, [Pipeline(one) for one in pipelines], digest=digest)
    return stacks.propose(
        name,
        template,
        parameters | filled | {"Runtime": package.runtime},
        bucket=bucket,
    )


def with_pipeline(there: There, new: Deployed | None, remove: Sequence[str]) -> list[Deployed]:
    """The pipelines that the stack is to have. Raises `NotFound` for one that cannot be removed."""
    have = {one.spec.name: one for one in there.pipelines}
    for name in remove:
        if have.pop(name, None) is None:
            known = ", ".join(sorted(have)) or "none"
            raise NotFound(f"the stack has no pipeline {name!r}; it has {known}")
    if new is not None:
        have[new.spec.name] = new
    return [have[name] for name in sorted(have)]


def carry_out(stacks: Stacks, proposal: Proposal) -> Iterator[Event]:
    """Change the stack; yields what happens."""
    return stacks.carry_out(proposal)


def _check_parameters(base: Template, given: Mapping[str, str]) -> None:
    for name in given:
        if name not in base["Parameters"] or name in FILLED_IN:
            known = ", ".join(sorted(set(base["Parameters"]) - FILLED_IN))
            raise SpecError(f"the stack has no parameter {name!r}; it has {known}")


def _can_run_on_aws(spec: PipelineSpec) -> None:
    """Refuse what the functions could not do: there is no secret of a mail server on AWS."""
    for alert in spec.alerts:
        if alert.to in ("smtp", "webhook"):
            raise SpecError(
                f"an alert goes to {alert.to!r}, which is for a laptop; on AWS every finding "
                "goes to the stack's SNS topics and to EventBridge: subscribe the mail address or "
                "the URL there, and take the alert out of the file that is deployed"
            )
