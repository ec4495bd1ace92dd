"""Athena for tests: our statements, read as Trino's SQL, run by DuckDB over the files in S3.

What Athena does and DuckDB does not is rewritten: UNNEST of an array of rows makes a column of each
field, by position. Answers have Athena's form: text, a first row of names, pages.
"""

from __future__ import annotations

import re
import tempfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

from walkdown.stores.athena_views import COMPACT, RAW, glue_columns, views

BUCKET = "data"
_UNLOAD = re.compile(
    r"UNLOAD \((?P<select>.*)\) TO 's3://data/(?P<to>[^']+)' WITH \(.*\)", re.DOTALL
)
_TYPES = {"string": "VARCHAR", "bigint": "BIGINT", "double": "DOUBLE"}


def duckdb_type(hive: str) -> str:
    """A Hive type of the Glue tables as DuckDB writes it."""
    plain = hive
    for name, kind in _TYPES.items():
        plain = re.sub(rf"\b{name}\b(?!:)", kind, plain)
    while "array<" in plain or "struct<" in plain:
        plain = re.sub(r"struct<([^<>]*)>", lambda m: f"STRUCT({m[1].replace(':', ' ')})", plain)
        plain = re.sub(r"array<([^<>]*)>", r"\1[]", plain)
    return plain


def as_duckdb(trino: str) -> str:
    """The statement with every UNNEST as a subquery that names the fields by position."""
    tree = sqlglot.parse_one(trino, dialect="trino")
    for join in list(tree.find_all(exp.Join)):
        unnest = join.this
        if isinstance(unnest, exp.Unnest):
            names = [column.name for column in unnest.args["alias"].columns]
            array = unnest.expressions[0].sql("duckdb")
            parts = f"SELECT unnest({array}) AS field, generate_subscripts({array}, 1) AS number"
            columns = "unnest(field)"
            if number := unnest.args.get("offset"):
                names.append(number.name)
                columns += ", number"
            alias = f"{unnest.alias}({', '.join(names)})"
            subquery = f"CROSS JOIN LATERAL (SELECT {columns} FROM ({parts})) AS {alias}"
            whole = sqlglot.parse_one(f"SELECT 1 FROM t {subquery}", dialect="duckdb")
            join.replace(whole.args["joins"][0])
    return tree.sql("duckdb")


class DuckAthena:
    """The five calls of Athena's client that `AthenaQueries` makes."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self._answers: dict[str, Any] = {}
        self.statements: list[str] = []

    def start_query_execution(self, *, QueryString: str, **_: object) -> dict[str, str]:  # noqa: N803
        self.statements.append(QueryString)
        started = f"query-{len(self.statements)}"
        with (
            tempfile.TemporaryDirectory() as folder,
            duckdb.connect(config={"threads": 1}) as connection,
        ):
            self._load(connection, Path(folder))
            unload = _UNLOAD.fullmatch(QueryString)
            if unload:
                self._unload(connection, unload["select"], unload["to"], Path(folder))
            else:
                answer = connection.execute(as_duckdb(QueryString))
                names = [column[0] for column in answer.description or ()]
                kinds = [str(column[1]).lower() for column in answer.description or ()]
                self._answers[started] = names, kinds, answer.fetchall()
        return {"QueryExecutionId": started}

    def get_query_execution(self, *, QueryExecutionId: str) -> dict[str, Any]:  # noqa: N803
        statistics = {"DataScannedInBytes": 1000}
        return {"QueryExecution": {"Status": {"State": "SUCCEEDED"}, "Statistics": statistics}}

    def get_paginator(self, _: str) -> DuckAthena:
        return self

    def paginate(self, *, QueryExecutionId: str) -> list[Any]:  # noqa: N803
        names, kinds, rows = self._answers[QueryExecutionId]
        columns = [{"Name": n, "Type": k} for n, k in zip(names, kinds, strict=True)]
        texts = [names, *([_text(value) for value in row] for row in rows)]
        data = [
            {"Data": [{} if text is None else {"VarCharValue": text} for text in row]}
            for row in texts
        ]
        pages = [data[at : at + 2] for at in range(0, len(data), 2)]
        return [
            {"ResultSet": {"Rows": page, "ResultSetMetadata": {"ColumnInfo": columns}}}
            for page in pages
        ]

    def _load(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        """The two tables from the files that lie in S3 now, and the views over them."""
        for table, prefix, suffix in (
            ("raw_results", RAW, ".ndjson.gz"),
            ("compact_results", COMPACT, ".parquet"),
        ):
            columns = {column["Name"]: duckdb_type(column["Type"]) for column in glue_columns()}
            fields = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            connection.execute(f"CREATE TABLE {table} ({fields}, dt VARCHAR)")
            for number, (day, data) in enumerate(self._files(prefix)):
                path = folder / f"{table}-{number}{suffix}"
                path.write_bytes(data)
                types = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
                reading = (
                    f"read_parquet('{path}')"
                    if suffix == ".parquet"
                    else f"read_json('{path}', format='newline_delimited', columns={{{types}}})"
                )
                connection.execute(f"INSERT INTO {table} SELECT *, '{day}' FROM {reading}")
        for name, select in views().items():
            connection.execute(f"CREATE VIEW {name} AS {as_duckdb(select)}")

    def _files(self, prefix: str) -> list[tuple[str, bytes]]:
        listed = self._s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        found = ((re.search(r"/dt=([0-9-]{10})/", item["Key"]), item["Key"]) for item in listed)
        return [
            (day[1], self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
            for day, key in found
            if day
        ]

    def _unload(
        self, connection: duckdb.DuckDBPyConnection, select: str, to: str, folder: Path
    ) -> None:
        assert not self._s3.list_objects_v2(Bucket=BUCKET, Prefix=to).get("Contents")
        path = folder / "unloaded.parquet"
        connection.execute(f"COPY ({as_duckdb(select)}) TO '{path}' (FORMAT parquet)")
        self._s3.put_object(Bucket=BUCKET, Key=f"{to}part-0", Body=path.read_bytes())


def _text(value: object) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="milliseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return f"[{', '.join(value)}]"
    return None if value is None else str(value)
