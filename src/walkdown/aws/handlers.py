"""The functions of a stack: an event comes in, a use case is called, its answer goes out.

Each may be called twice with the same event and then changes nothing more.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from walkdown.app import workflow
from walkdown.app.emptying import empty
from walkdown.app.intake import resume_waiting, take_in
from walkdown.app.waiting import waiting
from walkdown.aws import environment, events, presigning
from walkdown.aws.telemetry import step
from walkdown.clock import utc_now
from walkdown.errors import NotFound, SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

Answer = dict[str, Any]


def intake(event: Mapping[str, Any], _: object) -> Answer:
    """From the queue of arrivals: one inspection per pipeline. Failed messages come back alone.

    Asked to ``resume``, it starts what has waited for a budget.
    """
    here = environment.function()
    if event.get("resume"):
        return _resume(here)
    with step("intake", here.stack.name) as line:
        arrivals, bad = events.arrivals(event)
        taken = take_in(here.app, here.workflows, arrivals, actor=environment.ACTOR)
        line.facts |= {"inspections": taken.inspections, "errors": taken.errors}
        line.facts["waiting"] = taken.waiting
        line.figures |= {"Arrivals": len(arrivals), "New": taken.new, "Known": taken.known}
        line.figures |= {"Unrouted": taken.unrouted, "BadMessages": len(bad)}
        again = (*bad, *taken.failed)
        return {"batchItemFailures": [{"itemIdentifier": message} for message in again]}


def _resume(here: environment.Function) -> Answer:
    """Nothing is written, and so nothing paid, where nothing waits."""
    if not (before := _waiting(here)):
        return {"waiting": 0}
    with step("resume", here.stack.name) as line:
        # Noted before, too: what breaks off must not look as if nothing waited.
        line.figures["WaitingForBudget"] = before
        resumed = list(resume_waiting(here.app, here.workflows))
        line.facts["resumed"] = [one.by for one in resumed if one.by and not one.waits]
        line.facts["errors"] = [f"{one.old}: {one.error}" for one in resumed if one.error]
        line.figures["WaitingForBudget"] = left = _waiting(here)
        return {"waiting": left}


def _waiting(here: environment.Function) -> int:
    return sum(one.images for one in waiting(here.app.blobs))


def look(event: Mapping[str, Any], _: object) -> Answer:
    """One stage over a batch; where its model works by job, one step of that."""
    batch, plan = events.batch(event)
    stack = environment.function().stack.name
    with step(
        "look", stack, inspection=batch.inspection, stage=batch.stage, batch=batch.id
    ) as line:
        work, do = environment.work_of(batch, plan), event.get("do", "look")
        line.facts["do"] = do
        if do == "submit":
            return {"jobs": workflow.submit(work, batch)}
        if do == "ask":
            return {"ready": workflow.ready(work, batch)}
        looked = workflow.collect if do == "collect" else workflow.look
        line.figures["Images"] = len(batch.lines)
        return {"images": len(batch.lines), "waiting": looked(work, batch)}


def record(event: Mapping[str, Any], _: object) -> Answer:
    """Record what a batch came to, or why it came to nothing."""
    batch, plan = events.batch(event)
    here, recorder = environment.function(), environment.recorder(batch, plan)
    stack, stage = here.stack.name, batch.stage
    with step("record", stack, inspection=batch.inspection, stage=stage, batch=batch.id) as line:
        why = events.why(event)
        if why is None:
            results = workflow.record(batch, recorder, here.app.blobs)
        else:
            results = workflow.give_up(batch, recorder, here.app.blobs, why=why)
        failed = sum(result.error is not None for result in results)
        line.figures |= {"Recorded": len(results), "Failed": failed}
        return {"recorded": len(results), "failed": failed}


def choose(event: Mapping[str, Any], _: object) -> Answer:
    """Write the manifest of a later stage."""
    here, inspection, stage = environment.function(), event["inspection"], event["stage"]
    with step("choose", here.stack.name, inspection=inspection, stage=stage) as line:
        manifest, images = workflow.choose(inspection, stage, here.app.blobs)
        line.figures["Images"] = images
        return {"manifest": manifest, "images": images}


def finish(event: Mapping[str, Any], _: object) -> Answer:
    """Count what was recorded; the inspection is finished where nothing is missing."""
    here, identity = environment.function(), event["inspection"]
    with step("finish", here.stack.name, inspection=identity) as line:
        records, blobs = here.app.records, here.app.blobs
        tally = workflow.finish(identity, event["images"], records, blobs, now=utc_now())
        line.figures |= {"Images": tally.images, "Missing": tally.missing}
        line.figures |= {"Failed": tally.failed, "Anomalies": tally.anomalies}
        return asdict(tally)


def deliver(_: Mapping[str, Any], __: object) -> Answer:
    """Empty the outbox: batches into the lake, alerts to people."""
    here = environment.function()
    with step("deliver", here.stack.name) as line:
        left = empty(here.app, environment.channels())
        line.facts["reasons"] = left.reasons
        line.figures |= {"Waiting": left.waiting, "OutboxAgeSeconds": left.age_s}
        return {"waiting": left.waiting}


def compact(_: Mapping[str, Any], __: object) -> Answer:
    """Merge the small files of days that have ended into large ones."""
    here = environment.function()
    with step("compact", here.stack.name) as line:
        work = environment.compaction()
        done = [work.compact(day) for day in work.due(utc_now().date())]
        line.figures["Days"] = len(done)
        return {"days": [each.day for each in done]}


def presign(event: Mapping[str, Any], _: object) -> Answer:
    """A signed address to send one photograph to; what cannot be asked for is an ``error``."""
    door = environment.door()
    with step("presign", door.stack.name) as line:
        try:
            asked = presigning.wanted(event)
            signed = presigning.sign(
                asked,
                door.workflows.deployments(),
                client=door.signer,
                bucket=door.stack.source_bucket,
                mark=uuid4().hex[:12],
                now=utc_now(),
            )
        except (SpecError, NotFound) as e:
            # Not raised: a slip of who asks is no failure of the function.
            line.facts["refused"] = str(e)
            return {"error": str(e)}
        line.facts["key"] = signed.key
        line.figures["Addresses"] = 1
        told = {"url": signed.url, "method": "PUT", "headers": dict(signed.headers)}
        return told | {"key": signed.key, "expires_at": signed.expires_at.isoformat()}
