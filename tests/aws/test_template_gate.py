"""The stack's template and its workflows pass the static gate, and the gate sees what is broken."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from tests.aws import gate
from tests.pipeline.plans import plan_of

from walkdown.runners.stepfunctions import BUCKET, Shape, definition
from walkdown.runners.stepfunctions import FUNCTIONS as CALLED
from walkdown.stores.athena_views import COMPACT, RAW, Tables, glue_table
from walkdown.stores.dynamodb_keys import TABLE, TTL

Json = gate.Json

SHAPE = Shape(batch={"a": 16, "b": 4})
PLAN_KEY = "pipelines/p/0.json"

FUNCTIONS = [*CALLED, "Intake", "Compact", "Presign"]


@pytest.fixture
def template() -> Json:
    return gate.shipped()


@pytest.fixture
def workflow() -> Json:
    """A cascade of two stages."""
    return workflow_of(None, "a.score > 0.3")


def workflow_of(*whens: str | None) -> Json:
    rendered = definition(plan_of(*whens), SHAPE, plan_key=PLAN_KEY)
    result: Json = json.loads(json.dumps(rendered))
    return result


@pytest.fixture
def deployed(template: Json, workflow: Json) -> Json:
    """The stack with a pipeline."""
    functions: Json = {name: {"Ref": f"{name}Version"} for name in CALLED}
    others = {BUCKET: {"Ref": "DataBucket"}, "Partition": {"Ref": "AWS::Partition"}}
    template["Resources"]["PipelineMachine"] = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "RoleArn": {"Fn::GetAtt": ["WorkflowRole", "Arn"]},
            "Definition": workflow,
            "DefinitionSubstitutions": functions | others,
        },
    }
    return template


def properties(template: Json, name: str) -> Json:
    result: Json = template["Resources"][name]["Properties"]
    return result


def test_nothing_is_to_be_said_of_the_stack_with_a_pipeline(deployed: Json) -> None:
    assert gate.lint_template(deployed) == []
    assert gate.missing_substitutions(deployed) == []


def test_a_substitution_that_is_missing_is_seen(deployed: Json) -> None:
    del properties(deployed, "PipelineMachine")["DefinitionSubstitutions"]["Choose"]
    assert gate.missing_substitutions(deployed) == ["PipelineMachine: nothing stands for ${Choose}"]


def test_cfn_lint_sees_each_of_many_broken_things(deployed: Json) -> None:
    deployed["Parameters"]["Runtime"]["Default"] = "python3.5"
    deployed["Parameters"]["Runtime"]["AllowedValues"] = ["python3.5"]
    properties(deployed, "LookFunction")["MemorySize"] = {"Ref": "LokMemory"}
    properties(deployed, "RecordFunction")["Role"] = {"Fn::GetAtt": ["RecordRole", "Arnn"]}
    properties(deployed, "Table")["KeySchema"][0]["AttributeName"] = "pq"
    statement(deployed, "PresignPolicy", "LetPhotographsIn")["Action"] = "s3:PutObjet"
    properties(deployed, "IntakeFunctionArrivals")["BatchSize"] = 100_000
    machine = properties(deployed, "PipelineMachine")
    machine["Definition"]["States"]["close the inspection"]["Type"] = "Tsk"
    machine["DefinitionSubstitutions"]["Choose"] = {"Ref": "ChoseVersion"}
    expected = {
        ("W1030", "Parameters/Runtime/AllowedValues/0"),
        ("E1020", "Resources/LookFunction/Properties/MemorySize"),
        ("E1010", "Resources/RecordFunction/Properties/Role"),
        ("E3039", "Resources/Table/Properties"),
        ("W3037", "Resources/PresignPolicy/Properties"),
        ("E3034", "Resources/IntakeFunctionArrivals/Properties"),
        ("E3601", "Resources/PipelineMachine/Properties/Definition"),
        ("E1020", "Resources/PipelineMachine/Properties/DefinitionSubstitutions"),
    }
    found = gate.lint_template(deployed)
    missed = {each for each in expected if not any(f.startswith(" ".join(each)) for f in found)}
    assert not missed, found


def test_a_workflow_may_call_the_functions_that_it_names(template: Json) -> None:
    may = statement(template, "WorkflowPolicy", "CallPublishedVersions")["Resource"]
    assert may == [{"Fn::Sub": f"${{{name}Function.Arn}}:*"} for name in CALLED]


def test_workflows_of_one_and_of_two_stages_pass_every_linter(workflow: Json) -> None:
    assert gate.lint_definitions([workflow, workflow_of(None)]) == [[], []]


def _look(workflow: Json) -> Json:
    state: Json = workflow["States"]["a"]["ItemProcessor"]["States"]["a: look"]
    return state


def _break_next(workflow: Json) -> None:
    workflow["States"]["a"]["Next"] = "chose for b"


def _break_retry(workflow: Json) -> None:
    _look(workflow)["Retry"][0]["MaxAttemps"] = 3


def _break_batcher(workflow: Json) -> None:
    workflow["States"]["a"]["ItemBatcher"]["MaxItemPerBatch"] = 3


def _break_tolerance(workflow: Json) -> None:
    workflow["States"]["a"]["ToleratedFailurePercentage"] = 1000


def _break_type(workflow: Json) -> None:
    workflow["States"]["close the inspection"]["Type"] = "Tsk"


def _break_task(workflow: Json) -> None:
    _look(workflow)["Resource"] = "arn:aws:states:::lambda:invoek"


def _break_reader(workflow: Json) -> None:
    workflow["States"]["b"]["ItemReader"]["Resource"] = "arn:aws:states:::s3:getObjct"


def _break_sdk_task(workflow: Json) -> None:
    _look(workflow)["Resource"] = "arn:aws:states:::aws-sdk:dynamodb:puttItem"


def _break_input_type(workflow: Json) -> None:
    workflow["States"]["a"]["ItemReader"]["ReaderConfig"]["InputType"] = "JSONLL"


def _break_items_path(workflow: Json) -> None:
    one = workflow["States"]["a"]["ItemProcessor"]["States"]["a: one at a time"]
    one["ItemsPath"] = "$.Items[?(@.size > 0)]"


def _break_end(workflow: Json) -> None:
    del workflow["States"]["b"]["Next"]


def _break_start(workflow: Json) -> None:
    workflow["StartAt"] = "A"


BREAKS: tuple[tuple[Callable[[Json], None], str], ...] = (
    (_break_next, "chose for b"),
    (_break_retry, "MaxAttemps"),
    (_break_batcher, "MaxItemPerBatch"),
    (_break_tolerance, "ToleratedFailurePercentage"),
    (_break_type, "Tsk"),
    (_break_task, "unknown task: arn:aws:states:::lambda:invoek"),
    (_break_reader, "unknown task: arn:aws:states:::s3:getObjct"),
    (_break_sdk_task, "unknown task: arn:aws:states:::aws-sdk:dynamodb:puttItem"),
    (_break_input_type, "InputType"),
    (_break_items_path, "ItemsPath"),
    (_break_end, "Next"),
    (_break_start, "StartAt"),
)


def test_the_linters_see_each_broken_copy_of_a_workflow(workflow: Json) -> None:
    copies = [deepcopy(workflow) for _ in BREAKS]
    for copy, (spoil, _) in zip(copies, BREAKS, strict=True):
        spoil(copy)
    found = gate.lint_definitions(copies)
    missed = {
        spoil.__name__: problems
        for (spoil, word), problems in zip(BREAKS, found, strict=True)
        if not any(word in problem for problem in problems)
    }
    assert missed == {}


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("arn:aws:states:::aws-sdk:dynamodb:putItem", True),
        ("arn:aws:states:::aws-sdk:dynamo:putItem", False),
        ("arn:aws:states:::aws-sdk", False),
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken", True),
        ("arn:aws:lambda:us-east-1:123456789012:function:look:3", True),
        ("arn:aws:sates:::lambda:invoke", False),
    ],
)
def test_known_tasks(name: str, known: bool) -> None:
    problems = gate.unknown_tasks({"Type": "Task", "Resource": name})
    assert problems == ([] if known else [f"unknown task: {name}"])


@pytest.mark.parametrize(
    "check", [gate.unknown_matchers, gate.broad_statements, gate.bare_functions, gate.open_stores]
)
def test_the_stack_passes(check: Callable[[Json], list[str]], template: Json) -> None:
    assert check(template) == []


def _spoilt_rule(template: Json) -> None:
    pattern = properties(template, "ArrivalsRule")["EventPattern"]
    pattern["detail"]["object"]["key"] = [{"sufix": ".jpg"}]


def _spoilt_negation(template: Json) -> None:
    pattern = properties(template, "WorkflowsFailedRule")["EventPattern"]
    pattern["detail"]["executionArn"] = [{"anything-but": {"wildcrd": "*/*"}}]


def _any_action(template: Json) -> None:
    statement(template, "LookPolicy", "ReadPhotographs")["Action"] = ["s3:Get*"]


def _any_resource(template: Json) -> None:
    statement(template, "RecordPolicy", "RecordAtOnce")["Resource"] = "*"


def _whole_bucket(template: Json) -> None:
    whole = [{"Fn::Sub": "${DataBucket.Arn}/*"}]
    statement(template, "ChoosePolicy", "ReadPipelines")["Resource"] = whole


def _any_resource_of_a_role(template: Json) -> None:
    policy = properties(template, "DeliverRole")["Policies"][0]["PolicyDocument"]
    policy["Statement"][0]["Resource"] = "arn:aws:logs:*:*"


def _no_logs(template: Json) -> None:
    del properties(template, "LookFunction")["LoggingConfig"]["LogGroup"]


def _endless_logs(template: Json) -> None:
    del properties(template, "DeliverLogs")["RetentionInDays"]


def _foreign_role(template: Json) -> None:
    role = {"Fn::GetAtt": ["RecordRole", "Arn"]}
    properties(template, "PresignFunction")["Role"] = role


def _no_alarm(template: Json) -> None:
    del template["Resources"]["ChooseErrors"]


def _lost_version(template: Json) -> None:
    del template["Resources"]["LookVersion"]["DeletionPolicy"]


def _plain_bucket(template: Json) -> None:
    del properties(template, "DataBucket")["BucketEncryption"]


def _public_bucket(template: Json) -> None:
    block = properties(template, "SourceBucket")["PublicAccessBlockConfiguration"]
    block["BlockPublicPolicy"] = False


def _open_bucket(template: Json) -> None:
    statements = properties(template, "SourceBucketPolicy")["PolicyDocument"]["Statement"]
    statements[0]["Condition"] = {"Bool": {"aws:SecureTransport": "true"}}


def _plain_queue(template: Json) -> None:
    del properties(template, "IntakeQueue")["SqsManagedSseEnabled"]


def _open_queue(template: Json) -> None:
    del template["Resources"]["IntakeDeadLettersPolicy"]


def statement(template: Json, policy: str, sid: str) -> Json:
    listed = properties(template, policy)["PolicyDocument"]["Statement"]
    found: Json = next(each for each in listed if each["Sid"] == sid)
    return found


@pytest.mark.parametrize(
    ("spoil", "check", "said"),
    [
        (_spoilt_rule, gate.unknown_matchers, "ArrivalsRule: unknown matcher 'sufix'"),
        (_spoilt_negation, gate.unknown_matchers, "WorkflowsFailedRule: unknown matcher 'wildcrd'"),
        (_any_action, gate.broad_statements, "LookPolicy/ReadPhotographs: action s3:Get*"),
        (_any_resource, gate.broad_statements, "RecordPolicy/RecordAtOnce: resource *"),
        (_whole_bucket, gate.broad_statements, "ChoosePolicy/ReadPipelines: resource "),
        (_any_resource_of_a_role, gate.broad_statements, "DeliverRole/-: resource arn:aws:logs:"),
        (_no_logs, gate.bare_functions, "LookFunction: no logs"),
        (_endless_logs, gate.bare_functions, "DeliverFunction: no retention"),
        (_foreign_role, gate.bare_functions, "PresignFunction: no role"),
        (_no_alarm, gate.bare_functions, "ChooseFunction: no alarm"),
        (_lost_version, gate.bare_functions, "LookFunction: no version kept"),
        (_plain_bucket, gate.open_stores, "DataBucket: no encryption"),
        (_public_bucket, gate.open_stores, "SourceBucket: no public access block"),
        (_open_bucket, gate.open_stores, "SourceBucket: no TLS"),
        (_plain_queue, gate.open_stores, "IntakeQueue: no encryption"),
        (_open_queue, gate.open_stores, "IntakeDeadLetters: no TLS"),
    ],
)
def test_the_gate_sees(
    spoil: Callable[[Json], None],
    check: Callable[[Json], list[str]],
    said: str,
    template: Json,
) -> None:
    spoil(template)
    assert [problem[: len(said)] for problem in check(template)] == [said]


def test_every_function_of_the_design_is_there_under_its_name(template: Json) -> None:
    handlers = {
        name.removesuffix("Function"): resource["Properties"]["ImageConfig"]["Fn::If"][1]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    paths = {name: f"walkdown.aws.handlers.{name.lower()}" for name in FUNCTIONS}
    assert handlers == {name: {"Command": [path]} for name, path in paths.items()}
    assert {f"{name}VersionArn" for name in FUNCTIONS} <= set(template["Outputs"])


def test_every_parameter_says_what_it_is_for(template: Json) -> None:
    assert [
        n for n, p in template["Parameters"].items() if len(p.get("Description", "")) < 20
    ] == []


def test_the_table_is_the_one_that_the_store_was_tested_with(template: Json) -> None:
    table = properties(template, "Table")
    # No function follows the table's stream.
    expected = {key: value for key, value in TABLE.items() if key != "StreamSpecification"}
    assert "StreamSpecification" not in table
    assert {key: table[key] for key in expected} == expected
    assert table["TimeToLiveSpecification"] == {"AttributeName": TTL, "Enabled": True}


@pytest.mark.parametrize(("name", "place"), [("RawTable", RAW), ("CompactTable", COMPACT)])
def test_the_lakes_tables_are_those_that_its_questions_are_written_for(
    template: Json, name: str, place: str
) -> None:
    table = properties(template, name)["TableInput"]
    known = Tables().raw if place == RAW else Tables().compact
    assert with_bucket(table) == glue_table(known, f"s3://bucket/{place}", parquet=place == COMPACT)


def with_bucket(node: Any) -> Any:
    """With every reference worked out: there are none but those to the bucket's name."""
    if isinstance(node, dict) and "Fn::Sub" in node:
        return node["Fn::Sub"].replace("${DataBucket}", "bucket")
    if isinstance(node, dict):
        return {key: with_bucket(value) for key, value in node.items()}
    return [with_bucket(each) for each in node] if isinstance(node, list) else node


