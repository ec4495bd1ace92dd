"""The CloudFormation resource types that moto lacks, as calls of the same server's own API.

Each kind says how a resource is made and how it goes; an update puts a new one in its place, under
the same name. IAM conditions are not evaluated by moto, so that the usual statement "deny what is
not encrypted in transit" would deny everything: of bucket policies those statements are left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tests.aws.emulator.patching import ACCOUNT, REGION

Properties = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """A resource: what `Ref` gives, and what `Fn::GetAtt` gives."""

    physical: str
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """``make`` gets the clients, the properties and a generated name; ``drop`` the physical id."""

    make: Callable[[Callable[[str], Any], Properties, str], Made]
    drop: Callable[[Callable[[str], Any], str, Properties], object] | None = None
    update: Literal["again", "instead", "never"] = "instead"
    """How a resource is updated: by making it again; by making a new one when the old is gone; or
    not at all."""


def arn_of(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def typed(value: Any) -> Any:
    """Texts that are truths or numbers in a template's parameters, as what they are."""
    if isinstance(value, dict):
        return {name: typed(each) for name, each in value.items()}
    if isinstance(value, list):
        return [typed(each) for each in value]
    if value in ("true", "false"):
        return value == "true"
    return value


def picked(properties: Properties, *names: str, **kinds: Callable[[Any], Any]) -> Properties:
    """The given properties, those named with a kind converted."""
    made = {name: typed(properties[name]) for name in names if name in properties}
    return made | {
        name: kind(properties[name]) for name, kind in kinds.items() if name in properties
    }


