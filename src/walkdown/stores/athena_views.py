"""The lake's tables and views on Athena, as data: columns, partitions, SQL; nothing is run here.

Two tables hold the same columns: ``raw`` (NDJSON as `stores.lake` writes it) and ``compact``
(Parquet, of whole days). One view under the three documented ones shows the newest row of each
result, wherever and however often it is stored: a batch written twice, a day compacted twice and a
file that a retry left behind change no answer.

Times are kept as text, which sorts and keeps its microseconds; the views show them as TIMESTAMP to
the millisecond, all that Athena's tables can hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from walkdown.stores.lake_rows import REGION, RESULT_COLUMNS, STAGE, STAGES_COLUMN

RAW = "lake/raw/results/"
COMPACT = "lake/compact/results/"
FIRST_DAY = "2025-01-01"
"""Where the days of the lake begin: an older batch is stored and not seen by Athena."""

_TIMES = tuple(name for name, kind in RESULT_COLUMNS.items() if kind == "TIMESTAMP")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SCALARS = {"VARCHAR": "string", "BIGINT": "bigint", "DOUBLE": "double", "TIMESTAMP": "string"}


_NDJSON = (
    "org.apache.hadoop.mapred.TextInputFormat",
    "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    "org.openx.data.jsonserde.JsonSerDe",
)
_PARQUET = (
    "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
)


@dataclass(frozen=True, slots=True)
class Tables:
    """The names of the two tables in the database of the stack."""

    raw: str = "raw_results"
    compact: str = "compact_results"


def glue_columns() -> list[dict[str, str]]:
    """The ``Columns`` of both Glue tables, in Hive's types; ``dt`` is the partition key."""
    kinds = RESULT_COLUMNS | dict([STAGES_COLUMN])
    return [{"Name": name, "Type": hive_type(kind)} for name, kind in kinds.items()]


def glue_partition_keys() -> list[dict[str, str]]:
    """The ``PartitionKeys`` of both Glue tables."""
    return [{"Name": "dt", "Type": "string"}]


def glue_parameters(*, first_day: str = FIRST_DAY) -> dict[str, str]:
    """The ``Parameters`` by which Athena computes the partitions: no crawler, nothing to add.

    A day's files are looked for below the table's place, in ``dt=YYYY-MM-DD/``.
    """
    return {
        "EXTERNAL": "TRUE",
        "projection.enabled": "true",
        "projection.dt.type": "date",
        "projection.dt.format": "yyyy-MM-dd",
        "projection.dt.range": f"{_checked(first_day)},NOW+1DAYS",
    }


def glue_table(name: str, location: str, *, parquet: bool) -> dict[str, object]:
    """The ``TableInput`` of one of the two tables, as CloudFormation and Glue take it.

    ``location`` is ``s3://BUCKET/`` and `RAW` or `COMPACT`.
    """
    formats = _PARQUET if parquet else _NDJSON
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": glue_partition_keys(),
        "Parameters": glue_parameters(),
        "StorageDescriptor": {
            "Columns": glue_columns(),
            "Location": location,
            "InputFormat": formats[0],
            "OutputFormat": formats[1],
            "SerdeInfo": {"SerializationLibrary": formats[2]},
        },
    }


def hive_type(kind: str) -> str:
    """One of DuckDB's types in `lake_rows` as Hive writes it.

    >>> hive_type("STRUCT(label VARCHAR, scores DOUBLE[])[]")
    'array<struct<label:string,scores:array<double>>>'
    """
    if kind.endswith("[]"):
        return f"array<{hive_type(kind[:-2])}>"
    if kind.startswith("STRUCT("):
        fields = (f"{name}:{hive_type(of)}" for name, of in struct_fields(kind).items())
        return f"struct<{','.join(fields)}>"
    return _SCALARS[kind]


def struct_fields(kind: str) -> dict[str, str]:
    """The fields of a STRUCT type, in order."""
    inner = kind.removeprefix("STRUCT(").removesuffix(")")
    # A comma within a struct within this one does not part two fields.
    depth, start, parts = 0, 0, []
    for at, letter in enumerate(inner):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(inner[start:at])
            start = at + 1
    pairs = (part.strip().partition(" ") for part in (*parts, inner[start:]))
    return {name: of for name, _, of in pairs}


