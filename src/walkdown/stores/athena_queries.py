"""Statements on Athena: started, waited for, and their rows as Python values.

Athena takes one statement at a time; a question of a person must be one SELECT besides, which is
decided by its words before AWS sees it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from walkdown.errors import StoreError
from walkdown.sdk.aws import AwsError, explained, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

VIEWS = "the views are results, predictions and regions"
_WAITING = frozenset({"QUEUED", "RUNNING"})
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 5.0
_QUESTIONS = frozenset({"SELECT", "WITH", "VALUES"})
# Text, quoted names and comments, whose semicolons and words mean nothing.
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Finished:
    """A statement that Athena has carried out: its id, and how many bytes it read."""

    id: str
    scanned_bytes: int


class AthenaQueries:
    """Statements in one database and workgroup, whose settings say where answers are stored.

    ``sleep`` waits between looks, ``note`` is told what a question read. A statement that takes
    longer than ``timeout_s`` is stopped, as it is when the program is.
    """

    def __init__(
        self,
        client: Any,
        *,
        database: str,
        workgroup: str,
        sleep: Callable[[float], None],
        note: Callable[[str], None] = lambda _: None,
        timeout_s: float = 1800.0,
    ) -> None:
        self._client = client
        self._database = database
        self._workgroup = workgroup
        self._sleep = sleep
        self._note = note
        self._timeout_s = timeout_s

    def run(self, sql: str, *, token: str | None = None) -> Finished:
        """Carry out one statement. Raises `StoreError` with Athena's reason.

        The same ``token`` (32 to 128 characters) never starts the same statement twice; without
        one, boto3 makes one for each call and its retries.
        """
        started = self._start(sql, token)
        try:
            return self._wait(started)
        except BaseException:
            self._stop(started)
            raise

    def ask(self, sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
        """Column names and rows of one SELECT; arrays and rows come as Athena writes them."""
        check_question(sql)
        done = self.run(sql)
        self._note(f"Athena read {done.scanned_bytes / 1e6:,.1f} MB (it charges for 10 at least)")
        return self._answer(done.id)

    def _start(self, sql: str, token: str | None) -> str:
        once = {} if token is None else {"ClientRequestToken": token}
        try:
            with explained(f"ask Athena in workgroup {self._workgroup}"):
                answer = self._client.start_query_execution(
                    QueryString=sql,
                    QueryExecutionContext={"Database": self._database},
                    WorkGroup=self._workgroup,
                    **once,
                )
        except AwsError as error:
            if error.code != "InvalidRequestException":
                raise
            raise StoreError(f"the question cannot be answered: {error} ({VIEWS})") from error
        return str(answer["QueryExecutionId"])

    def _wait(self, started: str) -> Finished:
        waited, pause = 0.0, _FIRST_WAIT_S
        while (execution := self._look(started))["Status"]["State"] in _WAITING:
            if waited >= self._timeout_s:
                raise StoreError(
                    f"Athena has not answered after {waited:.0f} s and was stopped: "
                    "ask for less, or for fewer days"
                )
            self._sleep(pause)
            waited, pause = waited + pause, min(pause * 1.5, _LONGEST_WAIT_S)
        status = execution["Status"]
        if status["State"] != "SUCCEEDED":
            raise StoreError(_why(status["State"], shown(status.get("StateChangeReason") or "")))
        return Finished(started, int(execution.get("Statistics", {}).get("DataScannedInBytes", 0)))

    def _look(self, started: str) -> Any:
        with explained("see how far Athena is"):
            return self._client.get_query_execution(QueryExecutionId=started)["QueryExecution"]

    def _stop(self, started: str) -> None:
        """So that nothing goes on that nobody waits for. What ended the wait is the error."""
        try:
            with explained("stop a question to Athena"):
                self._client.stop_query_execution(QueryExecutionId=started)
        except AwsError:
            return

    def _answer(self, started: str) -> tuple[list[str], list[tuple[object, ...]]]:
        pages = self._pages(started)
        first = next(pages)
        columns = first["ResultSetMetadata"]["ColumnInfo"]
        names = [str(column["Name"]) for column in columns]
        readers = [_reader(str(column["Type"])) for column in columns]
        rows = [row for page in (first, *pages) for row in page["Rows"]]
        # The first row of the first page repeats the names.
        return names, [_values(readers, row) for row in rows[1:]]

    def _pages(self, started: str) -> Iterator[Any]:
        with explained("read Athena's answer"):
            pages = self._client.get_paginator("get_query_results")
            for page in pages.paginate(QueryExecutionId=started):
                yield page["ResultSet"]


def check_question(sql: str) -> None:
    """Raises `StoreError` unless the text is one SELECT (or WITH, or VALUES) statement.

    >>> check_question("SELECT ';' -- one; question")
    """
    bare = (
        _QUOTED.sub(lambda found: " ' " if found[0][0] in "'\"" else " ", sql)
        .strip()
        .rstrip(";")
        .rstrip()
    )
    words = bare.lstrip("( \t\r\n").split(None, 1)
    first = re.match(r"[A-Za-z]*", words[0] if words else "")
    if ";" in bare or first is None or first[0].upper() not in _QUESTIONS:
        raise StoreError(f"a question is one SELECT statement; {VIEWS}")


def _values(readers: list[Callable[[str], object]], row: Mapping[str, Any]) -> tuple[object, ...]:
    texts = (cell.get("VarCharValue") for cell in row["Data"])
    return tuple(
        None if text is None else read(text) for read, text in zip(readers, texts, strict=True)
    )


def _reader(kind: str) -> Callable[[str], object]:
    """What makes a value of the text that Athena sends for a type."""
    kind = kind.lower()
    if kind.startswith("timestamp"):
        return _time
    return _READERS.get(kind.partition("(")[0].strip(), str)


def _time(text: str) -> object:
    """UTC without a zone, as the local lake gives it; with one, where that is UTC's."""
    zoned = text.removesuffix(" UTC")
    try:
        time = datetime.fromisoformat(zoned)
    except ValueError:
        return text
    return time.replace(tzinfo=UTC) if zoned != text else time


_READERS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("bigint", "integer", "int", "smallint", "tinyint"), int),
    **dict.fromkeys(("double", "float", "real"), float),
    "boolean": lambda text: text == "true",
    "decimal": Decimal,
    "date": date.fromisoformat,
}


def _why(state: str, said: str) -> str:
    if "HIVE_BAD_DATA" in said or "HIVE_CURSOR_ERROR" in said:
        return (
            f"a file of the lake is damaged; make it anew: walkdown query --rebuild ({said:.200})"
        )
    if "Bytes scanned limit" in said:
        return (
            f"the question reads more than its workgroup allows: ask for fewer days ({said:.200})"
        )
    if state == "CANCELLED":
        return "the question was cancelled in Athena: ask again"
    if "Access Denied" in said or "INSUFFICIENT" in said or "not authorized" in said:
        return f"your AWS user or role may not read all that the question needs: {said:.300}"
    return f"the question cannot be answered: {said:.300} ({VIEWS})"
