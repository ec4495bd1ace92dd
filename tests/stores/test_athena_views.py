"""The tables' columns and the views' SQL: what Athena's parser takes, and what the lake has."""

from __future__ import annotations

import json

import pytest
import sqlglot
from sqlglot import exp

from walkdown.stores.athena_views import (
    Tables,
    day_select,
    glue_columns,
    glue_parameters,
    glue_table,
    hive_type,
    struct_fields,
    unload_day,
    view_statements,
    views,
)
from walkdown.stores.lake_rows import RESULT_COLUMNS, STAGE, STAGES_COLUMN


@pytest.mark.parametrize("dialect", ["athena", "trino"])
def test_every_statement_is_one_that_athena_can_parse(dialect: str) -> None:
    for statement in view_statements():
        (tree,) = sqlglot.parse(statement, dialect=dialect)
        assert isinstance(tree, exp.Create)
        assert tree.args["replace"]
    (tree,) = sqlglot.parse(day_select("2026-05-01"), dialect=dialect)
    assert isinstance(tree, exp.Select)


def test_the_tables_have_the_columns_of_a_row_in_hives_types() -> None:
    kinds = {column["Name"]: column["Type"] for column in glue_columns()}
    assert list(kinds) == [*RESULT_COLUMNS, STAGES_COLUMN[0]]
    assert (kinds["run"], kinds["score"], kinds["image"]) == ("bigint", "double", "string")
    assert kinds["recorded_at"] == kinds["taken_at"] == "string"
    assert kinds["stages"].startswith("array<struct<stage:string,model:string,")
    assert "labels:array<string>,heatmap:string" in kinds["stages"]
    assert kinds["stages"].endswith("height_px:bigint,nearest_image:string>>>>")


def test_no_column_has_a_name_that_athena_reserves() -> None:
    names = {column["Name"] for column in glue_columns()} | set(struct_fields(STAGE))
    reserved = {"date", "row", "user", "order", "values", "table", "timestamp", "group", "end"}
    assert not names & reserved
    assert all(name == name.lower() for name in names)


def test_a_type_that_is_not_known_is_an_error() -> None:
    with pytest.raises(KeyError):
        hive_type("BLOB")


def test_partitions_are_computed_and_a_day_is_checked() -> None:
    assert glue_parameters(first_day="2026-01-01")["projection.dt.range"] == "2026-01-01,NOW+1DAYS"
    for day in ("2026-5-1", "2026-05-01' OR '1'='1", ""):
        with pytest.raises(ValueError, match="write YYYY-MM-DD"):
            day_select(day)
        with pytest.raises(ValueError, match="write YYYY-MM-DD"):
            glue_parameters(first_day=day)


def test_a_table_is_what_glue_takes() -> None:
    raw = glue_table("raw_results", "s3://data/lake/raw/results/", parquet=False)
    compact = glue_table("compact_results", "s3://data/lake/compact/results/", parquet=True)
    assert "JsonSerDe" in json.dumps(raw)
    assert "ParquetHiveSerDe" in json.dumps(compact)
    assert raw["PartitionKeys"] == compact["PartitionKeys"] == [{"Name": "dt", "Type": "string"}]


def test_the_names_of_the_tables_can_be_others() -> None:
    tables = Tables("a", "b")
    assert " FROM a UNION ALL " in views(tables)["newest_results"]
    assert " FROM b WHERE dt = '2026-05-01'" in day_select("2026-05-01", tables)


def test_a_place_cannot_end_the_statement() -> None:
    assert "TO 's3://data/it''s/' WITH" in unload_day("2026-05-01", "s3://data/it's/")