def views(tables: Tables | None = None) -> dict[str, str]:
    """The SELECT of every view by its name, in the order in which they are made.

    ``newest_results`` serves the other three, which are those of `stores.lake`.
    """
    return {
        "newest_results": _newest(tables or Tables()),
        "results": _results(),
        "predictions": _predictions(),
        "regions": _regions(),
    }


def view_statements(tables: Tables | None = None) -> list[str]:
    """The statements that make the views or bring them up to date; they can be run again."""
    return [f"CREATE OR REPLACE VIEW {name} AS\n{select}" for name, select in views(tables).items()]


def day_select(day: str, tables: Tables | None = None) -> str:
    """The newest row of each result in one day's files, raw and compacted: the day merged.

    Raises ValueError where ``day`` is not ``YYYY-MM-DD``.
    """
    names = ", ".join((*RESULT_COLUMNS, STAGES_COLUMN[0]))
    return _first_rows(names, tables or Tables(), f" WHERE dt = '{_checked(day)}'")


def unload_day(day: str, location: str, tables: Tables | None = None) -> str:
    """The statement that writes `day_select` as Parquet below an empty ``s3://`` location."""
    return (
        f"UNLOAD ({day_select(day, tables)}) TO '{_quoted(location)}' "
        "WITH (format = 'PARQUET', compression = 'ZSTD')"
    )


def _checked(day: str) -> str:
    if not _DAY.fullmatch(day):
        raise ValueError(f"not a day: {day!r:.40}; write YYYY-MM-DD")
    return day


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _newest(tables: Tables) -> str:
    return _first_rows(", ".join((*RESULT_COLUMNS, STAGES_COLUMN[0], "dt")), tables, "")


def _first_rows(names: str, tables: Tables, where: str) -> str:
    """Of each result the row that counts: done before all, newest, raw, of the last batch."""
    stored = ", ".join((*RESULT_COLUMNS, STAGES_COLUMN[0], "dt"))
    both = " UNION ALL ".join(
        f"SELECT {stored}, {fresh} AS fresh FROM {table}{where}"  # noqa: S608 (ours, checked)
        for table, fresh in ((tables.raw, 1), (tables.compact, 0))
    )
    order = "status = 'done' DESC, recorded_at DESC, fresh DESC, batch_id DESC, dt DESC"
    place = f"row_number() OVER (PARTITION BY result_id ORDER BY {order}) AS place"
    ranked = f"SELECT *, {place} FROM ({both}) AS stored"  # noqa: S608
    return f"SELECT {names} FROM ({ranked}) AS ranked WHERE place = 1"  # noqa: S608


def _results() -> str:
    names = ", ".join(_time(name) if name in _TIMES else name for name in RESULT_COLUMNS)
    return f"SELECT {names}, CAST(dt AS date) AS dt FROM newest_results"  # noqa: S608


def _time(name: str, of: str = "") -> str:
    return f"CAST({of}{name} AS timestamp(3)) AS {name}"


def _result_of() -> str:
    return f"n.result_id, n.image, n.asset, {_time('recorded_at', 'n.')}"


def _stages() -> str:
    """A row per stage: UNNEST makes a column of each field, and the number comes last."""
    names = ", ".join((*struct_fields(STAGE), "stage_number"))
    return f"newest_results AS n CROSS JOIN UNNEST(n.stages) WITH ORDINALITY AS s ({names})"


def _predictions() -> str:
    fields = ", ".join(f"s.{name}" for name in struct_fields(STAGE) if name != "regions")
    return f"SELECT {_result_of()}, s.stage_number, {fields} FROM {_stages()}"  # noqa: S608


def _regions() -> str:
    names = struct_fields(REGION)
    fields = ", ".join(f"r.{name}" for name in names)
    return (
        f"SELECT {_result_of()}, s.stage_number, s.stage, s.model, {fields} "  # noqa: S608
        f"FROM {_stages()} CROSS JOIN UNNEST(s.regions) AS r ({', '.join(names)})"
    )