def _policy(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _bucket_policy(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    document = json.loads(_policy(said["PolicyDocument"]))
    document["Statement"] = [each for each in document["Statement"] if "Condition" not in each]
    if document["Statement"]:
        client("s3").put_bucket_policy(Bucket=said["Bucket"], Policy=json.dumps(document))
    return Made(said["Bucket"], {})


def _queue_policy(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    for queue in said["Queues"]:
        attributes = {"Policy": _policy(said["PolicyDocument"])}
        client("sqs").set_queue_attributes(QueueUrl=queue, Attributes=attributes)
    return Made(name, {"Id": name})


def _topic_policy(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    for topic in said["Topics"]:
        client("sns").set_topic_attributes(
            TopicArn=topic,
            AttributeName="Policy",
            AttributeValue=_policy(said["PolicyDocument"]),
        )
    return Made(name, {"Id": name})


def _subscription(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    names = ("FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy")
    attributes = {
        each: said[each] if isinstance(said[each], str) else json.dumps(said[each])
        for each in names
        if each in said
    }
    made = client("sns").subscribe(
        TopicArn=said["TopicArn"],
        Protocol=said["Protocol"],
        Endpoint=said["Endpoint"],
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )
    return Made(made["SubscriptionArn"], {"Arn": made["SubscriptionArn"]})


def _alarm(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    name = said.get("AlarmName", name)
    whole = dict.fromkeys(("Period", "EvaluationPeriods", "DatapointsToAlarm"), int)
    others = [each for each in said if each not in (*whole, "AlarmName", "Threshold", "Metrics")]
    given = picked(said, *others, **whole, Threshold=float, Metrics=_metrics)
    client("cloudwatch").put_metric_alarm(AlarmName=name, **given)
    return Made(name, {"Arn": arn_of("cloudwatch", f"alarm:{name}")})


def _metrics(said: list[Properties]) -> list[Properties]:
    made: list[Properties] = typed(said)
    for each in made:
        if "MetricStat" in each:
            each["MetricStat"]["Period"] = int(each["MetricStat"]["Period"])
        if "Period" in each:
            each["Period"] = int(each["Period"])
    return made


def _composite_alarm(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    name = said.get("AlarmName", name)
    # moto has no such call; nothing here evaluates alarms anyway.
    return Made(name, {"Arn": arn_of("cloudwatch", f"alarm:{name}")})


def _glue_database(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    given = {"Name": name.lower(), **typed(said["DatabaseInput"])}
    client("glue").create_database(DatabaseInput=given)
    return Made(given["Name"], {})


def _glue_table(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    # Parameters of a table are texts, also "true".
    given = {"Name": name.lower(), **said["TableInput"]}
    client("glue").create_table(DatabaseName=said["DatabaseName"], TableInput=given)
    return Made(given["Name"], {})


def _work_group(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    name = said.get("Name", name)
    configuration = typed(said.get("WorkGroupConfiguration", {}))
    if "BytesScannedCutoffPerQuery" in configuration:
        configuration["BytesScannedCutoffPerQuery"] = int(
            configuration["BytesScannedCutoffPerQuery"]
        )
    client("athena").create_work_group(Name=name, Configuration=configuration)
    return Made(name, {})


def _named_query(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    given = picked(said, "Name", "Description", "Database", "QueryString", "WorkGroup")
    made = client("athena").create_named_query(**{"Name": name, **given})
    return Made(made["NamedQueryId"], {"NamedQueryId": made["NamedQueryId"]})


def _schedule(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    names = ("FlexibleTimeWindow", "ScheduleExpression", "Target", "State", "GroupName")
    more = ("ScheduleExpressionTimezone", "Description")
    given = {"Name": name, **picked(said, "Name", *names, *more)}
    window = given["FlexibleTimeWindow"]
    if "MaximumWindowInMinutes" in window:
        window["MaximumWindowInMinutes"] = int(window["MaximumWindowInMinutes"])
    made = client("scheduler").create_schedule(**given)
    return Made(given["Name"], {"Arn": made["ScheduleArn"]})


def _invoke_config(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    whole = dict.fromkeys(("MaximumRetryAttempts", "MaximumEventAgeInSeconds"), int)
    client("lambda").put_function_event_invoke_config(
        FunctionName=said["FunctionName"], **picked(said, "DestinationConfig", **whole)
    )
    return Made(name, {})


def _version(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    given = picked(said, "CodeSha256", "Description")
    listed = client("lambda").list_versions_by_function(FunctionName=said["FunctionName"])
    made = client("lambda").publish_version(FunctionName=said["FunctionName"], **given)
    if made["Version"] in [each["Version"] for each in listed["Versions"]]:
        exists = f"A version for this Lambda function exists ( {made['Version']} )."
        raise ValueError(f"{exists} Modify the function to create a new version.")
    arn, number = made["FunctionArn"], made["Version"]
    return Made(arn, {"Version": number, "FunctionArn": arn})


def _budget(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    budget = typed(said["Budget"])
    budget.setdefault("BudgetName", name)
    if "BudgetLimit" in budget:
        budget["BudgetLimit"]["Amount"] = str(budget["BudgetLimit"]["Amount"])
    client("budgets").create_budget(AccountId=ACCOUNT, Budget=budget)
    return Made(budget["BudgetName"], {})


def _metric_filter(client: Callable[[str], Any], said: Properties, name: str) -> Made:
    changes = [
        {lowered[:1].lower() + lowered[1:]: str(value) for lowered, value in each.items()}
        for each in said["MetricTransformations"]
    ]
    client("logs").put_metric_filter(
        logGroupName=said["LogGroupName"],
        filterName=said.get("FilterName", name),
        filterPattern=said["FilterPattern"],
        metricTransformations=changes,
    )
    return Made(said.get("FilterName", name), {})


KINDS: dict[str, Kind] = {
    "AWS::S3::BucketPolicy": Kind(_bucket_policy, update="again"),
    "AWS::SQS::QueuePolicy": Kind(_queue_policy, update="again"),
    "AWS::SNS::TopicPolicy": Kind(_topic_policy, update="again"),
    "AWS::SNS::Subscription": Kind(
        _subscription, lambda client, name, _: client("sns").unsubscribe(SubscriptionArn=name)
    ),
    "AWS::CloudWatch::Alarm": Kind(
        _alarm,
        lambda client, name, _: client("cloudwatch").delete_alarms(AlarmNames=[name]),
        update="again",
    ),
    "AWS::CloudWatch::CompositeAlarm": Kind(_composite_alarm, update="again"),
    "AWS::Glue::Database": Kind(
        _glue_database, lambda client, name, _: client("glue").delete_database(Name=name)
    ),
    "AWS::Glue::Table": Kind(
        _glue_table,
        lambda client, name, said: client("glue").delete_table(
            DatabaseName=said["DatabaseName"], Name=name
        ),
    ),
    "AWS::Athena::WorkGroup": Kind(
        _work_group, lambda client, name, _: client("athena").delete_work_group(WorkGroup=name)
    ),
    "AWS::Athena::NamedQuery": Kind(_named_query),
    "AWS::Scheduler::Schedule": Kind(
        _schedule, lambda client, name, _: client("scheduler").delete_schedule(Name=name)
    ),
    "AWS::Lambda::EventInvokeConfig": Kind(_invoke_config, update="again"),
    "AWS::Lambda::Version": Kind(
        _version,
        lambda client, name, _: client("lambda").delete_function(FunctionName=name),
        # What a changed description does is not promised: a deployment that needs another version
        # must ask for it under another name.
        update="never",
    ),
    "AWS::Budgets::Budget": Kind(
        _budget,
        lambda client, name, _: client("budgets").delete_budget(AccountId=ACCOUNT, BudgetName=name),
    ),
    "AWS::Logs::MetricFilter": Kind(_metric_filter, update="again"),
}
