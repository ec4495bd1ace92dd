"""CloudFormation: a change is proposed, shown, and carried out only when somebody agrees to it.

A proposal is a change set. What is uploaded for it (code, template) is named by its content and
changes nothing by being there.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from walkdown.errors import StoreError
from walkdown.sdk.aws import Aws, AwsError, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from walkdown.aws.compose import Template

POLL_S: Final = 2.0
TAGS: Final = {"application": "walkdown"}
_NOTHING: Final = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that would be added, modified, removed; ``replaced``: made anew."""

    action: str
    logical: str
    kind: str
    replaced: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change set: what would change, and whether the stack would be new. Empty: nothing."""

    stack: str
    arn: str
    changes: tuple[Change, ...]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a resource while a stack was changed."""

    logical: str
    kind: str
    status: str
    reason: str


class Stacks:
    """The stacks of an account and region."""

    def __init__(self, aws: Aws, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._aws = aws
        self._cloud = aws.client("cloudformation")
        self._sleep = sleep

    def find(self, name: str) -> Mapping[str, Any] | None:
        """What CloudFormation says of a stack; None where there is none."""
        try:
            with explained(f"look up the stack {name}"):
                stack: Mapping[str, Any] = self._cloud.describe_stacks(StackName=name)["Stacks"][0]
        except AwsError as e:
            if e.code == "ValidationError":
                return None
            raise
        return stack

    def artefacts(self) -> str:
        """The bucket of code and templates of this account and region, made if it is new."""
        with explained("ask who this is"):
            account = self._aws.client("sts").get_caller_identity()["Account"]
        s3 = self._aws.client("s3")
        region = s3.meta.region_name
        name = f"walkdown-deploy-{account}-{region}"
        where = {} if region == "us-east-1" else {"LocationConstraint": region}
        try:
            with explained(f"make the bucket {name}"):
                more = {"CreateBucketConfiguration": where} if where else {}
                s3.create_bucket(Bucket=name, **more)
        except AwsError as e:
            if e.code != "BucketAlreadyOwnedByYou":
                raise
        with explained(f"close the bucket {name} to others"):
            closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy")
            s3.put_public_access_block(
                Bucket=name,
                PublicAccessBlockConfiguration=dict.fromkeys(
                    (*closed, "RestrictPublicBuckets"), True
                ),
            )
        return name

    def upload(self, bucket: str, key: str, path: Path) -> None:
        """Put a file under a key that names its content: what is there already is the same."""
        s3 = self._aws.client("s3")
        try:
            with explained(f"look for s3://{bucket}/{key}"):
                found = s3.head_object(Bucket=bucket, Key=key)
            if found["ContentLength"] == path.stat().st_size:
                return
        except AwsError as e:
            if e.status != 404:
                raise
        with explained(f"upload s3://{bucket}/{key}"):
            s3.upload_file(str(path), bucket, key)

    def propose(
        self, name: str, template: Template, parameters: Mapping[str, str], *, bucket: str
    ) -> Proposal:
        """A change set that would make the stack so. Raises `StoreError` with AWS's reason."""
        body = json.dumps(template, sort_keys=True).encode()
        mark = hashlib.sha256(body + json.dumps(sorted(parameters.items())).encode()).hexdigest()
        key = f"templates/{mark[:32]}.json"
        with explained(f"upload the template of {name}"):
            self._aws.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        found = self.find(name)
        is_new = found is None or found["StackStatus"] == "REVIEW_IN_PROGRESS"
        arn = self._change_set(name, bucket, key, parameters, is_new=is_new)
        return Proposal(name, arn, self._changes(arn), is_new)

    def _change_set(
        self, name: str, bucket: str, key: str, parameters: Mapping[str, str], *, is_new: bool
    ) -> str:
        host = self._aws.client("s3").meta.endpoint_url.rstrip("/")
        given = [{"ParameterKey": k, "ParameterValue": v} for k, v in sorted(parameters.items())]
        with explained(f"propose a change of the stack {name}"):
            answer = self._cloud.create_change_set(
                StackName=name,
                ChangeSetName=f"walkdown-{int(time.time())}",
                ChangeSetType="CREATE" if is_new else "UPDATE",
                TemplateURL=f"{host}/{bucket}/{key}",
                Parameters=given,
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
                Tags=[{"Key": k, "Value": v} for k, v in {**TAGS, "stack": name}.items()],
            )
        return str(answer["Id"])

    def _changes(self, arn: str) -> tuple[Change, ...]:
        while True:
            with explained("read the proposed change"):
                found = self._cloud.describe_change_set(ChangeSetName=arn)
            status, reason = found["Status"], found.get("StatusReason") or ""
            if status == "CREATE_COMPLETE":
                break
            if status == "FAILED":
                if any(words in reason for words in _NOTHING):
                    return ()
                raise StoreError(f"AWS refuses the change: {reason}")
            self._sleep(POLL_S)
        changes = [_change(each) for each in found["Changes"]]
        while found.get("NextToken"):
            with explained("read the proposed change"):
                found = self._cloud.describe_change_set(
                    ChangeSetName=arn, NextToken=found["NextToken"]
                )
            changes += [_change(each) for each in found["Changes"]]
        return tuple(sorted(changes, key=lambda c: (c.action, c.kind, c.logical)))

    def discard(self, proposal: Proposal) -> None:
        """Take a proposal back; a stack that was only proposed is gone again."""
        with explained("discard the proposed change"):
            self._cloud.delete_change_set(ChangeSetName=proposal.arn)
            if proposal.is_new:
                self._cloud.delete_stack(StackName=proposal.stack)

    def carry_out(self, proposal: Proposal) -> Iterator[Event]:
        """Change the stack; yields what happens, until all is done. Raises `StoreError`."""
        before = {event[0] for event in self._events(proposal.stack)}
        with explained(f"change the stack {proposal.stack}"):
            self._cloud.execute_change_set(ChangeSetName=proposal.arn)
        yield from self._until_done(proposal.stack, before)

    def delete(self, name: str, *, keep: tuple[str, ...] = ()) -> Iterator[Event]:
        """Delete a stack; what the template retains stays."""
        before = {event[0] for event in self._events(name)}
        found = self.find(name)
        with explained(f"delete the stack {name}"):
            more = {"RetainResources": list(keep)} if keep else {}
            self._cloud.delete_stack(StackName=name, **more)
        yield from self._until_done(str(found["StackId"]) if found else name, before)

    def _until_done(self, name: str, seen: set[str]) -> Iterator[Event]:
        failed: list[Event] = []
        while True:
            for identity, event in self._events(name):
                if identity not in seen:
                    seen.add(identity)
                    yield event
                    failed += [event] if event.status.endswith("_FAILED") else []
            found = self.find(name)
            status = str(found["StackStatus"]) if found else "DELETE_COMPLETE"
            if not status.endswith("_IN_PROGRESS"):
                break
            self._sleep(POLL_S)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"):
            first = next((e for e in failed if "cancelled" not in e.reason.lower()), None)
            why = f"{first.logical} ({first.kind}): {first.reason}" if first else "no reason given"
            raise StoreError(f"the stack {name} ended as {status}; first failure: {why}")

    def _events(self, name: str) -> list[tuple[str, Event]]:
        """What has happened, oldest first."""
        try:
            with explained(f"watch the stack {name}"):
                answer = self._cloud.describe_stack_events(StackName=name)
        except AwsError as e:
            if e.code == "ValidationError":
                return []
            raise
        return [
            (
                str(each["EventId"]),
                Event(
                    each.get("LogicalResourceId", ""),
                    each.get("ResourceType", ""),
                    each.get("ResourceStatus", ""),
                    each.get("ResourceStatusReason", ""),
                ),
            )
            for each in reversed(answer["StackEvents"])
        ]


def _change(found: Mapping[str, Any]) -> Change:
    change = found["ResourceChange"]
    return Change(
        change["Action"],
        change["LogicalResourceId"],
        change["ResourceType"],
        change.get("Replacement") == "True",
    )
