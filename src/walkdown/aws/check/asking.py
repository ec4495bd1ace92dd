"""The checks that ask and change nothing, beyond calling functions that may be called any time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from walkdown.aws.check.account import Checked, failed, passed, skipped, unless
from walkdown.aws.check.deployer import policy
from walkdown.aws.check.roles import may_and_may_not, refusals
from walkdown.sdk.aws import Aws, AwsError, explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walkdown.aws.check.account import Account

SPARE_CONCURRENCY: Final = 20
"""Functions that may run beside the batches: intake, deliver, choose ..."""

VIEWS: Final = ("results", "predictions", "regions")


def identity(account: Account) -> Checked:
    """Who asks whom."""
    with explained("ask who this is"):
        who = account.aws.client("sts").get_caller_identity()
    if not account.is_real:
        return skipped("an emulator answers: what it says proves nothing about an account")
    return passed(f"{who['Arn']} in {account.region}")


def deployer(account: Account) -> Checked:
    """Whether the caller may do what a deployment needs, as IAM itself decides."""
    with explained("ask who this is"):
        arn = str(account.aws.client("sts").get_caller_identity()["Arn"])
    if ":assumed-role/" in arn:
        start, _, rest = arn.partition(":assumed-role/")
        arn = f"{start.replace(':sts:', ':iam:')}:role/{rest.split('/')[0]}"
    wanted = policy(account.stack.name)["Statement"][-1]["Action"]
    denied = refusals(account.aws, arn, [(action, "*", True) for action in wanted])
    return unless(denied, f"{len(wanted)} actions that AWS allows on all resources only")


def roles(account: Account) -> Checked:
    """Whether each role may do what its function does, and may not do what it must not."""
    wrong: list[str] = []
    asked = 0
    for role, questions in may_and_may_not(account.stack, account.resources).items():
        arn = _role_arn(account, role)
        wrong += [f"{role} {each}" for each in refusals(account.aws, arn, questions)]
        asked += len(questions)
    return unless(wrong, f"{asked} questions about what roles may do and may not do")


def policies(account: Account) -> Checked:
    """What IAM Access Analyzer says of the roles' own policies."""
    said: list[str] = []
    documents = list(_documents(account))
    for name, document in documents:
        with explained(f"have the policy {name} checked"):
            found = account.aws.client("accessanalyzer").validate_policy(
                policyDocument=json.dumps(document), policyType="IDENTITY_POLICY"
            )["findings"]
        bad = ("ERROR", "SECURITY_WARNING")
        said += [f"{name}: {each['issueCode']}" for each in found if each["findingType"] in bad]
    return unless(said, f"{len(documents)} policies without an error or a warning")


def machines(account: Account) -> Checked:
    """What Step Functions says of the definitions that it runs."""
    states = account.aws.client("stepfunctions")
    wrong: list[str] = []
    for one, _ in account.pipelines.values():
        with explained(f"have the state machine of {one.name} checked"):
            text = states.describe_state_machine(stateMachineArn=one.machine)["definition"]
            answer = states.validate_state_machine_definition(definition=text, type="STANDARD")
        if answer["result"] != "OK":
            wrong += [f"{one.name}: {each['message']}" for each in answer["diagnostics"]]
    return unless(wrong, f"{len(account.pipelines)} state machines, checked by Step Functions")


def quotas(account: Account) -> Checked:
    """Whether as many functions may run at once as the pipelines ask for."""
    with explained("ask for the limit of functions at once"):
        limits = account.aws.client("lambda").get_account_settings()["AccountLimit"]
    free = int(limits["UnreservedConcurrentExecutions"])
    reserved = int(account.parameters.get("LookConcurrency", "0"))
    wanted = sum(at_once for _, at_once in account.pipelines.values()) + SPARE_CONCURRENCY
    if free + reserved >= wanted:
        return passed(f"{free + reserved} functions may run at once; the pipelines need {wanted}")
    return failed(
        f"{free + reserved} functions may run at once and the pipelines need {wanted}: ask AWS for "
        "more (Service Quotas, Lambda, Concurrent executions), or deploy with less --concurrency"
    )


def buckets(account: Account) -> Checked:
    """Whether the buckets are closed, versioned, encrypted, and only spoken to by TLS."""
    wrong: list[str] = []
    s3 = account.aws.client("s3")
    for bucket in (account.stack.source_bucket, account.stack.bucket):
        with explained(f"look at the bucket {bucket}"):
            block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
            versioning = s3.get_bucket_versioning(Bucket=bucket).get("Status")
            s3.get_bucket_encryption(Bucket=bucket)
        wrong += [] if all(block.values()) else [f"{bucket} is not closed to the public"]
        wrong += [] if versioning == "Enabled" else [f"{bucket} keeps no versions"]
    return unless(wrong, "both are closed to the public, versioned and encrypted")


def tls_only(account: Account) -> Checked:
    """Whether a signed request over an open connection is refused."""
    if not account.is_real:
        return skipped("the emulator has open connections only")
    suffix = "amazonaws.com.cn" if account.region.startswith("cn-") else "amazonaws.com"
    plain = Aws(region=account.region, endpoint_url=f"http://s3.{account.region}.{suffix}")
    bucket = account.stack.bucket
    try:
        with explained(f"look at {bucket} over http"):
            plain.client("s3").list_objects_v2(Bucket=bucket, MaxKeys=1)
    except AwsError as e:
        if e.status == 403:
            return passed("a signed request over http was refused")
        raise
    return failed(f"the bucket {bucket} answers over http: deploy the stack again")


