"""The checks that put something into the stack to see it work; each only where it was asked for.

What they put stays, below ``walkdown-check/`` of the pipeline's prefix, as results do.
"""

from __future__ import annotations

import json
import mimetypes
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from walkdown.aws.check.account import Checked, failed, passed, skipped, unless
from walkdown.sdk.aws import explained
from walkdown.stores.s3_reading import s3_uri

if TYPE_CHECKING:
    from datetime import datetime

    from walkdown.aws.check.account import Account
    from walkdown.types import Result

AWKWARD = "ä b+c%20d=é&(1)"
"""A name that S3's own notifications and EventBridge's events write differently."""

NO_PHOTO = "nothing was put: give a photograph, --photo FILE"
MOST_EVENTS = 25_000
MOST_STATE = 256 * 1024


def photograph(account: Account) -> Checked:
    """Whether a photograph with an awkward name comes out as a result, and how soon."""
    if account.wish.photo is None:
        return skipped(NO_PHOTO)
    key = f"{account.pipeline().prefix}walkdown-check/{uuid4().hex[:8]}/{AWKWARD}"
    key += account.wish.photo.suffix.lower()
    with explained(f"put {s3_uri(account.stack.source_bucket, key)}"):
        account.aws.client("s3").put_object(
            Bucket=account.stack.source_bucket, Key=key, Body=account.wish.photo.read_bytes()
        )
    uri = s3_uri(account.stack.source_bucket, key)
    seconds = account.waited(lambda: _result(account, uri))
    result = _result(account, uri)
    if seconds is None or result is None:
        return failed(f"{uri} has no result: walkdown logs --stack {account.stack.name}")
    if result.verdict is None:
        return failed(f"{uri} could not be looked at: {result.error}")
    window = account.parameters.get("BatchWindowSeconds", "60")
    return passed(
        f"{result.verdict} (score {result.score or 0.0:.3f}) after {seconds:.0f} s, "
        f"of which up to {window} s were waiting for more"
    )


def workflow(account: Account) -> Checked:
    """Whether the newest workflow stays well below what Step Functions takes."""
    if account.wish.photo is None:
        return skipped(NO_PHOTO)
    states, machine = account.aws.client("stepfunctions"), account.pipeline().machine
    ended = account.waited(lambda: _ended(account, machine))
    with explained("read the history of a workflow"):
        listed = states.list_executions(stateMachineArn=machine, maxResults=1)["executions"]
    if ended is None or not listed:
        return failed(f"no workflow of {account.pipeline().name} has ended")
    with explained("read the history of a workflow"):
        pages = states.get_paginator("get_execution_history").paginate(
            executionArn=listed[0]["executionArn"]
        )
        events = [each for page in pages for each in page["events"]]
    largest = max((len(json.dumps(each, default=str)) for each in events), default=0)
    wrong = [] if listed[0]["status"] == "SUCCEEDED" else [f"it is {listed[0]['status']}"]
    wrong += [] if len(events) < MOST_EVENTS / 2 else [f"its history has {len(events)} events"]
    wrong += [] if largest < MOST_STATE / 2 else [f"its largest event has {largest} bytes"]
    return unless(wrong, f"{len(events)} events, the largest of {largest} bytes")


def logs(account: Account) -> Checked:
    """Whether the logs are found by the inspection's id."""
    if account.wish.photo is None:
        return skipped(NO_PHOTO)
    newest = max(account.app.records.inspections(), key=lambda each: each.started_at, default=None)
    if newest is None:
        return failed("there is no inspection to look for")
    group = f"/walkdown/{account.stack.name}/Finish"
    with explained(f"read the log group {group}"):
        found = account.aws.client("logs").filter_log_events(
            logGroupName=group, filterPattern=f'"{newest.id}"', limit=1
        )["events"]
    if not found:
        return failed(f"{group} does not tell of the inspection {newest.id} (yet)")
    return passed(f"{group} tells of the inspection {newest.id}")


def signed_upload(account: Account) -> Checked:
    """Whether a short-lived address takes a photograph."""
    if account.wish.photo is None:
        return skipped(NO_PHOTO)
    name = f"walkdown-check/{uuid4().hex[:8]}{account.wish.photo.suffix.lower()}"
    data = account.wish.photo.read_bytes()
    # Without a type urllib would send that of a form, and S3 would keep it.
    kind = mimetypes.guess_type(name)[0] or "image/jpeg"
    given = {"pipeline": account.pipeline().name, "name": name, "size": len(data)}
    given["content_type"] = kind
    said, problem = account.called("Presign", given)
    if not isinstance(said, dict) or "error" in said:
        return failed(f"presign: {problem or said}")
    refused = _sent(said, data)
    if refused:
        return failed(f"the signed address refuses the photograph: {refused}")
    with explained(f"look for {said['key']}"):
        account.aws.client("s3").head_object(Bucket=account.stack.source_bucket, Key=said["key"])
    return passed(f"a photograph arrived as {said['key']}")


