"""Questions to Athena: one SELECT, waited for with patience, answered in Python's types."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from walkdown.errors import StoreError
from walkdown.sdk.aws import AwsError
from walkdown.stores.athena_queries import AthenaQueries, Finished, check_question

if TYPE_CHECKING:
    from collections.abc import Callable

    from walkdown.sdk.aws import Aws

COLUMNS = {
    "image": ("varchar", "a.jpg", "a.jpg"),
    "run": ("bigint", "7", 7),
    "score": ("double", "0.75", 0.75),
    "odd": ("double", "NaN", None),
    "recorded_at": (
        "timestamp",
        "2026-05-01 23:30:00.125",
        datetime(2026, 5, 1, 23, 30, 0, 125000, tzinfo=UTC).replace(tzinfo=None),
    ),
    "now": (
        "timestamp with time zone",
        "2026-05-01 23:30:00.000 UTC",
        datetime(2026, 5, 1, 23, 30, tzinfo=UTC),
    ),
    "there": (
        "timestamp with time zone",
        "2026-05-01 23:30:00.000 Europe/Zurich",
        "2026-05-01 23:30:00.000 Europe/Zurich",
    ),
    "dt": ("date", "2026-05-01", date(2026, 5, 1)),
    "yes": ("boolean", "true", True),
    "price": ("decimal(10,2)", "1.50", Decimal("1.50")),
    "labels": ("array", "[crack, scratch]", "[crack, scratch]"),
    "nothing": ("varchar", None, None),
}


@pytest.fixture
def answered(moto_aws: Aws) -> Callable[[list[list[str | None]]], Any]:
    """Athena in moto, which answers the next question with these rows."""

    def prepare(rows: list[list[str | None]]) -> Any:
        from moto.athena.models import QueryResults, athena_backends

        names: list[str | None] = list(COLUMNS)
        info = [{"Name": name, "Type": kind} for name, (kind, _, _) in COLUMNS.items()]
        data: list[dict[str, Any]] = [
            {"Data": [{} if text is None else {"VarCharValue": text} for text in row]}
            for row in (names, *rows)
        ]
        backend = athena_backends["123456789012"]["eu-central-1"]
        backend.query_results_queue.append(QueryResults(data, info))
        return moto_aws.client("athena")

    return prepare


class Scripted:
    """A client whose executions go through the given states; it notes what it is asked."""

    def __init__(self, *states: str, reason: str = "") -> None:
        self.states = list(states)
        self.reason = reason
        self.asked: list[dict[str, Any]] = []
        self.stopped: list[str] = []

    def start_query_execution(self, **asked: Any) -> dict[str, str]:
        self.asked.append(asked)
        return {"QueryExecutionId": "q1"}

    def get_query_execution(self, **_: str) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        status = {"State": state, "StateChangeReason": self.reason}
        return {"QueryExecution": {"Status": status, "Statistics": {"DataScannedInBytes": 12}}}

    def stop_query_execution(self, *, QueryExecutionId: str) -> None:  # noqa: N803 (boto3's)
        self.stopped.append(QueryExecutionId)


def queries(client: Any, **more: Any) -> AthenaQueries:
    more = {"sleep": lambda _: None, **more}
    return AthenaQueries(client, database="walkdown", workgroup="primary", **more)


def test_an_answer_has_names_and_values_in_their_types(
    answered: Callable[[list[list[str | None]]], Any],
) -> None:
    row = [text for _, text, _ in COLUMNS.values()]
    notes: list[str] = []
    names, rows = queries(answered([row]), note=notes.append).ask("SELECT * FROM results")
    assert names == list(COLUMNS)
    ((*values,),) = rows
    assert values[3] != values[3], "NaN"
    values[3] = None
    assert values == [value for _, _, value in COLUMNS.values()]
    assert notes == ["Athena read 0.0 MB (it charges for 10 at least)"]


def test_an_answer_without_rows_has_names(
    answered: Callable[[list[list[str | None]]], Any],
) -> None:
    assert queries(answered([])).ask("SELECT * FROM results") == (list(COLUMNS), [])


def test_a_statement_goes_to_its_database_and_workgroup_once() -> None:
    client = Scripted("SUCCEEDED")
    assert queries(client).run("SELECT 1", token="t" * 32) == Finished("q1", 12)
    (asked,) = client.asked
    assert asked == {
        "QueryString": "SELECT 1",
        "QueryExecutionContext": {"Database": "walkdown"},
        "WorkGroup": "primary",
        "ClientRequestToken": "t" * 32,
    }


def test_waiting_grows_longer_and_ends() -> None:
    waits: list[float] = []
    client = Scripted("QUEUED", *["RUNNING"] * 10, "SUCCEEDED")
    queries(client, sleep=waits.append).run("SELECT 1")
    assert waits[0] == 0.25
    assert waits == sorted(waits)
    assert waits[-1] == 5.0
    assert client.stopped == []


def test_a_question_that_takes_too_long_is_stopped() -> None:
    client = Scripted("RUNNING")
    with pytest.raises(StoreError, match=r"has not answered after 6. s and was stopped"):
        queries(client, timeout_s=60).run("SELECT 1")
    assert client.stopped == ["q1"]


def test_a_question_is_stopped_with_the_program() -> None:
    client = Scripted("RUNNING")

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        queries(client, sleep=interrupted).run("SELECT 1")
    assert client.stopped == ["q1"]


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("FAILED", "COLUMN_NOT_FOUND: line 1:8: Column 'sore' cannot be resolved", "'sore'"),
        ("FAILED", "HIVE_BAD_DATA: Not valid Parquet file", "walkdown query --rebuild"),
        ("FAILED", "Access Denied when writing to location s3://x", "may not read all"),
        ("CANCELLED", "Query cancelled! : Bytes scanned limit was exceeded", "fewer days"),
        ("CANCELLED", "", "was cancelled in Athena"),
    ],
)
def test_a_failure_is_said_in_words(state: str, reason: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        queries(Scripted(state, reason=reason)).run("SELECT 1")


def test_a_refused_start_has_athenas_reason(moto_aws: Aws) -> None:
    from botocore.stub import Stubber

    client = moto_aws.client("athena")
    with Stubber(client) as stubber:
        said = "line 1:8: mismatched input"
        stubber.add_client_error("start_query_execution", "InvalidRequestException", said)
        with pytest.raises(StoreError, match=r"cannot be answered: .*mismatched input.*the views"):
            queries(client).ask("SELECT FROM")
        stubber.add_client_error("start_query_execution", "AccessDeniedException", "no")
        with pytest.raises(AwsError, match="'StartQueryExecution'"):
            queries(client).ask("SELECT 1")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        " select 1 ; ",
        "-- why\n/* DROP; */ WITH x AS (SELECT 1) SELECT * FROM x",
        "(SELECT ';' AS \"a;b\") UNION (SELECT 'it''s; so')",
        "VALUES (1, 2)",
        "SELECT-1",
    ],
)
def test_one_question_passes(sql: str) -> None:
    check_question(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        ";",
        "-- SELECT 1",
        "DROP TABLE raw_results",
        "/* SELECT */ INSERT INTO raw_results SELECT 1",
        "SELECT 1; DROP TABLE raw_results",
        "UNLOAD (SELECT 1) TO 's3://elsewhere/' WITH (format = 'JSON')",
        "CREATE TABLE x AS SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
        "MSCK REPAIR TABLE x",
        "USING EXTERNAL FUNCTION f(x VARCHAR) RETURNS VARCHAR LAMBDA 'l' SELECT f('a')",
        "'SELECT'",
        "(DELETE FROM x)",
        "SELECTED",
        "SELECT 'a\\'; DROP TABLE x; --'",
    ],
)
def test_anything_else_is_refused_before_athena_sees_it(sql: str) -> None:
    client = Scripted("SUCCEEDED")
    with pytest.raises(StoreError, match="a question is one SELECT statement; the views are"):
        queries(client).ask(sql)
    assert client.asked == []