def table(account: Account) -> Checked:
    """Whether the table can be restored to any second, and forgets what is old."""
    dynamodb, name = account.aws.client("dynamodb"), account.stack.table
    with explained(f"look at the table {name}"):
        about = dynamodb.describe_table(TableName=name)["Table"]
        backups = dynamodb.describe_continuous_backups(TableName=name)
        ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    restorable = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    wrong = [] if about["TableStatus"] == "ACTIVE" else [f"it is {about['TableStatus']}"]
    if restorable["PointInTimeRecoveryStatus"] != "ENABLED":
        wrong.append("it cannot be restored to a point in time")
    if ttl["TimeToLiveStatus"] not in ("ENABLED", "ENABLING"):
        wrong.append("it keeps predictions for ever (no time to live)")
    if wrong and not account.is_real:
        return skipped(f"the emulator leaves this out of the template: {'; '.join(wrong)}")
    return unless(wrong, "active, restorable, with a time to live")


def arrivals(account: Account) -> Checked:
    """Whether EventBridge's rule takes S3's event of a photograph, and not that of a folder."""
    events = account.aws.client("events")
    with explained("look at the rule of arrivals"):
        rule = events.describe_rule(Name=account.resources["ArrivalsRule"])
    wrong = [] if rule["State"] == "ENABLED" else ["the rule is switched off"]
    if not (account.is_real or wrong):
        return skipped("the emulator does not try patterns out")
    for size, wanted in ((7, True), (0, False)):
        with explained("try the rule of arrivals"):
            taken = events.test_event_pattern(
                EventPattern=rule["EventPattern"], Event=json.dumps(_arrival(account, size))
            )["Result"]
        if bool(taken) != wanted:
            wrong.append(f"an object of {size} bytes is {'not ' * wanted}taken")
    return unless(wrong, "the rule takes a photograph and leaves an empty object")


def functions(account: Account) -> Checked:
    """Whether the code starts on Lambda's Linux: `deliver` runs, and all are active."""
    client = account.aws.client("lambda")
    named = {k: v for k, v in account.outputs.items() if k.endswith("FunctionName")}
    wrong = []
    for name in named.values():
        with explained(f"look at the function {name}"):
            about = client.get_function_configuration(FunctionName=name)
        state = about.get("State", "Active")
        wrong += [] if state == "Active" else [f"{name} is {state}: {about.get('StateReason')}"]
    _, problem = account.called("Deliver")
    wrong += [f"deliver: {problem}"] if problem else []
    if not (wrong or account.is_real):
        return skipped(f"{len(named)} functions are active, but on no Amazon Linux")
    return unless(wrong, f"{len(named)} functions are active, and deliver has run")


def views(account: Account) -> Checked:
    """Whether the lake's views are there and answer."""
    # Names are our own.
    for view in VIEWS:
        account.app.analytics.query(f"SELECT count(*) AS n FROM {view}")  # noqa: S608
    if not account.is_real:
        return skipped("the emulator answers any question, and reads nothing for it")
    return passed(f"{', '.join(VIEWS)} answered")


def merging(account: Account) -> Checked:
    """Whether Athena's UNLOAD merges the days of the lake that are over."""
    if not account.is_real:
        return skipped("the emulator carries out no UNLOAD")
    _, problem = account.called("Compact")
    return failed(f"compact: {problem}") if problem else passed("the days that are over are merged")


def subscriptions(account: Account) -> Checked:
    """Whether those who are to be told have confirmed that they want to be."""
    waiting: list[str] = []
    count = 0
    for name, arn in account.outputs.items():
        if name.startswith("Al") and name.endswith("Arn"):
            with explained(f"list who is subscribed to {arn}"):
                pages = account.aws.client("sns").get_paginator("list_subscriptions_by_topic")
                found = [s for page in pages.paginate(TopicArn=arn) for s in page["Subscriptions"]]
            count += len(found)
            waiting += [
                f"{each['Endpoint']} has not confirmed {arn.rpartition(':')[2]}"
                for each in found
                if each["SubscriptionArn"] == "PendingConfirmation"
            ]
    if not count:
        return skipped("nobody is subscribed: --parameter AlertEmail=... AlarmEmail=...")
    return unless(waiting, f"{count} subscriptions are confirmed")


def image(account: Account) -> Checked:
    """Whether the container image was taken, where there is one."""
    if not account.parameters.get("ImageUri"):
        return skipped("the stack runs the zip: no image was given")
    client, name = account.aws.client("lambda"), account.outputs["LookFunctionName"]
    with explained(f"look at the function {name}"):
        about = client.get_function_configuration(FunctionName=name)
    if about.get("PackageType") != "Image":
        return failed(f"{name} runs the zip although an image was given: deploy again")
    return passed(f"{name} runs the image, which is {about.get('State')}")


def _arrival(account: Account, size: int) -> dict[str, Any]:
    """An event as S3 sends it."""
    return {
        "version": "0",
        "id": "0",
        "account": "123456789012",
        "time": "2026-01-31T12:00:00Z",
        "region": account.region,
        "resources": [],
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": account.stack.source_bucket},
            "object": {"key": "a b.jpg", "size": size},
        },
    }


def _role_arn(account: Account, role: str) -> str:
    with explained(f"look at the role {role}"):
        found = account.aws.client("iam").get_role(RoleName=account.resources[role])
    return str(found["Role"]["Arn"])


def _documents(account: Account) -> Iterator[tuple[str, object]]:
    iam = account.aws.client("iam")
    for logical, name in account.resources.items():
        if logical.endswith("Role"):
            with explained(f"read the policies of {name}"):
                names = iam.list_role_policies(RoleName=name)["PolicyNames"]
                found = [iam.get_role_policy(RoleName=name, PolicyName=each) for each in names]
            yield from ((f"{logical}/{p['PolicyName']}", p["PolicyDocument"]) for p in found)