def alarm(account: Account) -> Checked:
    """Whether an alarm that goes off is heard by who has subscribed."""
    if not account.wish.alarm:
        return skipped("no alarm was rung, since people are told of it: --alarm")
    if not account.is_real:
        return skipped("the emulator's alarms tell nobody")
    sqs, sns = account.aws.client("sqs"), account.aws.client("sns")
    topic = account.outputs["AlarmTopicArn"]
    name = f"{account.stack.name}-check-{uuid4().hex[:8]}"
    with explained(f"make the queue {name}"):
        arn = topic.replace(":sns:", ":sqs:").rpartition(":")[0] + f":{name}"
        url = sqs.create_queue(QueueName=name, Attributes={"Policy": _lets_in(arn, topic)})
    try:
        with explained("subscribe to the alarms"):
            heard = sns.subscribe(
                TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
            )["SubscriptionArn"]
        return _rung(account, url["QueueUrl"], heard)
    finally:
        with explained(f"delete the queue {name}"):
            sqs.delete_queue(QueueUrl=url["QueueUrl"])


def cost(account: Account) -> Checked:
    """What the stack has cost this month, as the bill says."""
    if not account.wish.cost:
        return skipped("AWS takes 0.01 USD for the question: --cost")
    now = account.app.clock()
    with explained("ask for the bill"):
        answer = account.aws.client("ce").get_cost_and_usage(
            TimePeriod=_month(now),
            Granularity="MONTHLY",
            Metrics=["UnblendedCost"],
            Filter={"Tags": {"Key": "stack", "Values": [account.stack.name]}},
        )
    total = sum(
        float(each["Total"]["UnblendedCost"]["Amount"])
        for each in answer["ResultsByTime"]
        if "UnblendedCost" in each.get("Total", {})
    )
    if not total:
        return skipped(
            "the bill tells nothing of the tag 'stack': activate it (Billing, Cost allocation "
            "tags); figures come a day later"
        )
    return passed(f"{total:.2f} USD this month")


def _result(account: Account, uri: str) -> Result | None:
    return next(account.app.records.results(image=uri), None)


def _ended(account: Account, machine: str) -> bool:
    with explained("look at the workflows"):
        states = account.aws.client("stepfunctions")
        found = states.list_executions(stateMachineArn=machine, maxResults=1)["executions"]
    return bool(found) and found[0]["status"] != "RUNNING"


def _sent(said: dict[str, Any], data: bytes) -> str | None:
    """Why the address of `presign` did not take the photograph."""
    url = str(said["url"])
    if not url.startswith(("https://", "http://")):
        return f"it is no address: {url:.80}"
    request = urllib.request.Request(url, data, said.get("headers", {}), method="PUT")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60):  # noqa: S310
            return None
    except urllib.error.HTTPError as e:
        with e:
            return f"{e.code} {e.read()[:200]!r}"
    except OSError as e:
        return str(e)


def _rung(account: Account, queue: str, heard: str) -> Checked:
    watch, sqs = account.aws.client("cloudwatch"), account.aws.client("sqs")
    name = account.resources["IntakeDeadLettersAlarm"]

    def told() -> bool:
        with explained("listen for the alarm"):
            got = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)
        return any(name in each["Body"] for each in got.get("Messages", []))

    try:
        with explained(f"ring the alarm {name}"):
            watch.set_alarm_state(
                AlarmName=name, StateValue="ALARM", StateReason="walkdown checks that it is heard"
            )
        seconds = account.waited(told, pause_s=0.0)
    finally:
        with explained(f"end the alarm {name}"):
            watch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="checked")
            account.aws.client("sns").unsubscribe(SubscriptionArn=heard)
    if seconds is None:
        return failed(f"nobody heard the alarm {name}: look at the policy of the topic of alarms")
    return passed(f"the alarm was heard after {seconds:.0f} s")


def _lets_in(queue: str, topic: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _month(now: datetime) -> dict[str, str]:
    """The month up to now; on its first day, that day."""
    first = now.date().replace(day=1)
    last = max(now.date(), first.replace(day=2))
    return {"Start": first.isoformat(), "End": last.isoformat()}