def test_a_message_is_hidden_for_longer_than_all_attempts_at_it_may_take(template: Json) -> None:
    timeout = properties(template, "IntakeFunction")["Timeout"]
    window = template["Parameters"]["BatchWindowSeconds"]["MaxValue"]
    assert properties(template, "IntakeQueue")["VisibilityTimeout"] >= 6 * timeout + window


def test_what_is_kept_outlives_the_stack(template: Json) -> None:
    for name in ("SourceBucket", "DataBucket", "Table"):
        resource = template["Resources"][name]
        kept = (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
        assert kept == ("Retain", "Retain"), name


def test_a_function_is_told_of_a_store_only_if_it_may_use_it(template: Json) -> None:
    """The table's name is in the environment just where the role may read the table, and so on."""
    given = {
        "WALKDOWN_STORE_TABLE": ("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"),
        "WALKDOWN_SOURCE_BUCKET": ("s3:GetObjectVersion", "states:StartExecution"),
        "WALKDOWN_TOPICS": ("sns:Publish",),
        "WALKDOWN_STORE_WORKGROUP": ("athena:StartQueryExecution",),
    }
    for name in set(FUNCTIONS) - {"Presign"}:
        told = properties(template, f"{name}Function")["Environment"]["Variables"]
        may = allowed(template, f"{name}Role")
        for variable, actions in given.items():
            assert (variable in told) == bool(may & set(actions)), (name, variable)


def allowed(template: Json, role: str) -> set[str]:
    policies = [
        resource["Properties"]["PolicyDocument"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::IAM::Policy"
        and {"Ref": role} in resource["Properties"]["Roles"]
    ]
    listed = [one["Action"] for policy in policies for one in policy["Statement"]]
    return {action for each in listed for action in ([each] if isinstance(each, str) else each)}


def test_the_dashboard_is_json_with_metrics_that_are_not_empty(template: Json) -> None:
    body = json.loads(properties(template, "Dashboard")["DashboardBody"]["Fn::Sub"])
    figures = [row for w in body["widgets"] for row in w["properties"].get("metrics", ())]
    assert len(figures) >= 20
    for row in figures:
        assert all(isinstance(part, str | dict) for part in row), row
        assert None not in [
            value for part in row if isinstance(part, dict) for value in part.values()
        ]


def test_a_hundred_pipelines_fit_into_cloudformations_limits(template: Json) -> None:
    assert len(template["Resources"]) + 2 * 100 <= 500
    assert len(template["Parameters"]) <= 200
    assert gate.TEMPLATE.stat().st_size < 1_000_000
