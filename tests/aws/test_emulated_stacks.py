"""Stacks of the emulator: change sets, updates of code, rollback, deletion, templates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.aws.emulator.functions import RUNTIME
from tests.aws.emulator.handle import zipped
from tests.aws.emulator.stacks import references
from tests.aws.emulator.templates import check_parameters
from tests.aws.workshop import bucket, output, run

if TYPE_CHECKING:
    from tests.aws.emulator.handle import Handle

ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
        "ManagedPolicyArns": [{"Ref": "AWS::NoValue"}],
    },
}
FUNCTION = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Runtime": RUNTIME,
        "Handler": "app.handler",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"S3Bucket": "bucket", "S3Key": {"Ref": "CodeKey"}},
        "MemorySize": {"Ref": "Memory"},
        "Timeout": 10,
        "Environment": {"Variables": {"STACK": {"Ref": "AWS::StackName"}}},
    },
}
VERSION = {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "Function"}}}
DEFINITION = {
    "StartAt": "T",
    "States": {
        "T": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "${Look}", "Payload.$": "$$.Execution.Name"},
            "OutputPath": "$.Payload",
            "End": True,
        }
    },
}
MACHINE = {
    "Type": "AWS::StepFunctions::StateMachine",
    "Properties": {
        "RoleArn": {"Fn::GetAtt": "Role.Arn"},
        "DefinitionString": {"Fn::Sub": [json.dumps(DEFINITION), {"Look": {"Ref": "Version1"}}]},
    },
}
PARAMETERS = {
    "CodeKey": {"Type": "String", "AllowedPattern": "[a-z.]+"},
    "Memory": {"Type": "Number", "Default": 256, "MinValue": 128},
}
OUTPUTS = {
    "Machine": {"Value": {"Ref": "Machine"}},
    "Version": {"Value": {"Ref": "Version1"}},
}


def template(**resources: Any) -> dict[str, Any]:
    every = {"Version1": VERSION, "Machine": MACHINE, "Function": FUNCTION, "Role": ROLE}
    made = {"Parameters": PARAMETERS, "Resources": every | resources, "Outputs": OUTPUTS}
    return json.loads(json.dumps(made))  # type: ignore[no-any-return]


def code(aws: Handle, *answers: str) -> None:
    bucket(aws)
    for answer in answers:
        text = f"import os\ndef handler(event, context): return ['{answer}', os.environ['STACK']]"
        package = zipped({"app.py": text})
        aws.client("s3").put_object(Bucket="bucket", Key=f"{answer}.zip", Body=package)


def changed(
    aws: Handle, said: dict[str, Any], kind: str = "UPDATE", **parameters: str
) -> dict[str, Any]:
    """The stack after a change set with this template, from a bucket, was executed."""
    cloudformation = aws.client("cloudformation")
    aws.client("s3").put_object(Bucket="bucket", Key="t.json", Body=json.dumps(said))
    made = cloudformation.create_change_set(
        StackName="s",
        ChangeSetName="c",
        ChangeSetType=kind,
        TemplateURL=f"{aws.url}/bucket/t.json",
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    told = cloudformation.describe_change_set(ChangeSetName=made["Id"])
    assert (told["Status"], told["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    cloudformation.execute_change_set(ChangeSetName=made["Id"])
    cloudformation.delete_change_set(ChangeSetName=made["Id"])
    return dict(cloudformation.describe_stacks(StackName=made["StackId"])["Stacks"][0])


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def statuses(aws: Handle, stack: dict[str, Any]) -> dict[str, str]:
    """The last status of each resource, as the events tell it."""
    told = aws.client("cloudformation").describe_stack_events(StackName=stack["StackId"])
    events = sorted(told["StackEvents"], key=lambda each: each["Timestamp"])
    return {each["LogicalResourceId"]: each["ResourceStatus"] for each in events}


def test_a_stack_of_two_versions_each_with_its_code(aws: Handle) -> None:
    code(aws, "old", "new")
    first = changed(aws, template(), "CREATE", CodeKey="old.zip")
    assert first["StackStatus"] == "CREATE_COMPLETE"
    machine = outputs(first)["Machine"]
    assert output(run(aws, machine, name="i1")) == ["old", "s"]

    renewed = template(Version2=VERSION)
    del renewed["Resources"]["Version1"]
    text = json.dumps(renewed).replace('"Version1"', '"Version2"')
    second = changed(aws, json.loads(text), CodeKey="new.zip")

    assert second["StackStatus"] == "UPDATE_COMPLETE"
    assert outputs(second)["Version"].endswith(":2")
    assert outputs(second)["Machine"] == machine
    assert output(run(aws, machine, name="i2")) == ["new", "s"]
    assert statuses(aws, second)["Version1"] == "DELETE_COMPLETE"


def test_a_retained_version_outlives_its_resource(aws: Handle) -> None:
    code(aws, "old", "new")
    kept = {**VERSION, "DeletionPolicy": "Retain"}
    first = changed(aws, template(Version1=kept), "CREATE", CodeKey="old.zip")
    renewed = json.loads(json.dumps(template(Version1=kept)).replace('"Version1"', '"Version2"'))
    stack = changed(aws, renewed, CodeKey="new.zip")

    old = outputs(first)["Version"]
    got = aws.client("lambda").invoke(FunctionName=old, Payload=b"1")
    assert json.loads(got["Payload"].read()) == ["old", "s"]
    assert statuses(aws, stack)["Version1"] == "DELETE_SKIPPED"


def test_a_version_of_an_unchanged_function_fails_and_everything_goes_back(aws: Handle) -> None:
    code(aws, "old", "new")
    changed(aws, template(), "CREATE", CodeKey="old.zip")

    stack = changed(aws, template(Version2=VERSION), CodeKey="old.zip", Memory="256")

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Modify the function to create a new version" in stack["StackStatusReason"]
    events = aws.client("cloudformation").describe_stack_events(StackName="s")["StackEvents"]
    assert ("Version2", "CREATE_FAILED") in [
        (each["LogicalResourceId"], each["ResourceStatus"]) for each in events
    ]
    again = changed(aws, template(Version2=VERSION), CodeKey="new.zip")
    assert again["StackStatus"] == "UPDATE_COMPLETE"


def test_a_changed_parameter_changes_what_refers_to_it(aws: Handle) -> None:
    code(aws, "old")
    changed(aws, template(), "CREATE", CodeKey="old.zip")
    stack = changed(aws, template(), CodeKey="old.zip", Memory="512")

    (found,) = aws.client("lambda").list_functions()["Functions"]
    assert found["MemorySize"] == 512
    now = statuses(aws, stack)
    assert (now["Function"], now["Machine"]) == ("UPDATE_COMPLETE", "CREATE_COMPLETE")


def test_a_failed_creation_leaves_nothing_but_its_story(aws: Handle) -> None:
    code(aws)
    stack = changed(aws, template(), "CREATE", CodeKey="missing.zip")

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert statuses(aws, stack)["Role"] == "DELETE_COMPLETE"
    assert aws.client("iam").list_roles()["Roles"] == []
    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE state and can not be updated"):
        changed(aws, template(), CodeKey="missing.zip")
    aws.client("cloudformation").delete_stack(StackName="s")
    assert changed(aws, {"Resources": {"Role": ROLE}}, "CREATE")["StackStatus"] == "CREATE_COMPLETE"


def test_an_unknown_type_fails_the_stack(aws: Handle) -> None:
    bucket(aws)
    stack = changed(aws, {"Resources": {"X": {"Type": "AWS::No::Such"}}}, "CREATE")

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stack["StackStatusReason"] == "the emulator has no AWS::No::Such"


def test_a_deleted_stack_retains_what_says_so(aws: Handle) -> None:
    bucket(aws)
    resources = {
        "Kept": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"},
        "Gone": {"Type": "AWS::SQS::Queue"},
        "Full": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "full"}},
    }
    stack = changed(aws, {"Resources": resources}, "CREATE")
    aws.client("s3").put_object(Bucket="full", Key="a", Body=b"")
    cloudformation = aws.client("cloudformation")

    cloudformation.delete_stack(StackName="s")
    (left,) = cloudformation.describe_stacks(StackName="s")["Stacks"]
    assert (left["StackStatus"], statuses(aws, stack)["Full"]) == ("DELETE_FAILED", "DELETE_FAILED")

    aws.client("s3").delete_object(Bucket="full", Key="a")
    cloudformation.delete_stack(StackName="s")

    (ended,) = cloudformation.describe_stacks(StackName=stack["StackId"])["Stacks"]
    assert ended["StackStatus"] == "DELETE_COMPLETE"
    now = statuses(aws, stack)
    assert (now["Kept"], now["Gone"], now["Full"]) == (
        "DELETE_SKIPPED",
        "DELETE_COMPLETE",
        "DELETE_COMPLETE",
    )
    assert len(aws.client("s3").list_buckets()["Buckets"]) == 2
    assert "QueueUrls" not in aws.client("sqs").list_queues()


def test_conditions_decide_what_there_is_and_what_goes(aws: Handle) -> None:
    bucket(aws)
    said = {
        "Parameters": {"Queues": {"Type": "Number", "Default": 0}},
        "Conditions": {"Queued": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Queues"}, "0"]}]}},
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Queue": {"Type": "AWS::SQS::Queue", "Condition": "Queued"},
        },
        "Outputs": {"Url": {"Condition": "Queued", "Value": {"Ref": "Queue"}}},
    }
    assert outputs(changed(aws, said, "CREATE")) == {}
    assert "Queue" in outputs(changed(aws, said, Queues="1"))["Url"]
    assert outputs(changed(aws, said, Queues="0")) == {}
    assert "QueueUrls" not in aws.client("sqs").list_queues()


def test_a_change_set_without_a_change_cannot_be_executed(aws: Handle) -> None:
    bucket(aws)
    said = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    changed(aws, said, "CREATE")
    cloudformation = aws.client("cloudformation")
    made = cloudformation.create_change_set(
        StackName="s", ChangeSetName="c", ChangeSetType="UPDATE", TemplateBody=json.dumps(said)
    )

    told = cloudformation.describe_change_set(ChangeSetName=made["Id"])
    assert (told["Status"], told["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert "didn't contain changes" in told["StatusReason"]
    with pytest.raises(ClientError, match="cannot be executed"):
        cloudformation.execute_change_set(ChangeSetName=made["Id"])


def test_a_template_too_long_for_the_request_is_refused(aws: Handle) -> None:
    said = {"Description": "x" * 52000, "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}

    with pytest.raises(ClientError, match="less than or equal to 51200"):
        aws.client("cloudformation").create_change_set(
            StackName="s", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=json.dumps(said)
        )


def test_parameters_are_checked_as_the_template_declares_them() -> None:
    def wrong(**given: str) -> str | None:
        return check_parameters({"Parameters": PARAMETERS}, given)

    assert wrong(CodeKey="a") is None
    assert "do not exist" in str(wrong(CodeKey="a", Other="b"))
    assert "must have values" in str(wrong())
    assert "must match pattern" in str(wrong(CodeKey="A"))
    assert "not less than 128" in str(wrong(CodeKey="a", Memory="1"))


def test_references_are_found_in_every_form() -> None:
    said = {
        "a": {"Ref": "A"},
        "b": [{"Fn::GetAtt": ["B", "Arn"]}, {"Fn::GetAtt": "C.Arn"}],
        "c": {"Fn::Sub": "x ${D} ${E.Arn} ${!F}"},
        "d": {"Fn::Sub": ["${Own}", {"Own": {"Ref": "G"}}]},
        "DependsOn": "H",
    }
    assert set(references(said)) == {"A", "B", "C", "D", "E", "Own", "G", "H"}


def test_another_version_is_published_under_another_name_alone(aws: Handle) -> None:
    code(aws, "old", "new", "newer")
    another = {**VERSION, "DeletionPolicy": "Retain"}
    described = {**VERSION["Properties"], "Description": "2"}  # type: ignore[dict-item]

    def published() -> list[str]:
        (found,) = aws.client("lambda").list_functions()["Functions"]
        listed = aws.client("lambda").list_versions_by_function(FunctionName=found["FunctionName"])
        return [each["Version"] for each in listed["Versions"]]

    changed(aws, template(), "CREATE", CodeKey="old.zip")
    changed(aws, template(Version1={**VERSION, "Properties": described}), CodeKey="new.zip")
    assert published() == ["$LATEST", "1"]
    changed(aws, template(Version2=another), CodeKey="new.zip")
    changed(aws, template(Version3=VERSION), CodeKey="newer.zip")
    assert published() == ["$LATEST", "1", "2", "3"]
    changed(aws, template(), CodeKey="newer.zip")
    assert published() == ["$LATEST", "1", "2"]


def test_roles_need_a_capability(aws: Handle) -> None:
    with pytest.raises(ClientError, match=r"Requires capabilities : \[CAPABILITY_IAM\]"):
        aws.client("cloudformation").create_change_set(
            StackName="s",
            ChangeSetName="c",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps({"Resources": {"Role": ROLE}}),
        )


def test_the_types_that_moto_lacks_are_made_changed_and_deleted(aws: Handle) -> None:
    bucket(aws, machine__json=json.dumps(DEFINITION))
    window = {"Mode": "OFF"}
    target = {"Arn": "arn:aws:lambda:us-east-1:123456789012:function:f", "RoleArn": "r"}
    location = {"Bucket": "bucket", "Key": "machine.json"}
    kinds: dict[str, dict[str, Any]] = {
        "AWS::SSM::Parameter": {"Name": "/walkdown/s/p", "Type": "String", "Value": "1"},
        "AWS::StepFunctions::StateMachine": {
            "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
            "DefinitionS3Location": location,
            "DefinitionSubstitutions": {"Look": "arn:aws:lambda:us-east-1:123456789012:function:f"},
        },
        "AWS::Scheduler::Schedule": {
            "ScheduleExpression": "rate(5 minutes)",
            "FlexibleTimeWindow": window,
            "Target": target,
        },
        "AWS::Glue::Database": {"CatalogId": "1", "DatabaseInput": {"Name": "lake"}},
        "AWS::Athena::WorkGroup": {"Name": "w", "WorkGroupConfiguration": {}},
        "AWS::Athena::NamedQuery": {"Database": "lake", "QueryString": "SELECT 1", "Name": "q"},
        "AWS::Budgets::Budget": {
            "Budget": {
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": 5, "Unit": "USD"},
            }
        },
        "AWS::CloudWatch::Alarm": {
            "Namespace": "Walkdown",
            "MetricName": "m",
            "Period": "60",
            "EvaluationPeriods": 1,
            "Threshold": "1",
            "Statistic": "Sum",
            "ComparisonOperator": "GreaterThanThreshold",
        },
        "AWS::CloudWatch::CompositeAlarm": {"AlarmRule": "TRUE"},
        "AWS::CloudWatch::Dashboard": {"DashboardName": "d", "DashboardBody": "{}"},
        "AWS::SQS::Queue": {"VisibilityTimeout": 30},
    }
    resources = {
        f"R{number}": {"Type": kind, "Properties": said}
        for number, (kind, said) in enumerate(kinds.items())
    }
    stack = changed(aws, {"Resources": {**resources, "Role": ROLE}}, "CREATE")
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack

    kinds["AWS::SSM::Parameter"]["Value"] = "2"
    kinds["AWS::Scheduler::Schedule"]["State"] = "DISABLED"
    kinds["AWS::CloudWatch::Alarm"]["Threshold"] = "2"
    kinds["AWS::SQS::Queue"]["VisibilityTimeout"] = 60
    stack = changed(aws, {"Resources": {**resources, "Role": ROLE}})
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stack
    value = aws.client("ssm").get_parameter(Name="/walkdown/s/p")["Parameter"]["Value"]
    (schedule,) = aws.client("scheduler").list_schedules()["Schedules"]
    assert (value, schedule["State"]) == ("2", "DISABLED")
    assert len(aws.client("sqs").list_queues()["QueueUrls"]) == 1

    aws.client("cloudformation").delete_stack(StackName="s")
    assert aws.client("scheduler").list_schedules()["Schedules"] == []
    assert aws.client("stepfunctions").list_state_machines()["stateMachines"] == []
    assert aws.client("ssm").get_parameters_by_path(Path="/walkdown/s")["Parameters"] == []
    assert aws.client("budgets").describe_budgets(AccountId="123456789012")["Budgets"] == []
